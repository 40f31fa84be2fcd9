//! The OpenAPI document against the routes that answer.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use serde_json::Value as Json;

fn operations(document: &Json) -> Vec<(String, String, Json)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn every_documented_route_answers_and_no_other_does() {
    let host = Host::start();
    let document = host.send("GET", "/api/v1/openapi.json", &[], b"").body;
    let all = operations(&document);
    assert!(all.len() > 45, "{} operations", all.len());
    for (method, path, _) in &all {
        let path = path.trim_start_matches("/api/v1");
        if path.starts_with('/') && !["/healthz", "/readyz", "/metrics"].contains(&path) {
            let answer = host.call(method, path, &[], None);
            let cases = ["no-such-path", "no-such-method"];
            assert!(!cases.contains(&answer.case()), "{method} {path} is documented, and {}", answer.case());
        }
    }
    let paths: Vec<_> = all.iter().map(|(_, path, _)| path.clone()).collect();
    for path in paths {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            let documented = all.iter().any(|(m, p, _)| m == method && *p == path);
            if !documented {
                let bearer = format!("Bearer {}", host.token);
                let answer = host.send(method, &path, &[("authorization", &bearer)], b"");
                assert_eq!(answer.status, 405, "{method} {path} answers and is not documented");
            }
        }
    }
}

#[test]
fn every_operation_says_what_it_does_what_it_takes_and_how_it_fails() {
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with('.') || text.ends_with('?')),
            "{name}: no summary"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {} says nothing", parameter["name"]);
        }
        let placeholders = path.matches('{').count();
        let documented = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "path").count();
        assert_eq!(placeholders, documented, "{name}");
        if path.starts_with("/api/v1") && !path.ends_with("openapi.json") {
            let documented =
                |status: &str| operation["responses"][status]["content"]["application/problem+json"].is_object();
            assert!(operation["responses"]["default"].is_null(), "{name}: any failure at all");
            for status in ["401", "403", "429", "500", "503"] {
                assert!(documented(status), "{name}: {status}");
            }
            assert!(documented("404") || !path.contains('{') || method == "PUT", "{name}: 404");
            let changes = method != "GET";
            assert!(documented("409") || !changes, "{name}: 409");
            let takes = operation["requestBody"].is_object();
            assert_eq!(documented("413"), takes, "{name}: 413");
            let header =
                |name: &str| operation["parameters"].as_array().into_iter().flatten().any(|of| of["name"] == name);
            assert_eq!(documented("412"), header("If-Match"), "{name}: 412");
            let read = operation["requestBody"]["content"].as_object().into_iter().flatten();
            let typed = read.into_iter().any(|(kind, _)| kind == "application/json" || kind == "text/csv");
            assert_eq!(documented("415"), typed, "{name}: 415");
            assert!(operation["security"].is_array(), "{name}: no token");
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn check(document: &Json, part: &Json) {
        match part {
            Json::Object(members) => {
                if let Some(Json::String(reference)) = members.get("$ref") {
                    let there = document.pointer(reference.trim_start_matches('#')).is_some();
                    assert!(there, "{reference} leads nowhere");
                }
                members.values().for_each(|part| check(document, part));
            }
            Json::Array(items) => items.iter().for_each(|part| check(document, part)),
            _ => {}
        }
    }
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    check(&document, &document);
}

#[test]
fn every_property_of_the_document_says_what_it_is() {
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (property, of) in schema["properties"].as_object().into_iter().flatten() {
            let told = of["description"].is_string() || of["$ref"].is_string() || of["oneOf"].is_array();
            assert!(told, "{name}.{property} says nothing");
        }
    }
}
