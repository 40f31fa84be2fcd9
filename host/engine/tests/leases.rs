//! Leases are a limit for the dead: for as long as the work goes on, nobody else takes its request.

#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::*;
use gatehouse_core::ports::{Claim, ClaimLimits, Clock, Connectors, Store};
use gatehouse_core::{App, Operation, RequestId, State};
use jiff::SignedDuration;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// So long takes the compiler, of a lease of three minutes; a call may take one.
const COMPILES: Duration = Duration::from_secs(150);

fn steals(store: &dyn Store, clock: &ManualClock) -> Vec<Claim> {
    let limits = ClaimLimits { count: 9, ..ClaimLimits::default() };
    let claims = pin!(store.claim(clock.now(), SignedDuration::from_secs(180), "thief", &limits));
    match { claims }.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(claims) => claims.unwrap(),
        Poll::Pending => panic!("a store in memory has nothing to wait for"),
    }
}

/// A request whose call is `function`, asked for while the connector has to be compiled first.
async fn asked(world: &World, app: &App, function: &str) -> RequestId {
    world.connectors.unload(app.connector.digest);
    match function {
        "collect" => world.reconcile(app).await,
        _ => {
            let user = world.user("ada").await;
            world.request(app, Operation::Create, &user).await
        }
    }
}

#[tokio::test]
async fn the_lease_goes_on_while_waits_add_up_to_more_than_it() {
    for function in ["commit", "collect"] {
        let world = World::new().await;
        let app = world.app("hr").await;
        let clock = world.clock.clone();
        world.connectors.while_loading(move || clock.advance(COMPILES));
        let go_on = Arc::new(Notify::new());
        world.target(&app, |target| target.fails(function, [Fault::Waits(go_on.clone())]));
        let id = asked(&world, &app, function).await;
        let engine = world.run("one");
        until("the call is under way", async || {
            engine.engine.wake();
            world.target(&app, |target| (target.calls(function) > 0).then_some(()))
        })
        .await;
        world.clock.advance(Duration::from_secs(59));
        assert!(world.store.request(id).await.unwrap().unwrap().updated_at < world.clock.now());
        let stolen = steals(world.store.as_ref(), &world.clock);
        assert!(stolen.is_empty(), "{function}: the first lease was over 29 s ago: {stolen:?}");
        go_on.notify_one();
        let ends = if function == "collect" { State::Analyzed } else { State::Completed };
        until("it ends", async || (world.get(id).await.state == ends).then_some(())).await;
        assert_eq!(world.target(&app, |target| target.calls(function)), 1, "{function}");
        engine.stop().await;
    }
}

#[tokio::test]
async fn who_was_taken_over_before_a_call_does_not_make_it() {
    for function in ["commit", "collect"] {
        let world = World::new().await;
        let app = world.app("hr").await;
        let (store, clock) = (world.store.clone(), world.clock.clone());
        let thief = Arc::new(Mutex::new(Vec::new()));
        let held = thief.clone();
        world.connectors.while_loading(move || {
            clock.advance(LEASE);
            held.lock().unwrap().extend(steals(store.as_ref(), &clock));
        });
        let id = asked(&world, &app, function).await;
        let engine = world.run("one");
        until("it is taken over", async || (!thief.lock().unwrap().is_empty()).then_some(())).await;
        // The thief dies: what it held is free after its lease.
        world.clock.advance(LEASE);
        engine.engine.wake();
        let ends = if function == "collect" { State::Analyzed } else { State::Completed };
        until("it ends", async || (world.get(id).await.state == ends).then_some(())).await;
        assert_eq!(world.target(&app, |target| target.calls(function)), 1, "{function}: made by the last one alone");
        engine.stop().await;
    }
}
