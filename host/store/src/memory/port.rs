//! The store's trait on the model: filters over everything, in the order of the list.

use super::MemoryStore;
use crate::change::{sort_connectors, username_key, waits_for};
use crate::cursor::List;
use async_trait::async_trait;
use gatehouse_core::approval::{Delegation, Notice, alarm};
use gatehouse_core::audit::denials::Window;
use gatehouse_core::audit::{AuditEntry, AuditHead, AuditQuery, Checkpoint};
use gatehouse_core::ports::{
    AccountFigures, AccountQuery, ChangeSet, Claim, ClaimLimits, Credential, CredentialRecord, Direction, Fence,
    JobQuery, ListPage, RequestFigures, RequestQuery, Sequence, StagedRun, Store, StoreError, Token, UserQuery,
};
use gatehouse_core::sharing::SharingRule;
use gatehouse_core::{
    Account, AccountId, App, AppId, Connector, DelegationId, Digest, Group, Job, JobId, LogEntry, PermissionSet,
    Profile, Request, RequestId, Situation, StagingRow, State, Subject, User, UserAttribute, UserId,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

type Answer<T> = Result<T, StoreError>;

/// The page of a list after a cursor, of items that come with ascending numbers.
pub(super) fn page<T>(
    list: List,
    direction: Direction,
    after: Option<&str>,
    limit: usize,
    items: impl DoubleEndedIterator<Item = (u64, T)>,
) -> Answer<ListPage<T>> {
    let following = list.following(direction, after)?;
    let items = items.filter(|(number, _)| following.as_ref().is_some_and(|span| span.contains(number))).map(Ok);
    match direction {
        Direction::Ascending => list.page(direction, items, limit),
        Direction::Descending => list.page(direction, items.rev(), limit),
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, changes: ChangeSet) -> Answer<()> {
        self.kept().commit(changes)
    }

    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn allocate(&self, sequence: Sequence, count: u64) -> u64 {
        let mut kept = self.kept();
        let last = kept.numbers.entry(sequence).or_default();
        *last += count;
        *last - count + 1
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease: SignedDuration,
        _incarnation: &str,
        limits: &ClaimLimits,
    ) -> Answer<Vec<Claim>> {
        Ok(self.kept().claim(now, lease, limits))
    }

    async fn release(&self, fence: Fence) -> Answer<()> {
        self.kept().release(fence);
        Ok(())
    }

    async fn next_due(&self) -> Answer<Option<Timestamp>> {
        Ok(self.kept().next_due())
    }

    async fn directory_epoch(&self) -> Answer<u64> {
        Ok(self.kept().epoch)
    }

    async fn user(&self, id: UserId) -> Answer<Option<User>> {
        Ok(self.kept().users.get(&id).cloned())
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Answer<Vec<Option<User>>> {
        let kept = self.kept();
        Ok(ids.iter().map(|id| kept.users.get(id).cloned()).collect())
    }

    async fn user_by_username(&self, username: &str) -> Answer<Option<User>> {
        let key = username_key(username);
        Ok(self.kept().users.values().find(|user| username_key(&user.username) == key).cloned())
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Answer<ListPage<User>> {
        let kept = self.kept();
        page(List::Users, Direction::Ascending, after, limit, kept.users.values().map(|user| (user.id.0, user.clone())))
    }

    async fn find_users(&self, query: &UserQuery) -> Answer<ListPage<User>> {
        self.kept().find_users(query)
    }

    async fn users_of_profile(&self, profile: &str, after: Option<&str>, limit: usize) -> Answer<ListPage<User>> {
        let kept = self.kept();
        let users = kept.users.values().filter(|user| user.profile.as_deref() == Some(profile));
        page(List::ProfileUsers, Direction::Ascending, after, limit, users.map(|user| (user.id.0, user.clone())))
    }

    async fn profile(&self, name: &str) -> Answer<Option<Profile>> {
        Ok(self.kept().profiles.get(name).cloned())
    }

    async fn profiles(&self) -> Answer<Vec<Profile>> {
        Ok(self.kept().profiles.values().cloned().collect())
    }

    async fn permission_set(&self, name: &str) -> Answer<Option<PermissionSet>> {
        Ok(self.kept().permission_sets.get(name).cloned())
    }

    async fn permission_sets(&self) -> Answer<Vec<PermissionSet>> {
        Ok(self.kept().permission_sets.values().cloned().collect())
    }

    async fn users_of_permission_set(&self, set: &str, after: Option<&str>, limit: usize) -> Answer<ListPage<User>> {
        let kept = self.kept();
        let users = kept.users.values().filter(|user| user.permission_sets.contains(set));
        page(List::PermissionSetUsers, Direction::Ascending, after, limit, users.map(|user| (user.id.0, user.clone())))
    }

    async fn group(&self, name: &str) -> Answer<Option<Group>> {
        Ok(self.kept().groups.get(name).cloned())
    }

    async fn groups(&self) -> Answer<Vec<Group>> {
        Ok(self.kept().groups.values().cloned().collect())
    }

    async fn groups_of_user(&self, user: UserId) -> Answer<Vec<Group>> {
        Ok(self.kept().groups.values().filter(|group| group.members.contains(&user)).cloned().collect())
    }

    async fn user_attributes(&self) -> Answer<Vec<UserAttribute>> {
        Ok(self.kept().user_attributes.values().cloned().collect())
    }

    async fn reports_of(&self, manager: UserId) -> Answer<Vec<UserId>> {
        Ok(self.kept().users.values().filter(|user| user.manager == Some(manager)).map(|user| user.id).collect())
    }

    async fn sharing_rules(&self) -> Answer<Vec<SharingRule>> {
        Ok(self.kept().sharing_rules.values().cloned().collect())
    }

    async fn connector(&self, digest: Digest) -> Answer<Option<Connector>> {
        Ok(self.kept().connectors.get(&digest).map(|(connector, _)| connector.clone()))
    }

    async fn connectors(&self) -> Answer<Vec<Connector>> {
        let mut connectors: Vec<Connector> = self.kept().connectors.values().map(|(c, _)| c.clone()).collect();
        sort_connectors(&mut connectors);
        Ok(connectors)
    }

    async fn component(&self, digest: Digest) -> Answer<Option<Vec<u8>>> {
        Ok(self.kept().connectors.get(&digest).map(|(_, component)| component.clone()))
    }

    async fn app(&self, id: AppId) -> Answer<Option<App>> {
        Ok(self.kept().apps.get(&id).cloned())
    }

    async fn app_by_name(&self, name: &str) -> Answer<Option<App>> {
        Ok(self.kept().apps.values().find(|app| app.name == name).cloned())
    }

    async fn apps(&self) -> Answer<Vec<App>> {
        let mut apps: Vec<App> = self.kept().apps.values().cloned().collect();
        apps.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(apps)
    }

    async fn credentials(&self) -> Answer<Vec<CredentialRecord>> {
        Ok(self.kept().credentials.values().map(|(record, _)| record.clone()).collect())
    }

    async fn credential(&self, name: &str) -> Answer<Option<Credential>> {
        let found = self.kept().credentials.get(name).cloned();
        Ok(found.map(|(record, secret)| Credential { record, secret }))
    }

    async fn token(&self, hash: Digest) -> Answer<Option<Token>> {
        Ok(self.kept().tokens.get(&hash).cloned())
    }

    async fn tokens(&self) -> Answer<Vec<Token>> {
        let mut tokens: Vec<Token> = self.kept().tokens.values().cloned().collect();
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tokens)
    }

    async fn account(&self, id: AccountId) -> Answer<Option<Account>> {
        Ok(self.kept().accounts.get(&id).cloned())
    }

    async fn account_by_external_id(&self, app: AppId, external_id: &str) -> Answer<Option<Account>> {
        let is_it = |account: &&Account| account.app == app && account.external_id.as_deref() == Some(external_id);
        Ok(self.kept().accounts.values().find(is_it).cloned())
    }

    async fn accounts_by_external_id(&self, app: AppId, external_ids: &[String]) -> Answer<Vec<Option<Account>>> {
        let kept = self.kept();
        let of_app = kept.accounts.values().filter(|account| account.app == app);
        let by_id: BTreeMap<_, _> = of_app.filter_map(|a| Some((a.external_id.as_deref()?, a))).collect();
        Ok(external_ids.iter().map(|id| by_id.get(id.as_str()).copied().cloned()).collect())
    }

    async fn accounts_of_users(&self, app: AppId, users: &[UserId]) -> Answer<Vec<Vec<Account>>> {
        let kept = self.kept();
        let of = |user: &UserId| {
            let accounts = kept.accounts.values().filter(|account| account.app == app && account.user == Some(*user));
            accounts.cloned().collect()
        };
        Ok(users.iter().map(of).collect())
    }

    async fn accounts(&self, query: &AccountQuery) -> Answer<ListPage<Account>> {
        let kept = self.kept();
        let accounts = kept.accounts.values().filter(|account| {
            query.app.is_none_or(|app| app == account.app)
                && query.link_state.is_none_or(|link_state| link_state == account.link_state)
                && query.situation.is_none_or(|situation| situation == account.situation)
                && query.user.is_none_or(|user| Some(user) == account.user)
        });
        let numbered = accounts.map(|account| (account.id.0, account.clone()));
        page(List::Accounts, query.direction, query.after.as_deref(), query.limit, numbered)
    }

    async fn account_counts(&self, app: AppId) -> Answer<BTreeMap<Situation, u64>> {
        let mut counts = BTreeMap::new();
        for account in self.kept().accounts.values().filter(|account| account.app == app) {
            *counts.entry(account.situation).or_default() += 1;
        }
        Ok(counts)
    }

    async fn account_figures(&self) -> Answer<BTreeMap<AppId, AccountFigures>> {
        let kept = self.kept();
        let mut all: BTreeMap<_, _> = kept.apps.keys().map(|app| (*app, AccountFigures::default())).collect();
        for account in kept.accounts.values() {
            let Some(figures) = all.get_mut(&account.app) else { continue };
            if account.situation == Situation::Missing {
                figures.missing += 1;
                continue;
            }
            *figures.accounts.entry((account.link_state, account.status)).or_default() += 1;
            figures.frozen += u64::from(account.frozen);
        }
        Ok(all)
    }

    async fn request(&self, id: RequestId) -> Answer<Option<Request>> {
        Ok(self.kept().requests.get(&id).cloned())
    }

    async fn requests(&self, query: &RequestQuery) -> Answer<ListPage<Request>> {
        let kept = self.kept();
        let requests = kept.requests.values().filter(|request| {
            query.app.is_none_or(|app| app == request.app)
                && query.state.is_none_or(|state| state == request.state)
                && query.operation.is_none_or(|operation| operation == request.operation)
                && query.subject.is_none_or(|subject| subject == request.subject)
                && query.raised_by.is_none_or(|run| Some(run) == request.raised_by)
                && (!query.needs_review || request.is_in_review())
                && (query.awaiting.is_empty() || waits_for(request, &query.awaiting))
                && query.visible.as_ref().is_none_or(|visible| visible.covers(request))
        });
        let numbered = requests.map(|request| (request.id.0, request.clone()));
        page(List::Requests, query.direction, query.after.as_deref(), query.limit, numbered)
    }

    async fn lane(&self, app: AppId, subject: Subject) -> Answer<Vec<Request>> {
        let of_lane = |r: &&Request| r.app == app && r.subject == subject && r.is_in_lane();
        Ok(self.kept().requests.values().filter(of_lane).cloned().collect())
    }

    async fn oldest_unsettled(&self, app: AppId) -> Answer<Option<RequestId>> {
        let kept = self.kept();
        Ok(kept.requests.values().find(|request| request.app == app && !request.state.is_settled()).map(|r| r.id))
    }

    async fn review_count(&self) -> Answer<u64> {
        Ok(self.kept().requests.values().filter(|request| request.is_in_review()).count() as u64)
    }

    async fn delegation(&self, id: DelegationId) -> Answer<Option<Delegation>> {
        Ok(self.kept().delegations.get(&id).cloned())
    }

    async fn delegations(&self, way: Direction, after: Option<&str>, limit: usize) -> Answer<ListPage<Delegation>> {
        let kept = self.kept();
        let delegations = kept.delegations.values().map(|delegation| (delegation.id.0, delegation.clone()));
        page(List::Delegations, way, after, limit, delegations)
    }

    async fn delegations_to(&self, delegate: UserId) -> Answer<Vec<Delegation>> {
        Ok(self.kept().delegations.values().filter(|of| of.delegate == delegate).cloned().collect())
    }

    async fn alarms(
        &self,
        until: Timestamp,
        after: Option<(Timestamp, RequestId)>,
        limit: usize,
    ) -> Answer<Vec<(Timestamp, RequestId)>> {
        let mut all: Vec<_> = self.kept().requests.values().filter_map(|of| Some((alarm(of)?, of.id))).collect();
        all.retain(|entry| entry.0 <= until && after.is_none_or(|after| *entry > after));
        all.sort_unstable();
        all.truncate(limit);
        Ok(all)
    }

    async fn next_alarm(&self) -> Answer<Option<Timestamp>> {
        Ok(self.kept().requests.values().filter_map(alarm).min())
    }

    async fn notices(&self, until: Timestamp, limit: usize) -> Answer<Vec<Notice>> {
        let kept = self.kept();
        let due = kept.notices.values().filter_map(|notice| Some((notice.due()?, notice)));
        let mut due: Vec<_> = due.filter(|(at, _)| *at <= until).collect();
        due.sort_by_key(|(at, notice)| (*at, notice.id.clone()));
        Ok(due.into_iter().take(limit).map(|(_, notice)| notice.clone()).collect())
    }

    async fn request_figures(&self) -> Answer<BTreeMap<AppId, RequestFigures>> {
        let kept = self.kept();
        let of = |app: &AppId| {
            let states = State::ALL.map(|state| (state, 0)).into_iter().collect();
            let first_due = kept.first_due_of(*app);
            let mut figures = RequestFigures { states, first_due, ..RequestFigures::default() };
            for request in kept.requests.values().filter(|request| request.app == *app) {
                *figures.states.entry(request.state).or_default() += 1;
                figures.in_review += u64::from(request.is_in_review());
                let Some(since) = request.awaits_approval_since() else { continue };
                figures.awaiting += 1;
                figures.awaiting_since = figures.awaiting_since.into_iter().chain([since]).min();
            }
            figures
        };
        Ok(kept.apps.keys().map(|app| (*app, of(app))).collect())
    }

    async fn request_log(
        &self,
        id: RequestId,
        way: Direction,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<ListPage<LogEntry>> {
        let kept = self.kept();
        let entries = kept.log.get(&id).map(Vec::as_slice).unwrap_or_default();
        let numbered = entries.iter().enumerate().map(|(number, entry)| (number as u64, entry.clone()));
        page(List::Log(id.0), way, after, limit, numbered)
    }

    async fn staging(&self, run: RequestId, from: u64, limit: usize) -> Answer<Vec<StagingRow>> {
        let kept = self.kept();
        let rows = kept.staging.range((run, from)..=(run, u64::MAX));
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }

    async fn staged_runs(&self, after: Option<RequestId>, limit: usize) -> Answer<Vec<StagedRun>> {
        let mut runs = BTreeMap::new();
        for (run, no) in self.kept().staging.keys().filter(|(run, _)| after.is_none_or(|after| *run > after)) {
            runs.insert(*run, no + 1);
        }
        Ok(runs.into_iter().take(limit).map(|(run, rows)| StagedRun { run, rows }).collect())
    }

    async fn job(&self, id: JobId) -> Answer<Option<Job>> {
        Ok(self.kept().jobs.get(&id).cloned())
    }

    async fn jobs(&self, query: &JobQuery) -> Answer<ListPage<Job>> {
        let kept = self.kept();
        let jobs = kept.jobs.values().filter(|job| {
            query.app.is_none_or(|app| app == job.app) && query.state.is_none_or(|state| state == job.state)
        });
        page(List::Jobs, query.direction, query.after.as_deref(), query.limit, jobs.map(|job| (job.id.0, job.clone())))
    }

    async fn audit_entries(&self, query: &AuditQuery) -> Answer<ListPage<AuditEntry>> {
        let kept = self.kept();
        let entries = kept.trail.entries().iter().filter(|entry| query.lets_through(entry));
        let numbered = entries.map(|entry| (entry.sequence, entry.clone()));
        page(List::Audit, query.direction, query.after.as_deref(), query.limit, numbered)
    }

    async fn audit_from(&self, sequence: u64, limit: usize) -> Answer<Vec<AuditEntry>> {
        let kept = self.kept();
        Ok(kept.trail.entries().iter().filter(|entry| entry.sequence >= sequence).take(limit).cloned().collect())
    }

    async fn audit_checkpoint(&self) -> Answer<Option<Checkpoint>> {
        Ok(self.kept().trail.checkpoint())
    }

    async fn audit_head(&self, of: Option<u64>, at: Timestamp) -> Answer<AuditHead> {
        self.kept().trail.head(of, at)
    }

    async fn audit_before(&self, before: Timestamp, limit: usize) -> Answer<Option<u64>> {
        let kept = self.kept();
        let old = kept.trail.entries().iter().take(limit).take_while(|entry| entry.at < before);
        Ok(old.last().map(|entry| entry.sequence))
    }

    async fn denial_windows(&self) -> Answer<Vec<Window>> {
        Ok(self.kept().trail.windows())
    }

    async fn idempotent(&self, key: &str) -> Answer<Option<serde_json::Value>> {
        Ok(self.kept().idempotency.get(key).map(|(_, answer)| answer.clone()))
    }

    async fn answers_before(&self, before: Timestamp, limit: usize) -> Answer<Vec<(Timestamp, String)>> {
        let kept = self.kept();
        let answers = kept.idempotency.iter().map(|(key, (at, _))| (*at, key.clone()));
        let mut old: Vec<_> = answers.filter(|(at, _)| *at < before).collect();
        old.sort();
        old.truncate(limit);
        Ok(old)
    }
}
