//! What is counted of the store's work: requests that reached a state, once that is durable, and commits. It reads
//! what is written, and never anything of a person.

use gatehouse_core::metrics::{COMMIT_BATCH, COMMIT_FAILURES, COMMIT_SECONDS, REQUESTS_OPENED, REQUESTS_SETTLED};
use gatehouse_core::ports::ChangeSet;
use gatehouse_core::{Operation, RequestId, State};
use std::collections::BTreeSet;
use std::time::Duration;

/// Requests that a change set opens or settles, to be counted once it is durable.
pub(super) struct Passages(Vec<(Operation, Option<State>)>);

impl Passages {
    /// The audit trail names every change of state, and nothing twice.
    pub fn of(changes: &ChangeSet) -> Self {
        let changed: BTreeSet<RequestId> =
            changes.audit.iter().filter(|record| record.action == "request.state").filter_map(|r| r.request).collect();
        let passages = changes.requests.iter().flat_map(|request| {
            let after = &request.record;
            let opened = request.expected.is_none();
            let settled = after.state.is_settled() && (opened || changed.contains(&after.id));
            let opened = opened.then_some((after.operation, None));
            opened.into_iter().chain(settled.then_some((after.operation, Some(after.state))))
        });
        Self(passages.collect())
    }

    pub fn count(self) {
        for (operation, outcome) in self.0 {
            let operation = format!("{operation:?}");
            match outcome {
                None => metrics::counter!(REQUESTS_OPENED.name, "operation" => operation).increment(1),
                Some(outcome) => {
                    let labels = [("operation", operation), ("outcome", format!("{outcome:?}"))];
                    metrics::counter!(REQUESTS_SETTLED.name, &labels).increment(1);
                }
            }
        }
    }
}

/// So many changes have been made durable together, in this time.
pub(super) fn committed(changes: usize, took: Duration) {
    #[allow(clippy::cast_precision_loss)] // never near 2^52
    metrics::histogram!(COMMIT_BATCH.name).record(changes as f64);
    metrics::histogram!(COMMIT_SECONDS.name).record(took.as_secs_f64());
}

/// What was to be written together has been, or nothing of it.
pub(super) fn ended(well: bool) {
    if !well {
        metrics::counter!(COMMIT_FAILURES.name).increment(1);
    }
}
