//! Where a span stands in a trace (W3C Trace Context): taken from callers, handed on to the work they ask for. Targets
//! and connectors are told nothing of it.

use gatehouse_core::Correlation;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header.
const TRACEPARENT: &str = "traceparent";

/// Whether a text is a `traceparent` of the version that is known (section 3.2): version, trace, parent, flags.
pub fn traceparent(text: &str) -> Option<&str> {
    let lower_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return None };
    let lengths = [version.len(), trace.len(), parent.len(), flags.len()] == [2, 32, 16, 2];
    let numbers = parts.iter().all(|part| lower_hex(part));
    let real = |part: &str| part.bytes().any(|byte| byte != b'0');
    (lengths && numbers && *version == "00" && real(trace) && real(parent)).then_some(text)
}

/// Makes a span part of the trace that a `traceparent` names. Nothing happens where nothing is exported.
pub fn adopt(span: &Span, traceparent: &str) {
    let parent = TraceContextPropagator::new().extract(&Parent(traceparent));
    let _not_exported = span.set_parent(parent);
}

/// What ties the work that a call asks for to that call: its request id, and its place in a trace, if it has one.
pub fn correlation(span: &Span, request_id: String, given: Option<&str>) -> Correlation {
    let context = span.context();
    let here = context.span().span_context().clone();
    let ours = here
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", here.trace_id(), here.span_id(), here.trace_flags().to_u8()));
    Correlation { request_id, traceparent: ours.or_else(|| given.map(str::to_owned)) }
}

struct Parent<'a>(&'a str);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn only_a_well_formed_traceparent_is_taken() {
        assert_eq!(traceparent(GOOD), Some(GOOD));
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n",
        ] {
            assert_eq!(traceparent(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn without_an_export_the_callers_place_in_a_trace_is_handed_on() {
        let correlation = correlation(&Span::none(), "id".to_owned(), Some(GOOD));
        assert_eq!(correlation.traceparent.as_deref(), Some(GOOD));
        assert_eq!(correlation.trace_id(), Some("0af7651916cd43dd8448eb211c80319c"));
    }
}
