//! Requests in review whose user changes meanwhile: what nobody knows may have been made is taken for made, and what is
//! written is never older than what has been written since.
#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{Running, World, by};
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::{RequestQuery, Sequence};
use gatehouse_core::schema::Status;
use gatehouse_core::{App, CallFailure, FailureKind, LinkChange, Operation, Request, RequestId, State, User};

/// What follows from a change, and ends like this; in review if its answer is lost.
async fn follows(
    world: &World,
    (engine, app, user): (&Running, &App, &User),
    lost: Option<Fault>,
    change: impl FnOnce(&mut User),
) -> Request {
    let state = if lost.is_some() { State::Failed } else { State::Completed };
    world.target(app, |target| {
        let unreadable = || Fault::Refused(CallFailure::new(FailureKind::Unavailable, "the target is away"));
        target.faults.clear();
        if let Some(lost) = lost {
            target.fails("commit", [lost]);
            target.fails("read", std::iter::repeat_with(unreadable).take(40));
        }
    });
    let mut raised = world.happens(user, change).await;
    raised.retain(|request| request.version == 0);
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let request = world.ends(engine, raised[0].id, state).await;
    assert_eq!(request.needs_review, state == State::Failed, "{request:#?}");
    world.target(app, |target| target.faults.clear());
    request
}

fn status(world: &World, app: &App) -> Status {
    world.target(app, |target| target.accounts.values().next().unwrap().status)
}

#[tokio::test]
async fn whoever_may_have_been_let_in_is_shut_out_when_they_leave() {
    for lost in [Fault::ReplyLost, Fault::WriteLost] {
        let world = World::new().await;
        let app = world.app("hr").await;
        let engine = world.run("one");
        let ada = world.provisioned(&engine, &app, "ada").await;
        let about = (&engine, &app, &ada);
        follows(&world, about, None, |user| user.active = false).await;
        follows(&world, about, Some(lost), |user| user.active = true).await;
        let left = follows(&world, about, None, |user| user.active = false).await;
        assert_eq!(left.operation, Operation::Deactivate);
        assert_eq!(status(&world, &app), Status::Deactivated);
    }
}

#[tokio::test]
async fn whoever_may_have_been_shut_out_is_let_in_when_they_are_back() {
    for (out, back, operation) in [
        (leaves as fn(&mut User), returns as fn(&mut User), Operation::Activate),
        (is_frozen, is_not_frozen, Operation::Unfreeze),
    ] {
        let world = World::new().await;
        let app = world.app("hr").await;
        let engine = world.run("one");
        let ada = world.provisioned(&engine, &app, "ada").await;
        let about = (&engine, &app, &ada);
        follows(&world, about, Some(Fault::ReplyLost), out).await;
        assert_eq!(status(&world, &app), Status::Deactivated, "though nobody knows");
        let again = follows(&world, about, None, back).await;
        assert_eq!(again.operation, operation);
        assert_eq!(status(&world, &app), Status::Active);
    }
}

fn leaves(user: &mut User) {
    user.active = false;
}

fn returns(user: &mut User) {
    user.active = true;
}

fn is_frozen(user: &mut User) {
    user.frozen = true;
}

fn is_not_frozen(user: &mut User) {
    user.frozen = false;
}

async fn retry(world: &World, id: RequestId) -> RequestId {
    let clone = RequestId(world.store.allocate(Sequence::Request, 1));
    world.decide(id, Event::Retry { by: by(), user: None, id: clone }).await;
    clone
}

#[tokio::test]
async fn a_retry_that_only_looks_writes_no_old_values() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let about = (&engine, &app, &ada);
    let mail = |name: &'static str| move |user: &mut User| user.email = Some(format!("{name}@example.com"));
    let doubtful = follows(&world, about, Some(Fault::WriteLost), mail("second")).await;
    follows(&world, about, None, mail("third")).await;
    let again = retry(&world, doubtful.id).await;
    let ended = world.ends(&engine, again, State::Failed).await;
    let why = ended.error.clone().unwrap();
    assert!(!ended.needs_review && why.contains("`emails` has changed since"), "{why}");
    let shown = world.target(&app, |target| target.accounts.values().next().unwrap().attributes["emails"].clone());
    assert_eq!(shown[0].text, "third@example.com");
    // Its twin: what is still right is written.
    let doubtful = follows(&world, about, Some(Fault::WriteLost), mail("fourth")).await;
    let again = retry(&world, doubtful.id).await;
    world.ends(&engine, again, State::Completed).await;
    let shown = world.target(&app, |target| target.accounts.values().next().unwrap().attributes["emails"].clone());
    assert_eq!(shown[0].text, "fourth@example.com");
}

#[tokio::test]
async fn whoever_is_back_before_they_were_deactivated_is_let_in_although_they_were_frozen() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    follows(&world, (&engine, &app, &ada), None, is_frozen).await;
    engine.stop().await;
    for change in [leaves as fn(&mut User), is_not_frozen, returns] {
        world.happens(&ada, change).await;
    }
    let engine = world.run("two");
    common::until("all is done", async || {
        world.move_on(&engine).await;
        world.store.lane(app.id, gatehouse_core::Subject::User(ada.id)).await.unwrap().is_empty().then_some(())
    })
    .await;
    let account = world.account_of(&app, &ada).await;
    assert_eq!((status(&world, &app), account.status, account.frozen), (Status::Active, Status::Active, false));
}

#[tokio::test]
async fn what_a_read_shows_is_known_from_then_on() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.target(&app, |target| target.accounts.values_mut().next().unwrap().status = Status::Deactivated);
    let read = world.request(&app, Operation::Read, &ada).await;
    world.ends(&engine, read, State::Completed).await;
    let account = world.account_of(&app, &ada).await;
    assert_eq!((account.status, account.fingerprint), (Status::Deactivated, None));
    let activate = world.request(&app, Operation::Activate, &ada).await;
    world.ends(&engine, activate, State::Completed).await;
    assert_eq!(status(&world, &app), Status::Active);
    // Its twin: that a frozen account cannot be used is no news.
    follows(&world, (&engine, &app, &ada), None, is_frozen).await;
    let read = world.request(&app, Operation::Read, &ada).await;
    world.ends(&engine, read, State::Completed).await;
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Active, "but for being frozen");
}

#[tokio::test]
async fn what_somebody_says_to_have_done_by_hand_is_not_believed_when_its_user_leaves() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let about = (&engine, &app, &ada);
    follows(&world, about, None, leaves).await;
    let doubtful = follows(&world, about, Some(Fault::ReplyLost), returns).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    let note = "done by hand".to_owned();
    world.decide(doubtful.id, Event::CompleteManually { by: by(), note }).await;
    assert_eq!(status(&world, &app), Status::Active, "though the record says otherwise");
    let left = follows(&world, about, None, leaves).await;
    assert_eq!((left.operation, status(&world, &app)), (Operation::Deactivate, Status::Deactivated));
    // Its twin: once the account has been seen, its record is believed.
    world.change_user(ada.id, returns).await;
    assert_eq!(world.happens(&ada, leaves).await.len(), 0);
}

#[tokio::test]
async fn an_account_that_is_linked_to_somebody_who_left_is_deactivated() {
    for (change, raised) in
        [(leaves as fn(&mut User), Some(Operation::Deactivate)), (is_frozen, Some(Operation::Freeze)), (returns, None)]
    {
        let world = World::new().await;
        let app = world.app("hr").await;
        let engine = world.run("one");
        world.target(&app, |target| drop(target.seed("somebody", &[])));
        world.reconcile_and_commit(&engine, &app).await;
        let ada = world.user("ada").await;
        world.change_user(ada.id, change).await;
        let account = world.accounts(&app).await.remove(0);
        let link = LinkChange::Link { account: account.id, user: ada.id };
        let id = world.link(&app, link).await;
        world.ends(&engine, id, State::Completed).await;
        let subject = Some(gatehouse_core::Subject::User(ada.id));
        let query = RequestQuery { subject, limit: 10, ..RequestQuery::default() };
        let mut followed = world.store.requests(&query).await.unwrap().items;
        followed.retain(|request| request.id != id);
        assert_eq!(followed.iter().map(|request| request.operation).collect::<Vec<_>>(), raised.as_slice());
        for request in followed {
            world.ends(&engine, request.id, State::Completed).await;
        }
        let expected = if raised.is_some() { Status::Deactivated } else { Status::Active };
        assert_eq!(status(&world, &app), expected);
    }
}
