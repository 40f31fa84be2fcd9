//! Requests that the guard against mass changes holds: what follows when somebody consents to the mass.

use super::open::first_state;
use super::{Draft, Refused, Transition};
use crate::{Actor, Approval, Level, State};

/// It goes on as if it had not been held: to its approval, if it needs one.
pub(super) fn release(draft: Draft, by: &Actor) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::New])?;
    if draft.after.held.take().is_none() {
        return draft.refuse("nothing holds it");
    }
    if draft.before.approval == Approval::Required {
        draft.note(Level::Info, format!("released by {by}: waits for approval"));
        draft.ask();
        return Ok(draft.finish());
    }
    let (to, now) = (first_state(draft.before.operation), draft.now());
    let mut draft = draft.go(to, by, "released")?;
    draft.after.due = (!draft.after.awaits_date).then_some(now);
    Ok(draft.finish())
}
