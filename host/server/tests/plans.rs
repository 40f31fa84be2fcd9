//! A reconciliation's plan between its analysis and its commit: what is committed is what was analysed.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Host, engine};
use gatehouse_core::ports::{ChangeSet, Store as _, Versioned};
use gatehouse_core::{Request, State};
use serde_json::json;

/// Host with app `hr`, and a supplied run of it that has been analysed, as the engine would.
fn analysed() -> (Host, String) {
    let host = Host::start().with_app();
    let id = engine::analysed(&host);
    assert_eq!(host.get(&format!("/requests/{id}")).body["state"], "Analyzed");
    (host, id)
}

#[test]
fn a_plan_is_committed_as_long_as_what_it_was_made_of_stands() {
    let (host, id) = analysed();
    let committed = host.call("POST", &format!("/requests/{id}/commit"), &[], None);
    assert_eq!((committed.status, &committed.body["state"]), (202, &json!("Committing")), "{committed:?}");
}

#[test]
fn a_plan_made_before_a_change_of_users_or_configuration_is_not_committed() {
    let changes: [fn(&Host); 2] = [
        |host| drop(host.post("/users", &json!({"username": "ada"}))),
        |host| drop(host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": {"protected": ["root"]}})))),
    ];
    for change in changes {
        let (host, id) = analysed();
        assert_eq!(host.get(&format!("/requests/{id}")).body["waits_for"], "commit");
        change(&host);
        assert_eq!(host.get(&format!("/requests/{id}")).body["waits_for"], "reconcile");
        let refused = host.call("POST", &format!("/requests/{id}/commit"), &[], None);
        assert_eq!((refused.status, refused.case()), (409, "conflict"));
        assert!(refused.text.contains("reconcile again"), "{}", refused.text);
        assert_eq!(host.get(&format!("/requests/{id}")).body["state"], "Analyzed");
    }
}

#[test]
fn a_plan_that_nobody_committed_gives_way_to_a_new_run() {
    let (host, id) = analysed();
    let next = host.call("POST", "/apps/hr/reconcile", &[], None);
    assert_eq!(next.status, 202, "{next:?}");
    let before = host.get(&format!("/requests/{id}")).body;
    assert_eq!(before["state"], "Cancelled");
    let log = host.get(&format!("/requests/{id}/log")).text;
    assert!(log.contains(&format!("superseded by {}", next.body["id"].as_str().unwrap())), "{log}");
}

#[test]
fn what_has_no_plan_to_commit_is_refused_with_what_to_do() {
    let (host, id) = analysed();
    let refused = |id: &str| {
        let answer = host.call("POST", &format!("/requests/{id}/commit"), &[], None);
        assert_eq!((answer.status, answer.case()), (409, "wrong-state"), "{answer:?}");
        answer.text
    };
    host.wait(async {
        let request = host.store.request(id.parse().unwrap()).await.unwrap().unwrap();
        let version = request.version;
        let failed = Request { state: State::Failed, due: None, version: version + 1, ..request };
        let requests = vec![Versioned::replacing(version, failed)];
        host.store.commit(ChangeSet { requests, ..ChangeSet::default() }).await.unwrap();
    });
    let text = refused(&id);
    assert!(
        text.contains("is Failed: it has no plan to commit any more; retry it, or reconcile the app anew"),
        "{text}"
    );
    host.post("/users", &json!({"username": "ada", "profile": "staff"}));
    let create = host.get("/requests?operation=Create").body["items"][0]["id"].as_str().unwrap().to_owned();
    let text = refused(&create);
    assert!(text.contains("only a Reconcile has a plan to commit"), "{text}");
}

#[test]
fn approving_a_plan_names_its_digest() {
    let (host, id) = analysed();
    let shown = host.get(&format!("/requests/{id}")).body;
    assert_eq!(shown["digest"], shown["run"]["plan"]);
    let unasked = host.post(&format!("/requests/{id}/approve"), &json!({"digest": shown["digest"]}));
    assert_eq!(unasked.case(), "wrong-state", "no approval is asked for");
}
