//! Sees whether a collection holds anything new, and begins the analysis if so.

use super::run_of;
use super::seen::expected_in_all;
use crate::job::{Job, Worked};
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::{ChangeSet, StoreError, Versioned};
use gatehouse_core::{App, Completeness, Digest, ReconcileMark, Run};
use jiff::Timestamp;

/// Ends the run if nothing differs from what is known, and begins the analysis otherwise.
pub(crate) async fn compare(job: &mut Job, app: &App) -> Worked {
    let run = run_of(job);
    let basis = app.analysis_basis(job.shell.store.directory_epoch().await?);
    if !nothing_new(job, app, &run, basis).await? {
        return job.commit(app, Event::AnalysisBegan { basis }).await;
    }
    let more = ChangeSet { apps: marked(job, app, &run, basis), ..ChangeSet::default() };
    job.commit_with(app, Event::NothingChanged { rows: run.rows }, more).await
}

/// Every row is as known, whatever else an analysis depends on is as it was for the last one, and nothing known is
/// absent: with every row known, that is a matter of counting.
async fn nothing_new(job: &Job, app: &App, run: &Run, basis: Digest) -> Result<bool, StoreError> {
    let same_basis = app.last_reconcile.is_some_and(|mark| mark.basis == basis);
    if run.changed > 0 || !same_basis {
        return Ok(false);
    }
    let complete = run.completeness == Some(Completeness::Complete);
    Ok(!complete || expected_in_all(job).await? <= run.collected)
}

/// The app with the mark of this run, if the run saw everything.
pub(super) fn marked(job: &Job, app: &App, run: &Run, basis: Digest) -> Vec<Versioned<App>> {
    if run.completeness != Some(Completeness::Complete) {
        return Vec::new();
    }
    let at: Timestamp = job.shell.now();
    let mut marked = app.clone();
    marked.last_reconcile = Some(ReconcileMark { run: job.request.id, basis, at });
    marked.updated_at = at;
    vec![Versioned::replacing(app.version, marked)]
}
