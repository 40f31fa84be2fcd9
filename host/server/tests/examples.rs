//! The examples of the document: written down from real calls, in one story for all (`cargo xtask docs` writes them anew),
//! and each held against the schema that it is an example of. That an example is what the host takes and answers needs no
//! other test: it was taken, or answered.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::agreement::document;
use common::shapes::wrong;
use common::story::{problems, told};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Set by `cargo xtask docs`.
const WRITE: &str = "GATEHOUSE_WRITE_DOCS";

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/examples.json");

#[test]
fn the_examples_are_what_the_host_takes_and_answers() {
    let mut wanted = told();
    wanted["problems"] = problems();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(FILE, serde_json::to_string_pretty(&wanted).unwrap() + "\n").unwrap();
    }
    let found: Json = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let wanted = wanted.as_object().unwrap();
    for (call, of) in wanted {
        assert_eq!(&found[call], of, "the examples of {call} are not current: `cargo xtask docs` writes them anew");
    }
    assert_eq!(found.as_object().unwrap().len(), wanted.len(), "of a call that is none: `cargo xtask docs`");
}

/// What has no example, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("GET /api/v1/openapi.json 200", "it is the document itself"),
    ("POST /api/v1/compact 200", "it needs a store that is a file, and tells of its size on the disk"),
    ("POST /api/v1/restore 200", "it needs a store that is a file"),
    ("GET /readyz 503", "it needs a host that is not well"),
];

/// Problems that no call brings about at will.
const UNSHOWN: &[(&str, &str)] = &[
    ("bad-body", "it needs a connection that breaks off"),
    ("changed-meanwhile", "it needs two calls at the same moment"),
    ("internal", "it needs a defect"),
    ("no-space", "it needs a full disk"),
    ("not-restored", "it needs a store that is a file"),
    ("store-unavailable", "it needs a disk that fails"),
];

/// Every body that the document has an operation take or answer: of which operation, and what is said of it.
fn contents() -> Vec<(String, &'static str, &'static Json)> {
    let mut all = Vec::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let call = format!("{} {path}", method.to_uppercase());
            let mut add = |name: String, content: &'static Json| {
                for (kind, of) in content.as_object().into_iter().flatten() {
                    all.push((name.clone(), kind.as_str(), of));
                }
            };
            add(format!("{call} body"), &operation["requestBody"]["content"]);
            for (status, response) in operation["responses"].as_object().unwrap() {
                add(format!("{call} {status}"), &response["content"]);
            }
        }
    }
    all
}

#[test]
fn every_body_of_json_has_an_example() {
    let json = contents().into_iter().filter(|(_, kind, _)| *kind == "application/json");
    let (with, without): (Vec<_>, Vec<_>) = json.partition(|(_, _, of)| !of["example"].is_null());
    let without: Vec<String> = without.into_iter().map(|(name, ..)| name).collect();
    let expected: Vec<&str> = WITHOUT.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = without.iter().filter(|name| !expected.contains(&name.as_str())).collect();
    assert!(
        missing.is_empty(),
        "without an example: call them in tests/common/story.rs, then `cargo xtask docs`: {missing:#?}"
    );
    assert_eq!(without.len(), expected.len(), "{expected:?} are not all without one: {without:?}");
    assert!(with.len() > 100, "{}", with.len());
}

#[test]
fn every_problem_has_an_example() {
    let examples = document()["components"]["examples"].as_object().unwrap();
    for (name, _, of) in contents().into_iter().filter(|(_, kind, _)| *kind == "application/problem+json") {
        for (case, example) in of["examples"].as_object().into_iter().flatten() {
            let place = example["$ref"].as_str().unwrap().trim_start_matches('#');
            let value = &document().pointer(place).unwrap()["value"];
            assert_eq!(value["type"], format!("urn:gatehouse:problem:{case}"), "{name}");
            assert!(name.ends_with(&format!(" {}", value["status"])), "{name}: {value}");
        }
    }
    let told = document()["paths"].to_string();
    let cases: BTreeSet<&str> =
        told.split("`urn:gatehouse:problem:").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    for case in cases {
        let shown =
            examples.keys().any(|of| case.strip_suffix('…').map_or(of == case, |begins| of.starts_with(begins)));
        let unshown = UNSHOWN.iter().any(|(of, _)| *of == case);
        assert!(
            shown != unshown,
            "{case}: shown by `problems` of tests/common/story.rs: {shown}; said not to be: {unshown}"
        );
    }
}

#[test]
fn every_example_has_the_shape_that_the_document_gives_it() {
    let mut all = Vec::new();
    for (name, _, of) in contents() {
        if !of["example"].is_null() {
            all.extend(wrong(&of["schema"], &of["example"], &name));
        }
    }
    let problem = contents().into_iter().find(|(_, kind, _)| *kind == "application/problem+json").unwrap().2;
    for (case, example) in document()["components"]["examples"].as_object().unwrap() {
        all.extend(wrong(&problem["schema"], &example["value"], case));
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn a_shape_that_is_not_the_documented_one_is_found_out() {
    let schema = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "of": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/User"}]}},
    });
    let of = |value: Json| wrong(&schema, &value, "");
    assert!(of(json!({"name": "a", "of": null})).is_empty());
    for bad in
        [json!({}), json!({"name": 7}), json!({"name": "a", "more": 1}), json!({"name": "a", "of": {}}), json!([])]
    {
        assert!(!of(bad.clone()).is_empty(), "{bad}");
    }
}
