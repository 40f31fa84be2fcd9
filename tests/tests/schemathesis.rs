//! The API called by schemathesis, a program that nobody here wrote, in every way that the OpenAPI document allows and
//! in many that it does not: no failure of ours, no status, header or shape that is not documented.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::artifacts::{peer, reports, venv_python};
use gatehouse_tests::skip;
use serde_json::json;
use std::process::Command;
use support::Scenario;

const NAME: &str = "the_api_does_what_its_document_says";

/// The whole run, in seconds.
const BUDGET: &str = "150";

/// What is not called, and why: the only list of it.
const LEFT_OUT: &[(&str, &str)] = &[
    ("/api/v1/restore", "it takes the place of everything that the run has made, and of its token"),
    ("/api/v1/compact", "it copies the store, which is the same for every call and takes the disk's time"),
    ("/api/v1/backup", "it answers with the whole store, which only grows"),
    ("/api/v1/events", "it is a stream that does not end"),
    ("/api/v1/requests/{id}/events", "it is a stream that does not end"),
    ("/api/v1/tokens/{name}", "it revokes, among others, the token of the run"),
];

/// Every check is on. What these two take for an answer besides success: what a schema cannot say is that an app or a
/// user must be there, or that a cursor was given by the list (400). An import answers 200 to any text, and tells in its
/// report what is wrong with it.
const CONFIGURATION: &str = "\
[phases.stateful.inference]
algorithms = [\"dependency-analysis\"]

[checks.positive_data_acceptance]
expected-statuses = [\"2xx\", 400, 401, 403, 404, 409, 412, 422]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422]

[[operations]]
include-path = \"/api/v1/users/import\"
checks.negative_data_rejection.expected-statuses = [200, 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422]
";

#[test]
fn the_api_does_what_its_document_says() {
    let Some(python) = venv_python() else { return skip(NAME, "schemathesis is not installed") };
    let program = python.with_file_name("schemathesis");
    if !program.is_file() {
        return skip(NAME, "schemathesis is not installed");
    }
    let s = Scenario::configured("calls_per_minute = 0\nfailed_sign_ins_per_minute = 0\n");
    for (path, body) in [
        ("profiles", json!({"name": "staff"})),
        ("permission-sets", json!({"name": "vpn"})),
        ("groups", json!({"name": "board"})),
        ("users", json!({"username": "ann", "profile": "staff"})),
    ] {
        let url = format!("{}/api/v1/{path}", s.host.url());
        let sent = ureq::post(url).header("authorization", format!("Bearer {}", s.host.token())).send_json(body);
        assert_eq!(sent.unwrap().status(), 201, "{path}");
    }
    // Links guessed from where new things are lead from one kind of thing to another by mistake.
    s.file("schemathesis.toml", CONFIGURATION);
    let hooks = peer("schemathesis_hooks.py");
    let mut run = Command::new(program);
    run.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").env("PYTHONPATH", hooks.parent().unwrap());
    run.current_dir(s.directory.path()).arg("run").arg(format!("{}/api/v1/openapi.json", s.host.url()));
    run.args(["--header", &format!("Authorization: Bearer {}", s.host.token())]);
    run.args(["--checks", "all"]);
    run.args(["--max-time", BUDGET, "--max-examples", "15", "--seed", "1", "--continue-on-failure", "--no-shrink"]);
    // One worker: CPython 3.11 cannot parse Python in two threads at a time ("AST constructor recursion depth
    // mismatch"), which Hypothesis does.
    run.args(["--workers", "1", "--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off"]);
    for (path, _) in LEFT_OUT {
        run.args(["--exclude-path", path]);
    }
    let ended = run.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    std::fs::write(reports().unwrap().join("schemathesis.txt"), &told).unwrap();
    assert!(ended.status.success(), "{told}");
}
