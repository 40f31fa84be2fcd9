//! Compaction while serving: everything is copied in order into a file beside the store, which then takes its name in
//! one step. Up to then the store is not touched, whatever goes wrong with the copy; readers go on meanwhile, and wait
//! only for the moment of the step. It never copies a file of which it does not know every table.

use super::fault::{Fault, Outcome};
use super::open::OpenOptions;
use super::place;
use super::shared::guarded;
use super::tables::{copy_all, is_ours};
use gatehouse_core::ports::StoreError;
use gatehouse_failpoints::fail_point;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, TableHandle};

/// What a compaction has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The length of the file before, in bytes.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// The bytes of all keys and values in it.
    pub stored: u64,
}

/// Memory for pages of the copy: it is written once, in order, and read by nobody.
const CACHE: usize = 8 << 20;

/// Writes the copy, and makes it durable: the bytes of all keys and values. Whatever goes wrong, the store is as it was,
/// and none is left behind.
pub(super) fn copy(db: &Database, options: &OpenOptions) -> Outcome<u64> {
    let copied = guarded(|| write(db, options)).map_err(|fault| {
        let why = StoreError::from(fault);
        Fault::Broken(format!("the store could not be compacted, and is as it was: {why}"))
    });
    if copied.is_err() {
        place::remove_copy(options);
    }
    copied
}

fn refused(options: &OpenOptions, error: DatabaseError) -> Fault {
    match error {
        DatabaseError::Storage(error) => error.into(),
        other => super::open::unusable(&options.path, other),
    }
}

fn write(db: &Database, options: &OpenOptions) -> Outcome<u64> {
    let snapshot = db.begin_read()?;
    let foreign = snapshot.list_tables()?.find(|table| !is_ours(table.name())).map(|table| table.name().to_owned());
    if let Some(name) = foreign {
        return Err(Fault::Broken(format!(
            "it has a table `{name}` that this Gatehouse does not know; use a newer one"
        )));
    }
    let backend = place::copy_backend(options).map_err(|e| super::fault::disk(&e))?;
    let copy = Builder::new().set_cache_size(CACHE).create_with_backend(backend);
    let mut copy = copy.map_err(|error| refused(options, error))?;
    let mut txn = copy.begin_write()?;
    copy_all(&snapshot, &txn)?;
    let stored = txn.stats()?.stored_bytes();
    txn.set_quick_repair(true);
    fail_point!("compact.before_commit");
    txn.commit()?;
    // The file grew by doubling, and its end is free.
    match copy.compact() {
        Err(redb::CompactionError::Storage(error)) => return Err(error.into()),
        compacted => drop(compacted),
    }
    // The only other one is about to be given up for it.
    if !copy.check_integrity().map_err(|error| refused(options, error))? {
        return Err(Fault::Disk("what was written of the copy cannot be read".to_owned()));
    }
    copy.close().map_err(|error| refused(options, error))?;
    fail_point!("compact.after_commit");
    Ok(stored)
}
