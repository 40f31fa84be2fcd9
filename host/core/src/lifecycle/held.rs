//! Requests that the guard against mass changes holds: what follows when somebody consents to the mass.

use super::open::first_state;
use super::{Draft, Refused, Transition};
use crate::{Actor, Approval, AuditRecord, Level, State};

/// It goes on as if it had not been held: to its approval, if it needs one.
pub(super) fn release(draft: Draft, by: &Actor) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::New])?;
    let Some(held) = draft.after.held.take() else { return draft.refuse("nothing holds it") };
    draft.after.released = true;
    let mut record =
        AuditRecord::new(draft.now(), by, "request.release", draft.before.id.to_string()).with("held", held);
    (record.app, record.request) = (Some(draft.before.app), Some(draft.before.id));
    draft.audit.push(record);
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
