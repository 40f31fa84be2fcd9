//! Backups while serving: one state of the store in a file of its own, with what it is and a checksum over all of it.
//! It never overwrites a file, never leaves half a backup under the name it was asked for, and never opens a secret:
//! credentials are in it as they are in the store, sealed.
//!
//! The file: `gatehouse backup` and a line feed, the length of the manifest (8 bytes, little-endian), the manifest as
//! JSON, the store's file, and the SHA-256 of everything before it.

use super::fault::{Fault, Outcome, is_full};
use super::open::{FORMAT, Installation, create_private, installation};
use super::place::{beside, rename};
use super::tables::{META, copy_all};
use jiff::Timestamp;
use redb::{Database, ReadableDatabase};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

const MAGIC: &[u8] = b"gatehouse backup\n";
/// The layout of the file. Raised when older binaries would misread it.
const LAYOUT: u32 = 1;
/// No manifest is larger, in bytes.
const LARGEST_MANIFEST: u64 = 1 << 20;
const CHECKSUM: u64 = 32;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of the backup file.
    pub layout: u32,
    /// The format of the store in it.
    pub store_format: u64,
    /// The Gatehouse that made it.
    pub gatehouse: String,
    /// When.
    pub made_at: Timestamp,
    /// The installation it was made of, in hexadecimal digits.
    pub installation: String,
    /// The length of the store in it, in bytes.
    pub bytes: u64,
    /// How many entries each of its tables has.
    pub records: BTreeMap<String, u64>,
}

/// Copies the present state into a new file.
pub(super) fn backup(db: &Database, to: &Path, now: Timestamp) -> Outcome<Manifest> {
    if to.exists() {
        return Err(Fault::Broken(format!("{} is there already: a backup never overwrites a file", to.display())));
    }
    let (copy, partial) = (beside(to, ".store"), beside(to, ".partial"));
    let made = write(db, &copy, &partial, now).and_then(|manifest| {
        rename(&partial, to).map_err(|e| failed(to, &e))?;
        Ok(manifest)
    });
    let _ = std::fs::remove_file(&copy);
    if made.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    made
}

fn failed(to: &Path, e: &io::Error) -> Fault {
    Fault::Broken(format!("the backup {} cannot be written: choose another place ({e})", to.display()))
}

fn write(db: &Database, copy: &Path, partial: &Path, now: Timestamp) -> Outcome<Manifest> {
    let failed = |e: io::Error| failed(partial, &e);
    for left in [copy, partial] {
        match std::fs::remove_file(left) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => create_private(left)?,
        }
    }
    let (records, installation) = copy_store(db, copy)?;
    let mut store = File::open(copy).map_err(failed)?;
    let manifest = Manifest {
        layout: LAYOUT,
        store_format: FORMAT,
        gatehouse: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: now,
        installation: hex(&installation),
        bytes: store.metadata().map_err(failed)?.len(),
        records,
    };
    let said = serde_json::to_vec(&manifest).map_err(|e| failed(e.into()))?;
    let mut file = Summed { inner: File::options().write(true).open(partial).map_err(failed)?, sum: Sha256::new() };
    let written = (|| {
        file.write_all(MAGIC)?;
        file.write_all(&(said.len() as u64).to_le_bytes())?;
        file.write_all(&said)?;
        io::copy(&mut store, &mut file)?;
        let Summed { mut inner, sum } = file;
        inner.write_all(&sum.finalize())?;
        inner.sync_all()
    })();
    written.map_err(failed)?;
    Ok(manifest)
}

fn copy_store(db: &Database, to: &Path) -> Outcome<(BTreeMap<String, u64>, Installation)> {
    let snapshot = db.begin_read()?;
    let not_made =
        |why: &dyn std::fmt::Display| Fault::Broken(format!("the store cannot be copied for a backup ({why})"));
    let copy = Database::create(to).map_err(|error| not_made(&error))?;
    let mut txn = copy.begin_write()?;
    let records = copy_all(&snapshot, &txn)?;
    txn.set_quick_repair(true);
    txn.commit()?;
    copy.close().map_err(|error| not_made(&error))?;
    let installation = installation(&snapshot.open_table(META)?)?;
    Ok((records, installation.unwrap_or_default()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a backup to its end: what it says of itself, once its checksum has proved all of it. The store in it is
/// written to `store`, to be believed only if this does not fail.
pub(super) fn unpack(from: &Path, store: &Path) -> Outcome<Manifest> {
    let refused = |why: String| Fault::Broken(format!("the backup {why}; nothing was changed"));
    let unreadable = |e: io::Error| refused(format!("cannot be read ({e})"));
    let file = File::open(from).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut file = Summed { inner: BufReader::new(file), sum: Sha256::new() };
    let cut_off = || refused("is not whole: copy it again, or take another backup".to_owned());
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || magic != MAGIC {
        return Err(refused("is not a backup made by `gatehouse backup`".to_owned()));
    }
    let mut said = [0; 8];
    file.read_exact(&mut said).map_err(|_| cut_off())?;
    let said = u64::from_le_bytes(said);
    let head = MAGIC.len() as u64 + 8;
    if said > LARGEST_MANIFEST || head + said + CHECKSUM > length {
        return Err(cut_off());
    }
    let mut manifest = Vec::new();
    (&mut file).take(said).read_to_end(&mut manifest).map_err(unreadable)?;
    let body = length - head - said - CHECKSUM;
    let told: Result<Manifest, _> = serde_json::from_slice(&manifest);
    if told.as_ref().is_ok_and(|told| told.bytes > body) {
        return Err(cut_off());
    }
    let no_copy = |e: io::Error| match is_full(&e) {
        true => {
            refused(format!("needs {body} bytes beside the store, which are not there; free some, then restore again"))
        }
        false => refused(format!("cannot be unpacked beside the store ({e})")),
    };
    let mut out = File::options().write(true).truncate(true).open(store).map_err(no_copy)?;
    let copied = io::copy(&mut (&mut file).take(body), &mut out).and_then(|copied| out.sync_all().map(|()| copied));
    let copied = copied.map_err(no_copy)?;
    let Summed { mut inner, sum } = file;
    let mut checksum = [0; CHECKSUM as usize];
    inner.read_exact(&mut checksum).map_err(|_| cut_off())?;
    if copied != body || sum.finalize().as_slice() != checksum {
        return Err(refused("is damaged: its checksum does not agree with what it holds".to_owned()));
    }
    // From here on it is as some Gatehouse wrote it.
    let manifest = told.map_err(|e| refused(format!("says nonsense ({e})")))?;
    if manifest.layout > LAYOUT || manifest.store_format > FORMAT {
        return Err(refused(format!(
            "is from the future: Gatehouse {} made it; use that version to restore it",
            manifest.gatehouse
        )));
    }
    if manifest.bytes != body {
        return Err(refused(format!("says that it holds {} bytes, and holds {body}", manifest.bytes)));
    }
    Ok(manifest)
}

/// Sums up what passes through.
struct Summed<T> {
    inner: T,
    sum: Sha256,
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(&bytes[..read]);
        Ok(read)
    }
}
