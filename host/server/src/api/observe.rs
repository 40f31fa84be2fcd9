//! What is seen of every call: a span with its request id, a line in the log, a count. Never bodies, never tokens,
//! never query strings, and of a path only the route it took.

use crate::telemetry::{adopt, correlation, traceparent};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use gatehouse_core::Correlation;
use gatehouse_core::metrics::{HTTP_REQUESTS, HTTP_SECONDS};
use std::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// Names a call in logs; taken from the caller if it is plain.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a call stands in a trace (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Methods that are told apart (RFC 9110 section 9.3, RFC 5789): callers may send any word.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method =
        METHODS.into_iter().find(|known| known == request.method()).map_or("_OTHER".to_owned(), |m| m.to_string());
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let id = request_id(request.headers());
    let span = span(&id, &method, &route);
    let given = header(request.headers(), &TRACEPARENT).and_then(traceparent);
    if let Some(given) = given {
        adopt(&span, given);
    }
    let correlation = correlation(&span, id.clone(), given);
    span.record("trace_id", correlation.trace_id());
    request.extensions_mut().insert(correlation);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    // Signed, here and in the engine: of unsigned numbers the export would make texts.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    span.in_scope(|| tracing::debug!("answered"));
    let labels = [("method", method.clone()), ("route", route.clone()), ("status", status.as_u16().to_string())];
    metrics::counter!(HTTP_REQUESTS.name, &labels).increment(1);
    let labels = [("method", method), ("route", route)];
    metrics::histogram!(HTTP_SECONDS.name, &labels).record(begun.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Named as OpenTelemetry's conventions for HTTP servers name it.
fn span(id: &str, method: &str, route: &str) -> Span {
    tracing::info_span!(
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        request_id = id,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        actor = Empty,
        trace_id = Empty,
    )
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn request_id(headers: &HeaderMap) -> String {
    match header(headers, &REQUEST_ID).filter(|text| Correlation::is_request_id(text)) {
        Some(given) => given.to_owned(),
        None => format!("{:016x}", getrandom::u64().unwrap_or_default()),
    }
}
