//! The guard against mass changes: a profile taken from an app by mistake does not empty it.

use crate::desk::Desk;
use crate::support::Scenario;
use gatehouse_tests::counting::CountingTarget;
use gatehouse_tests::until;
use serde_json::json;

fn people(count: usize) -> String {
    people_of("staff", count)
}

fn people_of(profile: &str, count: usize) -> String {
    let row = |n: usize| format!("{profile}{n},{profile}{n}@example.com,Person,{n},{profile}\n");
    format!("username,email,first_name,last_name,profile\n{}", (0..count).map(row).collect::<String>())
}

fn usable(target: &CountingTarget) -> usize {
    target.users().iter().filter(|user| user["active"] == true).count()
}

#[test]
fn a_profile_taken_by_mistake_waits_for_consent_and_can_be_called_off() {
    let target = CountingTarget::start().unwrap();
    let s = Scenario::start();
    s.connect_scim_and_reconcile(&target);
    let desk = Desk::new(&s);
    s.file("people.csv", &people(40));
    s.run(&["user", "import", "people.csv"]);
    desk.raised_since(0);
    assert_eq!(usable(&target), 40);

    desk.patch("/apps/hr", json!({"profiles": []}));
    let job = desk.last_job();
    assert_eq!((&job["state"], &job["deactivates"], &job["requests"]), (&json!("Held"), &json!(40), &json!(0)));
    let why = job["held"].as_str().unwrap();
    assert!(why.contains("40 accounts would be deactivated, more than the 20% of the 40 linked ones"), "{why}");
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
    s.connect_scim_and_reconcile(&target);
    let desk = Desk::new(&s);
    s.file("people.csv", &people(20));
    s.run(&["user", "import", "people.csv"]);
    desk.raised_since(0);
    for n in 0..5 {
        desk.ask(&format!("/users/staff{n}/disable"));
    }
    desk.raised_since(0);
    assert_eq!(usable(&target), 15, "five are always allowed");
    let held = desk.ask("/users/staff5/disable");
    assert_eq!(held["active"], false, "the directory says what is so");
    let request = desk.get("/requests?limit=1")["items"][0].clone();
    assert_eq!((&request["operation"], &request["state"]), (&json!("Deactivate"), &json!("New")));
    assert!(request["held"].as_str().unwrap().contains("within 60 minutes"), "{request:#}");
    assert_eq!(request["waits_for"], "guard", "{request:#}");
    let refused = s.refused(&["request", "approve", request["id"].as_str().unwrap()]);
    assert!(refused.contains("held"), "{refused}");
    s.run(&["app", "release", "hr", "--reason", "a reorganisation"]);
    desk.raised_since(0);
    assert_eq!(usable(&target), 14);
    desk.ask("/users/staff6/disable");
    s.run(&["app", "withdraw", "hr", "--reason", "staff6 stays"]);
    let request = desk.get("/requests?limit=1")["items"][0].clone();
    assert_eq!(request["state"], "Cancelled", "{request:#}");
    assert_eq!(usable(&target), 14);
}

#[test]
fn small_jobs_add_up_to_a_mass() {
    let target = CountingTarget::start().unwrap();
    let s = Scenario::start();
    s.connect_scim_and_reconcile(&target);
    let desk = Desk::new(&s);
    let profiles = ["staff", "crew", "temps"];
    for profile in profiles {
        if profile != "staff" {
            s.run(&["profile", "create", profile]);
        }
        s.file("people.csv", &people_of(profile, 7));
        s.run(&["user", "import", "people.csv"]);
    }
    desk.configure(|config| config["guard"]["max_changes"] = json!(15));
    // What the import has raised for those of `staff` is weighed as well.
    let states = ["crew", "temps"].map(|profile| {
        s.run(&["app", "configure", "hr", "--grant-profile", profile]);
        let job = desk.last_job();
        (job["state"].clone(), job["held"].clone())
    });
    assert_eq!(states[0], (json!("Completed"), json!(null)), "7 of the import and 7 of the job");
    assert_eq!(states[1].0, "Held", "and 7 more");
    assert!(states[1].1.as_str().unwrap().starts_with("21 accounts would be made"), "{}", states[1].1);
    // A job that went unheld counts for single events, too; what is held, or was consented to, does not.
    let newest = desk.newest();
    for name in ["one", "two"] {
        let user = json!({"username": name, "email": format!("{name}@example.com"), "profile": "staff"});
        desk.post("/users", user);
    }
    let held = |request: &serde_json::Value| request["held"].is_string();
    let raised: Vec<bool> = desk.all("/requests?app=hr&operation=Create").iter().take(2).map(held).collect();
    assert_eq!(raised, [true, false], "the newest first: 16 of 15; after UPR {newest}");
}

#[test]
fn another_scope_takes_accounts_and_gives_them() {
    let target = CountingTarget::start().unwrap();
    let s = Scenario::start();
    s.connect_scim_and_reconcile(&target);
    let desk = Desk::new(&s);
    s.file("people.csv", &people(4));
    s.run(&["user", "import", "people.csv"]);
    let newest = desk.newest();
    desk.raised_since(0);
    desk.configure(|config| config["scope"] = json!("user.username != 'staff3'"));
    assert_eq!(desk.last_job()["requests"], 1);
    let raised = desk.raised_since(newest);
    assert_eq!((&raised[0]["operation"], &raised[0]["user_name"]), (&json!("Deactivate"), &json!("staff3")));
    assert_eq!(usable(&target), 3);
    // A narrower scope and a profile taken, in one change: whoever had access by both loses it.
    let mut config = desk.get("/apps/hr")["config"].clone();
    config["scope"] = json!("user.username == 'staff0'");
    desk.patch("/apps/hr", json!({"profiles": [], "config": config}));
    assert_eq!(desk.last_job()["requests"], 3);
    desk.raised_since(newest);
    assert_eq!(usable(&target), 0);
    config["scope"] = json!(null);
    desk.patch("/apps/hr", json!({"profiles": ["staff"], "config": config}));
    assert_eq!(desk.last_job()["requests"], 4);
    desk.raised_since(newest);
    assert_eq!(usable(&target), 4);
    assert_eq!(target.users().len(), 4, "their own accounts again");
}

#[test]
fn before_anybody_has_looked_who_has_an_account_none_is_made() {
    let target = CountingTarget::start().unwrap();
    target.add(json!({"userName": "staff0", "externalId": "", "active": true}));
    let s = Scenario::start();
    s.connect_scim(&target);
    let desk = Desk::new(&s);
    s.file("people.csv", &people(3));
    s.run(&["user", "import", "people.csv"]);
    let requests = desk.all("/requests?app=hr");
    assert_eq!(requests.len(), 3);
    // As an installation before this one has left it: there is nothing to do about it.
    target.add(json!({
        "userName": "staff2", "externalId": desk.get("/users/staff2")["id"], "displayName": "Person 2",
        "name": {"givenName": "Person", "familyName": "2"}, "active": true,
        "emails": [{"value": "staff2@example.com", "type": "work", "primary": true}],
    }));
    for request in &requests {
        let why = request["held"].as_str().unwrap();
        assert!(request["state"] == "New" && why.contains("no reconciliation has looked yet"), "{request:#}");
    }
    s.run(&["profile", "create", "crew"]);
    s.file("crew.csv", &people_of("crew", 1));
    s.run(&["user", "import", "crew.csv"]);
    s.run(&["app", "configure", "hr", "--grant-profile", "crew"]);
    let job = desk.last_job();
    assert!(job["held"].as_str().unwrap().contains("no reconciliation has looked yet"), "{job:#}");
    assert_eq!(target.users().len(), 2, "nothing is made");

    s.reconcile("hr");
    s.run(&["app", "release", "hr", "--reason", "reconciled"]);
    s.run(&["job", "approve", job["id"].as_str().unwrap()]);
    desk.job_rests(job["id"].as_str().unwrap());
    let of = |user: &str| {
        let all = desk.raised_since(0).into_iter();
        let told =
            |request: &serde_json::Value| format!("{} {}", request["operation"], request["state"]).replace('"', "");
        let mut told: Vec<_> =
            all.filter(|request| request["user_name"] == user).map(|request| told(&request)).collect();
        told.sort();
        told
    };
    // The plan takes the place of what is held; what it says nothing of is looked at when it is released.
    assert_eq!(of("staff0"), ["Create Cancelled", "Update Completed"], "{:#?}", desk.all("/requests"));
    assert_eq!(of("staff1"), ["Create Cancelled", "Create Completed"]);
    assert_eq!(of("staff2"), ["Create Cancelled"], "found to have one: {:#?}", desk.all("/requests"));
    assert_eq!(of("crew0"), ["Create Completed"]);
    assert_eq!(target.users().len(), 4, "and nobody has two");
}
