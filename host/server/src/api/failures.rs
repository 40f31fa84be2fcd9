//! Which failures each call can be answered with: worked out from what it takes, so that no route can forget one. It
//! documents; `api::problem` answers.

use super::facts::Facts;
use super::{Problem, examples};
use std::collections::BTreeMap;
use utoipa::PartialSchema;
use utoipa::openapi::path::{HttpMethod, Operation, ParameterIn};
use utoipa::openapi::{Content, RefOr, Response, ResponseBuilder};

/// What a status means.
const STATUSES: [(u16, &str); 13] = [
    (400, "The path, a parameter, a header or the body cannot be read"),
    (401, "No token was sent, or none that is good"),
    (403, "Whoever calls may not do this"),
    (404, "What was named is not there"),
    (409, "What is there stands in the way, or has changed meanwhile"),
    (412, "The record is not the one that If-Match names"),
    (413, "The body is larger than the call takes"),
    (415, "The body is of another media type"),
    (422, "What was sent makes no sense; `errors` says where"),
    (429, "Too many calls with this token, or too many tokens that are not good; Retry-After says when to go on"),
    (500, "Our fault; the log has it under the answer's X-Request-Id"),
    (503, "The store is unavailable"),
    (507, "The host's data disk has no space"),
];

/// A failure: its status, and the `type` of its problem, after the namespace.
type Failure = (u16, &'static str);

/// Every call that needs a token can fail like this.
const ALWAYS: [Failure; 6] = [
    (401, "unauthorised"),
    (403, "forbidden"),
    (429, "too-many-calls"),
    (429, "too-many-attempts"),
    (500, "internal"),
    (503, "store-unavailable"),
];

/// Why a component is not fit to be a connector is told in the sandbox's own words, which grow with it.
const UNFIT: Failure = (422, "connector-…");

/// What single calls can fail with besides.
const PARTICULAR: [(HttpMethod, &str, &[Failure]); 7] = [
    (HttpMethod::Post, "/api/v1/connectors", &[(403, "consent-needed"), UNFIT]),
    (HttpMethod::Post, "/api/v1/connectors/check", &[UNFIT]),
    (HttpMethod::Post, "/api/v1/requests/{id}/approve", &[(403, "not-an-approver")]),
    (HttpMethod::Post, "/api/v1/requests/{id}/deny", &[(403, "not-an-approver")]),
    (HttpMethod::Post, "/api/v1/restore", &[(422, "not-restored"), (507, "no-space")]),
    (HttpMethod::Get, "/api/v1/backup", &[(507, "no-space")]),
    (HttpMethod::Get, "/api/v1/requests/{id}/staging", &[(409, "conflict")]),
];

/// Queries that name something.
const NAMING: [&str; 4] = ["app", "user", "manager", "awaiting"];

/// Calls whose body names something that has to be there.
const NAMING_BODIES: [&str; 3] = ["/api/v1/apps", "/api/v1/requests", "/api/v1/delegations"];

/// The failures of an operation that needs a token.
fn of(facts: Facts<'_>) -> BTreeMap<u16, Vec<&'static str>> {
    let Facts { method, path, .. } = facts;
    let query = |name: &'static str| facts.takes(ParameterIn::Query, move |of| of == name);
    let (changes, post) = (facts.changes(), *method == HttpMethod::Post);
    let named = facts.takes(ParameterIn::Path, |_| true);
    let sets = *method == HttpMethod::Put;
    let spelled = facts.takes(ParameterIn::Path, |name| ["id", "job", "connector"].contains(&name));
    let json = facts.reads("application/json");
    let naming = facts.takes(ParameterIn::Query, |name| NAMING.contains(&name)) || path == "/api/v1/audit/export";
    let parts = [
        (named, (400, "bad-path")),
        (facts.takes(ParameterIn::Query, |_| true), (400, "bad-parameter")),
        (query("after"), (400, "bad-cursor")),
        (post, (400, "bad-key")),
        (json, (400, "malformed")),
        (facts.has_body(), (400, "bad-body")),
        ((named && !sets) || naming || (post && NAMING_BODIES.contains(&path)), (404, "not-found")),
        (changes, (409, "conflict")),
        (changes, (409, "changed-meanwhile")),
        (facts.decides(), (409, "wrong-state")),
        (facts.honours_if_match(), (412, "changed")),
        (facts.has_body(), (413, "too-large")),
        (json || facts.reads("text/csv"), (415, "media-type")),
        (json || spelled || facts.has_body() || facts.takes(ParameterIn::Query, |_| true), (422, "invalid")),
        (facts.honours_idempotency_key(), (422, "key-reused")),
    ];
    let particular = PARTICULAR.iter().filter(|(by, of, _)| by == method && *of == path);
    let derived = parts.into_iter().filter_map(|(can, failure)| can.then_some(failure));
    let mut all: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for (status, case) in ALWAYS.into_iter().chain(derived).chain(particular.flat_map(|(_, _, of)| of.iter().copied()))
    {
        let cases = all.entry(status).or_default();
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    all
}

/// Puts an operation's failures in the place of the word for any of them.
pub(super) fn document(method: &HttpMethod, path: &str, operation: &mut Operation) {
    operation.responses.responses.remove("default");
    for (status, cases) in of(Facts { method, path, operation }) {
        let known = operation.responses.responses.entry(status.to_string());
        known.or_insert_with(|| RefOr::T(response(status, &cases)));
    }
}

fn response(status: u16, cases: &[&str]) -> Response {
    let about = STATUSES.iter().find(|(of, _)| *of == status).map_or("", |(_, about)| about);
    let told: Vec<String> = cases.iter().map(|case| format!("`urn:gatehouse:problem:{case}`")).collect();
    let mut content = Content::new(Some(Problem::schema()));
    content.examples = examples::of_problems(cases);
    ResponseBuilder::new()
        .description(format!("{about}: {}", told.join(", ")))
        .content("application/problem+json", content)
        .build()
}
