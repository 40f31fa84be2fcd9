//! Keeping things. The store implements this; the engine and the server use it.
//!
//! All writing goes through [`Store::commit`]: everything in a [`ChangeSet`] becomes durable together or not at all
//! (invariant 2), and every expected version is checked before anything is written.

use super::records::{
    AccountFigures, AccountQuery, ChangeSet, Claim, ClaimLimits, Credential, CredentialRecord, Direction, Fence,
    JobQuery, ListPage, RequestFigures, RequestQuery, Sequence, StagedRun, Token, UserQuery,
};
use crate::approval::{Delegation, Notice};
use crate::audit::denials::Window;
use crate::audit::{AuditEntry, AuditHead, AuditQuery, Checkpoint};
use crate::sharing::SharingRule;
use crate::{
    Account, AccountId, App, AppId, AuditRecord, Connector, DelegationId, Digest, Group, Job, JobId, LogEntry,
    PermissionSet, Profile, Request, RequestId, Situation, StagingRow, Subject, User, UserAttribute, UserId,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Why the store did not do what was asked. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A record has been changed since it was read.
    #[error("{what} has been changed meanwhile: {} was expected, {} is there", version(*.expected), version(*.found))]
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
    /// The request would overtake another one that has been begun in its lane. Try again once that one has got on.
    #[error("the lane of {request} is busy")]
    LaneBusy {
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

/// A version, as people read it.
fn version(of: Option<u64>) -> String {
    of.map_or_else(|| "none".to_owned(), |of| format!("version {of}"))
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

    /// Counts changes to users, profiles and permission sets.
    async fn directory_epoch(&self) -> Result<u64, StoreError>;

    /// One user.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Several users, in the order asked for.
    async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<Option<User>>, StoreError>;
    /// One user by name, ignoring case.
    async fn user_by_username(&self, username: &str) -> Result<Option<User>, StoreError>;
    /// All users, by number.
    async fn users(&self, after: Option<&str>, limit: usize) -> Result<ListPage<User>, StoreError>;
    /// Users by everything they can be found by, without looking at those in between.
    async fn find_users(&self, query: &UserQuery) -> Result<ListPage<User>, StoreError>;
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

    /// One permission set.
    async fn permission_set(&self, name: &str) -> Result<Option<PermissionSet>, StoreError>;
    /// All permission sets, by name.
    async fn permission_sets(&self) -> Result<Vec<PermissionSet>, StoreError>;
    /// The users that have a permission set, by number.
    async fn users_of_permission_set(
        &self,
        permission_set: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<User>, StoreError>;

    /// One group.
    async fn group(&self, name: &str) -> Result<Option<Group>, StoreError>;
    /// All groups, by name.
    async fn groups(&self) -> Result<Vec<Group>, StoreError>;
    /// The groups that a user belongs to, by name.
    async fn groups_of_user(&self, user: UserId) -> Result<Vec<Group>, StoreError>;
    /// Those whose manager a user is, by number.
    async fn reports_of(&self, manager: UserId) -> Result<Vec<UserId>, StoreError>;
    /// All sharing rules, by name.
    async fn sharing_rules(&self) -> Result<Vec<SharingRule>, StoreError>;

    /// All definitions of users' attributes, by name.
    async fn user_attributes(&self) -> Result<Vec<UserAttribute>, StoreError>;
    /// One delegation.
    async fn delegation(&self, id: DelegationId) -> Result<Option<Delegation>, StoreError>;
    /// All delegations, by number.
    async fn delegations(
        &self,
        direction: Direction,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<Delegation>, StoreError>;
    /// The delegations to a user, by number, whether they hold at present or not.
    async fn delegations_to(&self, delegate: UserId) -> Result<Vec<Delegation>, StoreError>;

    /// Requests to which something happens by the clock (see `approval::alarm`), up to this moment and after this one,
    /// the earliest first: when, and which.
    async fn alarms(
        &self,
        until: Timestamp,
        after: Option<(Timestamp, RequestId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RequestId)>, StoreError>;
    /// When something next happens to a request by the clock.
    async fn next_alarm(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Notices to be told by this moment (see `Notice::due`), the earliest first.
    async fn notices(&self, until: Timestamp, limit: usize) -> Result<Vec<Notice>, StoreError>;

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

    /// How many accounts each app has, without looking at any of them.
    async fn account_figures(&self) -> Result<BTreeMap<AppId, AccountFigures>, StoreError>;

    /// One request.
    async fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError>;
    /// Requests.
    async fn requests(&self, query: &RequestQuery) -> Result<ListPage<Request>, StoreError>;
    /// The unsettled requests of an app about a subject, in the order of their numbers: that in which they run.
    async fn lane(&self, app: AppId, subject: Subject) -> Result<Vec<Request>, StoreError>;
    /// The lowest number of an unsettled request of an app.
    async fn oldest_unsettled(&self, app: AppId) -> Result<Option<RequestId>, StoreError>;
    /// How many requests are in review: as `requests` with `needs_review` lists them, and cheap.
    async fn review_count(&self) -> Result<u64, StoreError>;
    /// How many requests each app has, without looking at any of them.
    async fn request_figures(&self) -> Result<BTreeMap<AppId, RequestFigures>, StoreError>;
    /// A request's log, in the order in which it was written or in the opposite one.
    async fn request_log(
        &self,
        id: RequestId,
        direction: Direction,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<LogEntry>, StoreError>;
    /// A run's staging rows with numbers from `from` on, in order.
    async fn staging(&self, run: RequestId, from: u64, limit: usize) -> Result<Vec<StagingRow>, StoreError>;
    /// Runs that have staging rows, by number, after this one, without looking at the rows in between.
    async fn staged_runs(&self, after: Option<RequestId>, limit: usize) -> Result<Vec<StagedRun>, StoreError>;

    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError>;
    /// Jobs.
    async fn jobs(&self, query: &JobQuery) -> Result<ListPage<Job>, StoreError>;

    /// The audit trail, newest first: what its entries say, without those that were erased.
    async fn audit(&self, after: Option<&str>, limit: usize) -> Result<ListPage<AuditRecord>, StoreError> {
        let query = AuditQuery { after: after.map(str::to_owned), limit, ..AuditQuery::default() };
        let ListPage { items, next } = self.audit_entries(&query).await?;
        Ok(ListPage { items: items.iter().filter_map(AuditEntry::record).collect(), next })
    }
    /// Entries of the audit trail.
    async fn audit_entries(&self, query: &AuditQuery) -> Result<ListPage<AuditEntry>, StoreError>;
    /// Entries from this number on, oldest first, as they are found: one that cannot be read is unreadable, not an error.
    async fn audit_from(&self, sequence: u64, limit: usize) -> Result<Vec<AuditEntry>, StoreError>;
    /// What the trail begins with, if records have been dropped.
    async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;
    /// The place of this entry, of the newest one if none is named, or of the checkpoint or the beginning if there is
    /// none: signed at this moment.
    async fn audit_head(&self, of: Option<u64>, at: Timestamp) -> Result<AuditHead, StoreError>;
    /// The last of the first `limit` entries that are from before this moment.
    async fn audit_before(&self, before: Timestamp, limit: usize) -> Result<Option<u64>, StoreError>;
    /// Windows in which denials are counted.
    async fn denial_windows(&self) -> Result<Vec<Window>, StoreError>;

    /// The answer remembered for an Idempotency-Key.
    async fn idempotent(&self, key: &str) -> Result<Option<serde_json::Value>, StoreError>;
    /// Answers remembered before this moment, the oldest first: when, and their keys.
    async fn answers_before(&self, before: Timestamp, limit: usize) -> Result<Vec<(Timestamp, String)>, StoreError>;
}
