//! The eleven events, row by row: what each raises, on which object, and what the server has afterwards.

use crate::desk::Desk;
use crate::support::{Scenario, at_target, scim_server};
use gatehouse_tests::Scim2Server;
use serde_json::{Value, json};
use tempfile::tempdir;
use ureq::http::Method;

/// One row: what happens, what it is to raise and on which object, and what the server is to show of `ada`.
struct Row {
    event: &'static str,
    does: fn(&Desk),
    operation: &'static str,
    object: &'static str,
    at_server: fn(Option<&Value>) -> bool,
}

const USER: &str = "/users/ada";

fn usable(account: Option<&Value>) -> bool {
    account.is_some_and(|account| account["active"] == true)
}

fn unusable(account: Option<&Value>) -> bool {
    account.is_some_and(|account| account["active"] == false)
}

fn grants(desk: &Desk, profiles: &[&str], sets: &[&str]) {
    desk.patch("/apps/hr", json!({"profiles": profiles, "permission_sets": sets}));
    let job = desk.last_job();
    assert_eq!(job["state"], "Completed", "{job:#}");
}

/// In an order in which each row finds what the one before has left.
fn rows() -> Vec<Row> {
    let row = |event, does, operation, object, at_server| Row { event, does, operation, object, at_server };
    vec![
        row(
            "create_user",
            |desk| {
                let ada =
                    json!({"username": "ada", "email": "ada@example.com", "first_name": "Ada", "profile": "staff"});
                desk.post("/users", ada);
            },
            "Create",
            "User",
            usable,
        ),
        row(
            "update_user",
            |desk| drop(desk.patch(USER, json!({"first_name": "Augusta"}))),
            "Update",
            "User",
            |account| account.is_some_and(|account| account["name"]["givenName"] == "Augusta"),
        ),
        row("disable_user", |desk| drop(desk.ask("/users/ada/disable")), "Deactivate", "User", unusable),
        row("enable_user", |desk| drop(desk.ask("/users/ada/enable")), "Activate", "User", usable),
        row("freeze_user", |desk| drop(desk.ask("/users/ada/freeze")), "Freeze", "UserLogin", unusable),
        row("unfreeze_user", |desk| drop(desk.ask("/users/ada/unfreeze")), "Unfreeze", "UserLogin", usable),
        row("disable_user", |desk| drop(desk.ask("/users/ada/disable")), "Deactivate", "User", unusable),
        row(
            "reactivate_user",
            |desk| drop(desk.ask("/users/ada/reactivate")),
            "Reactivate",
            "User",
            |account| usable(account) && account.is_some_and(|account| account["name"]["givenName"] == "Augusta"),
        ),
        row(
            "change_user_profile",
            |desk| drop(desk.patch(USER, json!({"profile": "guests"}))),
            "Deactivate",
            "User",
            unusable,
        ),
        row(
            "change_user_profile",
            |desk| drop(desk.patch(USER, json!({"profile": "staff"}))),
            "Create",
            "User",
            usable,
        ),
        // From now on by permission sets.
        row("assign_profile_to_app", |desk| grants(desk, &[], &["vpn"]), "Deactivate", "SetupEntityAccess", unusable),
        row(
            "assign_permission_set",
            |desk| drop(desk.ask("/users/ada/permission-sets/vpn")),
            "Create",
            "PermissionSetAssignment",
            usable,
        ),
        row(
            "assign_permission_set",
            |desk| drop(desk.call(Method::DELETE, "/users/ada/permission-sets/vpn", None)),
            "Deactivate",
            "PermissionSetAssignment",
            unusable,
        ),
        row(
            "assign_permission_set_to_app",
            |desk| {
                grants(desk, &[], &[]);
                desk.ask("/users/ada/permission-sets/vpn");
                grants(desk, &[], &["vpn"]);
            },
            "Create",
            "SetupEntityAccess",
            usable,
        ),
        row("assign_permission_set_to_app", |desk| grants(desk, &[], &[]), "Deactivate", "SetupEntityAccess", unusable),
        row("assign_profile_to_app", |desk| grants(desk, &["staff"], &[]), "Create", "SetupEntityAccess", usable),
    ]
}

#[test]
fn each_event_raises_its_request_and_the_server_follows() {
    let directory = tempdir().unwrap();
    let Some(server) = scim_server("each_event_raises_its_request_and_the_server_follows", &directory) else { return };
    let s = Scenario::start();
    s.connect_scim_and_reconcile(&server);
    let desk = Desk::new(&s);
    // One account goes in and out all the time, which would be a mass of changes.
    desk.configure(|config| config["guard"]["always_allowed"] = json!(100));
    desk.post("/profiles", json!({"name": "guests"}));
    desk.post("/permission-sets", json!({"name": "vpn"}));
    let mut shown = String::new();
    for row in rows() {
        let newest = desk.newest();
        (row.does)(&desk);
        let raised = desk.raised_since(newest);
        let said: Vec<_> = raised.iter().map(|r| (&r["event"], &r["operation"], &r["object"], &r["state"])).collect();
        let expected = (&json!(row.event), &json!(row.operation), &json!(row.object), &json!("Completed"));
        assert_eq!(said, [expected], "{raised:#?}");
        let account = at_target(&server, "ada");
        assert!((row.at_server)(account.as_ref()), "{}: the server has {account:#?}", row.event);
        let active = account.as_ref().map(|account| account["active"].clone());
        shown.push_str(&format!("{:<29} {:<11} {:<24} active: {active:?}\n", row.event, row.operation, row.object));
    }
    assert_eq!(server.users().unwrap().len(), 1, "one person, one account, whatever happened");
    println!("{shown}");
}

#[test]
fn what_changes_nothing_about_access_raises_nothing() {
    let directory = tempdir().unwrap();
    let Some(server) = scim_server("what_changes_nothing_about_access_raises_nothing", &directory) else { return };
    let s = Scenario::start();
    s.connect_scim_and_reconcile(&server);
    let desk = Desk::new(&s);
    desk.post("/permission-sets", json!({"name": "vpn"}));
    grants(&desk, &["staff"], &["vpn"]);
    let newest = desk.newest();
    desk.post("/users", json!({"username": "ada", "email": "ada@example.com", "profile": "staff"}));
    assert_eq!(desk.raised_since(newest).len(), 1);
    let newest = desk.newest();
    desk.ask("/users/ada/permission-sets/vpn");
    desk.patch(USER, json!({"profile": null}));
    desk.patch(USER, json!({"attributes": {"shoe_size": ["39"]}}));
    assert_eq!(desk.raised_since(newest), Vec::<Value>::new(), "one of two grants is left, and nothing mapped changed");
    ignored_and_unselected(&desk, &server);
}

fn ignored_and_unselected(desk: &Desk, server: &Scim2Server) {
    desk.configure(|config| config["update_on"] = json!(["email"]));
    let newest = desk.newest();
    desk.patch(USER, json!({"first_name": "Ada"}));
    assert_eq!(desk.raised_since(newest), Vec::<Value>::new(), "the configuration selects the mail address alone");
    desk.patch(USER, json!({"email": "countess@example.com"}));
    assert_eq!(desk.raised_since(newest).len(), 1);
    let account = desk.all("/accounts?app=hr")[0]["id"].as_str().unwrap().to_owned();
    desk.post(&format!("/accounts/{account}/ignore"), json!({}));
    let newest = {
        desk.raised_since(0);
        desk.newest()
    };
    desk.ask("/users/ada/disable");
    assert_eq!(desk.raised_since(newest), Vec::<Value>::new(), "the account is ignored");
    assert_eq!(at_target(server, "ada").unwrap()["active"], true);
}
