//! What only the embedded store does: survive being closed or cut off, refuse files that are not its own, group
//! commits, keep secrets sealed, copy itself.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gatehouse_core::ports::{
    AccountQuery, ChangeSet, Direction, RequestQuery, Sequence, Store, StoreError, UserQuery, Versioned,
};
use gatehouse_core::{AppId, Digest, Request, RequestId, Situation, State, User, UserId};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use redb::{Database, TableDefinition};
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::Arc;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("META");

/// The text with which opening is refused.
fn refusal(options: &OpenOptions) -> String {
    match RedbStore::open(options) {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

async fn fill(store: &dyn Store) {
    with_apps(store).await;
    let changes = ChangeSet {
        users: new([User { profile: Some("staff".to_owned()), ..user(1, "Jane") }, user(2, "joe")]),
        profiles: new([profile("staff")]),
        connectors: vec![(connector(1, "scim", "1.0.0"), b"\0asm".to_vec())],
        credentials: vec![(credential("hr"), "correct horse".into())],
        tokens: new([token(1, "admin")]),
        accounts: new([account_of(1, 1, 1), account(2, 1, Situation::Unassigned)]),
        requests: new([request(1, 1, 1, Some(0)), request(2, 1, 1, Some(0)), request(3, 2, 1, None)]),
        staging: vec![(RequestId(3), row(0)), (RequestId(3), row(1))],
        log: vec![(RequestId(3), line("a")), (RequestId(3), line("b"))],
        audit: vec![audit("a"), audit("b")],
        idempotency: vec![remembered("key", 0, serde_json::json!({"id": 1}))],
        ..ChangeSet::default()
    };
    store.commit(changes).await.unwrap();
}

async fn assert_filled(store: &dyn Store) {
    assert_eq!(store.user_by_username("jane").await.unwrap().unwrap().username, "Jane");
    assert_eq!(store.users_of_profile("staff", None, 9).await.unwrap().items.len(), 1);
    assert_eq!(store.profiles().await.unwrap().len(), 1);
    assert_eq!(store.component(Digest([1; 32])).await.unwrap().unwrap(), b"\0asm");
    assert_eq!(store.apps().await.unwrap().len(), 3);
    assert_eq!(store.credential("hr").await.unwrap().unwrap().secret.expose_secret(), "correct horse");
    assert_eq!(store.tokens().await.unwrap().len(), 1);
    let of_user = AccountQuery { user: Some(UserId(1)), limit: 9, ..AccountQuery::default() };
    assert_eq!(store.accounts(&of_user).await.unwrap().items.len(), 1);
    assert_eq!(store.account_counts(AppId(1)).await.unwrap().len(), 2);
    let of_app = RequestQuery { app: Some(AppId(1)), limit: 9, ..RequestQuery::default() };
    assert_eq!(store.requests(&of_app).await.unwrap().items.len(), 2);
    assert_eq!(store.staging(RequestId(3), 0, 9).await.unwrap(), [row(0), row(1)]);
    assert_eq!(
        store.request_log(RequestId(3), Direction::Ascending, None, 9).await.unwrap().items,
        [line("a"), line("b")]
    );
    assert_eq!(store.audit(None, 9).await.unwrap().items, [audit("b"), audit("a")]);
    assert!(store.idempotent("key").await.unwrap().is_some());
    assert_eq!(store.directory_epoch().await.unwrap(), 1);
}

#[tokio::test]
async fn everything_survives_closing_and_opening() {
    let folder = Folder::new();
    fill(&folder.open()).await;
    let store = folder.open();
    assert_filled(&store).await;
    assert_eq!(store.allocate(Sequence::User, 1), 3);
    assert_eq!(store.allocate(Sequence::Request, 1), 4);
    let more = ChangeSet { log: vec![(RequestId(3), line("c"))], audit: vec![audit("c")], ..ChangeSet::default() };
    store.commit(more).await.unwrap();
    assert_eq!(
        store.request_log(RequestId(3), Direction::Ascending, None, 9).await.unwrap().items.len(),
        3,
        "appended, not overwritten"
    );
    assert_eq!(store.audit(None, 9).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn what_a_commit_answered_for_survives_being_cut_off() {
    for quick_repair in [false, true] {
        let folder = Folder::new();
        let store = RedbStore::open(&OpenOptions { quick_repair, ..folder.options() }).unwrap();
        fill(&store).await;
        // What a machine finds that lost its power now: the file as it is, never closed.
        std::fs::copy(folder.path("store"), folder.path("after the crash")).unwrap();
        let options = OpenOptions { path: folder.path("after the crash"), quick_repair, ..folder.options() };
        assert_filled(&RedbStore::open(&options).unwrap()).await;
    }
}

#[tokio::test]
async fn claims_are_given_back_on_opening_and_fences_keep_rising() {
    let folder = Folder::new();
    let mut last = 0;
    for opened in 0..3 {
        let store = folder.open();
        if opened == 0 {
            fill(&store).await;
        }
        let held = claim(&store, 0, 9).await;
        assert_eq!(held.iter().map(|claim| claim.request.id.0).collect::<Vec<_>>(), [1], "opened {opened} times");
        assert!(held[0].fence.token > last, "{held:?} after {last}");
        last = held[0].fence.token;
        // As after a crash, the claim may or may not have reached the disk.
        std::fs::copy(folder.path("store"), folder.path("crashed")).unwrap();
    }
    let options = OpenOptions { path: folder.path("crashed"), ..folder.options() };
    let store = RedbStore::open(&options).unwrap();
    let held = claim(&store, 0, 9).await;
    assert_eq!(held.len(), 1);
    assert!(held[0].fence.token > last, "a token is not handed out again after a crash: {held:?} after {last}");
}

#[tokio::test]
async fn of_many_concurrent_commits_only_the_conflicting_ones_are_refused() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    with_apps(store.as_ref()).await;
    add_users(store.as_ref(), [user(1000, "contended")]).await;
    let tasks: Vec<_> = (0..64_u64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let changes = match n % 4 {
                    // All want one name; all want to replace one version; the others are in nobody's way.
                    0 => ChangeSet { users: new([user(n + 1, "same")]), ..ChangeSet::default() },
                    1 => {
                        let users = vec![Versioned::replacing(1, user(1000, &format!("winner{n}")))];
                        ChangeSet { users, ..ChangeSet::default() }
                    }
                    _ => ChangeSet { users: new([user(n + 1, &format!("u{n}"))]), ..ChangeSet::default() },
                };
                (n, store.commit(ChangeSet { audit: vec![audit(&n.to_string())], ..changes }).await)
            })
        })
        .collect();
    let mut landed = [0; 4];
    for task in tasks {
        match task.await.unwrap() {
            (n, Ok(())) => landed[(n % 4) as usize] += 1,
            (n, Err(StoreError::Duplicate { .. })) => assert_eq!(n % 4, 0),
            (n, Err(StoreError::VersionConflict { .. })) => assert_eq!(n % 4, 1),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(landed, [1, 1, 16, 16]);
    assert_eq!(store.audit(None, 99).await.unwrap().items.len(), 34, "one record for each that landed");
    assert_eq!(store.user(UserId(1000)).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_store_in_use_is_refused_and_is_free_once_dropped() {
    let folder = Folder::new();
    let store = folder.open();
    let text = refusal(&folder.options());
    assert!(text.contains("in use by another Gatehouse") && text.contains("stop that one"), "{text}");
    drop(store);
    folder.open();
}

#[tokio::test]
async fn a_store_file_from_the_future_is_refused_untouched() {
    let folder = Folder::new();
    fill(&folder.open()).await;
    let set_format = |format: u64| {
        let db = Database::open(folder.path("store")).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(META).unwrap().insert("format", format.to_be_bytes().as_slice()).unwrap();
        txn.commit().unwrap();
    };
    set_format(9);
    let text = refusal(&folder.options());
    assert!(text.contains("from the future") && text.contains("store format 9, this one reads up to 2"), "{text}");
    set_format(2);
    assert_filled(&folder.open()).await;
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let folder = Folder::new();
    fill(&folder.open()).await;
    let text = refusal(&OpenOptions { master_key: MasterKey::new([8; 32]), ..folder.options() });
    assert!(text.contains("master key is not that of the store"), "{text}");
    assert_filled(&folder.open()).await;
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    let folder = Folder::new();
    let another_database = |path: &Path| {
        let db = Database::create(path).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(TableDefinition::<u64, u64>::new("somebody else's")).unwrap().insert(1, 2).unwrap();
        txn.commit().unwrap();
    };
    std::fs::write(folder.path("text"), "Dear diary").unwrap();
    std::fs::write(folder.path("large"), vec![b'x'; 1 << 20]).unwrap();
    another_database(&folder.path("database"));
    for name in ["text", "large", "database"] {
        let options = OpenOptions { path: folder.path(name), ..folder.options() };
        let before = std::fs::read(&options.path).unwrap();
        let text = refusal(&options);
        assert!(text.contains("is not a Gatehouse store"), "{name}: {text}");
        assert!(name == "database" || before == std::fs::read(&options.path).unwrap(), "{name} was changed");
    }
    let db = Database::open(folder.path("database")).unwrap();
    let names = redb::ReadableDatabase::begin_read(&db).unwrap().list_tables().unwrap().count();
    assert_eq!(names, 1, "nothing was added to somebody else's database");
}

#[test]
fn a_path_that_cannot_hold_a_store_is_refused_with_advice() {
    let folder = Folder::new();
    for path in [folder.path("no/such/folder/store"), folder.path("")] {
        let text = refusal(&OpenOptions { path: path.clone(), ..folder.options() });
        assert!(text.contains("see that"), "{}: {text}", path.display());
    }
}

#[test]
fn an_empty_file_becomes_a_store() {
    let folder = Folder::new();
    std::fs::write(folder.path("store"), "").unwrap();
    drop(folder.open());
    folder.open();
}

#[tokio::test]
async fn a_damaged_store_is_refused_with_advice() {
    let folder = Folder::new();
    fill(&folder.open()).await;
    let whole = std::fs::read(folder.path("store")).unwrap();
    let cut_off = whole[..whole.len() / 2].to_vec();
    let mut scratched = whole.clone();
    scratched[64..4096].fill(0xa5);
    let mut holed = whole.clone();
    holed[4096..].fill(0);
    for (what, bytes) in [("cut off", cut_off), ("scratched", scratched), ("holed", holed)] {
        std::fs::write(folder.path("store"), bytes).unwrap();
        let text = refusal(&folder.options());
        assert!(text.contains("damaged: restore a backup"), "{what}: {text}");
    }
}

#[tokio::test]
async fn a_store_that_is_half_free_is_compacted_when_it_is_opened() {
    let folder = Folder::new();
    let store = folder.open();
    for no in 0..32_u8 {
        let connectors = vec![(connector(no, &format!("c{no}"), "1.0.0"), vec![no; 1 << 20])];
        store.commit(ChangeSet { connectors, ..ChangeSet::default() }).await.unwrap();
    }
    let remove_connectors = (0..31).map(|no| Digest([no; 32])).collect();
    store.commit(ChangeSet { remove_connectors, ..ChangeSet::default() }).await.unwrap();
    drop(store);
    let size = || std::fs::metadata(folder.path("store")).unwrap().len();
    let before = size();
    let store = folder.open();
    assert_eq!(store.component(Digest([31; 32])).await.unwrap().unwrap(), vec![31; 1 << 20]);
    assert!(size() * 4 < before, "{before} bytes before, {} after", size());
}

#[cfg(unix)]
#[test]
fn a_new_store_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.open();
    let mode = std::fs::metadata(folder.path("store")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn no_secret_stands_in_the_file_or_shows_in_debug() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store).await;
    let shown = format!("{store:?} {:?} {:?}", folder.options(), store.credential("hr").await.unwrap());
    assert!(!shown.contains("correct horse") && !shown.contains("7, 7"), "{shown}");
    drop(store);
    let bytes = std::fs::read(folder.path("store")).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"hr.example.com"), "the record around it is readable");
    assert!(!holds(b"correct horse"));
    assert!(!holds(&[7; 32]), "the master key");
}

#[tokio::test]
async fn after_a_rotation_only_the_new_master_key_opens_the_store() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store).await;
    store.rotate_master_key(MasterKey::new([8; 32])).await.unwrap();
    assert_filled(&store).await;
    let later = ChangeSet { credentials: vec![(credential("crm"), "later".into())], ..ChangeSet::default() };
    store.commit(later).await.unwrap();
    drop(store);
    assert!(refusal(&folder.options()).contains("master key"));
    let store = RedbStore::open(&OpenOptions { master_key: MasterKey::new([8; 32]), ..folder.options() }).unwrap();
    assert_filled(&store).await;
    assert_eq!(store.credential("crm").await.unwrap().unwrap().secret.expose_secret(), "later");
}

#[tokio::test]
async fn an_altered_credential_does_not_open() {
    let folder = Folder::new();
    fill(&folder.open()).await;
    let table = TableDefinition::<&str, &[u8]>::new("CREDENTIALS");
    let db = Database::open(folder.path("store")).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(table).unwrap();
        let bytes = redb::ReadableTable::get(&table, "hr").unwrap().unwrap().value().to_vec();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("hr.example.com"));
        let at = bytes.windows(14).position(|window| window == b"hr.example.com").unwrap();
        let elsewhere = [&bytes[..at], b"xx", &bytes[at + 2..]].concat();
        table.insert("hr", elsewhere.as_slice()).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    let store = folder.open();
    let refused = store.credential("hr").await;
    let Err(StoreError::Unavailable(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("credential `hr` does not open"), "{text}");
}

#[tokio::test]
async fn a_file_from_before_there_was_a_review_queue_gets_one() {
    let folder = Folder::new();
    {
        let store = folder.open();
        with_apps(&store).await;
        let failed = |id, needs_review| Request { state: State::Failed, needs_review, ..request(id, 1, id, None) };
        add_requests(&store, [failed(1, true), failed(2, false)]).await;
    }
    let db = Database::open(folder.path("store")).unwrap();
    let txn = db.begin_write().unwrap();
    assert!(txn.delete_table(TableDefinition::<(u64, u64), ()>::new("REQUESTS_IN_REVIEW")).unwrap());
    txn.commit().unwrap();
    drop(db);
    assert_eq!(folder.open().review_count().await.unwrap(), 1);
}

#[tokio::test]
async fn users_of_a_file_that_did_not_index_them_by_what_they_are_are_found() {
    let folder = Folder::new();
    let boss = User { frozen: true, ..user(1, "boss") };
    add_users(&folder.open(), [boss, User { manager: Some(UserId(1)), ..user(2, "jane") }]).await;
    let db = Database::open(folder.path("store")).unwrap();
    let txn = db.begin_write().unwrap();
    assert!(txn.delete_table(TableDefinition::<(u64, u64), ()>::new("USERS_BY_MANAGER")).unwrap());
    assert!(txn.delete_table(TableDefinition::<(u8, u64), ()>::new("USERS_BY_STATUS")).unwrap());
    txn.commit().unwrap();
    drop(db);
    let store = folder.open();
    let all = UserQuery { limit: 9, ..UserQuery::default() };
    let frozen = store.find_users(&UserQuery { frozen: Some(true), ..all.clone() }).await.unwrap().items;
    let reports = store.find_users(&UserQuery { manager: Some(UserId(1)), ..all }).await.unwrap().items;
    let ids = |users: Vec<User>| users.iter().map(|user| user.id.0).collect::<Vec<_>>();
    assert_eq!((ids(frozen), ids(reports)), (vec![1], vec![2]));
}

#[tokio::test]
async fn answers_of_a_file_that_did_not_date_them_are_as_old_as_its_last_audit_record() {
    let folder = Folder::new();
    fill(&folder.open()).await;
    {
        let db = Database::open(folder.path("store")).unwrap();
        let txn = db.begin_write().unwrap();
        let by_time: TableDefinition<(i128, &str), ()> = TableDefinition::new("IDEMPOTENCY_BY_TIME");
        txn.delete_table(by_time).unwrap();
        txn.commit().unwrap();
    }
    let store = folder.open();
    assert_eq!(store.answers_before(at(0), 9).await.unwrap(), []);
    assert_eq!(store.answers_before(at(1), 9).await.unwrap(), [(at(0), "key".to_owned())]);
}
