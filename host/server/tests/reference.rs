//! docs/api.md against the OpenAPI document that it is made of. `cargo xtask docs` writes it anew.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Set by `cargo xtask docs`.
const WRITE: &str = "GATEHOUSE_WRITE_DOCS";

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// A schema in a few words: `list of User`, `integer or null`.
fn kind(schema: &Json) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema[several].as_array() {
            return all.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let mut kinds = match &schema["type"] {
        Json::Array(all) => all.iter().map(text).collect::<Vec<_>>(),
        Json::String(one) => vec![one.as_str()],
        _ => vec!["anything"],
    };
    kinds.sort_by_key(|kind| *kind == "null");
    let named = kinds.into_iter().map(|one| match one {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        other => other.to_owned(),
    });
    let mut told = named.collect::<Vec<_>>().join(" or ");
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", text(value))).collect();
        let _ = write!(told, ": {}", values.join(", "));
        if let Some(usual) = schema["default"].as_str() {
            let _ = write!(told, "; `{usual}` if left out");
        }
    }
    told
}

fn parameters(out: &mut String, operation: &Json) {
    let all: Vec<&Json> = operation["parameters"].as_array().into_iter().flatten().collect();
    if all.is_empty() {
        return;
    }
    out.push_str("| Parameter | In | Kind | Meaning |\n| --- | --- | --- | --- |\n");
    for parameter in all {
        let _ = writeln!(
            out,
            "| `{}`{} | {} | {} | {} |",
            text(&parameter["name"]),
            if parameter["required"] == true { ", needed" } else { "" },
            text(&parameter["in"]),
            cell(&kind(&parameter["schema"])),
            cell(text(&parameter["description"])),
        );
    }
    out.push('\n');
}

fn body(out: &mut String, operation: &Json) {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return };
    for (media, of) in content {
        let _ = writeln!(out, "Body, `{media}`: {}\n", kind(&of["schema"]));
        example(out, &of["example"]);
    }
}

/// An example, if there is one that says something.
fn example(out: &mut String, of: &Json) {
    match of {
        Json::String(text) => {
            let _ = writeln!(out, "```text\n{}\n```\n", text.trim_end());
        }
        Json::Object(members) if !members.is_empty() => {
            let _ = writeln!(out, "```json\n{}\n```\n", serde_json::to_string_pretty(of).unwrap());
        }
        _ => {}
    }
}

/// By name of a shape, an answer that is of it. Each is shown once, with the shape, since many calls answer with the same.
fn answered(document: &Json) -> BTreeMap<&str, &Json> {
    let operations = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap());
    // What is looked at says more than what has just been made.
    let (looks, others): (Vec<_>, Vec<_>) = operations.partition(|(method, _)| *method == "get");
    let mut all = BTreeMap::new();
    for (_, operation) in looks.into_iter().chain(others) {
        for (_, response) in operation["responses"].as_object().unwrap() {
            let content = &response["content"]["application/json"];
            if let Some(name) = content["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
                all.entry(name).or_insert(&content["example"]);
            }
        }
    }
    all
}

/// What every answer has is said once, at the beginning.
const EVERYWHERE: &str = "X-Request-Id";

fn responses(out: &mut String, operation: &Json) {
    let Some(all) = operation["responses"].as_object() else { return };
    let (good, bad): (Vec<_>, Vec<_>) = all.iter().partition(|(status, _)| status.starts_with('2'));
    for (status, response) in good {
        let kinds: Vec<String> =
            response["content"].as_object().into_iter().flatten().map(|(_, of)| kind(&of["schema"])).collect();
        let headers = response["headers"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let headers: Vec<String> = headers.filter(|name| *name != EVERYWHERE).map(|name| format!("`{name}`")).collect();
        let colon = if kinds.is_empty() { "" } else { ": " };
        let with = if headers.is_empty() { "" } else { ", with " };
        let _ = writeln!(out, "Answers {status}{colon}{}{with}{}\n", kinds.join(" or "), headers.join(", "));
    }
    let bad: Vec<String> = bad.into_iter().map(|(status, of)| failure(status, text(&of["description"]))).collect();
    if !bad.is_empty() {
        let _ = writeln!(out, "Fails with {}.\n", bad.join("; "));
    }
}

/// What the types of problems begin with.
const NAMESPACE: &str = "urn:gatehouse:problem:";

/// The types of problems that a failure's description names.
fn cases(description: &str) -> Vec<String> {
    let quoted = description.split('`').filter_map(|part| part.strip_prefix(NAMESPACE));
    quoted.map(|case| format!("`{case}`")).collect()
}

fn failure(status: &str, description: &str) -> String {
    format!("{status} {}", cases(description).join(", "))
}

/// Every status that calls fail with, said once: what it means, and the types of all its problems.
fn failures(document: &Json) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let responses = operations.flat_map(|operation| operation["responses"].as_object().unwrap());
    let bad = responses
        .filter(|(status, of)| !status.starts_with('2') && of["content"]["application/problem+json"].is_object());
    let mut all: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for (status, of) in bad {
        let description = text(&of["description"]);
        let meaning = description.split(&format!(": `{NAMESPACE}")).next().unwrap_or_default();
        let (told, types) = all.entry(status.clone()).or_default();
        *told = meaning.to_owned();
        types.extend(cases(description));
    }
    all
}

fn schemas(out: &mut String, document: &Json) {
    out.push_str("# Shapes\n\n");
    let answered = answered(document);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let _ = writeln!(out, "## {name}\n");
        let _ = writeln!(out, "{}\n", text(&schema["description"]));
        let Some(properties) = schema["properties"].as_object() else {
            let _ = writeln!(out, "{}\n", kind(schema));
            continue;
        };
        let needed: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
        out.push_str("| Member | Kind | Meaning |\n| --- | --- | --- |\n");
        for (member, of) in properties {
            let mark = if needed.contains(member.as_str()) { "" } else { ", may be left out" };
            let about = text(&of["description"]);
            let _ = writeln!(out, "| `{member}`{mark} | {} | {} |", cell(&kind(of)), cell(about));
        }
        out.push('\n');
        // A list is its items, which are shown themselves.
        if let Some(of) = answered.get(name.as_str()).filter(|_| !name.starts_with("Page_")) {
            example(out, of);
        }
    }
}

fn reference() -> String {
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    let mut out = String::from(
        "<!-- Made of the OpenAPI document by `cargo xtask docs`: change the code, not this file. -->\n\n# The HTTP API\n\n",
    );
    let _ = writeln!(out, "{}\n", text(&document["info"]["description"]));
    let _ = writeln!(
        out,
        "Types of problems begin with `{NAMESPACE}`, which is left out here. Every answer has `{EVERYWHERE}`; 401 has \
         `WWW-Authenticate`, 429 `Retry-After`.\n"
    );
    out.push_str("| Status | Meaning | Types |\n| --- | --- | --- |\n");
    for (status, (meaning, types)) in failures(&document) {
        let types: Vec<String> = types.into_iter().collect();
        let _ = writeln!(out, "| {status} | {} | {} |", cell(&meaning), types.join(", "));
    }
    out.push('\n');
    let mut by_tag: BTreeMap<&str, Vec<(String, &Json)>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let title = format!("`{} {path}`", method.to_uppercase());
            by_tag.entry(text(&operation["tags"][0])).or_default().push((title, operation));
        }
    }
    for tag in document["tags"].as_array().unwrap() {
        let _ = writeln!(out, "# {}\n\n{}\n", text(&tag["name"]), text(&tag["description"]));
        for (title, operation) in by_tag.remove(text(&tag["name"])).unwrap_or_default() {
            let _ = writeln!(out, "## {title}\n\n{}\n", text(&operation["summary"]));
            if let Some(more) = operation["description"].as_str() {
                let _ = writeln!(out, "{more}\n");
            }
            parameters(&mut out, operation);
            body(&mut out, operation);
            responses(&mut out, operation);
        }
    }
    assert!(by_tag.is_empty(), "operations under a tag that the document does not explain: {:?}", by_tag.keys());
    schemas(&mut out, &document);
    out.trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_is_the_one_that_the_document_makes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    let wanted = reference();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    let differs = wanted.lines().zip(found.lines()).position(|(one, other)| one != other);
    assert!(wanted == found, "docs/api.md is not current (line {differs:?}): `cargo xtask docs` writes it anew");
}
