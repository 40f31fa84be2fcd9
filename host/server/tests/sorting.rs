//! Every list that the document has, in every order that the document gives it: read to the end in small pages it is the
//! same list, sorted; and what the command line offers is what the document does.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::engine::{account_of, with_accounts};
use common::{Host, component};
use serde_json::{Value as Json, json};
use std::cmp::Ordering;

/// The lists of the document, with the orders that each has.
fn lists() -> Vec<(String, Vec<String>)> {
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    let mut lists = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let reference = schema["$ref"].as_str().unwrap_or_default();
        let schema = document.pointer(reference.trim_start_matches('#')).filter(|_| !reference.is_empty());
        if schema.is_none_or(|schema| schema["properties"]["next"].is_null()) {
            continue;
        }
        let parameters = item["get"]["parameters"].as_array().unwrap();
        let sort = parameters.iter().find(|of| of["name"] == "sort").unwrap_or_else(|| panic!("{path}: no sort"));
        let words = sort["schema"]["enum"].as_array().unwrap_or_else(|| panic!("{path}: any order at all"));
        lists.push((path.clone(), words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()));
    }
    lists
}

/// A host on which each list has some items, and where the lists are of which there are several.
fn furnished() -> (Host, Vec<(&'static str, String)>) {
    let host = Host::start().with_app();
    let made = |path: &str, body: Json| {
        let answer = host.post(path, &body);
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer.body
    };
    // Not in the order of their names, so that none is sorted by chance.
    for name in ["mike", "zulu", "alpha", "kilo"] {
        made("/users", json!({"username": name}));
        made("/profiles", json!({"name": name}));
        made("/permission-sets", json!({"name": name}));
        made("/user-attributes", json!({"name": name, "type": "text"}));
        made("/sharing-rules", json!({"name": name, "to_managers": true, "access": "read"}));
        made("/tokens", json!({"name": name}));
        let settings = json!({"base_url": "https://crm.example.com"});
        made("/apps", json!({"name": name, "connector": "sample", "settings": settings}));
        let secret = json!({"origin": "https://hr.example.com", "scheme": "bearer", "secret": "correct horse"});
        assert!(host.call("PUT", &format!("/credentials/{name}"), &[], Some(&secret)).status < 300);
        made("/groups", json!({"name": name, "members": ["mike"]}));
    }
    for delegate in ["zulu", "alpha", "kilo"] {
        made("/delegations", json!({"user": "mike", "delegate": delegate, "until": "2999-01-01T00:00:00Z"}));
    }
    made("/groups", json!({"name": "all", "members": ["zulu", "mike", "kilo", "alpha"]}));
    for version in ["3.0.0", "2.0.0"] {
        let component = component(version);
        assert_eq!(host.upload("/connectors?allow_unsigned=true", "application/wasm", &component).status, 201);
    }
    for name in ["mike", "zulu", "alpha"] {
        made("/requests", json!({"app": "hr", "operation": "Create", "user": name}));
    }
    for grants in [json!([]), json!(["staff", "mike"]), json!(["kilo"])] {
        assert_eq!(host.call("PATCH", "/apps/hr", &[], Some(&json!({"profiles": grants}))).status, 200);
    }
    with_accounts(&host, (1..=5).map(|id| account_of(id, None)));
    let staged: Vec<Json> = (0..5).map(|no| json!({"external_id": no.to_string()})).collect();
    let run = made("/apps/hr/reconcile", json!({"staged": staged}));
    let run = run["id"].as_str().unwrap();
    let places = vec![
        ("/api/v1/groups/{name}/members", "/groups/all/members".to_owned()),
        ("/api/v1/requests/{id}/log", format!("/requests/{run}/log")),
        ("/api/v1/requests/{id}/staging", format!("/requests/{run}/staging")),
    ];
    (host, places)
}

/// Everything of a list, by pages of two.
fn read(host: &Host, path: &str, sort: &str) -> Vec<Json> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("{path}?limit=2{sort}{after}"));
        assert_eq!(page.status, 200, "{path} {sort}: {page:?}");
        items.extend(page.body["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page.body["next"].as_str() else { return items };
        after = format!("&after={next}");
    }
}

/// How two items stand to each other by this member.
fn compare(one: &Json, other: &Json, member: &str) -> Ordering {
    let value =
        |item: &Json| item.get(member).or_else(|| item["description"].get(member)).cloned().unwrap_or(Json::Null);
    match (value(one), value(other)) {
        (Json::Number(one), Json::Number(other)) => one.as_u64().cmp(&other.as_u64()),
        (Json::String(one), Json::String(other)) if member.ends_with("at") => {
            one.parse::<jiff::Timestamp>().unwrap().cmp(&other.parse().unwrap())
        }
        (Json::String(one), Json::String(other)) => one.cmp(&other),
        values => panic!("{member}: {values:?}"),
    }
}

#[test]
fn every_list_comes_in_every_order_that_the_document_gives_it() {
    let (host, places) = furnished();
    let lists = lists();
    assert!(lists.len() >= 19, "{lists:?}");
    for (documented, words) in lists {
        let found = places.iter().find(|(path, _)| *path == documented).map(|(_, place)| place.as_str());
        let path = found.unwrap_or(documented.trim_start_matches("/api/v1"));
        let usual = read(&host, path, "");
        let enough = if documented.ends_with("/log") { 1 } else { 3 };
        assert!(usual.len() >= enough, "{path} has too little to sort: {usual:?}");
        let mut is_usual = 0;
        for word in &words {
            let items = read(&host, path, &format!("&sort={word}"));
            let member = word.trim_start_matches('-');
            let is_ordered = |pair: &[Json]| match compare(&pair[0], &pair[1], member) {
                Ordering::Equal => true,
                order => (order == Ordering::Greater) == word.starts_with('-'),
            };
            assert!(items.windows(2).all(is_ordered), "{path} by {word}: {items:?}");
            let mut other_way = match word.strip_prefix('-') {
                Some(member) => read(&host, path, &format!("&sort={member}")),
                None => read(&host, path, &format!("&sort=-{word}")),
            };
            other_way.reverse();
            assert_eq!(items, other_way, "{path} by {word}");
            assert_eq!(items.len(), usual.len(), "{path} by {word}");
            is_usual += usize::from(items == usual);
        }
        assert!(is_usual > 0, "{path}: the order of those who ask for none is none of {words:?}");
    }
}

#[test]
fn an_order_that_a_list_has_not_is_refused_and_so_is_a_cursor_of_another_order() {
    let (host, places) = furnished();
    for (documented, words) in lists() {
        let found = places.iter().find(|(path, _)| *path == documented).map(|(_, place)| place.as_str());
        let path = found.unwrap_or(documented.trim_start_matches("/api/v1"));
        for sort in ["shoe_size", "", "--id"] {
            let refused = host.get(&format!("{path}?sort={sort}"));
            assert_eq!((refused.status, refused.case()), (422, "invalid"), "{path} by {sort}: {refused:?}");
            let told = refused.body["errors"][0]["detail"].as_str().unwrap();
            assert!(words.iter().all(|word| told.contains(&format!("`{word}`"))), "{path}: {told}");
            assert_eq!(refused.body["errors"][0]["pointer"], "/sort", "{path}");
        }
        for word in &words {
            let Some(next) = host.get(&format!("{path}?limit=1&sort={word}")).body["next"].as_str().map(str::to_owned)
            else {
                assert!(documented.ends_with("/log"), "{path}: one page");
                continue;
            };
            for other in words.iter().filter(|other| *other != word) {
                let refused = host.get(&format!("{path}?sort={other}&after={next}"));
                assert_eq!((refused.status, refused.case()), (400, "bad-cursor"), "{path} by {other}: {refused:?}");
            }
        }
    }
}

#[test]
fn the_command_line_offers_the_same_orders() {
    let (host, _) = furnished();
    let folder = tempfile::tempdir().unwrap();
    let verbs = [
        (vec!["app", "list"], "/apps"),
        (vec!["account", "list", "hr"], "/accounts"),
        (vec!["audit", "list"], "/audit"),
        (vec!["connector", "list"], "/connectors"),
        (vec!["counters"], "/counters"),
        (vec!["credential", "list"], "/credentials"),
        (vec!["delegation", "list"], "/delegations"),
        (vec!["group", "list"], "/groups"),
        (vec!["group", "members", "all"], "/groups/{name}/members"),
        (vec!["job", "list"], "/jobs"),
        (vec!["permission-set", "list"], "/permission-sets"),
        (vec!["profile", "list"], "/profiles"),
        (vec!["request", "list"], "/requests"),
        (vec!["sharing", "list"], "/sharing-rules"),
        (vec!["token", "list"], "/tokens"),
        (vec!["user", "list"], "/users"),
        (vec!["user-attribute", "list"], "/user-attributes"),
    ];
    let lists = lists();
    for (verb, path) in verbs {
        let (_, words) = lists.iter().find(|(documented, _)| documented.trim_start_matches("/api/v1") == path).unwrap();
        let run = |sort: &str| {
            host.cli(
                folder.path(),
                &[verb.as_slice(), &["--output", "json", "--limit", "500", "--sort", sort]].concat(),
            )
        };
        let (code, _, told) = run("shoe_size");
        assert_eq!(code, 2, "{verb:?}: {told}");
        assert!(told.contains(&format!("[possible values: {}]", words.join(", "))), "{verb:?}: {told}");
        let [first, last] = [words[0].as_str(), &format!("-{}", words[0])].map(|sort| {
            let (code, out, told) = run(sort);
            assert_eq!(code, 0, "{verb:?} {sort}: {told}");
            let list: Json = serde_json::from_str(&out).unwrap();
            list["items"].as_array().unwrap().clone()
        });
        assert!(first.len() > 1 && first.iter().rev().eq(&last), "{verb:?}");
    }
}
