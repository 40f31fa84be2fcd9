//! A store and connectors that are watched: how often something is committed, how long that takes, how long calls
//! take, and when which request reached which state. It changes nothing of what passes through.

use crate::native::Native;
use async_trait::async_trait;
use gatehouse_connector::Query;
use gatehouse_core::approval::{Delegation, Notice};
use gatehouse_core::audit::denials::Window;
use gatehouse_core::audit::{AuditEntry, AuditHead, AuditQuery, Checkpoint};
use gatehouse_core::ports::{
    AccountFigures, AccountPage, AccountQuery, Admission, AdmissionError, AnalysisItem, CallContext, CallReport,
    ChangeSet, Claim, ClaimLimits, CommitCommand, Connectors, Credential, CredentialRecord, Direction, Fence, Finding,
    JobQuery, ListPage, Receipt, RequestFigures, RequestQuery, RowVerdict, Sequence, StagedRun, Store, StoreError,
    Token, UserQuery,
};
use gatehouse_core::schema::Account as RemoteAccount;
use gatehouse_core::sharing::SharingRule;
use gatehouse_core::{
    Account, AccountId, App, AppId, Connector, DelegationId, Digest, Group, Job, JobId, LogEntry, PermissionSet,
    Profile, Request, RequestId, Situation, StagingRow, State, Subject, User, UserAttribute, UserId,
};
use gatehouse_sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What was seen so far.
#[derive(Default)]
pub struct Seen {
    commits: AtomicU64,
    commit_ns: AtomicU64,
    claims: AtomicU64,
    call_ns: AtomicU64,
    states: Mutex<HashMap<RequestId, Vec<(State, Instant)>>>,
    news: Notify,
}

/// Amounts at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amounts {
    /// Commits of change sets.
    pub commits: u64,
    /// Time in which at least one was waited for, added up over all who waited.
    pub committing: Duration,
    /// Claims that gave something.
    pub claims: u64,
    /// Time in calls of connectors, added up.
    pub calling: Duration,
}

impl Seen {
    /// So far.
    pub fn amounts(&self) -> Amounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Amounts {
            commits: of(&self.commits),
            committing: Duration::from_nanos(of(&self.commit_ns)),
            claims: of(&self.claims),
            calling: Duration::from_nanos(of(&self.call_ns)),
        }
    }

    /// Waits until a request has reached a state for which `enough` holds: that state, and when it was reached.
    pub async fn state(&self, request: RequestId, enough: impl Fn(State, Instant) -> bool) -> (State, Instant) {
        loop {
            let news = self.news.notified();
            let mut news = std::pin::pin!(news);
            news.as_mut().enable();
            match self.reached(request, &enough) {
                Some(found) => return found,
                None => news.await,
            }
        }
    }

    fn reached(&self, request: RequestId, enough: impl Fn(State, Instant) -> bool) -> Option<(State, Instant)> {
        self.states().get(&request)?.iter().find(|(state, at)| enough(*state, *at)).copied()
    }

    /// Forgets what is known of a request.
    pub fn forget(&self, request: RequestId) {
        self.states().remove(&request);
    }

    fn states(&self) -> MutexGuard<'_, HashMap<RequestId, Vec<(State, Instant)>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn committed(&self, reached: Vec<(RequestId, State)>, took: Duration) {
        let now = Instant::now();
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_ns.fetch_add(nanos(took), Ordering::Relaxed);
        let mut states = self.states();
        for (request, state) in reached {
            let of_request = states.entry(request).or_default();
            if of_request.last().is_none_or(|(last, _)| *last != state) {
                of_request.push((state, now));
            }
        }
        drop(states);
        self.news.notify_waiters();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A store that is watched.
pub struct ObservedStore {
    inner: Arc<dyn Store>,
    seen: Arc<Seen>,
}

impl ObservedStore {
    /// Watches a store.
    pub fn new(inner: Arc<dyn Store>, seen: Arc<Seen>) -> Self {
        Self { inner, seen }
    }
}

/// The store's methods: those given in full, and those that are handed on.
macro_rules! store {
    ({ $($own:tt)* } $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for ObservedStore {
            $($own)*
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.inner.$name($($argument),*).await
            })*
        }
    };
}

store! {
    {
        async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError> {
            let reached = changes.requests.iter().map(|one| (one.record.id, one.record.state)).collect();
            let start = Instant::now();
            self.inner.commit(changes).await?;
            self.seen.committed(reached, start.elapsed());
            Ok(())
        }

        fn allocate(&self, sequence: Sequence, count: u64) -> u64 {
            self.inner.allocate(sequence, count)
        }

        fn health(&self) -> Result<(), StoreError> {
            self.inner.health()
        }

        async fn claim(
            &self,
            now: Timestamp,
            lease: SignedDuration,
            incarnation: &str,
            limits: &ClaimLimits,
        ) -> Result<Vec<Claim>, StoreError> {
            let claims = self.inner.claim(now, lease, incarnation, limits).await?;
            self.seen.claims.fetch_add(u64::from(!claims.is_empty()), Ordering::Relaxed);
            Ok(claims)
        }
    }
    fn release(fence: Fence) -> ();
    fn next_due() -> Option<Timestamp>;
    fn directory_epoch() -> u64;
    fn user(id: UserId) -> Option<User>;
    fn users_by_id(ids: &[UserId]) -> Vec<Option<User>>;
    fn user_by_username(username: &str) -> Option<User>;
    fn users(after: Option<&str>, limit: usize) -> ListPage<User>;
    fn find_users(query: &UserQuery) -> ListPage<User>;
    fn users_of_profile(profile: &str, after: Option<&str>, limit: usize) -> ListPage<User>;
    fn profile(name: &str) -> Option<Profile>;
    fn profiles() -> Vec<Profile>;
    fn permission_set(name: &str) -> Option<PermissionSet>;
    fn permission_sets() -> Vec<PermissionSet>;
    fn users_of_permission_set(set: &str, after: Option<&str>, limit: usize) -> ListPage<User>;
    fn group(name: &str) -> Option<Group>;
    fn groups() -> Vec<Group>;
    fn groups_of_user(user: UserId) -> Vec<Group>;
    fn reports_of(manager: UserId) -> Vec<UserId>;
    fn sharing_rules() -> Vec<SharingRule>;
    fn user_attributes() -> Vec<UserAttribute>;
    fn delegation(id: DelegationId) -> Option<Delegation>;
    fn delegations(direction: Direction, after: Option<&str>, limit: usize) -> ListPage<Delegation>;
    fn delegations_to(delegate: UserId) -> Vec<Delegation>;
    fn alarms(until: Timestamp, after: Option<(Timestamp, RequestId)>, limit: usize) -> Vec<(Timestamp, RequestId)>;
    fn next_alarm() -> Option<Timestamp>;
    fn notices(until: Timestamp, limit: usize) -> Vec<Notice>;
    fn connector(digest: Digest) -> Option<Connector>;
    fn connectors() -> Vec<Connector>;
    fn component(digest: Digest) -> Option<Vec<u8>>;
    fn app(id: AppId) -> Option<App>;
    fn app_by_name(name: &str) -> Option<App>;
    fn apps() -> Vec<App>;
    fn credentials() -> Vec<CredentialRecord>;
    fn credential(name: &str) -> Option<Credential>;
    fn token(hash: Digest) -> Option<Token>;
    fn tokens() -> Vec<Token>;
    fn account(id: AccountId) -> Option<Account>;
    fn account_by_external_id(app: AppId, external_id: &str) -> Option<Account>;
    fn accounts_by_external_id(app: AppId, external_ids: &[String]) -> Vec<Option<Account>>;
    fn accounts_of_users(app: AppId, users: &[UserId]) -> Vec<Vec<Account>>;
    fn accounts(query: &AccountQuery) -> ListPage<Account>;
    fn account_counts(app: AppId) -> BTreeMap<Situation, u64>;
    fn account_figures() -> BTreeMap<AppId, AccountFigures>;
    fn request(id: RequestId) -> Option<Request>;
    fn requests(query: &RequestQuery) -> ListPage<Request>;
    fn lane(app: AppId, subject: Subject) -> Vec<Request>;
    fn oldest_unsettled(app: AppId) -> Option<RequestId>;
    fn review_count() -> u64;
    fn request_figures() -> BTreeMap<AppId, RequestFigures>;
    fn request_log(id: RequestId, direction: Direction, after: Option<&str>, limit: usize) -> ListPage<LogEntry>;
    fn staging(run: RequestId, from: u64, limit: usize) -> Vec<StagingRow>;
    fn staged_runs(after: Option<RequestId>, limit: usize) -> Vec<StagedRun>;
    fn job(id: JobId) -> Option<Job>;
    fn jobs(query: &JobQuery) -> ListPage<Job>;
    fn audit_entries(query: &AuditQuery) -> ListPage<AuditEntry>;
    fn audit_from(sequence: u64, limit: usize) -> Vec<AuditEntry>;
    fn audit_checkpoint() -> Option<Checkpoint>;
    fn audit_head(of: Option<u64>, at: Timestamp) -> AuditHead;
    fn audit_before(before: Timestamp, limit: usize) -> Option<u64>;
    fn denial_windows() -> Vec<Window>;
    fn answers_before(before: Timestamp, limit: usize) -> Vec<(Timestamp, String)>;
    fn idempotent(key: &str) -> Option<serde_json::Value>;
}

/// The sandbox, watched; or with the connector linked natively in its place, where a run calls it.
pub struct ObservedConnectors {
    sandbox: Arc<Sandbox>,
    native: Option<Native>,
    seen: Arc<Seen>,
}

impl ObservedConnectors {
    /// Watches connectors.
    pub fn new(sandbox: Arc<Sandbox>, native: Option<Native>, seen: Arc<Seen>) -> Self {
        Self { sandbox, native, seen }
    }

    async fn timed<T>(&self, call: impl Future<Output = CallReport<T>>) -> CallReport<T> {
        let start = Instant::now();
        let report = call.await;
        self.seen.call_ns.fetch_add(nanos(start.elapsed()), Ordering::Relaxed);
        report
    }
}

#[async_trait]
impl Connectors for ObservedConnectors {
    async fn admit(&self, component: &[u8]) -> Result<Admission, AdmissionError> {
        self.sandbox.admit(component).await
    }

    async fn load(&self, digest: Digest, component: &[u8]) -> Result<(), AdmissionError> {
        self.sandbox.load(digest, component).await
    }

    fn is_loaded(&self, digest: Digest) -> bool {
        self.sandbox.is_loaded(digest)
    }

    fn unload(&self, digest: Digest) {
        self.sandbox.unload(digest);
    }

    fn health(&self) -> Result<(), String> {
        self.sandbox.health()
    }

    async fn check(&self, context: &CallContext) -> CallReport<Vec<Finding>> {
        self.sandbox.check(context).await
    }

    async fn collect(
        &self,
        context: &CallContext,
        filter: Option<&str>,
        cursor: Option<&str>,
        attributes: &[String],
        limit: u32,
    ) -> CallReport<AccountPage> {
        let Some(native) = &self.native else {
            return self.timed(self.sandbox.collect(context, filter, cursor, attributes, limit)).await;
        };
        let (filter, cursor) = (filter.map(str::to_owned), cursor.map(str::to_owned));
        let query = Query { filter, cursor, attributes: attributes.to_vec(), limit };
        self.timed(async { native.collect(context, &query) }).await
    }

    async fn read(&self, context: &CallContext, external_id: &str) -> CallReport<RemoteAccount> {
        self.sandbox.read(context, external_id).await
    }

    async fn find(&self, context: &CallContext, attribute: &str, value: &str) -> CallReport<Vec<RemoteAccount>> {
        self.sandbox.find(context, attribute, value).await
    }

    async fn analyze(&self, context: &CallContext, batch: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>> {
        match &self.native {
            Some(native) => self.timed(async { native.analyze(batch) }).await,
            None => self.timed(self.sandbox.analyze(context, batch)).await,
        }
    }

    async fn commit(&self, context: &CallContext, command: &CommitCommand) -> CallReport<Receipt> {
        self.timed(self.sandbox.commit(context, command)).await
    }
}
