//! Sees whether a collection holds anything new, and begins the analysis if so.

use super::seen::expected_in_all;
use super::{ROWS, run_of};
use crate::job::{Job, Worked};
use gatehouse_core::analysis::{holds_nothing_new, leaves_nothing_open, mark, saw_the_end_of};
use gatehouse_core::lifecycle::Event;
use gatehouse_core::ports::{ChangeSet, RequestQuery, StoreError, Versioned};
use gatehouse_core::{App, Digest, ReconcileMark, Run};
use gatehouse_failpoints::fail_point;

/// Ends the run if nothing differs from what is known, and begins the analysis otherwise.
pub(crate) async fn compare(job: &mut Job, app: &App) -> Worked {
    let run = run_of(job);
    let basis = app.analysis_basis(job.shell.store.directory_epoch().await?);
    let nothing_new = nothing_new(job, app, &run, basis).await?;
    fail_point!("compare.before_commit");
    if nothing_new {
        let more = ChangeSet { apps: marked(job, app, &run, basis).into_iter().collect(), ..ChangeSet::default() };
        job.commit_with(app, Event::NothingChanged { rows: run.rows }, more).await?;
    } else {
        job.commit(app, Event::AnalysisBegan { basis }).await?;
    }
    fail_point!("compare.after_commit");
    Ok(())
}

/// Whether nothing can differ from what the last completed run left.
async fn nothing_new(job: &Job, app: &App, run: &Run, basis: Digest) -> Result<bool, StoreError> {
    let Some(last) = app.last_reconcile else { return Ok(false) };
    let expected = expected_in_all(job).await?;
    Ok(holds_nothing_new(run, &last, basis, expected) && nothing_open(job, app, &last).await?)
}

/// Whether everything that was to follow from the last run has followed, and nothing else has been done since.
async fn nothing_open(job: &Job, app: &App, last: &ReconcileMark) -> Result<bool, StoreError> {
    let mut query = RequestQuery { app: Some(app.id), limit: ROWS, ..RequestQuery::default() };
    loop {
        let page = job.shell.store.requests(&query).await?;
        for request in page.items.iter().filter(|request| request.id != job.request.id) {
            // Newest first: of all further ones it saw the end as well.
            if saw_the_end_of(last, request.id) {
                return Ok(true);
            }
            if !leaves_nothing_open(request, last) {
                return Ok(false);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(true),
        }
    }
}

/// The app with the mark of this run, if it leaves one; and looked at, whether all was seen or not: a target that never
/// shows all of its accounts is not looked at any better.
pub(super) fn marked(job: &Job, app: &App, run: &Run, basis: Digest) -> Option<Versioned<App>> {
    let at = job.shell.now();
    let mark = mark(run, job.request.id, basis, at);
    if mark.is_none() && app.surveyed {
        return None;
    }
    let marked = App { last_reconcile: mark.or(app.last_reconcile), surveyed: true, updated_at: at, ..app.clone() };
    Some(Versioned::replacing(app.version, marked))
}
