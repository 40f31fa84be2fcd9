//! From the JSON of a user to an account. Services differ in the case of names (which RFC 7643 section 2.1 allows),
//! in "True" for true, in single values where lists belong: all of that ends here, and nothing else of this crate
//! knows of it.

use crate::fields::{ENTERPRISE, FIELDS, Field, Place};
use gatehouse_connector::json::Value as Json;
use gatehouse_connector::{Account, Attributes, Fault, Response, Status, Value, canonical_text};

/// A member of an object, whatever the case of its name.
pub(crate) fn member<'a>(object: &'a Json, name: &str) -> Option<&'a Json> {
    let object = object.as_object()?;
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The name under which an object has a member, whatever the case; the given one if it has none.
pub(crate) fn key_of(object: &Json, name: &str) -> String {
    let keys = object.as_object().into_iter().flat_map(|object| object.keys());
    keys.into_iter().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned())
}

/// A truth value: `true`, `"True"`, `1`.
pub(crate) fn boolean_of(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(truth) => Some(*truth),
        Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Json::Number(number) => number.as_u64().filter(|n| *n < 2).map(|n| n == 1),
        _ => None,
    }
}

/// A text that says something: texts that are not empty, numbers, truth values.
pub(crate) fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) if text.trim().is_empty() => None,
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The id of a user.
pub(crate) fn id_of(user: &Json) -> Option<String> {
    member(user, "id").and_then(text_of)
}

/// The enterprise extension of a user.
pub(crate) fn enterprise_of(user: &Json) -> Option<&Json> {
    member(user, ENTERPRISE).filter(|extension| extension.is_object())
}

/// The version of a user: `meta.version`, or else the ETag of the answer it came with (RFC 7644 section 3.14).
pub(crate) fn version_of(user: &Json, response: Option<&Response>) -> Option<String> {
    let version = member(user, "meta").and_then(|meta| member(meta, "version")).and_then(text_of);
    version.or_else(|| response?.header("etag").map(str::to_owned))
}

/// The account that a user's JSON describes, with these attributes. One that is not in the JSON is known to be empty
/// (RFC 7643 section 2.5).
///
/// # Errors
/// The record has no id or no userName, or `active` is no truth value.
pub(crate) fn account_of(user: &Json, fields: &[&Field]) -> Result<Account, Fault> {
    let external_id = id_of(user);
    let fault = |why: &str| Fault { external_id: external_id.clone(), why: why.to_owned() };
    let username = member(user, "userName").and_then(text_of).ok_or_else(|| fault("it has no userName"))?;
    let active = match member(user, "active") {
        None | Some(Json::Null) => true,
        Some(value) => boolean_of(value).ok_or_else(|| fault("its `active` is neither true nor false"))?,
    };
    let Some(external_id) = external_id else { return Err(fault("it has no id")) };
    let attributes: Attributes = fields.iter().map(|field| (field.name.to_owned(), values_of(user, field))).collect();
    let status = if active { Status::Active } else { Status::Deactivated };
    Ok(Account { external_id, username, status, attributes, revision: version_of(user, None) })
}

/// The account with everything that is known of it.
pub(crate) fn whole_account_of(user: &Json) -> Result<Account, Fault> {
    account_of(user, &FIELDS.iter().collect::<Vec<_>>())
}

/// The values of one attribute.
pub(crate) fn values_of(user: &Json, field: &Field) -> Vec<Value> {
    let canonical = |text: String| canonical_text(field.kind(), &text).unwrap_or(text);
    let single = |value: Option<&Json>| value.and_then(text_of).map(|text| Value::text(canonical(text)));
    match field.place {
        Place::Top(key) => single(member(user, key)).into_iter().collect(),
        Place::Within(parent, key) => {
            single(member(user, parent).and_then(|parent| member(parent, key))).into_iter().collect()
        }
        Place::Enterprise(key) => {
            single(enterprise_of(user).and_then(|extension| member(extension, key))).into_iter().collect()
        }
        Place::EnterpriseReference(key) => {
            let reference = enterprise_of(user).and_then(|extension| member(extension, key));
            let reference = reference.map(|value| reference_of(value).unwrap_or(value));
            single(reference).into_iter().collect()
        }
        Place::Each(list, key) => items(member(user, list))
            .iter()
            .filter_map(|item| {
                let text = match item {
                    Json::Object(_) => member(item, key).and_then(text_of),
                    // Some services list bare texts.
                    _ if key == "value" => text_of(item),
                    _ => None,
                }?;
                let kind = member(item, "type").and_then(text_of);
                let primary = member(item, "primary").and_then(boolean_of).unwrap_or_default();
                Some(Value { text: canonical(text), kind, primary })
            })
            .collect(),
    }
}

/// The items of a list, or the one that stands in its place.
pub(crate) fn items(value: Option<&Json>) -> &[Json] {
    match value {
        None | Some(Json::Null) => &[],
        Some(Json::Array(items)) => items,
        Some(single) => std::slice::from_ref(single),
    }
}

/// What a reference refers to: its `value`, or that of the only one in a list.
fn reference_of(value: &Json) -> Option<&Json> {
    let inner = items(Some(value)).first()?;
    if inner.is_object() { member(inner, "value") } else { Some(inner) }
}
