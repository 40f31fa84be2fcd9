//! Commits a plan, batch by batch: account records and links, and the child requests that change the target. What is
//! committed is what was sealed (invariant 7), less what has been decided by hand since.

use super::analyze::stored_digest;
use super::compare::marked;
use super::survey::Known;
use super::{RunMemory, rows, run_of};
use crate::job::{Job, Worked};
use crate::known::{all_accounts, is_place};
use crate::loading::Surroundings;
use crate::managers::name_managers;
use crate::noted::host_line;
use crate::requests::{Ask, NotOpened, Whose, not_in_doubt, open_for};
use gatehouse_core::analysis::{CommitContext, apply_verdict, outdated, overtaken};
use gatehouse_core::lifecycle::{Event, Raised, step};
use gatehouse_core::ports::{AccountQuery, ChangeSet, Sequence, StoreError, Versioned};
use gatehouse_core::{
    Account, AccountId, Completeness, Digest, Level, Operation, Request, RequestId, Run, Situation, StagedAction,
    StagingRow, StagingSource, Subject, UserId, Verdict,
};
use gatehouse_failpoints::fail_point;
use std::collections::{BTreeSet, HashMap};

/// Commits the rows from this one on.
pub(crate) async fn commit_rows(job: &mut Job, around: &Surroundings, from: u64) -> Worked {
    let run = run_of(job);
    let memory = job.shell.run_memory(&job.request);
    let mut memory = memory.lock().await;
    if !is_as_sealed(job, &mut memory, &run).await? {
        let why = "the rows of the run are not those that were sealed; reconcile again".to_owned();
        return job.commit(&around.app, Event::Fail { why }).await;
    }
    let raising = job.shell.raising.clone();
    let _raising = raising.lock().await;
    let rows = rows(job, from, run.rows, job.shell.config.batch).await?;
    let through = rows.last().map_or(from, |row| row.no + 1);
    let mut batch = Batch::new(job, around, &run);
    let known = Known::of(job, around, &rows).await?;
    let of_users = OfUsers::of(job, around, &rows, &known).await?;
    for row in &rows {
        batch.row(job, around, row, known.of_row(row), &of_users).await?;
    }
    if through >= run.rows {
        batch.end(job, around, &run).await?;
    }
    let raised = batch.raised;
    fail_point!("rows.before_commit");
    job.commit_with(&around.app, Event::RowsCommitted { through, raised }, batch.changes).await?;
    fail_point!("rows.after_commit");
    Ok(())
}

async fn is_as_sealed(job: &Job, memory: &mut RunMemory, run: &Run) -> Result<bool, StoreError> {
    if !memory.verified {
        memory.verified = run.plan == Some(stored_digest(job, run).await?);
    }
    Ok(memory.verified)
}

/// The records that the users of a batch have, fetched together.
struct OfUsers(HashMap<UserId, Vec<Account>>);

impl OfUsers {
    async fn of(job: &Job, around: &Surroundings, rows: &[StagingRow], known: &Known) -> Result<Self, StoreError> {
        let user = |row: &StagingRow| Self::concerned(row, row.verdict.as_ref()?, known.of_row(row));
        let users: Vec<UserId> = rows.iter().filter_map(user).collect();
        let records = job.shell.store.accounts_of_users(around.app.id, &users).await?;
        Ok(Self(users.into_iter().zip(records).collect()))
    }

    /// The user a row is about, if their other records matter: not where the link stays as it is.
    fn concerned(row: &StagingRow, verdict: &Verdict, known: Option<&Account>) -> Option<UserId> {
        let as_it_was = |known: &Account| known.user == verdict.user && known.is_linked();
        let matter = match row.source {
            StagingSource::MissingUser(_) => true,
            _ => links(verdict) && !known.is_some_and(as_it_was),
        };
        verdict.user.filter(|_| matter)
    }

    fn of_row(&self, row: &StagingRow, verdict: &Verdict, known: Option<&Account>) -> &[Account] {
        let user = Self::concerned(row, verdict, known);
        user.and_then(|user| self.0.get(&user)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What a batch of rows comes to.
struct Batch {
    context: CommitContext,
    changes: ChangeSet,
    raised: u64,
    sealed_at: Option<jiff::Timestamp>,
    /// Accounts that this batch has written or removed: a row that speaks of one again says nothing new.
    written: BTreeSet<AccountId>,
    external_ids: BTreeSet<String>,
}

impl Batch {
    fn new(job: &Job, around: &Surroundings, run: &Run) -> Self {
        Self {
            context: CommitContext::new(&around.app, job.request.id, job.shell.now()),
            changes: ChangeSet::default(),
            raised: 0,
            sealed_at: run.analyzed_at,
            written: BTreeSet::new(),
            external_ids: BTreeSet::new(),
        }
    }

    async fn row(
        &mut self,
        job: &mut Job,
        around: &Surroundings,
        row: &StagingRow,
        known: Option<&Account>,
        of_users: &OfUsers,
    ) -> Result<(), StoreError> {
        let Some(verdict) = &row.verdict else { return Ok(()) };
        if self.is_repeated(row, known) {
            return Ok(());
        }
        let of_user = of_users.of_row(row, verdict, known);
        if let Some(why) = overtaken(row, known, of_user, self.sealed_at) {
            self.note(job, Level::Warn, format!("row {} is left out: {why}", row.no));
            return Ok(());
        }
        let place = of_user.iter().find(|account| is_place(account));
        let known = match row.source {
            StagingSource::MissingUser(_) => place,
            _ => known,
        };
        let after = self.account(job, row, verdict, known);
        if verdict.situation != Situation::Missing && links(verdict) {
            let places: Vec<AccountId> = of_user.iter().filter(|a| is_place(a)).map(|a| a.id).collect();
            self.changes.remove_accounts.extend(places.into_iter().filter(|id| self.written.insert(*id)));
        }
        if let StagedAction::Raise(operation) = verdict.action {
            self.raise(job, around, operation, verdict.user, (known, after.as_ref())).await?;
        }
        Ok(())
    }

    /// Supplied rows may name an account twice; the first counts.
    fn is_repeated(&mut self, row: &StagingRow, known: Option<&Account>) -> bool {
        let external_id = match &row.source {
            StagingSource::Account(account) => !self.external_ids.insert(account.external_id.clone()),
            _ => false,
        };
        external_id || known.is_some_and(|known| self.written.contains(&known.id))
    }

    /// Writes the account's record after the row, if it says anything new. Gives it where a request is to be raised.
    fn account(&mut self, job: &Job, row: &StagingRow, verdict: &Verdict, known: Option<&Account>) -> Option<Account> {
        let id = known.map_or_else(|| AccountId(job.shell.store.allocate(Sequence::Account, 1)), |known| known.id);
        let after = apply_verdict(row, known, &self.context, id)?;
        let given = matches!(verdict.action, StagedAction::Raise(_)).then(|| after.clone());
        if known.is_none_or(|known| row.changed || !says_the_same(known, &after, verdict)) {
            self.written.insert(after.id);
            let expected = known.map(|known| known.version);
            self.changes.accounts.push(Versioned { record: after, expected });
        }
        given
    }

    /// Opens the child request that changes the target, unless it makes no sense any more or is there already. The
    /// account is given as it was known before the row, and as it is after it.
    async fn raise(
        &mut self,
        job: &mut Job,
        around: &Surroundings,
        operation: Operation,
        user: Option<UserId>,
        (known, account): (Option<&Account>, Option<&Account>),
    ) -> Result<(), StoreError> {
        let Some(user) = user else { return Ok(()) };
        let store = job.shell.store.clone();
        let Some(mut user) = store.user(user).await? else { return Ok(()) };
        name_managers(store.as_ref(), &around.app.config, [&mut user]).await?;
        let mut open = store.lane(around.app.id, Subject::User(user.id)).await?;
        open.retain(|request| request.operation.writes());
        if let Some(why) = outdated(&job.request, &user, known, &open) {
            self.note(job, Level::Info, format!("{operation:?} for `{}` is not raised: {why}", user.username));
            return Ok(());
        }
        let ask = Ask {
            operation,
            whose: Whose::User(user.id),
            by: job.request.created_by.clone(),
            reason: Some(format!("found by {}", job.request.id)),
            raised: Raised {
                by_run: Some(job.request.id),
                requested_by: job.request.requested_by,
                ..Raised::default()
            },
        };
        let now = job.shell.now();
        let opened =
            match open_for(store.as_ref(), &around.app, &around.connector, ask, Some(&user), account, now).await {
                Ok(transition) => not_in_doubt(store.as_ref(), &transition).await.map(|()| transition),
                Err(why) => Err(why),
            };
        match opened {
            Ok(transition) => {
                self.raised += 1;
                self.supersede(job, around, &open, transition.request.record.id);
                let transition = transition.correlated(job.request.correlation.as_ref());
                self.changes.append(transition.into_changes(None));
                Ok(())
            }
            Err(NotOpened::Store(error)) => Err(error),
            Err(why) => {
                self.note(job, Level::Warn, format!("{operation:?} for `{}` is not raised: {why}", user.username));
                Ok(())
            }
        }
    }

    /// What the guard has held until now gives way to what the plan does.
    fn supersede(&mut self, job: &Job, around: &Surroundings, held: &[Request], with: RequestId) {
        for request in held {
            if self.changes.requests.iter().any(|changed| changed.record.id == request.id) {
                continue;
            }
            let why = Some(format!("{} has looked at the target since", job.request.id));
            let event = Event::Supersede { by: job.request.created_by.clone(), with, why };
            // Where somebody was faster the commit is refused, and all of this done again.
            if let Ok(transition) = step(request, event, &job.shell.moment(&around.app.config.retry)) {
                self.changes.append(transition.into_changes(None));
            }
        }
    }

    fn note(&mut self, job: &Job, level: Level, text: String) {
        self.changes.log.push((job.request.id, host_line(job.shell.now(), level, text, Vec::new())));
    }

    /// With the last row: places of accounts that are no longer missing go, and the app is marked.
    async fn end(&mut self, job: &Job, around: &Surroundings, run: &Run) -> Result<(), StoreError> {
        if run.completeness != Some(Completeness::Complete) {
            self.changes.apps.extend(marked(job, &around.app, run, Digest::default()));
            return Ok(());
        }
        let query =
            AccountQuery { app: Some(around.app.id), situation: Some(Situation::Missing), ..AccountQuery::default() };
        let places = all_accounts(job.shell.store.as_ref(), query).await?;
        let stale = places.iter().filter(|place| is_place(place) && place.last_run != Some(job.request.id));
        let stale: Vec<AccountId> = stale.map(|place| place.id).filter(|id| self.written.insert(*id)).collect();
        self.changes.remove_accounts.extend(stale);
        // What was planned and not raised (a request was under way, the row was overtaken) is for the next run to look
        // at again, though nothing may have changed: no run has the basis of this one then.
        let planned: u64 = run.planned.values().sum();
        let raised_whole = run.raised + self.raised >= planned;
        let basis: Digest = run.basis.filter(|_| raised_whole).unwrap_or_default();
        self.changes.apps.extend(marked(job, &around.app, run, basis));
        Ok(())
    }
}

fn links(verdict: &Verdict) -> bool {
    matches!(verdict.situation, Situation::Found | Situation::Confirmed)
}

fn says_the_same(known: &Account, after: &Account, verdict: &Verdict) -> bool {
    known.situation == verdict.situation
        && known.user == verdict.user
        && known.why == verdict.why
        && known.is_known_link == after.is_known_link
        && known.revision == after.revision
        && known.status == after.status
}
