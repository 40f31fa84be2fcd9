//! Counts that are kept up to date with what they count, so that nobody ever has to walk a table to know how many there
//! are. It never decides what is counted.

use super::fault::Outcome;
use redb::{ReadableTable, Table};
use std::collections::BTreeMap;

/// App, code of what is counted: how many there are.
pub(super) type CountTable<'t> = Table<'t, (u64, u8), u64>;

/// What is to be added to counts, and taken off.
pub(super) type Deltas = BTreeMap<(u64, u8), i64>;

/// Applies the changes; counts of nothing go.
pub(super) fn add(table: &mut CountTable<'_>, deltas: Deltas) -> Outcome<()> {
    for (key, delta) in deltas.into_iter().filter(|(_, delta)| *delta != 0) {
        let count = table.get(key)?.map_or(0, |count| count.value());
        match count.saturating_add_signed(delta) {
            0 => table.remove(key)?,
            count => table.insert(key, count)?,
        };
    }
    Ok(())
}
