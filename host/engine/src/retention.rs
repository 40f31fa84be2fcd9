//! Removes what has had its time, a little at a time: each batch is a commit of its own among those of others, and
//! after a kill the next round goes on with what is left. What may go is for `retention` in the core to say.

use crate::shell::Shell;
use gatehouse_core::metrics::{ANSWERS_FORGOTTEN, ROWS_REMOVED};
use gatehouse_core::ports::{ChangeSet, RequestQuery, StagedRun, Store, StoreError};
use gatehouse_core::retention::{AT_A_TIME, answers_end, is_superseded, next_rows};
use gatehouse_core::{AppId, Operation, Request, State};
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a round has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Staging rows of superseded runs.
    pub rows: u64,
    /// Answers remembered for Idempotency-Keys.
    pub answers: u64,
}

/// Goes round when the engine starts, after each run that ends, and every so often; never ends.
pub(crate) async fn tidy(shell: Arc<Shell>) {
    loop {
        match round(&shell).await {
            Ok(Removed { rows: 0, answers: 0 }) => {}
            Ok(Removed { rows, answers }) => tracing::info!(rows, answers, "removed what has had its time"),
            Err(error) => tracing::warn!(%error, "what has had its time is not removed yet"),
        }
        tokio::select! {
            () = shell.run_ended.notified() => {}
            () = tokio::time::sleep(shell.config.tidy_every) => {}
        }
    }
}

/// Removes everything that may go by now.
pub(crate) async fn round(shell: &Shell) -> Result<Removed, StoreError> {
    let store = shell.store.as_ref();
    let rows = superseded_rows(store).await?;
    let kept = SignedDuration::try_from(shell.config.answers_kept).unwrap_or(SignedDuration::MAX);
    let mut answers = 0;
    loop {
        let old = store.answers_before(answers_end(shell.now(), kept), AT_A_TIME).await?;
        if old.is_empty() {
            return Ok(Removed { rows, answers });
        }
        let count = old.len() as u64;
        store.commit(ChangeSet { forget_answers: old, ..ChangeSet::default() }).await?;
        metrics::counter!(ANSWERS_FORGOTTEN.name).increment(count);
        answers += count;
    }
}

async fn superseded_rows(store: &dyn Store) -> Result<u64, StoreError> {
    let mut last = BTreeMap::new();
    let (mut after, mut removed) = (None, 0);
    loop {
        let runs = store.staged_runs(after, AT_A_TIME).await?;
        let Some(end) = runs.last() else { return Ok(removed) };
        after = Some(end.run);
        for staged in runs {
            let Some(run) = store.request(staged.run).await? else { continue };
            if let std::collections::btree_map::Entry::Vacant(unknown) = last.entry(run.app) {
                unknown.insert(last_completed(store, run.app).await?);
            }
            if is_superseded(&run, last.get(&run.app).and_then(Option::as_ref)) {
                removed += remove_rows(store, staged).await?;
            }
        }
    }
}

async fn last_completed(store: &dyn Store, app: AppId) -> Result<Option<Request>, StoreError> {
    let query = RequestQuery {
        app: Some(app),
        state: Some(State::Completed),
        operation: Some(Operation::Reconcile),
        limit: 1,
        ..RequestQuery::default()
    };
    Ok(store.requests(&query).await?.items.pop())
}

async fn remove_rows(store: &dyn Store, staged: StagedRun) -> Result<u64, StoreError> {
    let mut left = staged.rows;
    while let Some(from) = next_rows(left) {
        let truncate_staging = vec![(staged.run, from)];
        match store.commit(ChangeSet { truncate_staging, ..ChangeSet::default() }).await {
            // The app was deleted meanwhile, its runs with it.
            Err(StoreError::Invalid(_)) => break,
            done => done?,
        }
        metrics::counter!(ROWS_REMOVED.name).increment(left - from);
        left = from;
    }
    Ok(staged.rows - left)
}
