//! The audit trail as people use it: listed, signed, exported and verified, and people erased from it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Host, gatehouse, output};
use gatehouse_core::ports::{ChangeSet, Store as _, TrailChange};
use gatehouse_core::{Actor, AuditRecord};
use gatehouse_store::{MasterKey, OpenOptions, RedbStore};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;

/// What a verification says, and whether it is well.
fn verified(at: &Path, host: &Host, arguments: &[&str]) -> (i32, Json) {
    let (code, stdout, stderr) = host.cli(at, &[&["audit", "verify", "--output", "json"], arguments].concat());
    (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
}

fn items(answer: &Json) -> Vec<Json> {
    answer["items"].as_array().unwrap().clone()
}

#[test]
fn a_change_is_recorded_field_by_field_with_what_was_before() {
    let host = Host::start().with_app();
    host.post("/user-attributes", &json!({"name": "desk", "type": "text"}));
    host.post("/users", &json!({"username": "ada", "email": "a@example.com"}));
    host.call("PATCH", "/users/ada", &[], Some(&json!({"email": "ada@example.com", "attributes": {"desk": ["4"]}})));
    host.call("PATCH", "/apps/hr", &[], Some(&json!({"settings": {"page_size": 7}})));
    let newest = |filter: &str| items(&host.get(&format!("/audit?{filter}")).body).remove(0);
    let of_user = newest("action=user.&user=ada");
    let expected = json!({
        "attributes.desk": {"before": null, "after": ["4"]},
        "email": {"before": "a@example.com", "after": "ada@example.com"},
    });
    assert_eq!((&of_user["changes"], &of_user["person"]), (&expected, &json!("USR-000001")));
    host.call("PATCH", "/users/ada", &[], Some(&json!({"attributes": {"badge": ["7-7-7-7"]}})));
    let unknown = newest("action=user.&user=ada");
    let masked = json!({"attributes.badge": {"before": null, "after": "(masked)"}});
    assert_eq!(unknown["changes"], masked, "nobody has said whether it is sensitive");
    let pin = json!({"name": "pin", "type": "text", "sensitive": true});
    assert_eq!(host.post("/user-attributes", &pin).status, 201);
    host.call("PATCH", "/users/ada", &[], Some(&json!({"attributes": {"pin": ["8-4-7-1"]}})));
    let hidden = newest("action=user.&user=ada");
    assert_eq!(hidden["changes"], json!({"attributes.pin": {"before": null, "after": "(masked)"}}));
    let of_app = newest("app=hr&actor=first&action=app.");
    assert_eq!(of_app["changes"], json!({"settings.page_size": {"before": null, "after": 7}}));
    let secret = json!({"origin": "https://hr.example.com", "scheme": "bearer", "secret": "correct horse"});
    host.call("PUT", "/credentials/hr", &[], Some(&secret));
    let trail = host.get("/audit?limit=1000").text;
    assert!(!trail.contains("correct horse") && !trail.contains("8-4-7-1"), "{trail}");
}

#[test]
fn of_a_groups_members_the_trail_says_who_came_and_who_left() {
    let host = Host::start();
    for name in ["ada", "bob", "cy"] {
        host.post("/users", &json!({"username": name}));
    }
    host.post("/groups", &json!({"name": "night", "members": ["ada", "bob"]}));
    let newest = |action: &str| items(&host.get(&format!("/audit?action={action}")).body).remove(0)["changes"].clone();
    let side = |ids: &[&str]| if ids.is_empty() { Json::Null } else { json!(ids) };
    let members = |before: &[&str], after: &[&str]| json!({"before": side(before), "after": side(after)});
    assert_eq!(newest("group.create")["members"], members(&[], &["USR-000001", "USR-000002"]));
    host.post("/groups/night/members", &json!({"add": ["cy"], "remove": ["ada"]}));
    assert_eq!(newest("group.members"), json!({"members": members(&["USR-000001"], &["USR-000003"])}));
    host.call("DELETE", "/groups/night", &[], None);
    assert_eq!(newest("group.delete")["members"], members(&["USR-000002", "USR-000003"], &[]));
}

#[test]
fn a_sign_in_is_recorded_once_for_a_token_and_an_address() {
    let host = Host::start();
    host.post("/users", &json!({"username": "ada"}));
    let made = host.post("/tokens", &json!({"name": "adas", "user": "ada"}));
    let bearer = format!("Bearer {}", made.body["token"].as_str().unwrap());
    let signed_in = || items(&host.get("/audit?action=sign_in").body);
    let of_adas = || signed_in().into_iter().filter(|record| record["actor"] == "adas").collect::<Vec<_>>();
    assert_eq!(of_adas().len(), 0, "nobody has come with it");
    for _ in 0..3 {
        assert_eq!(host.send("GET", "/api/v1/whoami", &[("authorization", &bearer)], b"").status, 200);
    }
    let [record] = &of_adas()[..] else { panic!("{:?}", of_adas()) };
    assert_eq!((&record["subject"], &record["address"]), (&json!("token adas"), &json!("127.0.0.1")), "{record}");
    assert!(record["request_id"].is_string(), "{record}");
    assert_eq!(signed_in().len(), 2, "and the first token's");
}

#[test]
fn refused_sign_ins_and_denied_calls_are_counted_in_the_store_and_add_up() {
    let host = Host::start().with_app();
    host.post("/users", &json!({"username": "ada"}));
    let adas = host.post("/tokens", &json!({"name": "adas", "user": "ada"})).body["token"].as_str().unwrap().to_owned();
    let delete = || host.send("DELETE", "/api/v1/apps/hr", &[("authorization", &format!("Bearer {adas}"))], b"");
    for _ in 0..3 {
        assert_eq!(host.send("GET", "/api/v1/apps", &[("authorization", "Bearer ghs_guess")], b"").status, 401);
        assert_eq!(delete().status, 403);
    }
    let told = |action: &str| -> Vec<(String, String, String)> {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let records = items(&host.get(&format!("/audit?action={action}")).body);
        records.iter().map(|r| (text(&r["actor"]), text(&r["subject"]), text(&r["facts"]["count"]))).collect()
    };
    let told_of = |who: &str, what: &str, count: &str| vec![(who.to_owned(), what.to_owned(), count.to_owned())];
    let (client, call) = ("client 127.0.0.1", "DELETE /api/v1/apps/{name}");
    assert_eq!(told("sign_in."), told_of("nobody", client, "1"), "at once");
    assert_eq!(told("permission."), told_of("adas", call, "1"), "at once");
    host.wait(async {
        host.services.count_refusals().await;
        let windows = host.store.denial_windows().await.unwrap();
        assert_eq!(windows.iter().map(|window| window.further).collect::<Vec<_>>(), [2, 2], "as durable as the store");
        let close_denials = Some(windows[0].since + jiff::SignedDuration::from_mins(2));
        let trail = TrailChange { close_denials, ..TrailChange::default() };
        host.store.commit(ChangeSet { trail, ..ChangeSet::default() }).await.unwrap();
    });
    assert_eq!(told("sign_in.refused.further"), told_of("nobody", client, "2"));
    assert_eq!(told("permission.denied.further"), told_of("adas", call, "2"));
}

#[test]
fn sharing_rules_that_go_with_their_app_leave_a_record_each() {
    let host = Host::start().with_app();
    for (name, app) in [("of-hr", json!("hr")), ("of-all", Json::Null)] {
        host.post("/sharing-rules", &json!({"name": name, "app": app, "to_managers": true, "access": "read"}));
    }
    assert_eq!(host.call("DELETE", "/apps/hr", &[], None).status, 204);
    let gone = items(&host.get("/audit?action=sharing.delete").body);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0]["subject"], "sharing rule of-hr");
    assert_eq!(gone[0]["changes"]["access"], json!({"before": "read", "after": null}));
}

#[test]
fn the_list_is_filtered_and_what_is_no_filter_refused() {
    let host = Host::start().with_app();
    host.post("/users", &json!({"username": "ada"}));
    let count = |filter: &str| items(&host.get(&format!("/audit?limit=1000&{filter}")).body).len();
    let all = count("");
    assert_eq!((count("action=user.create"), count("action=user.none"), count("actor=nobody")), (1, 0, 0));
    assert_eq!(count("since=2000-01-01T00:00:00Z"), all);
    assert_eq!(count("until=2000-01-01T00:00:00Z"), 0);
    assert!(count("user=ada") >= 1 && count("app=hr") >= 1 && count("app=APP-000001") == count("app=hr"));
    let first = host.get("/audit?limit=1").body;
    let second = host.get(&format!("/audit?limit=1&after={}", first["next"].as_str().unwrap())).body;
    assert_eq!(items(&second)[0]["sequence"].as_u64().unwrap() + 1, items(&first)[0]["sequence"].as_u64().unwrap());
    for (filter, status) in [("user=nobody", 404), ("app=none", 404), ("request=x", 400), ("since=x", 400)] {
        assert_eq!(host.get(&format!("/audit?{filter}")).status, status, "{filter}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (code, table, _) = host.cli(folder.path(), &["audit", "list", "--action", "user.", "--user", "ada"]);
    assert!(code == 0 && table.contains("user.create") && !table.contains("app.create"), "{table}");
}

#[test]
fn an_exported_trail_is_verified_by_itself_and_names_what_somebody_changed() {
    let host = Host::start().with_app();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (code, _, stderr) = host.cli(at, &["audit", "head", "early.json"]);
    assert_eq!(code, 0, "{stderr}");
    host.post("/users", &json!({"username": "ada"}));
    assert_eq!(host.cli(at, &["audit", "export", "trail.jsonl"]).0, 0);
    let valid = verified(at, &host, &["--head", "early.json", "--export", "trail.jsonl"]);
    assert_eq!((valid.0, &valid.1["valid"]), (0, &json!(true)), "{valid:?}");
    assert_eq!(host.cli(at, &["audit", "export", "trail.jsonl"]).0, 1, "nothing is overwritten");
    let (_, stdout, _) = host.cli(at, &["audit", "export"]);
    assert!(stdout.lines().count() > fs::read_to_string(at.join("trail.jsonl")).unwrap().lines().count());

    let text = fs::read_to_string(at.join("trail.jsonl")).unwrap();
    fs::write(at.join("changed.jsonl"), text.replace("profile.create", "profile.delete")).unwrap();
    let no = items(&host.get("/audit?action=profile.create").body)[0]["sequence"].clone();
    let (code, verdict) = verified(at, &host, &["--export", "changed.jsonl"]);
    let finding = &verdict["findings"][0];
    assert_eq!((code, &finding["sequence"], &finding["breach"]), (1, &no, &json!("changed")), "{verdict}");
    let cut: Vec<&str> = text.lines().take(3).collect();
    fs::write(at.join("cut.jsonl"), cut.join("\n")).unwrap();
    assert_eq!(verified(at, &host, &["--export", "cut.jsonl"]).1["findings"][0]["breach"], "cut_off");
    let (code, _, stderr) = host.cli(at, &["audit", "verify", "--export", "early.json"]);
    assert!(code == 1 && stderr.contains("is no export"), "{stderr}");
}

#[test]
fn part_of_a_trail_is_exported_by_time() {
    let host = Host::start().with_app();
    let folder = tempfile::tempdir().unwrap();
    host.post("/users", &json!({"username": "ada"}));
    let trail = items(&host.get("/audit").body);
    let of = |action: &str| trail.iter().find(|record| record["action"] == action).unwrap();
    let since = of("profile.create")["at"].as_str().unwrap();
    let (code, _, stderr) = host.cli(folder.path(), &["audit", "export", "part.jsonl", "--since", since]);
    assert_eq!(code, 0, "{stderr}");
    let text = fs::read_to_string(folder.path().join("part.jsonl")).unwrap();
    assert!(text.contains("user.create") && !text.contains("connector.install"));
    let (code, verdict) = verified(folder.path(), &host, &["--export", "part.jsonl"]);
    assert_eq!(code, 0, "{verdict}");
    assert!(verdict["notes"][0].as_str().unwrap().contains("is not in this file"), "{verdict}");
    assert_eq!(host.get("/audit/export?until=2000-01-01T00:00:00Z").status, 404);
}

#[test]
fn a_head_that_does_not_agree_with_the_hosts_trail_is_told_and_the_verification_recorded() {
    let (host, another) = (Host::start(), Host::start());
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    another.cli(at, &["audit", "head", "another.json"]);
    host.cli(at, &["audit", "head", "own.json"]);
    assert_eq!(verified(at, &host, &["--head", "own.json"]).0, 0);
    let (code, verdict) = verified(at, &host, &["--head", "own.json", "--head", "another.json"]);
    assert_eq!((code, &verdict["findings"][0]["breach"]), (1, &json!("bad_signature")), "{verdict}");
    let recorded = items(&host.get("/audit?action=audit.verify").body);
    assert_eq!(recorded[1]["outcome"], "valid");
    assert!(recorded[0]["outcome"].as_str().unwrap().contains("of another store"), "{recorded:?}");
}

#[test]
fn a_person_who_has_left_is_erased_and_the_trail_stays_valid() {
    let host = Host::start().with_app();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let ada = json!({"username": "ada", "email": "ada@example.com", "last_name": "Lovelace"});
    host.post("/users", &ada);
    host.cli(at, &["audit", "head", "head.json"]);
    let refused = host.post("/users/ada/erase", &json!({}));
    assert_eq!((refused.status, refused.case()), (409, "conflict"), "she is active");
    host.post("/users/ada/disable", &json!({}));
    let (code, _, stderr) = host.cli(at, &["user", "erase", "ada"]);
    assert!(code == 1 && stderr.contains("--yes"), "{stderr}");
    let asked = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "ada"}));
    if let Some(id) = asked.body["id"].as_str() {
        let waits = host.post("/users/ada/erase", &json!({}));
        assert!(waits.status == 409 && waits.text.contains(id), "{waits:?}");
        host.post(&format!("/requests/{id}/cancel"), &json!({}));
    }
    assert!(host.get("/audit?limit=1000").text.contains("Lovelace"), "the twin of what follows");

    let (code, stdout, stderr) = host.cli(at, &["user", "erase", "ada", "--yes"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("USR-000001"), "{stdout}");
    let places = ["/users", "/users/USR-000001", "/audit?limit=1000", "/audit?user=USR-000001", "/audit/export"];
    for place in places {
        let text = host.get(place).text;
        // Not the bare name: digests in hexadecimal digits may have it in them by chance.
        let found = ["Lovelace", "user ada", "\"ada\"", "ada@"].into_iter().find(|part| text.contains(part));
        assert_eq!(found, None, "{place}: {text}");
    }
    let of_her = items(&host.get("/audit?user=USR-000001").body);
    assert_eq!((&of_her[0]["action"], &of_her[1]["action"]), (&json!("user.erase"), &json!("(erased)")));
    let (code, verdict) = verified(at, &host, &["--head", "head.json"]);
    assert_eq!(code, 0, "{verdict}");
    assert!(verdict["erased"].as_u64().unwrap() >= 2, "{verdict}");
    assert_eq!(host.get("/users/ada").status, 404);
}

#[test]
fn nothing_is_said_of_an_erased_person_again() {
    let host = Host::start().with_app();
    let at = tempfile::tempdir().unwrap();
    let empty = json!({});
    host.post("/permission-sets", &json!({"name": "vpn"}));
    host.post("/groups", &json!({"name": "board"}));
    for name in ["ada", "bob"] {
        assert_eq!(host.post("/users", &json!({"username": name, "active": name == "bob"})).status, 201);
    }
    let enabled = host.post("/users/ada/enable", &empty);
    assert_eq!(enabled.status, 200, "the twin of what follows: {enabled:?}");
    host.post("/users/ada/disable", &empty);
    let first = host.post("/users/ada/erase", &empty);
    assert!(first.status == 200 && first.body["erased_at"].is_string(), "{first:?}");
    assert_eq!(host.get("/users/bob").body.get("erased_at"), None);

    for path in ["enable", "freeze", "unfreeze", "reactivate", "permission-sets/vpn"] {
        let refused = host.post(&format!("/users/erased-1/{path}"), &empty);
        assert_eq!((refused.status, refused.case()), (409, "conflict"), "{path}: {refused:?}");
        assert!(refused.text.contains("USR-000001 was erased on 20"), "{path}: {refused:?}");
    }
    for change in [json!({"email": "ada@example.com"}), json!({"active": true}), json!({"profile": "staff"})] {
        let refused = host.call("PATCH", "/users/USR-000001", &[], Some(&change));
        assert!(refused.status == 409 && refused.text.contains("was erased on"), "{change}: {refused:?}");
    }
    for (method, path, body) in [
        ("PATCH", "/users/bob", json!({"manager": "erased-1"})),
        ("POST", "/groups/board/members", json!({"add": ["erased-1"]})),
        ("POST", "/tokens", json!({"name": "hers", "user": "erased-1", "scopes": ["read"]})),
        ("POST", "/users", json!({"username": "erased-9"})),
        ("POST", "/sharing-rules", json!({"name": "hers", "to_user": "erased-1", "access": "read"})),
        (
            "POST",
            "/sharing-rules",
            json!({"name": "of-her", "owner_user": "erased-1", "access": "read", "to_managers": true}),
        ),
        ("POST", "/delegations", json!({"user": "erased-1", "delegate": "bob", "until": "2999-01-01T00:00:00Z"})),
        (
            "PATCH",
            "/apps/hr",
            json!({"config": {"approvals": [{"operations": ["Create"], "steps": [{"approvers": {"users": ["erased-1"]}}]}]}}),
        ),
    ] {
        let refused = host.call(method, path, &[], Some(&body));
        assert!(refused.status == 422 && refused.text.contains("erased"), "{path}: {refused:?}");
    }
    let asked = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "erased-1"}));
    assert!(asked.status == 409 && asked.text.contains("whoever comes back is a new user"), "{asked:?}");
    let rows = "username,active,manager\nerased-1,true,\ncid,true,erased-1\n";
    std::fs::write(at.path().join("people.csv"), rows).unwrap();
    let (code, stdout, stderr) = host.cli(at.path(), &["user", "import", "people.csv"]);
    assert!(code == 1 && stdout.contains("was erased on"), "{code} {stdout} {stderr}");
    assert_eq!(host.get("/users/cid").status, 404);

    let again = host.post("/users/erased-1/erase", &empty);
    assert_eq!((again.status, &again.body), (200, &first.body), "done already");
    assert_eq!(items(&host.get("/audit?action=user.erase").body).len(), 1);
}

#[test]
fn a_closed_store_is_verified_without_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("key"), "07".repeat(32)).unwrap();
    let options = OpenOptions::new(at.join("store.db"), MasterKey::new([7; 32]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let record = |store: &RedbStore, what: &str| {
        let audit = vec![AuditRecord::new("2026-01-01T00:00:00Z".parse().unwrap(), &Actor::host(), "test", what)];
        runtime.block_on(store.commit(ChangeSet { audit, ..ChangeSet::default() })).unwrap();
    };
    let head = |store: &RedbStore, name: &str| {
        let head = runtime.block_on(store.audit_head(None, "2026-01-01T00:00:00Z".parse().unwrap())).unwrap();
        fs::write(at.join(name), serde_json::to_string(&head).unwrap()).unwrap();
    };
    let store = RedbStore::open(&options).unwrap();
    record(&store, "one");
    head(&store, "early.json");
    drop(store);
    fs::copy(at.join("store.db"), at.join("older.db")).unwrap();
    let store = RedbStore::open(&options).unwrap();
    record(&store, "two");
    head(&store, "late.json");
    let verify = |store: &str, more: &[&str]| {
        let own = ["audit", "verify", "--store", store, "--master-key-file", "key", "--head", "early.json"];
        output(gatehouse(at, &[&own, more].concat()))
    };
    let (code, _, stderr) = verify("store.db", &[]);
    assert!(code == 1 && stderr.contains("is in use"), "{stderr}");
    drop(store);
    let (code, stdout, stderr) = verify("store.db", &["--head", "late.json"]);
    assert!(code == 0 && stdout.contains("as it was written: 2 records"), "{stdout}{stderr}");
    // Somebody puts back what was there before the second record.
    let (code, stdout, _) = verify("older.db", &["--head", "late.json"]);
    assert!(code == 1 && stdout.contains("cut_off at record 2"), "{stdout}");
    let (code, _, stderr) = verify("none.db", &[]);
    assert!(code == 1 && stderr.contains("is no file"), "{stderr}");
}
