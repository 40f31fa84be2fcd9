//! PATCH (RFC 7644 section 3.5.2) as far as connectors make use of it: add, replace and remove, with paths like
//! `active`, `name.givenName`, `emails`, `emails[type eq "work"].value` and
//! `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`.

use serde_json::{Map, Value};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User:";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A path: an attribute, perhaps below the extension, perhaps only the items that match, perhaps a part of it.
#[derive(Debug, PartialEq, Eq)]
struct Path<'a> {
    parent: Option<&'a str>,
    attribute: &'a str,
    items: Option<(&'a str, String)>,
    part: Option<&'a str>,
}

/// Applies the operations to the user.
///
/// # Errors
/// What is wrong with them, as a scimType and a detail.
pub(super) fn apply(user: &mut Value, patch: &Value) -> Result<(), (&'static str, String)> {
    let Some(operations) = patch["Operations"].as_array() else {
        return Err(("invalidSyntax", "a PATCH needs Operations".to_owned()));
    };
    for operation in operations {
        let op = operation["op"].as_str().unwrap_or_default().to_ascii_lowercase();
        if !matches!(op.as_str(), "add" | "replace" | "remove") {
            return Err(("invalidSyntax", format!("`{op}` is no operation")));
        }
        match operation["path"].as_str() {
            Some(path) => {
                let parsed = parse(path).ok_or_else(|| ("invalidPath", format!("`{path}` is no path")))?;
                one(user, &op, &parsed, &operation["value"]);
            }
            None => {
                let Some(values) = operation["value"].as_object().filter(|_| op != "remove") else {
                    return Err(("noTarget", "without a path there must be an object".to_owned()));
                };
                for (attribute, value) in values {
                    one(user, &op, &Path { parent: None, attribute, items: None, part: None }, value);
                }
            }
        }
    }
    Ok(())
}

fn parse(path: &str) -> Option<Path<'_>> {
    let (parent, rest) = match path.strip_prefix(ENTERPRISE).and_then(|rest| rest.strip_prefix(':')) {
        Some(rest) => (Some(ENTERPRISE), rest),
        None => (None, path.strip_prefix(CORE).unwrap_or(path)),
    };
    let (attribute, items, rest) = match rest.split_once('[') {
        None => {
            let (attribute, rest) = rest.split_once('.').map_or((rest, ""), |(attribute, part)| (attribute, part));
            return named(Path { parent, attribute, items: None, part: (!rest.is_empty()).then_some(rest) });
        }
        Some((attribute, rest)) => {
            let (filter, rest) = rest.rsplit_once(']')?;
            let (name, value) = equals(filter)?;
            (attribute, Some((name, value)), rest)
        }
    };
    let part = if rest.is_empty() { None } else { Some(rest.strip_prefix('.')?) };
    named(Path { parent, attribute, items, part })
}

fn named(path: Path<'_>) -> Option<Path<'_>> {
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '$');
    (word(path.attribute) && path.part.is_none_or(word)).then_some(path)
}

/// The attribute and the value of a filter `name eq "value"`.
pub(super) fn equals(filter: &str) -> Option<(&str, String)> {
    let (name, rest) = filter.trim().split_once(' ')?;
    let (operator, value) = rest.trim_start().split_once(' ')?;
    let value: String = serde_json::from_str(value.trim()).ok()?;
    operator.eq_ignore_ascii_case("eq").then_some((name, value))
}

fn one(user: &mut Value, op: &str, path: &Path<'_>, value: &Value) {
    let object = match path.parent {
        Some(parent) => member(user, parent),
        None => user,
    };
    if let Some((name, wanted)) = &path.items {
        return of_items(object, op, path, (name, wanted), value);
    }
    match path.part {
        Some(part) => set(member(object, path.attribute), op, part, value),
        None => set(object, op, path.attribute, value),
    }
}

/// Of those items of a list that match.
fn of_items(object: &mut Value, op: &str, path: &Path<'_>, (name, wanted): (&str, &str), value: &Value) {
    let Some(items) = object[path.attribute].as_array_mut() else { return };
    let matches = |item: &Value| item[name].as_str().is_some_and(|has| has.eq_ignore_ascii_case(wanted));
    match path.part {
        None if op == "remove" => items.retain(|item| !matches(item)),
        None => items.iter_mut().filter(|item| matches(item)).for_each(|item| *item = value.clone()),
        Some(part) => items.iter_mut().filter(|item| matches(item)).for_each(|item| set(item, op, part, value)),
    }
}

fn set(object: &mut Value, op: &str, name: &str, value: &Value) {
    let Value::Object(object) = object else { return };
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned());
    match (op, value, object.get_mut(&key)) {
        ("remove", _, _) => drop(object.remove(&key)),
        ("add", Value::Array(more), Some(Value::Array(items))) => items.extend(more.iter().cloned()),
        _ => drop(object.insert(key, value.clone())),
    }
}

/// The object that a member is; made if it is none.
fn member<'a>(object: &'a mut Value, name: &str) -> &'a mut Value {
    if !object[name].is_object() {
        object[name] = Value::Object(Map::new());
    }
    &mut object[name]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(before: Value, operation: Value, after: Value) {
        let mut user = before;
        apply(&mut user, &json!({"Operations": [operation]})).unwrap();
        assert_eq!(user, after);
    }

    #[test]
    fn each_form_of_path_reaches_its_place_and_no_other() {
        check(
            json!({"active": true}),
            json!({"op": "Replace", "path": "active", "value": false}),
            json!({"active": false}),
        );
        check(
            json!({}),
            json!({"op": "add", "path": "name.givenName", "value": "A"}),
            json!({"name": {"givenName": "A"}}),
        );
        check(json!({"title": "T"}), json!({"op": "remove", "path": "title"}), json!({}));
        check(json!({"title": "T"}), json!({"op": "replace", "value": {"title": "U"}}), json!({"title": "U"}));
        let mails = json!({"emails": [{"type": "work", "value": "a"}, {"type": "home", "value": "b"}]});
        let path = r#"emails[type eq "work"].value"#;
        let after = json!({"emails": [{"type": "work", "value": "c"}, {"type": "home", "value": "b"}]});
        check(mails.clone(), json!({"op": "replace", "path": path, "value": "c"}), after);
        let after = json!({"emails": [{"type": "home", "value": "b"}]});
        check(mails, json!({"op": "remove", "path": r#"emails[type eq "work"]"#}), after);
        let path = format!("{ENTERPRISE}:department");
        check(json!({}), json!({"op": "add", "path": path, "value": "D"}), json!({ENTERPRISE: {"department": "D"}}));
    }

    #[test]
    fn what_is_no_operation_or_no_path_is_refused() {
        let refused = |operation: Value| apply(&mut json!({}), &json!({"Operations": [operation]})).unwrap_err().0;
        assert_eq!(refused(json!({"op": "move", "path": "a"})), "invalidSyntax");
        assert_eq!(refused(json!({"op": "add", "path": "a b", "value": 1})), "invalidPath");
        assert_eq!(refused(json!({"op": "remove"})), "noTarget");
        assert_eq!(apply(&mut json!({}), &json!({})).unwrap_err().0, "invalidSyntax");
    }
}
