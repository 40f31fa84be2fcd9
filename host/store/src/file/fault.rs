//! What goes wrong inside the store: a change that is refused, or a file that does not work. It keeps redb's errors
//! from leaving the crate, and says what to do about each.

use gatehouse_core::ports::StoreError;

/// Why an operation on the file did not work. But for the first, nothing of its transaction may be kept.
#[derive(Debug)]
pub(super) enum Fault {
    /// The change is refused; everything else goes on.
    Refused(StoreError),
    /// This one thing cannot be done (a credential was altered, no randomness is to be had); the file is sound.
    Broken(String),
    /// The disk refused: full, read-only, failing. That may pass, and then the file is opened again.
    Disk(String),
    /// The file holds what no Gatehouse wrote. Nothing but a backup helps.
    Damaged(String),
}

pub(super) type Outcome<T> = Result<T, Fault>;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Broken(text) | Fault::Disk(text) | Fault::Damaged(text) => Self::Unavailable(text),
        }
    }
}

macro_rules! told_by {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                advice(error.into())
            }
        }
    )*};
}

told_by!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::SetDurabilityError);

/// What is wrong with the file, and what to do.
fn advice(error: redb::Error) -> Fault {
    match error {
        redb::Error::Io(e) => disk(&e),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            Fault::Disk("the store is being opened again after a disk error: try again in a moment".to_owned())
        }
        redb::Error::Corrupted(why) => damaged(&why),
        redb::Error::TableDoesNotExist(table) => damaged(&format!("table {table} is missing")),
        other => damaged(&other.to_string()),
    }
}

const NO_SPACE: &str = "no space is left for the store";

/// Whether a text about the disk speaks of space.
pub(super) fn no_space(text: &str) -> bool {
    text.starts_with(NO_SPACE)
}

/// Whether there is no space, or no more of it for us.
pub(super) fn is_full(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// What the disk refused, and what to do.
pub(super) fn disk(e: &std::io::Error) -> Fault {
    use std::io::ErrorKind;
    Fault::Disk(match e.kind() {
        _ if is_full(e) => format!("{NO_SPACE}: free some, and Gatehouse goes on by itself ({e})"),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            format!("the store may not be written: make its disk writable, and Gatehouse goes on by itself ({e})")
        }
        _ => format!("the store's disk fails: see to it, and Gatehouse goes on by itself ({e})"),
    })
}

pub(super) fn damaged(why: &str) -> Fault {
    Fault::Damaged(damage(why))
}

pub(super) fn damage(why: &str) -> String {
    format!("the store file is damaged: restore a backup, as docs/backup.md says ({why})")
}
