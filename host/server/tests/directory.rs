//! The directory over HTTP: profiles, permission sets, groups, typed attributes, lists by what people are, imports.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Answer, Host};
use serde_json::{Value as Json, json};

/// The usernames of a list, page by page.
fn names(host: &Host, query: &str) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("/users?limit=2&{query}{after}"));
        assert_eq!(page.status, 200, "{query}: {page:?}");
        let items = page.body["items"].as_array().unwrap();
        names.extend(items.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return names,
        }
    }
}

fn made(answer: &Answer) {
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Where the problems of an answer are.
fn places(answer: &Answer) -> Vec<&str> {
    let errors = answer.body["errors"].as_array().into_iter().flatten();
    errors.map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[test]
fn profiles_and_permission_sets_carry_system_permissions_and_change() {
    let host = Host::start();
    for path in ["/profiles", "/permission-sets"] {
        let new = json!({"name": "ops team", "description": "d", "permissions": ["manage_users", "view_setup"]});
        let answer = host.post(path, &new);
        made(&answer);
        assert_eq!(answer.header("location"), format!("/api/v1{path}/ops%20team"));
        assert_eq!(answer.body["permissions"], json!(["view_setup", "manage_users"]));
        let one = format!("{path}/ops%20team");
        assert_eq!(host.post(path, &new).status, 409);
        let changed = host.call("PATCH", &one, &[("if-match", "\"1\"")], Some(&json!({"permissions": []})));
        assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{changed:?}");
        assert_eq!((&changed.body["permissions"], &changed.body["description"]), (&json!([]), &json!("d")));
        let stale = host.call("PATCH", &one, &[("if-match", "\"1\"")], Some(&json!({"description": ""})));
        assert_eq!((stale.status, stale.case()), (412, "changed"));
        let unknown = host.call("PATCH", &one, &[], Some(&json!({"permissions": ["fly"]})));
        assert_eq!((unknown.status, places(&unknown)), (422, vec!["/permissions/0"]), "{unknown:?}");
        assert_eq!(host.call("DELETE", &one, &[("if-match", "\"1\"")], None).status, 412);
        assert_eq!(host.call("DELETE", &one, &[], None).status, 204);
        assert_eq!(host.get(&one).status, 404);
        for name in ["", "a/b", "..", &"x".repeat(129)] {
            assert_eq!(places(&host.post(path, &json!({"name": name}))), ["/name"], "{name}");
        }
    }
}

#[test]
fn what_users_have_or_apps_are_granted_to_is_not_deleted() {
    let host = Host::start().with_app();
    made(&host.post("/permission-sets", &json!({"name": "vpn"})));
    made(&host.post("/permission-sets", &json!({"name": "wiki"})));
    made(&host.post("/profiles", &json!({"name": "guests"})));
    made(&host.post("/users", &json!({"username": "ann", "profile": "guests", "permission_sets": ["vpn"]})));
    let granted = host.call("PATCH", "/apps/hr", &[], Some(&json!({"permission_sets": ["wiki"]})));
    assert_eq!(granted.status, 200, "{granted:?}");
    for (path, by) in [
        ("/profiles/guests", "user `ann`"),
        ("/profiles/staff", "app `hr`"),
        ("/permission-sets/vpn", "user `ann`"),
        ("/permission-sets/wiki", "app `hr`"),
    ] {
        let refused = host.call("DELETE", path, &[], None);
        assert_eq!((refused.status, refused.case()), (409, "conflict"), "{path}: {refused:?}");
        assert!(refused.text.contains(by), "{path}: {refused:?}");
    }
    let cleared = json!({"profile": null, "permission_sets": []});
    assert_eq!(host.call("PATCH", "/users/ann", &[], Some(&cleared)).status, 200);
    assert_eq!(host.call("DELETE", "/profiles/guests", &[], None).status, 204);
    assert_eq!(host.call("DELETE", "/permission-sets/vpn", &[], None).status, 204);
}

#[test]
fn permission_sets_are_given_and_taken_one_by_one_or_all_at_once() {
    let host = Host::start();
    for name in ["mail", "vpn"] {
        made(&host.post("/permission-sets", &json!({"name": name})));
    }
    made(&host.post("/users", &json!({"username": "ann"})));
    let given = host.post("/users/ann/permission-sets/vpn", &json!({}));
    assert_eq!((given.status, &given.body["permission_sets"]), (200, &json!(["vpn"])), "{given:?}");
    let again = host.post("/users/ann/permission-sets/vpn", &json!({}));
    assert_eq!(again.body["version"], given.body["version"], "nothing has changed");
    assert_eq!(host.post("/users/ann/permission-sets/none", &json!({})).status, 404);
    assert_eq!(host.post("/users/none/permission-sets/vpn", &json!({})).status, 404);
    let stale = host.call("DELETE", "/users/ann/permission-sets/vpn", &[("if-match", "\"1\"")], None);
    assert_eq!((stale.status, stale.case()), (412, "changed"));
    let taken = host.call("DELETE", "/users/ann/permission-sets/vpn", &[], None);
    assert_eq!((taken.status, &taken.body["permission_sets"]), (200, &json!([])));
    let all = host.call("PATCH", "/users/ann", &[], Some(&json!({"permission_sets": ["vpn", "mail"]})));
    assert_eq!(all.body["permission_sets"], json!(["mail", "vpn"]));
    let unknown = host.call("PATCH", "/users/ann", &[], Some(&json!({"permission_sets": ["vpnn"]})));
    assert_eq!((unknown.status, places(&unknown)), (422, vec!["/permission_sets"]), "{unknown:?}");
    assert!(unknown.text.contains("did you mean `vpn`?"));
}

#[test]
fn members_of_a_group_come_and_go_together_or_not_at_all() {
    let host = Host::start();
    for name in ["ann", "bob", "cid"] {
        made(&host.post("/users", &json!({"username": name})));
    }
    made(&host.post("/groups", &json!({"name": "board", "members": ["ann", "USR-000002"]})));
    let members = |query: &str| host.get(&format!("/groups/board/members{query}"));
    let named = |answer: &Answer| {
        let items = answer.body["items"].as_array().unwrap();
        items.iter().map(|member| member["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named(&members("")), ["ann", "bob"]);
    let refused = host.post("/groups/board/members", &json!({"add": ["cid", "nobody"], "remove": ["ann", "cid"]}));
    assert_eq!((refused.status, places(&refused)), (422, vec!["/add/1", "/remove/1"]), "{refused:?}");
    assert_eq!(named(&members("")), ["ann", "bob"], "all or nothing");
    let changed = host.post("/groups/board/members", &json!({"add": ["cid", "bob"], "remove": ["ann"]}));
    assert_eq!((changed.status, &changed.body["members"], &changed.body["version"]), (200, &json!(2), &json!(2)));
    let first = members("?limit=1");
    assert_eq!(named(&first), ["bob"]);
    let second = members(&format!("?limit=1&after={}", first.body["next"].as_str().unwrap()));
    assert_eq!((named(&second), &second.body["next"]), (vec!["cid".to_owned()], &Json::Null));
    assert_eq!(members("?after=nonsense").case(), "bad-cursor");
    let described = host.call("PATCH", "/groups/board", &[], Some(&json!({"description": "decides"})));
    assert_eq!((&described.body["description"], &described.body["members"]), (&json!("decides"), &json!(2)));
    assert_eq!(host.call("DELETE", "/groups/board", &[("if-match", "\"2\"")], None).status, 412);
    assert_eq!(host.call("DELETE", "/groups/board", &[], None).status, 204);
    assert_eq!(host.get("/groups/board").status, 404);
    assert_eq!(host.get("/users/bob").status, 200);
}

#[test]
fn people_are_listed_by_what_they_are() {
    let host = Host::start();
    made(&host.post("/profiles", &json!({"name": "staff"})));
    made(&host.post("/permission-sets", &json!({"name": "vpn"})));
    made(&host.post("/users", &json!({"username": "zoe", "profile": "staff"})));
    for (name, more) in [
        ("Anna", json!({"profile": "staff", "manager": "zoe", "permission_sets": ["vpn"]})),
        ("bob", json!({"manager": "zoe", "active": false})),
        ("ann", json!({"profile": "staff", "frozen": true})),
        ("carl", json!({"profile": "staff", "manager": "zoe"})),
    ] {
        let mut user = more;
        user["username"] = json!(name);
        made(&host.post("/users", &user));
    }
    for (query, expected) in [
        ("", vec!["zoe", "Anna", "bob", "ann", "carl"]),
        ("sort=id", vec!["zoe", "Anna", "bob", "ann", "carl"]),
        ("sort=username", vec!["ann", "Anna", "bob", "carl", "zoe"]),
        ("username_prefix=AN", vec!["ann", "Anna"]),
        ("username_prefix=an&frozen=false", vec!["Anna"]),
        ("profile=staff&manager=zoe", vec!["Anna", "carl"]),
        ("profile=staff&manager=zoe&permission_set=vpn", vec!["Anna"]),
        ("active=false", vec!["bob"]),
        ("frozen=true&active=true", vec!["ann"]),
        ("permission_set=none", vec![]),
    ] {
        assert_eq!(names(&host, query), expected, "{query}");
    }
    for query in ["sort=username&active=true", "sort=id&username_prefix=a", "sort=email"] {
        let refused = host.get(&format!("/users?{query}"));
        assert_eq!((refused.status, places(&refused)), (422, vec!["/sort"]), "{query}: {refused:?}");
    }
    assert_eq!(host.get("/users?manager=nobody").status, 404);
    let cursor = host.get("/users?limit=1").body["next"].as_str().unwrap().to_owned();
    assert_eq!(host.get(&format!("/users?sort=username&after={cursor}")).case(), "bad-cursor");
}

#[test]
fn a_user_who_comes_back_is_active_again() {
    let host = Host::start();
    made(&host.post("/users", &json!({"username": "ann", "active": false})));
    let back = host.post("/users/ann/reactivate", &json!({}));
    assert_eq!((back.status, &back.body["active"]), (200, &json!(true)), "{back:?}");
    assert!(host.get("/audit").text.contains("user.reactivate"));
}

fn define(host: &Host, name: &str, kind: &str, more: &Json) -> Answer {
    let mut body = json!({"name": name, "type": kind});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host.post("/user-attributes", &body)
}

#[test]
fn values_of_a_defined_attribute_are_checked_and_kept_in_one_spelling() {
    let host = Host::start();
    made(&define(&host, "start", "date", &json!({})));
    made(&define(&host, "floor", "integer", &json!({"multi_valued": true})));
    made(&define(&host, "badge", "boolean", &json!({})));
    let user = json!({"username": "ann", "attributes": {
        "start": ["2026-12-01"], "floor": ["+03", "3", " 12 "], "badge": ["TRUE"], "desk": ["As It Is", "As It Is"],
    }});
    let answer = host.post("/users", &user);
    made(&answer);
    let kept =
        json!({"start": ["2026-12-01"], "floor": ["3", "12"], "badge": ["true"], "desk": ["As It Is", "As It Is"]});
    assert_eq!(answer.body["attributes"], kept);
    let wrong = json!({"attributes": {"start": ["tomorrow"], "floor": ["3", "x"], "badge": ["true", "false"]}});
    let refused = host.call("PATCH", "/users/ann", &[], Some(&wrong));
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(places(&refused), ["/attributes/badge", "/attributes/floor", "/attributes/start"]);
    assert_eq!(host.get("/users/ann").body["attributes"], kept);
    let cleared = host.call("PATCH", "/users/ann", &[], Some(&json!({"attributes": {"start": null, "badge": []}})));
    assert_eq!(cleared.body["attributes"], json!({"floor": ["3", "12"], "desk": ["As It Is", "As It Is"]}));
}

#[test]
fn a_definition_that_somebody_does_not_fit_is_refused_and_says_who() {
    let host = Host::start();
    for (name, floor) in
        [("ann", json!(["3"])), ("bob", json!(["03"])), ("cid", json!(["3", "4"])), ("dora", json!([]))]
    {
        made(&host.post("/users", &json!({"username": name, "attributes": {"floor": floor}})));
    }
    let refused = define(&host, "floor", "integer", &json!({"required": true}));
    assert_eq!((refused.status, refused.case()), (409, "conflict"), "{refused:?}");
    let detail = refused.body["detail"].as_str().unwrap();
    for part in ["user `bob` has `03`, which would be `3`", "user `cid` has `3`, `4`", "user `dora` is without it"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert!(!detail.contains("`ann`"), "{detail}");
    let secret = define(&host, "floor", "integer", &json!({"sensitive": true}));
    assert!(secret.status == 409 && !secret.text.contains("`03`"), "{secret:?}");
    assert_eq!(host.get("/user-attributes/floor").status, 404);

    assert_eq!(host.call("PATCH", "/users/bob", &[], Some(&json!({"attributes": {"floor": ["3"]}}))).status, 200);
    made(&define(&host, "floor", "integer", &json!({"multi_valued": true})));
    let change = |body: &Json| host.call("PATCH", "/user-attributes/floor", &[], Some(body));
    assert!(change(&json!({"multi_valued": false})).text.contains("user `cid`"));
    assert!(change(&json!({"required": true})).text.contains("user `dora` is without it"));
    assert_eq!(change(&json!({"description": "where they sit"})).body["version"], json!(2));
    assert_eq!(host.call("PATCH", "/users/dora", &[], Some(&json!({"attributes": {"floor": ["1"]}}))).status, 200);
    assert_eq!(change(&json!({"required": true})).status, 200);
    let without = host.post("/users", &json!({"username": "eve"}));
    assert_eq!((without.status, places(&without)), (422, vec!["/attributes/floor"]));
    let cleared = host.call("PATCH", "/users/ann", &[], Some(&json!({"attributes": {"floor": null}})));
    assert_eq!((cleared.status, places(&cleared)), (422, vec!["/attributes/floor"]));

    assert_eq!(host.call("DELETE", "/user-attributes/floor", &[], None).status, 204);
    let free = host.call("PATCH", "/users/ann", &[], Some(&json!({"attributes": {"floor": ["ground"]}})));
    assert_eq!((free.status, &free.body["attributes"]["floor"]), (200, &json!(["ground"])), "free text again");
}

#[test]
fn more_users_than_a_step_has_are_all_looked_at_before_a_definition_is_made() {
    let host = Host::start();
    let rows: String = (0..2500).map(|no| format!("u{no},{}\n", if no == 2400 { "x" } else { "1" })).collect();
    let report = host.upload("/users/import", "text/csv", format!("username,attr.floor\n{rows}").as_bytes());
    assert_eq!(report.body["created"], json!(2500), "{report:?}");
    let refused = define(&host, "floor", "integer", &json!({}));
    assert!(refused.status == 409 && refused.text.contains("user `u2400`"), "{refused:?}");
}

#[test]
fn sensitive_values_are_masked_wherever_a_user_is_shown() {
    let host = Host::start();
    made(&define(&host, "ssn", "text", &json!({"sensitive": true})));
    let key = [("idempotency-key", "k")];
    let new = json!({"username": "ann", "attributes": {"ssn": ["078-05-1120"], "desk": ["A1"]}});
    let shown = [
        host.call("POST", "/users", &key, Some(&new)),
        host.call("POST", "/users", &key, Some(&new)),
        host.call("PATCH", "/users/ann", &[], Some(&json!({"email": "ann@example.com"}))),
        host.get("/users/ann"),
        host.get("/users"),
        host.get("/audit"),
    ];
    for answer in &shown {
        assert!(answer.status < 300 && !answer.text.contains("078-05"), "{answer:?}");
    }
    assert_eq!(shown[3].body["attributes"], json!({"ssn": ["***"], "desk": ["A1"]}));
    assert_eq!(host.call("DELETE", "/user-attributes/ssn", &[], None).status, 204);
    assert_eq!(host.get("/users/ann").body["attributes"]["ssn"], json!(["078-05-1120"]), "nobody calls it sensitive");
}

#[test]
fn names_that_are_no_attributes_are_not_defined() {
    let host = Host::start();
    for name in ["", "1st", "a b", "username", "permission_sets"] {
        let refused = define(&host, name, "text", &json!({}));
        assert_eq!((refused.status, places(&refused)), (422, vec!["/name"]), "{name}: {refused:?}");
    }
    assert_eq!(places(&define(&host, "x", "number", &json!({}))), ["/type"]);
    made(&define(&host, "x", "text", &json!({})));
    assert_eq!(define(&host, "x", "text", &json!({})).status, 409);
}

#[test]
fn an_import_brings_everything_a_user_has_and_says_what_came_of_each_row() {
    let host = Host::start();
    made(&host.post("/profiles", &json!({"name": "staff"})));
    for set in ["mail", "vpn"] {
        made(&host.post("/permission-sets", &json!({"name": set})));
    }
    made(&define(&host, "floor", "integer", &json!({"multi_valued": true})));
    made(&define(&host, "start", "date", &json!({})));
    made(&host.post("/users", &json!({"username": "zoe"})));
    let rows = "username,permission_sets,manager,active,frozen,attr.floor,attr.start,attr.note\n\
        ann,mail; vpn,zoe,true,true,03;4,2026-01-02,a; b\n\
        bob,none,zoe,,,,,\n\
        cid,,ann,false,,,soon,\n\
        zoe,,,,,,,\n";
    let dry = host.upload("/users/import?dry_run=true&outcomes=true", "text/csv", rows.as_bytes());
    assert_eq!(dry.body["nothing_written"], json!(true), "{dry:?}");
    assert_eq!(host.get("/users/ann").status, 404);
    let report = host.upload("/users/import?outcomes=true", "text/csv", rows.as_bytes());
    let outcomes: Vec<_> = report.body["outcomes"].as_array().unwrap().iter().map(|of| &of["result"]).collect();
    assert_eq!(outcomes, ["created", "failed", "failed", "unchanged"], "{report:?}");
    assert_eq!(dry.body["outcomes"], report.body["outcomes"]);
    let columns: Vec<_> = report.body["errors"].as_array().unwrap().iter().map(|error| &error["column"]).collect();
    assert_eq!(columns, ["permission_sets", "attr.start"]);
    let ann = host.get("/users/ann").body;
    assert_eq!(ann["permission_sets"], json!(["mail", "vpn"]));
    assert_eq!((&ann["manager"], &ann["active"], &ann["frozen"]), (&json!("zoe"), &json!(true), &json!(true)));
    assert_eq!(ann["attributes"], json!({"floor": ["3", "4"], "start": ["2026-01-02"], "note": ["a; b"]}));
    let lines =
        b"{\"username\":\"ann\",\"permission_sets\":[\"vpn\"],\"frozen\":false}\n{\"username\":\"bob\",\"frozen\":1}";
    let report = host.upload("/users/import", "application/jsonl", lines);
    assert_eq!((&report.body["updated"], &report.body["failed"]), (&json!(1), &json!(1)), "{report:?}");
    assert_eq!(report.body.get("outcomes"), None, "only if it is asked for");
    let ann = host.get("/users/ann").body;
    assert_eq!((&ann["permission_sets"], &ann["frozen"]), (&json!(["vpn"]), &json!(false)));
}

#[test]
fn everything_of_the_directory_is_done_by_the_command_line_too() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let (code, out, err) = host.cli(directory.path(), arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    run(&["profile", "create", "staff", "--permission", "view_setup"]);
    run(&["profile", "change", "staff", "--description", "everybody"]);
    run(&["permission-set", "create", "vpn"]);
    assert!(run(&["permission-set", "change", "vpn", "--permission", "manage_users"]).contains("manage_users"));
    run(&["user-attribute", "create", "floor", "--type", "integer"]);
    run(&["user", "create", "zoe"]);
    run(&["user", "create", "ann", "--manager", "zoe", "--permission-set", "vpn", "--attribute", "floor=03"]);
    assert!(run(&["user", "show", "ann"]).contains("vpn"));
    run(&["permission-set", "unassign", "vpn", "ann"]);
    run(&["permission-set", "assign", "vpn", "ann", "zoe"]);
    let listed = run(&["user", "list", "--permission-set", "vpn", "--manager", "zoe", "--active", "true"]);
    assert!(listed.contains("ann") && !listed.contains("USR-000001"), "{listed}");
    assert!(run(&["user", "list", "--prefix", "z", "--sort", "username"]).contains("zoe"));
    run(&["user", "change", "ann", "--clear", "permission-sets"]);
    run(&["user", "change", "zoe", "--clear", "permission-sets"]);
    run(&["user", "disable", "ann"]);
    assert!(run(&["user", "reactivate", "ann"]).contains("true"));
    run(&["group", "create", "board", "--member", "ann"]);
    run(&["group", "add", "board", "zoe"]);
    run(&["group", "remove", "board", "ann"]);
    let members = run(&["group", "members", "board"]);
    assert!(members.contains("zoe") && !members.contains("ann"), "{members}");
    run(&["group", "change", "board", "--description", "decides"]);
    assert!(run(&["group", "show", "board"]).contains("decides") && run(&["group", "list"]).contains("board"));
    run(&["group", "delete", "board"]);
    assert!(run(&["user-attribute", "change", "floor", "--sensitive", "true"]).contains("true"));
    assert!(run(&["user-attribute", "show", "floor"]).contains("integer"));
    assert!(run(&["user", "show", "ann"]).contains("***"));
    run(&["user-attribute", "delete", "floor"]);
    assert!(!run(&["user-attribute", "list"]).contains("floor"));
    run(&["permission-set", "show", "vpn"]);
    run(&["permission-set", "delete", "vpn"]);
    assert!(!run(&["permission-set", "list"]).contains("vpn"));
    run(&["profile", "delete", "staff"]);

    let file = directory.path().join("people.csv");
    std::fs::write(&file, "username,email\nann,ann@example.com\nbad,nonsense\nnew,new@example.com\n").unwrap();
    let (code, out, err) = host.cli(directory.path(), &["user", "import", "people.csv", "--report", "report.jsonl"]);
    assert_eq!(code, 1, "one row is wrong: {out}{err}");
    let report = std::fs::read_to_string(directory.path().join("report.jsonl")).unwrap();
    let results: Vec<Json> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: Vec<_> = results.iter().map(|line| (&line["row"], &line["result"])).collect();
    let expected = [(json!(2), json!("updated")), (json!(3), json!("failed")), (json!(4), json!("created"))];
    assert_eq!(results, expected.iter().map(|(row, result)| (row, result)).collect::<Vec<_>>());
}
