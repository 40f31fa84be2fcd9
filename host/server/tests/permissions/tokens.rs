//! Tokens: whose they are, what they are good for, how long; and attempts with others.

use crate::common::Host;
use gatehouse_core::SystemPermission::{
    self, CustomizeApplication, ManageConnectedApps, ManageUsers, ModifyAllData, ViewSetup,
};
use gatehouse_core::access::Scope;
use gatehouse_core::ports::{ChangeSet, Store as _, Versioned};
use gatehouse_core::{User, UserId};
use gatehouse_server::service::{ATTEMPTS_EACH, hash_of};
use serde_json::json;

fn change(host: &Host, id: UserId, change: impl FnOnce(&mut User)) {
    let mut user = host.wait(host.store.user(id)).unwrap().unwrap();
    change(&mut user);
    let users = vec![Versioned::replacing(user.version, user)];
    host.wait(host.store.commit(ChangeSet { users, ..ChangeSet::default() })).unwrap();
}

#[test]
fn whoever_calls_is_told_who_they_are() {
    let host = Host::start();
    let ada = host.person("ada", &[ViewSetup], None);
    let me = host.get_as(&ada, "/whoami");
    assert_eq!(me.status, 200, "{me:?}");
    assert_eq!((&me.body["user"], &me.body["installation"]), (&json!("ada"), &json!(false)));
    assert_eq!(me.body["permissions"], json!(["view_setup"]));
    let first = host.get("/whoami");
    assert_eq!((&first.body["user"], &first.body["installation"]), (&json!(null), &json!(true)));
    assert_eq!(first.body["permissions"].as_array().unwrap().len(), SystemPermission::ALL.len());
}

#[test]
fn tokens_of_a_disabled_or_frozen_user_are_not_good_until_they_are_back() {
    let host = Host::start();
    let ada = host.person("ada", &[], None);
    let works = || host.get_as(&ada, "/whoami").status;
    assert_eq!(works(), 200);
    change(&host, ada.id, |user| user.frozen = true);
    assert_eq!(works(), 401);
    change(&host, ada.id, |user| (user.frozen, user.active) = (false, false));
    assert_eq!(works(), 401);
    change(&host, ada.id, |user| user.active = true);
    assert_eq!(works(), 200);
}

#[test]
fn a_revoked_token_is_worthless_at_once() {
    let host = Host::start();
    let ada = host.person("ada", &[], None);
    assert_eq!(host.get_as(&ada, "/whoami").status, 200);
    assert_eq!(host.call_as(&ada.token, "DELETE", "/tokens/ada", None).status, 204);
    assert_eq!(host.get_as(&ada, "/whoami").status, 401);
}

#[test]
fn an_expired_token_is_worthless_and_one_that_would_be_is_not_made() {
    let host = Host::start();
    let ada = host.person("ada", &[], None);
    let mut token = host.wait(host.store.token(hash_of(&ada.token))).unwrap().unwrap();
    token.expires_at = Some("2020-01-01T00:00:00Z".parse().unwrap());
    let tokens = vec![Versioned::replacing(token.version, token)];
    host.wait(host.store.commit(ChangeSet { tokens, ..ChangeSet::default() })).unwrap();
    assert_eq!(host.get_as(&ada, "/whoami").status, 401);
    let past = host.post("/tokens", &json!({"name": "late", "expires_at": "2020-01-01T00:00:00Z"}));
    assert_eq!((past.status, past.body["errors"][0]["pointer"].clone()), (422, json!("/expires_at")));
    let later = host.post("/tokens", &json!({"name": "later", "expires_at": "2999-01-01T00:00:00Z"}));
    assert_eq!(later.status, 201);
    assert_eq!(host.call_as(later.body["token"].as_str().unwrap(), "GET", "/whoami", None).status, 200);
}

#[test]
fn a_scope_bounds_what_a_token_is_good_for_and_says_so() {
    let host = Host::start();
    host.person("ada", &SystemPermission::ALL, None);
    let apps = host.token_of("ada", "apps-only", &[Scope::Apps]);
    assert_eq!(host.call_as(&apps, "GET", "/apps", None).status, 200);
    let refused = host.call_as(&apps, "GET", "/users", None);
    assert_eq!(refused.status, 403);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("the scope `users` or `read`; this one has apps"), "{detail}");
    let read = host.token_of("ada", "read-only", &[Scope::Read]);
    assert_eq!(host.call_as(&read, "GET", "/users", None).status, 200);
    assert_eq!(host.call_as(&read, "POST", "/users", Some(&json!({"username": "eve"}))).status, 403);
    assert_eq!(host.call_as(&read, "GET", "/backup", None).status, 403, "a backup is no looking");
}

#[test]
fn a_token_makes_none_that_is_good_for_more_or_for_longer() {
    let host = Host::start();
    host.person("ada", &SystemPermission::ALL, None);
    let narrow = host.token_of("ada", "narrow", &[Scope::Tokens, Scope::Apps]);
    let make = |body| host.call_as(&narrow, "POST", "/tokens", Some(&body));
    assert_eq!(make(json!({"name": "all"})).status, 422);
    assert_eq!(make(json!({"name": "users", "scopes": ["users"]})).status, 422);
    assert_eq!(make(json!({"name": "apps", "scopes": ["apps"]})).status, 201);
    let until = json!({"name": "month", "user": "ada", "expires_at": "2990-01-01T00:00:00Z"});
    let month = host.post("/tokens", &until).body["token"].as_str().unwrap().to_owned();
    let make = |body| host.call_as(&month, "POST", "/tokens", Some(&body));
    assert_eq!(make(json!({"name": "for-ever"})).status, 422);
    assert_eq!(make(json!({"name": "longer", "expires_at": "2991-01-01T00:00:00Z"})).status, 422);
    assert_eq!(make(json!({"name": "shorter", "expires_at": "2989-01-01T00:00:00Z"})).status, 201);
}

#[test]
fn a_token_for_somebody_else_takes_what_they_may_do() {
    let host = Host::start();
    let ada = host.person("ada", &[], None);
    let hr = host.person("hr-admin", &[ViewSetup, ManageUsers], None);
    let chief = host.person("chief", &[ViewSetup, ManageUsers, ModifyAllData], None);
    host.person("root", &SystemPermission::ALL, None);
    let make = |by, name: &str, user: &str| host.post_as(by, "/tokens", &json!({"name": name, "user": user})).status;
    assert_eq!(make(&ada, "mine", "ada"), 201);
    assert_eq!(make(&ada, "theirs", "hr-admin"), 403);
    assert_eq!(make(&ada, "unknown", "nobody-there"), 403, "who there is is not for everybody to know");
    assert_eq!(make(&hr, "adas", "ada"), 403, "with it one would vote in her place");
    assert_eq!(make(&chief, "adas", "ada"), 201);
    assert_eq!(make(&chief, "roots", "root"), 403, "that would be all of root's permissions");
    let listed = host.get_as(&ada, "/tokens");
    let names: Vec<_> = listed.body["items"].as_array().unwrap().iter().map(|token| token["name"].clone()).collect();
    assert_eq!(names, ["ada", "adas", "mine"], "one's own, and no others");
    assert_eq!(host.call_as(&ada.token, "DELETE", "/tokens/first", None).status, 404);
    assert_eq!(host.call_as(&hr.token, "DELETE", "/tokens/first", None).status, 403);
    assert_eq!(host.call_as(&hr.token, "DELETE", "/tokens/adas", None).status, 204);
}

#[test]
fn whoever_tries_too_many_tokens_has_to_wait_and_a_good_one_is_taken_all_the_same() {
    let host = Host::start();
    let attempt = || host.call_as("ghs_guess", "GET", "/whoami", None);
    for no in 0..ATTEMPTS_EACH {
        assert_eq!(attempt().status, 401, "attempt {no}");
    }
    let limited = attempt();
    assert_eq!((limited.status, limited.case()), (429, "too-many-attempts"), "{limited:?}");
    assert_eq!(limited.header("content-type"), "application/problem+json");
    let seconds: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(host.get("/whoami").status, 200);
    let failed = host.audited("sign_in.refused");
    assert_eq!(failed.len(), 1, "one record for all of them: {failed:?}");
    assert_eq!(failed[0]["subject"], "client 127.0.0.1");
}

#[test]
fn the_command_line_makes_tokens_and_says_who_one_is_and_what_is_missing() {
    let host = Host::start();
    let ada = host.person("ada", &[CustomizeApplication, ManageConnectedApps], None);
    let folder = tempfile::tempdir().unwrap();
    let made = ["token", "create", "bot", "--user", "ada", "--scope", "apps,read", "--expires", "90d"];
    let (code, token, err) = host.cli(folder.path(), &made);
    assert_eq!(code, 0, "{err}");
    let (_, list, _) = host.cli(folder.path(), &["token", "list"]);
    assert!(list.contains("apps") && list.contains("(installation)") && list.contains("EXPIRES"), "{list}");
    let with = |arguments: &[&str]| {
        let token = ["--token", token.trim()];
        host.cli(folder.path(), &[arguments, &token].concat())
    };
    let (code, me, _) = with(&["whoami"]);
    assert_eq!(code, 0);
    assert!(me.contains("ada") && me.contains("customize_application, manage_connected_apps"), "{me}");
    let (code, _, err) = with(&["audit", "list"]);
    assert_eq!(code, 1);
    let wanted = "error: reading the audit trail needs View Setup and Modify All Data; \
        you have Customize Application and Manage Connected Apps";
    assert_eq!(err.trim(), wanted);
    let (code, _, err) = with(&["user", "create", "eve"]);
    assert_eq!(code, 1);
    assert!(err.contains("needs a token with the scope `users`"), "{err}");
    let rule = ["sharing", "create", "managers", "--to-managers", "--approve", "--operation", "create"];
    let (code, out, err) = host.cli(folder.path(), &rule);
    assert_eq!(
        (code, out.trim()),
        (0, "Made sharing rule managers: managers see and approve Create requests about their people."),
        "{err}"
    );
    assert_eq!(host.get_as(&ada, "/sharing-rules").status, 403);
}
