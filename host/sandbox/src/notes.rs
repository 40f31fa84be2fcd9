//! What the host notes of a call while it runs. Shared between the call, its gate and its meter, so that it outlives
//! the store: a call that is cut off leaves its notes behind. It never decides anything.

use crate::Limits;
use crate::journal::Journal;
use crate::limits::LimitHit;
use gatehouse_core::ports::{Call, Denial};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The notes of one call.
#[derive(Debug)]
pub(crate) struct Notes {
    journal: Mutex<Journal>,
    egress: Mutex<Egress>,
    limit: Mutex<Option<LimitHit>>,
    peak_memory: AtomicU64,
}

/// What the gate noted.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    /// Requests the guest tried, refused ones included.
    pub(crate) tried: u64,
    /// Requests that left.
    pub(crate) left: u32,
    /// Whether one of them may have changed the target.
    pub(crate) write_left: bool,
    /// Bytes of all response bodies.
    pub(crate) response_bytes: u64,
    pub(crate) denials: Vec<Denial>,
}

impl Notes {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            journal: Mutex::new(Journal::new(limits)),
            egress: Mutex::default(),
            limit: Mutex::default(),
            peak_memory: AtomicU64::new(0),
        }
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn egress(&self) -> MutexGuard<'_, Egress> {
        self.egress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the limit that the guest ran into. The first one stands: later ones follow from it.
    pub(crate) fn hit(&self, hit: LimitHit) {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(hit);
    }

    pub(crate) fn limit(&self) -> Option<LimitHit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn memory(&self, bytes: u64) {
        self.peak_memory.fetch_max(bytes, Ordering::Relaxed);
    }

    /// The notes as the caller gets them.
    pub(crate) fn report(&self, elapsed: Duration) -> Call {
        let journal = self.journal().finish();
        let egress = self.egress();
        Call {
            write_left: egress.write_left,
            requests: egress.left,
            denials: egress.denials.clone(),
            journal,
            elapsed,
            peak_memory: self.peak_memory.load(Ordering::Relaxed),
        }
    }
}
