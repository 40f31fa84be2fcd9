//! The store's trait on the embedded file: every call handed to where it is done. It never holds any logic itself.

use super::task::Task;
use super::telemetry::Passages;
use super::transaction::ClaimCall;
use super::{
    RedbStore, accounts, credentials, delegations, directory, groups, jobs, ledger, notices, people, queue, registry,
    request_lists, sharing, trail_reads,
};
use async_trait::async_trait;
use gatehouse_core::approval::{Delegation, Notice};
use gatehouse_core::audit::denials::Window;
use gatehouse_core::audit::{AuditEntry, AuditHead, AuditQuery, Checkpoint};
use gatehouse_core::ports::{
    AccountFigures, AccountQuery, ChangeSet, Claim, ClaimLimits, Credential, CredentialRecord, Direction, Fence,
    JobQuery, ListPage, RequestFigures, RequestQuery, Sequence, StagedRun, Store, StoreError, Token, UserQuery,
};
use gatehouse_core::sharing::SharingRule;
use gatehouse_core::{
    Account, AccountId, App, AppId, Connector, DelegationId, Digest, Group, Job, JobId, LogEntry, PermissionSet,
    Profile, Request, RequestId, Situation, StagingRow, Subject, User, UserAttribute, UserId,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

type Answer<T> = Result<T, StoreError>;

#[async_trait]
impl Store for RedbStore {
    async fn commit(&self, changes: ChangeSet) -> Answer<()> {
        let passages = Passages::of(&changes);
        self.write(|reply| Task::Commit(Box::new(changes), reply)).await?;
        passages.count();
        Ok(())
    }

    fn health(&self) -> Answer<()> {
        self.shared.health()
    }

    fn allocate(&self, sequence: Sequence, count: u64) -> u64 {
        self.counters.allocate(sequence, count)
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease: SignedDuration,
        incarnation: &str,
        limits: &ClaimLimits,
    ) -> Answer<Vec<Claim>> {
        // Most polls find nothing, and need no turn of the writer.
        if self.health().is_ok() && !self.look_up(|txn| queue::may_claim(txn, now, limits))? {
            return Ok(Vec::new());
        }
        let call = ClaimCall { now, lease, incarnation: incarnation.to_owned(), limits: limits.clone() };
        self.write(|reply| Task::Claim(call, reply)).await
    }

    async fn release(&self, fence: Fence) -> Answer<()> {
        self.write(|reply| Task::Release(fence, reply)).await
    }

    async fn next_due(&self) -> Answer<Option<Timestamp>> {
        self.look_up(queue::next_due)
    }

    async fn directory_epoch(&self) -> Answer<u64> {
        self.look_up(ledger::directory_epoch)
    }

    async fn user(&self, id: UserId) -> Answer<Option<User>> {
        self.look_up(|txn| directory::user(txn, id))
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Answer<Vec<Option<User>>> {
        let ids = ids.to_vec();
        self.list(move |txn| directory::users_by_id(txn, &ids)).await
    }

    async fn user_by_username(&self, username: &str) -> Answer<Option<User>> {
        self.look_up(|txn| directory::user_by_username(txn, username))
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Answer<ListPage<User>> {
        let after = after.map(str::to_owned);
        self.list(move |txn| directory::users(txn, after.as_deref(), limit)).await
    }

    async fn find_users(&self, query: &UserQuery) -> Answer<ListPage<User>> {
        let query = query.clone();
        self.list(move |txn| people::find(txn, &query)).await
    }

    async fn users_of_profile(&self, profile: &str, after: Option<&str>, limit: usize) -> Answer<ListPage<User>> {
        let (profile, after) = (profile.to_owned(), after.map(str::to_owned));
        self.list(move |txn| directory::users_of_profile(txn, &profile, after.as_deref(), limit)).await
    }

    async fn profile(&self, name: &str) -> Answer<Option<Profile>> {
        self.look_up(|txn| directory::profile(txn, name))
    }

    async fn profiles(&self) -> Answer<Vec<Profile>> {
        self.list(directory::profiles).await
    }

    async fn permission_set(&self, name: &str) -> Answer<Option<PermissionSet>> {
        self.look_up(|txn| directory::permission_set(txn, name))
    }

    async fn permission_sets(&self) -> Answer<Vec<PermissionSet>> {
        self.list(directory::permission_sets).await
    }

    async fn users_of_permission_set(&self, set: &str, after: Option<&str>, limit: usize) -> Answer<ListPage<User>> {
        let (set, after) = (set.to_owned(), after.map(str::to_owned));
        self.list(move |txn| directory::users_of_permission_set(txn, &set, after.as_deref(), limit)).await
    }

    async fn group(&self, name: &str) -> Answer<Option<Group>> {
        self.look_up(|txn| groups::group(txn, name))
    }

    async fn groups(&self) -> Answer<Vec<Group>> {
        self.list(groups::groups).await
    }

    async fn groups_of_user(&self, user: UserId) -> Answer<Vec<Group>> {
        self.look_up(|txn| groups::groups_of_user(txn, user))
    }

    async fn user_attributes(&self) -> Answer<Vec<UserAttribute>> {
        self.look_up(people::attributes)
    }

    async fn reports_of(&self, manager: UserId) -> Answer<Vec<UserId>> {
        self.list(move |txn| directory::reports_of(txn, manager)).await
    }

    async fn sharing_rules(&self) -> Answer<Vec<SharingRule>> {
        self.list(sharing::rules).await
    }

    async fn connector(&self, digest: Digest) -> Answer<Option<Connector>> {
        self.look_up(|txn| registry::connector(txn, digest))
    }

    async fn connectors(&self) -> Answer<Vec<Connector>> {
        self.list(registry::connectors).await
    }

    async fn component(&self, digest: Digest) -> Answer<Option<Vec<u8>>> {
        self.list(move |txn| registry::component(txn, digest)).await
    }

    async fn app(&self, id: AppId) -> Answer<Option<App>> {
        self.look_up(|txn| registry::app(txn, id))
    }

    async fn app_by_name(&self, name: &str) -> Answer<Option<App>> {
        self.look_up(|txn| registry::app_by_name(txn, name))
    }

    async fn apps(&self) -> Answer<Vec<App>> {
        self.list(registry::apps).await
    }

    async fn credentials(&self) -> Answer<Vec<CredentialRecord>> {
        self.list(credentials::credentials).await
    }

    async fn credential(&self, name: &str) -> Answer<Option<Credential>> {
        self.look_up_secret(|txn, key| credentials::credential(txn, key, name))
    }

    async fn token(&self, hash: Digest) -> Answer<Option<Token>> {
        self.look_up(|txn| registry::token(txn, hash))
    }

    async fn tokens(&self) -> Answer<Vec<Token>> {
        self.list(registry::tokens).await
    }

    async fn account(&self, id: AccountId) -> Answer<Option<Account>> {
        self.look_up(|txn| accounts::account(txn, id))
    }

    async fn account_by_external_id(&self, app: AppId, external_id: &str) -> Answer<Option<Account>> {
        self.look_up(|txn| accounts::by_external_id(txn, app, external_id))
    }

    async fn accounts_by_external_id(&self, app: AppId, external_ids: &[String]) -> Answer<Vec<Option<Account>>> {
        let external_ids = external_ids.to_vec();
        self.list(move |txn| accounts::by_external_ids(txn, app, &external_ids)).await
    }

    async fn accounts_of_users(&self, app: AppId, users: &[UserId]) -> Answer<Vec<Vec<Account>>> {
        let users = users.to_vec();
        self.list(move |txn| accounts::of_users(txn, app, &users)).await
    }

    async fn accounts(&self, query: &AccountQuery) -> Answer<ListPage<Account>> {
        let query = query.clone();
        self.list(move |txn| accounts::accounts(txn, &query)).await
    }

    async fn account_counts(&self, app: AppId) -> Answer<BTreeMap<Situation, u64>> {
        self.look_up(|txn| accounts::counts(txn, app))
    }

    async fn account_figures(&self) -> Answer<BTreeMap<AppId, AccountFigures>> {
        self.look_up(accounts::figures)
    }

    async fn request(&self, id: RequestId) -> Answer<Option<Request>> {
        self.look_up(|txn| request_lists::request(txn, id))
    }

    async fn requests(&self, query: &RequestQuery) -> Answer<ListPage<Request>> {
        let query = query.clone();
        self.list(move |txn| request_lists::requests(txn, &query)).await
    }

    async fn lane(&self, app: AppId, subject: Subject) -> Answer<Vec<Request>> {
        self.look_up(|txn| request_lists::lane(txn, app, subject))
    }

    async fn oldest_unsettled(&self, app: AppId) -> Answer<Option<RequestId>> {
        self.look_up(|txn| request_lists::oldest_unsettled(txn, app))
    }

    async fn review_count(&self) -> Answer<u64> {
        self.look_up(request_lists::review_count)
    }

    async fn delegation(&self, id: DelegationId) -> Answer<Option<Delegation>> {
        self.look_up(|txn| delegations::delegation(txn, id))
    }

    async fn delegations(&self, way: Direction, after: Option<&str>, limit: usize) -> Answer<ListPage<Delegation>> {
        let after = after.map(str::to_owned);
        self.list(move |txn| delegations::delegations(txn, way, after.as_deref(), limit)).await
    }

    async fn delegations_to(&self, delegate: UserId) -> Answer<Vec<Delegation>> {
        self.look_up(|txn| delegations::delegations_to(txn, delegate))
    }

    async fn alarms(
        &self,
        until: Timestamp,
        after: Option<(Timestamp, RequestId)>,
        limit: usize,
    ) -> Answer<Vec<(Timestamp, RequestId)>> {
        self.list(move |txn| request_lists::alarms(txn, until, after, limit)).await
    }

    async fn next_alarm(&self) -> Answer<Option<Timestamp>> {
        self.look_up(request_lists::next_alarm)
    }

    async fn notices(&self, until: Timestamp, limit: usize) -> Answer<Vec<Notice>> {
        self.list(move |txn| notices::notices(txn, until, limit)).await
    }

    async fn request_figures(&self) -> Answer<BTreeMap<AppId, RequestFigures>> {
        self.look_up(request_lists::figures)
    }

    async fn request_log(
        &self,
        id: RequestId,
        way: Direction,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<ListPage<LogEntry>> {
        let after = after.map(str::to_owned);
        self.list(move |txn| request_lists::log(txn, id, way, after.as_deref(), limit)).await
    }

    async fn staging(&self, run: RequestId, from: u64, limit: usize) -> Answer<Vec<StagingRow>> {
        self.list(move |txn| request_lists::staging(txn, run, from, limit)).await
    }

    async fn staged_runs(&self, after: Option<RequestId>, limit: usize) -> Answer<Vec<StagedRun>> {
        self.list(move |txn| request_lists::staged_runs(txn, after, limit)).await
    }

    async fn job(&self, id: JobId) -> Answer<Option<Job>> {
        self.look_up(|txn| jobs::job(txn, id))
    }

    async fn jobs(&self, query: &JobQuery) -> Answer<ListPage<Job>> {
        let query = query.clone();
        self.list(move |txn| jobs::jobs(txn, &query)).await
    }

    async fn audit_entries(&self, query: &AuditQuery) -> Answer<ListPage<AuditEntry>> {
        let query = query.clone();
        self.list(move |txn| trail_reads::entries(txn, &query)).await
    }

    async fn audit_from(&self, sequence: u64, limit: usize) -> Answer<Vec<AuditEntry>> {
        self.list(move |txn| trail_reads::from(txn, sequence, limit)).await
    }

    async fn audit_checkpoint(&self) -> Answer<Option<Checkpoint>> {
        self.look_up(trail_reads::trail_checkpoint)
    }

    async fn audit_head(&self, of: Option<u64>, at: Timestamp) -> Answer<AuditHead> {
        self.look_up_secret(|txn, key| trail_reads::head(txn, key, of, at))
    }

    async fn audit_before(&self, before: Timestamp, limit: usize) -> Answer<Option<u64>> {
        self.list(move |txn| trail_reads::before(txn, before, limit)).await
    }

    async fn denial_windows(&self) -> Answer<Vec<Window>> {
        self.look_up(trail_reads::denial_windows)
    }

    async fn idempotent(&self, key: &str) -> Answer<Option<serde_json::Value>> {
        self.look_up(|txn| ledger::idempotent(txn, key))
    }

    async fn answers_before(&self, before: Timestamp, limit: usize) -> Answer<Vec<(Timestamp, String)>> {
        self.list(move |txn| ledger::answers_before(txn, before, limit)).await
    }
}
