//! A host killed anywhere in a reconciliation: the next one goes on where the store says, and fetches no page twice.

#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{LEASE, World, until};
use gatehouse_core::{App, Operation, Situation, State};
use std::collections::{BTreeMap, BTreeSet};

async fn seeded(world: &World) -> App {
    let app = world.app("hr").await;
    for no in 0..14 {
        world.user(&format!("user{no:02}")).await;
    }
    world.target(&app, |target| {
        for no in 0..10 {
            target.seed(&format!("user{no:02}"), &[]);
        }
        target.seed("orphan", &[]);
    });
    app
}

/// Kills the host during the n-th call of a function, goes on with another, and looks at the end.
async fn check(function: &'static str, nth: usize, fault: Fault) {
    let world = World::new().await;
    let app = seeded(&world).await;
    let story = format!("killed during {function} {nth} ({fault:?})");
    let before: Vec<Fault> = vec![Fault::Denied; nth];
    world.target(&app, |target| target.fails(function, before.into_iter().chain([fault])));
    let engine = world.run("one");
    let id = world.reconcile(&app).await;
    let committed = async |engine: &common::Running| {
        engine.engine.wake();
        if world.get(id).await.state == State::Analyzed {
            world.commit_plan(id).await;
        }
    };
    until(&story, async || {
        committed(&engine).await;
        world.target(&app, |target| (target.calls(function) > nth).then_some(()))
    })
    .await;
    engine.kill().await;
    world.clock.advance(LEASE);
    let engine = world.run("two");
    until(&story, async || {
        committed(&engine).await;
        world.move_on(&engine).await;
        (world.get(id).await.state == State::Completed).then_some(())
    })
    .await;
    let query = gatehouse_core::ports::RequestQuery { raised_by: Some(id), limit: 100, ..Default::default() };
    let children = world.store.requests(&query).await.unwrap().items;
    for child in &children {
        world.ends(&engine, child.id, State::Completed).await;
    }
    ends_well(&world, &app, function, &story, children.len()).await;
}

async fn ends_well(world: &World, app: &App, function: &str, story: &str, children: usize) {
    assert_eq!(children, 14, "ten updates and four creates: {story}");
    let collected = world.target(app, |target| {
        let mut times = BTreeMap::new();
        for made in target.made.iter().filter(|made| made.function == "collect") {
            *times.entry(made.about.clone()).or_insert(0) += 1;
        }
        times
    });
    // The page that was under way was not stored, and is the only one that is fetched again.
    let again = usize::from(function == "collect");
    assert_eq!(collected.values().filter(|times| **times > 1).count(), again, "{story}: {collected:?}");
    world.target(app, |target| {
        assert!(target.applied.values().all(|times| *times == 1), "{story}: {:?}", target.applied);
        assert_eq!(target.accounts.len(), 15, "{story}");
        let names: BTreeSet<_> = target.accounts.values().map(|account| &account.username).collect();
        assert_eq!(names.len(), 15, "{story}");
    });
    let situations = world.situations(app).await;
    let expected = [(Situation::Confirmed, 4), (Situation::Found, 10), (Situation::Unassigned, 1)];
    assert_eq!(situations, expected.into(), "{story}");
}

#[tokio::test]
async fn a_host_killed_during_any_call_of_a_run_goes_on_where_the_store_says() {
    for nth in 0..4 {
        check("collect", nth, Fault::Hangs).await;
    }
    for nth in 0..3 {
        check("analyze", nth, Fault::Hangs).await;
    }
    for nth in [0, 5, 9] {
        check("commit", nth, Fault::Hangs).await;
        check("commit", nth, Fault::DoneThenHangs).await;
    }
}

#[tokio::test]
async fn a_host_killed_while_it_reads_absent_accounts_reads_no_stored_one_again() {
    let world = World::new().await;
    let app = seeded(&world).await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    world.target(&app, |target| {
        (1..=6).for_each(|no| drop(target.accounts.remove(&format!("x{no:03}"))));
        target.made.clear();
        target.fails("read", (0..5).map(|_| Fault::Denied).chain([Fault::Hangs]));
    });
    let id = world.reconcile(&app).await;
    until("the sixth is being read", async || {
        world.move_on(&engine).await;
        world.target(&app, |target| (target.calls("read") == 6).then_some(()))
    })
    .await;
    engine.kill().await;
    world.clock.advance(LEASE);
    let engine = world.run("two");
    let run = world.ends(&engine, id, State::Analyzed).await.run.unwrap();
    assert_eq!(run.situations[&Situation::Deleted], 6);
    assert_eq!(run.rows, 9 + 6 + 6, "nine accounts, six absent ones, six users who have none");
    // A batch is four: the fifth and sixth were read, but not stored.
    assert_eq!(world.target(&app, |target| target.calls("read")), 4 + 2 + 2);
}

#[tokio::test]
async fn a_host_killed_at_any_moment_of_a_run_leaves_nothing_done_twice() {
    // Killed again and again after a little more work each time: the run ends all the same.
    let world = World::new().await;
    let app = seeded(&world).await;
    let id = world.reconcile(&app).await;
    let mut ended = false;
    for turn in 0..200 {
        let engine = world.run(&format!("turn {turn}"));
        engine.engine.wake();
        for _ in 0..(3 + turn % 11) {
            tokio::task::yield_now().await;
        }
        engine.kill().await;
        world.clock.advance(LEASE);
        if world.get(id).await.state == State::Analyzed {
            world.commit_plan(id).await;
        }
        ended = world.get(id).await.state == State::Completed;
    }
    let engine = world.run("last");
    if !ended {
        until("the run is analysed", async || {
            world.move_on(&engine).await;
            let state = world.get(id).await.state;
            if state == State::Analyzed {
                world.commit_plan(id).await;
            }
            (state == State::Completed).then_some(())
        })
        .await;
    }
    let query = gatehouse_core::ports::RequestQuery { raised_by: Some(id), limit: 100, ..Default::default() };
    for child in world.store.requests(&query).await.unwrap().items {
        world.ends(&engine, child.id, State::Completed).await;
        assert!(matches!(child.operation, Operation::Create | Operation::Update));
    }
    world.target(&app, |target| {
        assert!(target.applied.values().all(|times| *times == 1), "{:?}", target.applied);
        assert_eq!(target.accounts.len(), 15);
    });
}

#[tokio::test]
async fn an_engine_says_whether_it_takes_up_work() {
    let world = World::new().await;
    let engine = world.run("one");
    until("it turns", async || engine.engine.health().is_ok().then_some(())).await;
    world.clock.advance(std::time::Duration::from_secs(600));
    assert!(engine.engine.health().unwrap_err().contains("for 600 s"), "it has not turned since");
    engine.engine.wake();
    until("it turns again", async || engine.engine.health().is_ok().then_some(())).await;
    let outside = engine.engine.clone();
    engine.kill().await;
    assert!(outside.health().unwrap_err().contains("does not run"), "{:?}", outside.health());
    let again = world.run("two");
    let outside = again.engine.clone();
    until("it turns", async || outside.health().is_ok().then_some(())).await;
    again.stop().await;
    assert!(outside.health().is_err(), "one that was stopped takes up nothing");
}
