//! Work on reconciliations: page by page, batch by batch, each with the run's own number in the same commit, so that
//! a restart goes on where the last commit was (invariant 9). What a row means is for `analysis` to say.

mod absent;
mod analyze;
mod collect;
mod commit;
mod compare;
mod seen;
mod survey;

pub(crate) use analyze::analyze;
pub(crate) use collect::collect_page;
pub(crate) use commit::commit_rows;
pub(crate) use compare::compare;

use crate::job::Job;
use gatehouse_core::analysis::{Analysis, PlanDigest};
use gatehouse_core::ports::StoreError;
use gatehouse_core::{AccountId, Run, StagingRow};
use seen::Seen;
use std::collections::VecDeque;

/// What the engine remembers of a run while it lives. All of it can be built anew from the store.
#[derive(Default)]
pub(crate) struct RunMemory {
    /// The accounts of the rows stored so far.
    seen: Option<Seen>,
    /// Accounts we know that the collection missed and that are yet to be read.
    absent: Option<VecDeque<AccountId>>,
    /// The first pass over all rows.
    analysis: Option<Analysis>,
    /// The digest of the rows that have their verdict, and how many those are.
    digest: (PlanDigest, u64),
    /// Whether the stored rows have been compared with the plan's seal.
    verified: bool,
}

/// Records read from the store at a time.
const ROWS: usize = 1000;

fn run_of(job: &Job) -> Run {
    job.request.run.clone().unwrap_or_default()
}

/// Rows that were collected or supplied; those that the analysis adds come after them.
fn collected_rows(run: &Run) -> u64 {
    run.collected + run.faults
}

/// The rows from a number up to another, as many as are read at a time.
async fn rows(job: &Job, from: u64, to: u64, at_most: usize) -> Result<Vec<StagingRow>, StoreError> {
    let wanted = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX).min(at_most);
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let mut rows = job.shell.store.staging(job.request.id, from, wanted).await?;
    rows.retain(|row| row.no < to);
    Ok(rows)
}

/// The row before this number.
async fn row_before(job: &Job, no: u64) -> Result<Option<StagingRow>, StoreError> {
    match no.checked_sub(1) {
        Some(last) => Ok(rows(job, last, no, 1).await?.pop()),
        None => Ok(None),
    }
}
