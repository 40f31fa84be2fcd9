//! What operators see of the engine's work: counts, spans, and the words of connectors in the host's log. The metrics
//! are those of `gatehouse_core::metrics`. Never the name of a person, and nothing that was not made fit to be read
//! (see `told`).

use crate::loading::Surroundings;
use gatehouse_core::metrics::{ATTEMPTS, CALL_MEMORY, CALL_SECONDS, CALLS, CLAIMS, GATE_DECISIONS, JOURNAL_DROPPED};
use gatehouse_core::ports::{Call, CallReport, Denial, JournalLine};
use gatehouse_core::{AttemptOutcome, CallFailure, Level, Request};
use tracing::Span;

/// The target under which connectors speak in the host's log.
const CONNECTOR: &str = "gatehouse::connector";

/// The span of a request's work.
pub(crate) fn request_span(request: &Request) -> Span {
    let span = tracing::info_span!(
        "request",
        request = %request.id,
        operation = ?request.operation,
        app = tracing::field::Empty,
        request_id = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    if let Some(correlation) = &request.correlation {
        span.record("request_id", correlation.request_id.as_str());
        span.record("trace_id", correlation.trace_id());
    }
    span
}

/// The span of one call of a connector.
pub(crate) fn call_span(around: &Surroundings, function: &'static str, attempt: usize) -> Span {
    let connector = &around.app.connector;
    let span = tracing::info_span!(
        "call",
        call = function,
        app = %around.app.name,
        connector = %connector.name,
        version = %connector.version,
        digest = %connector.digest.short(),
        attempt = tracing::field::Empty,
        result = tracing::field::Empty,
        requests = tracing::field::Empty,
        write_left = tracing::field::Empty,
        memory_bytes = tracing::field::Empty,
    );
    if attempt > 0 {
        span.record("attempt", i64::try_from(attempt).unwrap_or(i64::MAX));
    }
    span
}

/// A call of a connector has ended: it is counted, and the log says how it went and what the connector wrote.
pub(crate) fn called<T>(around: &Surroundings, function: &'static str, report: &CallReport<T>) {
    let failure = report.result.as_ref().err();
    count(around, function, &report.call, failure);
    let span = Span::current();
    span.record("result", result(failure));
    span.record("requests", i64::from(report.call.requests));
    span.record("write_left", report.call.write_left);
    span.record("memory_bytes", i64::try_from(report.call.peak_memory).unwrap_or(i64::MAX));
    report.call.journal.iter().for_each(said);
    report.call.denials.iter().for_each(denied);
    let milliseconds = u64::try_from(report.call.elapsed.as_millis()).unwrap_or(u64::MAX);
    match failure {
        Some(failure) => tracing::info!(milliseconds, %failure, "call failed"),
        None => tracing::debug!(milliseconds, "call ended"),
    }
}

fn count(around: &Surroundings, function: &'static str, call: &Call, failure: Option<&CallFailure>) {
    let (app, connector) = (&around.app.name, &around.app.connector.name);
    let labels = [
        ("app", app.clone()),
        ("connector", connector.clone()),
        ("call", function.to_owned()),
        ("result", result(failure).to_owned()),
    ];
    metrics::counter!(CALLS.name, &labels).increment(1);
    let labels = [("connector", connector.clone()), ("call", function.to_owned())];
    metrics::histogram!(CALL_SECONDS.name, &labels).record(call.elapsed.as_secs_f64());
    #[allow(clippy::cast_precision_loss)] // never near 2^52
    metrics::histogram!(CALL_MEMORY.name, &labels).record(call.peak_memory as f64);
    metrics::counter!(JOURNAL_DROPPED.name, "connector" => connector.clone()).increment(call.journal_dropped);
    let decided = |decision: &str, rule: &str| {
        let labels = [("connector", connector.clone()), ("decision", decision.to_owned()), ("rule", rule.to_owned())];
        metrics::counter!(GATE_DECISIONS.name, &labels)
    };
    decided("allowed", "").increment(u64::from(call.requests));
    call.denials.iter().for_each(|denial| decided("denied", &denial.rule).increment(1));
}

/// `ok`, or the kind of failure as the API spells it.
pub(crate) fn result(failure: Option<&CallFailure>) -> &'static str {
    failure.map_or("ok", |failure| failure.kind.name())
}

/// A line of the connector's, at its own level.
fn said(line: &JournalLine) {
    let fields: String = line.fields.iter().map(|(name, value)| format!(" {name}={value:?}")).collect();
    let text = format!("{}{fields}", line.message);
    match line.level {
        Level::Debug => tracing::debug!(target: CONNECTOR, "{text}"),
        Level::Info => tracing::info!(target: CONNECTOR, "{text}"),
        Level::Warn => tracing::warn!(target: CONNECTOR, "{text}"),
        Level::Error => tracing::error!(target: CONNECTOR, "{text}"),
    }
}

fn denied(denial: &Denial) {
    let Denial { rule, method, url, detail } = denial;
    tracing::warn!(%rule, %method, %url, %detail, "egress refused");
}

/// Attempts that have come to an end with this commit.
pub(crate) fn attempts_ended(app: &str, before: &Request, after: &Request) {
    for (at, attempt) in after.attempts.iter().enumerate() {
        let open_before = before.attempts.get(at).is_none_or(|attempt| attempt.outcome.is_none());
        let Some(outcome) = attempt.outcome.as_ref().filter(|_| open_before) else { continue };
        let outcome = match outcome {
            AttemptOutcome::Applied => "applied",
            AttemptOutcome::AlreadyApplied => "already_applied",
            AttemptOutcome::Failed(_) => "failed",
            AttemptOutcome::Unknown(_) => "unknown",
        };
        let labels = [("app", app.to_owned()), ("outcome", outcome.to_owned())];
        metrics::counter!(ATTEMPTS.name, &labels).increment(1);
    }
}

/// So many requests are being worked on.
pub(crate) fn claims_in_flight(count: usize) {
    #[allow(clippy::cast_precision_loss)] // never near 2^52
    metrics::gauge!(CLAIMS.name).set(count as f64);
}
