//! Opening the file: what may be wrong with it, in words that say what to do. It never changes a file that is not a
//! store, or one that a newer Gatehouse wrote.

use super::fault::{Fault, Outcome, damaged};
use super::ledger::number;
use super::tables::{META, create_all, is_ours};
use super::transaction::Tables;
use crate::vault::{DataKey, MasterKey};
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, TableHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The format this binary writes, and the newest it reads. Raised when older binaries would misread the file.
pub(super) const FORMAT: u64 = 1;
pub(super) const FORMAT_KEY: &str = "format";
const IDENTITY_KEY: &str = "what this is";
const IDENTITY: &[u8] = b"a Gatehouse store";
/// The data key, wrapped by the master key.
pub(super) const DATA_KEY: &str = "data key";

/// Pages kept in memory unless told otherwise. 64 MiB hold the indexes and the recent rows of some 100,000 accounts;
/// the rest is left to the page cache of the system, which gives memory back when others need it. (redb's own default
/// of 1 GiB would be most of a small host.)
const CACHE_BYTES: usize = 64 << 20;

/// Off: with it redb commits in two phases, and the second wait for the disk halves the commits of a single client,
/// all day long. Without it, opening after a crash reads the file once to check it: measured at about a tenth of a
/// second for each 100 MB (100,000 accounts) in the page cache, so seconds for a million accounts. A clean stop needs
/// no check either way.
const QUICK_REPAIR: bool = false;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The file. Made if it is not there; its folder must be.
    pub path: PathBuf,
    /// The key that protects the secrets in it.
    pub master_key: MasterKey,
    /// The memory for pages of the file, in bytes.
    pub cache_bytes: usize,
    /// Whether each commit leaves the file such that it opens at once after a crash, at the price of a second wait for
    /// the disk per commit.
    pub quick_repair: bool,
}

impl OpenOptions {
    /// The usual options.
    pub fn new(path: impl Into<PathBuf>, master_key: MasterKey) -> Self {
        Self { path: path.into(), master_key, cache_bytes: CACHE_BYTES, quick_repair: QUICK_REPAIR }
    }
}

/// Opens the file, or makes it, and proves the master key right.
pub(super) fn open(options: &OpenOptions) -> Outcome<(Database, DataKey)> {
    let path = options.path.display();
    create_private(&options.path)?;
    // redb may panic on a file that was altered from outside.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = Builder::new()
            .set_cache_size(options.cache_bytes)
            .set_repair_callback(|check| {
                tracing::info!("the store was not closed: checking it ({:.0} %)", check.progress() * 100.0);
            })
            .create(&options.path)
            .map_err(|error| Fault::Broken(unusable(&options.path, error)))?;
        let key = check(&db, options)?;
        Ok((db, key))
    }));
    let (db, key) = opened.unwrap_or_else(|_| Err(Fault::Broken(damaged(&format!("{path} cannot be read")))))?;
    let key = match key {
        Some(key) => key,
        None => DataKey::generate().map_err(super::credentials::no_randomness)?,
    };
    prepare(&db, &key, options)?;
    Ok((db, key))
}

/// Makes a new file readable by its owner alone; an old one keeps the rights it has.
pub(super) fn create_private(path: &Path) -> Outcome<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Fault::Broken(format!(
            "the store {} cannot be made: see that its folder is there and may be written ({e})",
            path.display()
        ))),
        _ => Ok(()),
    }
}

pub(super) fn unusable(path: &Path, error: DatabaseError) -> String {
    use std::io::ErrorKind;
    let path = path.display();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            format!("the store {path} is in use by another Gatehouse: stop that one, or use another data folder")
        }
        DatabaseError::Storage(redb::StorageError::Io(e)) if e.kind() == ErrorKind::InvalidData => not_a_store(&path),
        DatabaseError::Storage(redb::StorageError::Io(e)) => {
            format!("the store {path} cannot be opened: see that it may be read and written ({e})")
        }
        DatabaseError::UpgradeRequired(version) => {
            format!(
                "the store {path} has file format {version}, which this Gatehouse does not read: use the Gatehouse that wrote it"
            )
        }
        other => damaged(&format!("{path}: {other}")),
    }
}

fn not_a_store(path: &impl std::fmt::Display) -> String {
    format!("{path} is not a Gatehouse store: name another file, or move this one away")
}

/// Reads what the file says of itself. None: it is new.
fn check(db: &Database, options: &OpenOptions) -> Outcome<Option<DataKey>> {
    let path = options.path.display();
    let txn = db.begin_read()?;
    let names = txn.list_tables()?.map(|table| table.name().to_owned()).collect::<Vec<_>>();
    if names.is_empty() && txn.list_multimap_tables()?.next().is_none() {
        return Ok(None);
    }
    if !names.iter().any(|name| is_ours(name)) || !says_it_is_a_store(&txn)? {
        return Err(Fault::Broken(not_a_store(&path)));
    }
    let meta = txn.open_table(META)?;
    let format = number(&meta, FORMAT_KEY)?;
    if format > FORMAT {
        return Err(Fault::Broken(format!(
            "the store {path} is from the future: a newer Gatehouse wrote it (store format {format}, this one reads up \
             to {FORMAT}). Use that version, or restore a backup made by this one"
        )));
    }
    let wrapped = redb::ReadableTable::get(&meta, DATA_KEY)?;
    let wrapped = wrapped.ok_or_else(|| Fault::Broken(damaged(&format!("{path} has no data key"))))?;
    let key = DataKey::unwrap(&options.master_key, wrapped.value());
    key.map(Some).map_err(|_| {
        Fault::Broken(format!(
            "the master key is not that of the store {path}: give the key it was made with (or last rotated to)"
        ))
    })
}

fn says_it_is_a_store(txn: &ReadTransaction) -> Outcome<bool> {
    match txn.open_table(META) {
        Ok(meta) => Ok(redb::ReadableTable::get(&meta, IDENTITY_KEY)?.is_some_and(|bytes| bytes.value() == IDENTITY)),
        Err(redb::TableError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Makes what is missing, and gives back the claims of whoever had the file open before: it was locked, so they are
/// gone.
fn prepare(db: &Database, key: &DataKey, options: &OpenOptions) -> Outcome<()> {
    let mut txn = db.begin_write()?;
    create_all(&txn)?;
    let is_new = redb::ReadableTable::get(&txn.open_table(META)?, IDENTITY_KEY)?.is_none();
    let mut tables = Tables::open(&txn)?;
    if is_new {
        let wrapped = key.wrap(&options.master_key).map_err(super::credentials::no_randomness)?;
        tables.set_meta(IDENTITY_KEY, IDENTITY)?;
        tables.set_meta(FORMAT_KEY, &FORMAT.to_be_bytes())?;
        tables.set_meta(DATA_KEY, &wrapped)?;
    }
    tables.clear_claims()?;
    drop(tables);
    txn.set_quick_repair(options.quick_repair);
    txn.commit()?;
    Ok(())
}
