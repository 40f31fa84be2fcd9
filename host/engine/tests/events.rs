//! What follows from events where something is not done yet: a doubt about the account, or a job about who has access.
#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{World, by, until};
use gatehouse_core::events::DirectoryEvent;
use gatehouse_core::job::{Origin, access_job};
use gatehouse_core::ports::{ChangeSet, Clock as _, Versioned};
use gatehouse_core::{App, JobId, JobState, Operation, Request, State, User};
use gatehouse_engine::requests::{Ask, Whose, prepare_account_request};

fn shown(raised: &[Request]) -> Vec<(Operation, Option<DirectoryEvent>)> {
    raised.iter().map(|request| (request.operation, request.event)).collect()
}

#[tokio::test]
async fn what_takes_access_from_an_account_in_doubt_is_not_taken_for_done() {
    let world = World::new().await;
    let app = world.app("hr").await;
    // Without a marker of ours, nobody can tell whose account it is.
    world.change_app(app.id, |app| app.config.mapping.retain(|rule| rule.attribute != "externalId")).await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::ReplyLost]));
    let ada = world.user("ada").await;
    let create = world.request(&app, Operation::Create, &ada).await;
    assert!(world.ends(&engine, create, State::Failed).await.needs_review);

    let left = world.happens(&ada, |user| user.active = false).await;
    assert_eq!(shown(&left), [(Operation::Deactivate, Some(DirectoryEvent::DisableUser))]);
    let request = world.ends(&engine, left[0].id, State::Failed).await;
    let why = request.error.unwrap();
    assert!(why.contains(&format!("{create} may have made the account")), "{why}");
    // Its twin: once it is settled that nothing was made, there is nothing to take away.
    world
        .decide(create, gatehouse_core::lifecycle::Event::CompleteManually { by: by(), note: "it was not".to_owned() })
        .await;
    world.happens(&ada, |user| user.active = true).await;
    let left = world.happens(&ada, |user| user.active = false).await;
    assert!(!shown(&left).iter().any(|(operation, _)| *operation == Operation::Deactivate), "{left:#?}");
}

#[tokio::test]
async fn what_takes_the_place_of_a_request_that_waits_is_named_by_it() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.approval_required = [Operation::Update].into()).await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let rename = |name: &'static str| move |user: &mut User| user.email = Some(format!("{name}@example.com"));
    let first = world.happens(&ada, rename("Byron")).await;
    let second = world.happens(&ada, rename("Lovelace")).await;
    let (before, after) = (world.get(first[0].id).await, second.iter().find(|request| request.state == State::New));
    let after = after.unwrap();
    assert_eq!((before.state, before.superseded_by), (State::Cancelled, Some(after.id)));
    assert_eq!((after.supersedes, after.operation), (Some(before.id), Operation::Update));
    let log = world.log(before.id).await.join("\n");
    assert!(log.contains(&format!("the user has changed again: superseded by {}", after.id)), "{log}");
    // Its twin: nothing takes the place of an Update of somebody who is not renamed but leaves before it is approved,
    // but the Update that goes on waiting behind the Deactivate.
    let left = world.happens(&ada, |user| user.active = false).await;
    let operations: Vec<_> = left.iter().filter(|request| !request.state.is_settled()).map(|r| r.operation).collect();
    assert_eq!(operations, [Operation::Deactivate, Operation::Update]);
}

#[tokio::test]
async fn an_account_on_a_date_to_come_goes_with_the_grant() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let ada = world.user("ada").await;
    let tomorrow = world.clock.now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    let raised = gatehouse_core::lifecycle::Raised { run_at: Some(tomorrow), ..Default::default() };
    let whose = Whose::User(ada.id);
    let ask = Ask { operation: Operation::Create, whose, by: by(), reason: None, raised };
    let app = world.store.app(app.id).await.unwrap().unwrap();
    let asked = prepare_account_request(world.store.as_ref(), &app, ask, world.clock.now()).await.unwrap();
    let id = asked.request.record.id;
    world.commit(asked.into_changes(None)).await;
    world.happens(&ada, |user| user.frozen = true).await;
    assert!(world.get(id).await.awaits_date, "whether she is frozen is looked at then");
    let moved = world.happens(&ada, |user| user.profile = Some("guest".to_owned())).await;
    assert_eq!(moved.len(), 1, "nothing but the withdrawal: {moved:#?}");
    assert_eq!(world.get(id).await.state, State::Cancelled);
}

/// A job about a profile that was taken from the app, as the guard holds it; `change` is the app's.
async fn held(world: &World, app: &App, change: impl FnOnce(&mut App)) {
    let before = world.store.app(app.id).await.unwrap().unwrap();
    world.change_app(app.id, change).await;
    let after = world.store.app(app.id).await.unwrap().unwrap();
    let origin = Origin { id: JobId(1), by: by(), user: None, correlation: None, now: world.clock.now() };
    let mut job = access_job(&before, &after, origin).unwrap();
    (job.state, job.held) = (JobState::Held, Some("a mass".to_owned()));
    world.commit(ChangeSet { jobs: vec![Versioned::new(job)], ..ChangeSet::default() }).await;
}

#[tokio::test]
async fn whoever_leaves_a_profile_while_a_job_about_it_waits_loses_what_they_had_before_it() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let bob = world.provisioned(&engine, &app, "bob").await;
    held(&world, &app, |app| app.profiles.clear()).await;
    let moved = world.happens(&ada, |user| user.profile = Some("guest".to_owned())).await;
    assert_eq!(moved.len(), 1, "the job will not come by any more: {moved:#?}");
    assert_eq!(moved[0].operation, Operation::Deactivate);
    // Its twin: whoever stays is for the job.
    let renamed = world.happens(&bob, |user| user.last_name = Some("Hopper".to_owned())).await;
    assert!(!shown(&renamed).iter().any(|(operation, _)| *operation == Operation::Deactivate), "{renamed:#?}");
}

#[tokio::test]
async fn what_takes_the_place_of_what_the_guard_holds_is_held() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.surveyed = true).await;
    let ada = world.user("ada").await;
    let out = |user: &mut User| user.profile = None;
    world.change_user(ada.id, out).await;
    let held = world.happens_held(&ada, |user| user.profile = Some("staff".to_owned()), Some("a mass")).await;
    assert_eq!(held[0].held.as_deref(), Some("a mass"));
    let renamed = |raised: Vec<Request>| raised.into_iter().find(|request| request.version == 0).unwrap();
    let again = renamed(world.happens(&ada, |user| user.email = Some("ada@example.org".to_owned())).await);
    assert_eq!((again.supersedes, again.held.as_deref()), (Some(held[0].id), Some("a mass")));
    // Its twin: what was not held is not held because it changes.
    world.change_user(ada.id, out).await;
    world.decide(again.id, gatehouse_core::lifecycle::Event::Cancel { by: by(), why: "no".to_owned() }).await;
    world.happens(&ada, |user| user.profile = Some("staff".to_owned())).await;
    let free = renamed(world.happens(&ada, |user| user.email = Some("ada@example.com".to_owned())).await);
    assert_eq!(free.held, None);
}

#[tokio::test]
async fn what_the_guard_holds_does_not_hold_up_what_somebody_does_to_one_person() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    engine.stop().await;
    let opened = |raised: &[Request]| {
        let opened = raised.iter().filter(|request| request.version == 0);
        opened.map(|request| (request.operation, request.held.clone())).collect::<Vec<_>>()
    };
    let mass = || Some("a mass".to_owned());
    let out = |user: &mut User| user.profile = Some("guest".to_owned());
    assert_eq!(opened(&world.happens_held(&ada, out, mass().as_deref()).await), [(Operation::Deactivate, mass())]);
    let frozen = world.happens(&ada, |user| user.frozen = true).await;
    assert_eq!(opened(&frozen), [(Operation::Freeze, None), (Operation::Deactivate, mass())]);
    let disabled = world.happens(&ada, |user| user.active = false).await;
    assert_eq!(opened(&disabled), [(Operation::Deactivate, None)]);
}

#[tokio::test]
async fn what_the_guard_holds_gives_way_to_a_committed_plan() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let ada = world.provisioned(&engine, &app, "ada").await;
    let held = world.happens_held(&ada, |user| user.active = false, Some("a mass")).await;
    assert_eq!((held[0].operation, held[0].state), (Operation::Deactivate, State::New));
    world.clock.advance(std::time::Duration::from_secs(1));
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(children.iter().map(|child| child.operation).collect::<Vec<_>>(), [Operation::Deactivate]);
    let before = world.get(held[0].id).await;
    assert_eq!((before.state, before.superseded_by), (State::Cancelled, Some(children[0].id)));
    assert_eq!(world.account_of(&app, &ada).await.status, gatehouse_core::schema::Status::Deactivated);
}

/// What a job raises for ada, whom it makes an account; `decided`: somebody consented to it.
async fn raised_by_job(decided: bool) -> Request {
    let world = World::new().await;
    let app = world.app("hr").await;
    let ada = world.user("ada").await;
    world.change_app(app.id, |app| (app.surveyed, app.profiles) = (false, Default::default())).await;
    let before = world.store.app(app.id).await.unwrap().unwrap();
    let after = App { profiles: ["staff".to_owned()].into(), ..before.clone() };
    // What is raised stays as it was raised.
    world.change_app(app.id, |app| (app.paused, app.profiles) = (true, after.profiles.clone())).await;
    let origin = Origin { id: JobId(1), by: by(), user: None, correlation: None, now: world.clock.now() };
    let job = access_job(&before, &after, origin).unwrap();
    let decided = decided.then(|| (by(), "the target is empty".to_owned()));
    // Nothing was to be made when it was counted.
    let job = gatehouse_core::Job { state: JobState::Running, decided, ..job };
    world.commit(ChangeSet { jobs: vec![Versioned::new(job)], ..ChangeSet::default() }).await;
    let _engine = world.run("one");
    let lane = async || world.store.lane(app.id, gatehouse_core::Subject::User(ada.id)).await.unwrap().pop();
    until("the job raises", lane).await
}

#[tokio::test]
async fn a_job_that_nobody_consented_to_makes_no_account_before_anybody_has_looked() {
    let held = raised_by_job(false).await;
    assert_eq!((held.operation, held.state), (Operation::Create, State::New));
    assert!(held.held.is_some_and(|why| why.contains("no reconciliation has looked yet")));
    assert_eq!(raised_by_job(true).await.held, None, "its twin");
}
