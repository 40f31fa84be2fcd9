//! Everything an administrator does, with the command line, following nothing but `--help`: each verb must be listed
//! by the help above it, each option named by the verb's own help.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::Target as _;
use gatehouse_tests::guest;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;
use support::{Scenario, at_target, scim_server, scim_user};
use tempfile::tempdir;

#[test]
fn everything_can_be_done_with_the_command_line_alone() {
    let directory = tempdir().unwrap();
    let Some(server) = scim_server("everything_can_be_done_with_the_command_line_alone", &directory) else { return };
    server.create(&scim_user("grace", "grace@example.com", "Grace", "Hopper")).unwrap();
    server.create(&scim_user("svc", "svc@example.net", "Service", "Account")).unwrap();
    let s = Scenario::start();
    connectors(&s);
    credentials_and_app(&s, server.base_url(), server.token());
    people(&s);

    let run = s.json(&["app", "reconcile", "hr"]);
    let id = run["id"].as_str().unwrap();
    assert!(s.run(&["request", "staged", id]).contains("missing"));
    s.run(&["request", "commit", id]);
    assert!(at_target(&server, "ada").is_some(), "the missing account was made");
    assert!(s.run(&["request", "list", "--raised-by", id]).contains("Create"));
    accounts(&s);
    requests(&s);
    tokens(&s);
    endings(&s);
    assert_eq!(server.users().unwrap().len(), 3, "deleting an app never touches the target");
}

fn connectors(s: &Scenario) {
    let wasm = guest("scim").unwrap();
    let wasm = wasm.to_str().unwrap();
    assert!(s.run(&["connector", "check", wasm]).contains("base_url"));
    let refused = s.refused(&["connector", "install", wasm]);
    assert!(refused.contains("--allow-unsigned"), "{refused}");
    s.run(&["connector", "install", wasm, "--allow-unsigned"]);
    assert!(s.run(&["connector", "list"]).contains("scim"));
    assert!(s.run(&["connector", "show", "scim"]).contains("userType"));
}

fn credentials_and_app(s: &Scenario, base_url: &str, token: &str) {
    let origin = base_url.trim_end_matches("/v2");
    let mut set =
        s.command(&["credential", "set", "hr-token", "--origin", origin, "--scheme", "bearer", "--secret-stdin"]);
    let mut child = set.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let listed = s.run(&["credential", "list"]);
    assert!(listed.contains("hr-token") && !listed.contains(token), "{listed}");
    s.run(&["profile", "create", "staff", "--description", "everybody"]);
    assert!(s.run(&["profile", "list"]).contains("everybody"));
    s.run(&["profile", "show", "staff"]);
    s.run(&[
        "app",
        "create",
        "hr",
        "--connector",
        "scim",
        "--set",
        &format!("base_url={base_url}"),
        "--credential",
        "token=hr-token",
        "--allow-private",
        origin,
    ]);
    s.by_hand("hr");
    s.run(&["app", "configure", "hr", "--grant-profile", "staff"]);
    s.run(&["app", "probe", "hr"]);
    assert!(s.run(&["app", "list"]).contains("hr"));
    assert!(s.run(&["app", "show", "hr"]).contains("staff"));
}

fn people(s: &Scenario) {
    s.run(&["user", "create", "ada", "--email", "ada@example.com", "--first-name", "Ada", "--last-name", "Lovelace"]);
    s.run(&["user", "change", "ada", "--profile", "staff", "--attribute", "floor=3"]);
    s.file("more.csv", "username,email,profile\ngrace,grace@example.com,staff\nbob,bob@example.com,\n");
    let report = s.json(&["user", "import", "more.csv", "--dry-run"]);
    assert_eq!(report["created"], 2);
    assert!(!s.run(&["user", "list"]).contains("grace"), "a dry run imports nobody");
    s.run(&["user", "import", "more.csv"]);
    s.file("more.jsonl", "{\"username\": \"cyd\", \"email\": \"cyd@example.com\"}\n");
    s.run(&["user", "import", "more.jsonl", "--all-or-nothing"]);
    assert!(s.run(&["user", "list"]).contains("cyd"));
    for verb in ["freeze", "unfreeze", "disable", "enable"] {
        s.run(&["user", verb, "cyd"]);
    }
    assert_eq!(s.json(&["user", "show", "cyd"])["active"], true);
}

fn accounts(s: &Scenario) {
    assert!(s.run(&["account", "list", "hr", "--summary"]).contains("Orphaned"));
    let orphans = s.json(&["account", "list", "hr", "--link-state", "Orphaned", "--situation", "unassigned"]);
    let orphan = orphans["items"][0]["id"].as_str().unwrap();
    assert!(s.run(&["account", "show", orphan]).contains("svc"));
    let state = || s.json(&["account", "show", orphan])["link_state"].clone();
    s.run(&["account", "link", orphan, "--user", "bob"]);
    assert_eq!(state(), "Linked");
    s.run(&["account", "unlink", orphan]);
    assert_eq!(state(), "Orphaned");
    s.run(&["account", "ignore", orphan]);
    assert_eq!(state(), "Ignored");
}

fn requests(s: &Scenario) {
    let id = |request: &Value| request["id"].as_str().unwrap().to_owned();
    let state = |request: &str| s.json(&["request", "show", request])["state"].clone();
    let done = s.json(&["request", "create", "hr", "freeze", "--user", "ada", "--reason", "holiday"]);
    assert!(s.run(&["request", "show", &id(&done), "--log"]).contains("Completed"));
    s.run(&["request", "create", "hr", "unfreeze", "--user", "ada"]);
    assert!(
        s.run(&["request", "list", "--app", "hr", "--state", "Completed", "--operation", "freeze"])
            .contains(&id(&done))
    );

    s.run(&["app", "pause", "hr"]);
    let waiting = s.json(&["request", "create", "hr", "update", "--user", "ada", "--no-wait"]);
    s.run(&["request", "cancel", &id(&waiting), "--reason", "not now"]);
    assert_eq!(state(&id(&waiting)), "Cancelled");
    s.run(&["app", "resume", "hr"]);

    // A request that fails: the target's address leads nowhere for a while.
    let base_url = s.json(&["app", "show", "hr"])["settings"]["base_url"].as_str().unwrap().to_owned();
    let nowhere = base_url.replace("/v2", "/nowhere");
    s.run(&["app", "configure", "hr", "--set", &format!("base_url={nowhere}")]);
    let failed = |user| {
        let made = s.json(&["request", "create", "hr", "update", "--user", user, "--no-wait"]);
        let id = id(&made);
        gatehouse_tests::until(|| (state(&id) == "Failed").then_some(())).unwrap();
        id
    };
    let (first, second) = (failed("ada"), failed("grace"));
    s.run(&["request", "complete", &second, "--note", "done by phone"]);
    assert_eq!(state(&second), "ManuallyCompleted");
    s.run(&["app", "configure", "hr", "--set", &format!("base_url={base_url}")]);
    let retried = s.json(&["request", "retry", &first]);
    assert_eq!((&retried["parent"], &retried["retry_count"]), (&json!(first), &json!(1)));
    assert_eq!(state(&first), "Retried");
}

fn tokens(s: &Scenario) {
    let made = s.json(&["token", "create", "script"]);
    let secret = made["token"].as_str().unwrap().to_owned();
    let with_it = || s.host.command(&["app", "list"]).env("GATEHOUSE_TOKEN", &secret).output().unwrap();
    assert!(with_it().status.success());
    assert!(!s.run(&["token", "list"]).contains(&secret));
    s.run(&["token", "revoke", "script"]);
    let refused = String::from_utf8(with_it().stderr).unwrap();
    assert!(refused.contains("token"), "{refused}");
    assert!(s.run(&["audit", "list", "--limit", "500"]).contains("token"));
}

fn endings(s: &Scenario) {
    let in_use = s.refused(&["connector", "uninstall", "scim"]);
    assert!(in_use.contains("hr"), "it names the apps that use it: {in_use}");
    let unsure = s.refused(&["app", "delete", "hr"]);
    assert!(unsure.contains("--yes"), "{unsure}");
    s.run(&["app", "delete", "hr", "--yes"]);
    s.run(&["credential", "delete", "hr-token"]);
    s.run(&["connector", "uninstall", "scim"]);
}
