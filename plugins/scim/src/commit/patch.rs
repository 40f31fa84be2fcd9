//! An edit as a PATCH (RFC 7644 section 3.5.2): one operation for each attribute, and for each value of a list where
//! labels tell the values apart.

use super::edit::{Edit, Touched};
use crate::fields::{Field, Place};
use crate::filter::of_type;
use crate::resource::{enterprise_of, items, key_of, member, text_of};
use gatehouse_connector::json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The body of the PATCH.
pub(super) fn body(edit: &Edit) -> Json {
    let mut operations = Vec::new();
    let mut lists: Vec<&str> = Vec::new();
    for touched in &edit.touched {
        match touched {
            Touched::Username => operations.extend(single("userName", top(edit, "userName"))),
            Touched::Active => operations.extend(single("active", top(edit, "active"))),
            Touched::Field(Field { place: Place::Each(list, _), .. }) => {
                if !lists.contains(list) {
                    lists.push(list);
                    operations.extend(of_list(
                        list,
                        items(member(&edit.before, list)),
                        items(member(&edit.after, list)),
                    ));
                }
            }
            Touched::Field(field) => {
                operations.extend(single(&field.path(), (at(&edit.before, field), at(&edit.after, field))))
            }
        }
    }
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

type Change<'a> = (Option<&'a Json>, Option<&'a Json>);

fn top<'a>(edit: &'a Edit, name: &str) -> Change<'a> {
    (member(&edit.before, name), member(&edit.after, name))
}

fn at<'a>(user: &'a Json, field: &Field) -> Option<&'a Json> {
    match field.place {
        Place::Top(key) | Place::Each(key, _) => member(user, key),
        Place::Within(parent, key) => member(user, parent).and_then(|parent| member(parent, key)),
        Place::Enterprise(key) | Place::EnterpriseReference(key) => {
            enterprise_of(user).and_then(|extension| member(extension, key))
        }
    }
}

/// Replacing what is not there is the same as adding it (section 3.5.2.3), but not every service knows.
fn single(path: &str, change: Change<'_>) -> Option<Json> {
    match change {
        (_, Some(after)) if change.0 == Some(after) => None,
        (None | Some(Json::Null), Some(after)) => Some(json!({ "op": "add", "path": path, "value": after })),
        (Some(_), Some(after)) => Some(json!({ "op": "replace", "path": path, "value": after })),
        (Some(_), None) => Some(json!({ "op": "remove", "path": path })),
        (None, None) => None,
    }
}

fn of_list(list: &str, before: &[Json], after: &[Json]) -> Vec<Json> {
    if before == after {
        return Vec::new();
    }
    if after.is_empty() {
        return vec![json!({ "op": "remove", "path": list })];
    }
    if before.is_empty() {
        return vec![json!({ "op": "add", "path": list, "value": after })];
    }
    value_by_value(list, before, after)
        .unwrap_or_else(|| vec![json!({ "op": "replace", "path": list, "value": after })])
}

/// An operation for each value that differs. None where labels do not tell the values apart, or where more than the
/// value itself differs: then the list has to be replaced as a whole.
fn value_by_value(list: &str, before: &[Json], after: &[Json]) -> Option<Vec<Json>> {
    let (before, after) = (by_label(before)?, by_label(after)?);
    let mut operations = Vec::new();
    for (label, (kind, item)) in &before {
        match after.get(label) {
            None => operations.push(json!({ "op": "remove", "path": of_type(list, kind) })),
            Some((_, now)) if now == item => {}
            Some((_, now)) => {
                let path = format!("{}.value", of_type(list, kind));
                let value = only_the_value(item, now)?;
                operations.push(json!({ "op": "replace", "path": path, "value": value }));
            }
        }
    }
    let added: Vec<&Json> =
        after.iter().filter(|(label, _)| !before.contains_key(*label)).map(|(_, (_, item))| *item).collect();
    if !added.is_empty() {
        operations.push(json!({ "op": "add", "path": list, "value": added }));
    }
    Some(operations)
}

/// The items by their label in small letters, with the label as it is spelt; none if one has none or shares it.
fn by_label(items: &[Json]) -> Option<BTreeMap<String, (String, &Json)>> {
    let mut labelled = BTreeMap::new();
    for item in items {
        let kind = member(item, "type").and_then(text_of)?;
        if labelled.insert(kind.to_lowercase(), (kind, item)).is_some() {
            return None;
        }
    }
    Some(labelled)
}

/// The new value, if nothing else differs between two items.
fn only_the_value<'a>(before: &Json, after: &'a Json) -> Option<&'a Json> {
    let without = |item: &Json| -> Option<Map<String, Json>> {
        let mut rest = item.as_object()?.clone();
        // What was shown for the old value is the service's to renew.
        for name in ["value", "display", "$ref"] {
            rest.remove(&key_of(item, name));
        }
        Some(rest)
    };
    if without(before)? == without(after)? { member(after, "value") } else { None }
}
