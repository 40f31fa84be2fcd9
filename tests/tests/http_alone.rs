//! Everything an administrator does, over HTTP, following nothing but the OpenAPI document: a path, method, body
//! property or status that it does not name fails the test.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::Target as _;
use gatehouse_tests::{Http, guest, until};
use serde_json::{Value, json};
use std::fs;
use support::{Scenario, at_target, scim_server, scim_user};
use tempfile::tempdir;
use ureq::http::Method;

/// A client that does only what the document says can be done.
struct ByTheBook {
    http: Http,
    document: Value,
}

impl ByTheBook {
    fn new(s: &Scenario) -> Self {
        let http = s.host.http();
        let document = http.get("/api/v1/openapi.json").unwrap().expect_status(200).unwrap();
        Self { http, document }
    }

    /// The operation of a path: exact segments before templated ones.
    fn operation(&self, method: &str, path: &str) -> &Value {
        let asked: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == asked.len() && parts.iter().zip(&asked).all(|(t, a)| t.starts_with('{') || t == a)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        let item = found.first().unwrap_or_else(|| panic!("{path} is not in the document")).1;
        let operation = &item[method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not in the document");
        operation
    }

    /// The properties of a documented body, `$ref`s followed.
    fn properties(&self, operation: &Value) -> Value {
        let mut schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        while let Some(reference) = schema["$ref"].as_str() {
            schema = self.document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        schema["properties"].clone()
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let operation = self.operation(method.as_str(), path);
        if let Some(body) = body.and_then(Value::as_object) {
            let properties = self.properties(operation);
            for name in body.keys() {
                assert!(properties.get(name).is_some(), "`{name}` is no documented property of {method} {path}");
            }
        }
        let answer = self.http.send(method.clone(), path, body, &[]).unwrap();
        let documented = &operation["responses"][answer.status.to_string()];
        assert!(documented.is_object(), "{method} {path}: status {} is not documented", answer.status);
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text);
        answer.json().unwrap()
    }

    fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, Some(body))
    }

    /// Waits until a request is in one of these states.
    fn wait(&self, id: &str, states: &[&str]) -> Value {
        let found = until(|| {
            let request = self.get(&format!("/api/v1/requests/{id}"));
            states.contains(&request["state"].as_str().unwrap()).then_some(request)
        });
        found.unwrap_or_else(|| panic!("{id}: {:#}", self.get(&format!("/api/v1/requests/{id}"))))
    }

    fn ask(&self, operation: &str, user: &str) -> Value {
        let made = self.post("/api/v1/requests", &json!({"app": "hr", "operation": operation, "user": user}));
        self.wait(made["id"].as_str().unwrap(), &["Completed"])
    }
}

#[test]
fn everything_can_be_done_with_http_alone() {
    let directory = tempdir().unwrap();
    let Some(server) = scim_server("everything_can_be_done_with_http_alone", &directory) else { return };
    server.create(&scim_user("grace", "grace@example.com", "Grace", "Hopper")).unwrap();
    server.create(&scim_user("svc", "svc@example.net", "Service", "Account")).unwrap();
    let s = Scenario::start();
    let book = ByTheBook::new(&s);
    let origin = server.base_url().trim_end_matches("/v2");

    let wasm = fs::read(guest("scim").unwrap()).unwrap();
    book.operation("POST", "/api/v1/connectors");
    let upload = ureq::post(format!("{}/api/v1/connectors?allow_unsigned=true", s.host.url()))
        .header("authorization", format!("Bearer {}", s.host.token()))
        .content_type("application/wasm")
        .send(&wasm[..])
        .unwrap();
    assert_eq!(upload.status(), 201);
    assert_eq!(book.get("/api/v1/connectors")["items"][0]["description"]["name"], "scim");
    book.get("/api/v1/connectors/scim");

    let credential = json!({"origin": origin, "scheme": "bearer", "secret": server.token()});
    book.call(Method::PUT, "/api/v1/credentials/hr-token", Some(&credential));
    let credentials = book.get("/api/v1/credentials");
    assert!(!credentials.to_string().contains(server.token()), "credentials are write-only");

    book.post("/api/v1/profiles", &json!({"name": "staff"}));
    let app = json!({
        "name": "hr", "connector": "scim", "settings": {"base_url": server.base_url()},
        "credentials": {"token": "hr-token"}, "private_origins": [origin], "profiles": ["staff"],
        "config": {"follow_events": false},
    });
    book.post("/api/v1/apps", &app);
    assert!(book.post("/api/v1/apps/hr/probe", &json!({}))["findings"].is_array());
    for user in ["ada", "grace"] {
        let mail = format!("{user}@example.com");
        book.post("/api/v1/users", &json!({"username": user, "email": mail, "profile": "staff"}));
    }
    book.call(Method::PATCH, "/api/v1/users/ada", Some(&json!({"first_name": "Ada", "last_name": "Lovelace"})));
    for verb in ["freeze", "unfreeze", "disable", "enable"] {
        book.post(&format!("/api/v1/users/ada/{verb}"), &json!({}));
    }

    let run = book.post("/api/v1/apps/hr/reconcile", &json!({}));
    let id = run["id"].as_str().unwrap();
    book.wait(id, &["Analyzed"]);
    assert_eq!(book.get(&format!("/api/v1/requests/{id}/staging"))["items"].as_array().unwrap().len(), 3);
    book.post(&format!("/api/v1/requests/{id}/commit"), &json!({}));
    book.wait(id, &["Completed"]);
    let children = book.get(&format!("/api/v1/requests?raised_by={id}"));
    for child in children["items"].as_array().unwrap() {
        book.wait(child["id"].as_str().unwrap(), &["Completed"]);
    }
    assert!(at_target(&server, "ada").is_some(), "the missing account was made");

    book.get("/api/v1/accounts/summary?app=hr");
    let orphan = book.get("/api/v1/accounts?app=hr&link_state=Orphaned")["items"][0].clone();
    assert_eq!(orphan["username"], "svc");
    let account = format!("/api/v1/accounts/{}", orphan["id"].as_str().unwrap());
    book.post("/api/v1/users", &json!({"username": "bob"}));
    let link = book.post(&format!("{account}/link"), &json!({"user": "bob"}));
    book.wait(link["id"].as_str().unwrap(), &["Completed"]);
    assert_eq!(book.get(&account)["link_state"], "Linked");
    for verb in ["unlink", "ignore"] {
        let request = book.post(&format!("{account}/{verb}"), &json!({}));
        book.wait(request["id"].as_str().unwrap(), &["Completed"]);
    }
    assert_eq!(book.get(&account)["link_state"], "Ignored");

    book.ask("Freeze", "ada");
    assert_eq!(at_target(&server, "ada").unwrap()["active"], false);
    book.ask("Unfreeze", "ada");
    book.get("/api/v1/requests?app=hr&state=Completed&operation=Freeze");

    book.post("/api/v1/apps/hr/pause", &json!({}));
    let waiting = book.post("/api/v1/requests", &json!({"app": "hr", "operation": "Update", "user": "ada"}));
    let waiting = waiting["id"].as_str().unwrap();
    book.post(&format!("/api/v1/requests/{waiting}/cancel"), &json!({"reason": "not now"}));
    book.wait(waiting, &["Cancelled"]);
    book.get(&format!("/api/v1/requests/{waiting}/log"));
    book.post("/api/v1/apps/hr/resume", &json!({}));

    let token = book.post("/api/v1/tokens", &json!({"name": "script"}));
    let secret = token["token"].as_str().unwrap();
    assert_eq!(Http::new(s.host.url(), Some(secret), "application/json").get("/api/v1/apps").unwrap().status, 200);
    book.call(Method::DELETE, "/api/v1/tokens/script", None);
    assert_eq!(Http::new(s.host.url(), Some(secret), "application/json").get("/api/v1/apps").unwrap().status, 401);

    assert!(!book.get("/api/v1/audit")["items"].as_array().unwrap().is_empty());
    book.call(Method::DELETE, "/api/v1/apps/hr", None);
    book.call(Method::DELETE, "/api/v1/credentials/hr-token", None);
    book.call(Method::DELETE, "/api/v1/connectors/scim", None);
    assert_eq!(server.users().unwrap().len(), 3, "deleting an app never touches the target");
}
