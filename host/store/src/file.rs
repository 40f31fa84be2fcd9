//! The embedded store: one redb file, one writer, readers on snapshots. It never decides anything about what it
//! keeps, and no type of redb leaves it.

mod accounts;
mod backup;
mod closed;
mod codes;
mod compact;
mod counters;
mod counts;
mod credentials;
mod delegations;
mod directory;
mod fault;
mod groups;
mod jobs;
mod ledger;
mod merge;
mod notices;
mod open;
mod people;
mod place;
mod port;
mod queue;
mod record;
mod recovery;
mod registry;
mod request_lists;
mod requests;
mod restore;
mod shared;
mod sharing;
mod tables;
mod task;
mod telemetry;
mod trail;
mod trail_reads;
mod transaction;
mod unique;
mod writer;

pub use backup::Manifest;
pub use closed::verify_closed;
pub use compact::Compacted;
pub use open::OpenOptions;
pub use restore::Staged;

use crate::vault::{DataKey, MasterKey};
use counters::Counters;
use fault::{Fault, Outcome};
use gatehouse_core::ports::StoreError;
use jiff::Timestamp;
use open::Opened;
use recovery::Recovery;
use redb::{ReadTransaction, ReadableDatabase};
use shared::{Shared, guarded};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use task::{Reply, Task};
use tokio::sync::oneshot;
use writer::Writer;

/// A store in one file. Dropping it waits for what has been handed in to become durable, then gives the file free.
pub struct RedbStore {
    shared: Arc<Shared>,
    key: Arc<RwLock<DataKey>>,
    counters: Arc<Counters>,
    options: OpenOptions,
    /// Of now: it may have been rotated since the store was opened.
    master: Arc<RwLock<MasterKey>>,
    /// Gone once the store is being dropped.
    jobs: Option<Sender<Task>>,
    writer: Option<JoinHandle<()>>,
    /// Held by what reads the whole file, and by what replaces it: a compaction waits for a backup, and a backup for it.
    whole: Arc<tokio::sync::Mutex<()>>,
}

impl RedbStore {
    /// Opens a store, or makes it. The claims of whoever had it open before are given back. Blocks, for as long as a
    /// damaged or large file takes to check after a crash.
    ///
    /// # Errors
    /// `Unavailable`, with what to do: in use by another Gatehouse, written by a newer one, not a store, the wrong
    /// master key, damaged, not to be read or written.
    pub fn open(options: &OpenOptions) -> Result<Self, StoreError> {
        let sync_failed = Arc::new(AtomicBool::new(false));
        let opened = open::open(options, &sync_failed)?;
        Ok(Self::start(options, opened, sync_failed)?)
    }

    /// A store over a file that has just been opened.
    fn over(options: &OpenOptions, opened: Opened) -> Outcome<Self> {
        Self::start(options, opened, Arc::new(AtomicBool::new(false)))
    }

    fn start(options: &OpenOptions, opened: Opened, sync_failed: Arc<AtomicBool>) -> Outcome<Self> {
        let counters = Arc::new(Counters::load(&opened.db)?);
        let (shared, key) = (Arc::new(Shared::new(opened.db)), Arc::new(RwLock::new(opened.key)));
        let recovery = Recovery::new(options.clone(), opened.installation, sync_failed);
        let master = Arc::new(RwLock::new(options.master_key.clone()));
        let writer = Writer::new(shared.clone(), key.clone(), counters.clone(), recovery, master.clone())?;
        let (jobs, queue) = channel();
        let writer = std::thread::Builder::new().name("store writer".to_owned()).spawn(move || writer.run(&queue));
        let writer = writer.map_err(|e| Fault::Broken(format!("no thread for the store's writer ({e})")))?;
        let options = options.clone();
        Ok(Self {
            shared,
            key,
            counters,
            options,
            master,
            jobs: Some(jobs),
            writer: Some(writer),
            whole: Arc::default(),
        })
    }

    /// Seals every credential anew, under a new data key, and that under this master key. The store opens with the
    /// new master key alone from then on.
    ///
    /// # Errors
    /// The store is unavailable, or a credential was altered and does not open. Nothing was changed.
    pub async fn rotate_master_key(&self, new: MasterKey) -> Result<(), StoreError> {
        self.write(|reply| Task::Rotate(new, reply)).await
    }

    /// Copies the present state into a backup, a new file, while everything goes on. It is restored under the same
    /// master key.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub async fn backup(&self, to: impl Into<PathBuf>, now: Timestamp) -> Result<Manifest, StoreError> {
        let (shared, to) = (self.shared.clone(), to.into());
        let whole = self.whole.clone().lock_owned().await;
        self.noted(
            blocking(move || {
                let _whole = whole;
                backup::backup(&*shared.db()?, &to, now)
            })
            .await,
        )
    }

    /// Unpacks a backup beside the store, and proves that it is whole, readable by this Gatehouse, under its master
    /// key, and of this installation (unless any other will do). The store goes on meanwhile, and is not touched.
    ///
    /// # Errors
    /// The backup does not belong here. The text says why, and what to do.
    pub async fn stage(&self, from: impl Into<PathBuf>, other_installation: bool) -> Result<Staged, StoreError> {
        let (shared, from) = (self.shared.clone(), from.into());
        let master_key = self.master.read().unwrap_or_else(PoisonError::into_inner).clone();
        let options = OpenOptions { master_key, ..self.options.clone() };
        let staged = blocking(move || {
            let ours = open::installation(&shared.db()?.begin_read()?.open_table(tables::META)?)?;
            restore::stage(&from, &options, &backup::hex(&ours.unwrap_or_default()), other_installation)
        });
        // What is wrong with the backup is not wrong with the store.
        staged.await.map_err(StoreError::from)
    }

    /// Puts a staged store in the place of this one, in one step: whoever reads or writes before it meets the old one,
    /// whoever comes after it the new one, and a host that is killed starts with one of them. Claims are void after
    /// it. Have nothing under way.
    ///
    /// # Errors
    /// The disk refused. The text says so; the store is as it was.
    pub async fn adopt(&self, staged: Staged) -> Result<(), StoreError> {
        let Staged { store, file, .. } = staged;
        drop(store);
        self.write(|reply| Task::Adopt(file.0.clone(), reply)).await
    }

    /// Gives back the space in the file that nothing uses any more. Whoever writes waits meanwhile; whoever reads goes
    /// on, and waits only while the compacted file takes its place. Needs space for a second file for that time.
    ///
    /// # Errors
    /// No space for the copy, or the disk refused; the store is as it was.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        let whole = self.whole.clone().lock_owned().await;
        self.write(|reply| Task::Compact(whole, reply)).await
    }

    /// Has the writer do something: durable when it answers.
    async fn write<T>(&self, job: impl FnOnce(Reply<T>) -> Task) -> Result<T, StoreError> {
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
        self.noted(guarded(|| read(&self.shared.db()?.begin_read()?)))
    }

    /// Reads a list, on a thread that may wait for the disk.
    async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        self.noted(blocking(move || read(&shared.db()?.begin_read()?)).await)
    }

    /// Takes note of what a reader has found out about the file.
    fn noted<T>(&self, outcome: Outcome<T>) -> Result<T, StoreError> {
        if let Err(fault) = &outcome
            && self.shared.note(fault)
            && let Some(jobs) = &self.jobs
        {
            // Should the writer have stopped, every commit says so.
            let _ = jobs.send(Task::Recover);
        }
        outcome.map_err(StoreError::from)
    }

    /// Looks something up with the data key, which no rotation replaces meanwhile.
    fn look_up_secret<T>(&self, read: impl FnOnce(&ReadTransaction, &DataKey) -> Outcome<T>) -> Result<T, StoreError> {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        self.look_up(|txn| read(txn, &key))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    match tokio::task::spawn_blocking(|| guarded(work)).await {
        Ok(outcome) => outcome,
        Err(e) => Err(Fault::Broken(format!("reading the store was cut short ({e})"))),
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
