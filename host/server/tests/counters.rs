//! Counters over HTTP, in `/metrics` and on the command line: all say the same.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use common::engine::{self, account_of};
use gatehouse_core::Account;
use gatehouse_core::schema::Status;
use serde_json::json;

/// Three accounts that a reconciliation might have found.
fn with_accounts(host: &Host) {
    let supplied = json!({"staged": [
        {"external_id": "1", "username": "ann", "status": "Active"},
        {"external_id": "2", "username": "bob", "status": "Deactivated"},
    ]});
    assert_eq!(host.post("/apps/hr/reconcile", &supplied).status, 202);
    let account = |id, status, frozen| Account { status, frozen, ..account_of(id, None) };
    let accounts =
        [account(1, Status::Active, false), account(2, Status::Deactivated, false), account(3, Status::Active, true)];
    engine::with_accounts(host, accounts);
}

#[test]
fn counters_of_an_app_are_the_same_wherever_they_are_shown() {
    let host = Host::start().with_app().looked_at();
    let config = json!({"config": {"approval_required": ["Create"]}});
    assert_eq!(host.call("PATCH", "/apps/hr", &[], Some(&config)).status, 200);
    with_accounts(&host);
    assert_eq!(
        host.post("/users", &json!({"username": "zoe", "profile": "staff", "email": "z@example.com"})).status,
        201
    );

    let counters = host.get("/apps/hr/counters");
    assert_eq!(counters.status, 200, "{counters:?}");
    let requests = &counters.body["requests"];
    assert_eq!((&requests["awaiting_approval"], &requests["states"]["New"]), (&json!(1), &json!(1)), "{counters:?}");
    assert!(requests["awaiting_approval_since"].is_string());
    let standings = json!([
        {"link_state": "Orphaned", "status": "Active", "count": 2},
        {"link_state": "Orphaned", "status": "Deactivated", "count": 1},
    ]);
    let accounts = json!({"by_status": standings, "frozen": 1, "missing": 0});
    assert_eq!(counters.body["accounts"], accounts);
    assert_eq!(host.get("/counters").body, json!({"items": [counters.body], "next": null}));
    assert_eq!(host.get("/apps/none/counters").status, 404);

    let metrics = host.send("GET", "/metrics", &[], b"").text;
    for line in [
        "gatehouse_approvals_waiting{app=\"hr\"} 1",
        "gatehouse_accounts{app=\"hr\",link_state=\"Orphaned\",status=\"Active\"} 2",
        "gatehouse_accounts{app=\"hr\",link_state=\"Orphaned\",status=\"Deactivated\"} 1",
        "gatehouse_accounts_missing{app=\"hr\"} 0",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}\n{metrics}");
    }
    let directory = tempfile::tempdir().unwrap();
    let (code, told, _) = host.cli(directory.path(), &["app", "show", "hr"]);
    assert!(code == 0 && told.contains("2 Orphaned Active, 1 Orphaned Deactivated"), "{told}");
    let (code, listed, _) = host.cli(directory.path(), &["counters"]);
    assert!(code == 0 && listed.lines().any(|line| line.starts_with("hr")), "{listed}");
}
