//! What goes wrong with one request stays with it: hanging calls, panics, pauses, limits, shutdown.

#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{World, config, until};
use gatehouse_core::ports::ClaimLimits;
use gatehouse_core::{Operation, State};
use gatehouse_engine::{Engine, EngineConfig};
use std::time::Duration;

#[tokio::test]
async fn another_apps_request_completes_while_one_hangs() {
    let world = World::new().await;
    let (stuck, fine) = (world.app("stuck").await, world.app("fine").await);
    let engine = world.run("one");
    world.target(&stuck, |target| target.fails("commit", [Fault::Hangs]));
    let user = world.user("ada").await;
    let hanging = world.request(&stuck, Operation::Create, &user).await;
    let id = world.request(&fine, Operation::Create, &user).await;
    world.ends(&engine, id, State::Completed).await;
    assert_eq!(world.get(hanging).await.state, State::Committing);
}

#[tokio::test]
async fn a_panic_harms_the_request_it_happens_in_and_no_other() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::Panics]));
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let broken = world.request(&app, Operation::Create, &ada).await;
    until("the panic has happened", async || {
        engine.engine.wake();
        world.target(&app, |target| (target.calls("commit") > 0).then_some(()))
    })
    .await;
    let fine = world.request(&app, Operation::Create, &bob).await;
    world.ends(&engine, fine, State::Completed).await;
    // A write may have left: the target is read, and shows that nothing was done.
    let request = world.ends(&engine, broken, State::Completed).await;
    assert_eq!(request.attempts.len(), 2);
    assert_eq!(world.target(&app, |target| target.named("ada").len()), 1);
}

#[tokio::test]
async fn a_panic_in_work_that_only_reads_fails_its_request() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("collect", [Fault::Panics]));
    let id = world.reconcile(&app).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.error.unwrap().contains("internal error"));
}

#[tokio::test]
async fn requests_of_one_user_run_in_order_and_one_at_a_time() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    let before = world.target(&app, |target| target.made.len());
    let mut ids = Vec::new();
    for operation in [Operation::Deactivate, Operation::Update, Operation::Freeze] {
        ids.push(world.request(&app, operation, &user).await);
    }
    for id in &ids {
        world.ends(&engine, *id, State::Completed).await;
    }
    let keys = world.target(&app, |target| target.made[before..].iter().map(|m| m.about.clone()).collect::<Vec<_>>());
    let starts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    assert!(keys.iter().zip(&starts).all(|(key, id)| key.starts_with(id)), "{keys:?} in the order of {starts:?}");
}

#[tokio::test]
async fn an_app_never_has_more_calls_under_way_than_it_may() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.concurrency = 2).await;
    let mut ids = Vec::new();
    for no in 0..12 {
        let user = world.user(&format!("user{no}")).await;
        ids.push(world.request(&app, Operation::Create, &user).await);
    }
    let engine = world.run("one");
    for id in ids {
        world.ends(&engine, id, State::Completed).await;
    }
    assert_eq!(world.target(&app, |target| target.peak), 2);
}

#[tokio::test]
async fn nothing_is_called_for_a_paused_app_until_it_is_resumed() {
    let world = World::new().await;
    let (paused, other) = (world.app("paused").await, world.app("other").await);
    world.change_app(paused.id, |app| app.paused = true).await;
    let engine = world.run("one");
    let user = world.user("ada").await;
    let waits = world.request(&paused, Operation::Create, &user).await;
    let id = world.request(&other, Operation::Create, &user).await;
    world.ends(&engine, id, State::Completed).await;
    assert_eq!(world.get(waits).await.state, State::Requested);
    assert!(world.target(&paused, |target| target.made.is_empty()));
    world.change_app(paused.id, |app| app.paused = false).await;
    world.ends(&engine, waits, State::Completed).await;
}

#[tokio::test]
async fn a_shutdown_lets_calls_end_and_gives_the_claims_of_the_rest_back() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run_with(EngineConfig { grace: Duration::from_millis(50), ..config("one") });
    world.target(&app, |target| target.fails("commit", [Fault::Hangs]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    until("the call is under way", async || {
        engine.engine.wake();
        world.target(&app, |target| (target.calls("commit") > 0).then_some(()))
    })
    .await;
    engine.stop().await;
    assert_eq!(world.get(id).await.attempts[0].finished_at, None, "what was broken off is not made up");
    let limits = ClaimLimits { count: 10, ..ClaimLimits::default() };
    let lease = jiff::SignedDuration::from_secs(1);
    let now = gatehouse_core::ports::Clock::now(world.clock.as_ref());
    let claims = world.store.claim(now, lease, "three", &limits).await.unwrap();
    assert_eq!(claims.len(), 1, "the claim is free at once");
    world.store.release(claims[0].fence).await.unwrap();
    let engine = world.run("two");
    world.ends(&engine, id, State::Completed).await;
}

#[tokio::test]
async fn a_call_that_ends_during_the_shutdown_is_written_down_and_nothing_new_is_begun() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run_with(EngineConfig { grace: Duration::from_secs(30), ..config("one") });
    let go_on = std::sync::Arc::new(tokio::sync::Notify::new());
    world.target(&app, |target| target.fails("collect", [Fault::Waits(go_on.clone())]));
    for name in ["ada", "bob", "cyd", "dan"] {
        world.target(&app, |target| drop(target.seed(name, &[])));
    }
    let id = world.reconcile(&app).await;
    until("the call is under way", async || {
        engine.engine.wake();
        world.target(&app, |target| (target.calls("collect") > 0).then_some(()))
    })
    .await;
    let stopped = tokio::spawn(engine.stop());
    tokio::task::yield_now().await;
    go_on.notify_one();
    stopped.await.unwrap();
    let run = world.get(id).await.run.unwrap();
    assert_eq!((run.pages, run.collected), (1, 3), "the page under way is stored, the next one is not fetched");
    assert_eq!(world.target(&app, |target| target.calls("collect")), 1);
    let engine = world.run("two");
    world.ends(&engine, id, State::Analyzed).await;
    assert_eq!(world.target(&app, |target| target.calls("collect")), 2);
}

#[tokio::test]
async fn a_request_cancelled_before_its_call_is_never_called_for() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let by = common::by();
    world.decide(id, gatehouse_core::lifecycle::Event::Cancel { by, why: "no".to_owned() }).await;
    let engine = world.run("one");
    let bob = world.user("bob").await;
    let other = world.request(&app, Operation::Create, &bob).await;
    world.ends(&engine, other, State::Completed).await;
    assert_eq!(world.get(id).await.state, State::Cancelled);
    assert!(world.target(&app, |target| target.named("ada").is_empty()));
}

#[tokio::test]
async fn an_engine_whose_calls_may_outlive_their_claims_is_not_made() {
    let world = World::new().await;
    let wrong = EngineConfig { call_timeout: common::LEASE, ..config("one") };
    let refused = Engine::new(world.store.clone(), world.connectors.clone(), world.clock.clone(), wrong);
    assert!(refused.is_err());
}
