//! Which requests a committed plan raises, and which it leaves to the next run: its subject is the children, not the
//! links that the run finds.
#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{World, approve, by};
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::Clock as _;
use gatehouse_core::schema::Status;
use gatehouse_core::{CallFailure, FailureKind, Operation, State};
#[tokio::test]
async fn a_leavers_account_is_deactivated_and_a_joiners_made_once() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.change_user(ada.id, |user| user.active = false).await;
    let bob = world.user("bob").await;
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    let mut operations: Vec<_> = children.iter().map(|child| (child.operation, child.subject)).collect();
    operations.sort();
    let subject = gatehouse_core::Subject::User;
    assert_eq!(operations, [(Operation::Create, subject(bob.id)), (Operation::Deactivate, subject(ada.id))]);
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Deactivated);
}

#[tokio::test]
async fn a_request_that_is_under_way_is_not_raised_again() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.approval_required = [Operation::Create].into()).await;
    world.user("ada").await;
    let engine = world.run("one");
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].state, State::New, "it waits for its approval");
    world.user("bob").await;
    let (second, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(children.len(), 1, "ada's is under way");
    assert!(world.log(second.id).await.join("\n").contains("is under way"));
    world.decide(children[0].id, Event::Cancel { by: by(), why: "no".to_owned() }).await;
}

#[tokio::test]
async fn what_was_planned_before_its_user_changed_is_not_raised() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.change_user(ada.id, |user| user.active = false).await;
    let run = world.reconcile(&app).await;
    world.ends(&engine, run, State::Analyzed).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    let now = world.clock.now();
    world.change_user(ada.id, |user| (user.active, user.updated_at) = (true, now)).await;
    world.commit_plan(run).await;
    let run = world.ends(&engine, run, State::Completed).await;
    assert_eq!(run.run.unwrap().raised, 0);
    assert!(world.log(run.id).await.join("\n").contains("the user has changed since"));
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Active);
}

#[tokio::test]
async fn nothing_is_raised_while_another_request_for_the_account_is_under_way() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.change_user(ada.id, |user| user.active = false).await;
    let run = world.reconcile(&app).await;
    world.ends(&engine, run, State::Analyzed).await;
    world.change_app(app.id, |app| app.config.approval_required = [Operation::Freeze].into()).await;
    let freeze = world.request(&app, Operation::Freeze, &ada).await;
    world.commit_plan(run).await;
    let run = world.ends(&engine, run, State::Completed).await;
    assert_eq!(run.run.unwrap().raised, 0);
    assert!(world.log(run.id).await.join("\n").contains(&format!("{freeze} is under way")));
}

#[tokio::test]
async fn what_was_planned_while_a_request_changed_the_account_is_not_raised_after_its_end() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.change_user(ada.id, |user| user.frozen = true).await;
    let ada = world.store.user(ada.id).await.unwrap().unwrap();
    let freeze = world.request(&app, Operation::Freeze, &ada).await;
    world.ends(&engine, freeze, State::Completed).await;
    world.change_user(ada.id, |user| user.frozen = false).await;
    world.change_app(app.id, |app| app.config.approval_required = [Operation::Unfreeze].into()).await;
    let ada = world.store.user(ada.id).await.unwrap().unwrap();
    let unfreeze = world.request(&app, Operation::Unfreeze, &ada).await;
    // Its write has arrived, and its answer has not: the account is in use, and known to be frozen.
    world.target(&app, |target| target.accounts.values_mut().for_each(|account| account.status = Status::Active));
    let run = world.reconcile(&app).await;
    let planned = world.ends(&engine, run, State::Analyzed).await.run.unwrap().planned;
    assert_eq!(planned[&Operation::Freeze], 1, "{planned:?}");
    world.clock.advance(std::time::Duration::from_secs(1));
    let digest = world.get(unfreeze).await.change.digest;
    world.decide(unfreeze, approve(digest)).await;
    world.ends(&engine, unfreeze, State::Completed).await;

    world.commit_plan(run).await;
    let run = world.ends(&engine, run, State::Completed).await;
    assert_eq!(run.run.unwrap().raised, 0);
    assert!(world.log(run.id).await.join("\n").contains("the account has changed since"));
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(children.len(), 0, "nothing is left to be done");
    assert_eq!(world.account_of(&app, &ada).await.status, Status::Active);
}

/// What a run wanted and did not get is wanted by the next one, though no row has changed.
#[tokio::test]
async fn a_request_that_failed_is_planned_again_by_the_next_run() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.reconcile_and_commit(&engine, &app).await;
    world.change_user(ada.id, |user| user.active = false).await;
    world.target(&app, |target| {
        target.fails("commit", [Fault::Refused(CallFailure::new(FailureKind::Unauthenticated, ""))])
    });
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!((children[0].operation, children[0].state), (Operation::Deactivate, State::Failed));
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!((children[0].operation, children[0].state), (Operation::Deactivate, State::Completed));
    let last = world.reconcile(&app).await;
    world.ends(&engine, last, State::Completed).await;
}

#[tokio::test]
async fn what_was_asked_for_by_itself_against_the_directory_is_planned_to_be_undone() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    world.reconcile_and_commit(&engine, &app).await;
    let asked = world.request(&app, Operation::Deactivate, &ada).await;
    world.ends(&engine, asked, State::Completed).await;
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(children[0].operation, Operation::Activate);
}

#[tokio::test]
async fn a_request_from_before_a_run_that_ends_after_it_is_not_overlooked_by_the_next_one() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    world
        .change_app(app.id, |app| {
            app.config.approval_required.insert(Operation::Deactivate);
        })
        .await;
    let waiting = world.request(&app, Operation::Deactivate, &user).await;
    world.reconcile_and_commit(&engine, &app).await;

    let digest = world.get(waiting).await.change.digest;
    world.decide(waiting, approve(digest)).await;
    world.ends(&engine, waiting, State::Completed).await;
    let run = world.reconcile(&app).await;
    let run = world.ends(&engine, run, State::Analyzed).await.run.unwrap();
    assert_eq!(run.planned.get(&Operation::Activate), Some(&1), "an active user's account is usable: {run:#?}");
}

#[tokio::test]
async fn a_freeze_that_followed_its_user_ends_with_it_and_a_leaver_who_was_frozen_is_deactivated() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let (ada, bob) = (world.provisioned(&engine, &app, "ada").await, world.provisioned(&engine, &app, "bob").await);
    for user in [&ada, &bob] {
        world.change_user(user.id, |user| user.frozen = true).await;
    }
    world.reconcile_and_commit(&engine, &app).await;
    assert!(world.account_of(&app, &ada).await.frozen_with_user);
    world.change_user(ada.id, |user| user.frozen = false).await;
    world.change_user(bob.id, |user| (user.active, user.frozen) = (false, false)).await;
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    let mut raised: Vec<_> = children.iter().map(|child| child.operation).collect();
    raised.sort();
    assert_eq!(raised, [Operation::Deactivate, Operation::Unfreeze]);
    let (ada, bob) = (world.account_of(&app, &ada).await, world.account_of(&app, &bob).await);
    assert_eq!((ada.frozen, ada.status, bob.status), (false, Status::Active, Status::Deactivated));
}
