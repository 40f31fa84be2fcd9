//! Records as they are kept: a byte for the layout, then MessagePack with field names, so that a newer binary reads
//! what an older one wrote (fields that came later have defaults). It never knows what a record means.

use super::fault::{Fault, Outcome, damaged};
use super::tables::Record;
use redb::{Key, ReadableTable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;

/// The layout written by this binary. Raised only when defaults for new fields do not do.
const LAYOUT: u8 = 1;

pub(super) fn encode<T: Serialize>(record: &T) -> Outcome<Vec<u8>> {
    let mut bytes = vec![LAYOUT];
    rmp_serde::encode::write_named(&mut bytes, record)
        .map_err(|e| Fault::Broken(format!("a record cannot be written ({e}); please report this")))?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Outcome<T> {
    match bytes.split_first() {
        Some((&LAYOUT, body)) => rmp_serde::from_slice(body).map_err(|e| damaged(&e.to_string())),
        Some((layout, _)) => Err(Fault::Broken(format!(
            "the store holds a record of layout {layout}, and this Gatehouse reads layout {LAYOUT}: use a newer Gatehouse"
        ))),
        None => Err(damaged("an empty record")),
    }
}

/// The record under a key.
pub(super) fn fetch<'k, K: Key + 'static, T: DeserializeOwned>(
    table: &impl ReadableTable<K, Record>,
    key: impl Borrow<K::SelfType<'k>>,
) -> Outcome<Option<T>> {
    table.get(key)?.map(|bytes| decode(bytes.value())).transpose()
}

/// The record under a key that an index names.
pub(super) fn fetch_indexed<T: DeserializeOwned>(table: &impl ReadableTable<u64, Record>, key: u64) -> Outcome<T> {
    fetch(table, key)?.ok_or_else(|| damaged(&format!("an index names record {key}, which is not there")))
}

/// All records of a table, in the order of its keys. For tables that administrators fill by hand.
pub(super) fn fetch_all<K: Key + 'static, T: DeserializeOwned>(
    table: &impl ReadableTable<K, Record>,
) -> Outcome<Vec<T>> {
    table.iter()?.map(|entry| decode(entry?.1.value())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_core::{LogEntry, User};
    use serde::Deserialize;

    #[derive(Serialize)]
    struct UserOfYesterday<'a> {
        id: u64,
        username: &'a str,
        active: bool,
        version: u64,
        created_at: &'a str,
        updated_at: &'a str,
        a_field_given_up_since: u32,
    }

    #[test]
    fn a_record_of_an_older_binary_still_reads() {
        let older = UserOfYesterday {
            id: 7,
            username: "jane",
            active: true,
            version: 3,
            created_at: "2026-01-01T00:00:00Z",
            updated_at: "2026-01-02T00:00:00Z",
            a_field_given_up_since: 1,
        };
        let user: User = decode(&encode(&older).unwrap()).unwrap();
        assert_eq!((user.id.0, user.username.as_str(), user.version), (7, "jane", 3));
        assert_eq!((user.email, user.frozen, user.attributes.len()), (None, false, 0), "later fields have defaults");
    }

    #[test]
    fn a_record_of_an_unknown_layout_is_refused_with_advice() {
        let mut bytes = encode(&5_u32).unwrap();
        bytes[0] = LAYOUT + 1;
        let Err(Fault::Broken(text)) = decode::<u32>(&bytes) else { panic!("it was read") };
        assert!(text.contains("use a newer Gatehouse"), "{text}");
    }

    #[test]
    fn what_is_no_record_is_called_damaged() {
        for bytes in [&[][..], &[LAYOUT], &[LAYOUT, 0xc1]] {
            let Err(Fault::Damaged(text)) = decode::<LogEntry>(bytes) else { panic!("{bytes:?} was read") };
            assert!(text.contains("damaged"), "{text}");
        }
    }

    #[test]
    fn json_values_survive_messagepack() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Settings(serde_json::Value);
        let json = serde_json::json!({"a": [1, -2, 1.5, "x", null, true], "b": {"c": u64::MAX}});
        assert_eq!(decode::<Settings>(&encode(&Settings(json.clone())).unwrap()).unwrap(), Settings(json));
    }
}
