//! The guard against mass changes: a profile taken from an app by mistake does not empty it.

use crate::desk::Desk;
use crate::support::Scenario;
use gatehouse_tests::counting::CountingTarget;
use gatehouse_tests::until;
use serde_json::json;

fn people(count: usize) -> String {
    let row = |n: usize| format!("person{n},person{n}@example.com,Person,{n},staff\n");
    format!("username,email,first_name,last_name,profile\n{}", (0..count).map(row).collect::<String>())
}

fn usable(target: &CountingTarget) -> usize {
    target.users().iter().filter(|user| user["active"] == true).count()
}

#[test]
fn a_profile_taken_by_mistake_waits_for_consent_and_can_be_called_off() {
    let target = CountingTarget::start().unwrap();
    let s = Scenario::start();
    s.connect_scim(&target);
    let desk = Desk::new(&s);
    s.file("people.csv", &people(40));
    s.run(&["user", "import", "people.csv"]);
    desk.raised_since(0);
    assert_eq!(usable(&target), 40);

    desk.patch("/apps/hr", json!({"profiles": []}));
    let job = desk.last_job();
    assert_eq!((&job["state"], &job["deactivates"], &job["requests"]), (&json!("Held"), &json!(40), &json!(0)));
    let why = job["held"].as_str().unwrap();
    assert!(why.contains("40 of 40 linked accounts would be deactivated"), "{why}");
    assert_eq!(usable(&target), 40, "nothing has happened");
    let id = job["id"].as_str().unwrap();
    let shown = s.run(&["job", "show", id]);
    assert!(shown.contains(&format!("gatehouse job approve {id}")), "{shown}");

    // It was a mistake: given back, and the job called off.
    desk.patch("/apps/hr", json!({"profiles": ["staff"]}));
    let given_back = desk.last_job();
    assert_eq!(
        (&given_back["state"], &given_back["requests"]),
        (&json!("Completed"), &json!(0)),
        "nobody lost anything"
    );
    s.run(&["job", "cancel", id, "--reason", "a mistake"]);
    assert_eq!(desk.get(&format!("/jobs/{id}"))["state"], "Cancelled");
    assert_eq!(usable(&target), 40);

    // And once more, meant: its twin.
    s.run(&["app", "configure", "hr", "--revoke-profile", "staff"]);
    let job = desk.last_job();
    s.run(&["job", "approve", job["id"].as_str().unwrap(), "--reason", "the app is given up"]);
    until(|| (usable(&target) == 0).then_some(())).unwrap_or_else(|| panic!("{} are usable", usable(&target)));
}

#[test]
fn many_leavers_within_an_hour_wait_for_consent_and_a_few_do_not() {
    let target = CountingTarget::start().unwrap();
    let s = Scenario::start();
    s.connect_scim(&target);
    let desk = Desk::new(&s);
    s.file("people.csv", &people(20));
    s.run(&["user", "import", "people.csv"]);
    desk.raised_since(0);
    for n in 0..5 {
        desk.ask(&format!("/users/person{n}/disable"));
    }
    desk.raised_since(0);
    assert_eq!(usable(&target), 15, "five are always allowed");
    let held = desk.ask("/users/person5/disable");
    assert_eq!(held["active"], false, "the directory says what is so");
    let request = desk.get("/requests?limit=1")["items"][0].clone();
    assert_eq!((&request["operation"], &request["state"]), (&json!("Deactivate"), &json!("New")));
    assert!(request["held"].as_str().unwrap().contains("within 60 minutes"), "{request:#}");
    let refused = s.refused(&["request", "approve", request["id"].as_str().unwrap()]);
    assert!(refused.contains("held"), "{refused}");
    s.run(&["app", "release", "hr", "--reason", "a reorganisation"]);
    desk.raised_since(0);
    assert_eq!(usable(&target), 14);
    desk.ask("/users/person6/disable");
    s.run(&["app", "withdraw", "hr", "--reason", "person6 stays"]);
    let request = desk.get("/requests?limit=1")["items"][0].clone();
    assert_eq!(request["state"], "Cancelled", "{request:#}");
    assert_eq!(usable(&target), 14);
}
