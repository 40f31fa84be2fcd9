//! Backups made while serving, and restored while serving: what does not belong is refused before anything is touched.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gatehouse_core::ports::{ChangeSet, Sequence, Store, StoreError};
use gatehouse_core::{User, UserId};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use secrecy::ExposeSecret;

async fn fill(store: &RedbStore) {
    with_apps(store).await;
    let changes = ChangeSet {
        users: new([User { profile: Some("staff".to_owned()), ..user(1, "Jane") }]),
        credentials: vec![(credential("hr"), "correct horse".into())],
        requests: new([request(1, 1, 1, Some(0)), request(2, 1, 1, Some(0))]),
        audit: vec![audit("a")],
        ..ChangeSet::default()
    };
    store.commit(changes).await.unwrap();
}

fn text<T: std::fmt::Debug>(refused: Result<T, StoreError>) -> String {
    match refused {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

async fn names(store: &dyn Store) -> Vec<String> {
    store.users(None, 99).await.unwrap().items.into_iter().map(|user| user.username).collect()
}

#[tokio::test]
async fn what_was_backed_up_comes_back_and_what_came_later_is_gone() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store).await;
    let held = claim(&store, 0, 9).await;
    let manifest = store.backup(folder.path("backup"), at(0)).await.unwrap();
    assert_eq!((manifest.records["USERS"], manifest.records["REQUESTS"]), (1, 2));
    let twice = text(store.backup(folder.path("backup"), at(0)).await);
    assert!(twice.contains("never overwrites"), "{twice}");
    add_users(&store, [user(9, "later")]).await;
    let next = [Sequence::User, Sequence::Request].map(|sequence| store.allocate(sequence, 5) + 5);

    let staged = store.stage(folder.path("backup"), false).await.unwrap();
    assert_eq!(names(&store).await, ["Jane", "later"], "nothing has been touched yet");
    let changes = ChangeSet { audit: vec![audit("restored")], ..ChangeSet::default() };
    staged.store.commit(changes).await.unwrap();
    store.adopt(staged).await.unwrap();

    assert_eq!(names(&store).await, ["Jane"]);
    assert_eq!(store.audit(None, 9).await.unwrap().items, [audit("restored"), audit("a")]);
    assert_eq!(store.credential("hr").await.unwrap().unwrap().secret.expose_secret(), "correct horse");
    let again = [Sequence::User, Sequence::Request].map(|sequence| store.allocate(sequence, 1));
    assert!(again[0] >= next[0] && again[1] >= next[1], "no number is handed out again: {again:?} after {next:?}");
    let claims = claim(&store, 0, 9).await;
    assert_eq!(claims.len(), 1, "claims are void");
    assert!(claims[0].fence.token > held[0].fence.token);
    add_users(&store, [user(again[0], "new")]).await;
    drop(store);
    let store = folder.open();
    assert_eq!(names(&store).await, ["Jane", "new"], "it is what is opened from now on");
    assert!(!folder.path("store.restoring").exists() && !folder.path("backup.partial").exists());
}

#[tokio::test]
async fn a_backup_with_any_byte_changed_or_missing_is_refused_and_the_store_left_alone() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store).await;
    store.backup(folder.path("backup"), at(0)).await.unwrap();
    let whole = std::fs::read(folder.path("backup")).unwrap();
    add_users(&store, [user(9, "later")]).await;
    let bad = folder.path("bad");
    let mut tried = 0;
    // Every byte of the head, and some of the rest.
    for at in (0..400).chain((400..whole.len()).step_by(whole.len() / 60)).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&bad, &bytes).unwrap();
        let said = text(store.stage(&bad, true).await);
        assert!(said.contains("nothing was changed"), "byte {at}: {said}");
        std::fs::write(&bad, &whole[..at]).unwrap();
        let said = text(store.stage(&bad, true).await);
        assert!(said.contains("nothing was changed"), "cut off at {at}: {said}");
        // Once it says that it is one, and how long.
        assert!(at < 2000 || said.contains("not whole"), "cut off at {at}: {said}");
        tried += 2;
    }
    assert!(tried > 800);
    store.health().unwrap();
    assert_eq!(names(&store).await, ["Jane", "later"]);
    assert!(!folder.path("store.restoring").exists());
}

#[tokio::test]
async fn what_does_not_belong_is_refused_with_what_to_do() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let store = folder.open();
    fill(&store).await;
    let other = RedbStore::open(&elsewhere.options()).unwrap();
    add_users(&other, [user(1, "stranger")]).await;
    other.backup(folder.path("theirs"), at(0)).await.unwrap();
    let keyed = RedbStore::open(&OpenOptions::new(folder.path("k"), MasterKey::new([9; 32]))).unwrap();
    keyed.backup(folder.path("keyed"), at(0)).await.unwrap();
    std::fs::write(folder.path("diary"), "Dear diary").unwrap();
    std::fs::copy(folder.path("store"), folder.path("store file")).unwrap();
    let cases = [
        ("theirs", false, "another installation: to replace this one by it all the same, say so"),
        ("keyed", true, "another master key: start Gatehouse with that one"),
        ("diary", true, "is not a backup made by `gatehouse backup`"),
        ("store file", true, "is not a backup made by `gatehouse backup`"),
        ("not there", true, "cannot be read"),
    ];
    for (name, other_installation, expected) in cases {
        let said = text(store.stage(folder.path(name), other_installation).await);
        assert!(said.contains(expected) && said.contains("nothing was changed"), "{name}: {said}");
    }
    let staged = store.stage(folder.path("theirs"), true).await.unwrap();
    store.adopt(staged).await.unwrap();
    assert_eq!(names(&store).await, ["stranger"]);
    let next = store.allocate(Sequence::User, 1);
    assert!(next > 1_000_000, "nobody knows what the other installation has used since: {next}");
}

#[tokio::test]
async fn an_unfinished_backup_or_restore_is_in_nobodys_way() {
    let folder = Folder::new();
    {
        let store = folder.open();
        fill(&store).await;
        store.backup(folder.path("good"), at(0)).await.unwrap();
        let staged = store.stage(folder.path("good"), false).await.unwrap();
        add_users(&staged.store, [user(7, "half")]).await;
        // Killed in the middle: nothing is tidied up.
        #[allow(clippy::disallowed_methods)]
        std::mem::forget(staged);
        std::fs::write(folder.path("backup.partial"), "half a backup").unwrap();
        std::fs::write(folder.path("backup.store"), "half a copy").unwrap();
    }
    std::fs::rename(folder.path("store.restoring"), folder.path("was")).unwrap();
    std::fs::write(folder.path("store.restoring"), "half a store").unwrap();
    std::fs::write(folder.path("store.new"), "half a store").unwrap();
    let store = folder.open();
    assert_eq!(names(&store).await, ["Jane"], "the old state, whole");
    store.backup(folder.path("backup"), at(1)).await.unwrap();
    let staged = store.stage(folder.path("backup"), false).await.unwrap();
    store.adopt(staged).await.unwrap();
    assert_eq!(names(&store).await, ["Jane"]);
}

#[tokio::test]
async fn a_restore_that_is_given_up_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store).await;
    store.backup(folder.path("good"), at(0)).await.unwrap();
    let staged = store.stage(folder.path("good"), false).await.unwrap();
    assert!(folder.path("store.restoring").exists());
    drop(staged);
    assert!(!folder.path("store.restoring").exists());
}

#[tokio::test]
async fn a_store_whose_making_was_interrupted_is_made_anew() {
    let folder = Folder::new();
    std::fs::write(folder.path("store.new"), "half a store").unwrap();
    let store = folder.open();
    fill(&store).await;
    assert!(!folder.path("store.new").exists());
    assert_eq!(store.user(UserId(1)).await.unwrap().unwrap().username, "Jane");
}

#[tokio::test]
async fn a_backup_after_a_rotation_takes_the_new_master_key() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store).await;
    store.backup(folder.path("before"), at(0)).await.unwrap();
    store.rotate_master_key(MasterKey::new([8; 32])).await.unwrap();
    store.backup(folder.path("after"), at(0)).await.unwrap();
    let said = text(store.stage(folder.path("before"), false).await);
    assert!(said.contains("another master key"), "{said}");
    let staged = store.stage(folder.path("after"), false).await.unwrap();
    store.adopt(staged).await.unwrap();
    assert_eq!(store.credential("hr").await.unwrap().unwrap().secret.expose_secret(), "correct horse");
    let bytes = std::fs::read(folder.path("after")).unwrap();
    assert!(!bytes.windows(13).any(|window| window == b"correct horse"), "credentials stay sealed");
}
