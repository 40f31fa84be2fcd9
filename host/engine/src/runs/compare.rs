//! Sees whether a collection holds anything new, and begins the analysis if so.

use super::seen::expected_in_all;
use super::{ROWS, run_of};
use crate::job::{Job, Worked};
use gatehouse_core::analysis::leaves_nothing_open;
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::{ChangeSet, RequestQuery, StoreError, Versioned};
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
    let Some(mark) = app.last_reconcile.filter(|mark| mark.basis == basis) else { return Ok(false) };
    if run.changed > 0 || !nothing_open(job, app, &mark).await? {
        return Ok(false);
    }
    let complete = run.completeness == Some(Completeness::Complete);
    Ok(!complete || expected_in_all(job).await? <= run.collected)
}

/// Whether everything that was to follow from the last run has followed, and nothing else has been done since.
async fn nothing_open(job: &Job, app: &App, mark: &ReconcileMark) -> Result<bool, StoreError> {
    let mut query = RequestQuery { app: Some(app.id), limit: ROWS, ..RequestQuery::default() };
    loop {
        let page = job.shell.store.requests(&query).await?;
        for request in page.items.iter().filter(|request| request.id != job.request.id) {
            if request.id <= mark.run {
                return Ok(true);
            }
            if !leaves_nothing_open(request, mark) {
                return Ok(false);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(true),
        }
    }
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
