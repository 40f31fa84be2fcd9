//! What has had its time goes, a little at a time, and nothing else does.

#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::*;
use gatehouse_core::audit::Verifier;
use gatehouse_core::audit::denials::{COUNT, WINDOW};
use gatehouse_core::ports::{ChangeSet, Clock, RememberedAnswer};
use gatehouse_core::retention::AT_A_TIME;
use gatehouse_core::schema::{Account as RemoteAccount, Status};
use gatehouse_core::{Actor, App, AuditRecord, RequestId, StagingRow, StagingSource, State};
use gatehouse_engine::{EngineConfig, Removed};
use std::time::Duration;

async fn rows(world: &World, run: RequestId) -> u64 {
    world.store.staging(run, 0, 9999).await.unwrap().len() as u64
}

/// A run of this app that has come to its end, and so many rows.
async fn ended(world: &World, engine: &Running, app: &App, count: u64) -> RequestId {
    let account = |no: u64| RemoteAccount {
        external_id: format!("x{no}"),
        username: format!("u{no}"),
        status: Status::Active,
        attributes: Default::default(),
        revision: None,
    };
    let run = world.reconcile_supplied(app, Vec::new(), false).await;
    world.ends(engine, run, State::Analyzed).await;
    world.commit_plan(run).await;
    world.ends(engine, run, State::Completed).await;
    // As many as a large app has: what they say does not matter any more.
    let row = |no| StagingRow { no, source: StagingSource::Account(account(no)), changed: false, verdict: None };
    let staging = (0..count).map(|no| (run, row(no))).collect();
    world.commit(ChangeSet { staging, ..ChangeSet::default() }).await;
    run
}

#[tokio::test]
async fn rows_of_a_run_go_when_a_later_one_has_completed_and_a_kill_in_between_loses_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::embedded(folder.path()).await;
    let (hr, crm) = (world.app("hr").await, world.app("crm").await);
    let engine = world.run("one");
    let many = 2 * AT_A_TIME as u64 + 7;
    let first = ended(&world, &engine, &hr, many).await;
    let elsewhere = ended(&world, &engine, &crm, 3).await;
    assert_eq!(engine.engine.tidy().await.unwrap(), Removed::default(), "each is the last of its app");
    let second = ended(&world, &engine, &hr, 5).await;
    // The engine has been at it by itself: it is killed with part of them gone.
    engine.kill().await;
    world.commit(ChangeSet { truncate_staging: vec![(first, 1500)], ..ChangeSet::default() }).await;
    let left = rows(&world, first).await;
    assert!(left <= 1500);

    let before = world.get(first).await;
    let engine = world.run("two");
    until("the rest goes by itself", async || (rows(&world, first).await == 0).then_some(())).await;
    assert_eq!((rows(&world, second).await, rows(&world, elsewhere).await), (5, 3));
    assert_eq!(world.get(first).await, before, "the run is as it was, with its counts");
    assert!(!world.log(first).await.is_empty());
    engine.stop().await;
}

#[tokio::test]
async fn the_rows_of_a_run_stay_while_the_one_after_it_is_not_completed() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let first = ended(&world, &engine, &app, 4).await;
    let waits = world.reconcile_supplied(&app, Vec::new(), false).await;
    world.ends(&engine, waits, State::Analyzed).await;
    assert_eq!(engine.engine.tidy().await.unwrap(), Removed::default());
    assert_eq!(rows(&world, first).await, 4);
    world.commit_plan(waits).await;
    world.ends(&engine, waits, State::Completed).await;
    until("they go", async || (rows(&world, first).await == 0).then_some(())).await;
    engine.stop().await;
}

#[tokio::test]
async fn answers_are_forgotten_after_their_time_and_not_before() {
    let world = World::new().await;
    let engine = world.run("one");
    let at = world.clock.now();
    let answers = |name: &str| {
        let answer = |no| RememberedAnswer { key: format!("{name}{no}"), at, answer: serde_json::json!(no) };
        (0..AT_A_TIME + 1).map(answer).collect::<Vec<_>>()
    };
    world.commit(ChangeSet { idempotency: answers("a"), ..ChangeSet::default() }).await;
    world.clock.advance(config("").answers_kept);
    assert_eq!(engine.engine.tidy().await.unwrap(), Removed::default(), "to the moment");
    world.clock.advance(Duration::from_secs(1));
    let removed = engine.engine.tidy().await.unwrap();
    assert_eq!(removed, Removed { answers: AT_A_TIME as u64 + 1, ..Removed::default() });
    assert_eq!(world.store.idempotent("a0").await.unwrap(), None);
    engine.stop().await;
}

/// A record of the audit trail, of now.
fn happened(world: &World, what: &str) -> AuditRecord {
    AuditRecord::new(world.clock.now(), &Actor::host(), "test", what)
}

#[tokio::test]
async fn audit_records_are_kept_for_good_unless_told_otherwise_and_dropped_behind_a_checkpoint_if_so() {
    let world = World::new().await;
    let record = |what: &str| ChangeSet { audit: vec![happened(&world, what)], ..ChangeSet::default() };
    for no in 0..AT_A_TIME + 5 {
        world.commit(record(&no.to_string())).await;
    }
    let day = Duration::from_secs(24 * 3600);
    world.clock.advance(30 * day + Duration::from_secs(1));
    world.commit(record("young")).await;
    let engine = world.run("one");
    assert_eq!(engine.engine.tidy().await.unwrap().audit, 0);
    engine.stop().await;

    let head = world.store.audit_head(None, world.clock.now()).await.unwrap();
    let engine = world.run_with(EngineConfig { audit_kept: Some(30 * day), ..config("two") });
    let all_but_one = head.sequence - 1;
    until("the old ones go by themselves", async || {
        let checkpoint = world.store.audit_checkpoint().await.unwrap();
        (checkpoint.map_or(0, |checkpoint| checkpoint.dropped) == all_but_one).then_some(())
    })
    .await;
    engine.stop().await;
    let mut verifier =
        Verifier::new(world.store.audit_checkpoint().await.unwrap(), vec![head.clone()], Some(head.public_key));
    let entries = world.store.audit_from(0, 99).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| entry.record().unwrap().action).collect();
    assert_eq!(told, ["test", "audit.drop", "audit.drop"], "each batch has a record");
    entries.into_iter().for_each(|entry| verifier.push(entry));
    let verdict = verifier.finish();
    assert!(verdict.valid, "{verdict:?}");
}

#[tokio::test]
async fn denials_that_were_counted_are_written_down_although_the_host_was_killed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::embedded(folder.path()).await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("check", [Fault::Denied, Fault::Denied, Fault::Denied]));
    for _ in 0..3 {
        engine.engine.probe(&app).await.result.unwrap();
    }
    engine.kill().await;
    let counts = async || -> Vec<String> {
        let records = world.store.audit(None, 99).await.unwrap().items;
        records.iter().rev().filter_map(|record| record.facts.get(COUNT).cloned()).collect()
    };
    assert_eq!(counts().await, ["1"]);
    let engine = world.run("two");
    engine.engine.tidy().await.unwrap();
    assert_eq!(counts().await, ["1"], "their time is not over");
    world.clock.advance(WINDOW.unsigned_abs());
    engine.engine.tidy().await.unwrap();
    assert_eq!(counts().await, ["1", "2"]);
    engine.stop().await;
}
