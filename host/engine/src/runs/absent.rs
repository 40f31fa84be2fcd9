//! Accounts we know that a complete collection did not return: each is read by its id, since an absence only counts
//! if reading says so too (invariant 6). They become rows before the analysis begins.

use super::seen::AllAccounts;
use super::{RunMemory, collected_rows, row_before};
use crate::job::{Job, Worked};
use crate::loading::Surroundings;
use gatehouse_core::analysis::absence_guard;
use gatehouse_core::lifecycle::{AnalysisReport, Event};
use gatehouse_core::ports::{ChangeSet, StoreError};
use gatehouse_core::{
    Account, AccountId, CallFailure, Capability, Completeness, FailureKind, Run, StagingRow, StagingSource,
};
use gatehouse_failpoints::fail_point;
use std::collections::VecDeque;

/// The most accounts that are read before their rows are stored.
const READS: usize = 50;

/// Whether it can be found out that an account is gone.
pub(super) fn can_tell(around: &Surroundings, run: &Run) -> bool {
    run.completeness == Some(Completeness::Complete) && around.can(Capability::Read)
}

/// Reads the next absent accounts and stores their rows. False: there are none left.
pub(super) async fn read_some(
    job: &mut Job,
    around: &Surroundings,
    memory: &mut RunMemory,
    run: &Run,
) -> Result<bool, crate::job::Trouble> {
    if !can_tell(around, run) {
        return Ok(false);
    }
    if memory.absent.is_none() {
        let list = list(job, memory, run).await?;
        if run.supplied
            && let Some(why) = objection(job, around, run, list.len()).await?
        {
            job.commit(&around.app, Event::Fail { why }).await?;
            return Ok(true);
        }
        memory.absent = Some(list);
    }
    let at_most = job.shell.config.batch.min(READS);
    let due: Vec<AccountId> = memory.absent.iter().flatten().take(at_most).copied().collect();
    if due.is_empty() {
        return Ok(false);
    }
    let (read, failure) = read_all(job, around, &due).await?;
    match failure {
        Some(failure) if read.is_empty() => job.commit(&around.app, Event::ReadFailed(failure)).await?,
        _ => {
            let done = read.len();
            store(job, around, run, read).await?;
            // Only what is stored is done.
            memory.absent.iter_mut().for_each(|absent| drop(absent.drain(..done)));
        }
    }
    Ok(true)
}

/// The accounts that are yet to be read, by number.
async fn list(job: &Job, memory: &mut RunMemory, run: &Run) -> Result<VecDeque<AccountId>, StoreError> {
    let base = collected_rows(run);
    let read_already = match row_before(job, run.rows).await? {
        Some(StagingRow { no, source: StagingSource::Absent { account, .. }, .. }) if no >= base => Some(account),
        _ => None,
    };
    let seen = memory.seen(job, base).await?;
    let mut list = Vec::new();
    let mut accounts = AllAccounts::of(job.request.app);
    while let Some(page) = accounts.next(job).await? {
        let absent = page.iter().filter(|account| seen.misses(account)).map(|account| account.id);
        list.extend(absent.filter(|id| read_already.is_none_or(|last| *id > last)));
    }
    list.sort_unstable();
    Ok(list.into())
}

/// What a custom process supplied and called complete is believed no more than what a target returns.
async fn objection(job: &Job, around: &Surroundings, run: &Run, absent: usize) -> Result<Option<String>, StoreError> {
    let known = super::seen::expected_in_all(job).await?;
    Ok(absence_guard(known, absent as u64, run.collected, &around.app.config.reconcile))
}

/// Reads accounts one by one, until one cannot be read or others get their turn.
async fn read_all(
    job: &mut Job,
    around: &Surroundings,
    due: &[AccountId],
) -> Result<(Vec<StagingSource>, Option<CallFailure>), StoreError> {
    let mut read = Vec::with_capacity(due.len());
    for id in due {
        if !read.is_empty() && !job.has_turn() {
            break;
        }
        let Some(Account { external_id: Some(external_id), .. }) = job.shell.store.account(*id).await? else {
            // Gone from our records meanwhile: the row stands for it, and says nothing.
            read.push(StagingSource::Fault { external_id: None, why: format!("{id} is not known any more") });
            continue;
        };
        let connectors = job.shell.connectors.clone();
        let report = job.call(around, "read", &[], connectors.read(&around.context, &external_id)).await;
        let source = match report.result {
            Ok(account) => StagingSource::Absent { account: *id, read: Some(around.narrowed(account)) },
            Err(failure) if failure.kind == FailureKind::NotFound => StagingSource::Absent { account: *id, read: None },
            Err(failure) => return Ok((read, Some(failure))),
        };
        read.push(source);
    }
    Ok((read, None))
}

async fn store(job: &mut Job, around: &Surroundings, run: &Run, read: Vec<StagingSource>) -> Worked {
    let rows: Vec<StagingRow> = read
        .into_iter()
        .zip(run.rows..)
        .map(|(source, no)| StagingRow { no, source, changed: true, verdict: None })
        .collect();
    let report = AnalysisReport { through: 0, rows: run.rows + rows.len() as u64, ..AnalysisReport::default() };
    let staging = rows.into_iter().map(|row| (job.request.id, row)).collect();
    let more = ChangeSet { staging, ..ChangeSet::default() };
    fail_point!("absent.before_commit");
    job.commit_with(&around.app, Event::RowsAnalyzed(report), more).await?;
    fail_point!("absent.after_commit");
    Ok(())
}
