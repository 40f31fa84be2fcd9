//! Restoring while serving: a backup is unpacked beside the store and proved to be one of this installation, changed
//! there as much as needs be, and then takes the store's name in one step. It never touches the store before that.

use super::backup::{Manifest, hex, unpack};
use super::credentials::no_randomness;
use super::fault::{Fault, Outcome, no_space};
use super::ledger::{FENCE, SEQUENCES, counter, number};
use super::open::{OpenOptions, create_private, open_existing};
use super::place::{RESTORING, beside};
use super::tables::{META, count_all};
use super::trail::CHAIN;
use super::{RedbStore, counters::Counters};
use gatehouse_core::ports::Sequence;
use redb::ReadableDatabase;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How many numbers are passed over when nobody knows which of them another installation has used since. A number
/// used again would make a new request look like an old one, and a new person's marker like somebody else's.
const PASSED_OVER: u64 = 1_000_000;

/// A backup, proved and unpacked beside the store that it is to replace. What is committed to it before that is part
/// of it; dropping it leaves the store as it is.
#[derive(Debug)]
pub struct Staged {
    /// The store in it.
    pub store: RedbStore,
    /// What the backup says of itself.
    pub manifest: Manifest,
    pub(super) file: Unpacked,
}

/// The store's file of a backup. Dropping it removes it from where it was unpacked, after the store that is on it.
#[derive(Debug)]
pub(super) struct Unpacked(pub(super) PathBuf);

impl Drop for Unpacked {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            // It has taken the store's place.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %self.0.display(), %error, "what a restore left stays"),
            Ok(()) => {}
        }
    }
}

/// Unpacks and proves a backup.
pub(super) fn stage(from: &Path, options: &OpenOptions, ours: &str, other_installation: bool) -> Outcome<Staged> {
    let path = beside(&options.path, RESTORING);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(super::fault::disk(&e)),
        _ => create_private(&path)?,
    }
    let file = Unpacked(path);
    let manifest = unpack(from, &file.0)?;
    prove(manifest, file, options, ours, other_installation).map_err(|fault| match fault {
        // Of the copy, not of the store: that goes on as it is.
        Fault::Disk(why) if !no_space(&why) => refused(&format!("cannot be unpacked beside the store ({why})")),
        Fault::Disk(_) => refused("finds no space beside the store; free some, then restore again"),
        Fault::Damaged(_) => refused("holds a store that is damaged: take another backup"),
        fault => fault,
    })
}

fn refused(why: &str) -> Fault {
    Fault::Broken(format!("the backup {why}; nothing was changed"))
}

fn prove(
    manifest: Manifest,
    file: Unpacked,
    options: &OpenOptions,
    ours: &str,
    other_installation: bool,
) -> Outcome<Staged> {
    if manifest.installation != ours && !other_installation {
        return Err(refused(
            "was made of another installation: to replace this one by it all the same, say so \
             (--from-another-installation)",
        ));
    }
    let at = OpenOptions { path: file.0.clone(), ..options.clone() };
    let opened = open_existing(&at, &Arc::new(AtomicBool::new(false))).map_err(|fault| match fault {
        Fault::Broken(text) if text.contains("master key") => {
            refused("was made under another master key: start Gatehouse with that one, then restore")
        }
        fault => fault,
    })?;
    let (counts, installation) = (count_all(&opened.db.begin_read()?)?, hex(&opened.installation));
    // What opening adds to a store of an older version is none of the backup's business.
    let differs = manifest.records.iter().any(|(table, count)| {
        !matches!(table.as_str(), "META" | "CLAIMS" | "READY" | "REQUESTS_IN_REVIEW" | "IDEMPOTENCY_BY_TIME")
            && counts.get(table) != Some(count)
    });
    if differs || (manifest.installation != installation && manifest.store_format > 1) {
        return Err(refused("does not hold what it says"));
    }
    if manifest.installation != ours {
        raise(&opened.db, |_, next| next + PASSED_OVER, 0)?;
    }
    begin_chain(&opened.db)?;
    let store = RedbStore::over(&at, opened)?;
    Ok(Staged { store, manifest, file })
}

/// Has what is recorded from now on be a chain of its own, which goes on from the backup's last record: the one in the
/// backup may have gone on where the backup was made, and no two records are to have one place.
fn begin_chain(db: &redb::Database) -> Outcome<()> {
    let chain = crate::vault::random_name().map_err(no_randomness)?;
    let mut txn = db.begin_write()?;
    txn.open_table(META)?.insert(CHAIN, chain.as_slice())?;
    txn.set_quick_repair(true);
    Ok(txn.commit()?)
}

/// Has a store hand out no number and no fencing token that the one it replaces has handed out.
pub(super) fn go_on_from(path: &Path, options: &OpenOptions, counters: &Counters, token: u64) -> Outcome<()> {
    let at = OpenOptions { path: path.to_owned(), verify: false, ..options.clone() };
    let opened = open_existing(&at, &Arc::new(AtomicBool::new(false)))?;
    raise(&opened.db, |sequence, next| next.max(counters.next(sequence)), token)
}

fn raise(db: &redb::Database, next: impl Fn(Sequence, u64) -> u64, token: u64) -> Outcome<()> {
    let mut txn = db.begin_write()?;
    {
        let mut meta = txn.open_table(META)?;
        for sequence in SEQUENCES {
            let number = next(sequence, number(&meta, counter(sequence))?.max(1));
            meta.insert(counter(sequence), number.to_be_bytes().as_slice())?;
        }
        let token = token.max(number(&meta, FENCE)?);
        meta.insert(FENCE, token.to_be_bytes().as_slice())?;
    }
    txn.set_quick_repair(true);
    Ok(txn.commit()?)
}
