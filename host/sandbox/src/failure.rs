//! What becomes of a call that did not end as it should: the error of the runtime, or the guest's own failure together
//! with what the host noted, becomes one [`CallFailure`] that names the limit, the trap or the refusal.

use crate::Limits;
use crate::journal::cut;
use crate::limits::LimitHit;
use crate::notes::Notes;
use gatehouse_core::{CallFailure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// The longest id of an account that stands in the way, in bytes; a longer one is left out.
const LONGEST_CONFLICT: usize = 4 << 10;

/// A failure as it may be kept and shown: its text is the guest's, or names a function of the guest's.
pub(crate) fn bounded(mut failure: CallFailure, limits: &Limits) -> CallFailure {
    failure.message = cut(&failure.message, limits.journal_line_bytes as usize);
    failure.conflicting = failure.conflicting.filter(|id| id.len() <= LONGEST_CONFLICT);
    failure
}

/// A limit was reached.
pub(crate) fn limit(hit: &LimitHit) -> CallFailure {
    CallFailure::new(FailureKind::Limit, hit.to_string())
}

/// The call ended with an error of the runtime.
pub(crate) fn of_error(error: &wasmtime::Error, notes: &Notes, limits: &Limits) -> CallFailure {
    if let Some(hit) = limit_behind(error, limits).or_else(|| notes.limit()) {
        return limit(&hit);
    }
    let place = place_of(error);
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return CallFailure::new(FailureKind::Trap, format!("it ended itself with exit code {}{place}", exit.0));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return CallFailure::new(FailureKind::Trap, format!("{trap}{place}"));
    }
    let kind = if place.is_empty() { FailureKind::Protocol } else { FailureKind::Trap };
    CallFailure::new(kind, format!("{}{place}", error.root_cause()))
}

/// The limit whose name the runtime does not give, found from its own words for it.
fn limit_behind(error: &wasmtime::Error, limits: &Limits) -> Option<LimitHit> {
    let hit = |name, advice| Some(LimitHit::of(limits, name, advice));
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return Some(hit.clone());
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return hit("stack_bytes", "the connector recurses too deeply");
    }
    let full = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full))
    };
    let text = error.root_cause().to_string();
    let says = |words: &str| text.contains(words);
    if error.chain().any(full) || says("handles exhausted") || says("resource table has no free keys") {
        return hit("handles", "the connector has to drop resources it no longer needs");
    }
    if says("fuel allocated for hostcalls") {
        return hit("host_call_bytes", "the connector has to pass less at once, in smaller pages");
    }
    if says("requested len") && says("exceeds limit") {
        return hit("random_bytes", "the connector has to ask for fewer random bytes at once");
    }
    if says("instance count too high") {
        return hit("core_instances", "the component is made of too many modules");
    }
    if says("memory count too high") {
        return hit("memories", "the component has too many memories");
    }
    if says("table count too high") {
        return hit("tables", "the component has too many tables");
    }
    None
}

/// The innermost function of the guest, as ` in name`.
fn place_of(error: &wasmtime::Error) -> String {
    let Some(frame) = error.downcast_ref::<WasmBacktrace>().and_then(|trace| trace.frames().first()) else {
        return String::new();
    };
    let named = frame.symbols().first().and_then(|symbol| symbol.name()).or_else(|| frame.func_name());
    named.map_or_else(|| format!(" in function {}", frame.func_index()), |name| format!(" in `{name}`"))
}

/// The connector answered with a failure of its own; what the host noted may be the real reason of it. The kind stays
/// the connector's once a write has left, since it may know what became of that.
pub(crate) fn of_guest(mut failure: CallFailure, notes: &Notes) -> CallFailure {
    if let Some(hit) = notes.limit() {
        return CallFailure::new(FailureKind::Limit, joined(&hit.to_string(), &failure.message));
    }
    let egress = notes.egress();
    let Some(denial) = egress.denials.last() else { return failure };
    let refused = format!("{} {} was refused ({}): {}", denial.method, denial.url, denial.rule, denial.detail);
    if failure.kind == FailureKind::Unavailable && !egress.write_left {
        return CallFailure::new(FailureKind::Denied, joined(&refused, &failure.message));
    }
    failure.message = joined(&failure.message, &refused);
    failure
}

fn joined(first: &str, second: &str) -> String {
    if first.is_empty() || second.is_empty() { format!("{first}{second}") } else { format!("{first}; {second}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_in_part_if_it_is_long_and_whole_if_not() {
        let limits = Limits { journal_line_bytes: 10, ..Limits::default() };
        let failure = |text: &str, id: String| CallFailure {
            conflicting: Some(id),
            ..CallFailure::new(FailureKind::Conflict, text)
        };
        let long = bounded(failure("it is far too long\x1b", "x".repeat(1 << 20)), &limits);
        assert_eq!((long.message.as_str(), long.conflicting), ("it is far …", None));
        let short = failure("it is not", "7".to_owned());
        assert_eq!(bounded(short.clone(), &limits), short);
    }
}
