//! What the host notes of a call while it runs. Shared between the call, its gate and its meter, so that it outlives
//! the store: a call that is cut off leaves its notes behind. It never decides anything.

use crate::Limits;
use crate::journal::Journal;
use crate::limits::LimitHit;
use gatehouse_core::SentWrite;
use gatehouse_core::ports::{Call, Denial};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The notes of one call.
#[derive(Debug)]
pub(crate) struct Notes {
    journal: Mutex<Journal>,
    egress: Mutex<Egress>,
    limit: Mutex<Option<LimitHit>>,
    slow: Mutex<Option<LimitHit>>,
    peak_memory: AtomicU64,
    began: Instant,
}

/// The most writes of one call that are noted one by one.
const WRITES: usize = 16;

/// A request on its way.
#[derive(Debug, Default)]
pub(crate) struct Trip {
    left: bool,
    /// The place of its note, if it may write and has one.
    write: Option<usize>,
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
    /// Those that may have, and what came back: the first ones, and one that stands for all further ones.
    writes: Vec<SentWrite>,
    /// Bytes of all request bodies.
    pub(crate) request_bytes: u64,
    /// Bytes of all response bodies.
    pub(crate) response_bytes: u64,
    /// Whether the last request that ended was refused.
    pub(crate) last_refused: bool,
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
            slow: Mutex::default(),
            peak_memory: AtomicU64::new(0),
            began: Instant::now(),
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

    /// Notes the limit that the target ran into, the last one. It is no fault of the guest's, and may be over soon.
    pub(crate) fn was_slow(&self, hit: LimitHit) {
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = Some(hit);
    }

    pub(crate) fn slow(&self) -> Option<LimitHit> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn memory(&self, bytes: u64) {
        self.peak_memory.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Notes, before its first byte, that a request leaves, and what it is if it may write (method, and address
    /// without query); false once the report is made. A call that is given up may still be at work for a moment: under
    /// one lock with the report, nothing leaves that the report does not tell (invariant 3).
    #[must_use]
    pub(crate) fn depart(&self, trip: &mut Trip, write: Option<(&str, String)>) -> bool {
        let mut egress = self.egress();
        if egress.over || std::mem::replace(&mut trip.left, true) {
            return !egress.over;
        }
        egress.left += 1;
        let Some((method, url)) = write else { return true };
        egress.write_left = true;
        if egress.writes.len() < WRITES {
            trip.write = Some(egress.writes.len());
            let after_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            egress.writes.push(SentWrite { method: method.to_owned(), url, after_ms, status: None, lost: None });
        } else if let Some(last) = egress.writes.last_mut() {
            last.lost = Some("further ones left, which are not noted one by one".to_owned());
        }
        true
    }

    /// Notes what came back of a request: a status, or why there is none for the guest.
    pub(crate) fn answered(&self, trip: &Trip, answer: Result<u16, String>) {
        let mut egress = self.egress();
        let Some(write) = trip.write.and_then(|no| egress.writes.get_mut(no)) else { return };
        match answer {
            Ok(status) => write.status = Some(status),
            Err(lost) => drop(write.lost.get_or_insert(lost)),
        }
    }

    /// The call is over, reported or given up: nothing leaves any more.
    pub(crate) fn close(&self) {
        self.egress().over = true;
    }

    /// The notes as the caller gets them. Nothing leaves any more.
    pub(crate) fn report(&self, elapsed: Duration) -> Call {
        let (journal, journal_dropped) = {
            let mut journal = self.journal();
            (journal.finish(), journal.dropped())
        };
        let mut egress = self.egress();
        egress.over = true;
        Call {
            write_left: egress.write_left,
            writes: egress.writes.clone(),
            requests: egress.left,
            denials: egress.denials.clone(),
            journal,
            journal_dropped,
            elapsed,
            peak_memory: self.peak_memory.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depart(notes: &Notes, writes: bool) -> (bool, Trip) {
        let mut trip = Trip::default();
        let left = notes.depart(&mut trip, writes.then(|| ("POST", "https://hr.example.com/Users".to_owned())));
        (left, trip)
    }

    #[test]
    fn a_flood_of_writes_is_not_taken_for_one_that_was_refused() {
        let notes = Notes::new(&Limits::default());
        let trips: Vec<Trip> = (0..=WRITES).map(|_| depart(&notes, true).1).collect();
        trips.iter().for_each(|trip| notes.answered(trip, Ok(400)));
        let report = notes.report(Duration::ZERO);
        assert_eq!(report.writes.len(), WRITES);
        assert!(report.writes[0].was_refused() && !report.writes[WRITES - 1].was_refused());
    }

    #[test]
    fn what_leaves_is_in_the_report_and_after_the_report_nothing_leaves() {
        let notes = Notes::new(&Limits::default());
        assert!(depart(&notes, false).0);
        let (left, written) = depart(&notes, true);
        assert!(left);
        notes.answered(&written, Ok(201));
        assert!(depart(&notes, false).0);
        let report = notes.report(Duration::ZERO);
        assert_eq!((report.requests, report.write_left), (3, true));
        assert_eq!((report.writes[0].method.as_str(), report.writes[0].status), ("POST", Some(201)));

        let late = Notes::new(&Limits::default());
        let report = late.report(Duration::ZERO);
        assert!(!depart(&late, true).0, "the caller was told that no write has left");
        assert_eq!((report.requests, report.write_left), (0, false));
        assert!(!late.egress().write_left);
    }
}
