//! What operators count: names of the metrics, each used in one place. Never carries the name of a person.

use gatehouse_core::ports::Call;
use gatehouse_core::{CallFailure, Operation, State};

/// A request has reached a state.
pub(crate) fn request_reached(operation: Operation, state: State) {
    let labels = [("operation", format!("{operation:?}")), ("state", format!("{state:?}"))];
    metrics::counter!("gatehouse_requests_total", &labels).increment(1);
}

/// A call of a connector has ended.
pub(crate) fn called(app: &str, function: &'static str, call: &Call, failure: Option<&CallFailure>) {
    let result = failure.map_or_else(|| "ok".to_owned(), |failure| format!("{:?}", failure.kind));
    let labels = [("app", app.to_owned()), ("call", function.to_owned()), ("result", result)];
    metrics::counter!("gatehouse_connector_calls_total", &labels).increment(1);
    let labels = [("app", app.to_owned()), ("call", function.to_owned())];
    metrics::histogram!("gatehouse_call_seconds", &labels).record(call.elapsed.as_secs_f64());
    for denial in &call.denials {
        metrics::counter!("gatehouse_egress_denials_total", "rule" => denial.rule.clone()).increment(1);
    }
}

/// So many requests are being worked on.
pub(crate) fn claims_in_flight(count: usize) {
    #[allow(clippy::cast_precision_loss)] // never near 2^52
    metrics::gauge!("gatehouse_claims_in_flight").set(count as f64);
}
