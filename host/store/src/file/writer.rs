//! The one writer: a thread that takes what has queued up, puts it into one transaction, makes it durable, and only
//! then answers. It never lets a change that is refused touch the others of its group.

use super::compact::{self, Compacted};
use super::counters::Counters;
use super::credentials::no_randomness;
use super::fault::{Fault, Outcome, disk};
use super::ledger::{FENCE, number};
use super::open::{DATA_KEY, OpenOptions, open_again, open_existing};
use super::place::{self, rename};
use super::recovery::Recovery;
use super::restore::go_on_from;
use super::shared::{Condition, Shared, guarded};
use super::tables::META;
use super::task::{Done, Task};
use super::telemetry;
use super::transaction::Tables;
use crate::vault::{DataKey, MasterKey};
use gatehouse_core::RequestId;
use gatehouse_core::ports::{Fence, StoreError};
use gatehouse_failpoints::fail_point;
use redb::{Database, Durability, ReadableDatabase};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::oneshot;

/// At most so much in one transaction, so that the first of a long queue does not wait for the last.
const GROUP: usize = 256;

pub(super) struct Writer {
    shared: Arc<Shared>,
    key: Arc<RwLock<DataKey>>,
    counters: Arc<Counters>,
    next_token: u64,
    recovery: Recovery,
    master: Arc<RwLock<MasterKey>>,
    /// Claims that nobody holds, and that may be there: given back once the store is well.
    unknown: Vec<Fence>,
    /// Claims given back since the last durable commit: opened anew, the file has them still.
    released: BTreeMap<RequestId, Fence>,
}

/// What a transaction has come to so far.
#[derive(Default)]
struct Progress {
    wrote: bool,
    must_be_durable: bool,
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        key: Arc<RwLock<DataKey>>,
        counters: Arc<Counters>,
        recovery: Recovery,
        master: Arc<RwLock<MasterKey>>,
    ) -> Outcome<Self> {
        let next_token = number(&shared.db()?.begin_read()?.open_table(META)?, FENCE)?.max(1);
        Ok(Self { shared, key, counters, next_token, recovery, master, unknown: Vec::new(), released: BTreeMap::new() })
    }

    /// Works until every sender is gone.
    pub fn run(mut self, jobs: &Receiver<Task>) {
        loop {
            let first = match self.recovery.wait() {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => jobs.recv_timeout(wait),
            };
            self.recovery.attempt(&self.shared);
            self.give_back();
            match first {
                Ok(first) => self.take(first, jobs),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Gives back what nobody knows that they hold.
    fn give_back(&mut self) {
        if self.unknown.is_empty() || !self.shared.is_well() {
            return;
        }
        let fences = std::mem::take(&mut self.unknown);
        self.group(fences.iter().map(|fence| Task::Release(*fence, oneshot::channel().0)).collect());
        if !self.shared.is_well() {
            self.unknown.extend(fences);
        }
    }

    /// Does this, and what has queued up behind it.
    fn take(&mut self, first: Task, jobs: &Receiver<Task>) {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Task::Commit(..) | Task::Claim(..) | Task::Release(..) => group.push(job),
                alone => {
                    self.group(std::mem::take(&mut group));
                    self.alone(alone);
                }
            }
            next = if group.len() < GROUP { jobs.try_recv().ok() } else { None };
        }
        self.group(group);
    }

    /// What shares its transaction with nothing.
    fn alone(&mut self, job: Task) {
        match job {
            // It replaces the key that commits seal with.
            Task::Rotate(master, reply) => {
                let rotated = self.if_well(|writer| guarded(|| writer.rotate(&master)));
                drop(reply.send(rotated.map_err(StoreError::from)));
            }
            Task::Adopt(staged, reply) => {
                let adopted = guarded(|| self.adopt(&staged));
                drop(reply.send(adopted.map_err(StoreError::from)));
            }
            Task::Compact(whole, reply) => {
                let compacted = self.if_well(|writer| guarded(|| writer.compact()));
                drop(whole);
                drop(reply.send(compacted.map_err(StoreError::from)));
            }
            Task::Recover if !self.shared.is_well() => self.recover(),
            _ => {}
        }
    }

    /// Does something unless the store is ill, and takes note of how it went.
    fn if_well<T>(&mut self, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        match self.shared.condition() {
            Condition::Well => {}
            Condition::Ill(text) => return Err(Fault::Disk(text)),
            Condition::Damaged(text) => return Err(Fault::Damaged(text)),
        }
        let outcome = work(self);
        if let Err(fault) = &outcome
            && self.shared.note(fault)
        {
            self.recover();
        }
        outcome
    }

    /// Has the file opened anew: what has been given back since the last durable commit is in it again.
    fn recover(&mut self) {
        self.unknown.extend(std::mem::take(&mut self.released).into_values());
        self.recovery.begin(&self.shared);
    }

    fn group(&mut self, jobs: Vec<Task>) {
        if jobs.is_empty() {
            return;
        }
        let mut done = Vec::with_capacity(jobs.len());
        let mut jobs = jobs.into_iter();
        let outcome = self.if_well(|writer| guarded(|| writer.transact(&mut jobs, &mut done)));
        telemetry::ended(outcome.is_ok());
        let broken = outcome.err().map(|fault| StoreError::from(fault).to_string());
        if broken.is_some() {
            // A refusal may come so late that the claims are there all the same, and nobody knows of them.
            let claims = done.iter().filter_map(Done::claims).flatten();
            self.unknown.extend(claims.map(|claim| claim.fence));
        }
        done.into_iter().for_each(|done| done.answer(broken.as_ref()));
        let text = broken.unwrap_or_default();
        jobs.for_each(|job| job.fail(&text));
    }

    fn transact(&mut self, jobs: &mut impl Iterator<Item = Task>, done: &mut Vec<Done>) -> Outcome<()> {
        let begun = std::time::Instant::now();
        let db = self.shared.db()?;
        let mut txn = db.begin_write()?;
        let mut progress = Progress::default();
        let mut tables = Tables::open(&txn)?;
        let mut released = Vec::new();
        for job in jobs {
            if let Task::Release(fence, _) = &job {
                released.push((fence.request, *fence));
            }
            let (answer, broken) = self.perform(&mut tables, job, &mut progress);
            done.push(answer);
            if let Some(fault) = broken {
                return Err(fault);
            }
        }
        drop(tables);
        if !progress.wrote {
            return Ok(());
        }
        txn.set_quick_repair(self.recovery.options.quick_repair);
        if !progress.must_be_durable {
            // Claims and releases alone: after a crash every claim is void anyway, and requests are as they were.
            txn.set_durability(Durability::None)?;
        }
        fail_point!("store.before_commit");
        txn.commit()?;
        fail_point!("store.after_commit");
        // The first one of a request is what the file has.
        for (request, fence) in released {
            self.released.entry(request).or_insert(fence);
        }
        if progress.must_be_durable {
            self.released.clear();
            telemetry::committed(done.len(), begun.elapsed());
        }
        Ok(())
    }

    fn perform(&mut self, tables: &mut Tables<'_>, job: Task, progress: &mut Progress) -> (Done, Option<Fault>) {
        match job {
            Task::Commit(changes, reply) => {
                let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
                let (used, broken) = split(tables.commit(*changes, &key));
                let result = used.map(|used| {
                    used.into_iter().for_each(|(sequence, number)| self.counters.used(sequence, number));
                    (progress.wrote, progress.must_be_durable) = (true, true);
                });
                (Done::Nothing(reply, result), broken)
            }
            Task::Claim(call, reply) => {
                let (claimed, broken) = split(tables.claim(&call, &mut self.next_token));
                let result = claimed.map(|claimed| {
                    progress.wrote |= !claimed.claims.is_empty();
                    progress.must_be_durable |= claimed.must_be_durable;
                    claimed.claims
                });
                (Done::Claims(reply, result), broken)
            }
            Task::Release(fence, reply) => {
                let (released, broken) = split(tables.release(fence));
                (Done::Nothing(reply, released.map(|released| progress.wrote |= released)), broken)
            }
            Task::Rotate(_, reply) => (Done::Nothing(reply, Ok(())), None),
            Task::Adopt(_, reply) => (Done::Nothing(reply, Ok(())), None),
            Task::Compact(..) | Task::Recover => (Done::Nobody, None),
        }
    }

    /// Puts a staged store in the place of this one. Up to the renaming the old one is the store, after it the new one;
    /// whatever goes wrong later, it is that one which is opened again.
    fn adopt(&mut self, staged: &Path) -> Outcome<()> {
        let options = self.recovery.options.clone();
        let before = self.shared.condition();
        self.shared.set(Condition::Ill("a backup is being restored: try again in a moment".to_owned()));
        if let Err(fault) = go_on_from(staged, &options, &self.counters, self.next_token) {
            self.shared.set(before);
            return Err(fault);
        }
        let closed = self.recovery.close(&self.shared);
        let renamed = closed.and_then(|()| rename(staged, &options.path).map_err(|e| disk(&e)));
        if let Err(fault) = renamed {
            // The old one is opened again, whether it has been closed or not.
            self.recovery.begin(&self.shared);
            return Err(fault);
        }
        let opened = open_existing(&OpenOptions { verify: false, ..options }, &self.recovery.sync_failed)?;
        self.counters.raise(&opened.db)?;
        self.next_token = number(&opened.db.begin_read()?.open_table(META)?, FENCE)?.max(self.next_token);
        self.recovery.installation = opened.installation;
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = opened.key;
        self.shared.put(opened.db);
        self.recovery.is_well();
        self.shared.set(Condition::Well);
        Ok(())
    }

    /// Copies the store, and puts the copy in its place. Claims stay, and so does everything in memory: it is the same
    /// store. If it cannot be opened again, that is tried until it can, as after any trouble with the disk.
    fn compact(&mut self) -> Outcome<Compacted> {
        let options = self.recovery.options.clone();
        let before = place::len(&options).map_err(|e| disk(&e))?;
        let stored = compact::copy(self.shared.db()?.as_ref(), &options)?;
        // From here to its end readers wait.
        let _moving = self.shared.moving();
        if let Err(fault) = self.recovery.close(&self.shared) {
            place::remove_copy(&options);
            self.recovery.give_back(&self.shared);
            return Err(Fault::Broken(StoreError::from(fault).to_string()));
        }
        place::take_copy(&options).map_err(|e| disk(&e))?;
        fail_point!("compact.after_swap");
        // It has just been read through.
        let options = OpenOptions { verify: false, ..options };
        self.shared.put(open_again(&options, &self.recovery.sync_failed, &self.recovery.installation)?);
        let after = place::len(&options).map_err(|e| disk(&e))?;
        tracing::info!(before, after, "the store was compacted");
        Ok(Compacted { before, after, stored })
    }

    /// Seals everything under a new data key, and that under a new master key. Readers wait meanwhile, so that none
    /// meets a secret with the other key.
    fn rotate(&mut self, master: &MasterKey) -> Outcome<()> {
        let mut key = self.key.write().unwrap_or_else(PoisonError::into_inner);
        let new = DataKey::generate().map_err(no_randomness)?;
        let wrapped = new.wrap(master).map_err(no_randomness)?;
        let db = self.shared.db()?;
        // An earlier attempt may have been refused so late that it is done all the same.
        let before = &self.recovery.options.master_key;
        if let Some(done) = rotated_already(&db, before, master)? {
            *key = done;
            *self.master.write().unwrap_or_else(PoisonError::into_inner) = master.clone();
            self.recovery.options.master_key = master.clone();
            return Ok(());
        }
        let mut txn = db.begin_write()?;
        let mut tables = Tables::open(&txn)?;
        tables.reseal(&key, &new)?;
        tables.set_meta(DATA_KEY, &wrapped)?;
        drop(tables);
        txn.set_quick_repair(self.recovery.options.quick_repair);
        txn.commit()?;
        *key = new;
        *self.master.write().unwrap_or_else(PoisonError::into_inner) = master.clone();
        self.recovery.options.master_key = master.clone();
        Ok(())
    }
}

/// The data key, if it is under the new master key and no longer under the one before.
fn rotated_already(db: &Database, before: &MasterKey, new: &MasterKey) -> Outcome<Option<DataKey>> {
    let meta = db.begin_read()?.open_table(META)?;
    let Some(wrapped) = meta.get(DATA_KEY)? else { return Ok(None) };
    let under = |master| DataKey::unwrap(master, wrapped.value()).ok();
    Ok(if under(before).is_none() { under(new) } else { None })
}

/// The answer, and what broke the transaction.
fn split<T>(outcome: Outcome<T>) -> (Result<T, StoreError>, Option<Fault>) {
    match outcome {
        Ok(value) => (Ok(value), None),
        Err(Fault::Refused(error)) => (Err(error), None),
        // Answered with the rest of the transaction.
        Err(fault) => (Err(StoreError::Unavailable(String::new())), Some(fault)),
    }
}
