//! Expressions, a preview, and provisioning one user on demand, against a SCIM server that nobody here wrote.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Scenario, at_target, scim_server, scim_user};
use tempfile::tempdir;

/// Gives the app a scope and a mapping of its display name; the rest of the configuration stays.
fn configure(s: &Scenario, scope: &str) {
    let mut config = s.json(&["app", "show", "hr"])["config"].clone();
    config["scope"] = json!(scope);
    let mapping = config["mapping"].as_array_mut().unwrap();
    mapping.retain(|rule| rule["attribute"] != "displayName");
    let expression = "user.last_name.ascii().upper() + ', ' + user.first_name";
    mapping.push(json!({"attribute": "displayName", "expression": expression, "default": "(no name)"}));
    s.file("config.json", &config.to_string());
    s.run(&["app", "configure", "hr", "--config", "config.json"]);
}

fn person(s: &Scenario, username: &str, email: &str) {
    let names = ["--first-name", "Zoë", "--last-name", "Łovelace"];
    let mut arguments = vec!["user", "create", username, "--email", email, "--profile", "staff"];
    arguments.extend_from_slice(&names);
    s.run(&arguments);
}

/// The step of a trace.
fn found(report: &Value, step: &str) -> String {
    let steps = report["trace"].as_array().unwrap();
    let step = steps.iter().find(|s| s["step"] == step).unwrap_or_else(|| panic!("no {step} in {report:#}"));
    step["found"].as_str().unwrap().to_owned()
}

#[test]
fn one_user_is_provisioned_on_demand_as_the_preview_said() {
    let directory = tempdir().unwrap();
    let name = "one_user_is_provisioned_on_demand_as_the_preview_said";
    let Some(server) = scim_server(name, &directory) else { return };
    server.create(&scim_user("grace", "grace@example.com", "Grace", "Hopper")).unwrap();
    let s = Scenario::start();
    s.connect_scim(&server);
    // Nobody is in scope while people are entered, so that nothing is raised by itself.
    configure(&s, "false");
    person(&s, "ada", "ada@example.com");
    person(&s, "grace", "grace@example.com");
    person(&s, "bob", "bob@elsewhere.example");
    configure(&s, "user.email.endsWith('@example.com')");
    assert_eq!(s.json(&["request", "list"])["items"], json!([]));

    let preview = s.json(&["app", "preview", "hr", "ada"]);
    assert_eq!(preview["access"]["in_scope"], true);
    let rules = preview["create"]["rules"].as_array().unwrap();
    let shown = rules.iter().find(|rule| rule["attribute"] == "displayName").unwrap();
    assert_eq!(shown["values"][0]["text"], "LOVELACE, Zoë");

    let dry = s.json(&["app", "provision", "hr", "ada", "--dry-run"]);
    assert_eq!((&dry["operation"], &dry["request"]), (&json!("Create"), &Value::Null));
    assert_eq!(found(&dry, "match"), "the target has no account that a linking rule finds");
    assert!(at_target(&server, "ada").is_none(), "a dry run makes nothing");
    assert_eq!(s.json(&["request", "list"])["items"], json!([]));

    let done = s.json(&["app", "provision", "hr", "ada"]);
    let id = done["request"]["id"].as_str().unwrap();
    assert_eq!(s.json(&["request", "show", id])["state"], "Completed");
    assert_eq!(done["change"], dry["change"], "what was done is what the dry run said");
    assert_eq!(at_target(&server, "ada").unwrap()["displayName"], "LOVELACE, Zoë");
    let again = s.json(&["app", "provision", "hr", "ada"]);
    assert_eq!((&again["operation"], &again["request"]), (&Value::Null, &Value::Null), "{again:#}");

    // Somebody whose account is there already gets no second one, and somebody out of scope none.
    let hers = s.json(&["app", "provision", "hr", "grace"]);
    assert_eq!((&hers["operation"], &hers["request"]), (&Value::Null, &Value::Null));
    assert!(found(&hers, "match").contains("`grace`"), "{hers:#}");
    let his = s.json(&["app", "provision", "hr", "bob"]);
    assert_eq!((&his["operation"], &his["request"]), (&Value::Null, &Value::Null));
    assert!(found(&his, "scope").contains("not in scope"), "{his:#}");
    assert_eq!(server.users().unwrap().len(), 2);

    configure(&s, "user.username != 'ada'");
    let out = s.json(&["app", "provision", "hr", "ada"]);
    assert_eq!(out["operation"], "Deactivate", "{out:#}");
    assert_eq!(at_target(&server, "ada").unwrap()["active"], false);
}
