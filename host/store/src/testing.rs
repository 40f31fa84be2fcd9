//! For tests: files as no host of this version would write them, and disks that fail. Never part of a product.

mod disk;

pub use disk::{Disk, Loss, Points, Trouble};

use redb::TableDefinition;
use std::path::Path;

/// Spelt out, like the rest of the format: a product that renamed it could not read its own files.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("META");

/// Makes a store's file say that it has this format.
///
/// # Errors
/// It is no store, or cannot be written.
pub fn pretend_format(path: &Path, format: u64) -> Result<(), Box<dyn std::error::Error>> {
    let db = redb::Database::open(path)?;
    let txn = db.begin_write()?;
    txn.open_table(META)?.insert("format", format.to_be_bytes().as_slice())?;
    txn.commit()?;
    Ok(())
}
