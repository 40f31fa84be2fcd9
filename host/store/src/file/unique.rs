//! Uniqueness in what a change set leaves behind, so that one may swap two names or move an external id from one
//! account to another. It looks keys up, and never writes.

use super::fault::Outcome;
use gatehouse_core::ports::StoreError;
use std::collections::BTreeSet;

/// Checks that each key is free for the record that wants it. `touched` are the records that the change set writes or
/// removes: they keep only what they ask for anew.
pub(super) fn unique<K: Ord, I: Ord>(
    wanted: impl Iterator<Item = (K, I)>,
    touched: &BTreeSet<I>,
    owner: impl Fn(&K) -> Outcome<Option<I>>,
    what: impl Fn(&K) -> String,
) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    for (key, _) in wanted {
        let taken = owner(&key)?.is_some_and(|owner| !touched.contains(&owner));
        if taken || seen.contains(&key) {
            return Err(StoreError::Duplicate { what: what(&key) }.into());
        }
        seen.insert(key);
    }
    Ok(())
}
