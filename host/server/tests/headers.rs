//! What the document says of headers, against calls that do what they are for: an answer has the headers that are
//! documented of it, a key that is documented is honoured, an ETag too, and no others are.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::agreement::{documented, operation};
use common::calls::{Ask, Row, calls};
use common::{Answer, Host};

/// Whether an operation says that it looks at this header.
fn looks_at(method: &str, path: &str, header: &str) -> bool {
    let (_, operation) = operation(method, path).unwrap();
    operation["parameters"].as_array().into_iter().flatten().any(|of| of["in"] == "header" && of["name"] == header)
}

fn send(host: &Host, method: &str, ask: &Ask, more: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", host.token);
    let headers = [&[("authorization", bearer.as_str()), ("content-type", ask.kind)], more].concat();
    host.send(method, &format!("/api/v1{}", ask.path), &headers, &ask.bytes)
}

fn every_call(mut check: impl FnMut(&str, &str, &Host, Ask)) {
    for (method, path, row) in calls() {
        let Row::Call(prepare) = row else { continue };
        let host = Host::start().with_app();
        let ask = prepare(&host);
        check(method, path, &host, ask);
    }
}

/// That the answer has all the headers that are documented of it, but for the one that says it was given before. That it
/// has no others is seen to by every call of every test.
fn assert_complete(method: &str, path: &str, answer: &Answer) {
    assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    let (_, operation) = operation(method, path).unwrap();
    for header in documented(&operation["responses"][answer.status.to_string()]) {
        let there = answer.headers.contains_key(header.as_str()) || header == "idempotency-replayed";
        assert!(there, "{method} {path} answers {} without the documented `{header}`", answer.status);
    }
}

#[test]
fn answers_have_the_headers_that_are_documented_of_them() {
    every_call(|method, path, host, ask| {
        let answer = send(host, method, &ask, &[]);
        assert_complete(method, path, &answer);
        // What was made can be looked at.
        let location = answer.header("location").to_owned();
        if !location.is_empty() {
            let seen = host.call("GET", location.trim_start_matches("/api/v1"), &[], None);
            assert_complete("GET", &location, &seen);
        }
    });
    let host = Host::start().with_app();
    for path in
        ["/apps", "/apps/hr", "/profiles/staff", "/connectors/sample", "/whoami", "/audit/head", "/apps/hr/counters"]
    {
        assert_complete("GET", &format!("/api/v1{path}"), &host.get(path));
    }
    for path in ["/healthz", "/api/v1/openapi.json"] {
        assert_complete("GET", path, &host.send("GET", path, &[], b""));
    }
}

#[test]
fn an_etag_is_honoured_where_that_is_documented_and_nowhere_else() {
    let mut honoured = 0;
    every_call(|method, path, host, ask| {
        for tag in ["\"999999\"", "no tag of ours"] {
            let answer = send(host, method, &ask, &[("if-match", tag)]);
            let documented = looks_at(method, path, "If-Match");
            assert_eq!(answer.status == 412, documented, "{method} {path}, If-Match: {tag}: {answer:?}");
            honoured += usize::from(documented);
            if !documented {
                return;
            }
        }
        let answer = send(host, method, &ask, &[("if-match", "*")]);
        assert!((200..300).contains(&answer.status), "{method} {path} with any version: {answer:?}");
    });
    assert!(honoured > 40, "{honoured}");
}

#[test]
fn a_key_is_honoured_where_that_is_documented_and_nowhere_else() {
    let mut honoured = 0;
    every_call(|method, path, host, ask| {
        // Its row needs no request; one that is raised is remembered as every other.
        if path.ends_with("/provision") {
            return;
        }
        let key = [("idempotency-key", "a-key-of-mine")];
        let first = send(host, method, &ask, &key);
        let second = send(host, method, &ask, &key);
        let documented = looks_at(method, path, "Idempotency-Key");
        let replayed = second.header("idempotency-replayed") == "true";
        assert_eq!(replayed, documented, "{method} {path}: {first:?}, then {second:?}");
        if replayed {
            honoured += 1;
            assert_eq!((first.status, &first.text), (second.status, &second.text), "{method} {path}");
            assert_eq!(first.header("etag"), second.header("etag"), "{method} {path}");
        }
    });
    assert!(honoured > 20, "{honoured}");
}

#[test]
fn who_is_to_wait_is_told_how_long() {
    let host = Host::limited(1);
    host.get("/whoami");
    let refused = host.get("/whoami");
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (429, false), "{refused:?}");
}
