//! Every operation against a SCIM server that nobody here wrote, checked by asking that server directly.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Scenario, at_target, scim_server, scim_user};
use tempfile::tempdir;

fn active(user: &Value) -> bool {
    user["active"].as_bool().unwrap_or_else(|| panic!("active is no boolean in {user:#}"))
}

#[test]
fn each_operation_changes_the_server_as_intended() {
    let directory = tempdir().unwrap();
    let Some(server) = scim_server("each_operation_changes_the_server_as_intended", &directory) else { return };
    let s = Scenario::start();
    s.connect_scim_by_hand(&server);
    s.run(&[
        "user",
        "create",
        "ada",
        "--email",
        "ada@example.com",
        "--first-name",
        "Ada",
        "--last-name",
        "Lovelace",
        "--profile",
        "staff",
    ]);
    let now = || at_target(&server, "ada").unwrap();

    assert!(at_target(&server, "ada").is_none());
    s.request("create", "ada");
    let created = now();
    assert!(active(&created));
    assert_eq!(created["name"]["givenName"], "Ada");
    assert_eq!(created["emails"][0]["value"], "ada@example.com");
    assert_eq!(created["externalId"], s.json(&["user", "show", "ada"])["id"]);
    let account = s.account_of("ada");
    assert_eq!(account["external_id"], created["id"]);
    assert_eq!((&account["link_state"], &account["situation"]), (&json!("Linked"), &json!("confirmed")));

    let read = s.request("read", "ada");
    assert!(s.log(read["id"].as_str().unwrap()).contains("ada@example.com"));

    s.run(&["user", "change", "ada", "--email", "ada.lovelace@example.com", "--last-name", "King"]);
    s.request("update", "ada");
    assert_eq!(now()["emails"][0]["value"], "ada.lovelace@example.com");
    assert_eq!(now()["name"]["familyName"], "King");
    assert_eq!(now()["id"], created["id"]);

    s.request("freeze", "ada");
    assert!(!active(&now()));
    let frozen = s.account_of("ada");
    assert_eq!((&frozen["frozen"], &frozen["status"]), (&json!(true), &json!("Active")));
    s.request("unfreeze", "ada");
    assert!(active(&now()));
    assert_eq!(s.account_of("ada")["frozen"], false);

    s.request("deactivate", "ada");
    assert!(!active(&now()));
    assert_eq!(s.account_of("ada")["status"], "Deactivated");

    s.run(&["user", "change", "ada", "--first-name", "Augusta"]);
    s.request("activate", "ada");
    assert!(active(&now()));
    assert_eq!(now()["name"]["givenName"], "Ada", "Activate is the flag alone");

    s.request("deactivate", "ada");
    s.request("reactivate", "ada");
    assert!(active(&now()));
    assert_eq!(now()["name"]["givenName"], "Augusta", "Reactivate re-asserts every mapped attribute");

    // Delete is off unless the app enables it.
    let refused = s.refused(&["request", "create", "hr", "delete", "--user", "ada"]);
    assert!(refused.to_lowercase().contains("delete"), "{refused}");
    assert!(at_target(&server, "ada").is_some());
    let mut config = s.json(&["app", "show", "hr"])["config"].clone();
    config["operations"].as_array_mut().unwrap().push(json!("Delete"));
    s.file("config.json", &config.to_string());
    s.run(&["app", "configure", "hr", "--config", "config.json"]);
    s.request("delete", "ada");
    assert!(at_target(&server, "ada").is_none());
}

#[test]
fn a_create_that_finds_the_users_own_deactivated_account_brings_it_back() {
    let directory = tempdir().unwrap();
    let name = "a_create_that_finds_the_users_own_deactivated_account_brings_it_back";
    let Some(server) = scim_server(name, &directory) else { return };
    let s = Scenario::start();
    s.connect_scim_by_hand(&server);
    s.run(&["user", "create", "ada", "--email", "ada@example.com", "--profile", "staff"]);
    s.request("create", "ada");
    let id = at_target(&server, "ada").unwrap()["id"].clone();
    s.request("deactivate", "ada");
    s.request("create", "ada");
    let back = at_target(&server, "ada").unwrap();
    assert_eq!((back["id"].clone(), active(&back)), (id, true));
    assert_eq!(server.users().unwrap().len(), 1);
}

#[test]
fn a_create_that_meets_somebody_elses_account_fails_and_says_whose() {
    let directory = tempdir().unwrap();
    let name = "a_create_that_meets_somebody_elses_account_fails_and_says_whose";
    let Some(server) = scim_server(name, &directory) else { return };
    let other = server.create(&scim_user("ada", "other@example.com", "Ada", "Other")).unwrap();
    let s = Scenario::start();
    s.connect_scim_by_hand(&server);
    s.run(&["user", "create", "ada", "--email", "ada@example.com", "--profile", "staff"]);
    let refused = s.refused(&["request", "create", "hr", "create", "--user", "ada"]);
    assert!(refused.contains(other["id"].as_str().unwrap()), "{refused}");
    assert_eq!(at_target(&server, "ada").unwrap()["emails"][0]["value"], "other@example.com");
}

/// 250 people with an account each, and one account that is nobody's.
#[test]
fn a_reconcile_of_250_accounts_is_complete_repeatable_and_keeps_manual_links() {
    let directory = tempdir().unwrap();
    let name = "a_reconcile_of_250_accounts_is_complete_repeatable_and_keeps_manual_links";
    let Some(server) = scim_server(name, &directory) else { return };
    let mut csv = "username,email,first_name,last_name,profile\n".to_owned();
    for n in 0..249 {
        let (username, mail) = (format!("u{n:03}"), format!("u{n:03}@example.com"));
        server.create(&scim_user(&username, &mail, "Given", &format!("Family{n}"))).unwrap();
        csv.push_str(&format!("{username},{mail},Given,Family{n},staff\n"));
    }
    server.create(&scim_user("svc-backup", "backup@example.net", "Back", "Up")).unwrap();
    csv.push_str("bob,bob@example.com,Bob,Builder,\n");
    let s = Scenario::start();
    s.connect_scim_by_hand(&server);
    s.file("users.csv", &csv);
    let imported = s.json(&["user", "import", "users.csv"]);
    assert_eq!((&imported["created"], &imported["failed"]), (&json!(250), &json!(0)), "{imported:#}");

    let run = s.json(&["app", "reconcile", "hr"]);
    assert_eq!(run["state"], "Analyzed", "{run:#}");
    assert!(run["run"]["pages"].as_u64().unwrap() >= 3, "{run:#}");
    assert_eq!((&run["run"]["collected"], &run["run"]["completeness"]), (&json!(250), &json!("complete")));
    let run_id = run["id"].as_str().unwrap();
    s.run(&["request", "commit", run_id]);
    let linked = s.json(&["account", "list", "hr", "--summary"]);
    assert_eq!(count(&linked, "found") + count(&linked, "confirmed"), 249, "{linked:#}");
    assert_eq!(count(&linked, "unassigned"), 1, "{linked:#}");
    assert_eq!(server.users().unwrap().len(), 250, "a reconcile makes no account that is there already");

    // Nothing has changed but what we changed ourselves.
    let second = s.json(&["app", "reconcile", "hr"]);
    assert_eq!(second["state"], "Completed", "{second:#}\n{}", s.log(second["id"].as_str().unwrap()));
    let log = s.log(second["id"].as_str().unwrap());
    assert!(log.contains("Collected → Completed") && !log.contains("Analyzing"), "{log}");

    let orphans = s.json(&["account", "list", "hr", "--link-state", "Orphaned"]);
    let orphan = orphans["items"][0]["id"].as_str().unwrap();
    s.run(&["account", "link", orphan, "--user", "bob"]);
    let third = s.json(&["app", "reconcile", "hr"]);
    s.try_run(&["request", "commit", third["id"].as_str().unwrap()]);
    let kept = s.json(&["account", "show", orphan]);
    assert_eq!((&kept["link_state"], &kept["situation"]), (&json!("Linked"), &json!("confirmed")), "{kept:#}");
    assert_eq!(kept["user"], s.json(&["user", "show", "bob"])["id"]);
}

fn count(summary: &Value, situation: &str) -> u64 {
    summary["situations"][situation].as_u64().unwrap_or(0)
}

#[test]
fn a_run_can_start_at_analyzing_with_accounts_that_a_custom_process_supplies() {
    let directory = tempdir().unwrap();
    let name = "a_run_can_start_at_analyzing_with_accounts_that_a_custom_process_supplies";
    let Some(server) = scim_server(name, &directory) else { return };
    let s = Scenario::start();
    s.connect_scim_by_hand(&server);
    s.run(&["user", "create", "ada", "--email", "ada@example.com"]);
    let staged = [
        json!({"external_id": "x1", "username": "ADA ", "status": "Active", "attributes": {}}),
        json!({"external_id": "x2", "username": "nobody", "status": "Active", "attributes": {}}),
    ];
    s.file("staged.jsonl", &staged.map(|account| account.to_string()).join("\n"));
    let run = s.json(&["app", "reconcile", "hr", "--staged", "staged.jsonl"]);
    assert_eq!(run["state"], "Analyzed", "{run:#}");
    let id = run["id"].as_str().unwrap();
    assert!(!s.log(id).contains("Collecting"));
    let rows = s.json(&["request", "staged", id]);
    let situations: Vec<_> = rows["items"].as_array().unwrap().iter().map(|row| &row["verdict"]["situation"]).collect();
    assert_eq!(situations, ["found", "unassigned"], "{rows:#}");
    s.run(&["request", "commit", id, "--no-wait"]);
}

#[test]
fn an_empty_answer_of_the_target_deactivates_nobody() {
    let directory = tempdir().unwrap();
    let name = "an_empty_answer_of_the_target_deactivates_nobody";
    let Some(server) = scim_server(name, &directory) else { return };
    let s = Scenario::start();
    s.connect_scim_by_hand(&server);
    for user in ["ada", "bob", "cyd"] {
        s.run(&["user", "create", user, "--email", &format!("{user}@example.com"), "--profile", "staff"]);
        s.request("create", user);
    }
    for user in server.users().unwrap() {
        server.http().delete(&format!("/Users/{}", user["id"].as_str().unwrap())).unwrap();
    }
    let why = s.refused(&["app", "reconcile", "hr"]);
    assert!(why.contains("no account at all, and 3 are known"), "{why}");
    let list = s.json(&["account", "list", "hr"]);
    for account in list["items"].as_array().unwrap() {
        assert_eq!((&account["link_state"], &account["status"]), (&json!("Linked"), &json!("Active")), "{account:#}");
    }
}
