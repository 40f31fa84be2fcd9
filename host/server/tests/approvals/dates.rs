//! Deadlines of approvals, and dates that requests are to run at.

use crate::office::{Office, create, refused};
use serde_json::{Value as Json, json};

#[test]
fn a_deadline_that_passed_while_no_host_ran_escalates_and_then_denies() {
    let escalate = json!({"escalate": {"to": {"users": ["cat"]}, "deadline_seconds": 7200}});
    let step = json!({"approvers": {"users": ["ann"]}, "deadline_seconds": 3600, "on_deadline": escalate});
    let office = Office::open(&create(&json!([step])));
    let request = office.ask();
    assert_eq!(request["approvals"][0]["deadline"], office.clock.in_seconds(3600));
    // Nobody was there to act on it. It is over all the same.
    office.clock.advance(5000);
    refused(&office.approve("ann", &request), "not-an-approver", "the time to decide is over");
    let other = office.ask_for("boss");
    assert_eq!(office.approve("ann", &other).status, 202);
    // A host starts, and hands the first one on; it still runs when the second deadline passes.
    office.work_a_turn();
    let escalated = office.show(&request);
    let step = &escalated["approvals"][0];
    assert_eq!((&step["escalated"], &step["approvers"][0]["name"]), (&json!(true), &json!("cat")), "{escalated:#}");
    assert_eq!(office.waiting_for("cat"), [request["id"].as_str().unwrap()]);
    refused(&office.approve("ann", &request), "not-an-approver", "is not asked");
    office.clock.advance(7200);
    let denied = office.work_until_settled(&request);
    assert_eq!((&denied["state"], &denied["approval"]), (&json!("Cancelled"), &json!("Denied")));
    assert_eq!(denied["approvals"][0]["state"], "denied");
    let log = office.host.get(&format!("/requests/{}/log", request["id"].as_str().unwrap())).text;
    assert!(log.contains("others are asked") && log.contains("nobody decided until"), "{log}");
}

#[test]
fn a_date_can_be_given_changed_and_withdrawn_until_it_comes() {
    let office = Office::open(&json!([]));
    let ask = |run_at: String| {
        let body = json!({"app": "hr", "operation": "Create", "user": "subject", "run_at": run_at});
        office.by("asker", "POST", "/requests", Some(&body))
    };
    refused(&ask(office.clock.in_seconds(0)), "invalid", "is past");
    let dated = ask(office.clock.in_seconds(60)).body;
    assert_eq!(
        (&dated["state"], &dated["due"], &dated["awaits_date"]),
        (&json!("Requested"), &Json::Null, &json!(true))
    );
    let path = format!("/requests/{}", dated["id"].as_str().unwrap());
    let later = json!({"run_at": office.clock.in_seconds(3600)});
    let moved = office.host.call("PATCH", &path, &[], Some(&later));
    assert_eq!((moved.status, &moved.body["run_at"]), (200, &later["run_at"]), "{moved:?}");
    let past = json!({"run_at": office.clock.in_seconds(-1)});
    refused(&office.host.call("PATCH", &path, &[], Some(&past)), "invalid", "is past");
    let seen = office.host.call("PATCH", &path, &[("if-match", "\"1\"")], Some(&later));
    assert_eq!(seen.case(), "changed");
    let cancelled = office.host.post(&format!("{path}/cancel"), &json!({"reason": "she stays"}));
    assert_eq!(cancelled.body["state"], "Cancelled");
    refused(&office.host.call("PATCH", &path, &[], Some(&later)), "wrong-state", "waits for no date");
    let at_once = office.ask_for("ann");
    let path = format!("/requests/{}", at_once["id"].as_str().unwrap());
    refused(&office.host.call("PATCH", &path, &[], Some(&later)), "wrong-state", "waits for no date");
}
