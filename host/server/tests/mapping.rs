//! Expressions, scopes and conditions, as administrators meet them: what is said to wrong ones, what a preview shows,
//! and what provisioning one user comes to.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use gatehouse_core::provision::Sighting;
use gatehouse_core::schema::Account as RemoteAccount;
use serde_json::{Value as Json, json};
use std::fs;
use std::sync::atomic::Ordering;

/// A host with an app whose mapping and scope are expressions, and three people.
fn host() -> Host {
    let host = Host::start().with_app();
    let people = [
        json!({"username": "ada", "email": "Ada@Example.com", "first_name": "Zoë", "last_name": "Łovelace",
            "profile": "staff", "attributes": {"grade": ["7"], "ssn": ["078-05-1120"]}}),
        json!({"username": "bob", "profile": "staff"}),
        json!({"username": "cyd", "attributes": {"grade": ["9"]}}),
    ];
    // Nothing is raised by itself here: what is asked for is looked at alone.
    configure(&host, &json!({"operations": ["Read"]}));
    for user in people {
        assert_eq!(host.post("/users", &user).status, 201, "{user}");
    }
    let config = json!({
        "operations": ["Create", "Update", "Deactivate", "Reactivate", "Read"],
        "scope": "has(user.attributes.grade)",
        "mapping": [
            {"attribute": "displayName", "expression": "user.first_name.ascii() + ' ' + user.last_name.ascii()",
                "default": "(nobody)"},
            {"attribute": "emails", "expression": "user.email.lower()", "kind": "work"},
            {"attribute": "ssn", "value": "{ssn}", "only_on_create": true},
        ],
    });
    configure(&host, &config);
    host
}

fn configure(host: &Host, config: &Json) {
    let changed = host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": config})));
    assert_eq!(changed.status, 200, "{changed:?}");
}

/// What the command line says, kept as people see it.
fn says(host: &Host, name: &str, code: i32, config: Option<&Json>, arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    if let Some(config) = config {
        fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    }
    let (exit, stdout, stderr) = host.cli(directory.path(), arguments);
    assert_eq!(exit, code, "{name}: {stdout}{stderr}");
    insta::assert_snapshot!(name, format!("exit {exit}\n{stdout}{stderr}"));
}

#[test]
fn wrong_expressions_are_refused_with_their_place() {
    let host = host();
    let refused = |name: &str, config: &Json| {
        let arguments = ["app", "configure", "hr", "--config", "config.json"];
        says(&host, name, 1, Some(config), &arguments);
    };
    let expression = |text: &str| json!({"attribute": "displayName", "expression": text});
    let emails = json!({"attribute": "emails", "expression": "user.email +"});
    refused("expression_malformed", &json!({"mapping": [expression("user.frist_name + '!'"), emails]}));
    let both = json!({"attribute": "displayName", "value": "x", "expression": "'x'"});
    refused("value_and_expression", &json!({"mapping": [both]}));
    refused("neither_value_nor_expression", &json!({"mapping": [{"attribute": "displayName"}]}));
    refused("expression_fails_for_somebody", &json!({"mapping": [expression("user.attributes.grade[0]")]}));
    refused("expression_fails_for_one", &json!({"mapping": [expression("string(int(user.email))")]}));
    refused("expression_of_lists", &json!({"mapping": [expression("[[user.email]]")]}));
    refused("expression_asks_for_the_time", &json!({"mapping": [expression("string(now())")]}));
    refused("scope_gives_a_text", &json!({"scope": "user.profile"}));
    refused("scope_about_an_account", &json!({"scope": "account.username == user.username"}));
    let condition = |text: &str| json!({"linking": [{"account_attribute": "emails", "user_attribute": "email", "condition": text}]});
    refused("condition_of_an_unknown_attribute", &condition("account.attributes.mail == ['x']"));
    refused("condition_malformed", &condition("account.username = user.username"));
    let lists = json!({"mapping": [{"attribute": "displayName", "expression": "'x'", "default": " "}]});
    refused("default_empty", &lists);
    let long = format!("'{}'", "x".repeat(2000));
    refused("expression_too_long", &json!({"mapping": [expression(&long)]}));
}

#[test]
fn an_expression_that_was_kept_is_not_held_against_other_changes() {
    let host = host();
    let config =
        json!({"mapping": [{"attribute": "displayName", "expression": "string(int(user.attributes.grade.first()))"}]});
    configure(&host, &config);
    assert_eq!(host.post("/users", &json!({"username": "dan", "attributes": {"grade": ["low"]}})).status, 201);
    let mut other = config.clone();
    other["page_size"] = json!(7);
    configure(&host, &other);
    other["mapping"][0]["expression"] = json!("string(int(user.attributes.grade.first())) + '!'");
    let refused = host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": other})));
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("fails for user `dan`"), "{}", refused.text);
}

#[test]
fn a_preview_shows_what_an_app_would_receive() {
    let host = host();
    says(&host, "preview", 0, None, &["app", "preview", "hr", "ada"]);
    says(&host, "preview_of_little", 0, None, &["app", "preview", "hr", "bob"]);
    let config = json!({
        "scope": "user.attributes.grade[0] == '7'",
        "mapping": [
            {"attribute": "displayName", "expression": "user.manager", "required": true},
            {"attribute": "emails", "value": "{username}@example.com"},
        ],
    });
    let arguments = ["app", "preview", "hr", "bob", "--config", "config.json"];
    says(&host, "preview_of_another_configuration", 0, Some(&config), &arguments);
    assert_eq!(host.get("/apps/hr").body["config"]["scope"], "has(user.attributes.grade)", "nothing was kept");
    let preview = host.post("/apps/hr/preview", &json!({"user": "ada"})).body;
    let ssn = &preview["create"]["rules"][2];
    assert_eq!((&ssn["attribute"], &ssn["values"][0]["text"]), (&json!("ssn"), &json!("***")));
    assert!(!preview.to_string().contains("078-05"), "{preview}");
    assert_eq!(preview["update"]["rules"][2]["applies"], false);
    assert_eq!(host.post("/apps/hr/preview", &json!({"user": "eve"})).status, 404);
    assert_eq!(host.post("/apps/crm/preview", &json!({"user": "ada"})).status, 404);
    assert_eq!(host.post("/apps/hr/preview", &json!({"user": "ada", "config": {"mapping": [{}]}})).status, 422);
    assert_eq!(host.get("/requests").body["items"], json!([]));
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let host = host();
    let woken = host.background.woken.load(Ordering::Relaxed);
    says(&host, "provision_dry_run", 0, None, &["app", "provision", "hr", "ada", "--dry-run"]);
    says(&host, "provision_out_of_scope", 0, None, &["app", "provision", "hr", "bob", "--dry-run"]);
    let known = RemoteAccount { external_id: "x9".to_owned(), username: "ADA".to_owned(), ..RemoteAccount::default() };
    *host.background.found.lock().unwrap() = vec![Sighting { rule: 0, account: known }];
    says(&host, "provision_beside_another", 0, None, &["app", "provision", "hr", "ada", "--dry-run"]);
    let beside = host.post("/apps/hr/provision", &json!({"user": "ada"}));
    assert_eq!((beside.status, &beside.body["request"]), (200, &Json::Null), "no second account is made");
    assert_eq!(host.get("/requests").body["items"], json!([]));
    assert_eq!(host.background.woken.load(Ordering::Relaxed), woken);
    let audit = host.get("/audit").body["items"][0].clone();
    assert_eq!((&audit["action"], &audit["facts"]["needed"]), (&json!("app.provision"), &json!("nothing")));
}

#[test]
fn provisioning_raises_the_request_and_tells_how_it_came_to_that() {
    let host = host();
    let woken = host.background.woken.load(Ordering::Relaxed);
    let said = host.post("/apps/hr/provision", &json!({"user": "ada", "reason": "first day"}));
    assert_eq!((said.status, said.header("location")), (202, "/api/v1/requests/UPR-000001"), "{said:?}");
    let steps: Vec<_> = said.body["trace"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["access", "scope", "account", "requests", "match", "mapping", "operation", "plan"]);
    let (request, change) = (&said.body["request"], &said.body["change"]);
    assert_eq!((&request["operation"], &request["reason"]), (&json!("Create"), &json!("first day")));
    assert_eq!(&request["change"], change, "what was told is what was sealed");
    let desired = &change["account"]["steps"][0]["create"]["attributes"];
    assert_eq!(desired["displayName"][0]["text"], "Zoe Lovelace");
    assert_eq!(desired["ssn"][0]["text"], "***");
    assert_eq!(host.get("/requests/UPR-000001").body["state"], "Requested");
    assert_eq!(host.background.woken.load(Ordering::Relaxed), woken + 1);
    let again = host.post("/apps/hr/provision", &json!({"user": "ada"}));
    assert_eq!((again.status, &again.body["request"]), (200, &Json::Null), "one is enough: {again:?}");
    assert!(again.body["why"].as_str().unwrap().contains("UPR-000001 (Create)"), "{again:?}");
    let nothing = host.post("/apps/hr/provision", &json!({"user": "cyd"}));
    assert_eq!((nothing.status, &nothing.body["operation"]), (200, &Json::Null));
    assert_eq!(host.post("/apps/hr/provision", &json!({"user": "eve"})).status, 404);
}

/// What became of the Create of the one who reports to the boss, imported with the boss by rows in this order.
fn imported_with_their_manager(config: &Json, rows: &[String]) -> Json {
    let host = Host::start().with_app();
    configure(&host, config);
    let csv = format!("username,profile,manager\n{}\n", rows.join("\n"));
    let report = host.upload("/users/import", "text/csv", csv.as_bytes());
    assert_eq!((report.status, &report.body["created"]), (200, &json!(rows.len())), "{report:?}");
    host.get("/requests?user=ann").body["items"][0].clone()
}

#[test]
fn a_manager_who_is_imported_together_with_whoever_reports_to_them_is_known_to_mappings_and_scopes() {
    let row = |text: &str| text.to_owned();
    let (ann, boss) = (row("ann,staff,boss"), row("boss,,"));
    let others = (0..600).map(|no| format!("other{no},,"));
    let far: Vec<String> = [ann.clone()].into_iter().chain(others).chain([boss.clone()]).collect();
    let scoped = |name: &str| json!({"operations": ["Create"], "scope": format!("user.manager == '{name}'")});
    let name = json!({"attribute": "displayName", "expression": "user.manager", "required": true});
    let mapped = json!({"operations": ["Create"], "mapping": [name]});
    for rows in [vec![ann.clone(), boss.clone()], vec![boss, ann], far] {
        let request = imported_with_their_manager(&scoped("boss"), &rows);
        assert_eq!(request["operation"], "Create", "{request}");
        assert_eq!(imported_with_their_manager(&scoped("other"), &rows), Json::Null, "the twin");
        let request = imported_with_their_manager(&mapped, &rows);
        assert_eq!(
            request["change"]["account"]["steps"][0]["create"]["attributes"]["displayName"][0]["text"], "boss",
            "{request}"
        );
    }
}
