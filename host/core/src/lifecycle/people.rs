//! What people decide about requests.

use super::open::{first_state, opened};
use super::{Draft, Refused, Transition};
use crate::{Actor, Approval, AttemptOutcome, Change, Digest, Level, Operation, Request, RequestId, Run, State};
use jiff::Timestamp;

/// Approval binds to the digest of what was seen: the sealed change, or the sealed plan of a reconciliation.
pub(super) fn approve(draft: Draft, by: &Actor, digest: Digest) -> Result<Transition, Refused> {
    let draft = awaiting_approval(draft)?;
    let sealed = sealed_digest(&draft.before);
    if sealed != Some(digest) {
        return draft.refuse("what is to be done is not what was approved; look at it again");
    }
    let to = match draft.before.operation {
        Operation::Reconcile => State::Committing,
        operation => first_state(operation),
    };
    let now = draft.now();
    let mut draft = draft.go(to, by, "approved")?.due_at(now);
    draft.after.approval = Approval::Approved;
    Ok(draft.finish())
}

pub(super) fn deny(draft: Draft, by: &Actor, why: &str) -> Result<Transition, Refused> {
    let draft = awaiting_approval(draft)?;
    let mut draft = draft.go(State::Cancelled, by, &format!("denied: {why}"))?;
    draft.after.approval = Approval::Denied;
    Ok(draft.finish())
}

fn awaiting_approval(draft: Draft) -> Result<Draft, Refused> {
    let waits = matches!(draft.before.state, State::New | State::Analyzed);
    if draft.before.held.is_some() {
        return draft.refuse("the guard against mass changes holds it; release the app's held requests first");
    }
    if !waits || draft.before.approval != Approval::Required {
        return draft.refuse("it does not wait for an approval");
    }
    Ok(draft)
}

/// What an approver approves.
fn sealed_digest(request: &Request) -> Option<Digest> {
    match request.operation {
        Operation::Reconcile => request.run.as_ref().and_then(|run| run.plan),
        _ => Some(request.change.digest),
    }
}

/// Nothing is cancelled that may have been done: of a change that is being made, only one whose attempts are all
/// known to have changed nothing.
pub(super) fn cancel(draft: Draft, by: &Actor, why: &str) -> Result<Transition, Refused> {
    let request = &draft.before;
    if request.state.is_settled() {
        return draft.refuse("there is nothing left to cancel");
    }
    let harmless = request.attempts.iter().all(|attempt| matches!(attempt.outcome, Some(AttemptOutcome::Failed(_))));
    let committing = request.state == State::Committing;
    if committing && (request.operation == Operation::Reconcile || !harmless || request.steps_done > 0) {
        return draft.refuse("the change is being made; wait for its end, then undo it with a request of its own");
    }
    Ok(draft.go(State::Cancelled, by, why)?.finish())
}

pub(super) fn commit_plan(draft: Draft, by: &Actor) -> Result<Transition, Refused> {
    let draft = draft.only_in(&[State::Analyzed])?;
    if draft.before.approval == Approval::Required {
        return draft.refuse("its plan waits for an approval");
    }
    let now = draft.now();
    Ok(draft.go(State::Committing, by, "the plan is committed")?.due_at(now).finish())
}

/// The clone does the same again, from the first step that is not done: the same sealed change under a new number.
/// One that takes up a request in review looks at the target first: it inherits the attempt that nobody knows the
/// outcome of, and with it the duty to find out.
pub(super) fn retry(draft: Draft, by: &Actor, id: RequestId) -> Result<Transition, Refused> {
    let draft = draft.only_in(&[State::Failed])?;
    if draft.before.change.content == Change::Unplanned {
        return draft
            .refuse("nothing was planned that could be taken up again; correct what it says, and request it anew");
    }
    let mut clone = clone_of(&draft.before, id, by, draft.now());
    if draft.before.is_in_review() {
        clone.state = State::Committing;
        clone.attempts = draft.before.attempts.last().cloned().into_iter().collect();
    }
    retried(draft, by, &format!("taken up again as {id}"), clone)
}

/// Goes to Retried, and raises the clone.
pub(super) fn retried(draft: Draft, by: &Actor, why: &str, clone: Request) -> Result<Transition, Refused> {
    let now = draft.now();
    let mut draft = draft.go(State::Retried, by, why)?;
    draft.after.needs_review = false;
    draft.audit.extend(opened(clone.clone(), now).audit);
    draft.raise.push(clone);
    Ok(draft.finish())
}

/// The same request under a new number, with nothing tried yet.
pub(super) fn clone_of(before: &Request, id: RequestId, by: &Actor, now: Timestamp) -> Request {
    let approval = match before.operation {
        // A new plan needs a new approval.
        Operation::Reconcile if before.approval != Approval::NotRequired => Approval::Required,
        _ => before.approval,
    };
    Request {
        id,
        state: first_state(before.operation),
        approval,
        attempts: Vec::new(),
        read_failures: 0,
        due: Some(now),
        error: None,
        needs_review: false,
        run: before.run.as_ref().map(|_| Run { collecting_since: Some(now), ..Run::default() }),
        parent: Some(before.id),
        root: before.root.or(Some(before.id)),
        retry_count: before.retry_count + 1,
        created_by: by.clone(),
        created_at: now,
        updated_at: now,
        version: 0,
        ..before.clone()
    }
}

pub(super) fn complete_manually(draft: Draft, by: &Actor, note: &str) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::Failed])?.go(State::ManuallyCompleted, by, note)?;
    draft.after.needs_review = false;
    draft.note(Level::Info, format!("completed by hand by {by}: {note}"));
    Ok(draft.finish())
}
