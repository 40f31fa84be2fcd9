//! What becomes of a request that was not settled when a backup was made, once that backup is restored: it may have
//! been done since. It never concludes that it was, or that it was not: that takes a look at the target.

use super::{Event, Moment, Transition, step};
use crate::{Actor, Level, LogEntry, Operation, Request, State};

const WHY: &str = "a backup was restored, and this may have been done since it was made";

/// A write that was still to be made gets an attempt without an end, as after a crash: it is settled by reading the
/// target. What waits for a person, or compares the target with what was known then, is cancelled. Nothing is to be
/// done about what is settled, about what writes nothing, and about a write whose outcome is open anyway.
pub fn restored(request: &Request, by: &Actor, moment: &Moment) -> Option<Transition> {
    let cancel = || {
        let why = format!("{WHY}; look at the target, and ask again if need be");
        step(request, Event::Cancel { by: by.clone(), why: why.clone() }, moment)
            .or_else(|_| step(request, Event::Fail { why }, moment))
    };
    let transition = match (request.operation, request.state) {
        (_, state) if state.is_settled() => return None,
        (Operation::Linking | Operation::Read, _) => return None,
        (Operation::Reconcile, _) | (_, State::New) => cancel(),
        (_, State::Requested) if request.awaits_date => cancel(),
        // Refused where an attempt is open, or unknown, as it is: it is settled anyway.
        _ => step(request, Event::AttemptStarted, moment),
    };
    let mut transition = transition.ok()?;
    let (source, message) = ("host".to_owned(), WHY.to_owned());
    let entry = LogEntry { at: moment.now, source, level: Level::Warn, message, fields: Vec::new() };
    transition.log.insert(0, entry);
    Some(transition)
}
