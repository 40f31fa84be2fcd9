//! Backups while serving: a consistent copy of one state, in a new file. It never overwrites a file, and never leaves
//! half a backup under the name it was asked for.

use super::fault::{Fault, Outcome};
use super::tables::copy_all;
use redb::{Database, ReadableDatabase};
use std::fs::File;
use std::path::Path;

/// Copies the present state into a new file, which opens as a store with the same master key.
pub(super) fn backup(db: &Database, to: &Path) -> Outcome<()> {
    let failed = |e: std::io::Error| {
        Fault::Broken(format!("the backup {} cannot be written: choose another place ({e})", to.display()))
    };
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    if to.exists() {
        return Err(Fault::Broken(format!("{} is there already: a backup never overwrites a file", to.display())));
    }
    match std::fs::remove_file(partial) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    super::open::create_private(partial)?;
    copy(db, partial)?;
    std::fs::rename(partial, to).map_err(failed)?;
    // The name is durable once its folder is.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn copy(db: &Database, to: &Path) -> Outcome<()> {
    let snapshot = db.begin_read()?;
    let unusable = |error| super::open::unusable(to, error);
    let copy = Database::create(to).map_err(unusable)?;
    let mut txn = copy.begin_write()?;
    copy_all(&snapshot, &txn)?;
    txn.set_quick_repair(true);
    txn.commit()?;
    copy.close().map_err(unusable)
}
