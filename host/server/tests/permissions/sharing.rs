//! Sharing: three managers, each with their people.

use crate::common::{Answer, Host};
use crate::people::Person;
use gatehouse_core::SystemPermission::{ManageUsers, ViewSetup};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// A company: three managers with two people each, and a request to be approved about each of those.
struct Company {
    host: Host,
    /// Manages requests, and is there before any of them.
    boss: Person,
    managers: Vec<Person>,
    people: Vec<Vec<Person>>,
    /// By username: the number of the request, and the digest of what it is to do.
    requests: BTreeMap<String, (String, String)>,
}

impl Company {
    fn new() -> Self {
        let host = Host::start().with_app();
        let config = json!({"config": {"approval_required": ["Create"]}});
        assert_eq!(host.call("PATCH", "/apps/hr", &[], Some(&config)).status, 200);
        let boss = host.person("boss", &[ViewSetup, ManageUsers], None);
        let managers: Vec<_> = ["alice", "bert", "carla"].iter().map(|name| host.person(name, &[], None)).collect();
        let people: Vec<Vec<_>> = managers
            .iter()
            .map(|manager| {
                let report = |no| host.person(&format!("{}-{no}", manager.name), &[], Some(manager));
                (1..=2).map(report).collect()
            })
            .collect();
        let mut company = Self { host, boss, managers, people, requests: BTreeMap::new() };
        let names: Vec<String> = company.people.iter().flatten().map(|person| person.name.clone()).collect();
        for name in names {
            company.raise(&name, "Create");
        }
        company
    }

    fn raise(&mut self, user: &str, operation: &str) {
        let made = self.host.post("/requests", &json!({"app": "hr", "operation": operation, "user": user}));
        assert_eq!(made.status, 202, "{made:?}");
        assert_eq!(made.body["approval"], "Required", "{made:?}");
        let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
        self.requests.insert(user.to_owned(), (text("id"), text("digest")));
    }

    fn share(&self, rule: &Json) {
        let made = self.host.post("/sharing-rules", rule);
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// Whom the requests are about that somebody sees, page by page.
    fn seen(&self, person: &Person) -> Vec<String> {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.host.get_as(person, &format!("/requests?limit=1{after}"));
            assert_eq!(page.status, 200, "{page:?}");
            let items = page.body["items"].as_array().unwrap();
            seen.extend(items.iter().map(|request| request["user_name"].as_str().unwrap().to_owned()));
            let Some(next) = page.body["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        seen.sort();
        seen
    }

    fn approve(&self, by: &Person, about: &Person) -> Answer {
        let (id, digest) = &self.requests[&about.name];
        self.host.post_as(by, &format!("/requests/{id}/approve"), &json!({"digest": digest}))
    }

    fn state(&self, about: &Person) -> Json {
        self.host.get(&format!("/requests/{}", self.requests[&about.name].0)).body["approval"].clone()
    }
}

fn names(people: &[Person]) -> Vec<String> {
    people.iter().map(|person| person.name.clone()).collect()
}

fn managers_approve() -> Json {
    json!({"name": "managers", "app": "hr", "operations": ["Create"], "to_managers": true, "access": "approve"})
}

#[test]
fn each_of_three_managers_sees_and_approves_exactly_their_own_peoples_requests() {
    let company = Company::new();
    company.share(&managers_approve());
    for (no, manager) in company.managers.iter().enumerate() {
        assert_eq!(company.seen(manager), names(&company.people[no]), "{}", manager.name);
        for (of, people) in company.people.iter().enumerate() {
            for person in people {
                let (id, _) = &company.requests[&person.name];
                for part in ["", "/log", "/events"] {
                    let seen = company.host.get_as(manager, &format!("/requests/{id}{part}"));
                    assert_eq!(seen.status == 200, no == of, "{} {}{part}: {seen:?}", manager.name, person.name);
                    assert!(seen.status == 200 || seen.case() == "not-found", "{seen:?}");
                }
            }
        }
    }
    for (no, manager) in company.managers.iter().enumerate() {
        for people in company.people.iter().enumerate().filter(|(of, _)| *of != no).map(|(_, people)| people) {
            let refused = company.approve(manager, &people[0]);
            assert_eq!(refused.case(), "not-found", "{refused:?}");
        }
        for person in &company.people[no] {
            assert_eq!(company.state(person), "Required");
            let approved = company.approve(manager, person);
            assert!([200, 202].contains(&approved.status), "{approved:?}");
            assert_eq!(company.state(person), "Approved");
        }
    }
}

#[test]
fn without_a_rule_managers_see_nothing_and_approve_nothing() {
    let company = Company::new();
    for manager in &company.managers {
        assert_eq!(company.seen(manager), [""; 0]);
        for person in company.people.iter().flatten() {
            let (id, _) = &company.requests[&person.name];
            assert_eq!(company.host.get_as(manager, &format!("/requests/{id}")).status, 404);
            assert_eq!(company.approve(manager, person).case(), "not-found");
            assert_eq!(company.state(person), "Required");
        }
    }
}

#[test]
fn a_rule_that_is_deleted_shares_nothing_any_more() {
    let company = Company::new();
    company.share(&managers_approve());
    let (manager, person) = (&company.managers[0], &company.people[0][0]);
    assert_eq!(company.seen(manager).len(), 2);
    assert_eq!(company.host.call("DELETE", "/sharing-rules/managers", &[], None).status, 204);
    assert_eq!(company.seen(manager), [""; 0]);
    assert_eq!(company.approve(manager, person).case(), "not-found");
}

#[test]
fn what_is_shared_to_be_seen_is_not_approved_and_the_refusal_is_written_down() {
    let company = Company::new();
    company.share(&json!({"name": "see", "to_managers": true, "access": "read"}));
    let (manager, person) = (&company.managers[0], &company.people[0][0]);
    assert_eq!(company.seen(manager), names(&company.people[0]));
    let refused = company.approve(manager, person);
    assert_eq!((refused.status, refused.case()), (403, "forbidden"), "{refused:?}");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("View Setup and Manage Users, or a sharing rule"), "{detail}");
    let denied = company.host.audited("permission.denied");
    assert_eq!(denied.len(), 1);
    assert_eq!((&denied[0]["actor"], &denied[0]["facts"]["why"]), (&json!("alice"), &json!(detail)));
    assert_eq!(company.state(person), "Required");
}

#[test]
fn a_rule_reaches_its_app_its_operations_its_owners_and_its_audience_and_nothing_else() {
    let mut company = Company::new();
    company.raise("alice", "Create");
    let (alice, bert, carla) = (&company.managers[0], &company.managers[1], &company.managers[2]);
    company.host.group("desk", &[bert]);
    company.host.group("alices", &[&company.people[0][0]]);
    let rule = json!({"name": "desk", "to_group": "desk", "owner_group": "alices", "access": "read"});
    company.share(&rule);
    assert_eq!(company.seen(bert), ["alice-1"]);
    company.share(&json!({"name": "one", "to_user": "bert", "owner_user": "alice-2", "access": "read"}));
    assert_eq!(company.seen(bert), ["alice-1", "alice-2"]);
    company.share(&json!({"name": "other", "to_user": "carla", "operations": ["Update"], "access": "read"}));
    assert_eq!(company.seen(carla), [""; 0], "requests with another operation");
    assert_eq!(company.seen(alice), ["alice"], "what is about oneself, without any rule");
    let listed = company.host.get_as(bert, "/requests?user=alice-2&app=hr&state=New");
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "{listed:?}");
    let unknown = company.host.get_as(bert, "/requests?user=nobody-there");
    assert_eq!((unknown.status, unknown.body["items"].clone()), (200, json!([])), "{unknown:?}");
}

#[test]
fn nobody_approves_what_is_about_themselves_however_much_they_may_do() {
    let mut company = Company::new();
    let boss = company.boss.clone();
    company.raise("boss", "Create");
    assert!(company.seen(&boss).len() > 6, "whoever manages requests sees all");
    let refused = company.approve(&boss, &boss);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("their own account"), "{refused:?}");
    assert_eq!(company.approve(&boss, &company.people[0][0]).body["approval"], "Approved");
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_with_all_that_is_wrong() {
    let company = Company::new();
    let bad = json!({"name": "a/b", "app": "hrr", "owner_user": "x", "owner_group": "y", "access": "read"});
    let refused = company.host.post("/sharing-rules", &bad);
    assert_eq!(refused.status, 422, "{refused:?}");
    let pointers: Vec<_> = refused.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/name", "/app", "/owner_group", "/to_user"]);
    let unknown = json!({"name": "a", "to_group": "nobody", "access": "read"});
    assert_eq!(company.host.post("/sharing-rules", &unknown).status, 422);
}

#[test]
fn people_see_their_own_accounts_and_themselves_and_nobody_elses() {
    let company = Company::new();
    let (me, other) = (&company.people[0][0], &company.people[0][1]);
    company.host.account(7, me.id);
    company.host.account(8, other.id);
    let accounts = company.host.get_as(me, "/accounts");
    let ids: Vec<_> = accounts.body["items"].as_array().unwrap().iter().map(|account| account["id"].clone()).collect();
    assert_eq!(ids, ["ACC-000007"]);
    assert_eq!(company.host.get_as(me, "/accounts/ACC-000007").status, 200);
    assert_eq!(company.host.get_as(me, "/accounts/ACC-000008").status, 404);
    assert_eq!(company.host.get_as(me, "/accounts?user=alice-2").body["items"], json!([]));
    let users = company.host.get_as(me, "/users");
    assert_eq!(users.body["items"].as_array().unwrap().len(), 1, "{users:?}");
    assert_eq!(company.host.get_as(me, "/users/alice-1").status, 200);
    assert_eq!(company.host.get_as(me, "/users/alice-2").status, 404);
}
