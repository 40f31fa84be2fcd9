//! Requests with a date to run at. Until it comes they are in no lane; what they are to do then is planned anew by
//! whoever says that it has come.

use super::{Draft, Refused, Transition};
use crate::{Actor, Level, State};
use jiff::Timestamp;

/// Another date, for one whose date has not come.
pub(super) fn reschedule(draft: Draft, by: &Actor, run_at: Timestamp) -> Result<Transition, Refused> {
    let mut draft = waiting(draft)?;
    let before = draft.before.run_at.map(|at| at.to_string()).unwrap_or_default();
    draft.after.run_at = Some(run_at);
    draft.note(Level::Info, format!("{by} has it run at {run_at}, no longer at {before}"));
    let record = draft.record(by, "request.reschedule").with("from", before).with("to", run_at);
    draft.audit.push(record);
    Ok(draft.finish())
}

/// From now on it is like any other.
pub(super) fn came(draft: Draft) -> Result<Transition, Refused> {
    let mut draft = waiting(draft)?;
    let now = draft.now();
    if draft.before.run_at.is_some_and(|at| at > now) {
        return draft.refuse("its date has not come");
    }
    draft.after.awaits_date = false;
    draft.after.due = (draft.after.state != State::New).then_some(now);
    draft.note(Level::Info, "its date has come");
    Ok(draft.finish())
}

fn waiting(draft: Draft) -> Result<Draft, Refused> {
    if !draft.before.awaits_date {
        return draft.refuse("it waits for no date");
    }
    draft.only_in(&[State::New, State::Requested])
}
