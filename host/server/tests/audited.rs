//! Every call that changes something leaves a record in the audit trail, which says by which call, from where and with
//! which token. An endpoint that is new needs a row in `calls` of tests/common/calls.rs: how to call it so that it does what it is for.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use common::calls::{Ask, Row, calls};
use serde_json::{Value as Json, json};

/// The endpoints that may change something, as the document has them.
fn endpoints() -> Vec<(String, String)> {
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| item.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone())));
    all.filter(|(method, _)| ["POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str())).collect()
}

#[test]
fn every_endpoint_that_may_change_something_has_a_row_here() {
    let (calls, endpoints) = (calls(), endpoints());
    for (method, path) in &endpoints {
        assert!(
            calls.iter().any(|(m, p, _)| m == method && p == path),
            "{method} {path} has no row in `calls` of tests/common/calls.rs: add one that says how to call it, so that it \
             is known to leave a record in the audit trail (or why it changes nothing)"
        );
    }
}

#[test]
fn every_call_that_changes_something_leaves_a_record_of_who_from_where_and_by_which_call() {
    let documented = endpoints();
    let mut without_fields = Vec::new();
    for (no, (method, path, row)) in calls().into_iter().enumerate() {
        // A row may be ahead of its endpoint where both are being made; the other test sees to the reverse.
        if !documented.contains(&(method.to_owned(), path.to_owned())) {
            continue;
        }
        match row {
            Row::Call(prepare) => {
                let name = format!("{method} {path}");
                if !leaves_a_record(&name, no, method, prepare) {
                    without_fields.push(name);
                }
            }
            Row::ChangesNothing(why) => assert!(!why.is_empty()),
            Row::Elsewhere(test, action) => {
                let text = std::fs::read_to_string(format!("{}/tests/{test}", env!("CARGO_MANIFEST_DIR"))).unwrap();
                assert!(text.contains(&format!("contains(\"{action}\")")), "{test} does not look for {action}");
            }
        }
    }
    assert_eq!(without_fields, WITHOUT_FIELDS, "a record says what was there before and after: see `changing`");
}

/// What changes no fields of a record of somebody's making, so that none stand before and after: it moves a request, an
/// account or a job in its life, which the action says, or asks for something.
const WITHOUT_FIELDS: &[&str] = &[
    "POST /api/v1/apps/{name}/provision",
    "POST /api/v1/apps/{name}/probe",
    "POST /api/v1/apps/{name}/reconcile",
    "POST /api/v1/apps/{app}/release",
    "POST /api/v1/apps/{app}/withdraw",
    "POST /api/v1/jobs/{job}/approve",
    "POST /api/v1/jobs/{job}/cancel",
    "POST /api/v1/requests",
    "POST /api/v1/requests/{id}/commit",
    "POST /api/v1/requests/{id}/approve",
    "POST /api/v1/requests/{id}/deny",
    "POST /api/v1/requests/{id}/retry",
    "POST /api/v1/requests/{id}/settle",
    "POST /api/v1/requests/{id}/complete",
    "POST /api/v1/requests/{id}/cancel",
    "POST /api/v1/users/{user}/erase",
    "PATCH /api/v1/requests/{id}",
    "POST /api/v1/audit/verify",
    "POST /api/v1/accounts/{id}/link",
    "POST /api/v1/accounts/{id}/unlink",
    "POST /api/v1/accounts/{id}/ignore",
];

/// Whether its record has fields before and after.
fn leaves_a_record(name: &str, no: usize, method: &str, prepare: fn(&Host) -> Ask) -> bool {
    let host = Host::start().with_app();
    let Ask { path, kind, bytes } = prepare(&host);
    let (bearer, call) = (format!("Bearer {}", host.token), format!("walk-{no}"));
    let headers = [("authorization", bearer.as_str()), ("content-type", kind), ("x-request-id", call.as_str())];
    let answer = host.send(method, &format!("/api/v1{path}"), &headers, &bytes);
    assert!((200..300).contains(&answer.status), "{name} was not done: {answer:?}");
    let trail = host.get("/audit?limit=1000").body;
    let records: Vec<&Json> = trail["items"].as_array().unwrap().iter().filter(|r| r["request_id"] == call).collect();
    assert!(
        !records.is_empty(),
        "{name} leaves no record of the call in the audit trail: write one in the commit of what it does, with \
         `self.audit(caller, …)`, or have `caller.remember(…)` or `caller.sign(…)` say by which call it was"
    );
    for record in &records {
        assert_eq!((&record["token"], &record["address"]), (&json!("first"), &json!("127.0.0.1")), "{name}: {record}");
    }
    let verified = host.post("/audit/verify", &json!({}));
    assert_eq!(verified.body["valid"], true, "{name}: {verified:?}");
    records.iter().any(|record| record["changes"].as_object().is_some_and(|changes| !changes.is_empty()))
}
