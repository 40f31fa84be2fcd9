//! The story that the examples of the document tell: Maria Rossi, who works at night, her manager Jonas, and app `hr`.
//! Every call of it is made on a host of this process, by a clock that stands still, so that it is always the same.

use super::agreement::{document, operation};
use super::calls::{Ask, Row, calls, credential, delegated, made, requested, user};
use super::engine::{account, in_review};
use super::{Answer, Host, ManualClock, component};
use gatehouse_core::UserId;
use gatehouse_core::lifecycle::Resolution;
use serde_json::{Map, Value as Json, json};

/// A host with app `hr`, which has looked at its target.
fn start() -> Host {
    Host::start_by(ManualClock::starting()).with_app().looked_at()
}

/// The examples of every call that there is one of: its `body`, and its `answers` by status.
pub fn told() -> Json {
    let mut all = Map::new();
    let changing = calls().into_iter().filter_map(|(method, path, row)| match row {
        Row::Call(prepare) => Some((method, path, prepare)),
        Row::ChangesNothing(_) | Row::Elsewhere(..) => None,
    });
    for (method, path, prepare) in changing.chain(besides()) {
        let host = start();
        let ask = prepare(&host);
        let answer = send(&host, method, &ask);
        note(&mut all, format!("{method} {path}"), Some(&ask), &answer);
    }
    note(&mut all, "POST /api/v1/requests/{id}/approve".to_owned(), None, &approved_by_the_manager()[0]);
    let host = lived();
    for path in looks() {
        let answer = host.call("GET", &filled(&path).replacen("/api/v1", "", 1), &[], None);
        note(&mut all, format!("GET {path}"), None, &answer);
    }
    let ready = host.send("GET", "/readyz", &[], b"");
    note(&mut all, "GET /readyz".to_owned(), None, &ready);
    all.into()
}

/// A call: its method and path, and how to come to where it can be made.
type Prepared = (&'static str, &'static str, fn(&Host) -> Ask);

/// Calls that change nothing, and calls that can be answered in another way than the one that they are for.
fn besides() -> Vec<Prepared> {
    vec![
        ("POST", "/api/v1/apps/{name}/preview", |host| {
            user(host);
            ask("/apps/hr/preview", &json!({"user": "maria"}))
        }),
        ("POST", "/api/v1/apps/{name}/provision", |host| {
            host.post("/users", &json!({"username": "maria", "email": "maria@example.org", "profile": "staff"}));
            // Somebody has called off what she was to get of herself.
            let raised = host.get("/requests?user=maria").body["items"][0]["id"].as_str().unwrap().to_owned();
            host.post(&format!("/requests/{raised}/cancel"), &json!({"reason": "not yet"}));
            ask("/apps/hr/provision", &json!({"user": "maria"}))
        }),
        ("POST", "/api/v1/connectors/check", |_| Ask {
            path: "/connectors/check".to_owned(),
            kind: "application/wasm",
            bytes: component("2.0.0"),
        }),
        ("POST", "/api/v1/requests/{id}/settle", |host| {
            *host.background.looked.lock().unwrap() = Some(Ok(Resolution::NotDone(None)));
            ask(&format!("/requests/{}/settle", in_review(host)), &json!({"outcome": "not_made"}))
        }),
        ("PUT", "/api/v1/credentials/{name}", |host| {
            send(host, "PUT", &credential());
            credential()
        }),
    ]
}

fn ask(path: &str, body: &Json) -> Ask {
    Ask { path: path.to_owned(), kind: "application/json", bytes: body.to_string().into_bytes() }
}

fn send(host: &Host, method: &str, ask: &Ask) -> Answer {
    let bearer = format!("Bearer {}", host.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", ask.kind)];
    host.send(method, &format!("/api/v1{}", ask.path), &headers, &ask.bytes)
}

/// A host where everything is that can be looked at.
fn lived() -> Host {
    let host = start();
    for kind in ["groups", "permission-sets", "user-attributes"] {
        made(&host, kind);
    }
    delegated(&host);
    let more = json!({
        "manager": "jonas", "permission_sets": ["night-shift"], "attributes": {"cost_centre": ["4711"]},
    });
    done(&host.call("PATCH", "/users/maria", &[], Some(&more)));
    done(&host.post("/groups/night-shift/members", &json!({"add": ["maria"]})));
    done(&host.post("/sharing-rules", &json!({"name": "managers", "to_managers": true, "access": "read"})));
    done(&send(&host, "PUT", &credential()));
    requested(&host);
    done(&host.post(
        "/apps/hr/reconcile",
        &json!({"staged": [
            {"external_id": "x1", "username": "maria", "attributes": {"emails": [{"text": "maria@example.org"}]}},
        ]}),
    ));
    account(&host, Some(UserId(1)));
    done(&host.call("PATCH", "/apps/hr", &[], Some(&json!({"permission_sets": ["night-shift"]}))));
    host
}

fn done(answer: &Answer) {
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// Every path of the API that shows something as JSON.
fn looks() -> Vec<String> {
    let paths = document()["paths"].as_object().unwrap().iter();
    let shown = paths.filter(|(path, item)| {
        let answered = &item["get"]["responses"]["200"]["content"]["application/json"];
        path.starts_with("/api/v1/") && answered.is_object() && !path.ends_with("/openapi.json")
    });
    shown.map(|(path, _)| path.clone()).collect()
}

/// A path with the names and numbers of the story.
fn filled(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    for no in 1..parts.len() {
        if parts[no].starts_with('{') {
            parts[no] = match parts[no - 1] {
                "accounts" => "ACC-000001",
                "apps" | "credentials" => "hr",
                "connectors" => "sample",
                "delegations" => "DLG-000001",
                "groups" | "permission-sets" => "night-shift",
                "jobs" => "JOB-000001",
                "profiles" => "staff",
                "requests" if parts.get(no + 1) == Some(&"staging") => "UPR-000002",
                "requests" => "UPR-000001",
                "sharing-rules" => "managers",
                "user-attributes" => "cost_centre",
                "users" => "maria",
                other => panic!("{path}: say which of {other} there is in the story"),
            };
        }
    }
    // What else has to be said.
    let query = if path == "/api/v1/accounts/summary" { "?app=hr" } else { "" };
    parts.join("/") + query
}

/// Writes down what was sent, and what was answered; of several, the first.
fn note(all: &mut Map<String, Json>, call: String, ask: Option<&Ask>, answer: &Answer) {
    assert!((200..300).contains(&answer.status), "{call}: {answer:?}");
    let (method, path) = call.split_once(' ').unwrap();
    let takes = operation(method, path).unwrap().1["requestBody"].is_object();
    let of = all.entry(call.clone()).or_insert_with(|| json!({}));
    if let Some(ask) = ask.filter(|_| takes && of["body"].is_null()) {
        match ask.kind {
            "application/json" => of["body"] = plain(serde_json::from_slice(&ask.bytes).unwrap()),
            "text/csv" => of["body"] = String::from_utf8(ask.bytes.clone()).unwrap().into(),
            _ => {}
        }
    }
    if !answer.body.is_null() && of["answers"][answer.status.to_string()].is_null() {
        of["answers"][answer.status.to_string()] = plain(answer.body.clone());
    }
    if of == &json!({"answers": {}}) {
        all.remove(&call);
    }
}

/// An example without what is another one every time, and of a list no more than two items.
fn plain(mut value: Json) -> Json {
    match &mut value {
        Json::Object(members) => {
            for (name, value) in members.iter_mut() {
                let old = value.take();
                *value = match (name.as_str(), &old) {
                    ("token", Json::String(text)) if text.starts_with("ghs_") => json!("ghs_…"),
                    ("request_id" | "chain" | "hash" | "public_key" | "signature", Json::String(text)) => {
                        let digits = "0123456789abcdef".chars().cycle();
                        digits.take(text.len()).collect::<String>().into()
                    }
                    ("items", Json::Array(items)) => items.iter().take(2).cloned().map(plain).collect(),
                    _ => plain(old),
                };
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = plain(item.take())),
        _ => {}
    }
    value
}

/// An example of every problem that a call can be made to have.
pub fn problems() -> Json {
    let host = start();
    user(&host);
    let mut all = Map::new();
    let mut add = |answer: Answer| {
        let case = answer.case().to_owned();
        assert!(!case.is_empty(), "no problem: {answer:?}");
        all.entry(case).or_insert(plain(answer.body));
    };
    add(host.send("GET", "/api/v1/whoami", &[], b""));
    let reader = host.post("/tokens", &json!({"name": "reader", "scopes": ["read"]})).body["token"].clone();
    add(host.call_by(reader.as_str().unwrap(), "POST", "/users", &[], Some(&json!({"username": "jonas"}))));
    add(host.get("/users/nobody"));
    add(host.get("/users/%ff"));
    add(host.get("/users?limit=many"));
    add(host.get("/users?after=nowhere"));
    add(host.call("POST", "/groups", &[("idempotency-key", "")], Some(&json!({"name": "day-shift"}))));
    add(host.upload("/users", "application/json", b"{\"username\": "));
    add(host.upload("/users", "text/plain", b"maria"));
    add(host.upload("/users", "application/json", &vec![b' '; (8 << 20) + 1]));
    add(host.post("/users", &json!({"username": "jonas", "manager": "nobody", "email": "none"})));
    add(host.post("/users", &json!({"username": "maria"})));
    add(host.call("PATCH", "/users/maria", &[("if-match", "\"7\"")], Some(&json!({"last_name": "Conti"}))));
    let key = [("idempotency-key", "a-key-of-mine")];
    done(&host.call("POST", "/groups", &key, Some(&json!({"name": "day-shift"}))));
    add(host.call("POST", "/groups", &key, Some(&json!({"name": "night-shift"}))));
    let request = requested(&host);
    add(host.post(&format!("/requests/{request}/settle"), &json!({"outcome": "made"})));
    add(host.upload("/connectors", "application/wasm", &component("2.0.0")));
    add(host.upload("/connectors/check", "application/wasm", b"a text"));
    let [_, again] = approved_by_the_manager();
    add(again);
    let limited = Host::limited(1);
    limited.get("/whoami");
    add(limited.get("/whoami"));
    let answers = (0..1000).map(|_| host.call_by("ghs_none", "GET", "/whoami", &[], None));
    add(answers.into_iter().find(|answer| answer.status == 429).expect("a limit for tokens that are not good"));
    all.into()
}

/// A request waits for Maria's manager, and for somebody else after him. He approves it, and once more, which is not his
/// to do.
fn approved_by_the_manager() -> [Answer; 2] {
    let host = start();
    user(&host);
    host.post("/users", &json!({"username": "jonas", "email": "jonas@example.org"}));
    host.post("/users", &json!({"username": "lena", "email": "lena@example.org"}));
    done(&host.call("PATCH", "/users/maria", &[], Some(&json!({"manager": "jonas"}))));
    done(&host.post("/sharing-rules", &json!({"name": "managers", "to_managers": true, "access": "approve"})));
    let steps = json!([{"approvers": "manager"}, {"approvers": {"users": ["lena"]}}]);
    let approvals = json!({"approvals": [{"operations": ["Create"], "steps": steps}]});
    done(&host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": approvals}))));
    let path = format!("/requests/{}/approve", requested(&host));
    let digest = host.get(path.trim_end_matches("/approve")).body["digest"].clone();
    let body = json!({"digest": digest, "reason": "starts on Monday"});
    let token = host.post("/tokens", &json!({"name": "jonas", "user": "jonas"})).body["token"].clone();
    [(); 2].map(|()| host.call_by(token.as_str().unwrap(), "POST", &path, &[], Some(&body)))
}
