//! Records to put into stores, and stores to put them into. It never checks anything.

#![allow(clippy::unwrap_used, dead_code)]

use gatehouse_core::approval::{Chain, Round, Step};
use gatehouse_core::job::{Origin, Task, held_job};
use gatehouse_core::ports::{
    ChangeSet, Claim, ClaimLimits, CredentialRecord, RememberedAnswer, Store, StoreError, Token, Versioned,
};
use gatehouse_core::{
    Account, AccountId, Actor, App, AppId, Approval, AuditRecord, AuthScheme, Change, Connector, ConnectorRef,
    Description, Digest, Group, Job, JobId, JobState, Level, LogEntry, Operation, PermissionSet, Profile,
    ProvisioningConfig, Request, RequestId, RequestObject, Sealed, Situation, StagingRow, StagingSource, State,
    Subject, User, UserAttribute, UserAttributeType, UserId,
};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// So many seconds after some moment.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A folder with a store file in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn options(&self) -> OpenOptions {
        OpenOptions { cache_bytes: 4 << 20, ..OpenOptions::new(self.path("store"), MasterKey::new([7; 32])) }
    }

    pub fn open(&self) -> RedbStore {
        RedbStore::open(&self.options()).unwrap()
    }
}

pub fn user(id: u64, username: &str) -> User {
    User {
        id: UserId(id),
        username: username.to_owned(),
        email: Some(format!("{username}@example.com")),
        first_name: None,
        last_name: None,
        manager: None,
        manager_username: None,
        erased_at: None,
        profile: None,
        permission_sets: BTreeSet::new(),
        active: true,
        frozen: false,
        attributes: BTreeMap::from([("team".to_owned(), vec!["red".to_owned()])]),
        version: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn profile(name: &str) -> Profile {
    Profile { name: name.to_owned(), description: String::new(), permissions: BTreeSet::new(), version: 0 }
}

pub fn permission_set(name: &str) -> PermissionSet {
    PermissionSet { name: name.to_owned(), description: String::new(), permissions: BTreeSet::new(), version: 0 }
}

pub fn group(name: &str, members: impl IntoIterator<Item = u64>) -> Group {
    let members = members.into_iter().map(UserId).collect();
    Group { name: name.to_owned(), description: String::new(), members, version: 0 }
}

pub fn attribute(name: &str, kind: UserAttributeType) -> UserAttribute {
    UserAttribute {
        name: name.to_owned(),
        description: String::new(),
        kind,
        multi_valued: false,
        required: false,
        sensitive: false,
        version: 0,
    }
}

pub fn app(id: u64, name: &str) -> App {
    App {
        id: AppId(id),
        name: name.to_owned(),
        connector: ConnectorRef { name: "scim".to_owned(), version: "1.0.0".to_owned(), digest: Digest([1; 32]) },
        settings: BTreeMap::from([("page".to_owned(), serde_json::json!(100))]),
        credentials: BTreeMap::new(),
        private_origins: BTreeSet::new(),
        profiles: BTreeSet::new(),
        permission_sets: BTreeSet::new(),
        config: ProvisioningConfig::default(),
        paused: false,
        link_epoch: 0,
        last_reconcile: None,
        surveyed: false,
        version: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn account(id: u64, app: u64, situation: Situation) -> Account {
    Account {
        id: AccountId(id),
        app: AppId(app),
        external_id: Some(format!("x{id}")),
        user: None,
        username: format!("account{id}"),
        email: None,
        first_name: None,
        last_name: None,
        attributes: BTreeMap::from([("title".to_owned(), vec!["Dr".into()])]),
        status: gatehouse_core::schema::Status::Active,
        frozen: false,
        frozen_with_user: false,
        link_state: situation.link_state(),
        situation,
        why: None,
        is_known_link: false,
        revision: None,
        fingerprint: Some(Digest([id as u8; 32])),
        last_seen: None,
        last_run: None,
        version: 0,
        updated_at: at(0),
    }
}

pub fn account_of(id: u64, app: u64, user: u64) -> Account {
    Account { user: Some(UserId(user)), ..account(id, app, Situation::Confirmed) }
}

/// A chain of one step that asks these users, open since second 0, with a deadline at this second.
pub fn asking(users: &[u64], deadline: Option<i64>) -> Chain {
    let round = Round {
        asked: "somebody".to_owned(),
        approvers: users.iter().copied().map(UserId).collect(),
        needs: BTreeSet::new(),
        quorum: 1,
        why: None,
        deadline_seconds: None,
    };
    let opened = Step { opened_at: Some(at(0)), deadline: deadline.map(at), ..Step::new(vec![round]) };
    Chain::new(vec![opened])
}

/// A request that waits for the approval of one of these users, until this second.
pub fn waiting(id: u64, app: u64, user: u64, asked: &[u64], deadline: Option<i64>) -> Request {
    Request {
        state: State::New,
        approval: Approval::Required,
        approvals: Some(asking(asked, deadline)),
        ..request(id, app, user, None)
    }
}

/// A request that is to run at this second, and is in no lane until then.
pub fn dated(id: u64, app: u64, user: u64, run_at: i64) -> Request {
    Request { run_at: Some(at(run_at)), awaits_date: true, ..request(id, app, user, None) }
}

/// A request about a user, due at this second.
pub fn request(id: u64, app: u64, user: u64, due: Option<i64>) -> Request {
    Request {
        id: RequestId(id),
        app: AppId(app),
        operation: Operation::Update,
        object: RequestObject::User,
        subject: Subject::User(UserId(user)),
        account: None,
        state: State::Requested,
        approval: Approval::NotRequired,
        approvals: None,
        change: Sealed::new(Change::Reconcile),
        attempts: Vec::new(),
        steps_done: 0,
        read_failures: 0,
        due: due.map(at),
        error: None,
        needs_review: false,
        run: None,
        parent: None,
        root: None,
        raised_by: None,
        event: None,
        job: None,
        held: None,
        released: false,
        retry_count: 0,
        supersedes: None,
        superseded_by: None,
        run_at: None,
        awaits_date: false,
        created_by: Actor("admin".to_owned()),
        requested_by: None,
        reason: None,
        correlation: None,
        created_at: at(0),
        updated_at: at(0),
        version: 0,
    }
}

pub fn settled(request: &Request) -> Request {
    Request { state: State::Completed, due: None, ..request.clone() }
}

pub fn token(hash: u8, name: &str) -> Token {
    Token {
        hash: Digest([hash; 32]),
        name: name.to_owned(),
        user: None,
        scopes: BTreeSet::new(),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
        version: 0,
    }
}

pub fn credential(name: &str) -> CredentialRecord {
    CredentialRecord {
        name: name.to_owned(),
        origin: "https://hr.example.com".parse().unwrap(),
        scheme: AuthScheme::Bearer,
        header: None,
        updated_at: at(0),
    }
}

pub fn connector(digest: u8, name: &str, version: &str) -> Connector {
    let description = Description {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: String::new(),
        capabilities: BTreeSet::new(),
        attributes: Vec::new(),
        settings: Vec::new(),
        credentials: Vec::new(),
        searchable: Vec::new(),
        search_paths: Vec::new(),
    };
    Connector {
        description,
        digest: Digest([digest; 32]),
        size: 3,
        interfaces: BTreeSet::new(),
        imports: Vec::new(),
        installed_at: at(0),
        installed_by: "admin".to_owned(),
    }
}

pub fn row(no: u64) -> StagingRow {
    let source = StagingSource::Fault { external_id: None, why: format!("row {no}") };
    StagingRow { no, source, changed: false, verdict: None }
}

pub fn line(message: &str) -> LogEntry {
    LogEntry {
        at: at(0),
        source: "host".to_owned(),
        level: Level::Info,
        message: message.to_owned(),
        fields: vec![("a".to_owned(), "b".to_owned())],
    }
}

pub fn audit(subject: &str) -> AuditRecord {
    AuditRecord::new(at(0), &Actor::host(), "test", subject).with("fact", 1)
}

pub fn job(id: u64, app: u64, state: JobState) -> Job {
    let (by, now) = (Actor("admin".to_owned()), at(0));
    let origin = Origin { id: JobId(id), by, user: None, correlation: None, now };
    Job { state, ..held_job(AppId(app), Task::Release, "", origin) }
}

/// The answer to a call with this key, remembered at this second.
pub fn remembered(key: &str, second: i64, answer: serde_json::Value) -> RememberedAnswer {
    RememberedAnswer { key: key.to_owned(), at: at(second), answer }
}

pub fn new<T>(records: impl IntoIterator<Item = T>) -> Vec<Versioned<T>> {
    records.into_iter().map(Versioned::new).collect()
}

/// Apps 1 to 3.
pub async fn with_apps(store: &dyn Store) {
    let apps = new([app(1, "hr"), app(2, "crm"), app(3, "wiki")]);
    store.commit(ChangeSet { apps, ..ChangeSet::default() }).await.unwrap();
}

pub async fn add_users(store: &dyn Store, users: impl IntoIterator<Item = User>) {
    store.commit(ChangeSet { users: new(users), ..ChangeSet::default() }).await.unwrap();
}

pub async fn add_accounts(store: &dyn Store, accounts: impl IntoIterator<Item = Account>) {
    store.commit(ChangeSet { accounts: new(accounts), ..ChangeSet::default() }).await.unwrap();
}

pub async fn add_requests(store: &dyn Store, requests: impl IntoIterator<Item = Request>) {
    store.commit(ChangeSet { requests: new(requests), ..ChangeSet::default() }).await.unwrap();
}

/// Replaces the version of the request that is there.
pub async fn replace(store: &dyn Store, request: Request) -> Result<(), StoreError> {
    let version = store.request(request.id).await.unwrap().unwrap().version;
    store.commit(ChangeSet { requests: vec![Versioned::replacing(version, request)], ..ChangeSet::default() }).await
}

pub async fn claim(store: &dyn Store, now: i64, count: usize) -> Vec<Claim> {
    let limits = ClaimLimits { count, ..ClaimLimits::default() };
    store.claim(at(now), LEASE, "this host", &limits).await.unwrap()
}

/// The numbers of claimed requests.
pub async fn claimed(store: &dyn Store, now: i64, count: usize) -> Vec<u64> {
    claim(store, now, count).await.iter().map(|claim| claim.request.id.0).collect()
}
