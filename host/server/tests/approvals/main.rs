//! Approvals as people meet them: over the HTTP API, each with a token of their own, by a clock that moves when told to.
//! (Who may see what is another matter, and no part of this.)
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod dates;
mod delegates;
mod office;
mod shown;

use gatehouse_core::ports::{ChangeSet, Clock as _, Versioned};
use gatehouse_core::{PermissionSet, SystemPermission};
use office::{Office, create, refused};
use serde_json::{Value as Json, json};

#[test]
fn steps_are_shown_with_who_when_and_why_and_the_request_runs_after_the_last() {
    let office = Office::open(&create(&json!([{"approvers": "manager"}, {"approvers": {"users": ["ann", "ben"]}}])));
    let request = office.ask();
    assert_eq!((&request["state"], &request["approval"]), (&json!("New"), &json!("Required")));
    assert_eq!(request["approvals"][0]["approvers"][0]["name"], "boss");
    assert_eq!(
        (&request["approvals"][0]["state"], &request["approvals"][1]["state"]),
        (&json!("open"), &json!("later"))
    );
    assert_eq!(office.waiting_for("boss"), [request["id"].as_str().unwrap()]);
    assert!(office.waiting_for("ann").is_empty(), "not yet");
    refused(&office.approve("ann", &request), "not-an-approver", "it waits for the user's manager");
    let once = office.approve("boss", &request);
    assert_eq!((once.status, &once.body["state"]), (200, &json!("New")), "{once:?}");
    office.clock.advance(60);
    let done = office.approve("ben", &request);
    assert_eq!(
        (done.status, &done.body["state"], &done.body["approval"]),
        (202, &json!("Requested"), &json!("Approved"))
    );
    let vote = &done.body["approvals"][1]["votes"][0];
    assert_eq!(
        (&vote["person"]["name"], &vote["reason"], &vote["agrees"]),
        (&json!("ben"), &json!("fine"), &json!(true))
    );
    assert_eq!(vote["at"], office.clock.now().to_string());
    assert!(office.waiting_for("ann").is_empty() && office.waiting_for("boss").is_empty());
}

#[test]
fn nobody_approves_what_they_asked_for_or_their_own_account() {
    let everybody = json!({"users": ["asker", "subject", "ann"]});
    let office = Office::open(&create(&json!([{"approvers": everybody}])));
    let request = office.ask();
    let names: Vec<&str> =
        request["approvals"][0]["approvers"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann"]);
    refused(&office.approve("asker", &request), "not-an-approver", "nobody decides about their own request");
    refused(&office.approve("subject", &request), "forbidden", "nobody decides about their own");
    assert_eq!(office.delegate("asker", "ben", 0, 3600).status, 201);
    refused(&office.approve("ben", &request), "not-an-approver", "cannot decide in their place either");
    assert_eq!(office.delegate("ann", "asker", 0, 3600).status, 201);
    refused(&office.approve("asker", &request), "not-an-approver", "nobody decides about their own request");
    assert!(office.waiting_for("asker").is_empty(), "what one cannot decide is not waiting for one");
    let deny = json!({"reason": "I changed my mind"});
    let path = format!("/requests/{}/deny", request["id"].as_str().unwrap());
    refused(&office.by("asker", "POST", &path, Some(&deny)), "not-an-approver", "their own request");
    assert_eq!(office.approve("ann", &request).status, 202);
}

#[test]
fn an_approval_after_the_change_has_become_another_is_refused() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let request = office.ask();
    let mut stale = request.clone();
    stale["digest"] = json!("0".repeat(64));
    refused(&office.approve("ann", &stale), "wrong-state", "look at it again");
    // For a date, the change is planned anew on the day: the approval of what was seen before is worth nothing then.
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let run_at = office.clock.in_seconds(3600);
    let body = json!({"app": "hr", "operation": "Create", "user": "subject", "run_at": run_at});
    let dated = office.by("asker", "POST", "/requests", Some(&body)).body;
    assert_eq!(
        (&dated["state"], &dated["run_at"], &dated["awaits_date"]),
        (&json!("New"), &json!(run_at), &json!(true))
    );
    assert_eq!(office.approve("ann", &dated).body["approval"], "Approved");
    office.change_person("subject", |user| user.email = Some("another@example.com".to_owned()));
    office.clock.advance(3600);
    let ended = office.work_until_settled(&dated);
    assert_eq!(ended["state"], "Cancelled");
    let anew = office.host.get(&format!("/requests/{}", ended["superseded_by"].as_str().unwrap())).body;
    assert_eq!(
        (&anew["supersedes"], &anew["state"], &anew["approval"]),
        (&dated["id"], &json!("New"), &json!("Required"))
    );
    refused(&office.approve("ann", &dated), "wrong-state", "does not wait for an approval");
    let with_old = json!({"id": anew["id"], "digest": dated["digest"]});
    refused(&office.approve("ann", &with_old), "wrong-state", "is not what was approved");
    assert_eq!(office.waiting_for("ann"), [anew["id"].as_str().unwrap()]);
    assert_eq!(office.approve("ann", &anew).status, 202);
}

#[test]
fn one_person_counts_once_however_often_and_as_whomever_they_vote() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann", "ben", "cat"]}, "quorum": 2}])));
    let request = office.ask();
    assert_eq!(office.approve("ann", &request).body["state"], "New");
    refused(&office.approve("ann", &request), "not-an-approver", "counts once");
    assert_eq!(office.delegate("ben", "ann", 0, 3600).status, 201);
    refused(&office.approve("ann", &request), "not-an-approver", "counts once");
    assert_eq!(office.delegate("ann", "boss", 0, 3600).status, 201);
    refused(&office.approve("boss", &request), "not-an-approver", "counted already");
    assert_eq!(office.show(&request)["state"], "New");
    assert_eq!(office.approve("cat", &request).body["approval"], "Approved");
}

#[test]
fn whoever_cannot_be_found_is_replaced_by_whoever_manages_users_and_that_is_said() {
    let office = Office::open(&create(&json!([{"approvers": "manager"}])));
    let request = office.ask_for("boss");
    let step = &request["approvals"][0];
    assert_eq!(step["approvers"][0]["name"], "admin");
    assert!(step["why"].as_str().unwrap().contains("`boss` has no manager"), "{step}");
    let log = office.host.get(&format!("/requests/{}/log", request["id"].as_str().unwrap())).text;
    assert!(log.contains("has no manager"), "{log}");
    assert_eq!(office.approve("admin", &request).status, 202);
}

#[test]
fn the_old_setting_is_one_step_for_whoever_may_manage_requests() {
    let office = Office::where_nobody_sees(&json!([]));
    let config = json!({"config": {"approval_required": ["Create"]}});
    assert_eq!(office.host.call("PATCH", "/apps/hr", &[], Some(&config)).status, 200);
    let request = office.ask();
    assert_eq!(request["approvals"][0]["approvers"][0]["name"], "admin");
    refused(&office.approve("ann", &request), "not-found", "there is no request");
    office.change_person("admin", |user| user.permission_sets.clear());
    refused(&office.approve("admin", &request), "not-an-approver", "has lost the permission");
    let path = format!("/requests/{}/approve", request["id"].as_str().unwrap());
    let done = office.host.post(&path, &json!({"digest": request["digest"]}));
    let vote = &done.body["approvals"][0]["votes"][0];
    assert_eq!((done.status, &vote["person"], &vote["by"]), (202, &Json::Null, &json!("first")), "named as such");
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_with_its_place() {
    let office = Office::open(&json!([]));
    let wrong = |steps: Json, pointer: &str, text: &str| {
        let config = json!({"config": {"approvals": create(&steps)}});
        let answer = office.host.call("PATCH", "/apps/hr", &[], Some(&config));
        assert_eq!(answer.status, 422, "{answer:?}");
        let errors = answer.body["errors"].as_array().unwrap();
        let at = errors.iter().find(|error| error["pointer"] == pointer);
        assert!(at.is_some_and(|error| error["detail"].as_str().unwrap().contains(text)), "{answer:?}");
    };
    let manager = json!({"approvers": "manager"});
    let users = json!({"approvers": {"users": ["nobody"]}});
    wrong(json!([manager, users]), "/config/approvals/0/steps/1/approvers", "no user `nobody`");
    let group = json!({"approvers": {"group": "security"}});
    wrong(json!([group]), "/config/approvals/0/steps/0/approvers", "no group `security`");
    wrong(json!([{"approvers": "manager", "quorum": 2}]), "/config/approvals/0/steps/0/quorum", "not between 1 and 1");
    wrong(json!([{"approvers": "chance"}]), "/config/approvals/0/steps/0/approvers", "chance");
    wrong(json!([]), "/config/approvals/0/steps", "name whom to ask");
}

#[test]
fn the_manager_of_somebody_who_is_made_is_asked_about_their_first_account() {
    let office = Office::open(&create(&json!([{"approvers": "manager"}])));
    let newcomer = json!({"username": "new", "email": "new@example.com", "profile": "staff", "manager": "boss"});
    assert_eq!(office.host.post("/users", &newcomer).status, 201);
    let request = office.host.get("/requests?user=new").body["items"][0].clone();
    assert_eq!((&request["operation"], &request["event"]), (&json!("Create"), &json!("create_user")));
    assert_eq!(request["approvals"][0]["approvers"][0]["name"], "boss", "{request}");
    assert_eq!(office.waiting_for("boss"), [request["id"].as_str().unwrap()]);
}

#[test]
fn nobody_gets_a_vote_by_making_a_token_for_whoever_has_it() {
    let office = Office::open(&json!([]));
    let token = json!({"name": "for-ann", "user": "ann"});
    let refused = office.by("asker", "POST", "/tokens", Some(&token));
    assert_eq!(refused.case(), "forbidden", "managing people is not enough: {refused:?}");
    office.change_person("asker", |user| user.permission_sets.insert("all".to_owned()).then_some(()).unwrap());
    let all = PermissionSet {
        name: "all".to_owned(),
        description: String::new(),
        permissions: SystemPermission::ALL.into(),
        version: 0,
    };
    office.commit(ChangeSet { permission_sets: vec![Versioned::new(all)], ..ChangeSet::default() });
    assert_eq!(office.by("asker", "POST", "/tokens", Some(&token)).status, 201, "who may change everything may");
}
