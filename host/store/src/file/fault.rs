//! What goes wrong inside the store: a change that is refused, or a file that does not work. It keeps redb's errors
//! from leaving the crate, and says what to do about each.

use gatehouse_core::ports::StoreError;

/// Why an operation on the file did not work.
#[derive(Debug)]
pub(super) enum Fault {
    /// The change is refused; everything else goes on.
    Refused(StoreError),
    /// The file does not work: nothing of the transaction may be kept.
    Broken(String),
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
            Fault::Broken(text) => Self::Unavailable(text),
        }
    }
}

macro_rules! broken_by {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Broken(advice(error.into()))
            }
        }
    )*};
}

broken_by!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::SetDurabilityError);

/// What is wrong with the file, and what to do.
fn advice(error: redb::Error) -> String {
    use std::io::ErrorKind;
    match error {
        redb::Error::Io(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            format!("no space is left for the store: free some, then restart Gatehouse ({e})")
        }
        redb::Error::Io(e) => format!("the store cannot be read or written: check its disk, then restart ({e})"),
        redb::Error::PreviousIo => {
            "an earlier disk error has stopped the store: check its disk, then restart Gatehouse".to_owned()
        }
        redb::Error::DatabaseClosed => "the store has been closed".to_owned(),
        redb::Error::Corrupted(why) => damaged(&why),
        redb::Error::TableDoesNotExist(table) => damaged(&format!("table {table} is missing")),
        other => damaged(&other.to_string()),
    }
}

pub(super) fn damaged(why: &str) -> String {
    format!("the store file is damaged: restore a backup ({why})")
}
