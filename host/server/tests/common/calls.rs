//! How every endpoint that may change something is called, so that it does what it is for. It checks nothing.

use super::engine::{account, analysed, failed, in_review};
use super::{Host, component};
use gatehouse_core::events::Tally;
use gatehouse_core::ports::{ChangeSet, JobQuery, Store as _, Versioned};
use gatehouse_core::{Job, JobState, UserId};
use serde_json::{Value as Json, json};

/// How an endpoint is called.
pub enum Row {
    /// Like this, on a host with the sample connector, profile `staff` and app `hr`.
    Call(fn(&Host) -> Ask),
    /// It changes nothing, for this reason, although its method may.
    ChangesNothing(&'static str),
    /// It needs what this host has not (a store that is a file): this test looks for this action in the trail.
    Elsewhere(&'static str, &'static str),
}

/// What is sent.
pub struct Ask {
    pub path: String,
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

fn ask(path: impl Into<String>, body: Json) -> Ask {
    Ask { path: path.into(), kind: "application/json", bytes: body.to_string().into_bytes() }
}

/// Every endpoint that may change something.
pub fn calls() -> Vec<(&'static str, &'static str, Row)> {
    use Row::{Call, ChangesNothing, Elsewhere};
    vec![
        (
            "POST",
            "/api/v1/sharing-rules",
            Call(|_| ask("/sharing-rules", json!({"name": "managers", "to_managers": true, "access": "read"}))),
        ),
        (
            "DELETE",
            "/api/v1/sharing-rules/{name}",
            Call(|host| {
                host.post("/sharing-rules", &json!({"name": "managers", "to_managers": true, "access": "read"}));
                ask("/sharing-rules/managers", json!({}))
            }),
        ),
        ("POST", "/api/v1/apps", Call(|_| ask("/apps", app("crm")))),
        ("PATCH", "/api/v1/apps/{name}", Call(|_| ask("/apps/hr", json!({"settings": {"page_size": 7}})))),
        ("DELETE", "/api/v1/apps/{name}", Call(|_| ask("/apps/hr", json!({})))),
        ("POST", "/api/v1/apps/{name}/preview", ChangesNothing("it shows what would be sent, and calls nobody")),
        (
            "POST",
            "/api/v1/apps/{name}/provision",
            Call(|host| {
                user(host);
                ask("/apps/hr/provision", json!({"user": "maria"}))
            }),
        ),
        ("POST", "/api/v1/apps/{name}/probe", Call(|_| ask("/apps/hr/probe", json!({})))),
        ("POST", "/api/v1/apps/{name}/pause", Call(|_| ask("/apps/hr/pause", json!({})))),
        (
            "POST",
            "/api/v1/apps/{name}/resume",
            Call(|host| {
                host.post("/apps/hr/pause", &json!({}));
                ask("/apps/hr/resume", json!({}))
            }),
        ),
        ("POST", "/api/v1/apps/{name}/reconcile", Call(|_| ask("/apps/hr/reconcile", json!({})))),
        ("POST", "/api/v1/apps/{app}/release", Call(|_| ask("/apps/hr/release", json!({})))),
        ("POST", "/api/v1/apps/{app}/withdraw", Call(|_| ask("/apps/hr/withdraw", json!({"reason": "a mistake"})))),
        ("POST", "/api/v1/jobs/{job}/approve", Call(|host| ask(format!("/jobs/{}/approve", held(host)), json!({})))),
        (
            "POST",
            "/api/v1/jobs/{job}/cancel",
            Call(|host| ask(format!("/jobs/{}/cancel", held(host)), json!({"reason": "a mistake"}))),
        ),
        (
            "POST",
            "/api/v1/connectors",
            Call(|_| {
                let bytes = component("2.0.0");
                Ask { path: "/connectors?allow_unsigned=true".to_owned(), kind: "application/wasm", bytes }
            }),
        ),
        ("POST", "/api/v1/connectors/check", ChangesNothing("it looks at a component, and keeps nothing of it")),
        (
            "DELETE",
            "/api/v1/connectors/{connector}",
            Call(|host| {
                host.call("DELETE", "/apps/hr", &[], None);
                ask("/connectors/sample", json!({}))
            }),
        ),
        ("POST", "/api/v1/compact", Elsewhere("serving.rs", "store.compact")),
        ("POST", "/api/v1/restore", Elsewhere("serving.rs", "store.restore")),
        (
            "POST",
            "/api/v1/requests",
            Call(|host| {
                user(host);
                ask("/requests", json!({"app": "hr", "operation": "Create", "user": "maria"}))
            }),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/commit",
            Call(|host| ask(format!("/requests/{}/commit", analysed(host)), json!({}))),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/approve",
            Call(|host| {
                let id = waiting(host);
                let digest = host.get(&format!("/requests/{id}")).body["digest"].clone();
                ask(format!("/requests/{id}/approve"), json!({"digest": digest}))
            }),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/deny",
            Call(|host| ask(format!("/requests/{}/deny", waiting(host)), json!({"reason": "not needed any more"}))),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/retry",
            Call(|host| ask(format!("/requests/{}/retry", failed(host)), json!({}))),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/settle",
            Call(|host| {
                let path = format!("/requests/{}/settle", in_review(host));
                ask(
                    path,
                    json!({"outcome": "made", "external_id": "x1", "reason": "it is in the list of the target's users"}),
                )
            }),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/complete",
            Call(|host| {
                ask(format!("/requests/{}/complete", failed(host)), json!({"note": "made by hand in the target"}))
            }),
        ),
        (
            "POST",
            "/api/v1/requests/{id}/cancel",
            Call(|host| ask(format!("/requests/{}/cancel", requested(host)), json!({"reason": "not needed any more"}))),
        ),
        (
            "POST",
            "/api/v1/users",
            Call(|_| {
                ask(
                    "/users",
                    json!({
                        "username": "maria", "email": "maria@example.org", "first_name": "Maria", "last_name": "Rossi",
                    }),
                )
            }),
        ),
        ("PATCH", "/api/v1/users/{user}", Call(|host| ask(user(host), json!({"email": "maria@example.com"})))),
        ("POST", "/api/v1/users/{user}/freeze", Call(|host| ask(user(host) + "/freeze", json!({})))),
        ("POST", "/api/v1/users/{user}/unfreeze", Call(|host| after(host, "freeze", "unfreeze"))),
        ("POST", "/api/v1/users/{user}/disable", Call(|host| ask(user(host) + "/disable", json!({})))),
        ("POST", "/api/v1/users/{user}/enable", Call(|host| after(host, "disable", "enable"))),
        ("POST", "/api/v1/users/{user}/reactivate", Call(|host| after(host, "disable", "reactivate"))),
        ("POST", "/api/v1/users/{user}/erase", Call(|host| after(host, "disable", "erase"))),
        (
            "POST",
            "/api/v1/users/import",
            Call(|_| Ask {
                path: "/users/import".to_owned(),
                kind: "text/csv",
                bytes: b"username,email\nmaria,maria@example.org\n".to_vec(),
            }),
        ),
        ("POST", "/api/v1/profiles", Call(|_| ask("/profiles", json!({"name": "guests"})))),
        ("POST", "/api/v1/delegations", Call(|host| ask("/delegations", delegation(host)))),
        (
            "PATCH",
            "/api/v1/delegations/{id}",
            Call(|host| ask(delegated(host), json!({"until": "2998-01-01T00:00:00Z"}))),
        ),
        ("DELETE", "/api/v1/delegations/{id}", Call(|host| ask(delegated(host), json!({})))),
        ("POST", "/api/v1/groups", Call(|_| ask("/groups", named()))),
        ("PATCH", "/api/v1/groups/{name}", Call(|host| ask(made(host, "groups"), described()))),
        ("DELETE", "/api/v1/groups/{name}", Call(|host| ask(made(host, "groups"), json!({})))),
        (
            "POST",
            "/api/v1/groups/{name}/members",
            Call(|host| {
                user(host);
                ask(made(host, "groups") + "/members", json!({"add": ["maria"]}))
            }),
        ),
        ("POST", "/api/v1/permission-sets", Call(|_| ask("/permission-sets", named()))),
        ("PATCH", "/api/v1/permission-sets/{name}", Call(|host| ask(made(host, "permission-sets"), described()))),
        ("DELETE", "/api/v1/permission-sets/{name}", Call(|host| ask(made(host, "permission-sets"), json!({})))),
        (
            "POST",
            "/api/v1/users/{user}/permission-sets/{name}",
            Call(|host| {
                made(host, "permission-sets");
                ask(user(host) + "/permission-sets/night-shift", json!({}))
            }),
        ),
        (
            "DELETE",
            "/api/v1/users/{user}/permission-sets/{name}",
            Call(|host| {
                made(host, "permission-sets");
                let path = user(host) + "/permission-sets/night-shift";
                host.post(&path, &json!({}));
                ask(path, json!({}))
            }),
        ),
        ("PATCH", "/api/v1/profiles/{name}", Call(|host| ask(made(host, "profiles"), described()))),
        ("DELETE", "/api/v1/profiles/{name}", Call(|host| ask(made(host, "profiles"), json!({})))),
        (
            "POST",
            "/api/v1/user-attributes",
            Call(|_| ask("/user-attributes", json!({"name": "cost_centre", "type": "text"}))),
        ),
        (
            "PATCH",
            "/api/v1/user-attributes/{name}",
            Call(|host| ask(made(host, "user-attributes"), json!({"description": "Who pays"}))),
        ),
        ("DELETE", "/api/v1/user-attributes/{name}", Call(|host| ask(made(host, "user-attributes"), json!({})))),
        (
            "PATCH",
            "/api/v1/requests/{id}",
            Call(|host| ask(format!("/requests/{}", scheduled(host)), json!({"run_at": "2998-01-01T00:00:00Z"}))),
        ),
        ("POST", "/api/v1/audit/verify", Call(|_| ask("/audit/verify", json!({})))),
        ("PUT", "/api/v1/credentials/{name}", Call(|_| credential())),
        (
            "DELETE",
            "/api/v1/credentials/{name}",
            Call(|host| {
                let Ask { path, bytes, .. } = credential();
                host.call("PUT", &path, &[], Some(&serde_json::from_slice(&bytes).unwrap()));
                ask(path, json!({}))
            }),
        ),
        (
            "POST",
            "/api/v1/accounts/{id}/link",
            Call(|host| {
                user(host);
                ask(account(host, None) + "/link", json!({"user": "maria"}))
            }),
        ),
        (
            "POST",
            "/api/v1/accounts/{id}/unlink",
            Call(|host| {
                user(host);
                ask(account(host, Some(UserId(1))) + "/unlink", json!({}))
            }),
        ),
        ("POST", "/api/v1/accounts/{id}/ignore", Call(|host| ask(account(host, None) + "/ignore", json!({})))),
        ("POST", "/api/v1/tokens", Call(|_| ask("/tokens", json!({"name": "ci"})))),
        (
            "DELETE",
            "/api/v1/tokens/{name}",
            Call(|host| {
                host.post("/tokens", &json!({"name": "ci"}));
                ask("/tokens/ci", json!({}))
            }),
        ),
    ]
}

fn app(name: &str) -> Json {
    json!({"name": name, "connector": "sample", "settings": {"base_url": "https://crm.example.com"}})
}

pub fn credential() -> Ask {
    let body = json!({"origin": "https://hr.example.com", "scheme": "bearer", "secret": "correct horse"});
    ask("/credentials/hr", body)
}

fn named() -> Json {
    json!({"name": "night-shift"})
}

fn described() -> Json {
    json!({"description": "Works at night"})
}

/// Makes a thing of this kind: where it is.
pub fn made(host: &Host, kind: &str) -> String {
    let body = if kind == "user-attributes" { json!({"name": "cost_centre", "type": "text"}) } else { named() };
    let made = host.post(&format!("/{kind}"), &body);
    assert_eq!(made.status, 201, "{kind}: {made:?}");
    made.header("location").trim_start_matches("/api/v1").to_owned()
}

/// A delegation that can be made.
fn delegation(host: &Host) -> Json {
    user(host);
    host.post("/users", &json!({"username": "jonas"}));
    json!({"user": "maria", "delegate": "jonas", "until": "2999-01-01T00:00:00Z"})
}

/// Makes one: where it is.
pub fn delegated(host: &Host) -> String {
    let made = host.post("/delegations", &delegation(host));
    assert_eq!(made.status, 201, "{made:?}");
    made.header("location").trim_start_matches("/api/v1").to_owned()
}

/// Makes a user: where they are.
pub fn user(host: &Host) -> String {
    host.post(
        "/users",
        &json!({
            "username": "maria", "email": "maria@example.org", "first_name": "Maria", "last_name": "Rossi",
        }),
    );
    "/users/maria".to_owned()
}

fn after(host: &Host, first: &str, then: &str) -> Ask {
    let path = user(host);
    host.post(&format!("{path}/{first}"), &json!({}));
    ask(format!("{path}/{then}"), json!({}))
}

/// As the guard has it.
const WHY_HELD: &str =
    "312 accounts would be made or brought back, more than the 200 that `guard.max_changes` allows without consent";

/// Makes a job that waits for consent: its number.
fn held(host: &Host) -> String {
    host.post("/profiles", &json!({"name": "guests"}));
    host.call("PATCH", "/apps/hr", &[], Some(&json!({"profiles": ["staff", "guests"]})));
    host.wait(async {
        let job = host.store.jobs(&JobQuery { limit: 1, ..JobQuery::default() }).await.unwrap().items.remove(0);
        let tally = Tally { creates: 312, deactivates: 0 };
        let held = Some(WHY_HELD.to_owned());
        let held = Job { state: JobState::Held, held, tally, total: 312, ..job.clone() };
        let jobs = vec![Versioned::replacing(job.version, held)];
        host.store.commit(ChangeSet { jobs, ..ChangeSet::default() }).await.unwrap();
        job.id.to_string()
    })
}

/// Makes a request that the engine would take up: its number.
pub fn requested(host: &Host) -> String {
    asked_for(host, json!({"app": "hr", "operation": "Create", "user": "maria"}))
}

/// Makes one that waits for its date.
fn scheduled(host: &Host) -> String {
    asked_for(host, json!({"app": "hr", "operation": "Create", "user": "maria", "run_at": "2999-01-01T00:00:00Z"}))
}

fn asked_for(host: &Host, body: Json) -> String {
    user(host);
    let asked = host.post("/requests", &body);
    asked.body["id"].as_str().unwrap_or_else(|| panic!("{asked:?}")).to_owned()
}

fn waiting(host: &Host) -> String {
    host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": {"approval_required": ["Create"]}})));
    requested(host)
}
