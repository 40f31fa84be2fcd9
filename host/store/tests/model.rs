//! Whatever is done to the embedded store and to the model, both answer alike and hold alike.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gatehouse_core::audit::denials::DenialKey;
use gatehouse_core::audit::{AuditEntry, AuditQuery, Denials};
use gatehouse_core::ports::{
    AccountQuery, ChangeSet, Claim, ClaimLimits, Direction, Fence, JobQuery, RequestFigures, RequestQuery, Sequence,
    Store, StoreError, UserOrder, UserQuery, Versioned,
};
use gatehouse_core::schema::Status;
use gatehouse_core::sharing::{Reach, Visible};
use gatehouse_core::{
    Account, AccountId, App, AppId, Approval, AuditRecord, Digest, JobId, JobState, LinkState, Operation, Request,
    RequestId, Situation, State, Subject, User, UserAttributeType, UserId,
};
use gatehouse_store::{MemoryStore, RedbStore};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::{BTreeMap, BTreeSet};

const SITUATIONS: [Situation; 4] =
    [Situation::Confirmed, Situation::Ambiguous, Situation::Missing, Situation::Excluded];
const STATES: [State; 4] = [State::New, State::Committing, State::Completed, State::Failed];
const OPERATIONS: [Operation; 3] = [Operation::Create, Operation::Update, Operation::Reconcile];

/// The version that a change expects.
#[derive(Clone, Copy, Debug)]
enum Expect {
    Present,
    Fixed(Option<u64>),
}

/// One record of a change set. Numbers and names are few, so that they collide.
#[derive(Clone, Debug)]
enum Part {
    /// Number, name, profile, permission set, manager, active, frozen.
    User(u64, u8, Option<bool>, bool, (Option<u64>, bool, bool), Expect),
    Profile(bool, Expect),
    RemoveProfile,
    PermissionSet(Expect),
    RemovePermissionSet,
    Group(Vec<u64>, Expect),
    RemoveGroup,
    UserAttribute(bool, Expect),
    RemoveUserAttribute,
    App(u64, u8, Expect),
    RemoveApp(u64),
    Token(u8, u8, Expect),
    Connector(u8),
    RemoveConnector(u8),
    Credential(u8),
    RemoveCredential(u8),
    Account {
        id: u64,
        app: u64,
        external: Option<u8>,
        user: Option<u64>,
        situation: usize,
        expect: Expect,
    },
    RemoveAccount(u64),
    Request {
        id: u64,
        app: u64,
        subject: u64,
        state: usize,
        operation: usize,
        due: Option<i64>,
        run: Option<u64>,
        expect: Expect,
    },
    Staging(u64, u64),
    Truncate(u64, u64),
    Log(u64),
    Job(u64, u64, usize, Expect),
    Audit(u64),
    Erase(u64),
    DropAudit(u64),
    Deny(u8, i64),
    CloseDenials(i64),
    Idempotency(u8),
    Forget(u8, i64),
}

#[derive(Clone, Debug)]
enum Step {
    /// Parts, and the claim (the so-manieth of those taken so far) under which they are written.
    Commit(Vec<Part>, Option<usize>, Option<i64>),
    Claim {
        now: i64,
        count: usize,
        skip: Option<u64>,
        limit: Option<(u64, usize)>,
    },
    Release(usize),
    Allocate(Sequence, u64),
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        8 => Just(Expect::Present),
        1 => Just(Expect::Fixed(None)),
        1 => (1..3_u64).prop_map(|version| Expect::Fixed(Some(version))),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let account = (1..9_u64, 1..4_u64, prop::option::weighted(0.8, 0..4_u8), prop::option::of(1..4_u64), 0..4_usize);
    let request = (1..12_u64, 1..4_u64, 1..4_u64, 0..4_usize, 0..3_usize, prop::option::weighted(0.8, 0..50_i64));
    let standing = (prop::option::of(1..4_u64), any::<bool>(), any::<bool>());
    prop_oneof![
        3 => (1..5_u64, 0..5_u8, any::<Option<bool>>(), any::<bool>(), standing, expect())
            .prop_map(|(i, n, p, s, m, e)| Part::User(i, n, p, s, m, e)),
        1 => (any::<bool>(), expect()).prop_map(|(n, e)| Part::Profile(n, e)),
        1 => Just(Part::RemoveProfile),
        1 => expect().prop_map(Part::PermissionSet),
        1 => Just(Part::RemovePermissionSet),
        1 => (prop::collection::vec(1..5_u64, 0..3), expect()).prop_map(|(m, e)| Part::Group(m, e)),
        1 => Just(Part::RemoveGroup),
        1 => (any::<bool>(), expect()).prop_map(|(n, e)| Part::UserAttribute(n, e)),
        1 => Just(Part::RemoveUserAttribute),
        3 => (1..4_u64, 0..4_u8, expect()).prop_map(|(i, n, e)| Part::App(i, n, e)),
        1 => (1..4_u64).prop_map(Part::RemoveApp),
        1 => (0..3_u8, 0..3_u8, expect()).prop_map(|(h, n, e)| Part::Token(h, n, e)),
        1 => (0..3_u8).prop_map(Part::Connector),
        1 => (0..3_u8).prop_map(Part::RemoveConnector),
        1 => (0..3_u8).prop_map(Part::Credential),
        1 => (0..3_u8).prop_map(Part::RemoveCredential),
        8 => (account, expect()).prop_map(|((id, app, external, user, situation), expect)| {
            Part::Account { id, app, external, user, situation, expect }
        }),
        1 => (1..9_u64).prop_map(Part::RemoveAccount),
        12 => (request, prop::option::of(1..3_u64), expect()).prop_map(
            |((id, app, subject, state, operation, due), run, expect)| {
                Part::Request { id, app, subject, state, operation, due, run, expect }
            },
        ),
        2 => (1..12_u64, 0..4_u64).prop_map(|(run, no)| Part::Staging(run, no)),
        1 => (1..12_u64, 0..4_u64).prop_map(|(run, from)| Part::Truncate(run, from)),
        2 => (1..12_u64).prop_map(Part::Log),
        2 => (1..5_u64, 1..4_u64, 0..JobState::ALL.len(), expect()).prop_map(|(i, a, s, e)| Part::Job(i, a, s, e)),
        2 => (0..4_u64).prop_map(Part::Audit),
        1 => (1..4_u64).prop_map(Part::Erase),
        1 => (1..9_u64).prop_map(Part::DropAudit),
        1 => (0..3_u8, 0..200_i64).prop_map(|(n, second)| Part::Deny(n, second)),
        1 => (0..200_i64).prop_map(Part::CloseDenials),
        1 => (0..4_u8).prop_map(Part::Idempotency),
        1 => (0..4_u8, 0..4_i64).prop_map(|(n, second)| Part::Forget(n, second)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let parts = prop::collection::vec(part(), 1..5);
    let sequence =
        prop::sample::select(vec![Sequence::User, Sequence::App, Sequence::Account, Sequence::Request, Sequence::Job]);
    prop_oneof![
        12 => (parts, prop::option::weighted(0.4, 0..6_usize), prop::option::of(0..200_i64))
            .prop_map(|(parts, fence, keep)| Step::Commit(parts, fence, keep)),
        5 => (0..120_i64, 0..4_usize, prop::option::weighted(0.2, 1..4_u64), prop::option::of((1..4_u64, 0..3_usize)))
            .prop_map(|(now, count, skip, limit)| Step::Claim { now, count, skip, limit }),
        2 => (0..6_usize).prop_map(Step::Release),
        1 => (sequence, 0..4_u64).prop_map(|(sequence, count)| Step::Allocate(sequence, count)),
    ]
}

/// A change set of these parts, with the versions that are there where that is asked for.
async fn change_set(store: &dyn Store, parts: &[Part]) -> ChangeSet {
    let mut changes = ChangeSet::default();
    for part in parts {
        add(store, part, &mut changes).await;
    }
    changes
}

fn versioned<T>(record: T, present: Option<u64>, expect: Expect) -> Versioned<T> {
    let expected = match expect {
        Expect::Present => present,
        Expect::Fixed(version) => version,
    };
    Versioned { record, expected }
}

async fn add(store: &dyn Store, part: &Part, changes: &mut ChangeSet) {
    match part {
        Part::User(id, name, profile, set, (manager, active, frozen), expect) => {
            let present = store.user(UserId(*id)).await.unwrap().map(|user| user.version);
            let profile = profile.map(|staff| if staff { "staff" } else { "guests" }.to_owned());
            let name = ["Ada", "ada", "Bob", "eve", "Eve"][*name as usize];
            let permission_sets = set.then(|| "vpn".to_owned()).into_iter().collect();
            let (manager, active, frozen) = (manager.map(UserId), *active, *frozen);
            let user = User { profile, permission_sets, manager, active, frozen, ..user(*id, name) };
            changes.users.push(versioned(user, present, *expect));
        }
        Part::Profile(staff, expect) => {
            let name = if *staff { "staff" } else { "guests" };
            let present = store.profile(name).await.unwrap().map(|profile| profile.version);
            changes.profiles.push(versioned(profile(name), present, *expect));
        }
        Part::PermissionSet(expect) => {
            let present = store.permission_set("vpn").await.unwrap().map(|set| set.version);
            changes.permission_sets.push(versioned(permission_set("vpn"), present, *expect));
        }
        Part::Group(members, expect) => {
            let present = store.group("board").await.unwrap().map(|group| group.version);
            changes.groups.push(versioned(group("board", members.iter().copied()), present, *expect));
        }
        Part::UserAttribute(desk, expect) => {
            let name = if *desk { "desk" } else { "team" };
            let defined = store.user_attributes().await.unwrap();
            let present = defined.iter().find(|of| of.name == name).map(|of| of.version);
            let attribute = attribute(name, UserAttributeType::Text);
            changes.user_attributes.push(versioned(attribute, present, *expect));
        }
        Part::RemoveUserAttribute => changes.remove_user_attributes.push("desk".to_owned()),
        Part::RemoveProfile => changes.remove_profiles.push("staff".to_owned()),
        Part::RemovePermissionSet => changes.remove_permission_sets.push("vpn".to_owned()),
        Part::RemoveGroup => changes.remove_groups.push("board".to_owned()),
        Part::App(id, name, expect) => {
            let present = store.app(AppId(*id)).await.unwrap().map(|app| app.version);
            changes.apps.push(versioned(app(*id, &format!("app{name}")), present, *expect));
        }
        Part::Token(hash, name, expect) => {
            let present = store.token(Digest([*hash; 32])).await.unwrap().map(|token| token.version);
            changes.tokens.push(versioned(token(*hash, &format!("token{name}")), present, *expect));
        }
        Part::Account { .. } => add_account(store, part, changes).await,
        Part::Request { .. } => add_request(store, part, changes).await,
        Part::RemoveApp(id) => changes.remove_apps.push(AppId(*id)),
        Part::Connector(n) => changes.connectors.push((connector(*n, "scim", &format!("1.{n}.0")), vec![*n])),
        Part::RemoveConnector(n) => changes.remove_connectors.push(Digest([*n; 32])),
        Part::Credential(n) => changes.credentials.push((credential(&format!("c{n}")), format!("secret{n}").into())),
        Part::RemoveCredential(n) => changes.remove_credentials.push(format!("c{n}")),
        Part::RemoveAccount(id) => changes.remove_accounts.push(AccountId(*id)),
        Part::Staging(run, no) => changes.staging.push((RequestId(*run), row(*no))),
        Part::Truncate(run, from) => changes.truncate_staging.push((RequestId(*run), *from)),
        Part::Log(id) => changes.log.push((RequestId(*id), line(&format!("line {id}")))),
        Part::Job(id, app, state, expect) => {
            let there = store.job(JobId(*id)).await.unwrap();
            // A job stays with its app.
            let app = there.as_ref().map_or(*app, |job| job.app.0);
            let job = job(*id, app, JobState::ALL[*state]);
            changes.jobs.push(versioned(job, there.map(|job| job.version), *expect));
        }
        Part::Audit(person) => changes.audit.push(audit("something").about(UserId(*person))),
        Part::Erase(person) => changes.trail.erase.push(UserId(*person)),
        Part::DropAudit(upto) => changes.trail.drop_through = Some((*upto, at(0))),
        Part::Deny(n, second) => changes.trail.denials.push(denied(*n, *second)),
        Part::CloseDenials(second) => changes.trail.close_denials = Some(at(*second)),
        Part::Idempotency(n) => {
            changes.idempotency.push(remembered(&format!("k{n}"), i64::from(*n % 2), serde_json::json!({"n": n})));
        }
        Part::Forget(n, second) => changes.forget_answers.push((at(*second), format!("k{n}"))),
    }
}

fn denied(n: u8, second: i64) -> Denials {
    let origin = format!("https://{n}.example");
    let key = DenialKey { rule: "origin".to_owned(), connector: "scim".to_owned(), origin };
    let app = (n > 0).then_some(AppId(u64::from(n)));
    Denials { app, key, count: 1 + u64::from(n), record: AuditRecord { at: at(second), ..audit("denied") } }
}

/// The trail but for its hashes, which chance is part of.
async fn trail(store: &dyn Store, query: AuditQuery) -> Result<Vec<(u64, String)>, StoreError> {
    let page = store.audit_entries(&query).await?;
    let told = |entry: &AuditEntry| format!("{} {:?} {:?}", entry.at, entry.record(), entry.person());
    Ok(page.items.iter().map(|entry| (entry.sequence, told(entry))).collect())
}

async fn add_account(store: &dyn Store, part: &Part, changes: &mut ChangeSet) {
    let Part::Account { id, app, external, user, situation, expect } = part else { return };
    let present = store.account(AccountId(*id)).await.unwrap().map(|account| account.version);
    let account = Account {
        external_id: external.map(|n| format!("x{n}")),
        user: user.map(UserId),
        status: [Status::Active, Status::Deactivated][usize::from(user.is_some())],
        frozen: external.is_some_and(|n| n % 2 == 0),
        ..account(*id, *app, SITUATIONS[*situation])
    };
    changes.accounts.push(versioned(account, present, *expect));
}

async fn add_request(store: &dyn Store, part: &Part, changes: &mut ChangeSet) {
    let Part::Request { id, app, subject, state, operation, due, run, expect } = part else { return };
    let present = store.request(RequestId(*id)).await.unwrap();
    // Mostly in the lane it is in: a change of lanes is refused.
    let lane = present.as_ref().filter(|_| id % 5 != 0).map(|request| (request.app, request.subject));
    let wanted = (AppId(*app), if *subject == 3 { Subject::App } else { Subject::User(UserId(*subject)) });
    let (app, subject) = lane.unwrap_or(wanted);
    let request = Request {
        app,
        subject,
        state: STATES[*state],
        approval: if STATES[*state] == State::New || id % 3 == 0 { Approval::Required } else { Approval::NotRequired },
        operation: OPERATIONS[*operation],
        raised_by: run.map(RequestId),
        needs_review: id % 2 == 0 && due.is_none(),
        approvals: (STATES[*state] == State::New).then(|| asking(&[1 + id % 3, 9], run.map(|at| at as i64))),
        awaits_date: due.is_none() && id % 3 == 0,
        run_at: (due.is_none() && id % 3 == 0).then(|| at(*id as i64)),
        ..request(*id, app.0, 0, *due)
    };
    changes.requests.push(versioned(request, present.map(|request| request.version), *expect));
}

/// The case of an error: the wording may differ.
fn case<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> Result<T, String> {
    outcome.map_err(|error| match error {
        StoreError::Fenced { request } => format!("fenced {request}"),
        StoreError::VersionConflict { what, expected, found } => format!("{what}: {expected:?}, not {found:?}"),
        StoreError::Duplicate { .. } => "duplicate".to_owned(),
        StoreError::Invalid(_) => "invalid".to_owned(),
        StoreError::LaneBusy { request } => format!("busy {request}"),
        other => panic!("{other}"),
    })
}

/// Everything that can be read, as text.
async fn everything(store: &dyn Store) -> Vec<String> {
    let mut seen = Vec::new();
    macro_rules! see {
        ($($read:expr),* $(,)?) => {$(
            seen.push(format!("{} = {:?}", stringify!($read), $read.await.unwrap()));
        )*};
    }
    see!(
        store.directory_epoch(),
        store.next_due(),
        store.users(None, 2),
        store.users(None, 99),
        store.users_of_profile("staff", None, 99),
        store.profiles(),
        store.users_of_permission_set("vpn", None, 99),
        store.permission_sets(),
        store.groups(),
        store.groups_of_user(UserId(1)),
        store.groups_of_user(UserId(2)),
        store.user_attributes(),
        store.request_figures(),
        store.account_figures(),
        store.connectors(),
        store.apps(),
        store.credentials(),
        store.tokens(),
        store.audit(None, 99),
        store.audit(None, 1),
        store.jobs(&JobQuery { limit: 99, ..JobQuery::default() }),
        store.jobs(&JobQuery { state: Some(JobState::Running), limit: 2, ..JobQuery::default() }),
        trail(store, AuditQuery { limit: 99, ..AuditQuery::default() }),
        trail(store, AuditQuery { person: Some(UserId(1)), limit: 3, ..AuditQuery::default() }),
        trail(
            store,
            AuditQuery { direction: Direction::Ascending, until: Some(at(120)), limit: 3, ..AuditQuery::default() }
        ),
        trail(store, AuditQuery { since: Some(at(50)), until: Some(at(120)), limit: 9, ..AuditQuery::default() }),
        store.audit_before(at(100), 9),
        store.denial_windows(),
        store.staged_runs(None, 99),
        store.staged_runs(Some(RequestId(4)), 2),
        store.alarms(at(99), None, 99),
        store.alarms(at(2), Some((at(1), RequestId(3))), 2),
        store.next_alarm(),
        store.answers_before(at(1), 99),
        store.answers_before(at(2), 2),
    );
    for name in ["ADA", "bob", "eve"] {
        see!(store.user_by_username(name));
    }
    for n in 0..4_u64 {
        see!(store.app_by_name(&format!("app{n}")), store.idempotent(&format!("k{n}")));
        see!(store.oldest_unsettled(AppId(n)), store.review_count());
        see!(store.lane(AppId(n), Subject::User(UserId(1))), store.lane(AppId(1), Subject::User(UserId(n))));
        see!(store.jobs(&JobQuery { app: Some(AppId(n)), limit: 1, ..JobQuery::default() }), store.job(JobId(n)));
        see!(store.account_counts(AppId(n)), store.component(Digest([n as u8; 32])));
        let external_ids = ["x0", "x1", "x2", "x3"].map(str::to_owned);
        see!(store.accounts_by_external_id(AppId(n), &external_ids));
        see!(store.accounts_of_users(AppId(n), &[UserId(2), UserId(1), UserId(9)]));
        see!(store.users_by_id(&[UserId(n), UserId(99), UserId(1)]));
        see!(store.account_by_external_id(AppId(n), "x1"));
    }
    for n in 1..12 {
        see!(store.request_log(RequestId(n), Direction::Ascending, None, 99));
        see!(store.request_log(RequestId(n), Direction::Descending, None, 2), store.staging(RequestId(n), 1, 99));
    }
    let figures = store.request_figures().await.unwrap().into_iter();
    let counted = figures.map(|(app, figures)| (app, RequestFigures { first_due: None, ..figures }));
    seen.push(format!("counted = {:?}", counted.collect::<Vec<_>>()));
    people(store, &mut seen).await;
    accounts_and_requests(store, &mut seen).await;
    seen
}

async fn people(store: &dyn Store, seen: &mut Vec<String>) {
    let all = UserQuery { limit: 2, ..UserQuery::default() };
    let staff = || Some("staff".to_owned());
    for query in [
        all.clone(),
        UserQuery { order: UserOrder::Username, ..all.clone() },
        UserQuery { username_prefix: Some("E".to_owned()), ..all.clone() },
        UserQuery { manager: Some(UserId(1)), ..all.clone() },
        UserQuery { manager: Some(UserId(2)), active: Some(true), profile: staff(), ..all.clone() },
        UserQuery { frozen: Some(true), permission_set: Some("vpn".to_owned()), ..all.clone() },
        UserQuery { active: Some(false), username_prefix: Some("a".to_owned()), ..all.clone() },
    ] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let query = UserQuery { direction, ..query.clone() };
            seen.push(format!("{query:?} = {:?}", store.find_users(&query).await.unwrap()));
        }
    }
}

async fn accounts_and_requests(store: &dyn Store, seen: &mut Vec<String>) {
    for awaiting in [vec![UserId(1)], vec![UserId(2), UserId(9), UserId(2)], vec![UserId(8)]] {
        let query = RequestQuery { awaiting, limit: 3, ..RequestQuery::default() };
        seen.push(format!("{query:?} = {:?}", store.requests(&query).await.unwrap()));
    }
    let apps = [None, Some(AppId(1)), Some(AppId(2))];
    for app in apps {
        for (link_state, situation, user) in [
            (None, None, None),
            (Some(LinkState::Linked), None, None),
            (None, Some(Situation::Unassigned), None),
            (None, None, Some(UserId(1))),
        ] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let query = AccountQuery { app, link_state, situation, user, direction, after: None, limit: 3 };
                seen.push(format!("{query:?} = {:?}", store.accounts(&query).await.unwrap()));
            }
        }
        for (state, operation, subject, raised_by, needs_review) in [
            (None, None, None, None, false),
            (Some(State::Failed), None, None, None, false),
            (None, Some(Operation::Update), None, None, false),
            (Some(State::New), Some(Operation::Create), None, None, false),
            (None, None, Some(Subject::User(UserId(1))), None, false),
            (None, None, Some(Subject::App), None, false),
            (None, None, None, Some(RequestId(1)), false),
            (Some(State::New), None, None, Some(RequestId(2)), false),
            (None, None, None, None, true),
            (None, Some(Operation::Create), Some(Subject::User(UserId(1))), None, true),
        ] {
            for visible in [
                None,
                Some(Visible {
                    reaches: vec![
                        Reach::about(UserId(1)),
                        Reach { about: None, app: Some(AppId(2)), operations: [Operation::Create].into() },
                    ],
                    awaiting: vec![UserId(2)],
                }),
            ] {
                let query = RequestQuery {
                    app,
                    state,
                    operation,
                    subject,
                    raised_by,
                    needs_review,
                    visible,
                    limit: 5,
                    ..RequestQuery::default()
                };
                let other_way = RequestQuery { direction: Direction::Ascending, ..query.clone() };
                seen.push(format!("{query:?} = {:?}", store.requests(&query).await.unwrap()));
                seen.push(format!("{other_way:?} = {:?}", store.requests(&other_way).await.unwrap()));
            }
        }
    }
}

/// Takes one step on both; what they answered.
async fn take(step: &Step, store: &dyn Store, model: &dyn Store, claims: &mut Vec<Claim>) -> (String, String) {
    match step {
        Step::Commit(parts, fence, keep_claim) => {
            let changes = change_set(model, parts).await;
            let fence: Option<Fence> = fence.and_then(|n| claims.iter().rev().nth(n)).map(|claim| claim.fence);
            let changes = ChangeSet { fence, keep_claim: keep_claim.map(at), ..changes };
            let wanted = format!("{:?}", case(model.commit(changes.clone()).await));
            (format!("{:?}", case(store.commit(changes).await)), wanted)
        }
        Step::Claim { now, count, skip, limit } => {
            let skip_apps: BTreeSet<_> = skip.map(AppId).into_iter().collect();
            let per_app: BTreeMap<_, _> = limit.map(|(app, limit)| (AppId(app), limit)).into_iter().collect();
            let limits = ClaimLimits { count: *count, skip_apps, per_app };
            let wanted = model.claim(at(*now), LEASE, "host", &limits).await.unwrap();
            let got = store.claim(at(*now), LEASE, "host", &limits).await.unwrap();
            claims.extend(wanted.iter().cloned());
            (format!("{got:?}"), format!("{wanted:?}"))
        }
        Step::Release(n) => {
            if let Some(claim) = claims.iter().rev().nth(*n) {
                model.release(claim.fence).await.unwrap();
                store.release(claim.fence).await.unwrap();
            }
            Default::default()
        }
        Step::Allocate(sequence, count) => {
            (store.allocate(*sequence, *count).to_string(), model.allocate(*sequence, *count).to_string())
        }
    }
}

fn first_apps() -> [App; 3] {
    [app(1, "app1"), app(2, "app2"), app(3, "app3")]
}

async fn both_agree(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = Folder::new();
    let (store, model) = (folder.open(), MemoryStore::new());
    let mut claims = Vec::new();
    for both in [&store as &dyn Store, &model] {
        both.commit(ChangeSet { apps: new(first_apps()), ..ChangeSet::default() }).await.unwrap();
    }
    for (no, step) in steps.iter().enumerate() {
        let (got, wanted) = take(step, &store, &model, &mut claims).await;
        prop_assert_eq!(got, wanted, "step {}: {:?}", no, step);
        for (got, wanted) in everything(&store).await.into_iter().zip(everything(&model).await) {
            prop_assert_eq!(got, wanted, "after step {}: {:?}", no, step);
        }
    }
    survives_reopening(folder, store, &model).await
}

/// All but the claims is as it was.
async fn survives_reopening(folder: Folder, store: RedbStore, model: &MemoryStore) -> Result<(), TestCaseError> {
    drop(store);
    let store = folder.open();
    let claims_aside = |lines: Vec<String>| {
        lines.into_iter().filter(|line| !line.contains("next_due") && !line.contains("request_figures")).collect()
    };
    let (got, wanted): (Vec<String>, Vec<String>) =
        (claims_aside(everything(&store).await), claims_aside(everything(model).await));
    prop_assert_eq!(got, wanted, "after reopening");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        max_shrink_iters: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_and_the_model_never_differ(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(both_agree(steps))?;
    }
}
