//! A small world for the engine: a store, targets with faults, a clock that stands still unless it is moved.

#![allow(clippy::unwrap_used, dead_code)]

pub mod people;
pub mod target;

use gatehouse_core::approval::{Chain, Round, Step, Voter};
use gatehouse_core::lifecycle::{Event, Moment, NewRequest, open, open_supplied, step};
use gatehouse_core::ports::{
    AccountQuery, ChangeSet, Clock, CredentialRecord, Direction, RequestQuery, Sequence, Store, Versioned,
};
use gatehouse_core::schema::{Account as RemoteAccount, AttributeDefinition};
use gatehouse_core::{
    Account, Actor, App, AppId, AuthScheme, Capability, Change, Connector, CredentialSlot, Description, Digest,
    Interface, LinkChange, Operation, ProvisioningConfig, Request, RequestId, RequestObject, SettingDefinition,
    SettingType, Situation, StagingRow, StagingSource, State, Subject, User, UserId, linking, mapping,
};
use gatehouse_engine::requests::{Ask, NotOpened, Whose, prepare_account_request};
use gatehouse_engine::{Engine, EngineConfig};
use gatehouse_store::{MasterKey, MemoryStore, OpenOptions, RedbStore};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use target::{FakeConnectors, Target};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const LEASE: Duration = Duration::from_secs(180);
const DEADLINE: Duration = Duration::from_secs(30);

/// A clock that only moves when told to.
pub struct ManualClock(Mutex<Timestamp>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn jitter(&self) -> u32 {
        500
    }
}

impl ManualClock {
    pub fn starting() -> Arc<Self> {
        Arc::new(Self(Mutex::new(start())))
    }

    pub fn set(&self, to: Timestamp) {
        let mut now = self.0.lock().unwrap();
        *now = to.max(*now);
    }

    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::try_from(by).unwrap()).unwrap();
    }
}

/// Polls until something holds; fails with a text if it never does.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let polled = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polled).await.unwrap_or_else(|_| panic!("never came to pass: {what}"))
}

pub struct World {
    pub store: Arc<dyn Store>,
    pub connectors: Arc<FakeConnectors>,
    pub clock: Arc<ManualClock>,
}

/// An engine at work.
pub struct Running {
    pub engine: Engine,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it as an operator would.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).ok();
        tokio::time::timeout(DEADLINE, &mut self.task).await.unwrap().unwrap();
    }

    /// Stops it as a power cut would: in the middle of everything.
    pub async fn kill(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub fn by() -> Actor {
    Actor("admin".to_owned())
}

pub fn description() -> Description {
    let text = |name: &str| AttributeDefinition::text(name, "");
    let setting = SettingDefinition {
        name: "base_url".to_owned(),
        description: String::new(),
        kind: SettingType::Url,
        required: true,
        default: None,
        choices: Vec::new(),
    };
    Description {
        name: "fake".to_owned(),
        version: "0.1.0".to_owned(),
        summary: String::new(),
        capabilities: [
            Capability::Create,
            Capability::Read,
            Capability::Update,
            Capability::Deactivate,
            Capability::Activate,
            Capability::Delete,
            Capability::Reconcile,
        ]
        .into(),
        attributes: vec![
            text("externalId").suggested("{id}"),
            text("displayName").suggested("{first_name}"),
            text("emails").suggested("{email}"),
            text("pin").sensitive(),
            text("title"),
        ],
        settings: vec![setting],
        credentials: vec![CredentialSlot {
            name: "token".to_owned(),
            description: String::new(),
            schemes: vec![AuthScheme::Bearer],
            header: None,
            setting: "base_url".to_owned(),
            required: true,
        }],
        searchable: ["externalId", "username"].map(str::to_owned).into(),
        search_paths: Vec::new(),
    }
}

fn connector(interfaces: &[Interface]) -> (Connector, Vec<u8>) {
    let component = format!("a component with {interfaces:?}").into_bytes();
    let connector = Connector {
        description: description(),
        digest: Digest::of(&component),
        size: component.len() as u64,
        interfaces: interfaces.iter().copied().collect(),
        imports: Vec::new(),
        installed_at: start(),
        installed_by: "admin".to_owned(),
    };
    (connector, component)
}

/// A chain of one step that a token of the installation carries.
pub fn anybody() -> Chain {
    let round = Round {
        asked: "anybody".to_owned(),
        approvers: BTreeSet::new(),
        needs: BTreeSet::new(),
        quorum: 1,
        why: None,
        deadline_seconds: None,
    };
    Chain::new(vec![Step::new(vec![round])])
}

/// That a token of the installation agrees.
pub fn approve(digest: Digest) -> Event {
    Event::Approve { voter: Box::new(Voter::installation(by())), digest, why: None }
}

impl World {
    pub async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new())).await
    }

    /// Over the embedded store, in a file in this folder.
    pub async fn embedded(folder: &std::path::Path) -> Self {
        let options = OpenOptions::new(folder.join("gatehouse.db"), MasterKey::new([7; 32]));
        Self::over(Arc::new(RedbStore::open(&options).unwrap())).await
    }

    async fn over(store: Arc<dyn Store>) -> Self {
        Self { store, connectors: FakeConnectors::new(), clock: ManualClock::starting() }.with_credential().await
    }

    pub async fn with_credential(self) -> Self {
        let record = CredentialRecord {
            name: "key".to_owned(),
            origin: "https://hr.example.com".parse().unwrap(),
            scheme: AuthScheme::Bearer,
            header: None,
            updated_at: start(),
        };
        self.commit(ChangeSet { credentials: vec![(record, "hush".to_owned().into())], ..ChangeSet::default() }).await;
        self
    }

    pub async fn commit(&self, changes: ChangeSet) {
        self.store.commit(changes).await.unwrap();
    }

    pub fn run(&self, incarnation: &str) -> Running {
        self.run_with(EngineConfig { batch: 4, ..config(incarnation) })
    }

    pub fn run_with(&self, config: EngineConfig) -> Running {
        let engine = Engine::new(self.store.clone(), self.connectors.clone(), self.clock.clone(), config).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = engine.clone();
        let task = tokio::spawn(async move { running.run(async { drop(stopped.await) }).await });
        Running { engine, stop: Some(stop), task }
    }

    /// An app with everything a connector can have, mapped and linked as suggested, pages of three.
    pub async fn app(&self, name: &str) -> App {
        let all =
            [Interface::Descriptor, Interface::Probe, Interface::Collector, Interface::Analyzer, Interface::Committer];
        self.app_with(name, &all, |_| {}).await
    }

    pub async fn app_with(&self, name: &str, interfaces: &[Interface], change: impl FnOnce(&mut App)) -> App {
        let (connector, component) = connector(interfaces);
        let mut config = ProvisioningConfig {
            mapping: mapping::suggested(&connector.description),
            linking: linking::suggested(&connector.description),
            page_size: 3,
            ..ProvisioningConfig::default()
        };
        config.operations.insert(Operation::Delete);
        config.reconcile.max_vanished_percent = 60;
        let mut app = App {
            id: AppId(self.store.allocate(Sequence::App, 1)),
            name: name.to_owned(),
            connector: connector.reference(),
            settings: [("base_url".to_owned(), "https://hr.example.com/scim".into())].into(),
            credentials: [("token".to_owned(), "key".to_owned())].into(),
            private_origins: BTreeSet::new(),
            profiles: ["staff".to_owned()].into(),
            permission_sets: Default::default(),
            config,
            paused: false,
            link_epoch: 0,
            last_reconcile: None,
            surveyed: false,
            version: 0,
            created_at: start(),
            updated_at: start(),
        };
        change(&mut app);
        let is_new = self.store.connector(connector.digest).await.unwrap().is_none();
        let connectors = if is_new { vec![(connector, component)] } else { Vec::new() };
        self.commit(ChangeSet { connectors, apps: vec![Versioned::new(app.clone())], ..ChangeSet::default() }).await;
        self.store.app(app.id).await.unwrap().unwrap()
    }

    pub async fn change_app(&self, id: AppId, change: impl FnOnce(&mut App)) {
        let mut app = self.store.app(id).await.unwrap().unwrap();
        let version = app.version;
        change(&mut app);
        self.commit(ChangeSet { apps: vec![Versioned::replacing(version, app)], ..ChangeSet::default() }).await;
    }

    pub async fn user(&self, username: &str) -> User {
        let user = User {
            id: UserId(self.store.allocate(Sequence::User, 1)),
            username: username.to_owned(),
            email: Some(format!("{username}@example.com")),
            first_name: Some(username.to_uppercase()),
            last_name: None,
            manager: None,
            manager_username: None,
            erased_at: None,
            profile: Some("staff".to_owned()),
            permission_sets: BTreeSet::new(),
            active: true,
            frozen: false,
            attributes: BTreeMap::new(),
            version: 0,
            created_at: start(),
            updated_at: start(),
        };
        self.commit(ChangeSet { users: vec![Versioned::new(user.clone())], ..ChangeSet::default() }).await;
        self.store.user(user.id).await.unwrap().unwrap()
    }

    pub async fn change_user(&self, id: UserId, change: impl FnOnce(&mut User)) {
        let mut user = self.store.user(id).await.unwrap().unwrap();
        let version = user.version;
        change(&mut user);
        self.commit(ChangeSet { users: vec![Versioned::replacing(version, user)], ..ChangeSet::default() }).await;
    }

    pub async fn ask(&self, app: &App, operation: Operation, whose: Whose) -> Result<RequestId, NotOpened> {
        let app = self.store.app(app.id).await.unwrap().unwrap();
        let ask = Ask { operation, whose, by: by(), reason: None, raised: Default::default() };
        let transition = prepare_account_request(self.store.as_ref(), &app, ask, self.clock.now()).await?;
        let id = transition.request.record.id;
        self.commit(transition.into_changes(None)).await;
        Ok(id)
    }

    /// Asks for an operation on a user's account.
    pub async fn request(&self, app: &App, operation: Operation, user: &User) -> RequestId {
        self.ask(app, operation, Whose::User(user.id)).await.unwrap()
    }

    fn new_request(&self, app: &App, operation: Operation, subject: Subject, change: Change) -> NewRequest {
        NewRequest {
            id: RequestId(self.store.allocate(Sequence::Request, 1)),
            app: app.id,
            operation,
            object: RequestObject::ConnectedApp,
            subject,
            account: None,
            change,
            approvals: None,
            by: by(),
            reason: None,
            raised: Default::default(),
        }
    }

    pub async fn reconcile(&self, app: &App) -> RequestId {
        let new = self.new_request(app, Operation::Reconcile, Subject::App, Change::Reconcile);
        let id = new.id;
        self.commit(open(new, self.clock.now()).into_changes(None)).await;
        id
    }

    /// A run whose plan needs an approval.
    pub async fn reconcile_with_approval(&self, app: &App) -> RequestId {
        let new = self.new_request(app, Operation::Reconcile, Subject::App, Change::Reconcile);
        let new = NewRequest { approvals: Some(anybody()), ..new };
        let id = new.id;
        self.commit(open(new, self.clock.now()).into_changes(None)).await;
        id
    }

    /// A run that starts at Analyzing, with these accounts.
    pub async fn reconcile_supplied(&self, app: &App, accounts: Vec<RemoteAccount>, complete: bool) -> RequestId {
        let new = self.new_request(app, Operation::Reconcile, Subject::App, Change::Reconcile);
        let id = new.id;
        let mut changes = open_supplied(new, accounts.len() as u64, complete, self.clock.now()).into_changes(None);
        let row = |(no, account)| {
            let source = StagingSource::Account(account);
            (id, StagingRow { no, source, changed: true, verdict: None })
        };
        changes.staging = (0..).zip(accounts).map(row).collect();
        self.commit(changes).await;
        id
    }

    pub async fn link(&self, app: &App, change: LinkChange) -> RequestId {
        let (LinkChange::Link { account, .. } | LinkChange::Unlink { account } | LinkChange::Ignore { account }) =
            change;
        let new = self.new_request(app, Operation::Linking, Subject::Account(account), Change::Link(change));
        let id = new.id;
        self.commit(open(new, self.clock.now()).into_changes(None)).await;
        id
    }

    /// What a person decides about a request.
    pub async fn decide(&self, id: RequestId, event: Event) {
        let request = self.get(id).await;
        let app = self.store.app(request.app).await.unwrap().unwrap();
        let moment = Moment { now: self.clock.now(), jitter: 0, retry: app.config.retry };
        let transition = step(&request, event, &moment).unwrap();
        self.commit(transition.into_changes(None)).await;
    }

    pub async fn commit_plan(&self, id: RequestId) {
        self.decide(id, Event::CommitPlan { by: by() }).await;
    }

    pub async fn get(&self, id: RequestId) -> Request {
        self.store.request(id).await.unwrap().unwrap()
    }

    /// Waits for a request's end, or for it to need a person; moves the clock on to whatever is due next.
    pub async fn settled(&self, engine: &Running, id: RequestId) -> Request {
        until(&format!("{id} has come to rest"), async || {
            let request = self.get(id).await;
            if request.state.is_settled() || request.due.is_none() {
                return Some(request);
            }
            self.move_on(engine).await;
            None
        })
        .await
    }

    /// Moves the clock on to what is due next.
    pub async fn move_on(&self, engine: &Running) {
        if let Some(due) = self.store.next_due().await.unwrap() {
            self.clock.set(due);
        }
        engine.engine.wake();
    }

    /// Waits for a request's end, which is to be this state.
    pub async fn ends(&self, engine: &Running, id: RequestId, state: State) -> Request {
        let request = self.settled(engine, id).await;
        assert_eq!(request.state, state, "{request:#?}\n{:#?}", self.log(id).await);
        request
    }

    /// Reconciles, commits the plan, and waits for all child requests: the run and its children.
    pub async fn reconcile_and_commit(&self, engine: &Running, app: &App) -> (Request, Vec<Request>) {
        let id = self.reconcile(app).await;
        self.ends(engine, id, State::Analyzed).await;
        self.commit_plan(id).await;
        let run = self.ends(engine, id, State::Completed).await;
        let query = RequestQuery { raised_by: Some(id), limit: 100, ..RequestQuery::default() };
        let mut children = Vec::new();
        for child in self.store.requests(&query).await.unwrap().items {
            children.push(self.settled(engine, child.id).await);
        }
        (run, children)
    }

    pub async fn log(&self, id: RequestId) -> Vec<String> {
        let page = self.store.request_log(id, Direction::Ascending, None, 1000).await.unwrap();
        page.items.into_iter().map(|line| format!("{}: {} {:?}", line.source, line.message, line.fields)).collect()
    }

    pub async fn accounts(&self, app: &App) -> Vec<Account> {
        let query = AccountQuery { app: Some(app.id), limit: 1000, ..AccountQuery::default() };
        self.store.accounts(&query).await.unwrap().items
    }

    pub async fn situations(&self, app: &App) -> BTreeMap<Situation, u64> {
        let counts = self.store.account_counts(app.id).await.unwrap();
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    pub async fn account_of(&self, app: &App, user: &User) -> Account {
        let accounts = self.accounts(app).await;
        let mut of_user = accounts.into_iter().filter(|account| account.user == Some(user.id));
        let account = of_user.next().unwrap();
        assert!(of_user.next().is_none(), "one account of {} only", user.username);
        account
    }

    pub fn target<T>(&self, app: &App, look: impl FnOnce(&mut Target) -> T) -> T {
        self.connectors.target(app.id, look)
    }

    /// A user with an account that a Create made.
    pub async fn provisioned(&self, engine: &Running, app: &App, username: &str) -> User {
        let user = self.user(username).await;
        let id = self.request(app, Operation::Create, &user).await;
        self.ends(engine, id, State::Completed).await;
        user
    }
}

pub fn config(incarnation: &str) -> EngineConfig {
    EngineConfig {
        lease: LEASE,
        poll: Duration::from_millis(20),
        grace: Duration::from_millis(200),
        ..EngineConfig::new(incarnation)
    }
}
