//! What changed between two records of the same kind, field by field. It knows no kind: a record is what it is written
//! as in JSON. It never shows the value of a field whose name says that it is a secret.

use crate::MASK;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Fields that every record has and that change with every change.
const OF_EVERY_CHANGE: [&str; 3] = ["version", "updated_at", "created_at"];

/// Parts of names whose values are never shown.
const SECRET: [&str; 6] = ["secret", "password", "passwd", "hash", "private_key", "api_key"];

/// Longer texts are cut, in characters: a record is to be read, and kept for years.
const LONGEST: usize = 512;

/// A field before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Before; null: it was not there.
    pub before: Json,
    /// After; null: it is no more.
    pub after: Json,
}

/// The fields that differ. Maps within the record (`attributes.desk`, `settings.page_size`) are compared member by member;
/// lists and what lies deeper as a whole.
pub fn differences<T: Serialize>(before: Option<&T>, after: Option<&T>) -> BTreeMap<String, Changed> {
    let flat = |record: Option<&T>| {
        record.and_then(|record| serde_json::to_value(record).ok()).map_or_else(BTreeMap::new, flat)
    };
    let (before, mut after) = (flat(before), flat(after));
    let mut changed = BTreeMap::new();
    for (name, before) in before {
        let after = after.remove(&name).unwrap_or(Json::Null);
        note(&mut changed, name, before, after);
    }
    for (name, after) in after {
        note(&mut changed, name, Json::Null, after);
    }
    changed
}

fn note(changed: &mut BTreeMap<String, Changed>, name: String, before: Json, after: Json) {
    if before != after {
        let (before, after) = (shown(&name, before), shown(&name, after));
        changed.insert(name, Changed { before, after });
    }
}

/// The members of a record, those of maps in it beside them. What is empty is as good as not there.
fn flat(record: Json) -> BTreeMap<String, Json> {
    let mut fields = BTreeMap::new();
    let Json::Object(members) = record else { return fields };
    for (name, value) in members {
        match value {
            Json::Object(inner) => {
                fields.extend(inner.into_iter().map(|(inner, value)| (format!("{name}.{inner}"), value)))
            }
            value => drop(fields.insert(name, value)),
        }
    }
    let is_empty = |value: &Json| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    fields.retain(|name, value| !OF_EVERY_CHANGE.contains(&name.as_str()) && !is_empty(value));
    fields
}

fn shown(name: &str, value: Json) -> Json {
    let lower = name.to_lowercase();
    match value {
        Json::Null => Json::Null,
        _ if SECRET.iter().any(|part| lower.contains(part)) => MASK.into(),
        Json::String(text) if text.chars().count() > LONGEST => {
            text.chars().take(LONGEST).chain(std::iter::once('…')).collect::<String>().into()
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Option<Json>, after: Option<Json>, expected: Json) {
        let found = serde_json::to_value(differences(before.as_ref(), after.as_ref())).unwrap_or_default();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_differs_is_told_and_maps_member_by_member() {
        check(
            Some(json!({"name": "a", "version": 1, "tags": ["x"], "attributes": {"desk": ["4"], "team": ["red"]}})),
            Some(json!({"name": "a", "version": 2, "tags": ["x", "y"], "attributes": {"team": ["blue"]}})),
            json!({
                "attributes.desk": {"before": ["4"], "after": null},
                "attributes.team": {"before": ["red"], "after": ["blue"]},
                "tags": {"before": ["x"], "after": ["x", "y"]},
            }),
        );
    }

    #[test]
    fn a_new_record_is_all_after_and_a_removed_one_all_before() {
        check(None, Some(json!({"name": "a", "email": null})), json!({"name": {"before": null, "after": "a"}}));
        check(Some(json!({"name": "a"})), None, json!({"name": {"before": "a", "after": null}}));
        check(Some(json!({"name": "a"})), Some(json!({"name": "a"})), json!({}));
    }

    #[test]
    fn what_is_named_like_a_secret_is_masked_on_both_sides() {
        let settings = |value: &str| json!({"settings": {"clientSecret": value, "realm": value}});
        check(
            Some(settings("one")),
            Some(settings("two")),
            json!({
                "settings.clientSecret": {"before": MASK, "after": MASK},
                "settings.realm": {"before": "one", "after": "two"},
            }),
        );
    }
}
