//! The embedded store: one redb file, one writer, readers on snapshots. It never decides anything about what it
//! keeps, and no type of redb leaves it.

mod accounts;
mod backup;
mod codes;
mod credentials;
mod directory;
mod fault;
mod ledger;
mod merge;
mod open;
mod port;
mod queue;
mod record;
mod registry;
mod request_lists;
mod requests;
mod tables;
mod transaction;
mod unique;
mod writer;

pub use open::OpenOptions;

use crate::vault::{DataKey, MasterKey};
use fault::{Fault, Outcome};
use gatehouse_core::ports::StoreError;
use redb::{Database, ReadTransaction, ReadableDatabase};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use writer::{Counters, Job, Reply, Writer};

/// A store in one file. Dropping it waits for what has been handed in to become durable, then gives the file free.
pub struct RedbStore {
    db: Arc<Database>,
    key: Arc<RwLock<DataKey>>,
    counters: Arc<Counters>,
    /// Gone once the store is being dropped.
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens a store, or makes it. The claims of whoever had it open before are given back. Blocks, for as long as a
    /// damaged or large file takes to check after a crash.
    ///
    /// # Errors
    /// `Unavailable`, with what to do: in use by another Gatehouse, written by a newer one, not a store, the wrong
    /// master key, damaged, not to be read or written.
    pub fn open(options: &OpenOptions) -> Result<Self, StoreError> {
        let (db, key) = open::open(options)?;
        let (db, key) = (Arc::new(db), Arc::new(RwLock::new(key)));
        let counters = Arc::new(Counters::load(&db)?);
        let writer = Writer::new(db.clone(), key.clone(), counters.clone(), options.quick_repair)?;
        let (jobs, queue) = channel();
        let writer = std::thread::Builder::new().name("store writer".to_owned()).spawn(move || writer.run(&queue));
        let writer = writer.map_err(|e| StoreError::Unavailable(format!("no thread for the store's writer ({e})")))?;
        Ok(Self { db, key, counters, jobs: Some(jobs), writer: Some(writer) })
    }

    /// Seals every credential anew, under a new data key, and that under this master key. The store opens with the
    /// new master key alone from then on.
    ///
    /// # Errors
    /// The store is unavailable, or a credential was altered and does not open. Nothing was changed.
    pub async fn rotate_master_key(&self, new: MasterKey) -> Result<(), StoreError> {
        self.write(|reply| Job::Rotate(new, reply)).await
    }

    /// Copies the present state into a new file while everything goes on. The copy opens as a store with the same
    /// master key; putting it in the place of a closed store restores it.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub async fn backup(&self, to: impl Into<PathBuf>) -> Result<(), StoreError> {
        let (db, to) = (self.db.clone(), to.into());
        blocking(move || backup::backup(&db, &to)).await
    }

    /// Has the writer do something: durable when it answers.
    async fn write<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let stopped = || {
            StoreError::Unavailable("the store's writer has stopped: see the log, then restart Gatehouse".to_owned())
        };
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job(reply)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Looks one thing up, on the spot: a few pages, nearly always in memory, take less time than handing the work to
    /// another thread would.
    fn look_up<T>(&self, read: impl FnOnce(&ReadTransaction) -> Outcome<T>) -> Result<T, StoreError> {
        let found = self.db.begin_read().map_err(Fault::from).and_then(|txn| read(&txn));
        found.map_err(StoreError::from)
    }

    /// Reads a list, on a thread that may wait for the disk.
    async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let db = self.db.clone();
        blocking(move || read(&db.begin_read()?)).await
    }

    /// Looks something up with the data key, which no rotation replaces meanwhile.
    fn look_up_secret<T>(&self, read: impl FnOnce(&ReadTransaction, &DataKey) -> Outcome<T>) -> Result<T, StoreError> {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        self.look_up(|txn| read(txn, &key))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(StoreError::from),
        Err(e) => Err(StoreError::Unavailable(format!("reading the store was cut short ({e})"))),
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.jobs = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the store's writer had stopped");
        }
    }
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}
