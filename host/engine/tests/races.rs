//! What comes in between two looks at the records of one user: held up there by a failpoint, and not missed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{World, by, until};
use gatehouse_core::ports::{Clock as _, Store};
use gatehouse_core::{Operation, State};
use gatehouse_engine::events::{Apps, Cause, decide_for_user};
use gatehouse_failpoints::{arm, hits};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_freeze_that_is_done_while_its_end_is_decided_is_undone() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    engine.stop().await;
    world.change_user(ada.id, |user| user.frozen = true).await;
    let before = world.store.user(ada.id).await.unwrap().unwrap();
    let freeze = world.request(&app, Operation::Freeze, &before).await;
    world.change_user(ada.id, |user| user.frozen = false).await;
    let after = world.store.user(ada.id).await.unwrap().unwrap();

    arm(["events.lane_read:1:pause-2000"]).unwrap();
    let store: Arc<dyn Store> = world.store.clone();
    let now = world.clock.now();
    let deciding = tokio::spawn(async move {
        let apps = Apps::all(store.as_ref()).await.unwrap();
        let cause = Cause { by: by(), user: None, correlation: None, job: None, consented: false, now };
        let mut raised = Vec::new();
        for decided in decide_for_user(store.as_ref(), &apps, Some(&before), &after, false).await.unwrap() {
            let followed = decided.open(store.as_ref(), &cause, None).await.unwrap();
            raised.extend(followed.requests().filter(|request| request.version == 0).map(|raised| raised.operation));
        }
        raised
    });
    until("the open requests are read", async || (hits("events.lane_read") > 0).then_some(())).await;
    let engine = world.run("two");
    world.ends(&engine, freeze, State::Completed).await;
    assert!(!deciding.is_finished(), "the freeze came too late to come in between");
    assert_eq!(deciding.await.unwrap(), [Operation::Unfreeze]);
}
