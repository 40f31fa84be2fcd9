//! Examples of the bodies that calls take and answer with, for the document. They are written down from real calls, by
//! the test that holds each against its schema (`tests/examples.rs`; `cargo xtask docs`). It never makes one up.

use super::document::{operations, word};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr};

/// By call, `POST /api/v1/users`: its `body`, and its `answers` by status. And `problems`, by case.
static WRITTEN: LazyLock<Json> = LazyLock::new(|| match serde_json::from_str(include_str!("examples.json")) {
    Ok(written) => written,
    Err(error) => {
        tracing::error!(%error, "examples.json, which this build contains, is no JSON: the document has no examples");
        Json::Null
    }
});

/// Adds them to every operation that there are some of.
pub(super) fn add(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let Some(of) = WRITTEN.get(format!("{} {path}", word(&method))) else { continue };
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                // The rows of an import are recorded as CSV.
                let recorded = body.content.iter_mut().filter(|(kind, _)| *kind != "application/jsonl");
                recorded.for_each(|(_, content)| set(content, &of["body"]));
            }
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    response.content.values_mut().for_each(|content| set(content, &of["answers"][status.as_str()]));
                }
            }
        }
    }
    let problems = WRITTEN["problems"].as_object().into_iter().flatten();
    let examples = problems.map(|(case, problem)| {
        let summary = problem["title"].as_str().unwrap_or_default();
        (case.clone(), RefOr::T(ExampleBuilder::new().summary(summary).value(Some(problem.clone())).build()))
    });
    document.components.get_or_insert_default().examples.extend(examples);
}

fn set(content: &mut RefOr<Content>, example: &Json) {
    if let RefOr::T(content) = content
        && !example.is_null()
    {
        content.example = Some(example.clone());
    }
}

/// What a failure of these cases is answered with, where that is written down: references to the document's examples. A
/// case that ends in `…` stands for all that begin like it.
pub(super) fn of_problems(cases: &[&str]) -> BTreeMap<String, RefOr<Example>> {
    let written = WRITTEN["problems"].as_object().into_iter().flatten().map(|(case, _)| case);
    let shown = written.filter(|case| {
        cases.iter().any(|of| of.strip_suffix('…').map_or(of == case, |beginning| case.starts_with(beginning)))
    });
    shown.map(|case| (case.clone(), RefOr::Ref(Ref::new(format!("#/components/examples/{case}"))))).collect()
}
