//! A user as it is and as it is to be. Editing keeps whatever this connector does not know: other members, labels,
//! sub-attributes. How the difference is sent (PATCH or PUT) is not decided here.

use crate::fields::{CORE, ENTERPRISE, Field, Place};
use crate::resource::{boolean_of, enterprise_of, items, key_of, member, text_of};
use gatehouse_connector::json::{Map, Value as Json, json};
use gatehouse_connector::{Failure, Mutability, Value};

/// What was edited.
#[derive(Clone, Copy, Debug)]
pub(super) enum Touched {
    /// userName.
    Username,
    /// active.
    Active,
    /// An attribute.
    Field(&'static Field),
}

/// A user as it is and as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// As it is.
    pub before: Json,
    /// As it is to be.
    pub after: Json,
    /// What differs.
    pub touched: Vec<Touched>,
}

impl Edit {
    pub(super) fn of(user: &Json) -> Self {
        Self { before: user.clone(), after: user.clone(), touched: Vec::new() }
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.touched.is_empty()
    }

    pub(super) fn set_active(&mut self, active: bool) {
        put(&mut self.after, "active", Some(Json::Bool(active)));
        self.touched.push(Touched::Active);
    }

    /// Sets userName, unless it differs in case alone (RFC 7643 section 4.1.1: not case-exact).
    pub(super) fn set_username(&mut self, current: &str, wanted: &[Value]) -> Result<(), Failure> {
        let wanted = match wanted {
            [one] if !one.text.trim().is_empty() => one.text.trim(),
            _ => return Err(Failure::invalid("username", "a user needs one userName")),
        };
        if wanted.to_lowercase() != current.to_lowercase() {
            put(&mut self.after, "userName", Some(Json::from(wanted)));
            self.touched.push(Touched::Username);
        }
        Ok(())
    }

    /// Gives an attribute these values; none: clears it.
    pub(super) fn set(&mut self, field: &'static Field, values: &[Value]) -> Result<(), Failure> {
        if field.definition().mutability == Mutability::ReadOnly {
            return Err(Failure::invalid(field.name, "the service sets this attribute by itself"));
        }
        let values = distinct(values, field.definition().case_exact);
        if let Place::Each(list, key) = field.place {
            let merged = merge(items(member(&self.after, list)), key, &values);
            put(&mut self.after, list, (!merged.is_empty()).then_some(Json::Array(merged)));
        } else {
            self.set_single(field, &values)?;
        }
        self.touched.push(Touched::Field(field));
        Ok(())
    }

    fn set_single(&mut self, field: &Field, values: &[Value]) -> Result<(), Failure> {
        let value = match values {
            [] => None,
            [one] => Some(Json::from(one.text.as_str())),
            _ => return Err(Failure::invalid(field.name, "it takes a single value")),
        };
        match field.place {
            Place::Top(key) => put(&mut self.after, key, value),
            Place::Within(parent, key) => put_within(&mut self.after, parent, key, value),
            Place::Enterprise(key) => put_within(&mut self.after, ENTERPRISE, key, value),
            Place::EnterpriseReference(key) => {
                put_within(&mut self.after, ENTERPRISE, key, value.map(|value| json!({ "value": value })));
            }
            Place::Each(..) => {}
        }
        Ok(())
    }

    /// The whole user, for POST and PUT: without what only the service sets, with the schemas it makes use of.
    pub(super) fn whole(&self) -> Json {
        let mut user = self.after.clone();
        let mut schemas = items(member(&user, "schemas")).to_vec();
        let enterprise = enterprise_of(&user).map(|_| ENTERPRISE);
        for urn in [Some(CORE), enterprise].into_iter().flatten() {
            if !schemas.iter().any(|s| s.as_str().is_some_and(|s| s.eq_ignore_ascii_case(urn))) {
                schemas.push(Json::from(urn));
            }
        }
        put(&mut user, "schemas", Some(Json::Array(schemas)));
        put(&mut user, "meta", None);
        put(&mut user, "groups", None);
        user
    }
}

/// Sets a member of an object, or removes it.
fn put(object: &mut Json, name: &str, value: Option<Json>) {
    let key = key_of(object, name);
    if let Json::Object(object) = object {
        match value {
            Some(value) => object.insert(key, value),
            None => object.remove(&key),
        };
    }
}

/// Sets a member of a complex member, which goes when nothing is left in it.
fn put_within(object: &mut Json, parent: &str, name: &str, value: Option<Json>) {
    let inner = member(object, parent).filter(|inner| inner.is_object()).cloned();
    let mut inner = inner.unwrap_or_else(|| Json::Object(Map::new()));
    put(&mut inner, name, value);
    let empty = inner.as_object().is_some_and(Map::is_empty);
    put(object, parent, (!empty).then_some(inner));
}

/// The values that say something, each once; those with a label first, since those without take what is left.
fn distinct(values: &[Value], case_exact: bool) -> Vec<Value> {
    let spelt = |text: &str| if case_exact { text.trim().to_owned() } else { text.trim().to_lowercase() };
    let label = |value: &Value| value.kind.as_ref().map(|kind| kind.to_lowercase());
    let mut distinct: Vec<Value> = Vec::with_capacity(values.len());
    for value in values.iter().filter(|value| !value.text.trim().is_empty()) {
        let same = |other: &&mut Value| spelt(&other.text) == spelt(&value.text) && label(other) == label(value);
        match distinct.iter_mut().find(same) {
            Some(other) => other.primary |= value.primary,
            None => distinct.push(value.clone()),
        }
    }
    distinct.sort_by_key(|value| value.kind.is_none());
    distinct
}

/// Members that label an item and do not by themselves keep it alive.
const LABELS: [&str; 4] = ["type", "primary", "display", "$ref"];

/// The items of a list, with the wanted values under `key`. What nobody takes over loses its value, and goes if
/// nothing else is left in it.
fn merge(current: &[Json], key: &str, wanted: &[Value]) -> Vec<Json> {
    let mut items: Vec<Json> =
        current.iter().map(|item| if item.is_object() { item.clone() } else { json!({ "value": item }) }).collect();
    let owner = owners(&items, key, wanted);
    for (item, owner) in items.iter_mut().zip(&owner) {
        match owner {
            Some(index) => write(item, key, &wanted[*index]),
            None => put(item, key, None),
        }
    }
    let is_alive = |item: &Json| item.as_object().is_some_and(|i| i.keys().any(|k| !LABELS.contains(&k.as_str())));
    let taken = owner.clone();
    let kept = items.into_iter().zip(owner).filter(|(item, _)| is_alive(item));
    let mut result: Vec<(Json, Option<usize>)> = kept.collect();
    for (index, value) in wanted.iter().enumerate().filter(|(index, _)| !taken.contains(&Some(*index))) {
        let mut item = Json::Object(Map::new());
        write(&mut item, key, value);
        result.push((item, Some(index)));
    }
    prefer(&mut result, wanted);
    result.into_iter().map(|(item, _)| item).collect()
}

type Rule<'a> = &'a dyn Fn(&Json, &Value) -> bool;

/// Which wanted value takes over which item: the one that is there already, or else the one with the same label; one
/// value without a label, and no others beside it, takes over whatever is there.
fn owners(items: &[Json], key: &str, wanted: &[Value]) -> Vec<Option<usize>> {
    let spelt = |value: &Value| value.text.trim().to_lowercase();
    let alone = |value: &Value| wanted.iter().filter(|other| spelt(other) == spelt(value)).count() == 1;
    let unlabelled = |item: &Json| member(item, "type").and_then(text_of).is_none();
    let there = |item: &Json, value: &Value| {
        let label = if value.kind.is_some() { has_kind(item, value) } else { alone(value) || unlabelled(item) };
        has_text(item, key, &value.text) && label
    };
    let labelled = |item: &Json, value: &Value| has_kind(item, value);
    let only = |_: &Json, value: &Value| value.kind.is_none() && wanted.len() == 1;
    let rules: [Rule<'_>; 3] = [&there, &labelled, &only];
    let mut owner: Vec<Option<usize>> = vec![None; items.len()];
    for rule in rules {
        for (index, value) in wanted.iter().enumerate() {
            if owner.contains(&Some(index)) {
                continue;
            }
            if let Some(at) = (0..items.len()).find(|at| owner[*at].is_none() && rule(&items[*at], value)) {
                owner[at] = Some(index);
            }
        }
    }
    owner
}

fn has_text(item: &Json, key: &str, text: &str) -> bool {
    member(item, key).and_then(text_of).is_some_and(|has| has.trim().to_lowercase() == text.trim().to_lowercase())
}

fn has_kind(item: &Json, value: &Value) -> bool {
    let kind = member(item, "type").and_then(text_of);
    kind.zip(value.kind.as_ref()).is_some_and(|(has, wanted)| has.to_lowercase() == wanted.to_lowercase())
}

fn write(item: &mut Json, key: &str, value: &Value) {
    if member(item, key).and_then(text_of).is_none_or(|has| has.trim() != value.text.trim()) {
        // What was shown for the old value does not belong to the new one.
        put(item, "display", None);
        put(item, "$ref", None);
        put(item, key, Some(Json::from(value.text.trim())));
    }
    if let Some(kind) = &value.kind
        && !has_kind(item, value)
    {
        put(item, "type", Some(Json::from(kind.as_str())));
    }
}

/// Marks the preferred value, if one is stated, and unmarks all others (RFC 7643 section 2.4: at most one).
fn prefer(items: &mut [(Json, Option<usize>)], wanted: &[Value]) {
    if !wanted.iter().any(|value| value.primary) {
        return;
    }
    for (item, owner) in items {
        let preferred = owner.is_some_and(|index| wanted[index].primary);
        let is = member(item, "primary").and_then(boolean_of).unwrap_or_default();
        if preferred != is {
            put(item, "primary", Some(Json::Bool(preferred)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fields::by_name;
    use crate::resource::values_of;
    use gatehouse_connector::same_values;
    use proptest::prelude::*;

    fn any_values() -> impl Strategy<Value = Vec<Value>> {
        let kind = prop::option::of("(work|home|Work)");
        let value =
            ("[aAbB]{0,2}", kind, any::<bool>()).prop_map(|(text, kind, primary)| Value { text, kind, primary });
        prop::collection::vec(value, 0..4)
    }

    fn any_item() -> impl Strategy<Value = Json> {
        prop_oneof![
            "[ab]{1,2}".prop_map(Json::from),
            ("[abAB]{1,2}", "(work|home|WORK)", any::<bool>()).prop_map(|(text, kind, primary)| {
                json!({ "value": text, "Type": kind, "primary": primary, "display": text })
            }),
            "[ab]{1,2}".prop_map(|text| json!({ "VALUE": text, "note": "ours to keep" })),
        ]
    }

    proptest! {
        #[test]
        fn whatever_was_there_a_list_has_the_wanted_values_after_an_edit(
            current in prop::collection::vec(any_item(), 0..4), wanted in any_values(),
        ) {
            let field = by_name("emails").unwrap();
            let mut edit = Edit::of(&json!({ "Emails": current, "title": "stays" }));
            edit.set(field, &wanted).unwrap();
            let has = values_of(&edit.after, field);
            prop_assert!(same_values(&field.definition(), &wanted, &has), "{wanted:?} became {}", edit.after);
            prop_assert_eq!(&edit.after["title"], &json!("stays"));
            let mut again = Edit::of(&edit.after);
            again.set(field, &wanted).unwrap();
            prop_assert_eq!(&again.after, &edit.after, "an edit that was made changes nothing more");
        }
    }

    #[test]
    fn sub_attributes_of_one_list_are_edited_one_by_one() {
        let mut edit = Edit::of(&json!({ "addresses": [{ "type": "work", "locality": "Turin", "country": "IT" }] }));
        edit.set(by_name("addresses.locality").unwrap(), &[]).unwrap();
        assert_eq!(edit.after, json!({ "addresses": [{ "type": "work", "country": "IT" }] }));
        edit.set(by_name("addresses.country").unwrap(), &[]).unwrap();
        assert_eq!(edit.after, json!({}), "an item with nothing but labels goes, and so does an empty list");
    }

    #[test]
    fn a_complex_member_goes_with_the_last_of_its_parts() {
        let mut edit = Edit::of(&json!({ "name": { "givenName": "Ada" }, ENTERPRISE: { "Department": "Ops" } }));
        edit.set(by_name("name.givenName").unwrap(), &[]).unwrap();
        edit.set(by_name("department").unwrap(), &[Value::text("Board")]).unwrap();
        assert_eq!(edit.after, json!({ ENTERPRISE: { "Department": "Board" } }));
        assert_eq!(edit.whole()["schemas"], json!([CORE, ENTERPRISE]), "omitted schemas are made up for");
    }
}
