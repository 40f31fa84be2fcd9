//! Somebody has been at the audit trail in the file: who verifies it is told which record, and what became of it.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gatehouse_core::audit::verify::Breach;
use gatehouse_core::audit::{AuditHead, Verdict};
use gatehouse_core::ports::{ChangeSet, Store, StoreError, TrailChange};
use gatehouse_core::{AuditRecord, UserId};
use gatehouse_store::{MasterKey, RedbStore, verify_closed};
use redb::{Database, Table, TableDefinition};

const AUDIT: TableDefinition<u64, &[u8]> = TableDefinition::new("AUDIT");

async fn fill(store: &RedbStore, from: u64, to: u64) {
    for no in from..=to {
        let record = audit(&format!("record {no}")).about(UserId(no % 2));
        store.commit(ChangeSet { audit: vec![record], ..ChangeSet::default() }).await.unwrap();
    }
}

/// Changes the table of a closed store.
fn tamper(folder: &Folder, with: impl FnOnce(&mut Table<'_, u64, &'static [u8]>)) {
    let db = Database::open(folder.path("store")).unwrap();
    let txn = db.begin_write().unwrap();
    with(&mut txn.open_table(AUDIT).unwrap());
    txn.commit().unwrap();
}

fn get(table: &Table<'_, u64, &'static [u8]>, no: u64) -> Vec<u8> {
    redb::ReadableTable::get(table, no).unwrap().unwrap().value().to_vec()
}

fn verified(folder: &Folder, heads: &[AuditHead]) -> Verdict {
    verify_closed(&folder.path("store"), &MasterKey::new([7; 32]), heads.to_vec()).unwrap()
}

fn first(folder: &Folder, heads: &[AuditHead]) -> Option<(u64, Breach)> {
    verified(folder, heads).findings.first().map(|finding| (finding.sequence, finding.breach))
}

/// A closed store with nine records, and the heads of the sixth and of the last.
async fn nine() -> (Folder, [AuditHead; 2]) {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store, 1, 6).await;
    let early = store.audit_head(None, at(0)).await.unwrap();
    fill(&store, 7, 9).await;
    let late = store.audit_head(None, at(0)).await.unwrap();
    drop(store);
    (folder, [early, late])
}

#[tokio::test]
async fn a_trail_that_nobody_touched_is_valid_closed_and_open() {
    let (folder, heads) = nine().await;
    let before = std::fs::read(folder.path("store")).unwrap();
    let verdict = verified(&folder, &heads);
    assert!(verdict.valid && verdict.records == 9, "{verdict:?}");
    assert!(before == std::fs::read(folder.path("store")).unwrap(), "it was only read");
    let store = folder.open();
    fill(&store, 10, 12).await;
    drop(store);
    assert!(verified(&folder, &heads).valid, "the chain goes on after a restart");
}

#[tokio::test]
async fn a_changed_record_is_named_whatever_of_it_was_changed() {
    for no in [1_u64, 5, 9] {
        // Each field: chain, time, hash, link, kind, salt, and the record.
        for byte in [1, 20, 40, 70, 97, 100, 130] {
            let (folder, heads) = nine().await;
            tamper(&folder, |table| {
                let mut bytes = get(table, no);
                bytes[byte] ^= 1;
                table.insert(no, bytes.as_slice()).unwrap();
            });
            assert_eq!(first(&folder, &heads), Some((no, Breach::Changed)), "byte {byte} of record {no}");
        }
    }
}

#[tokio::test]
async fn a_removed_record_is_named() {
    for no in [1_u64, 5, 8] {
        let (folder, heads) = nine().await;
        tamper(&folder, |table| drop(table.remove(no).unwrap()));
        assert_eq!(first(&folder, &heads), Some((no, Breach::Removed)));
        let (folder, heads) = nine().await;
        tamper(&folder, |table| {
            for later in no..9 {
                let bytes = get(table, later + 1);
                table.insert(later, bytes.as_slice()).unwrap();
            }
            table.remove(9).unwrap();
        });
        let found = first(&folder, &heads);
        // Of the last but one, nobody can tell: there is nothing after it to compare.
        let breach = if no < 8 { Breach::Removed } else { Breach::Changed };
        assert_eq!(found, Some((no, breach)), "record {no}, the others moved up");
    }
}

#[tokio::test]
async fn records_in_each_others_places_are_named() {
    for (one, other) in [(1_u64, 2_u64), (3, 7), (8, 9)] {
        let (folder, heads) = nine().await;
        tamper(&folder, |table| {
            let (first, second) = (get(table, one), get(table, other));
            table.insert(one, second.as_slice()).unwrap();
            table.insert(other, first.as_slice()).unwrap();
        });
        assert_eq!(first(&folder, &heads), Some((one, Breach::Reordered)), "{one} and {other}");
    }
}

#[tokio::test]
async fn an_inserted_record_is_named() {
    let (folder, heads) = nine().await;
    let stranger = {
        let elsewhere = Folder::new();
        fill(&elsewhere.open(), 1, 5).await;
        let mut bytes = Vec::new();
        tamper(&elsewhere, |table| bytes = get(table, 5));
        bytes
    };
    tamper(&folder, |table| {
        for later in (5..=9).rev() {
            let bytes = get(table, later);
            table.insert(later + 1, bytes.as_slice()).unwrap();
        }
        table.insert(5, stranger.as_slice()).unwrap();
    });
    assert_eq!(first(&folder, &heads), Some((5, Breach::Inserted)));
}

#[tokio::test]
async fn a_cut_tail_is_noticed_by_an_exported_head_also_after_the_host_went_on() {
    let (folder, heads) = nine().await;
    tamper(&folder, |table| {
        for no in 7..=9 {
            table.remove(no).unwrap();
        }
    });
    assert_eq!(first(&folder, &heads[..1]), None, "nothing in the file says so");
    assert_eq!(first(&folder, &heads), Some((7, Breach::CutOff)));
    let store = folder.open();
    fill(&store, 7, 12).await;
    drop(store);
    assert_eq!(first(&folder, &heads), Some((7, Breach::Rewritten)), "other records stand in their places");
}

#[tokio::test]
async fn an_erased_person_and_dropped_records_leave_the_trail_valid_and_tampering_is_still_told() {
    let (folder, heads) = nine().await;
    let store = folder.open();
    let trail = TrailChange { erase: vec![UserId(1)], ..TrailChange::default() };
    store.commit(ChangeSet { trail, audit: vec![audit("erased")], ..ChangeSet::default() }).await.unwrap();
    let trail = TrailChange { drop_through: Some((4, at(0))), ..TrailChange::default() };
    store.commit(ChangeSet { trail, audit: vec![audit("dropped")], ..ChangeSet::default() }).await.unwrap();
    // What has been removed stays in the file's free space until something else is written there.
    store.compact().await.unwrap();
    drop(store);
    let verdict = verified(&folder, &heads);
    assert!(verdict.valid, "{verdict:?}");
    assert_eq!((verdict.records, verdict.erased, verdict.dropped), (7, 3, 4));
    let bytes = std::fs::read(folder.path("store")).unwrap();
    let is_there = |no: u64| bytes.windows(10).any(|part| part == format!("record {no}\",").as_bytes());
    assert_eq!((1..=9).filter(|no| is_there(*no)).collect::<Vec<_>>(), [6, 8], "the rest is not in the file");
    tamper(&folder, |table| drop(table.remove(5).unwrap()));
    assert_eq!(first(&folder, &heads), Some((5, Breach::Removed)), "behind the checkpoint");
}

#[tokio::test]
async fn whoever_verifies_a_closed_store_needs_its_master_key_and_it_to_be_closed() {
    let (folder, _) = nine().await;
    let refused = |key: u8| match verify_closed(&folder.path("store"), &MasterKey::new([key; 32]), Vec::new()) {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(refused(8).contains("the master key is not that of the store"));
    let store = folder.open();
    assert!(refused(7).contains("is in use"), "{}", refused(7));
    drop(store);
    assert!(verified(&folder, &[]).valid);
}

#[tokio::test]
async fn the_records_of_a_file_from_before_there_were_chains_are_chained_once() {
    #[derive(serde::Serialize)]
    struct Older<'a> {
        at: &'a str,
        actor: &'a str,
        action: &'a str,
        subject: &'a str,
        app: Option<u64>,
        request: Option<u64>,
        facts: std::collections::BTreeMap<String, String>,
    }
    let folder = Folder::new();
    drop(folder.open());
    tamper(&folder, |table| {
        for no in 1..=3 {
            let older = Older {
                at: "2026-01-01T00:00:00Z",
                actor: "admin",
                action: "app.create",
                subject: &no.to_string(),
                app: Some(1),
                request: None,
                facts: Default::default(),
            };
            let bytes = [vec![1], rmp_serde::to_vec_named(&older).unwrap()].concat();
            table.insert(no, bytes.as_slice()).unwrap();
        }
    });
    let store = folder.open();
    let head = store.audit_head(None, at(0)).await.unwrap();
    assert_eq!(head.sequence, 3);
    let subjects = |records: Vec<AuditRecord>| records.into_iter().map(|record| record.subject).collect::<Vec<_>>();
    assert_eq!(subjects(store.audit(None, 9).await.unwrap().items), ["3", "2", "1"]);
    fill(&store, 4, 5).await;
    drop(store);
    drop(folder.open());
    assert!(verified(&folder, &[head]).valid, "they are chained once, and not again");
}

#[tokio::test]
async fn a_restored_store_goes_on_as_a_chain_of_its_own_and_what_was_lost_is_told() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store, 1, 4).await;
    let kept = store.audit_head(None, at(0)).await.unwrap();
    store.backup(folder.path("backup"), at(0)).await.unwrap();
    fill(&store, 5, 6).await;
    let lost = store.audit_head(None, at(0)).await.unwrap();
    let staged = store.stage(folder.path("backup"), false).await.unwrap();
    staged.store.commit(ChangeSet { audit: vec![audit("restored")], ..ChangeSet::default() }).await.unwrap();
    store.adopt(staged).await.unwrap();
    fill(&store, 7, 8).await;
    let head = store.audit_head(None, at(0)).await.unwrap();
    assert_eq!((head.sequence, head.public_key), (7, kept.public_key));
    assert_ne!(head.chain, kept.chain);
    drop(store);
    assert!(verified(&folder, &[kept.clone(), head.clone()]).valid);
    let told = verified(&folder, &[kept, lost, head]);
    assert_eq!((told.findings[0].sequence, told.findings[0].breach), (5, Breach::CutOff));
}

#[tokio::test]
async fn heads_are_signed_with_the_same_key_after_a_rotation_and_a_compaction() {
    let folder = Folder::new();
    let store = folder.open();
    fill(&store, 1, 3).await;
    let before = store.audit_head(None, at(0)).await.unwrap();
    store.rotate_master_key(MasterKey::new([8; 32])).await.unwrap();
    store.compact().await.unwrap();
    fill(&store, 4, 5).await;
    let after = store.audit_head(None, at(0)).await.unwrap();
    assert_eq!((before.public_key, before.chain), (after.public_key, after.chain));
    drop(store);
    let verdict = verify_closed(&folder.path("store"), &MasterKey::new([8; 32]), vec![before, after]).unwrap();
    assert!(verdict.valid && verdict.records == 5, "{verdict:?}");
}
