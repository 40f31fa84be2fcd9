//! Removes what has had its time, a little at a time: each batch is a commit of its own among those of others, and
//! after a kill the next round goes on with what is left. What may go is for `retention` in the core to say.

use crate::shell::Shell;
use gatehouse_core::audit::denials::WINDOW;
use gatehouse_core::metrics::{ANSWERS_FORGOTTEN, ROWS_REMOVED};
use gatehouse_core::ports::{ChangeSet, RequestQuery, StagedRun, Store, StoreError, TrailChange};
use gatehouse_core::retention::{AT_A_TIME, answers_end, audit_end, is_superseded, next_rows};
use gatehouse_core::{Actor, AppId, AuditRecord, Operation, Request, State};
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
    /// Records of the audit trail, behind a checkpoint.
    pub audit: u64,
}

/// Goes round when the engine starts, after each run that ends, and every so often; never ends. Denials that were counted
/// are written down soon after their time is over.
pub(crate) async fn tidy(shell: Arc<Shell>) {
    loop {
        match round(&shell).await {
            Ok(removed) if removed == Removed::default() => {}
            Ok(Removed { rows, answers, audit }) => {
                tracing::info!(rows, answers, audit, "removed what has had its time");
            }
            Err(error) => tracing::warn!(%error, "what has had its time is not removed yet"),
        }
        let next_round = tokio::time::sleep(shell.config.tidy_every);
        tokio::select! {
            () = shell.run_ended.notified() => {}
            () = next_round => {}
            () = write_down_denials(&shell) => {}
        }
    }
}

/// Closes windows of denials that are over, again and again.
async fn write_down_denials(shell: &Shell) {
    loop {
        tokio::time::sleep(WINDOW.unsigned_abs()).await;
        if let Err(error) = close_denials(shell).await {
            tracing::warn!(%error, "denials that were counted are not written down yet");
        }
    }
}

/// Writes down what was counted of denials whose time is over.
async fn close_denials(shell: &Shell) -> Result<(), StoreError> {
    let now = shell.now();
    if shell.store.denial_windows().await?.iter().any(|window| window.is_over(now)) {
        let trail = TrailChange { close_denials: Some(now), ..TrailChange::default() };
        shell.store.commit(ChangeSet { trail, ..ChangeSet::default() }).await?;
    }
    Ok(())
}

/// Removes everything that may go by now.
pub(crate) async fn round(shell: &Shell) -> Result<Removed, StoreError> {
    let store = shell.store.as_ref();
    close_denials(shell).await?;
    let rows = superseded_rows(store).await?;
    let answers = old_answers(shell).await?;
    let audit = old_records(shell).await?;
    Ok(Removed { rows, answers, audit })
}

async fn old_answers(shell: &Shell) -> Result<u64, StoreError> {
    let kept = SignedDuration::try_from(shell.config.answers_kept).unwrap_or(SignedDuration::MAX);
    let mut answers = 0;
    loop {
        let old = shell.store.answers_before(answers_end(shell.now(), kept), AT_A_TIME).await?;
        if old.is_empty() {
            return Ok(answers);
        }
        let count = old.len() as u64;
        shell.store.commit(ChangeSet { forget_answers: old, ..ChangeSet::default() }).await?;
        metrics::counter!(ANSWERS_FORGOTTEN.name).increment(count);
        answers += count;
    }
}

/// Drops records of the audit trail that are older than they are to be, each batch with a record of it.
async fn old_records(shell: &Shell) -> Result<u64, StoreError> {
    let Some(kept) = shell.config.audit_kept else { return Ok(0) };
    let kept = SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
    let mut dropped = 0;
    loop {
        let (now, store) = (shell.now(), shell.store.as_ref());
        let Some(upto) = store.audit_before(audit_end(now, kept), AT_A_TIME).await? else { return Ok(dropped) };
        let first = store.audit_from(0, 1).await?.first().map_or(upto, |entry| entry.sequence);
        let count = upto + 1 - first;
        let record = AuditRecord::new(now, &Actor::host(), "audit.drop", format!("records {first} to {upto}"));
        let trail = TrailChange { drop_through: Some((upto, now)), ..TrailChange::default() };
        let audit = vec![record.with("count", count).with("kept_days", kept.as_hours() / 24)];
        store.commit(ChangeSet { trail, audit, ..ChangeSet::default() }).await?;
        dropped += count;
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
