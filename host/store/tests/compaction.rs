//! Compaction while serving: the file becomes smaller and holds what it held, whatever goes wrong on the way.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gatehouse_core::ports::{ChangeSet, Store, StoreError};
use gatehouse_core::{RequestId, UserId};
use gatehouse_store::testing::{Disk, Loss, Trouble};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

fn on(disk: &Disk) -> OpenOptions {
    OpenOptions {
        cache_bytes: 1 << 20,
        retry: Duration::from_millis(1),
        disk: Some(disk.clone()),
        ..OpenOptions::new("memory", MasterKey::new([7; 32]))
    }
}

/// Users that stay, and so many staging rows, of which but a few are removed again.
async fn fill(store: &dyn Store, rows: u64) {
    with_apps(store).await;
    add_users(store, (1..50).map(|no| user(no, &format!("user{no}")))).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    for from in (0..rows).step_by(1000) {
        let staging = (from..rows.min(from + 1000)).map(|no| (RequestId(1), row(no))).collect();
        store.commit(ChangeSet { staging, ..ChangeSet::default() }).await.unwrap();
    }
    let credentials = vec![(credential("hr"), "correct horse".into())];
    let truncate_staging = vec![(RequestId(1), 5)];
    store.commit(ChangeSet { credentials, truncate_staging, ..ChangeSet::default() }).await.unwrap();
}

async fn is_all_there(store: &dyn Store) {
    assert_eq!(store.users(None, 99).await.unwrap().items.len(), 49);
    assert_eq!(store.user_by_username("USER7").await.unwrap().unwrap().id, UserId(7));
    assert_eq!(store.staging(RequestId(1), 0, 99).await.unwrap(), [0, 1, 2, 3, 4].map(row));
    assert!(store.credential("hr").await.unwrap().is_some());
}

fn text<T: std::fmt::Debug>(refused: Result<T, StoreError>) -> String {
    match refused {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_with_many_removed_rows_becomes_smaller_while_it_is_read_and_written() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    fill(store.as_ref(), 40_000).await;
    let held = claim(store.as_ref(), 0, 1).await;
    let reading = {
        let store = store.clone();
        tokio::spawn(async move {
            for no in (1..50).cycle() {
                assert!(store.user(UserId(no)).await.unwrap().is_some());
                store.health().unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for no in 0.. {
                store.commit(ChangeSet { audit: vec![audit(&no.to_string())], ..Default::default() }).await.unwrap();
            }
        })
    };
    let compacted = store.compact().await.unwrap();
    let again = store.compact().await.unwrap();
    assert!(!reading.is_finished() && !writing.is_finished(), "nobody was refused anything");
    reading.abort();
    writing.abort();
    let (_, _) = (reading.await, writing.await);

    assert!(compacted.after * 4 < compacted.before, "{compacted:?}");
    assert!(again.after <= compacted.after * 2, "{again:?}");
    assert!(std::fs::metadata(folder.path("store")).unwrap().len() * 4 < compacted.before);
    assert!(compacted.stored < compacted.after, "{compacted:?}");
    is_all_there(store.as_ref()).await;
    assert_eq!(claimed(store.as_ref(), 1, 9).await, [0_u64; 0], "claims stay");
    store.release(held[0].fence).await.unwrap();
    assert_eq!(claimed(store.as_ref(), 1, 9).await, [1]);
    drop(store);
    is_all_there(&folder.open()).await;
    assert!(!folder.path("store.compacting").exists());
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_point_of_it_leaves_a_store_that_works() {
    let disk = Disk::new();
    let store = RedbStore::open(&on(&disk)).unwrap();
    fill(&store, 3000).await;
    let before = disk.second().points().all();
    store.compact().await.unwrap();
    let points = disk.second().points().all() - before;
    assert!(points > 20, "{points}");
    for point in 1..=points {
        let at = disk.second().points().all() + point;
        disk.second().fails(Trouble::FailsFrom(at, ErrorKind::StorageFull));
        let compacted = store.compact().await;
        disk.second().is_well_again();
        if disk.second().points().all() >= at {
            let said = text(compacted);
            assert!(said.contains("as it was") && said.contains("no space"), "{point}: {said}");
        }
        store.health().unwrap();
        is_all_there(&store).await;
        let change = ChangeSet { audit: vec![audit("after")], ..ChangeSet::default() };
        store.commit(change).await.unwrap();
    }
    store.compact().await.unwrap();
    is_all_there(&store).await;
}

#[tokio::test]
async fn a_machine_that_stops_at_any_point_of_it_finds_everything() {
    let first = Disk::new();
    {
        let store = RedbStore::open(&on(&first)).unwrap();
        fill(&store, 500).await;
    }
    let points = {
        let disk = Disk::of(first.bytes());
        let store = RedbStore::open(&on(&disk)).unwrap();
        store.compact().await.unwrap();
        disk.second().points().all()
    };
    for point in 1..=points {
        let disk = Disk::of(first.bytes());
        let store = RedbStore::open(&on(&disk)).unwrap();
        disk.second().fails(Trouble::StopsAt(point));
        text(store.compact().await);
        is_all_there(&RedbStore::open(&on(&disk.after(Loss::Some(point)))).unwrap()).await;
    }
    // And at the step itself, and at all that follows it.
    for point in 1..40 {
        let disk = Disk::of(first.bytes());
        let store = RedbStore::open(&on(&disk)).unwrap();
        disk.fails(Trouble::StopsAt(disk.points().all() + point));
        let _ = store.compact().await;
        let _ = store.commit(ChangeSet { audit: vec![audit("later")], ..ChangeSet::default() }).await;
        for loss in [Loss::Nothing, Loss::Everything, Loss::Some(point)] {
            is_all_there(&RedbStore::open(&on(&disk.after(loss))).unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_file_with_a_table_that_is_not_known_is_not_copied() {
    let folder = Folder::new();
    fill(&folder.open(), 10).await;
    {
        let db = redb::Database::open(folder.path("store")).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(redb::TableDefinition::<u64, u64>::new("OF_TOMORROW")).unwrap().insert(1, 1).unwrap();
        txn.commit().unwrap();
    }
    let store = folder.open();
    let said = text(store.compact().await);
    assert!(said.contains("OF_TOMORROW") && said.contains("as it was"), "{said}");
    is_all_there(&store).await;
}

#[tokio::test]
async fn a_copy_that_a_killed_host_left_is_removed_when_the_store_is_opened() {
    let folder = Folder::new();
    fill(&folder.open(), 10).await;
    std::fs::write(folder.path("store.compacting"), b"half a store").unwrap();
    let store = folder.open();
    assert!(!folder.path("store.compacting").exists());
    std::fs::write(folder.path("store.compacting"), b"half a store").unwrap();
    store.compact().await.unwrap();
    is_all_there(&store).await;
}

#[tokio::test]
async fn a_file_of_which_all_is_used_does_not_become_larger() {
    let folder = Folder::new();
    let store = folder.open();
    with_apps(&store).await;
    add_requests(&store, [request(1, 1, 1, Some(0))]).await;
    // As many as a file holds that has just grown to twice its length.
    for from in (0..50_000).step_by(1000) {
        let staging = (from..from + 1000).map(|no| (RequestId(1), row(no))).collect();
        store.commit(ChangeSet { staging, ..ChangeSet::default() }).await.unwrap();
    }
    let compacted = store.compact().await.unwrap();
    assert!(compacted.after <= compacted.before, "{compacted:?}");
    assert!(compacted.after < compacted.stored * 5 / 4, "{compacted:?}");
}
