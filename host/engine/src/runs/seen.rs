//! Which accounts a run has seen. Kept as digests: 16 bytes an account and a little more, about 40 MB for a million.

use super::{ROWS, RunMemory, rows};
use crate::job::Job;
use gatehouse_core::analysis::is_expected;
use gatehouse_core::ports::{AccountQuery, StoreError};
use gatehouse_core::{Account, AppId, Digest, Situation, StagingSource};
use std::collections::HashSet;

/// The accounts of a run's rows, by digest of their external id.
#[derive(Default)]
pub(crate) struct Seen {
    accounts: HashSet<[u8; 16]>,
    /// How many of them are accounts we know to be there.
    pub known: u64,
    /// The rows it covers.
    rows: u64,
}

impl Seen {
    pub fn contains(&self, external_id: &str) -> bool {
        self.accounts.contains(&key(external_id))
    }

    /// Adds the rows of one page, once they are stored.
    pub fn add<'a>(&mut self, external_ids: impl Iterator<Item = &'a str>, known: u64, rows: u64) {
        self.accounts.extend(external_ids.map(key));
        self.known += known;
        self.rows += rows;
    }

    /// Whether the target should have shown this account, and has not.
    pub fn misses(&self, account: &Account) -> bool {
        is_expected(account) && !account.external_id.as_deref().is_some_and(|id| self.contains(id))
    }
}

fn key(external_id: &str) -> [u8; 16] {
    let Digest(digest) = Digest::of(external_id.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}

impl RunMemory {
    /// What the run has seen in its first so many rows, read from the store if that is not remembered.
    pub async fn seen(&mut self, job: &Job, covering: u64) -> Result<&mut Seen, StoreError> {
        let seen = match self.seen.take() {
            Some(seen) if seen.rows == covering => seen,
            _ => read_again(job, covering).await?,
        };
        Ok(self.seen.insert(seen))
    }
}

async fn read_again(job: &Job, covering: u64) -> Result<Seen, StoreError> {
    let mut seen = Seen::default();
    while seen.rows < covering {
        let rows = rows(job, seen.rows, covering, ROWS).await?;
        let Some(last) = rows.last() else { break };
        let count = last.no + 1 - seen.rows;
        let ids: Vec<String> = rows.into_iter().filter_map(|row| external_id(row.source)).collect();
        let known = known_of(job, job.request.app, &ids).await?;
        let there = known.iter().flatten().filter(|account| is_expected(account)).count();
        seen.add(ids.iter().map(String::as_str), there as u64, count);
    }
    Ok(seen)
}

/// The records of these accounts, in their order.
pub(crate) async fn known_of(job: &Job, app: AppId, ids: &[String]) -> Result<Vec<Option<Account>>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    job.shell.store.accounts_by_external_id(app, ids).await
}

fn external_id(source: StagingSource) -> Option<String> {
    match source {
        StagingSource::Account(account) => Some(account.external_id),
        _ => None,
    }
}

/// How many accounts of an app the target should show.
pub(crate) async fn expected_in_all(job: &Job) -> Result<u64, StoreError> {
    let counts = job.shell.store.account_counts(job.request.app).await?;
    let there = counts.iter().filter(|(situation, _)| !matches!(situation, Situation::Missing | Situation::Deleted));
    Ok(there.map(|(_, count)| count).sum())
}

/// Goes over all account records of the app, some at a time: the next ones, until there are none.
pub(crate) struct AllAccounts(Option<AccountQuery>);

impl AllAccounts {
    pub fn of(app: AppId) -> Self {
        Self(Some(AccountQuery { app: Some(app), limit: ROWS, ..AccountQuery::default() }))
    }

    pub async fn next(&mut self, job: &Job) -> Result<Option<Vec<Account>>, StoreError> {
        let Some(mut query) = self.0.take() else { return Ok(None) };
        let page = job.shell.store.accounts(&query).await?;
        if page.next.is_some() {
            query.after = page.next;
            self.0 = Some(query);
        }
        Ok(Some(page.items))
    }
}
