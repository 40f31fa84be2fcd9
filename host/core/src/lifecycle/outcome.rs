//! Writes whose outcome is not known: how they come to be, how long the target is given to show them, and what a
//! reading of the target leads to. What a reading proves is for `resolve` to say.

use super::attempts::{close, failed, seen, step_done, with_open_attempt};
use super::{Draft, OutcomeReport, Refused, Resolution, Transition};
use crate::{
    Account, AttemptOutcome, CallFailure, CommitStep, FailureKind, Level, LinkState, Operation, Reading, SentWrite,
    Showed, State, Subject,
};
use gatehouse_schema::Account as RemoteAccount;

/// The host was killed during a call. Whether a write left is not known, so it may have.
pub(super) fn lost(draft: Draft) -> Result<Transition, Refused> {
    let mut draft = with_open_attempt(draft)?;
    let now = draft.now();
    if draft.before.operation == Operation::Read {
        let failure = CallFailure::new(FailureKind::Unavailable, "the host stopped during the call");
        close(&mut draft, Some(false), AttemptOutcome::Failed(failure));
        return Ok(draft.due_at(now).finish());
    }
    let why = "the host stopped during the call";
    close(&mut draft, None, AttemptOutcome::Unknown(why.to_owned()));
    settle_later(draft, why)
}

pub(super) fn settle_later(mut draft: Draft, why: &str) -> Result<Transition, Refused> {
    let settle = std::time::Duration::from_secs(u64::from(draft.moment.retry.settle_seconds));
    let due = draft.now().checked_add(settle).unwrap_or(draft.now());
    draft.note(Level::Warn, format!("the outcome is unknown ({why}); the target is read at {due} to find out"));
    draft.after.error = Some(format!("outcome unknown: {why}"));
    Ok(draft.due_at(due).finish())
}

/// After a write has left, only answers of the target say that nothing was changed: one to every write, and the
/// connector's word. (A connector may write twice, and report how the second one was refused.)
pub(super) fn is_ambiguous(failure: &CallFailure, writes: &[SentWrite]) -> bool {
    !writes.iter().all(SentWrite::was_refused)
        || matches!(
            failure.kind,
            FailureKind::Unavailable
                | FailureKind::Limit
                | FailureKind::Trap
                | FailureKind::Protocol
                | FailureKind::Host
        )
}

pub(super) fn outcome_read(draft: Draft, report: OutcomeReport) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::Committing])?;
    if !outcome_unknown(&draft) {
        return draft.refuse("no outcome is unknown");
    }
    draft.after.read_failures = 0;
    note_reading(&mut draft, report.looked.reading);
    match report.looked.resolution {
        Resolution::Done(account) => {
            if let Some(why) = claimed(&draft, account.as_ref(), report.known.as_ref()) {
                return in_review(draft, &format!("a write left and no answer came, and {why}"));
            }
            close(&mut draft, Some(true), AttemptOutcome::Applied);
            step_done(draft, account, report.known, report.new_account, &report.names)
        }
        Resolution::NotDone(_) if looks_again(&draft) => look_again(draft),
        Resolution::NotDone(account) => {
            let failure = CallFailure::new(FailureKind::Unavailable, "the write did not arrive");
            close(&mut draft, None, AttemptOutcome::Failed(failure.clone()));
            // The next try expects the version that was just read: one that comes late finds another, and is refused.
            if let (Some(known), Some(fresh)) = (report.known, account) {
                let account = seen(&draft, known, &fresh, &report.names);
                draft.accounts.push(account);
            }
            failed(draft, failure)
        }
        Resolution::Gone => {
            let failure = CallFailure::new(FailureKind::NotFound, "it is gone since the change was sent");
            close(&mut draft, None, AttemptOutcome::Failed(failure.clone()));
            draft.fail(failure.to_string())
        }
        Resolution::Unprovable(why) => in_review(draft, &format!("a write left and no answer came, and {why}")),
    }
}

/// Readings of one attempt that are kept. Requests in review may be taken up again and again.
const READINGS: usize = 12;

fn note_reading(draft: &mut Draft, reading: Reading) {
    let showed = match reading.showed {
        Showed::Made => "the change was made",
        Showed::NotMade => "the change was not made",
        Showed::Gone => "there is nothing left to change",
        Showed::Unclear => "it cannot be told whether the change was made",
    };
    draft.note(Level::Info, format!("the target was asked for {}: {showed}, since {}", reading.asked, reading.why));
    if let Some(attempt) = draft.after.attempts.last_mut() {
        let surplus = (attempt.readings.len() + 1).saturating_sub(READINGS);
        attempt.readings.drain(..surplus);
        attempt.readings.push(reading);
    }
}

/// A create is only made again after two looks in a row that did not find its account: some targets show what is new
/// late, and nothing else would keep the second account from being made.
fn looks_again(draft: &Draft) -> bool {
    let creates = matches!(draft.after.change.content.step(draft.after.steps_done), Some(CommitStep::Create(_)));
    let readings = draft.after.attempts.last().map_or(&[][..], |attempt| &attempt.readings);
    creates && readings.iter().rev().take_while(|reading| reading.showed == Showed::NotMade).count() < 2
}

fn look_again(mut draft: Draft) -> Result<Transition, Refused> {
    let patience = (u64::from(draft.moment.retry.settle_seconds) * 4).max(1);
    let due = draft.now().checked_add(std::time::Duration::from_secs(patience)).unwrap_or(draft.now());
    draft.note(Level::Info, format!("the target may only be late to show it, and is read once more at {due}"));
    Ok(draft.due_at(due).finish())
}

/// Why an account that a create has led to is not to become the user's: by what is known here, it is another's.
pub(super) fn claimed(draft: &Draft, shown: Option<&RemoteAccount>, known: Option<&Account>) -> Option<String> {
    let (shown, known) = (shown?, known?);
    let creates = matches!(draft.after.change.content.step(draft.after.steps_done), Some(CommitStep::Create(_)));
    if !creates || known.external_id.as_deref() != Some(shown.external_id.as_str()) {
        return None;
    }
    let own = match draft.after.subject {
        Subject::User(user) => Some(user),
        _ => None,
    };
    let account = format!("account {} is {}", shown.external_id, known.id);
    match (known.link_state, known.user) {
        (LinkState::Ignored, _) => Some(format!("{account}, which is to be left alone")),
        (LinkState::Linked, Some(user)) if Some(user) != own => Some(format!("{account}, linked to {user}")),
        _ => None,
    }
}

/// Ends it, for a person to say what came of the last write.
pub(super) fn in_review(mut draft: Draft, why: &str) -> Result<Transition, Refused> {
    draft.after.needs_review = true;
    draft.fail(format!("needs review: {why}"))
}

/// Whether the last attempt may have changed something, and nobody knows.
pub(super) fn outcome_unknown(draft: &Draft) -> bool {
    draft.before.attempts.last().is_some_and(|attempt| matches!(attempt.outcome, Some(AttemptOutcome::Unknown(_))))
}
