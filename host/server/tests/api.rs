//! The API over a real listener: who may call, what a repetition does, what stale versions do, and what bad input is
//! answered with.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Host, component};
use serde_json::json;
use std::sync::atomic::Ordering;

#[test]
fn nothing_but_health_metrics_and_the_document_is_answered_without_a_token() {
    let host = Host::start();
    let document = host.send("GET", "/api/v1/openapi.json", &[], b"");
    for (path, item) in document.body["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| key.len() < 7) {
            let answer = host.send(&method.to_uppercase(), path, &[], b"");
            let open = ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"].contains(&path.as_str());
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {path}");
        }
    }
}

#[test]
fn every_refusal_is_a_problem() {
    let host = Host::start();
    let document = host.send("GET", "/api/v1/openapi.json", &[], b"");
    let bearer = format!("Bearer {}", host.token);
    for (path, item) in document.body["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| key.len() < 7) {
            let unreadable = path.replace('{', "%FF{").replace(['{', '}'], "");
            for called in [unreadable.clone(), format!("{unreadable}?no_such_parameter=1")] {
                let answer = host.send(&method.to_uppercase(), &called, &[("authorization", &bearer)], b"\xff");
                let refused = answer.status >= 400;
                assert!(
                    !refused || answer.header("content-type") == "application/problem+json",
                    "{called}: {answer:?}"
                );
                assert!(refused || !path.contains('{'), "{method} {called}: {answer:?}");
            }
        }
    }
    let restore = host.post("/restore?from_another=1", &json!({}));
    assert_eq!((restore.status, restore.case()), (400, "bad-parameter"), "{restore:?}");
    let request = host.get("/requests/%FF");
    assert_eq!((request.status, request.case()), (400, "bad-path"), "{request:?}");
}

#[test]
fn a_wrong_token_is_told_what_to_do_and_a_revoked_one_is_wrong_at_once() {
    let host = Host::start();
    let with = |token: &str| host.send("GET", "/api/v1/apps", &[("authorization", &format!("Bearer {token}"))], b"");
    let wrong = with("ghs_wrong");
    assert_eq!((wrong.status, wrong.case()), (401, "unauthorised"));
    assert!(wrong.header("www-authenticate").contains("invalid_token"));
    let missing = host.send("GET", "/api/v1/apps", &[], b"");
    assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"gatehouse\"");

    let made = host.post("/tokens", &json!({"name": "script"}));
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("ghs_") && token.len() == 47, "{token}");
    assert_eq!(with(token).status, 200);
    assert_eq!(host.call("DELETE", "/tokens/script", &[], None).status, 204);
    assert_eq!(with(token).status, 401);
    let last = host.call("DELETE", "/tokens/first", &[], None);
    assert_eq!((last.status, last.case()), (409, "conflict"), "the last good token cannot be revoked");
    assert!(last.text.contains("installation's own") && last.text.contains("gatehouse token create"), "{last:?}");
    assert_eq!(host.post("/tokens", &json!({"name": "reader", "scopes": ["read"]})).status, 201);
    let last = host.call("DELETE", "/tokens/first", &[], None);
    assert_eq!(last.status, 409, "with the other one nobody could make tokens: {last:?}");
    assert_eq!(host.post("/tokens", &json!({"name": "second"})).status, 201);
    assert_eq!(host.call("DELETE", "/tokens/first", &[], None).status, 204, "its twin");
}

#[test]
fn nothing_that_is_listed_or_stored_for_a_repetition_holds_a_token_or_a_secret() {
    let host = Host::start();
    let made = host.call("POST", "/tokens", &[("idempotency-key", "k")], Some(&json!({"name": "script"})));
    let token = made.body["token"].as_str().unwrap().to_owned();
    let again = host.call("POST", "/tokens", &[("idempotency-key", "k")], Some(&json!({"name": "script"})));
    assert_eq!(again.status, 409, "the token is shown once, also to who repeats the call");
    let credential = json!({"origin": "https://hr.example.com/api", "scheme": "bearer", "secret": "s3cr3t"});
    assert_eq!(host.call("PUT", "/credentials/hr", &[], Some(&credential)).status, 201);
    assert_eq!(host.call("PUT", "/credentials/hr", &[], Some(&credential)).status, 200);
    let listed = host.get("/credentials");
    assert_eq!(listed.body["items"][0]["origin"], "https://hr.example.com");
    for path in ["/credentials", "/tokens", "/audit"] {
        let text = host.get(path).text;
        assert!(!text.contains("s3cr3t") && !text.contains(&token), "{path}: {text}");
    }
}

#[test]
fn a_call_with_an_idempotency_key_is_done_once() {
    let host = Host::start();
    let key = [("idempotency-key", "one")];
    let ada = json!({"username": "ada"});
    let first = host.call("POST", "/users", &key, Some(&ada));
    let again = host.call("POST", "/users", &key, Some(&ada));
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((&first.body, first.header("location")), (&again.body, again.header("location")));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    let other = host.call("POST", "/users", &key, Some(&json!({"username": "bob"})));
    assert_eq!((other.status, other.case()), (422, "key-reused"));
    assert_eq!(host.get("/users").body["items"].as_array().unwrap().len(), 1);
    // Without the key, the same call is another one, and finds the name taken.
    assert_eq!(host.post("/users", &ada).status, 409);
}

#[test]
fn a_change_of_something_else_than_was_seen_is_refused() {
    let host = Host::start();
    let made = host.post("/users", &json!({"username": "ada"}));
    assert_eq!(made.header("etag"), "\"1\"");
    let change = json!({"first_name": "Ada"});
    let changed = host.call("PATCH", "/users/ada", &[("if-match", "\"1\"")], Some(&change));
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    let stale = host.call("PATCH", "/users/ada", &[("if-match", "\"1\"")], Some(&json!({"first_name": "Eda"})));
    assert_eq!((stale.status, stale.case()), (412, "changed"));
    let free = host.call("PATCH", "/users/ada", &[], Some(&json!({"first_name": null})));
    assert_eq!((free.status, &free.body["first_name"]), (200, &json!(null)));
    assert_eq!(host.call("PATCH", "/users/ada", &[("if-match", "no tag")], Some(&change)).status, 412);
}

#[test]
fn bad_bodies_are_answered_with_the_place() {
    let host = Host::start().with_app();
    let check = |path: &str, body: &[u8], status: u16, case: &str, pointer: &str| {
        let answer = host.upload(path, "application/json", body);
        assert_eq!((answer.status, answer.case()), (status, case), "{answer:?}");
        let found = answer.body["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert_eq!(found, pointer, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    };
    check("/users", b"{", 400, "malformed", "");
    check("/users", br#"{"username": 1}"#, 422, "invalid", "/username");
    check("/users", br#"{"username": "ada", "emial": "x"}"#, 422, "invalid", "/emial");
    check("/users", br#"{"username": "ada", "email": "x"}"#, 422, "invalid", "/email");
    check("/users", br#"{"username": "ada", "profile": "stuff"}"#, 422, "invalid", "/profile");
    check("/users", br#"{"username": "ada", "attributes": {"email": ["x"]}}"#, 422, "invalid", "/attributes/email");
    let app = |rest: &str| format!(r#"{{"name": "x", "connector": "sample", {rest}}}"#).into_bytes();
    check("/apps", &app(r#""settings": {"base_url": 1}"#), 422, "invalid", "/settings/base_url");
    check("/apps", &app(r#""settings": {"base_url": "https://x.example", "a": 1}"#), 422, "invalid", "/settings/a");
    let mapped = r#""settings": {"base_url": "https://x.example"},
        "config": {"mapping": [{"attribute": "emial", "value": "{email}"}]}"#;
    check("/apps", &app(mapped), 422, "invalid", "/config/mapping/0/attribute");
    let template = r#""settings": {"base_url": "https://x.example"},
        "config": {"mapping": [{"attribute": "emails", "value": "{email"}]}"#;
    check("/apps", &app(template), 422, "invalid", "/config/mapping/0/value");
    assert_eq!(host.upload("/users", "text/plain", b"{}").case(), "media-type");
    assert_eq!(host.get("/users?limt=3").case(), "bad-parameter");
    assert_eq!(host.get("/users?limit=0").case(), "invalid");
    assert_eq!(host.get("/users?after=nonsense").case(), "bad-cursor");
    assert_eq!(host.get("/nothing").status, 404);
    assert_eq!(host.call("PUT", "/apps", &[], None).case(), "no-such-method");
    assert_eq!(host.get("/requests/UPR-9").case(), "not-found");
    assert_eq!(host.get("/requests/nine").case(), "invalid");
}

#[test]
fn unsigned_code_is_installed_only_with_a_consent_that_is_recorded() {
    let host = Host::start();
    let refused = host.upload("/connectors", "application/wasm", &component("1.0.0"));
    assert_eq!((refused.status, refused.case()), (403, "consent-needed"));
    let digest = refused.body["digest"].as_str().unwrap();
    assert_eq!(host.upload("/connectors", "application/wasm", b"#!/bin/sh").case(), "connector-not-wasm");
    let installed = host.upload("/connectors?allow_unsigned=true", "application/wasm", &component("1.0.0"));
    assert_eq!((installed.status, &installed.body["digest"]), (201, &json!(digest)));
    assert_eq!(installed.body["installed_by"], "first");
    let audit = host.get("/audit").body["items"][0].clone();
    assert_eq!((&audit["action"], &audit["facts"]["digest"]), (&json!("connector.install"), &json!(digest)));
    let twice = host.upload("/connectors?allow_unsigned=true", "application/wasm", &component("1.0.0"));
    assert_eq!((twice.status, twice.case()), (409, "conflict"));
}

#[test]
fn a_connector_in_use_stays_and_an_unused_one_goes() {
    let host = Host::start().with_app();
    let other = host.upload("/connectors?allow_unsigned=true", "application/wasm", &component("1.10.0"));
    assert_eq!(other.status, 201);
    let newest = host.get("/connectors/sample");
    assert_eq!(newest.body["description"]["version"], "1.10.0", "the newest, as versions are ordered");
    let refused = host.call("DELETE", "/connectors/sample@1.0.0", &[], None);
    assert!(refused.status == 409 && refused.text.contains("`hr`"), "{refused:?}");
    assert_eq!(host.call("DELETE", "/connectors/sample", &[], None).status, 422, "there are two");
    assert_eq!(host.call("DELETE", "/connectors/sample@1.10.0", &[], None).status, 204);
    assert_eq!(host.call("DELETE", "/apps/hr", &[], None).status, 204);
    assert_eq!(host.call("DELETE", "/connectors/sample", &[], None).status, 204);
}

#[test]
fn an_app_is_changed_piece_by_piece_and_its_defaults_are_the_connectors_suggestions() {
    let host = Host::start().with_app();
    let app = host.get("/apps/hr").body;
    assert_eq!(app["config"]["mapping"][0]["attribute"], "displayName");
    assert_eq!(app["granted_origins"], json!(["https://hr.example.com"]));
    let change = json!({"settings": {"page_size": 10}, "private_origins": ["https://hr.example.com/x"]});
    let changed = host.call("PATCH", "/apps/hr", &[], Some(&change));
    assert_eq!(changed.body["settings"], json!({"base_url": "https://hr.example.com/api", "page_size": 10}));
    assert_eq!(changed.body["private_origins"], json!(["https://hr.example.com"]));
    let unset = host.call("PATCH", "/apps/hr", &[], Some(&json!({"settings": {"page_size": null}})));
    assert_eq!(unset.body["settings"], json!({"base_url": "https://hr.example.com/api"}));
    let stranger = json!({"private_origins": ["http://127.0.0.1:8080"]});
    let refused = host.call("PATCH", "/apps/hr", &[], Some(&stranger));
    assert!(refused.status == 422 && refused.text.contains("origin of no setting"), "{refused:?}");
    let partial = json!({"config": {"page_size": 7}});
    let configured = host.call("PATCH", "/apps/hr", &[], Some(&partial)).body["config"].clone();
    assert_eq!((&configured["page_size"], &configured["mapping"]), (&json!(7), &app["config"]["mapping"]));
    assert_eq!(host.call("POST", "/apps/hr/pause", &[], None).body["paused"], true);
    assert_eq!(host.call("POST", "/apps/hr/probe", &[], None).status, 409, "nothing is called while it is paused");
    assert_eq!(host.call("POST", "/apps/hr/resume", &[], None).body["paused"], false);
    assert_eq!(host.call("POST", "/apps/hr/probe", &[], None).body["ok"], true);
}

#[test]
fn an_app_has_one_active_reconciliation() {
    let host = Host::start().with_app();
    let first = host.call("POST", "/apps/hr/reconcile", &[], None);
    assert_eq!((first.status, first.header("location")), (202, "/api/v1/requests/UPR-000001"));
    assert_eq!(host.background.woken.load(Ordering::Relaxed), 1);
    let second = host.call("POST", "/apps/hr/reconcile", &[], None);
    assert!(second.status == 409 && second.text.contains("UPR-000001"), "{second:?}");
    let cancelled = host.post("/requests/UPR-000001/cancel", &json!({"reason": "too early"}));
    assert_eq!((cancelled.status, &cancelled.body["state"]), (200, &json!("Cancelled")));
    assert_eq!(host.call("POST", "/apps/hr/reconcile", &[], None).status, 202);
    let committed = host.call("POST", "/requests/UPR-000001/commit", &[], None);
    assert_eq!((committed.status, committed.case()), (409, "wrong-state"));
}

#[test]
fn supplied_accounts_start_a_run_at_analyzing_if_they_are_sound() {
    let host = Host::start().with_app();
    let staged = json!({"staged": [
        {"external_id": "1", "username": "ada", "attributes": {"emails": [{"text": "ada@example.com"}], "ssn": [{"text": "078"}]}},
        {"external_id": "2", "username": "bob", "status": "Deactivated"},
    ]});
    let run = host.post("/apps/hr/reconcile", &staged);
    assert_eq!((run.status, &run.body["state"]), (202, &json!("Analyzing")), "{run:?}");
    let id = run.body["id"].as_str().unwrap().to_owned();
    let rows = host.get(&format!("/requests/{id}/staging?limit=1"));
    assert_eq!(rows.body["items"][0]["attributes"]["ssn"][0]["text"], "***", "sensitive values are masked");
    let next = rows.body["next"].as_str().unwrap();
    let rest = host.get(&format!("/requests/{id}/staging?after={next}"));
    assert_eq!(
        (rest.body["items"].as_array().unwrap().len(), &rest.body["items"][0]["status"]),
        (1, &json!("Deactivated"))
    );

    host.post(&format!("/requests/{id}/cancel"), &json!({}));
    let bad = json!({"staged": [{"external_id": "1"}, {"external_id": "1", "attributes": {"emial": [{"text": "x"}]}}]});
    let refused = host.post("/apps/hr/reconcile", &bad);
    let places: Vec<_> = refused.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(places, ["/staged/1/external_id", "/staged/1/attributes/emial"], "{refused:?}");
}

#[test]
fn a_request_says_why_it_is_not_to_be_had() {
    let host = Host::start().with_app();
    host.post("/users", &json!({"username": "ada", "email": "ada@example.com"}));
    let ask = |operation: &str, user: &str| {
        host.post("/requests", &json!({"app": "hr", "operation": operation, "user": user}))
    };
    let made = ask("Create", "ada");
    assert_eq!((made.status, &made.body["state"], &made.body["user_name"]), (202, &json!("Requested"), &json!("ada")));
    assert_eq!(ask("Delete", "ada").status, 409, "Delete is off unless an app enables it");
    assert_eq!(ask("Update", "ada").status, 409, "there is no account yet");
    assert_eq!(ask("Create", "bob").status, 404);
    assert_eq!(ask("Reconcile", "ada").status, 422);
    let neither = host.post("/requests", &json!({"app": "hr", "operation": "Create"}));
    assert_eq!(neither.case(), "invalid");
    let listed = host.get("/requests?app=hr&operation=create&state=requested&user=ada");
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "{listed:?}");
    let log = host.get("/requests/UPR-000001/log");
    assert_eq!(log.body["items"][0]["message"], "New → Requested");
}

#[test]
fn an_approval_names_what_was_seen() {
    let host = Host::start().with_app();
    host.post("/users", &json!({"username": "ada", "email": "ada@example.com", "profile": "staff"}));
    host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": {"approval_required": ["Create"]}})));
    let made = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "ada"}));
    assert_eq!((&made.body["state"], &made.body["approval"]), (&json!("New"), &json!("Required")));
    let path = format!("/requests/{}/approve", made.body["id"].as_str().unwrap());
    let other = host.post(&path, &json!({"digest": "00".repeat(32)}));
    assert_eq!((other.status, other.case()), (409, "wrong-state"));
    let approved = host.post(&path, &json!({"digest": made.body["digest"]}));
    assert_eq!((approved.status, &approved.body["state"]), (202, &json!("Requested")), "{approved:?}");
}

#[test]
fn an_import_takes_all_others_or_none_as_asked() {
    let host = Host::start().with_app();
    let rows = "username,email,profile,manager\nada,ada@example.com,staff,grace\nbob,bob,staff,\n\
                cyd,cyd@example.com,stuff,\ngrace,g@example.com,,\ndan,dan@example.com,,bob\n";
    let import = |query: &str| host.upload(&format!("/users/import?{query}"), "text/csv", rows.as_bytes()).body;
    let errors = |report: &serde_json::Value| {
        let errors = report["errors"].as_array().unwrap().clone();
        errors.iter().map(|e| format!("{} {}", e["row"], e["column"].as_str().unwrap())).collect::<Vec<_>>()
    };
    let expected = ["3 email", "4 profile", "6 manager"];
    let none = import("mode=all_or_nothing");
    assert_eq!((errors(&none), &none["nothing_written"]), (expected.map(str::to_owned).into(), &json!(true)));
    assert_eq!(host.get("/users").body["items"], json!([]));
    let dry = import("dry_run=true");
    assert_eq!((&dry["created"], &dry["nothing_written"]), (&json!(2), &json!(true)));
    assert_eq!(host.get("/users").body["items"], json!([]));
    let others = import("mode=each");
    assert_eq!((errors(&others), &others["created"]), (expected.map(str::to_owned).into(), &json!(2)));
    assert_eq!(host.get("/users/ada").body["manager"], "grace", "a manager may stand in a later row");
    let again = import("mode=each");
    assert_eq!((&again["created"], &again["updated"], &again["unchanged"]), (&json!(0), &json!(0), &json!(2)));
}

#[test]
fn an_import_leaves_alone_whom_no_row_names() {
    let host = Host::start();
    host.post("/users", &json!({"username": "ada"}));
    host.upload("/users/import", "application/jsonl", b"{\"username\": \"bob\"}\n");
    assert_eq!(host.get("/users/ada").body["active"], true);
}

#[test]
fn events_of_a_request_end_when_nothing_more_happens() {
    let host = Host::start().with_app();
    host.call("POST", "/apps/hr/reconcile", &[], None);
    host.post("/requests/UPR-000001/cancel", &json!({}));
    let bearer = format!("Bearer {}", host.token);
    let events = host.send("GET", "/api/v1/requests/UPR-000001/events", &[("authorization", &bearer)], b"");
    assert_eq!(events.header("content-type"), "text/event-stream");
    let names: Vec<_> = events.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["log", "log", "request", "end"], "{}", events.text);
}

#[test]
fn answers_name_the_call_that_the_log_speaks_of() {
    let host = Host::start();
    let given = host.call("GET", "/apps", &[("x-request-id", "mine-1")], None);
    assert_eq!(given.header("x-request-id"), "mine-1");
    let bad = host.call("GET", "/apps", &[("x-request-id", "not mine!")], None);
    assert!(bad.header("x-request-id").len() == 16, "one of the host's own");
}

#[test]
fn a_list_is_never_taken_for_an_object() {
    let host = Host::start().with_app();
    assert_eq!(host.post("/users", &json!({"username": "ada"})).status, 201);
    let value = json!({"external_id": "1", "attributes": {"displayName": [["Ada"]]}});
    for (method, path, body, at) in [
        ("POST", "/users", json!(["bob"]), ""),
        ("PATCH", "/users/ada", json!(["renamed"]), ""),
        ("PATCH", "/users/ada", json!("renamed"), ""),
        ("POST", "/apps/hr/reconcile", json!([null, true]), ""),
        ("POST", "/apps/hr/reconcile", json!({"staged": [["1", "ada"]]}), "/staged/0"),
        ("POST", "/apps/hr/reconcile", json!({"staged": [value]}), "/staged/0/attributes/displayName/0"),
        ("PATCH", "/apps/hr", json!({"config": {"mapping": [["displayName", "x"]]}}), "/config/mapping/0"),
        ("PATCH", "/apps/hr", json!({"config": {"retry": [1]}}), "/config/retry"),
    ] {
        let refused = host.call(method, path, &[], Some(&body));
        assert_eq!((refused.status, refused.case()), (422, "invalid"), "{body}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], at, "{refused:?}");
        assert!(refused.text.contains("object"), "{refused:?}");
    }
    let report = host.upload("/users/import?mode=each", "application/jsonl", b"[\"j9\"]\n{\"username\": \"jo\"}").body;
    assert_eq!((&report["failed"], &report["created"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(host.get("/users/ada").status, 200);
    assert_eq!(host.get("/users/j9").status, 404);
}

#[test]
fn a_host_is_ready_only_while_all_of_it_is_and_says_what_is_not() {
    let host = Host::start();
    let ready = || host.send("GET", "/readyz", &[], b"");
    let well = ready();
    assert_eq!((well.status, &well.body["ready"]), (200, &json!(true)));
    assert!(well.body["checks"].as_object().unwrap().values().all(serde_json::Value::is_null), "{well:?}");

    *host.background.ill.lock().unwrap() = Some("the engine does not run: see the log".to_owned());
    let dead = ready();
    assert_eq!((dead.status, &dead.body["ready"]), (503, &json!(false)));
    assert_eq!(dead.body["checks"]["engine"], "the engine does not run: see the log");
    assert_eq!(host.send("GET", "/healthz", &[], b"").status, 200, "the process lives");
    *host.background.ill.lock().unwrap() = None;
    assert_eq!(ready().status, 200);

    host.close.send(true).unwrap();
    let stopping = ready();
    assert_eq!((stopping.status, &stopping.body["checks"]["stopping"]), (503, &json!("the host is shutting down")));
}

#[test]
fn what_a_call_asks_for_carries_its_request_id() {
    let host = Host::start().with_app();
    assert_eq!(
        host.post("/users", &json!({"username": "ada", "email": "a@example.com", "profile": "staff"})).status,
        201
    );
    let body = json!({"app": "hr", "operation": "Create", "user": "ada"});
    let asked = host.call("POST", "/requests", &[("x-request-id", "call-1")], Some(&body));
    assert_eq!((asked.status, &asked.body["request_id"]), (202, &json!("call-1")), "{asked:?}");
    let id = asked.body["id"].as_str().unwrap();
    let shown = host.call("GET", &format!("/requests/{id}"), &[("x-request-id", "call-2")], None);
    assert_eq!(shown.body["request_id"], "call-1", "of the call that asked for it");
}

#[test]
fn a_token_that_calls_too_often_waits_and_others_do_not() {
    let host = Host::limited(3);
    let made = host.post("/tokens", &json!({"name": "script"}));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((host.get("/apps").status, host.get("/apps").status), (200, 200));
    let refused = host.get("/apps");
    assert_eq!((refused.status, refused.case()), (429, "too-many-calls"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "20");
    assert!(!refused.header("x-request-id").is_empty());
    let bearer = format!("Bearer {}", made.body["token"].as_str().unwrap());
    assert_eq!(host.send("GET", "/api/v1/apps", &[("authorization", &bearer)], b"").status, 200);
    assert_eq!(host.send("GET", "/healthz", &[], b"").status, 200, "whoever watches is not counted");
}
