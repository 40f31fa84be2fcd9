//! JSON objects, and nothing else in their place. Serde takes an array for a struct too, member by member in the order
//! of the source: that order is nobody's contract, so no caller may come to depend on it.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A `T` that was written as an object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfMembers(PhantomData)).map(Self)
    }
}

struct OfMembers<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMembers<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// For `deserialize_with`: a list of objects, or nothing.
pub(super) fn optional_list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<Object<T>>>::deserialize(deserializer)?;
    Ok(list.map(|items| items.into_iter().map(|Object(item)| item).collect()))
}

/// For `deserialize_with`: lists of objects by name.
pub(super) fn lists_by_name<'de, D, T>(deserializer: D) -> Result<std::collections::BTreeMap<String, Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let lists = std::collections::BTreeMap::<String, Vec<Object<T>>>::deserialize(deserializer)?;
    let plain = |items: Vec<Object<T>>| items.into_iter().map(|Object(item)| item).collect();
    Ok(lists.into_iter().map(|(name, items)| (name, plain(items))).collect())
}
