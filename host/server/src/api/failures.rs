//! Which failures each call can be answered with: worked out from what it takes, so that no route can forget one. It
//! documents; `api::problem` answers.

use super::Problem;
use utoipa::PartialSchema;
use utoipa::openapi::path::{HttpMethod, Operation, ParameterIn};
use utoipa::openapi::{
    Content, Header, ObjectBuilder, RefOr, Response, ResponseBuilder, schema::SchemaType, schema::Type,
};

/// A status, what it means, and the `type`s of its problems, after the namespace.
type Failure = (u16, &'static str, &'static [&'static str]);

const BAD_REQUEST: Failure = (
    400,
    "The path, a parameter, a header or the JSON cannot be read",
    &["bad-path", "bad-parameter", "bad-cursor", "bad-key", "malformed", "bad-body"],
);
const UNAUTHORISED: Failure = (401, "No token was sent, or none that is good", &["unauthorised"]);
const FORBIDDEN: Failure = (403, "Whoever calls may not do this", &["forbidden", "consent-needed"]);
const NOT_FOUND: Failure = (404, "What was named is not there", &["not-found"]);
const CONFLICT: Failure = (
    409,
    "What is there stands in the way, or has changed meanwhile",
    &["conflict", "wrong-state", "changed-meanwhile"],
);
const CHANGED: Failure = (412, "The record is not the one that If-Match names", &["changed"]);
const TOO_LARGE: Failure = (413, "The body is larger than the call takes", &["too-large"]);
const MEDIA_TYPE: Failure = (415, "The body is of another media type", &["media-type"]);
const INVALID: Failure = (422, "What was sent makes no sense; `errors` says where", &["invalid", "key-reused"]);
const TOO_MANY: Failure = (429, "Too many calls with this token; Retry-After says when to go on", &["too-many-calls"]);
const INTERNAL: Failure = (500, "Our fault; the log has it under the answer's X-Request-Id", &["internal"]);
const UNAVAILABLE: Failure = (503, "The store is unavailable", &["store-unavailable"]);

/// The failures of an operation that needs a token.
fn of(method: &HttpMethod, operation: &Operation) -> Vec<Failure> {
    let takes = |what: ParameterIn| operation.parameters.iter().flatten().any(|p| in_place(p, &what));
    let changes = *method != HttpMethod::Get;
    let body = operation.request_body.is_some();
    let all = [
        (true, BAD_REQUEST),
        (true, UNAUTHORISED),
        (true, FORBIDDEN),
        (takes(ParameterIn::Path) || takes(ParameterIn::Query) || body, NOT_FOUND),
        (changes, CONFLICT),
        // Also without a body of its own: whoever calls may have sent an If-Match with anything.
        (true, CHANGED),
        (changes, TOO_LARGE),
        (body, MEDIA_TYPE),
        (true, INVALID),
        (true, TOO_MANY),
        (true, INTERNAL),
        (true, UNAVAILABLE),
    ];
    all.into_iter().filter_map(|(can, failure)| can.then_some(failure)).collect()
}

fn in_place(parameter: &RefOr<utoipa::openapi::path::Parameter>, place: &ParameterIn) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place)
}

/// Puts an operation's failures in the place of the word for any of them.
pub(super) fn document(method: &HttpMethod, operation: &mut Operation) {
    operation.responses.responses.remove("default");
    for failure in of(method, operation) {
        let known = operation.responses.responses.entry(failure.0.to_string());
        known.or_insert_with(|| RefOr::T(response(failure)));
    }
}

fn response((status, about, cases): Failure) -> Response {
    let cases: Vec<String> = cases.iter().map(|case| format!("`urn:gatehouse:problem:{case}`")).collect();
    let text = |about: &str| {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build();
        let mut header = Header::new(schema);
        header.description = Some(about.to_owned());
        header
    };
    let mut response = ResponseBuilder::new()
        .description(format!("{about}: {}", cases.join(", ")))
        .content("application/problem+json", Content::new(Some(Problem::schema())));
    if status == 401 {
        response = response.header("WWW-Authenticate", text("What is asked for (RFC 6750)."));
    }
    if status == 429 {
        response = response.header("Retry-After", text("After how many seconds to try again."));
    }
    response.build()
}
