//! Writes whose answer never came: found out by reading, never done twice.

#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{LEASE, World, until};
use gatehouse_core::schema::Status;
use gatehouse_core::{
    App, AttemptOutcome, CallFailure, FailureKind, Operation, Request, Showed, Situation, State, User,
};

/// An app whose accounts carry no marker of ours.
async fn unmarked(world: &World) -> App {
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.mapping.retain(|rule| rule.attribute != "externalId")).await;
    world.store.app(app.id).await.unwrap().unwrap()
}

fn applied_once(world: &World, app: &App, request: &Request) {
    let key = &request.attempts[0].idempotency_key;
    let times = world.target(app, |target| target.applied.get(key).copied().unwrap_or(0));
    assert_eq!(times, 1, "done once: {request:#?}");
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_recognised_by_its_marker() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::ReplyLost]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Completed).await;
    assert_eq!(request.attempts.len(), 1);
    assert_eq!(request.attempts[0].outcome, Some(AttemptOutcome::Applied));
    applied_once(&world, &app, &request);
    assert_eq!(world.account_of(&app, &user).await.situation, Situation::Confirmed);
}

#[tokio::test]
async fn a_create_that_never_arrived_is_tried_again() {
    for marked in [true, false] {
        let world = World::new().await;
        let app = if marked { world.app("hr").await } else { unmarked(&world).await };
        let engine = world.run("one");
        world.target(&app, |target| target.fails("commit", [Fault::WriteLost]));
        let user = world.user("ada").await;
        let id = world.request(&app, Operation::Create, &user).await;
        let request = world.ends(&engine, id, State::Completed).await;
        assert_eq!(request.attempts.len(), 2, "marked: {marked}");
        applied_once(&world, &app, &request);
    }
}

#[tokio::test]
async fn a_create_whose_account_carries_no_marker_goes_to_review() {
    let world = World::new().await;
    let app = unmarked(&world).await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::ReplyLost]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.needs_review, "{request:#?}");
    assert!(request.error.as_ref().unwrap().contains("no attribute is mapped that would mark it"), "{request:#?}");
    applied_once(&world, &app, &request);
}

#[tokio::test]
async fn somebody_elses_account_of_that_name_is_not_taken_for_ours() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| {
        target.seed("ada", &[("externalId", "somebody-else")]);
        target.fails("commit", [Fault::WriteLost]);
    });
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.needs_review);
    assert!(request.error.unwrap().contains("does not carry our marker"));
    assert!(world.accounts(&app).await.is_empty());
}

#[tokio::test]
async fn what_a_loose_search_finds_is_not_taken_for_ours() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.user("ada").await;
    world.target(&app, |target| {
        target.searches_loosely = true;
        target.seed("ada", &[("externalId", &format!("{}9", user.id))]);
        target.fails("commit", [Fault::WriteLost]);
    });
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.needs_review, "{request:#?}");
    assert!(world.accounts(&app).await.is_empty());
}

#[tokio::test]
async fn an_account_that_the_target_shows_late_is_not_made_twice() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| {
        target.fails("commit", [Fault::ReplyLost]);
        // The marker and the name of the first look.
        target.blind = 2;
    });
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Completed).await;
    let showed: Vec<_> = request.attempts[0].readings.iter().map(|reading| reading.showed).collect();
    assert_eq!((request.attempts.len(), showed), (1, vec![Showed::NotMade, Showed::Made]));
    applied_once(&world, &app, &request);
}

#[tokio::test]
async fn a_refusal_after_a_write_that_was_taken_is_looked_into() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::HalfDone]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Completed).await;
    assert_eq!((request.attempts.len(), request.attempts[0].writes.len()), (1, 2));
    applied_once(&world, &app, &request);
}

#[tokio::test]
async fn an_account_that_is_linked_to_somebody_else_is_not_taken_although_it_carries_our_marker() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let bob = world.provisioned(&engine, &app, "bob").await;
    let ada = world.user("ada").await;
    world.target(&app, |target| {
        let account = target.accounts.values_mut().next().unwrap();
        account.attributes.insert("externalId".to_owned(), vec![ada.id.to_string().as_str().into()]);
        target.fails("commit", [Fault::WriteLost]);
    });
    let id = world.request(&app, Operation::Create, &ada).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.needs_review, "{request:#?}");
    assert!(request.error.as_ref().unwrap().contains(&format!("linked to {}", bob.id)), "{request:#?}");
    assert_eq!(world.account_of(&app, &bob).await.situation, Situation::Confirmed);
}

#[tokio::test]
async fn a_run_raises_no_create_while_an_earlier_one_is_in_review() {
    let world = World::new().await;
    let app = unmarked(&world).await;
    world.change_app(app.id, |app| app.config.linking.clear()).await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::ReplyLost]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    assert!(world.ends(&engine, id, State::Failed).await.needs_review);
    let (run, children) = world.reconcile_and_commit(&engine, &app).await;
    assert!(children.is_empty(), "{children:#?}");
    let log = world.log(run.id).await.join("\n");
    assert!(log.contains(&format!("{id} may have made this account")), "{log}");
    assert_eq!(world.target(&app, |target| target.accounts.len()), 1);
}

async fn check(operation: Operation, fault: Fault, attempts: usize) {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user: User = world.provisioned(&engine, &app, "ada").await;
    world.change_user(user.id, |user| user.first_name = Some("Augusta".to_owned())).await;
    world.target(&app, |target| target.fails("commit", [fault.clone()]));
    let id = world.request(&app, operation, &user).await;
    let request = world.ends(&engine, id, State::Completed).await;
    assert_eq!(request.attempts.len(), attempts, "{operation:?} {fault:?}");
    applied_once(&world, &app, &request);
    let account = world.account_of(&app, &user).await;
    let shown = world.target(&app, |target| target.accounts.values().next().cloned());
    match operation {
        Operation::Update => assert_eq!(shown.unwrap().first("displayName"), Some("Augusta")),
        Operation::Deactivate => assert_eq!(account.status, Status::Deactivated),
        _ => assert_eq!((account.situation, shown), (Situation::Deleted, None)),
    }
}

#[tokio::test]
async fn a_change_of_a_known_account_is_settled_by_reading_it() {
    for operation in [Operation::Update, Operation::Deactivate, Operation::Delete] {
        check(operation, Fault::ReplyLost, 1).await;
        check(operation, Fault::WriteLost, 2).await;
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_read_to_find_out_leaves_the_request_to_review() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    let forbidden = Fault::Refused(CallFailure::new(FailureKind::Forbidden, "no reading"));
    world.target(&app, |target| {
        target.fails("commit", [Fault::ReplyLost]);
        target.fails("read", [forbidden]);
    });
    let id = world.request(&app, Operation::Deactivate, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.needs_review, "{request:#?}");
    applied_once(&world, &app, &request);
}

#[tokio::test]
async fn an_unknown_outcome_that_nobody_can_look_into_any_more_goes_to_review() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.user("ada").await;
    world.target(&app, |target| target.fails("commit", [Fault::ReplyLost]));
    let id = world.request(&app, Operation::Create, &user).await;
    engine.engine.wake();
    until("the outcome is unknown", async || {
        world.get(id).await.attempts.last().is_some_and(|attempt| attempt.outcome.is_some()).then_some(())
    })
    .await;
    world.change_app(app.id, |app| app.credentials.clear()).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.needs_review, "{request:#?}");
    assert!(request.error.as_ref().unwrap().contains("--credential token=NAME"), "{request:#?}");
}

/// A host killed while a write is under way: whether or not it was done, it is done once in the end.
async fn killed_during(operation: Operation, fault: Fault) {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = match operation {
        Operation::Create => world.user("ada").await,
        _ => world.provisioned(&engine, &app, "ada").await,
    };
    // A change that makes a difference: without one, there would be nothing to do.
    world.change_user(user.id, |user| user.first_name = Some("Augusta".to_owned())).await;
    let user = world.store.user(user.id).await.unwrap().unwrap();
    let before = world.target(&app, |target| target.calls("commit"));
    world.target(&app, |target| target.fails("commit", [fault.clone()]));
    let id = world.request(&app, operation, &user).await;
    engine.engine.wake();
    until("the call is under way", async || world.target(&app, |target| target.calls("commit") > before).then_some(()))
        .await;
    engine.kill().await;
    let attempt = world.get(id).await.attempts[0].clone();
    assert_eq!(attempt.finished_at, None, "the start of the attempt is durable, its end is not");

    world.clock.advance(LEASE);
    let engine = world.run("two");
    let request = world.ends(&engine, id, State::Completed).await;
    applied_once(&world, &app, &request);
    assert_eq!(world.target(&app, |target| target.accounts.len()), 1, "{operation:?} {fault:?}");
}

#[tokio::test]
async fn a_host_killed_during_a_write_does_it_once_in_the_end() {
    for operation in [Operation::Create, Operation::Update, Operation::Deactivate] {
        for fault in [Fault::Hangs, Fault::DoneThenHangs] {
            killed_during(operation, fault).await;
        }
    }
}

#[tokio::test]
async fn the_result_of_a_write_is_kept_although_others_change_the_record_meanwhile() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.user("ada").await;
    world.target(&app, |target| target.fails("commit", [Fault::ReplyLost]));
    let id = world.request(&app, Operation::Create, &user).await;
    engine.engine.wake();
    until("the outcome is unknown", async || {
        let request = world.get(id).await;
        request.attempts.last().is_some_and(|attempt| attempt.finished_at.is_some()).then_some(())
    })
    .await;
    // A reconciliation sees the new account before the request knows of it.
    let app_without_rules = world.store.app(app.id).await.unwrap().unwrap();
    let account = world.target(&app, |target| target.accounts.values().next().unwrap().clone());
    let run = world.reconcile_supplied(&app_without_rules, vec![account], false).await;
    until("the run is analysed", async || {
        engine.engine.wake();
        (world.get(run).await.state == State::Analyzed).then_some(())
    })
    .await;
    world.commit_plan(run).await;
    until("the run is committed", async || {
        engine.engine.wake();
        (world.get(run).await.state == State::Completed).then_some(())
    })
    .await;
    assert_eq!(world.account_of(&app, &user).await.situation, Situation::Found);

    world.ends(&engine, id, State::Completed).await;
    let account = world.account_of(&app, &user).await;
    assert_eq!((account.situation, account.is_known_link), (Situation::Confirmed, true));
}
