//! Where a store's bytes are: a file, or in tests a disk that fails on demand. It remembers that a sync failed, for
//! then what the system shows of the file is not what the disk holds; it never looks into the bytes.

use super::fault::{Outcome, disk};
use super::open::OpenOptions;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much must be free before a store that had no space is written to again: enough for any one commit.
const ROOM: usize = 4 << 20;

/// What a compacted copy is called beside the store.
const COPY: &str = ".compacting";

/// What a backup is called beside the store while it is being restored.
pub(super) const RESTORING: &str = ".restoring";

/// What is written anew after a failed sync, at a time.
const BLOCK: usize = 4096;

/// What makes a file that its owner alone can read.
pub(super) fn private() -> std::fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The file, opened for redb.
pub(super) fn backend(options: &OpenOptions, sync_failed: &Arc<AtomicBool>) -> io::Result<Noting> {
    let noting = |inner| Noting { inner, sync_failed: sync_failed.clone() };
    #[cfg(feature = "testing")]
    if let Some(disk) = &options.disk {
        return Ok(noting(Box::new(disk.backend())));
    }
    let file = File::options().read(true).write(true).open(&options.path)?;
    let inner = FileBackend::new(file).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(noting(Box::new(inner)))
}

/// Where a store that is not there yet is made; none: it is there.
pub(super) fn unmade(options: &OpenOptions) -> Option<PathBuf> {
    #[cfg(feature = "testing")]
    if options.disk.is_some() {
        return None;
    }
    let is_there = std::fs::metadata(&options.path).is_ok_and(|found| found.len() > 0);
    (!is_there).then(|| beside(&options.path, ".new"))
}

/// The path with something added to its last part.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives a file a name, in place of what has it, and waits until that is durable.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The length of the file in bytes.
pub(super) fn len(options: &OpenOptions) -> io::Result<u64> {
    #[cfg(feature = "testing")]
    if let Some(disk) = &options.disk {
        return disk.backend().len();
    }
    Ok(std::fs::metadata(&options.path)?.len())
}

/// The empty file that a compacted copy is written to; one that was left behind is overwritten.
pub(super) fn copy_backend(options: &OpenOptions) -> io::Result<Noting> {
    let noting = |inner| Noting { inner, sync_failed: Arc::default() };
    #[cfg(feature = "testing")]
    if let Some(disk) = &options.disk {
        return Ok(noting(Box::new(disk.second().emptied().backend())));
    }
    remove_copy(options);
    let file = private().read(true).write(true).create_new(true).open(beside(&options.path, COPY))?;
    Ok(noting(Box::new(FileBackend::new(file).map_err(|e| io::Error::other(e.to_string()))?)))
}

/// Puts the copy in the place of the store, whose file is closed.
pub(super) fn take_copy(options: &OpenOptions) -> io::Result<()> {
    #[cfg(feature = "testing")]
    if let Some(disk) = &options.disk {
        return disk.take_second();
    }
    rename(&beside(&options.path, COPY), &options.path)
}

/// Removes what a host that was killed has left beside the store.
pub(super) fn remove_left(options: &OpenOptions) {
    remove_copy(options);
    let _ = std::fs::remove_file(beside(&options.path, RESTORING));
}

/// Removes a copy that did not come to its end, or that a killed host has left. Should that fail, the next one is
/// written over it.
pub(super) fn remove_copy(options: &OpenOptions) {
    #[cfg(feature = "testing")]
    if options.disk.is_some() {
        return;
    }
    let _ = std::fs::remove_file(beside(&options.path, COPY));
}

/// Whether the disk takes bytes: a full one often takes a few into the holes of a file, and the next commit fails
/// again.
pub(super) fn has_room(options: &OpenOptions) -> Outcome<()> {
    #[cfg(feature = "testing")]
    if options.disk.is_some() {
        return Ok(());
    }
    let path = beside(&options.path, ".probe");
    let tried = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0xa5; ROOM])?;
        file.sync_data()
    });
    // Should it stay behind, the next probe writes over it.
    let _ = std::fs::remove_file(&path);
    tried.map_err(|e| disk(&e))
}

/// Writes every block of the file anew. After a failed sync the system may hold pages that it will never write and
/// yet shows to whoever reads: what is built upon them would be lost with the next power cut. What the disk has of
/// earlier commits is overwritten with the same bytes, so that being cut off in the middle does no harm.
pub(super) fn write_anew(options: &OpenOptions) -> Outcome<()> {
    #[cfg(feature = "testing")]
    if let Some(memory) = &options.disk {
        return memory.write_anew().map_err(|e| disk(&e));
    }
    tracing::warn!("the disk could not be made to keep what was written: every page is written anew");
    let file = File::options().read(true).write(true).open(&options.path).map_err(|e| disk(&e))?;
    copy_over_itself(file).map_err(|e| disk(&e))
}

fn copy_over_itself(mut file: File) -> io::Result<()> {
    let (mut block, mut at, end) = (vec![0; BLOCK], 0, file.metadata()?.len());
    while at < end {
        let wanted = usize::try_from(end - at).map_or(BLOCK, |left| left.min(BLOCK));
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut block[..wanted])?;
        // A hole stays one: no page of redb is all zeros.
        if block[..wanted].iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&block[..wanted])?;
        }
        at += wanted as u64;
    }
    file.sync_all()
}

/// Notes that a sync has failed; otherwise the backend within.
#[derive(Debug)]
pub(super) struct Noting {
    inner: Box<dyn StorageBackend>,
    sync_failed: Arc<AtomicBool>,
}

impl StorageBackend for Noting {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.inner.sync_data();
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::SeqCst);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
