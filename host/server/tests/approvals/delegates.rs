//! Whoever decides in the place of others.

use crate::office::{Office, create, refused};
use serde_json::json;

#[test]
fn a_delegate_decides_while_the_delegation_holds_and_is_refused_once_it_has_ended() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let request = office.ask();
    let made = office.delegate("ann", "ben", 0, 3600);
    assert_eq!((made.status, &made.body["holds"]), (201, &json!(true)), "{made:?}");
    assert_eq!(office.waiting_for("ben"), [request["id"].as_str().unwrap()]);
    office.clock.advance(3600);
    refused(&office.approve("ben", &request), "not-an-approver", "no longer does");
    assert!(office.waiting_for("ben").is_empty());
    let path = format!("/delegations/{}", made.body["id"].as_str().unwrap());
    let longer = json!({"until": office.clock.in_seconds(60)});
    assert_eq!(office.host.call("PATCH", &path, &[], Some(&longer)).body["holds"], true);
    let done = office.approve("ben", &request);
    let vote = &done.body["approvals"][0]["votes"][0];
    assert_eq!((&vote["person"]["name"], &vote["instead_of"]["name"]), (&json!("ben"), &json!("ann")), "{done:?}");
    let other = office.ask_for("cat");
    assert_eq!(office.host.call("DELETE", &path, &[], None).status, 204);
    refused(&office.approve("ben", &other), "not-an-approver", "is not asked");
    assert_eq!(office.host.get(&path).case(), "not-found");
}

#[test]
fn delegations_that_make_no_sense_are_refused() {
    let office = Office::open(&json!([]));
    refused(&office.delegate("ann", "ann", 0, 10), "invalid", "for themselves");
    refused(&office.delegate("ann", "ben", 10, 10), "invalid", "is not after");
    refused(&office.delegate("ann", "ben", -20, -10), "invalid", "is over");
    office.change_person("ben", |user| user.active = false);
    refused(&office.delegate("ann", "ben", 0, 10), "invalid", "could decide nothing");
    assert_eq!(office.host.get("/requests?awaiting=me").case(), "invalid", "the installation is no person");
}
