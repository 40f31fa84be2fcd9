//! Collects one page and stores its rows in the commit that moves the cursor, so that no stored page is fetched again.

use super::seen::{expected_in_all, known_of};
use super::{RunMemory, run_of};
use crate::job::{Job, Worked};
use crate::loading::Surroundings;
use gatehouse_core::analysis::is_expected;
use gatehouse_core::lifecycle::{Event, PageReport};
use gatehouse_core::ports::{AccountPage, ChangeSet, RowFault, StoreError};
use gatehouse_core::schema::{Account as RemoteAccount, Status};
use gatehouse_core::{
    Account, CallFailure, FailureKind, PageNext, RequestId, Run, StagingRow, StagingSource, analysis, fingerprint,
};
use gatehouse_failpoints::fail_point;
use std::collections::HashSet;

/// Collects the page at the run's cursor.
pub(crate) async fn collect_page(job: &mut Job, around: &Surroundings) -> Worked {
    let run = run_of(job);
    let memory = job.shell.run_memory(&job.request);
    let mut memory = memory.lock().await;
    let config = &around.app.config;
    // Before the target is asked: what ends from now on, this collection may not show.
    let oldest_open = match run.pages {
        0 => job.shell.store.oldest_unsettled(around.app.id).await?,
        _ => None,
    };
    fail_point!("collect.before_page");
    let connectors = job.shell.connectors.clone();
    let (filter, cursor) = (config.collect_filter.as_deref(), run.cursor.as_deref());
    let call = connectors.collect(&around.context, filter, cursor, &around.attributes, config.page_size);
    let report = job.call(around, "collect", &[], call).await;
    fail_point!("collect.after_page");
    match report.result.and_then(|page| going_on(&run, page)) {
        Ok(page) => store_page(job, around, &mut memory, &run, page, oldest_open).await,
        Err(failure) => collect_failed(job, around, &mut memory, failure).await,
    }
}

/// A page that leads to itself would never end.
fn going_on(run: &Run, page: AccountPage) -> Result<AccountPage, CallFailure> {
    match (&page.next, &run.cursor) {
        (PageNext::More(next), Some(this)) if next == this => {
            Err(CallFailure::new(FailureKind::Protocol, "the cursor after this page is the one it was fetched with"))
        }
        _ => Ok(page),
    }
}

/// A collection that starts again drops what it has stored, in the commit that says so.
async fn collect_failed(job: &mut Job, around: &Surroundings, memory: &mut RunMemory, failure: CallFailure) -> Worked {
    let starts_again = failure.kind == FailureKind::CursorExpired;
    let truncate_staging = if starts_again { vec![(job.request.id, 0)] } else { Vec::new() };
    let more = ChangeSet { truncate_staging, ..ChangeSet::default() };
    job.commit_with(&around.app, Event::ReadFailed(failure), more).await?;
    if starts_again {
        *memory = RunMemory::default();
    }
    Ok(())
}

async fn store_page(
    job: &mut Job,
    around: &Surroundings,
    memory: &mut RunMemory,
    run: &Run,
    page: AccountPage,
    oldest_open: Option<RequestId>,
) -> Worked {
    let seen = memory.seen(job, run.rows).await?;
    let sorted = Sorted::of(page.accounts, page.faults, |id| seen.contains(id), |account| around.narrowed(account));
    let ids: Vec<String> = sorted.accounts.iter().map(|account| account.external_id.clone()).collect();
    let known = known_of(job, around.app.id, &ids).await?;
    let there = known.iter().flatten().filter(|account| is_expected(account)).count() as u64;
    let next = match page.next {
        PageNext::More(_) if sorted.accounts.is_empty() && sorted.repeated > 0 => {
            PageNext::Partial("the target lists the same accounts over and over".to_owned())
        }
        next => next,
    };
    let objection = match next {
        PageNext::Complete => objection(job, around, seen.known + there, run.collected + ids.len() as u64).await?,
        _ => None,
    };
    let faults = sorted.faults.len() as u64;
    let rows = sorted.into_rows(run.rows, &known);
    let report = PageReport {
        cursor: run.cursor.clone(),
        accounts: ids.len() as u64,
        changed: rows.iter().filter(|row| row.changed).count() as u64,
        faults,
        estimate: page.estimate,
        next,
        oldest_open,
        objection,
    };
    let count = rows.len() as u64;
    let staging = rows.into_iter().map(|row| (job.request.id, row)).collect();
    let more = ChangeSet { staging, ..ChangeSet::default() };
    fail_point!("collect.before_commit");
    job.commit_with(&around.app, Event::PageStored(report), more).await?;
    fail_point!("collect.after_commit");
    seen.add(ids.iter().map(String::as_str), there, count);
    Ok(())
}

/// Why a collection that calls itself complete is not believed: it misses too much of what is known.
async fn objection(
    job: &Job,
    around: &Surroundings,
    known_seen: u64,
    collected: u64,
) -> Result<Option<String>, StoreError> {
    let known = expected_in_all(job).await?;
    let absent = known.saturating_sub(known_seen);
    Ok(analysis::absence_guard(known, absent, collected, &around.app.config.reconcile))
}

/// A page's records: the accounts that count, and what could not be read or stands there for a second time.
struct Sorted {
    accounts: Vec<RemoteAccount>,
    faults: Vec<RowFault>,
    repeated: usize,
}

impl Sorted {
    fn of(
        accounts: Vec<RemoteAccount>,
        faults: Vec<RowFault>,
        seen: impl Fn(&str) -> bool,
        narrowed: impl Fn(RemoteAccount) -> RemoteAccount,
    ) -> Self {
        let mut sorted = Self { accounts: Vec::with_capacity(accounts.len()), faults, repeated: 0 };
        let mut in_page = HashSet::new();
        for account in accounts {
            let external_id = account.external_id.clone();
            if external_id.is_empty() {
                sorted.fault(None, "the account has no external id");
            } else if seen(&external_id) || !in_page.insert(external_id.clone()) {
                sorted.repeated += 1;
                sorted.fault(Some(external_id), "the target lists this account more than once; the first one counts");
            } else {
                sorted.accounts.push(narrowed(account));
            }
        }
        sorted
    }

    fn fault(&mut self, external_id: Option<String>, why: &str) {
        self.faults.push(RowFault { external_id, why: why.to_owned() });
    }

    /// Accounts are worth analysing if they differ from the one known.
    fn into_rows(self, from: u64, known: &[Option<Account>]) -> Vec<StagingRow> {
        let accounts = self.accounts.into_iter().zip(known).map(|(account, known)| {
            let changed = !known.as_ref().is_some_and(|known| is_as_known(known, &account));
            (StagingSource::Account(account), changed)
        });
        let faults = self
            .faults
            .into_iter()
            .map(|fault| (StagingSource::Fault { external_id: fault.external_id, why: fault.why }, false));
        accounts
            .chain(faults)
            .zip(from..)
            .map(|((source, changed), no)| StagingRow { no, source, changed, verdict: None })
            .collect()
    }
}

/// Whether the target shows an account as we know it: also one that it keeps as a deleted one.
fn is_as_known(known: &Account, account: &RemoteAccount) -> bool {
    let gone = account.status == Status::Deleted;
    gone != is_expected(known) && known.fingerprint == Some(fingerprint(account))
}
