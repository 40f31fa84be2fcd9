//! What becomes of a call that did not end as it should: the error of the runtime, or the guest's own failure together
//! with what the host noted, becomes one [`CallFailure`] that names the limit, the trap or the refusal.

use crate::Limits;
use crate::journal::cut;
use crate::limits::LimitHit;
use crate::notes::Notes;
use gatehouse_core::ports::Denial;
use gatehouse_core::{CallFailure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// The rules about answers: their requests had left.
const ANSWERS: [&str; 4] = ["redirect", "secret-reflected", "content-encoding", "response-too-large"];

/// A failure as it may be kept and shown: its text is the guest's, or names a function of the guest's.
pub(crate) fn bounded(mut failure: CallFailure, limits: &Limits) -> CallFailure {
    failure.message = cut(&failure.message, limits.journal_line_bytes as usize);
    failure.conflicting = failure.conflicting.filter(|id| id.len() as u64 <= limits.external_id_bytes);
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
    if says("size of fields exceeds limit") {
        return hit("header_bytes", "the connector sets too many headers, or too long ones");
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

/// The limit that a component asks to go beyond with all its instances, in the pool's own words for it.
pub(crate) fn pool_limit(error: &wasmtime::Error, limits: &Limits) -> Option<LimitHit> {
    let text = error.root_cause().to_string();
    let rows = [
        ("core module instances", "core_instances"),
        ("linear memories", "memories"),
        ("tables", "tables"),
        ("bytes", "memory_bytes"),
    ];
    let exceeds = text.contains("exceeds the ") || text.contains("exceeds the configured");
    let row = rows.into_iter().find(|(words, _)| exceeds && text.contains(words));
    row.map(|(_, name)| LimitHit::of(limits, name, "make the component smaller"))
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
    if let Some(hit) = notes.slow().filter(|_| failure.kind == FailureKind::Unavailable) {
        failure.message = joined(&failure.message, &hit.to_string());
    }
    let egress = notes.egress();
    let Some(denial) = egress.denials.last() else { return failure };
    let refused = refusal_of(denial);
    let unreached = matches!(failure.kind, FailureKind::Unavailable | FailureKind::Forbidden) && egress.last_refused;
    if unreached && !egress.write_left {
        return CallFailure::new(FailureKind::Denied, joined(&refused, &failure.message));
    }
    failure.message = joined(&failure.message, &refused);
    failure
}

/// What was refused, and why: a request that never left, or an answer that the connector does not get to see.
fn refusal_of(denial: &Denial) -> String {
    let answer = ANSWERS.contains(&denial.rule.as_str());
    let of = if answer { "the answer to " } else { "" };
    format!("{of}{} {} was refused ({}): {}", denial.method, denial.url, denial.rule, denial.detail)
}

fn joined(first: &str, second: &str) -> String {
    if first.is_empty() || second.is_empty() { format!("{first}{second}") } else { format!("{first}; {second}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes_of(rule: &str, last_refused: bool) -> Notes {
        let notes = Notes::new(&Limits::default());
        let text = |text: &str| text.to_owned();
        let denial = Denial { rule: text(rule), method: text("GET"), url: text("u"), detail: text("why") };
        notes.egress().denials.push(denial);
        notes.egress().last_refused = last_refused;
        notes
    }

    #[test]
    fn what_the_gate_refused_is_denied_whatever_the_connector_makes_of_it() {
        for kind in [FailureKind::Unavailable, FailureKind::Forbidden] {
            let failure = of_guest(CallFailure::new(kind, "no"), &notes_of("private-address", true));
            assert_eq!(
                (failure.kind, failure.message.as_str()),
                (FailureKind::Denied, "GET u was refused (private-address): why; no")
            );
        }
    }

    #[test]
    fn what_the_target_refused_after_it_stays_the_targets() {
        let failure = of_guest(CallFailure::new(FailureKind::Forbidden, "no"), &notes_of("private-address", false));
        assert_eq!(failure.kind, FailureKind::Forbidden);
        assert!(failure.message.starts_with("no; GET u was refused"), "{failure}");
        let failure = of_guest(CallFailure::new(FailureKind::Rejected, "no"), &notes_of("private-address", true));
        assert_eq!(failure.kind, FailureKind::Rejected);
    }

    #[test]
    fn an_answer_that_was_refused_is_told_from_a_request_that_never_left() {
        let failure = of_guest(CallFailure::new(FailureKind::Unavailable, ""), &notes_of("secret-reflected", true));
        assert_eq!(failure.message, "the answer to GET u was refused (secret-reflected): why");
    }

    #[test]
    fn a_target_that_is_too_slow_is_unavailable_and_the_limit_is_named() {
        let notes = Notes::new(&Limits::default());
        notes.was_slow(LimitHit::of(&Limits::default(), "response_ms", "slow"));
        let failure = of_guest(CallFailure::new(FailureKind::Unavailable, "timeout"), &notes);
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert_eq!(failure.message, "timeout; limit `response_ms` of 60 s reached; slow");
        assert_eq!(of_guest(CallFailure::new(FailureKind::Rejected, "no"), &notes).message, "no");
    }

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
