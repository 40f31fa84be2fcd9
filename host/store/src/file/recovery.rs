//! What the writer does after the disk has refused: opens the file again, and goes on as soon as a commit becomes
//! durable. It never makes a file, never changes what was committed, and leaves claims as they are: whoever holds one
//! still works.

use super::fault::{Fault, Outcome};
use super::open::{Installation, OpenOptions, open_again};
use super::shared::{Condition, Shared, guarded};
use super::tables::META;
use super::{ledger, place};
use redb::{Database, ReadableDatabase};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long readers may take to give the file free. They look at a few pages each.
const READERS: Duration = Duration::from_secs(5);

/// How many times the first wait the longest is.
const LONGEST: u32 = 30;

/// Counts how often the file was opened again: written to see whether it can be.
const OPENED_AGAIN: &str = "opened again";

pub(super) struct Recovery {
    pub options: OpenOptions,
    pub installation: Installation,
    pub sync_failed: Arc<AtomicBool>,
    /// When to try, and how long to wait after that; none: the store is well.
    next: Option<(Instant, Duration)>,
    /// The file as it was before, still in the hands of readers.
    old: Option<Arc<Database>>,
    /// Whether the file is open anew, and only its being writable is in doubt.
    open: bool,
}

impl Recovery {
    pub fn new(options: OpenOptions, installation: Installation, sync_failed: Arc<AtomicBool>) -> Self {
        Self { options, installation, sync_failed, next: None, old: None, open: false }
    }

    /// How long nothing has to be done; none: the store is well.
    pub fn wait(&self) -> Option<Duration> {
        self.next.map(|(at, _)| at.saturating_duration_since(Instant::now()))
    }

    /// The file was opened by others.
    pub fn is_well(&mut self) {
        self.next = None;
    }

    /// The disk has refused. Readers get the file back at once if it can be had.
    pub fn begin(&mut self, shared: &Shared) {
        if self.next.is_none() {
            self.open = false;
            self.next = Some((Instant::now(), self.options.retry));
            self.attempt(shared);
        }
    }

    /// Tries once, if it is time.
    pub fn attempt(&mut self, shared: &Shared) {
        let Some((_, wait)) = self.next.filter(|(at, _)| *at <= Instant::now()) else { return };
        match self.open(shared).and_then(|()| self.prove(shared)) {
            Ok(()) => {
                self.next = None;
                shared.set(Condition::Well);
                tracing::info!("the store works again");
            }
            Err(fault @ Fault::Damaged(_)) => {
                self.next = None;
                shared.note(&fault);
            }
            Err(fault) => {
                let text = gatehouse_core::ports::StoreError::from(fault).to_string();
                tracing::warn!("the store does not work yet: {text}");
                shared.set(Condition::Ill(text));
                let longer = (wait * 2).min(self.options.retry * LONGEST);
                self.next = Some((Instant::now() + wait, longer));
            }
        }
    }

    fn open(&mut self, shared: &Shared) -> Outcome<()> {
        if self.open {
            return Ok(());
        }
        self.close(shared)?;
        if self.sync_failed.load(Ordering::SeqCst) {
            place::write_anew(&self.options)?;
            self.sync_failed.store(false, Ordering::SeqCst);
        }
        shared.put(open_again(&self.options, &self.sync_failed, &self.installation)?);
        self.open = true;
        Ok(())
    }

    /// Closes the file, once its last reader is done.
    pub fn close(&mut self, shared: &Shared) -> Outcome<()> {
        self.old = shared.take().or(self.old.take());
        let since = Instant::now();
        while let Some(old) = self.old.take() {
            match Arc::try_unwrap(old) {
                Ok(last) => guarded(|| {
                    drop(last);
                    Ok(())
                })?,
                Err(held) => {
                    self.old = Some(held);
                    if since.elapsed() > READERS {
                        return Err(Fault::Disk("the store is still being read: try again in a moment".to_owned()));
                    }
                    #[allow(clippy::disallowed_methods, reason = "the writer is a thread of its own, and has to wait")]
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        Ok(())
    }

    /// Gives readers back the file that could not be closed for them.
    pub fn give_back(&mut self, shared: &Shared) {
        if let Some(old) = self.old.take() {
            shared.put_back(old);
        }
    }

    /// Makes a commit that changes nothing.
    fn prove(&mut self, shared: &Shared) -> Outcome<()> {
        place::has_room(&self.options)?;
        // Whatever fails from here on takes the open file with it.
        self.open = false;
        let db = shared.db()?;
        guarded(|| {
            let times = ledger::number(&db.begin_read()?.open_table(META)?, OPENED_AGAIN)? + 1;
            let mut txn = db.begin_write()?;
            txn.open_table(META)?.insert(OPENED_AGAIN, times.to_be_bytes().as_slice())?;
            txn.set_quick_repair(self.options.quick_repair);
            Ok(txn.commit()?)
        })
    }
}
