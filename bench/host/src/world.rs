//! A host in this process: store, engine and connectors as `gatehouse serve` wires them, all of it watched. People
//! and apps are put straight into the store: how they get there is not what is measured.

use crate::native::Native;
use crate::observed::{ObservedConnectors, ObservedStore, Seen};
use anyhow::{Context as _, Result, anyhow};
use gatehouse_core::lifecycle::{Event, Moment, NewRequest, open, step};
use gatehouse_core::ports::{ChangeSet, Clock as _, CredentialRecord, Sequence, Store, Versioned};
use gatehouse_core::{
    Actor, App, AppId, AuthScheme, Change, Connector, Operation, Profile, ProvisioningConfig, RequestId, RequestObject,
    Subject, User, UserId, linking, mapping,
};
use gatehouse_engine::requests::{Ask, Whose, prepare_account_request};
use gatehouse_engine::{Engine, EngineConfig, SystemClock};
use gatehouse_sandbox::Sandbox;
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Users put into the store in one commit.
const USERS_AT_ONCE: u32 = 5_000;
const PROFILE: &str = "staff";

/// A host at work.
pub struct World {
    /// Its store.
    pub store: Arc<dyn Store>,
    /// What is seen of it.
    pub seen: Arc<Seen>,
    engine: Engine,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// What an app is to be like.
pub struct AppSetup<'a> {
    /// Its settings.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Origin and token of its credential, if it has one.
    pub credential: Option<(&'a str, &'a str)>,
    /// Changes to the usual configuration.
    pub config: fn(&mut ProvisioningConfig),
}

impl World {
    /// Opens a new store in a directory, and starts the engine over it.
    pub fn start(directory: &Path, sandbox: Arc<Sandbox>, native: Option<Native>, in_flight: usize) -> Result<Self> {
        let options = OpenOptions::new(directory.join("gatehouse.db"), MasterKey::new([7; 32]));
        let store = RedbStore::open(&options).map_err(|error| anyhow!("{error}"))?;
        let seen = Arc::new(Seen::default());
        let store: Arc<dyn Store> = Arc::new(ObservedStore::new(Arc::new(store), seen.clone()));
        let connectors = Arc::new(ObservedConnectors::new(sandbox, native, seen.clone()));
        let usual = EngineConfig::new("bench");
        let config = EngineConfig { max_in_flight: usual.max_in_flight.max(in_flight), ..usual };
        let engine = Engine::new(store.clone(), connectors, Arc::new(SystemClock), config)?;
        let (stop, stopped) = oneshot::channel();
        let running = engine.clone();
        let task = tokio::spawn(async move { running.run(async { drop(stopped.await) }).await });
        Ok(Self { store, seen, engine, stop: Some(stop), task })
    }

    /// Stops the engine and closes the store.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.task.await.context("the engine")
    }

    /// Installs a connector and connects an app to it.
    pub async fn app(&self, connector: Connector, component: Vec<u8>, setup: AppSetup<'_>) -> Result<App> {
        let now = SystemClock.now();
        let mut config = ProvisioningConfig {
            mapping: mapping::suggested(&connector.description),
            linking: linking::suggested(&connector.description),
            page_size: 250,
            concurrency: 64,
            ..ProvisioningConfig::default()
        };
        (setup.config)(&mut config);
        let mut changes = ChangeSet::default();
        let mut app = App {
            id: AppId(self.store.allocate(Sequence::App, 1)),
            name: "bench".to_owned(),
            connector: connector.reference(),
            settings: setup.settings,
            credentials: BTreeMap::new(),
            private_origins: BTreeSet::new(),
            profiles: [PROFILE.to_owned()].into(),
            permission_sets: Default::default(),
            config,
            paused: false,
            link_epoch: 0,
            last_reconcile: None,
            surveyed: false,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        if let Some((origin, token)) = setup.credential {
            let origin: gatehouse_core::Origin = origin.parse().map_err(|error| anyhow!("{origin}: {error}"))?;
            app.private_origins.insert(origin.clone());
            app.credentials.insert("token".to_owned(), "token".to_owned());
            let scheme = AuthScheme::Bearer;
            let record = CredentialRecord { name: "token".to_owned(), origin, scheme, header: None, updated_at: now };
            changes.credentials.push((record, token.to_owned().into()));
        }
        let profile = Profile {
            name: PROFILE.to_owned(),
            description: String::new(),
            permissions: Default::default(),
            version: 0,
        };
        changes.profiles.push(Versioned::new(profile));
        changes.connectors.push((connector, component));
        changes.apps.push(Versioned::new(app.clone()));
        self.store.commit(changes).await?;
        self.store.app(app.id).await?.context("the app")
    }

    /// Makes users 1 to `count`, each as `user` describes the one of its number: username, given and family name.
    pub async fn users(&self, count: u32, user: fn(u32) -> (String, String, String)) -> Result<Vec<UserId>> {
        let now = SystemClock.now();
        let mut ids = Vec::with_capacity(count as usize);
        let mut next = 1;
        while next <= count {
            let last = count.min(next + USERS_AT_ONCE - 1);
            let first_id = self.store.allocate(Sequence::User, u64::from(last + 1 - next));
            let users = (next..=last).zip(first_id..).map(|(number, id)| {
                let (username, first, last) = user(number);
                Versioned::new(person(UserId(id), username, first, last, now))
            });
            let users: Vec<_> = users.collect();
            ids.extend(users.iter().map(|user| user.record.id));
            self.store.commit(ChangeSet { users, ..ChangeSet::default() }).await?;
            next = last + 1;
        }
        Ok(ids)
    }

    /// Opens a reconciliation.
    pub async fn reconcile(&self, app: &App) -> Result<RequestId> {
        let new = NewRequest {
            id: RequestId(self.store.allocate(Sequence::Request, 1)),
            app: app.id,
            operation: Operation::Reconcile,
            object: RequestObject::ConnectedApp,
            subject: Subject::App,
            account: None,
            change: Change::Reconcile,
            approvals: None,
            by: by(),
            reason: None,
            raised: Default::default(),
        };
        let id = new.id;
        self.store.commit(open(new, SystemClock.now()).into_changes(None)).await?;
        self.engine.wake();
        Ok(id)
    }

    /// Has the plan of a reconciliation committed.
    pub async fn commit_plan(&self, app: &App, run: RequestId) -> Result<()> {
        let request = self.store.request(run).await?.context("the run")?;
        let moment = Moment { now: SystemClock.now(), jitter: 0, retry: app.config.retry.clone() };
        let transition = step(&request, Event::CommitPlan { by: by() }, &moment)?;
        self.store.commit(transition.into_changes(None)).await?;
        self.engine.wake();
        Ok(())
    }

    /// Opens a request about a user's account.
    pub async fn request(&self, app: &App, operation: Operation, user: UserId) -> Result<RequestId> {
        let ask = Ask { operation, whose: Whose::User(user), by: by(), reason: None, raised: Default::default() };
        let transition = prepare_account_request(self.store.as_ref(), app, ask, SystemClock.now()).await?;
        let id = transition.request.record.id;
        self.store.commit(transition.into_changes(None)).await?;
        self.engine.wake();
        Ok(id)
    }
}

fn by() -> Actor {
    Actor("bench".to_owned())
}

fn person(id: UserId, username: String, first: String, last: String, now: Timestamp) -> User {
    User {
        id,
        email: Some(format!("{username}@example.com")),
        username,
        first_name: Some(first),
        last_name: Some(last),
        manager: None,
        manager_username: None,
        erased_at: None,
        profile: Some(PROFILE.to_owned()),
        permission_sets: BTreeSet::new(),
        active: true,
        frozen: false,
        attributes: BTreeMap::new(),
        version: 0,
        created_at: now,
        updated_at: now,
    }
}
