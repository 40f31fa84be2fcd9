//! What people decide about requests.

use super::open::{first_state, opened};
use super::{Draft, Refused, Transition};
use crate::approval::Chain;
use crate::{Actor, Approval, AttemptOutcome, Change, Level, Operation, Request, RequestId, Run, State, UserId};
use jiff::Timestamp;

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

/// Cancelled for the sake of another request, and never while it may have changed something.
pub(super) fn supersede(draft: Draft, by: &Actor, with: RequestId, why: Option<String>) -> Result<Transition, Refused> {
    let why = why.map(|why| format!("{why}: ")).unwrap_or_default();
    let mut transition = cancel(draft, by, &format!("{why}superseded by {with}"))?;
    transition.request.record.superseded_by = Some(with);
    Ok(transition)
}

pub(super) fn commit_plan(draft: Draft, by: &Actor) -> Result<Transition, Refused> {
    if let Some(why) = no_plan_to_commit(&draft.before) {
        return draft.refuse(why);
    }
    if draft.before.approval == Approval::Required {
        return draft.refuse("its plan waits for an approval");
    }
    let now = draft.now();
    Ok(draft.go(State::Committing, by, "the plan is committed")?.due_at(now).finish())
}

/// Why there is no plan of this request that could be committed, and what to do.
fn no_plan_to_commit(request: &Request) -> Option<&'static str> {
    if request.operation != Operation::Reconcile {
        return Some("only a Reconcile has a plan to commit; other requests run by themselves");
    }
    match request.state {
        State::Analyzed => None,
        State::New | State::Requested | State::Collecting | State::Collected | State::Analyzing => {
            Some("its plan is not ready; commit it once it is Analyzed")
        }
        State::Committing | State::Completed => Some("there is nothing left to commit"),
        State::Failed => Some("it has no plan to commit any more; retry it, or reconcile the app anew"),
        State::Retried => Some("another request has taken it up again; commit that one"),
        State::ManuallyCompleted | State::Cancelled => Some("it is over; reconcile the app anew"),
    }
}

/// The clone does the same again, from the first step that is not done: the same sealed change under a new number.
/// One that takes up a request in review looks at the target first: it inherits the attempt that nobody knows the
/// outcome of, and with it the duty to find out.
pub(super) fn retry(draft: Draft, by: &Actor, user: Option<UserId>, id: RequestId) -> Result<Transition, Refused> {
    let draft = draft.only_in(&[State::Failed])?;
    if draft.before.change.content == Change::Unplanned {
        return draft
            .refuse("nothing was planned that could be taken up again; correct what it says, and request it anew");
    }
    let mut clone = clone_of(&draft.before, id, by, draft.now());
    // Whoever takes it up again asks for it: what is left to approve of it is not theirs to approve.
    clone.requested_by = user.or(clone.requested_by);
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
    let approvals = before.approvals.as_ref();
    let approvals = match approval {
        Approval::Required => approvals.map(Chain::anew),
        _ => approvals.cloned(),
    };
    Request {
        id,
        state: first_state(before.operation),
        approval,
        approvals,
        attempts: Vec::new(),
        read_failures: 0,
        due: Some(now),
        error: None,
        needs_review: false,
        run: before.run.as_ref().map(|_| Run { collecting_since: Some(now), ..Run::default() }),
        parent: Some(before.id),
        root: before.root.or(Some(before.id)),
        retry_count: before.retry_count + 1,
        supersedes: None,
        superseded_by: None,
        run_at: None,
        awaits_date: false,
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
