//! What a request needs done next: derived from the request alone, so that a restart goes on from what is stored.

use crate::{AttemptOutcome, Change, LinkChange, Operation, Request, State};

/// One thing for the engine to do, answered by an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Make the call of this step of the change: note the start, call, note the end.
    Call {
        /// Which step.
        step: u32,
    },
    /// All steps are done, or there is none to do: note the end.
    Conclude,
    /// Note that an attempt was started and never finished.
    NoteLost,
    /// Read the target to find out what came of the last attempt.
    Settle,
    /// Read the account: note the start, call, note the end.
    Read,
    /// Change the links.
    Link(LinkChange),
    /// Collect the page at the run's cursor.
    CollectPage,
    /// See whether the collected rows hold anything new, and begin the analysis if so.
    Compare,
    /// Analyse rows from this one on, and seal the plan after the last.
    Analyze {
        /// The first row.
        from: u64,
    },
    /// Commit rows from this one on.
    CommitRows {
        /// The first row.
        from: u64,
    },
}

/// What a request needs done next; none: it is settled, or waits for a person or its date.
pub fn work(request: &Request) -> Option<Work> {
    if request.awaits_date {
        return None;
    }
    match (request.state, request.operation) {
        (State::Requested, Operation::Read) => Some(Work::Read),
        (State::Collecting, Operation::Read) => Some(after_attempts(request, Work::Read)),
        (State::Requested, _) => Some(next_call(request)),
        (State::Committing, Operation::Reconcile) => {
            Some(Work::CommitRows { from: request.run.as_ref().map_or(0, |run| run.committed) })
        }
        (State::Committing, Operation::Linking) => match &request.change.content {
            Change::Link(change) => Some(Work::Link(*change)),
            _ => None,
        },
        (State::Committing, _) => Some(after_attempts(request, next_call(request))),
        (State::Collecting, _) => Some(Work::CollectPage),
        (State::Collected, _) => Some(Work::Compare),
        (State::Analyzing, _) => Some(Work::Analyze { from: request.run.as_ref().map_or(0, |run| run.analyzed) }),
        _ => None,
    }
}

fn next_call(request: &Request) -> Work {
    match request.change.content.step(request.steps_done) {
        Some(_) => Work::Call { step: request.steps_done },
        None => Work::Conclude,
    }
}

/// An attempt without an end, or with an unknown one, comes before anything else.
fn after_attempts(request: &Request, otherwise: Work) -> Work {
    match request.attempts.last() {
        Some(attempt) if attempt.finished_at.is_none() => Work::NoteLost,
        Some(attempt) if matches!(attempt.outcome, Some(AttemptOutcome::Unknown(_))) => Work::Settle,
        _ => otherwise,
    }
}
