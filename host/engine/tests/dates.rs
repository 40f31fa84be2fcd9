//! What happens to requests by the clock: dates come, deadlines of approvals pass, whether the host runs or not.
#![allow(clippy::unwrap_used)]

mod common;

use common::{World, approve, by, until};
use gatehouse_core::approval::{ApprovalRule, Approvers, OnDeadline, StepRule};
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::Clock as _;
use gatehouse_core::schema::Status;
use gatehouse_core::{App, Approval, Operation, RequestId, State, User};
use gatehouse_engine::requests::{Ask, Whose, prepare_account_request};
use jiff::Timestamp;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    fn tomorrow(&self) -> Timestamp {
        self.clock.now().checked_add(DAY).unwrap()
    }

    async fn ask_for(&self, app: &App, operation: Operation, user: &User, run_at: Timestamp) -> RequestId {
        let app = self.store.app(app.id).await.unwrap().unwrap();
        let raised = gatehouse_core::lifecycle::Raised { run_at: Some(run_at), ..Default::default() };
        let ask = Ask { operation, whose: Whose::User(user.id), by: by(), reason: None, raised };
        let opened = prepare_account_request(self.store.as_ref(), &app, ask, self.clock.now()).await.unwrap();
        let id = opened.request.record.id;
        self.commit(opened.into_changes(None)).await;
        id
    }

    /// One step that whoever may manage requests carries, for an hour.
    async fn approved_within_an_hour(&self, app: &App, operation: Operation) {
        let step = StepRule {
            approvers: Approvers::RequestManagers,
            quorum: 1,
            deadline_seconds: Some(3600),
            on_deadline: OnDeadline::Deny,
        };
        let rule = ApprovalRule { operations: [operation].into(), steps: vec![step] };
        self.change_app(app.id, |app| app.config.approvals = vec![rule]).await;
    }
}

#[tokio::test]
async fn a_leaver_is_deactivated_on_the_day_and_what_comes_before_is_not_held_up() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let leaving = world.ask_for(&app, Operation::Deactivate, &ada, world.tomorrow()).await;
    let frozen = world.request(&app, Operation::Freeze, &ada).await;
    world.ends(&engine, frozen, State::Completed).await;
    let unfrozen = world.request(&app, Operation::Unfreeze, &ada).await;
    world.ends(&engine, unfrozen, State::Completed).await;
    assert_eq!(world.get(leaving).await.state, State::Requested);
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Active);
    world.clock.advance(DAY);
    engine.engine.wake();
    until("she is deactivated", async || {
        let request = world.get(leaving).await;
        (request.state == State::Completed).then_some(())
    })
    .await;
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Deactivated);
}

#[tokio::test]
async fn what_is_not_to_be_done_any_more_on_the_day_is_cancelled_and_says_why() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let leaving = world.ask_for(&app, Operation::Deactivate, &ada, world.tomorrow()).await;
    let at_once = world.request(&app, Operation::Delete, &ada).await;
    world.ends(&engine, at_once, State::Completed).await;
    world.clock.advance(DAY);
    engine.engine.wake();
    let ended = until("its end", async || Some(world.get(leaving).await).filter(|r| r.state.is_settled())).await;
    assert_eq!(ended.state, State::Cancelled);
    assert!(world.log(leaving).await.join("\n").contains("cannot be carried out"), "{:?}", world.log(leaving).await);
}

#[tokio::test]
async fn what_was_approved_and_is_another_change_on_the_day_is_superseded_and_asks_anew() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.change_app(app.id, |app| app.config.approval_required = [Operation::Update].into()).await;
    world.change_user(ada.id, |user| user.first_name = Some("Ada".to_owned())).await;
    let early = world.ask_for(&app, Operation::Update, &ada, world.tomorrow()).await;
    let digest = world.get(early).await.change.digest;
    world.decide(early, approve(digest)).await;
    assert_eq!((world.get(early).await.state, world.get(early).await.due), (State::Requested, None));
    world.change_user(ada.id, |user| user.first_name = Some("Augusta".to_owned())).await;
    world.clock.advance(DAY);
    engine.engine.wake();
    let ended = until("its end", async || Some(world.get(early).await).filter(|r| r.state.is_settled())).await;
    assert_eq!(ended.state, State::Cancelled);
    let anew = world.get(ended.superseded_by.unwrap()).await;
    assert_eq!((anew.supersedes, anew.state, anew.approval), (Some(early), State::New, Approval::Required));
    assert_ne!(anew.change.digest, digest, "nothing is done that nobody approved");
    world.decide(anew.id, approve(anew.change.digest)).await;
    world.ends(&engine, anew.id, State::Completed).await;
}

#[tokio::test]
async fn a_date_that_comes_before_the_approval_waits_for_it_and_then_runs() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.change_app(app.id, |app| app.config.approval_required = [Operation::Deactivate].into()).await;
    let leaving = world.ask_for(&app, Operation::Deactivate, &ada, world.tomorrow()).await;
    world.clock.advance(DAY);
    engine.engine.wake();
    until("its date has come", async || (!world.get(leaving).await.awaits_date).then_some(())).await;
    let request = world.get(leaving).await;
    assert_eq!((request.state, request.due), (State::New, None), "nobody has agreed");
    world.decide(leaving, approve(request.change.digest)).await;
    engine.engine.wake();
    world.ends(&engine, leaving, State::Completed).await;
}

#[tokio::test]
async fn dates_and_deadlines_that_passed_while_no_host_ran_are_handled_at_its_start() {
    for embedded in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let world = if embedded { World::embedded(folder.path()).await } else { World::new().await };
        let app = world.app("hr").await;
        let engine = world.run("one");
        let ada = world.provisioned(&engine, &app, "ada").await;
        let bob = world.provisioned(&engine, &app, "bob").await;
        world.approved_within_an_hour(&app, Operation::Freeze).await;
        let dated = world.ask_for(&app, Operation::Deactivate, &ada, world.tomorrow()).await;
        let waiting = world.request(&app, Operation::Freeze, &bob).await;
        engine.stop().await;
        world.clock.advance(DAY * 2);
        // Too late, though nobody has acted on the deadline yet.
        let request = world.get(waiting).await;
        let moment = gatehouse_core::lifecycle::Moment {
            now: world.clock.now(),
            jitter: 0,
            retry: gatehouse_core::RetryPolicy::default(),
        };
        let late = gatehouse_core::lifecycle::step(&request, approve(request.change.digest), &moment).unwrap_err();
        assert!(late.why.contains("time to decide is over"), "{late}");
        let engine = world.run("two");
        let denied = until("it is denied", async || Some(world.get(waiting).await).filter(|r| r.state.is_settled()));
        let denied = denied.await;
        assert_eq!((denied.state, denied.approval), (State::Cancelled, Approval::Denied));
        assert!(world.log(waiting).await.join("\n").contains("nobody decided until"));
        until("ada has left", async || (world.get(dated).await.state == State::Completed).then_some(())).await;
        engine.stop().await;
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_before_its_date_is_not_carried_out() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let first = world.ask_for(&app, Operation::Deactivate, &ada, world.tomorrow()).await;
    let moved = world.ask_for(&app, Operation::Freeze, &ada, world.tomorrow()).await;
    world.decide(first, Event::Cancel { by: by(), why: "she stays".to_owned() }).await;
    let run_at = world.tomorrow().checked_add(DAY).unwrap();
    world.decide(moved, Event::Reschedule { by: by(), run_at }).await;
    world.clock.advance(DAY);
    let marker = world.request(&app, Operation::Read, &ada).await;
    engine.engine.wake();
    world.ends(&engine, marker, State::Completed).await;
    assert_eq!(world.get(first).await.state, State::Cancelled);
    assert_eq!((world.get(moved).await.state, world.get(moved).await.run_at), (State::Requested, Some(run_at)));
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Active);
}
