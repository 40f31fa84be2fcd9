//! Jobs in the file, by app and state. It never says what a job does.

use super::codes;
use super::fault::Outcome;
use super::merge::{Merge, rank, walk};
use super::record::{encode, fetch, fetch_indexed};
use super::registry::app_ids;
use super::tables::{APPS, JOBS, JOBS_BY_STATE, Record};
use crate::change::{Replacement, replacement};
use crate::cursor::List;
use gatehouse_core::ports::{JobQuery, ListPage, Versioned};
use gatehouse_core::{AppId, Job, JobId, JobState};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};

pub(super) struct Jobs<'t> {
    jobs: Table<'t, u64, Record>,
    by_state: Table<'t, (u64, u8, u64), ()>,
}

/// Changes that have been checked.
pub(super) struct JobChanges(Vec<Replacement<Job>>);

impl JobChanges {
    /// The highest number used.
    pub fn highest(&self) -> Option<u64> {
        self.0.iter().map(|job| job.new.id.0).max()
    }

    /// The apps that jobs are written to.
    pub fn apps(&self) -> impl Iterator<Item = AppId> {
        self.0.iter().map(|job| job.new.app)
    }
}

impl<'t> Jobs<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self { jobs: txn.open_table(JOBS)?, by_state: txn.open_table(JOBS_BY_STATE)? })
    }

    pub fn check(&self, jobs: Vec<Versioned<Job>>) -> Outcome<JobChanges> {
        let jobs = jobs.into_iter().map(|job| Ok(replacement(fetch(&self.jobs, job.record.id.0)?, job)?));
        Ok(JobChanges(jobs.collect::<Outcome<_>>()?))
    }

    pub fn apply(&mut self, changes: &JobChanges) -> Outcome<()> {
        for Replacement { old, new } in &changes.0 {
            if let Some(old) = old {
                self.by_state.remove(key(old))?;
            }
            self.by_state.insert(key(new), ())?;
            self.jobs.insert(new.id.0, encode(new)?.as_slice())?;
        }
        Ok(())
    }

    /// Removes an app's jobs.
    pub fn remove_app(&mut self, app: AppId) -> Outcome<()> {
        let mut gone = Vec::new();
        for entry in self.by_state.range((app.0, 0, 0)..=(app.0, u8::MAX, u64::MAX))? {
            gone.push(entry?.0.value().2);
        }
        self.by_state.retain_in((app.0, 0, 0)..=(app.0, u8::MAX, u64::MAX), |_, ()| false)?;
        for id in gone {
            self.jobs.remove(id)?;
        }
        Ok(())
    }
}

fn key(job: &Job) -> (u64, u8, u64) {
    (job.app.0, codes::job_state(job.state), job.id.0)
}

pub(super) fn job(txn: &ReadTransaction, id: JobId) -> Outcome<Option<Job>> {
    fetch(&txn.open_table(JOBS)?, id.0)
}

pub(super) fn jobs(txn: &ReadTransaction, query: &JobQuery) -> Outcome<ListPage<Job>> {
    let way = query.direction;
    let Some(span) = List::Jobs.following(way, query.after.as_deref())? else { return Ok(ListPage::default()) };
    let (low, high) = span.into_inner();
    let table = txn.open_table(JOBS)?;
    let (apps, index) = match query.app {
        Some(app) => (vec![app.0], txn.open_table(JOBS_BY_STATE)?),
        None => (app_ids(&txn.open_table(APPS)?)?, txn.open_table(JOBS_BY_STATE)?),
    };
    let states = JobState::ALL.into_iter().filter(|state| query.state.is_none_or(|only| only == *state));
    let codes: Vec<u8> = states.map(codes::job_state).collect();
    let ranges = apps.iter().flat_map(|app| codes.iter().map(move |state| (*app, *state))).map(|(app, state)| {
        let range = index.range((app, state, low)..=(app, state, high))?;
        Ok(walk(range, way).map(move |entry| Ok(rank(way, entry?.0.value().2))))
    });
    let jobs = Merge::new(ranges.collect::<Vec<_>>())?;
    let jobs = jobs.map(|ranked: Outcome<u64>| {
        let id = rank(way, ranked?);
        Ok((id, fetch_indexed(&table, id)?))
    });
    List::Jobs.page(way, jobs, query.limit)
}
