//! Opening the file: what may be wrong with it, in words that say what to do. It never changes a file that is not a
//! store, or one that a newer Gatehouse wrote.

use super::credentials::no_randomness;
use super::fault::{Fault, Outcome, damaged, disk};
use super::ledger::number;
use super::shared::guarded;
use super::tables::{META, REQUESTS_AWAITING, REQUESTS_IN_REVIEW, Record, USERS_BY_STATUS, create_all, is_ours};
use super::transaction::Tables;
use crate::vault::{DataKey, MasterKey};
use gatehouse_failpoints::fail_point;
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, TableHandle};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The format this binary writes, and the newest it reads. Raised when older binaries would misread the file.
pub(super) const FORMAT: u64 = 2;
pub(super) const FORMAT_KEY: &str = "format";
const IDENTITY_KEY: &str = "what this is";
const IDENTITY: &[u8] = b"a Gatehouse store";
const INSTALLATION_KEY: &str = "installation";
/// The data key, wrapped by the master key.
pub(super) const DATA_KEY: &str = "data key";

/// That requests are counted; files of before that are given their counts when they are opened.
const COUNTED_KEY: &str = "requests are counted";

/// Pages kept in memory unless told otherwise. 64 MiB hold the indexes and the recent rows of some 100,000 accounts;
/// the rest is left to the page cache of the system, which gives memory back when others need it. (redb's own default
/// of 1 GiB would be most of a small host.)
const CACHE_BYTES: usize = 64 << 20;

/// Off: with it redb commits in two phases, and the second wait for the disk halves the commits of a single client,
/// all day long. Without it, opening after a crash reads the file once to check it: measured at about a tenth of a
/// second for each 100 MB (100,000 accounts) in the page cache, so seconds for a million accounts. A clean stop needs
/// no check either way.
const QUICK_REPAIR: bool = false;

/// A file of so many bytes is compacted when it is opened, if half of it is free.
const WORTH_COMPACTING: u64 = 16 << 20;

/// A disk that was full a moment ago may have space again soon.
const RETRY: Duration = Duration::from_secs(1);

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
    /// Whether opening reads the whole file and verifies the checksum of every page, as it does after a crash.
    pub verify: bool,
    /// How long to wait, after the disk has refused, before the file is opened again; longer each time it refuses
    /// again, up to thirty times as long.
    pub retry: Duration,
    /// In tests: a disk in memory that fails on demand, instead of the file.
    #[cfg(feature = "testing")]
    pub disk: Option<crate::testing::Disk>,
}

impl OpenOptions {
    /// The usual options.
    pub fn new(path: impl Into<PathBuf>, master_key: MasterKey) -> Self {
        Self {
            path: path.into(),
            master_key,
            cache_bytes: CACHE_BYTES,
            quick_repair: QUICK_REPAIR,
            verify: true,
            retry: RETRY,
            #[cfg(feature = "testing")]
            disk: None,
        }
    }
}

/// An open file, with what it is sealed with.
pub(super) struct Opened {
    pub db: Database,
    pub key: DataKey,
    /// Which installation's it is: given once, when the store is made.
    pub installation: Installation,
}

/// Names a store for good, copies and backups included.
pub(super) type Installation = [u8; 16];

/// Opens the file, or makes it, and proves the master key right.
pub(super) fn open(options: &OpenOptions, sync_failed: &Arc<AtomicBool>) -> Outcome<Opened> {
    let opened = guarded(|| match super::place::unmade(options) {
        Some(unmade) => make(options, &unmade, sync_failed),
        None => finish(database(options, sync_failed)?, options),
    });
    opened.map_err(|fault| match fault {
        Fault::Damaged(text) => Fault::Damaged(format!("{}: {text}", options.path.display())),
        other => other,
    })
}

/// As [`open`], but makes nothing.
pub(super) fn open_existing(options: &OpenOptions, sync_failed: &Arc<AtomicBool>) -> Outcome<Opened> {
    guarded(|| finish(database(options, sync_failed)?, options))
}

/// Makes a store under another name, and gives it its own when it is whole: one whose making was interrupted would
/// be no store, and nobody could tell it from somebody's file.
fn make(options: &OpenOptions, unmade: &Path, sync_failed: &Arc<AtomicBool>) -> Outcome<Opened> {
    create_private(unmade)?;
    let at = OpenOptions { path: unmade.to_owned(), ..options.clone() };
    let db = match database_at(&at, sync_failed) {
        Err(error @ (DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch)) => {
            return Err(unusable(&options.path, error));
        }
        // What an interrupted attempt left.
        Err(_) => std::fs::remove_file(unmade).map_err(|e| disk(&e)).and_then(|()| {
            create_private(unmade)?;
            database(&at, sync_failed)
        }),
        Ok(db) => Ok(db),
    }?;
    let opened = finish(db, &at)?;
    super::place::rename(unmade, &options.path).map_err(|e| cannot_be_made(&options.path, &e))?;
    Ok(opened)
}

fn finish(mut db: Database, options: &OpenOptions) -> Outcome<Opened> {
    let key = match check(&db, options)? {
        Some(key) => key,
        None => DataKey::generate().map_err(no_randomness)?,
    };
    super::place::remove_left(options);
    compact(&mut db, options)?;
    let installation = prepare(&db, &key, options)?;
    Ok(Opened { db, key, installation })
}

/// Opens a file again that this process has had open, as it is: its claims stay.
pub(super) fn open_again(
    options: &OpenOptions,
    sync_failed: &Arc<AtomicBool>,
    expected: &Installation,
) -> Outcome<Database> {
    let missing = || Fault::Disk(format!("the store {} is gone: put its disk back", options.path.display()));
    if super::place::len(options).map_err(|e| disk(&e))? == 0 {
        return Err(missing());
    }
    guarded(|| {
        let db = database_at(options, sync_failed).map_err(|error| match error {
            DatabaseError::Storage(redb::StorageError::Io(error)) => disk(&error),
            // Somebody else took it while it was closed, and may give it back.
            error => match unusable(&options.path, error) {
                Fault::Broken(text) => Fault::Disk(text),
                fault => fault,
            },
        })?;
        let meta = db.begin_read()?.open_table(META)?;
        let found = redb::ReadableTable::get(&meta, INSTALLATION_KEY)?.map(|bytes| bytes.value() == expected);
        if found == Some(true) { Ok(db) } else { Err(missing()) }
    })
}

fn database(options: &OpenOptions, sync_failed: &Arc<AtomicBool>) -> Outcome<Database> {
    database_at(options, sync_failed).map_err(|error| unusable(&options.path, error))
}

fn database_at(options: &OpenOptions, sync_failed: &Arc<AtomicBool>) -> Result<Database, DatabaseError> {
    let backend = super::place::backend(options, sync_failed).map_err(redb::StorageError::Io)?;
    Builder::new()
        .set_cache_size(options.cache_bytes)
        .set_check_integrity_on_open(options.verify)
        .set_repair_callback(|check| tracing::debug!("checking the store ({:.0} %)", check.progress() * 100.0))
        .create_with_backend(backend)
}

/// Gives space back that nothing uses any more: redb has to have the file to itself for that, so it is done before
/// anybody else has it.
fn compact(db: &mut Database, options: &OpenOptions) -> Outcome<()> {
    let len = super::place::len(options).map_err(|e| disk(&e))?;
    if len < WORTH_COMPACTING {
        return Ok(());
    }
    let txn = db.begin_write()?;
    let stats = txn.stats()?;
    txn.abort()?;
    if stats.allocated_pages().saturating_mul(stats.page_size() as u64) > len / 2 {
        return Ok(());
    }
    let compacted = match db.compact() {
        Err(redb::CompactionError::Storage(error)) => return Err(error.into()),
        compacted => compacted.unwrap_or(false),
    };
    let now = super::place::len(options).map_err(|e| disk(&e))?;
    tracing::info!(compacted, before = len, now, "half of the store was free");
    Ok(())
}

/// Makes a new file readable by its owner alone; an old one keeps the rights it has.
pub(super) fn create_private(path: &Path) -> Outcome<()> {
    match super::place::private().write(true).create_new(true).open(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(cannot_be_made(path, &e)),
        _ => Ok(()),
    }
}

fn cannot_be_made(path: &Path, e: &std::io::Error) -> Fault {
    let path = path.display();
    Fault::Broken(format!("the store {path} cannot be made: see that its folder is there and may be written ({e})"))
}

pub(super) fn unusable(path: &Path, error: DatabaseError) -> Fault {
    use std::io::ErrorKind;
    let path = path.display();
    Fault::Broken(match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            format!("the store {path} is in use by another Gatehouse: stop that one, or use another data folder")
        }
        DatabaseError::Storage(redb::StorageError::Io(e)) if e.kind() == ErrorKind::InvalidData => not_a_store(&path),
        DatabaseError::Storage(redb::StorageError::Io(e)) => {
            format!("the store {path} cannot be opened: see that it may be read and written, and has space ({e})")
        }
        DatabaseError::UpgradeRequired(version) => {
            format!(
                "the store {path} has file format {version}, which this Gatehouse does not read: use the Gatehouse that wrote it"
            )
        }
        other => return damaged(&other.to_string()),
    })
}

fn not_a_store(path: &impl std::fmt::Display) -> String {
    format!("{path} is not a Gatehouse store: name another file, or move this one away")
}

/// Reads what the file says of itself. None: it is new.
fn check(db: &Database, options: &OpenOptions) -> Outcome<Option<DataKey>> {
    let txn = db.begin_read()?;
    if txn.list_tables()?.next().is_none() && txn.list_multimap_tables()?.next().is_none() {
        return Ok(None);
    }
    proved(&txn, &options.path, &options.master_key).map(Some)
}

/// The data key of a file that is a store which this binary reads, under this master key.
pub(super) fn proved(txn: &ReadTransaction, path: &Path, master_key: &MasterKey) -> Outcome<DataKey> {
    let path = path.display();
    let ours = txn.list_tables()?.any(|table| is_ours(table.name()));
    if !ours || !says_it_is_a_store(txn)? {
        return Err(Fault::Broken(not_a_store(&path)));
    }
    let meta = txn.open_table(META)?;
    let format = number(&meta, FORMAT_KEY)?;
    if format > FORMAT {
        return Err(Fault::Broken(format!(
            "the store {path} is from the future: a newer Gatehouse wrote it (store format {format}, this one reads up \
             to {FORMAT}). Use that version, or restore a backup made by this one, as docs/backup.md says"
        )));
    }
    let wrapped = redb::ReadableTable::get(&meta, DATA_KEY)?;
    let wrapped = wrapped.ok_or_else(|| damaged("it has no data key"))?;
    DataKey::unwrap(master_key, wrapped.value()).map_err(|_| {
        Fault::Broken(format!(
            "the master key is not that of the store {path}: give the key it was made with (or last rotated to)"
        ))
    })
}

/// Why a file that is only to be read cannot be.
pub(super) fn locked_or_unusable(path: &Path, error: DatabaseError) -> Fault {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Fault::Broken(format!(
            "the store {} is in use: stop its Gatehouse, or ask that one (`gatehouse audit verify` without --store)",
            path.display()
        )),
        DatabaseError::RepairAborted => Fault::Broken(format!(
            "the store {} was not closed cleanly, and is not touched here: start its Gatehouse on it and stop it, or \
             verify a copy after that",
            path.display()
        )),
        other => unusable(path, other),
    }
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
fn prepare(db: &Database, key: &DataKey, options: &OpenOptions) -> Outcome<Installation> {
    let mut txn = db.begin_write()?;
    let has_review = txn.list_tables()?.any(|table| table.name() == REQUESTS_IN_REVIEW.name());
    let has_status = txn.list_tables()?.any(|table| table.name() == USERS_BY_STATUS.name());
    let has_waiting = txn.list_tables()?.any(|table| table.name() == REQUESTS_AWAITING.name());
    create_all(&txn)?;
    let counted = redb::ReadableTable::get(&txn.open_table(META)?, COUNTED_KEY)?.is_some();
    let is_new = redb::ReadableTable::get(&txn.open_table(META)?, IDENTITY_KEY)?.is_none();
    let installation = installation(&txn.open_table(META)?)?;
    let mut tables = Tables::open(&txn)?;
    if is_new {
        let wrapped = key.wrap(&options.master_key).map_err(no_randomness)?;
        tables.set_meta(IDENTITY_KEY, IDENTITY)?;
        tables.set_meta(DATA_KEY, &wrapped)?;
    }
    let (installation, unnamed) = match installation {
        Some(installation) => (installation, false),
        None => (crate::vault::random_name().map_err(no_randomness)?, true),
    };
    if unnamed {
        tables.set_meta(INSTALLATION_KEY, &installation)?;
    }
    if !has_review && !is_new {
        tables.rebuild_review()?;
    }
    if !has_status && !is_new {
        tables.index_people()?;
    }
    if !has_waiting && !is_new {
        tables.recount_standings()?;
    }
    if !counted || !has_waiting {
        tables.recount()?;
        tables.set_meta(COUNTED_KEY, &[1])?;
    }
    // An older binary would not know what to make of a chained record.
    tables.set_meta(FORMAT_KEY, &FORMAT.to_be_bytes())?;
    tables.begin_trail(key)?;
    tables.date_answers()?;
    tables.clear_claims()?;
    drop(tables);
    txn.set_quick_repair(options.quick_repair);
    fail_point!("open.before_commit");
    txn.commit()?;
    fail_point!("open.after_commit");
    Ok(installation)
}

/// The installation that a file says it belongs to; none where it was made before that was written down.
pub(super) fn installation(meta: &impl redb::ReadableTable<&'static str, Record>) -> Outcome<Option<Installation>> {
    let Some(bytes) = meta.get(INSTALLATION_KEY)? else { return Ok(None) };
    bytes.value().try_into().map(Some).map_err(|_| damaged("it names no installation"))
}
