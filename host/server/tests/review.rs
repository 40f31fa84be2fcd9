//! Requests in review: listed by themselves, settled both ways, once, and only with what the target bears out.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use common::engine::{self, in_review_by_event};
use gatehouse_core::lifecycle::{Event, Resolution};
use serde_json::{Value as Json, json};

/// A host with a Create in review, as the engine would leave it, and its number.
fn in_review() -> (Host, String) {
    let host = Host::start().with_app();
    let id = engine::in_review(&host);
    (host, id)
}

/// The same of a Create that an event has raised.
fn of_event() -> (Host, String) {
    let host = Host::start().with_app().looked_at();
    let id = in_review_by_event(&host);
    (host, id)
}

fn change(host: &Host, change: &Json) {
    assert_eq!(host.call("PATCH", "/users/maria", &[], Some(change)).status, 200, "{change}");
}

fn queue(host: &Host) -> Vec<Json> {
    let list = host.get("/requests?needs_review=true").body;
    list["items"].as_array().unwrap().iter().map(|request| request["id"].clone()).collect()
}

#[test]
fn what_was_made_is_noted_once_with_the_account_somebody_names() {
    let (host, id) = in_review();
    assert_eq!(queue(&host), [json!(id)]);
    let shown = host.get(&format!("/requests/{id}")).body;
    assert_eq!((&shown["needs_review"], &shown["attempts"][0]["readings"][0]["why"]), (&json!(true), &json!("of it")));

    let path = format!("/requests/{id}/settle");
    let unnamed = host.post(&path, &json!({"outcome": "made"}));
    assert_eq!(unnamed.status, 422, "{unnamed:?}");
    assert!(unnamed.text.contains("say which account was made"), "{}", unnamed.text);

    *host.background.looked.lock().unwrap() = Some(Ok(Resolution::Gone));
    let not_there = host.post(&path, &json!({"outcome": "made", "external_id": "x9"}));
    assert_eq!(not_there.status, 409, "{not_there:?}");
    assert!(not_there.text.contains("no account with that id"), "{}", not_there.text);
    assert_eq!(queue(&host), [json!(id)], "nothing was settled");

    *host.background.looked.lock().unwrap() = None;
    let body = json!({"outcome": "made", "external_id": "x1", "reason": "seen in the console"});
    let settled = host.post(&path, &body);
    assert_eq!((settled.status, &settled.body["state"]), (200, &json!("ManuallyCompleted")), "{settled:?}");
    assert_eq!(settled.body["needs_review"], false);
    let accounts = host.get("/accounts?app=hr").body;
    let account = &accounts["items"][0];
    assert_eq!((&account["external_id"], &account["user_name"]), (&json!("x1"), &json!("maria")));
    assert_eq!((&account["link_state"], &account["situation"]), (&json!("Linked"), &json!("confirmed")));
    assert!(queue(&host).is_empty());
    let audit = host.get("/audit").text;
    assert!(audit.contains("settled: the change was made (account x1): seen in the console"), "{audit}");

    let again = host.post(&path, &body);
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.text.contains("it has been settled already"), "{}", again.text);
}

#[test]
fn what_was_not_made_is_taken_up_again_unless_reading_proves_otherwise() {
    let (host, id) = in_review();
    let path = format!("/requests/{id}/settle");
    let body = json!({"outcome": "not_made"});
    let made = gatehouse_core::schema::Account { external_id: "x1".to_owned(), ..Default::default() };
    *host.background.looked.lock().unwrap() = Some(Ok(Resolution::Done(Some(made))));
    let refused = host.post(&path, &body);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("--made --external-id x1"), "{}", refused.text);

    *host.background.looked.lock().unwrap() = Some(Ok(Resolution::Unprovable("another has that name".to_owned())));
    let clone = host.post(&path, &body);
    assert_eq!((clone.status, &clone.body["state"]), (202, &json!("Requested")), "{clone:?}");
    assert_eq!(clone.body["parent"], json!(id));
    assert_eq!(host.get(&format!("/requests/{id}")).body["state"], "Retried");
    assert!(queue(&host).is_empty());
    assert_eq!(host.post(&path, &body).status, 409, "once");
}

#[test]
fn a_retry_of_a_request_in_review_looks_before_it_writes_and_cannot_be_settled_besides() {
    let (host, id) = in_review();
    let clone = host.call("POST", &format!("/requests/{id}/retry"), &[], None);
    assert_eq!(clone.status, 202, "{clone:?}");
    assert_eq!(clone.body["state"], "Committing");
    assert_eq!(clone.body["attempts"][0]["outcome"], "unknown", "the doubt is inherited");
    let late = host.post(&format!("/requests/{id}/settle"), &json!({"outcome": "not_made"}));
    assert_eq!(late.status, 409, "{late:?}");
}

#[test]
fn nobody_gets_a_second_account_while_the_first_may_have_been_made() {
    let (host, id) = in_review();
    let second = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "maria"}));
    assert_eq!(second.status, 409, "{second:?}");
    assert!(second.text.contains(&format!("{id} may have made this account")), "{}", second.text);
    let left = host.post(&format!("/requests/{id}/complete"), &json!({"note": "she left"}));
    assert_eq!((left.status, &left.body["needs_review"]), (200, &json!(false)), "{left:?}");
    let another = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "maria"}));
    assert_eq!(another.status, 202, "{another:?}");
}

#[test]
fn nobody_is_erased_whose_account_may_have_been_made() {
    let (host, id) = in_review();
    assert_eq!(host.call("PATCH", "/users/maria", &[], Some(&json!({"active": false}))).status, 200);
    for request in host.get("/requests?app=hr&state=Requested").body["items"].as_array().unwrap() {
        host.post(&format!("/requests/{}/cancel", request["id"].as_str().unwrap()), &json!({"reason": "no"}));
    }
    let refused = host.post("/users/maria/erase", &json!({}));
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains(&format!("{id} of user `maria` may have changed an account")), "{}", refused.text);
    assert_eq!(host.post(&format!("/requests/{id}/complete"), &json!({"note": "it was not"})).status, 200);
    assert_eq!(host.post("/users/maria/erase", &json!({})).status, 200, "its twin");
}

/// What follows in the lane of the user, the newest first.
fn operations(host: &Host) -> Vec<Json> {
    let list = host.get("/requests?app=hr").body;
    list["items"].as_array().unwrap().iter().map(|request| request["operation"].clone()).collect()
}

#[test]
fn an_account_that_is_found_to_be_made_is_taken_from_whoever_left_meanwhile() {
    for (change, raised) in [
        (json!({"active": false}), Some(("Deactivate", "disable_user"))),
        (json!({"frozen": true}), Some(("Freeze", "freeze_user"))),
        (json!({"first_name": "Mary"}), None),
    ] {
        let (host, id) = in_review();
        // Nothing of what she has follows her while the app follows no events: as if she had left before anybody knew.
        let follow = |on: bool| {
            let config = json!({"config": {"follow_events": on}});
            assert_eq!(host.call("PATCH", "/apps/hr", &[], Some(&config)).status, 200);
        };
        follow(false);
        assert_eq!(host.call("PATCH", "/users/maria", &[], Some(&change)).status, 200);
        follow(true);
        let body = json!({"outcome": "made", "external_id": "x1"});
        let settled = host.post(&format!("/requests/{id}/settle"), &body);
        assert_eq!((settled.status, &settled.body["state"]), (200, &json!("ManuallyCompleted")), "{settled:?}");
        let Some((operation, event)) = raised else {
            assert_eq!(operations(&host), ["Create"], "she is to have it");
            continue;
        };
        assert_eq!(operations(&host), [operation, "Create"]);
        let newest = host.get("/requests?app=hr").body["items"][0].clone();
        assert_eq!((&newest["event"], &newest["state"]), (&json!(event), &json!("Requested")), "{newest}");
        assert_eq!(newest["account"], host.get("/accounts?app=hr").body["items"][0]["id"], "{newest}");
    }
}

#[test]
fn only_a_request_in_review_is_settled() {
    let host = Host::start().with_app();
    host.post("/users", &json!({"username": "maria", "email": "maria@example.org"}));
    let asked = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "maria"}));
    let id = asked.body["id"].as_str().unwrap();
    let refused = host.post(&format!("/requests/{id}/settle"), &json!({"outcome": "not_made"}));
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("request list --needs-review"), "{}", refused.text);
}

#[test]
fn of_two_people_who_settle_it_at_once_one_is_refused() {
    let (host, id) = in_review();
    let path = format!("/requests/{id}/settle");
    let bodies = [json!({"outcome": "made", "external_id": "x1"}), json!({"outcome": "not_made"})];
    let mut answers = std::thread::scope(|scope| {
        let asked = bodies.each_ref().map(|body| scope.spawn(|| host.post(&path, body)));
        asked.map(|asked| asked.join().unwrap())
    });
    answers.sort_by_key(|answer| answer.status);
    assert!(answers[0].status < 300, "{answers:?}");
    assert_eq!(answers[1].status, 409, "{answers:?}");
    let accounts = host.get("/accounts?app=hr").body["items"].as_array().unwrap().len();
    let clones = host.get("/requests?app=hr&state=Requested").body["items"].as_array().unwrap().len();
    assert_eq!(accounts + clones, 1, "settled once");
}

fn retry(host: &Host, id: &str) -> common::Answer {
    host.call("POST", &format!("/requests/{id}/retry"), &[], None)
}

#[test]
fn what_the_directory_does_not_want_any_more_is_not_taken_up_again() {
    for (now, why) in [
        (json!({"profile": null}), "lost access"),
        (json!({"active": false}), "disabled"),
        (json!({"email": "maria@example.com"}), "`emails` has changed since"),
    ] {
        let host = Host::start().with_app().looked_at();
        host.post("/users", &json!({"username": "maria", "email": "maria@example.org", "profile": "staff"}));
        let id = host.get("/requests?app=hr").body["items"][0]["id"].as_str().unwrap().to_owned();
        engine::take(&host, &id, Event::Fail { why: "the target answers 403".to_owned() });
        change(&host, &now);
        let refused = retry(&host, &id);
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(refused.text.contains(why) && refused.text.contains("request complete"), "{}", refused.text);
        assert_eq!(host.get(&format!("/requests/{id}")).body["state"], "Failed", "nothing was done");
        // And back: it is wanted again.
        change(&host, &json!({"profile": "staff", "active": true, "email": "maria@example.org"}));
        for request in host.get("/requests?app=hr&state=Requested").body["items"].as_array().unwrap() {
            host.post(&format!("/requests/{}/cancel", request["id"].as_str().unwrap()), &json!({"reason": "no"}));
        }
        assert_eq!(retry(&host, &id).status, 202, "its twin");
    }
}

#[test]
fn what_is_in_review_and_not_wanted_any_more_is_settled_and_not_retried() {
    let (host, id) = of_event();
    change(&host, &json!({"profile": null}));
    let refused = retry(&host, &id);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("gatehouse request settle"), "{}", refused.text);
    let path = format!("/requests/{id}/settle");
    let settled = host.post(&path, &json!({"outcome": "not_made", "reason": "looked it up"}));
    assert_eq!((settled.status, &settled.body["state"]), (200, &json!("ManuallyCompleted")), "nothing makes it now");
    let log = host.get(&format!("/requests/{id}/log")).text;
    assert!(log.contains("was not made (looked it up), and is not made now") && log.contains("lost access"), "{log}");
    assert!(
        host.get("/requests?app=hr&state=Requested").body["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|request| { request["operation"] != "Create" })
    );
}

#[test]
fn nobody_who_was_linked_meanwhile_gets_what_was_made_besides() {
    let (host, id) = of_event();
    engine::with_accounts(&host, [engine::account_of(1, Some(gatehouse_core::UserId(1)))]);
    let refused = retry(&host, &id);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("is linked to ACC-000001 by now; unlink that one first"), "{}", refused.text);
}

#[test]
fn an_account_with_another_name_is_not_the_one_that_was_made() {
    let (host, id) = in_review();
    let path = format!("/requests/{id}/settle");
    let named = |username: &str| {
        let account = gatehouse_core::schema::Account {
            external_id: "x1".to_owned(),
            username: username.to_owned(),
            ..Default::default()
        };
        *host.background.looked.lock().unwrap() = Some(Ok(Resolution::Done(Some(account))));
        host.post(&path, &json!({"outcome": "made", "external_id": "x1"}))
    };
    let refused = named("jonas");
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("`jonas`") && refused.text.contains("`maria`"), "{}", refused.text);
    assert_eq!(queue(&host), [json!(id)], "nothing was settled");
    assert_eq!(named("Maria").status, 200, "targets write names as they like");
}

#[test]
fn nothing_is_raised_on_demand_while_a_request_is_in_review() {
    let (host, id) = of_event();
    let said = host.post("/apps/hr/provision", &json!({"user": "maria"}));
    assert_eq!((said.status, &said.body["request"]), (200, &Json::Null), "{said:?}");
    let why = said.body["why"].as_str().unwrap();
    assert!(why.contains(&format!("{id} (Create) may have changed the account, and nobody knows")), "{why}");
    assert!(said.text.contains(&format!("{id} (Create, in review)")), "{}", said.text);
}

#[test]
fn a_change_that_reading_shows_is_not_settled_as_not_made() {
    let host = Host::start().with_app().looked_at();
    let id = engine::deactivate_in_review(&host);
    let path = format!("/requests/{id}/settle");
    *host.background.looked.lock().unwrap() = Some(Ok(Resolution::Done(None)));
    let refused = host.post(&path, &json!({"outcome": "not_made"}));
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text.contains("reading the account shows that the change is there"), "{}", refused.text);
    *host.background.looked.lock().unwrap() = Some(Ok(Resolution::NotDone(None)));
    assert_eq!(host.post(&path, &json!({"outcome": "not_made"})).status, 202, "its twin");
}

#[test]
fn whoever_was_frozen_while_they_were_to_go_is_frozen_if_they_are_not() {
    let raised = |freeze: bool| {
        let host = Host::start().with_app().looked_at();
        engine::with_account_of_maria(&host);
        change(&host, &json!({"profile": null}));
        if freeze {
            assert_eq!(host.post("/users/maria/freeze", &json!({})).status, 200);
        }
        assert_eq!(operations(&host), ["Deactivate"], "more than a Freeze");
        let id = host.get("/requests?app=hr").body["items"][0]["id"].as_str().unwrap().to_owned();
        let off = host.post(&format!("/requests/{id}/cancel"), &json!({"reason": "she stays"}));
        assert_eq!(off.status, 200, "{off:?}");
        operations(&host)
    };
    assert_eq!(raised(true), ["Freeze", "Deactivate"]);
    assert_eq!(raised(false), ["Deactivate"], "its twin: that was somebody's decision");
}
