//! The open database as readers and the writer share it, and what condition it is in. It never opens one: the writer
//! does, and puts it here.

use super::fault::{Fault, Outcome};
use gatehouse_core::ports::StoreError;
use redb::Database;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Whether the store can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Well,
    /// Nothing is written, for this reason, until the file has been opened again. Reads go on where they can.
    Ill(String),
    /// Nothing is written any more, for this reason.
    Damaged(String),
}

#[derive(Debug)]
pub(super) struct Shared {
    /// None while the file is being opened again.
    db: RwLock<Option<Arc<Database>>>,
    condition: RwLock<Condition>,
    /// Whether the file is being replaced by its own copy: that takes a moment, and readers wait for it.
    moving: Mutex<bool>,
    moved: Condvar,
}

/// For as long as readers wait.
pub(super) struct Moving(Arc<Shared>);

impl Drop for Moving {
    fn drop(&mut self) {
        *self.0.moving.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.moved.notify_all();
    }
}

/// No reader waits longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

impl Shared {
    pub fn new(db: Database) -> Self {
        Self {
            db: RwLock::new(Some(Arc::new(db))),
            condition: RwLock::new(Condition::Well),
            moving: Mutex::new(false),
            moved: Condvar::new(),
        }
    }

    /// Has readers wait until what is returned is dropped.
    pub fn moving(self: &Arc<Self>) -> Moving {
        *self.moving.lock().unwrap_or_else(PoisonError::into_inner) = true;
        Moving(self.clone())
    }

    /// The database. Give it back soon: the file is opened again only after the last has.
    pub fn db(&self) -> Outcome<Arc<Database>> {
        let moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.moved.wait_timeout_while(moving, PATIENCE, |moving| *moving));
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner).clone();
        db.ok_or_else(|| match self.condition() {
            Condition::Ill(text) | Condition::Damaged(text) => Fault::Disk(text),
            Condition::Well => Fault::Disk("the store is being opened again: try again in a moment".to_owned()),
        })
    }

    pub fn take(&self) -> Option<Arc<Database>> {
        self.db.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn put(&self, db: Database) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(db));
    }

    pub fn put_back(&self, db: Arc<Database>) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
    }

    pub fn condition(&self) -> Condition {
        self.condition.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn is_well(&self) -> bool {
        *self.condition.read().unwrap_or_else(PoisonError::into_inner) == Condition::Well
    }

    pub fn set(&self, to: Condition) {
        *self.condition.write().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Takes note of what went wrong. Whether the file has to be opened again for it.
    pub fn note(&self, fault: &Fault) -> bool {
        let mut condition = self.condition.write().unwrap_or_else(PoisonError::into_inner);
        match (fault, &*condition) {
            (Fault::Damaged(text), Condition::Well | Condition::Ill(_)) => {
                tracing::error!("nothing more is written: {text}");
                *condition = Condition::Damaged(text.clone());
                false
            }
            (Fault::Disk(text), Condition::Well) => {
                tracing::error!("nothing is written for the time being: {text}");
                *condition = Condition::Ill(text.clone());
                true
            }
            (Fault::Disk(_), Condition::Ill(_)) => true,
            _ => false,
        }
    }

    /// Why nothing is written, if that is so.
    pub fn health(&self) -> Result<(), StoreError> {
        match self.condition() {
            Condition::Well => Ok(()),
            Condition::Ill(text) | Condition::Damaged(text) => Err(StoreError::Unavailable(text)),
        }
    }
}

/// Does something with the file, which redb may answer with a panic where its bytes make no sense.
pub(super) fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(super::fault::damaged("it cannot be read")))
}
