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
    /// Bytes of all request bodies.
    pub(crate) request_bytes: u64,
    /// Bytes of all response bodies.
    pub(crate) response_bytes: u64,
    /// The report is made: what has not left by now never does.
    over: bool,
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

    /// Notes, before its first byte, that a request leaves and whether it may write; false once the report is made. A
    /// request runs in a task of its own, which may still be at work when its call has ended: under one lock with the
    /// report, nothing leaves that the report does not tell (invariant 3).
    #[must_use]
    pub(crate) fn depart(&self, writes: bool) -> bool {
        let mut egress = self.egress();
        if !egress.over {
            egress.left += 1;
            egress.write_left |= writes;
        }
        !egress.over
    }

    /// The notes as the caller gets them. Nothing leaves any more.
    pub(crate) fn report(&self, elapsed: Duration) -> Call {
        let journal = self.journal().finish();
        let mut egress = self.egress();
        egress.over = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_in_the_report_and_after_the_report_nothing_leaves() {
        let notes = Notes::new(&Limits::default());
        assert!(notes.depart(false));
        assert!(notes.depart(true));
        assert!(notes.depart(false));
        let report = notes.report(Duration::ZERO);
        assert_eq!((report.requests, report.write_left), (3, true));

        let late = Notes::new(&Limits::default());
        let report = late.report(Duration::ZERO);
        assert!(!late.depart(true), "the caller was told that no write has left");
        assert_eq!((report.requests, report.write_left), (0, false));
        assert!(!late.egress().write_left);
    }
}
