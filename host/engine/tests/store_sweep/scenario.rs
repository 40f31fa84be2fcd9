//! A whole life of a small installation, each step of which looks first whether it was done already: whoever runs it
//! again after a crash goes on where the store says. It never looks at the disk.

use super::common::target::{FakeConnectors, Fault};
use super::common::{Running, World, approve, by};
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::{ChangeSet, Clock, CredentialRecord, RememberedAnswer, RequestQuery, Sequence, Versioned};
use gatehouse_core::{
    App, AppId, Approval, AuditRecord, AuthScheme, Interface, LinkChange, Operation, Request, RequestId, State,
    Subject, User, UserId,
};
use gatehouse_store::{MasterKey, RedbStore};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a crash does not undo, because it is not in the store: the targets are elsewhere.
#[derive(Default)]
pub struct Outside {
    pub rotated: AtomicBool,
    vanished: AtomicBool,
}

/// Accounts that are in the targets before anything begins.
pub fn furnish(connectors: &FakeConnectors) {
    connectors.target(AppId(1), |target| {
        for no in 0..5 {
            target.seed(&format!("u{no:02}"), &[]);
        }
        target.seed("orphan", &[]);
    });
    connectors.target(AppId(2), |target| target.fails("commit", [Fault::ReplyLost]));
}

/// Everything, from an empty store to the end.
pub async fn live(world: &World, store: &RedbStore, engine: &Running, outside: &Outside) {
    credential(world, "hush", false).await;
    let hr = app(world, "hr", 1, true).await;
    import(world).await;
    let run = run_with_approval(world, engine, &hr).await;
    children(world, engine, run).await;
    ann(world, engine, &hr).await;
    rotate(world, store, outside).await;
    review(world, engine).await;
    ignore(world, engine, &hr).await;
    let run = run_after_one_vanished(world, engine, &hr, outside).await;
    children(world, engine, run).await;
}

async fn credential(world: &World, secret: &str, later: bool) {
    let updated_at = if later { "2026-02-02T00:00:00Z" } else { "2026-01-01T00:00:00Z" };
    let record = CredentialRecord {
        name: "key".to_owned(),
        origin: "https://hr.example.com".parse().unwrap(),
        scheme: AuthScheme::Bearer,
        header: None,
        updated_at: updated_at.parse().unwrap(),
    };
    let there = world.store.credentials().await.unwrap();
    if there.first().is_none_or(|there| there.updated_at < record.updated_at) {
        let credentials = vec![(record, secret.to_owned().into())];
        world.commit(ChangeSet { credentials, ..ChangeSet::default() }).await;
    }
}

/// The number is given, as the targets were furnished by it: one that was refused is not handed out again.
async fn app(world: &World, name: &str, id: u64, marked: bool) -> App {
    let all =
        [Interface::Descriptor, Interface::Probe, Interface::Collector, Interface::Analyzer, Interface::Committer];
    let change = |app: &mut App| {
        app.id = AppId(id);
        app.config.mapping.retain(|rule| marked || rule.attribute != "externalId");
    };
    match world.store.app_by_name(name).await.unwrap() {
        Some(app) => app,
        None => world.app_with(name, &all, change).await,
    }
}

/// Seven people in one commit, with the answer that a repetition of the call would get.
async fn import(world: &World) {
    if world.store.idempotent("import").await.unwrap().is_some() {
        assert!(world.store.user_by_username("u06").await.unwrap().is_some(), "all of an import or nothing");
        return;
    }
    assert!(world.store.user_by_username("u00").await.unwrap().is_none(), "all of an import or nothing");
    let first = world.store.allocate(Sequence::User, 7);
    let users = (0..7).map(|no| Versioned::new(person(UserId(first + no), &format!("u{no:02}"))));
    let record = AuditRecord::new("2026-01-01T00:00:00Z".parse().unwrap(), &by(), "user.import", "7 users");
    let changes = ChangeSet {
        users: users.collect(),
        audit: vec![record],
        idempotency: vec![RememberedAnswer {
            key: "import".to_owned(),
            at: world.clock.now(),
            answer: serde_json::json!({"created": 7}),
        }],
        ..ChangeSet::default()
    };
    world.commit(changes).await;
}

fn person(id: UserId, username: &str) -> User {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    User {
        id,
        username: username.to_owned(),
        email: Some(format!("{username}@example.com")),
        first_name: Some(username.to_uppercase()),
        last_name: None,
        manager: None,
        manager_username: None,
        erased_at: None,
        profile: Some("staff".to_owned()),
        permission_sets: Default::default(),
        active: true,
        frozen: false,
        attributes: Default::default(),
        version: 0,
        created_at: at,
        updated_at: at,
    }
}

async fn runs(world: &World, app: &App) -> Vec<Request> {
    let operation = Some(Operation::Reconcile);
    let query = RequestQuery { app: Some(app.id), operation, limit: 9, ..RequestQuery::default() };
    let mut runs = world.store.requests(&query).await.unwrap().items;
    runs.reverse();
    runs
}

async fn run_with_approval(world: &World, engine: &Running, app: &App) -> RequestId {
    let id = match runs(world, app).await.first() {
        Some(run) => run.id,
        None => world.reconcile_with_approval(app).await,
    };
    let run = world.settled(engine, id).await;
    if run.state == State::Analyzed && run.approval == Approval::Required {
        let digest = run.run.unwrap().plan.unwrap();
        world.decide(id, approve(digest)).await;
    }
    end(world, engine, id).await
}

/// Commits the plan if nobody has, and waits for the end.
async fn end(world: &World, engine: &Running, id: RequestId) -> RequestId {
    if world.settled(engine, id).await.state == State::Analyzed {
        world.commit_plan(id).await;
    }
    world.ends(engine, id, State::Completed).await;
    id
}

async fn children(world: &World, engine: &Running, run: RequestId) {
    let query = RequestQuery { raised_by: Some(run), limit: 100, ..RequestQuery::default() };
    let children = world.store.requests(&query).await.unwrap().items;
    assert!(!children.is_empty());
    for child in children {
        world.ends(engine, child.id, State::Completed).await;
    }
}

/// One person from the first day to the last.
async fn ann(world: &World, engine: &Running, app: &App) {
    let ann = user(world, "ann").await;
    done(world, engine, app, Operation::Create, &ann).await;
    if ann.first_name.as_deref() != Some("Anna") {
        world.change_user(ann.id, |ann| ann.first_name = Some("Anna".to_owned())).await;
    }
    for operation in [Operation::Update, Operation::Deactivate, Operation::Activate] {
        done(world, engine, app, operation, &ann).await;
    }
}

async fn user(world: &World, username: &str) -> User {
    match world.store.user_by_username(username).await.unwrap() {
        Some(user) => user,
        None => world.user(username).await,
    }
}

async fn asked(world: &World, app: &App, operation: Operation, user: &User) -> RequestId {
    let subject = Some(Subject::User(user.id));
    let (app_id, operation_is) = (Some(app.id), Some(operation));
    let query = RequestQuery { app: app_id, operation: operation_is, subject, limit: 9, ..RequestQuery::default() };
    match world.store.requests(&query).await.unwrap().items.last() {
        Some(request) => request.id,
        None => world.request(app, operation, user).await,
    }
}

async fn done(world: &World, engine: &Running, app: &App, operation: Operation, user: &User) {
    let id = asked(world, app, operation, user).await;
    world.ends(engine, id, State::Completed).await;
}

/// Another master key, and another secret.
async fn rotate(world: &World, store: &RedbStore, outside: &Outside) {
    if !outside.rotated.load(Ordering::SeqCst) {
        store.rotate_master_key(MasterKey::new([8; 32])).await.unwrap();
        outside.rotated.store(true, Ordering::SeqCst);
    }
    credential(world, "hush again", true).await;
}

/// A create without a marker whose answer was lost: for a person to look at.
async fn review(world: &World, engine: &Running) {
    let crm = app(world, "crm", 2, false).await;
    let bob = user(world, "bob").await;
    let id = asked(world, &crm, Operation::Create, &bob).await;
    let request = world.settled(engine, id).await;
    if request.state == State::Failed {
        assert!(request.needs_review, "{request:#?}");
        world.decide(id, Event::CompleteManually { by: by(), note: "looked at it".to_owned() }).await;
    }
    let ended = world.get(id).await.state;
    assert!(matches!(ended, State::ManuallyCompleted | State::Completed), "{ended:?}");
}

async fn ignore(world: &World, engine: &Running, app: &App) {
    let orphan = world.accounts(app).await.into_iter().find(|account| account.username == "orphan").unwrap();
    let subject = Some(Subject::Account(orphan.id));
    let query = RequestQuery { subject, limit: 9, ..RequestQuery::default() };
    let id = match world.store.requests(&query).await.unwrap().items.last() {
        Some(request) => request.id,
        None => world.link(app, LinkChange::Ignore { account: orphan.id }).await,
    };
    world.ends(engine, id, State::Completed).await;
}

/// Somebody removes an account in the target; the next run finds that out by reading it.
async fn run_after_one_vanished(world: &World, engine: &Running, app: &App, outside: &Outside) -> RequestId {
    if !outside.vanished.swap(true, Ordering::SeqCst) {
        world.target(app, |target| drop(target.accounts.remove("x001")));
    }
    let id = match runs(world, app).await.get(1) {
        Some(run) => run.id,
        None => world.reconcile(app).await,
    };
    end(world, engine, id).await
}
