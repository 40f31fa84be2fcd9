//! The embedded store on disks that are full, read-only, failing or scratched: it says so, does nothing by halves, and
//! goes on by itself once the disk does.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gatehouse_core::UserId;
use gatehouse_core::ports::{Store, StoreError};
use gatehouse_store::testing::{Disk, Loss, Trouble};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use std::io::ErrorKind;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

fn on(disk: &Disk) -> OpenOptions {
    OpenOptions {
        cache_bytes: 128 << 10,
        retry: Duration::from_millis(1),
        disk: Some(disk.clone()),
        ..OpenOptions::new("memory", MasterKey::new([7; 32]))
    }
}

fn open(disk: &Disk) -> RedbStore {
    RedbStore::open(&on(disk)).unwrap()
}

fn text<T: std::fmt::Debug>(refused: Result<T, StoreError>) -> String {
    match refused {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

async fn add(store: &RedbStore, no: u64) -> Result<(), StoreError> {
    let users = new([user(no, &format!("user{no}"))]);
    let changes = gatehouse_core::ports::ChangeSet { users, audit: vec![audit("added")], ..Default::default() };
    store.commit(changes).await
}

async fn is_there(store: &RedbStore, no: u64) -> bool {
    until("readers have the store", async || store.user(UserId(no)).await.ok()).await.is_some()
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let polled = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polled).await.unwrap_or_else(|_| panic!("never came to pass: {what}"))
}

async fn until_well(store: &RedbStore) {
    until("the store is well", async || store.health().ok()).await;
}

#[tokio::test]
async fn a_store_that_had_no_space_says_so_serves_readers_and_goes_on_once_there_is_some() {
    let cases = [
        (ErrorKind::StorageFull, "no space is left for the store: free some"),
        (ErrorKind::FileTooLarge, "no space is left for the store: free some"),
        (ErrorKind::ReadOnlyFilesystem, "may not be written: make its disk writable"),
        (ErrorKind::Other, "the store's disk fails: see to it"),
    ];
    for (kind, expected) in cases {
        let disk = Disk::new();
        let store = open(&disk);
        add(&store, 1).await.unwrap();
        disk.fails(Trouble::FailsFrom(0, kind));
        let said = text(add(&store, 2).await);
        assert!(said.contains(expected) && said.contains("goes on by itself"), "{said}");
        let again = text(add(&store, 3).await);
        assert!(again.contains(expected), "whoever comes later is told the same: {again}");
        let health = text(store.health());
        assert!(health.contains(expected), "{health}");
        disk.is_well_again();
        until_well(&store).await;
        assert!(is_there(&store, 1).await && !is_there(&store, 3).await, "{kind}");
        add(&store, 4).await.unwrap();
        let trail = store.audit(None, 9).await.unwrap().items.len();
        let users = [1, 2, 3, 4].map(|no| store.user(UserId(no)));
        let mut kept = 0;
        for user in users {
            kept += usize::from(user.await.unwrap().is_some());
        }
        assert_eq!(trail, kept, "each user with its audit record, {kind}");
    }
}

#[tokio::test]
async fn readers_are_served_while_nothing_can_be_written() {
    let disk = Disk::new();
    let store = open(&disk);
    for no in 1..200 {
        add(&store, no).await.unwrap();
    }
    // A refusal of what the cache writes out early is got over: it is written again with the rest. A later one is not.
    let mut refused = None;
    for later in 1..20 {
        disk.fails(Trouble::FailsAt(disk.points().all() + later, ErrorKind::StorageFull));
        refused = add(&store, 199 + later).await.err();
        if refused.is_some() {
            break;
        }
    }
    text(refused.map_or(Ok(()), Err));
    // Opening needs a few writes into what the file has already; then the disk is full again.
    disk.fails(Trouble::FailsFrom(disk.points().all() + 12, ErrorKind::StorageFull));
    for no in 1..200 {
        assert!(is_there(&store, no).await);
    }
}

#[tokio::test]
async fn what_a_failed_sync_left_in_memory_is_written_anew_before_anything_builds_on_it() {
    let disk = Disk::new();
    let store = open(&disk);
    let mut failed = 0;
    for no in 1..100 {
        // The system forgets what it did not sync, and goes on showing it.
        disk.fails(Trouble::FailsAt(disk.points().all() + no % 17 + 1, ErrorKind::Other));
        let syncs = disk.points().syncs;
        let added = add(&store, no).await;
        failed += u64::from(added.is_err() && disk.points().syncs > syncs);
        disk.is_well_again();
        until_well(&store).await;
        add(&store, 1000 + no).await.unwrap();
        let cut_off = open(&disk.after(Loss::Everything));
        assert!(is_there(&cut_off, 1000 + no).await, "it was committed, and the power cut came later");
        assert!(added.is_err() || is_there(&cut_off, no).await);
    }
    assert!(failed > 3, "{failed} syncs failed");
}

#[tokio::test]
async fn a_disk_that_cannot_even_be_read_is_told_and_forgiven() {
    let disk = Disk::new();
    let store = open(&disk);
    for no in 1..2000 {
        add(&store, no).await.unwrap();
    }
    disk.fails(Trouble::FailsToRead);
    let said = until("a reader misses a page", async || {
        for no in 1..2000 {
            if let Err(error) = store.user(UserId(no)).await {
                return Some(error.to_string());
            }
        }
        None
    })
    .await;
    assert!(said.contains("disk"), "{said}");
    until("the store is ill", async || store.health().err()).await;
    disk.is_well_again();
    until_well(&store).await;
    assert!(is_there(&store, 1).await);
    add(&store, 2001).await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_at_any_point_of_a_commit_keeps_all_of_it_or_none() {
    let disk = Disk::new();
    let store = open(&disk);
    let mut refused = 0;
    for no in 1..400 {
        disk.fails(Trouble::FailsAt(disk.points().all() + no % 23 + 1, ErrorKind::StorageFull));
        let added = add(&store, no).await;
        disk.is_well_again();
        until_well(&store).await;
        refused += u64::from(added.is_err());
        assert!(added.is_err() || is_there(&store, no).await);
    }
    assert!(refused > 40, "{refused} commits were refused");
    let users = store.users(None, 1000).await.unwrap().items.len();
    assert_eq!(store.audit(None, 1000).await.unwrap().items.len(), users);
}

#[tokio::test]
async fn a_scratched_page_is_found_out_before_anything_is_done_with_it() {
    let disk = Disk::new();
    {
        let store = open(&disk);
        for no in 1..100 {
            add(&store, no).await.unwrap();
        }
    }
    let whole = disk.bytes();
    let (mut found, mut harmless) = (0, 0);
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096 + 100] ^= 0x20;
        match RedbStore::open(&on(&Disk::of(bytes))) {
            Err(error) => {
                found += 1;
                let said = error.to_string();
                assert!(said.contains("damaged: restore a backup") || said.contains("is not a"), "page {page}: {said}");
            }
            // A page that holds nothing.
            Ok(store) => {
                harmless += 1;
                assert_eq!(store.users(None, 1000).await.unwrap().items.len(), 99, "page {page}");
            }
        }
    }
    assert!(found > 10, "{found} scratched pages were found out, {harmless} held nothing");
}

#[tokio::test]
async fn damage_found_while_serving_stops_all_writing_and_says_why() {
    let disk = Disk::new();
    drop(open(&disk));
    let folder = Folder::new();
    std::fs::write(folder.path("store"), disk.bytes()).unwrap();
    {
        let db = redb::Database::open(folder.path("store")).unwrap();
        let txn = db.begin_write().unwrap();
        let table = redb::TableDefinition::<u64, &[u8]>::new("USERS");
        txn.open_table(table).unwrap().insert(1, b"\x01no record".as_slice()).unwrap();
        txn.commit().unwrap();
    }
    let store = folder.open();
    store.health().unwrap();
    for said in [text(store.user(UserId(1)).await), text(store.health()), text(add(&store, 2).await)] {
        assert!(said.contains("damaged: restore a backup"), "{said}");
    }
    assert!(store.profiles().await.unwrap().is_empty(), "the rest can be read");
}

#[tokio::test]
async fn a_claim_that_was_given_back_before_the_disk_failed_does_not_come_back_with_the_file() {
    let disk = Disk::new();
    let store = open(&disk);
    with_apps(&store).await;
    add_users(&store, [user(1, "ada")]).await;
    add_requests(&store, [request(1, 1, 1, Some(0))]).await;
    let held = claim(&store, 0, 9).await;
    assert_eq!(held.len(), 1);
    // Makes the claim durable; that it is given back is not durable when the disk fails.
    add(&store, 2).await.unwrap();
    store.release(held[0].fence).await.unwrap();
    disk.fails(Trouble::FailsFrom(0, ErrorKind::StorageFull));
    text(add(&store, 3).await);
    disk.is_well_again();
    until_well(&store).await;
    let again = until("the request can be had again", async || claim(&store, 0, 9).await.pop()).await;
    assert_eq!(again.request.id, held[0].request.id);
    // Nor where it is no commit that fails.
    add(&store, 7).await.unwrap();
    store.release(again.fence).await.unwrap();
    disk.fails(Trouble::FailsFrom(0, ErrorKind::StorageFull));
    text(store.rotate_master_key(MasterKey::new([8; 32])).await);
    disk.is_well_again();
    until_well(&store).await;
    until("the request can be had again", async || claim(&store, 0, 9).await.pop()).await;
    // Whoever has it now keeps it, however often the disk fails.
    add(&store, 4).await.unwrap();
    disk.fails(Trouble::FailsFrom(0, ErrorKind::StorageFull));
    text(add(&store, 5).await);
    disk.is_well_again();
    until_well(&store).await;
    add(&store, 6).await.unwrap();
    assert_eq!(claimed(&store, 0, 9).await, Vec::<u64>::new());
}
