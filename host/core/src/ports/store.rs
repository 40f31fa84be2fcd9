//! Keeping things. The store implements this; the engine and the server use it.
//!
//! All writing goes through [`Store::commit`]: everything in a [`ChangeSet`] becomes durable together or not at all
//! (invariant 2), and every expected version is checked before anything is written.

use crate::{
    Account, AccountId, App, AppId, AuditRecord, AuthScheme, Connector, Digest, LinkState, LogEntry, Operation, Origin,
    Profile, Request, RequestId, Situation, StagingRow, State, Subject, User, UserId,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A record, and the version it must replace.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// The new record. The store sets its `version` to one more than the expected one (to 1 for a new one).
    pub record: T,
    /// The version that must be there now; none: it must not be there at all.
    pub expected: Option<u64>,
}

impl<T> Versioned<T> {
    /// A record that must not be there yet.
    pub fn new(record: T) -> Self {
        Self { record, expected: None }
    }

    /// A record that replaces this version.
    pub fn replacing(version: u64, record: T) -> Self {
        Self { record, expected: Some(version) }
    }
}

/// The right to work on a request, taken by [`Store::claim`]. Whoever took it over since has a higher fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The request.
    pub request: RequestId,
    /// The fencing token.
    pub token: u64,
}

/// A request to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// As it was when claimed.
    pub request: Request,
    /// To hand in with every commit about it.
    pub fence: Fence,
    /// Until when nobody else may take it.
    pub lease_until: Timestamp,
}

/// Which requests may be claimed.
#[derive(Clone, Debug, Default)]
pub struct ClaimLimits {
    /// At most so many.
    pub count: usize,
    /// None of these apps: paused, or at their limit of concurrent calls.
    pub skip_apps: BTreeSet<AppId>,
    /// At most so many of an app (further ones wait); unlimited if not listed.
    pub per_app: BTreeMap<AppId, usize>,
}

/// Everything that becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// The claim under which it is made: checked, and given back unless `keep_claim`.
    pub fence: Option<Fence>,
    /// Keep the claim after this commit: its lease ends then, whatever was said before.
    pub keep_claim: Option<Timestamp>,
    /// Users. Any of them advances the directory epoch.
    pub users: Vec<Versioned<User>>,
    /// Profiles.
    pub profiles: Vec<Versioned<Profile>>,
    /// Connectors to add, with their components. Adding one that is there is an error of kind Duplicate.
    pub connectors: Vec<(Connector, Vec<u8>)>,
    /// Connectors to remove, by digest.
    pub remove_connectors: Vec<Digest>,
    /// Apps.
    pub apps: Vec<Versioned<App>>,
    /// Apps to remove, with their accounts, requests, logs and staging rows. The target is not touched.
    pub remove_apps: Vec<AppId>,
    /// Credentials to set (new or replaced).
    pub credentials: Vec<(CredentialRecord, SecretString)>,
    /// Credentials to remove.
    pub remove_credentials: Vec<String>,
    /// Tokens.
    pub tokens: Vec<Versioned<Token>>,
    /// Accounts.
    pub accounts: Vec<Versioned<Account>>,
    /// Accounts to remove (places of missing accounts that are no longer missing).
    pub remove_accounts: Vec<AccountId>,
    /// Requests. Their `due` puts them into the queue, or takes them out of it.
    pub requests: Vec<Versioned<Request>>,
    /// Staging rows, new or replaced.
    pub staging: Vec<(RequestId, StagingRow)>,
    /// Runs whose staging rows from this number on are to go (a collection that starts again: 0).
    pub truncate_staging: Vec<(RequestId, u64)>,
    /// Lines for requests' logs, appended in order.
    pub log: Vec<(RequestId, LogEntry)>,
    /// Audit records, appended in order.
    pub audit: Vec<AuditRecord>,
    /// Answers to remember for an Idempotency-Key.
    pub idempotency: Vec<RememberedAnswer>,
    /// Answers to forget: when they were remembered, and their keys.
    pub forget_answers: Vec<(Timestamp, String)>,
}

/// The answer to a call with an Idempotency-Key.
#[derive(Clone, Debug, PartialEq)]
pub struct RememberedAnswer {
    /// The key.
    pub key: String,
    /// When it is remembered: what it is forgotten by.
    pub at: Timestamp,
    /// The answer, as JSON.
    pub answer: serde_json::Value,
}

/// What the API needs to know of a credential. The secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// Unique name.
    pub name: String,
    /// The only origin it is sent to.
    pub origin: Origin,
    /// How it is added.
    pub scheme: AuthScheme,
    /// The header, for scheme `header`.
    #[serde(default)]
    pub header: Option<String>,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// A credential with its secret, for the egress gate alone.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What is known of it.
    pub record: CredentialRecord,
    /// The secret.
    pub secret: SecretString,
}

/// A token for the API, without itself: only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The hash of the token: what it is looked up by.
    pub hash: Digest,
    /// What it is called, unique; also the actor's name in audit records.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped being good.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// Counts changes.
    pub version: u64,
}

/// Numbers the store hands out. Each is handed out once, in order; numbers that no commit used may be handed out
/// again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sequence {
    /// For users.
    User,
    /// For apps.
    App,
    /// For accounts.
    Account,
    /// For requests.
    Request,
}

/// Part of a list, and how to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListPage<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Hand this in to get the following ones; none at the end.
    pub next: Option<String>,
}

/// A run that has staging rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagedRun {
    /// The run.
    pub run: RequestId,
    /// One more than the number of its last row.
    pub rows: u64,
}

/// Which accounts. Filters that are none let everything through. Ordered by number.
#[derive(Clone, Debug, Default)]
pub struct AccountQuery {
    /// Of this app.
    pub app: Option<AppId>,
    /// In this link state.
    pub link_state: Option<LinkState>,
    /// In this situation.
    pub situation: Option<Situation>,
    /// Of this user.
    pub user: Option<UserId>,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Which requests. Filters that are none let everything through. Newest first.
#[derive(Clone, Debug, Default)]
pub struct RequestQuery {
    /// Of this app.
    pub app: Option<AppId>,
    /// In this state.
    pub state: Option<State>,
    /// With this operation.
    pub operation: Option<Operation>,
    /// About this user or account.
    pub subject: Option<Subject>,
    /// Raised by this run.
    pub raised_by: Option<RequestId>,
    /// Only those in review.
    pub needs_review: bool,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// How many requests an app has, and when the first one is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFigures {
    /// How many are in each state; every state is there.
    pub states: BTreeMap<State, u64>,
    /// How many are in review.
    pub in_review: u64,
    /// When the first request that could be claimed falls, or fell, due.
    pub first_due: Option<Timestamp>,
}

/// Why the store did not do what was asked. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A record has been changed since it was read.
    #[error("{what} has been changed meanwhile: version {expected:?} was expected, {found:?} is there")]
    VersionConflict {
        /// The record.
        what: String,
        /// The version that was expected.
        expected: Option<u64>,
        /// The version that is there.
        found: Option<u64>,
    },
    /// Something that must be unique is there already.
    #[error("{what} exists already")]
    Duplicate {
        /// What is there.
        what: String,
    },
    /// The claim has been taken over.
    #[error("the claim on {request} has been taken over")]
    Fenced {
        /// The request.
        request: RequestId,
    },
    /// The change contradicts itself (a record twice, an account without either side) or speaks of something that is
    /// not there (an app, a run). The text says what.
    #[error("{0}")]
    Invalid(String),
    /// The `after` of a query is none that this store gave.
    #[error("`{0}` is no cursor of this list")]
    BadCursor(String),
    /// The store cannot be used: locked, from the future, damaged, no space, wrong key. The text says what to do.
    #[error("{0}")]
    Unavailable(String),
}

/// The store. Reads see one consistent state each; a commit is durable before it answers.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a change durable, all or nothing.
    ///
    /// # Errors
    /// A version, a uniqueness rule or the fence did not hold, or the store is unavailable. Nothing was written.
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError>;

    /// Whether commits are taken at the moment. Looks at nothing, and never waits: it is what the store last knew.
    ///
    /// # Errors
    /// `Unavailable`: the text says why not (no space, a failing disk, a damaged file), and what to do.
    fn health(&self) -> Result<(), StoreError>;

    /// Hands out `count` numbers: the first of them.
    fn allocate(&self, sequence: Sequence, count: u64) -> u64;

    /// Takes requests that are due, each the first unsettled one of its lane (app and subject), for `lease`. Older
    /// due dates first. `incarnation` names this run of the host; the leases of another are honoured until they end,
    /// unless the store knows that nobody else can have it open.
    ///
    /// # Errors
    /// The store is unavailable.
    async fn claim(
        &self,
        now: Timestamp,
        lease: SignedDuration,
        incarnation: &str,
        limits: &ClaimLimits,
    ) -> Result<Vec<Claim>, StoreError>;

    /// Gives a claim back unchanged (the app was paused meanwhile, the host is shutting down).
    ///
    /// # Errors
    /// The store is unavailable.
    async fn release(&self, fence: Fence) -> Result<(), StoreError>;

    /// When the next request that is not claimed falls due.
    ///
    /// # Errors
    /// The store is unavailable.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Counts changes to users and profiles.
    async fn directory_epoch(&self) -> Result<u64, StoreError>;

    /// One user.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Several users, in the order asked for.
    async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<Option<User>>, StoreError>;
    /// One user by name, ignoring case.
    async fn user_by_username(&self, username: &str) -> Result<Option<User>, StoreError>;
    /// All users, by number.
    async fn users(&self, after: Option<&str>, limit: usize) -> Result<ListPage<User>, StoreError>;
    /// The users of a profile, by number.
    async fn users_of_profile(
        &self,
        profile: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<User>, StoreError>;

    /// One profile.
    async fn profile(&self, name: &str) -> Result<Option<Profile>, StoreError>;
    /// All profiles, by name.
    async fn profiles(&self) -> Result<Vec<Profile>, StoreError>;

    /// One connector by digest.
    async fn connector(&self, digest: Digest) -> Result<Option<Connector>, StoreError>;
    /// All connectors, by name and version.
    async fn connectors(&self) -> Result<Vec<Connector>, StoreError>;
    /// The component of a connector.
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;

    /// One app.
    async fn app(&self, id: AppId) -> Result<Option<App>, StoreError>;
    /// One app by name.
    async fn app_by_name(&self, name: &str) -> Result<Option<App>, StoreError>;
    /// All apps, by name.
    async fn apps(&self) -> Result<Vec<App>, StoreError>;

    /// All credentials, by name, without their secrets.
    async fn credentials(&self) -> Result<Vec<CredentialRecord>, StoreError>;
    /// One credential with its secret: for the gate, never for an answer.
    async fn credential(&self, name: &str) -> Result<Option<Credential>, StoreError>;

    /// A token by its hash.
    async fn token(&self, hash: Digest) -> Result<Option<Token>, StoreError>;
    /// All tokens, by name.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;

    /// One account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// The account with this external id.
    async fn account_by_external_id(&self, app: AppId, external_id: &str) -> Result<Option<Account>, StoreError>;
    /// Several accounts by external id, in the order asked for.
    async fn accounts_by_external_id(
        &self,
        app: AppId,
        external_ids: &[String],
    ) -> Result<Vec<Option<Account>>, StoreError>;
    /// All account records that each of these users has in an app, in the order asked for, each by number.
    async fn accounts_of_users(&self, app: AppId, users: &[UserId]) -> Result<Vec<Vec<Account>>, StoreError>;
    /// Accounts.
    async fn accounts(&self, query: &AccountQuery) -> Result<ListPage<Account>, StoreError>;
    /// How many accounts of an app are in each situation.
    async fn account_counts(&self, app: AppId) -> Result<BTreeMap<Situation, u64>, StoreError>;

    /// One request.
    async fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError>;
    /// Requests.
    async fn requests(&self, query: &RequestQuery) -> Result<ListPage<Request>, StoreError>;
    /// The lowest number of an unsettled request of an app.
    async fn oldest_unsettled(&self, app: AppId) -> Result<Option<RequestId>, StoreError>;
    /// How many requests are in review: as `requests` with `needs_review` lists them, and cheap.
    async fn review_count(&self) -> Result<u64, StoreError>;
    /// How many requests each app has, without looking at any of them.
    async fn request_figures(&self) -> Result<BTreeMap<AppId, RequestFigures>, StoreError>;
    /// A request's log, in order.
    async fn request_log(
        &self,
        id: RequestId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<LogEntry>, StoreError>;
    /// A run's staging rows with numbers from `from` on, in order.
    async fn staging(&self, run: RequestId, from: u64, limit: usize) -> Result<Vec<StagingRow>, StoreError>;
    /// Runs that have staging rows, by number, after this one, without looking at the rows in between.
    async fn staged_runs(&self, after: Option<RequestId>, limit: usize) -> Result<Vec<StagedRun>, StoreError>;

    /// The audit trail, newest first.
    async fn audit(&self, after: Option<&str>, limit: usize) -> Result<ListPage<AuditRecord>, StoreError>;

    /// The answer remembered for an Idempotency-Key.
    async fn idempotent(&self, key: &str) -> Result<Option<serde_json::Value>, StoreError>;
    /// Answers remembered before this moment, the oldest first: when, and their keys.
    async fn answers_before(&self, before: Timestamp, limit: usize) -> Result<Vec<(Timestamp, String)>, StoreError>;
}
