//! Whether a value has the shape that a schema of the document gives it: kinds, members, and words where there are but
//! some. It looks at no bounds, patterns or formats.

use super::agreement::document;
use serde_json::Value as Json;

/// What a reference leads to.
fn resolved(schema: &Json) -> &Json {
    match schema["$ref"].as_str() {
        Some(reference) => resolved(document().pointer(reference.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

fn list<'a>(schema: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> + use<'a> {
    schema[name].as_array().into_iter().flatten()
}

/// A schema and all that it is said to be besides.
fn parts(schema: &Json) -> Vec<&Json> {
    let schema = resolved(schema);
    std::iter::once(schema).chain(list(schema, "allOf").flat_map(parts)).collect()
}

/// All that is wrong with a value, each with its place.
pub fn wrong(schema: &Json, value: &Json, at: &str) -> Vec<String> {
    let parts = parts(schema);
    let mut all: Vec<String> = parts.iter().filter_map(|part| of_kind(part, value, at)).collect();
    for part in &parts {
        for name in ["oneOf", "anyOf"] {
            // One of them is enough: what is told is what keeps it from the nearest.
            let tries = list(part, name).map(|one| wrong(one, value, at));
            all.extend(tries.min_by_key(Vec::len).into_iter().flatten());
        }
    }
    match value {
        Json::Object(_) => all.extend(of_members(&parts, value, at)),
        Json::Array(items) => {
            let of = parts.iter().map(|part| &part["items"]).find(|of| of.is_object());
            for (no, item) in items.iter().enumerate() {
                all.extend(of.into_iter().flat_map(|of| wrong(of, item, &format!("{at}/{no}"))));
            }
        }
        _ => {}
    }
    all
}

fn of_kind(schema: &Json, value: &Json, at: &str) -> Option<String> {
    let kinds: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one.as_str()],
        Json::Array(all) => all.iter().filter_map(Json::as_str).collect(),
        _ => return None,
    };
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let fits = kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
    let among = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    (!fits || !among).then(|| format!("{at}: {value} is none of {kinds:?} {}", schema["enum"]))
}

fn of_members(parts: &[&Json], value: &Json, at: &str) -> Vec<String> {
    let members = value.as_object().unwrap();
    let needed = parts.iter().flat_map(|part| list(part, "required")).filter_map(Json::as_str);
    let missing = needed.filter(|name| !members.contains_key(*name)).map(|name| format!("{at}: without `{name}`"));
    let mut all: Vec<String> = missing.collect();
    for (name, value) in members {
        let at = format!("{at}/{name}");
        let known = parts.iter().map(|part| &part["properties"][name]).find(|of| !of.is_null());
        let other = parts.iter().map(|part| &part["additionalProperties"]).find(|of| of.is_object());
        // What names no members at all may have any.
        let closed = parts.iter().any(|part| part["properties"].is_object());
        match known.or(other) {
            Some(of) => all.extend(wrong(of, value, &at)),
            None if closed => all.push(format!("{at}: not documented")),
            None => {}
        }
    }
    all
}
