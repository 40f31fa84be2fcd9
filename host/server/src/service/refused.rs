//! Refused calls on their way to the audit trail. The first of equal ones within a minute is written down at once; those
//! that follow are gathered for a moment and counted in one commit, however many they are. It never decides whether a
//! call is refused, and its memory is bounded however many ways of being refused callers find.

use gatehouse_core::audit::Denials;
use gatehouse_core::audit::denials::{DenialKey, counted_as, is_over};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals that are being counted.
#[derive(Debug, Default)]
pub(super) struct Gathered(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// Since when equal ones are counted. The store's windows began then.
    since: BTreeMap<DenialKey, Timestamp>,
    /// Counted, and in no commit yet.
    pending: BTreeMap<DenialKey, Denials>,
}

impl Gathered {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more: what is to be committed at once, which is nothing where equal ones are being counted already.
    pub fn add(&self, refused: Denials) -> Vec<Denials> {
        let now = refused.record.at;
        let mut open = self.open();
        open.since.retain(|_, since| !is_over(*since, now));
        let known = |key: &DenialKey| open.since.contains_key(key) || open.pending.contains_key(key);
        let key = counted_as(&refused, open.since.len().max(open.pending.len()), known);
        let refused = Denials { key: key.clone(), ..refused };
        if open.since.contains_key(&key) {
            open.gather(refused);
            return Vec::new();
        }
        open.since.insert(key, now);
        let mut at_once = open.take();
        at_once.push(refused);
        at_once
    }

    /// What has been gathered, to be committed.
    pub fn take(&self) -> Vec<Denials> {
        self.open().take()
    }

    /// Takes back what could not be committed: it is offered again.
    pub fn put_back(&self, refused: Vec<Denials>) {
        let mut open = self.open();
        refused.into_iter().for_each(|refused| open.gather(refused));
    }
}

impl Open {
    fn gather(&mut self, refused: Denials) {
        match self.pending.get_mut(&refused.key) {
            Some(equal) => equal.count = equal.count.saturating_add(refused.count),
            None => drop(self.pending.insert(refused.key.clone(), refused)),
        }
    }

    fn take(&mut self) -> Vec<Denials> {
        std::mem::take(&mut self.pending).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_core::audit::denials::{OPEN_AT_MOST, OTHERS};
    use gatehouse_core::{Actor, AuditRecord};

    fn refused(second: i64, who: &str, what: &str) -> Denials {
        let at = Timestamp::from_second(second).unwrap();
        let key = DenialKey { rule: "permission".to_owned(), connector: who.to_owned(), origin: what.to_owned() };
        let record = AuditRecord::new(at, &Actor(who.to_owned()), "permission.denied", what);
        Denials { app: None, key, count: 1, record }
    }

    fn counts(of: &[Denials]) -> Vec<u64> {
        of.iter().map(|refused| refused.count).collect()
    }

    #[test]
    fn the_first_is_written_at_once_and_a_flood_after_it_in_one_commit() {
        let gathered = Gathered::default();
        assert_eq!(counts(&gathered.add(refused(0, "ada", "GET /a"))), [1]);
        for _ in 0..500 {
            assert_eq!(gathered.add(refused(1, "ada", "GET /a")), []);
        }
        assert_eq!(counts(&gathered.add(refused(1, "bob", "GET /a"))), [500, 1], "another's goes along");
        assert_eq!(gathered.take(), []);
        assert_eq!(gathered.add(refused(59, "ada", "GET /a")), []);
        assert_eq!(
            counts(&gathered.add(refused(60, "ada", "GET /a"))),
            [1, 1],
            "a minute later one is the first again"
        );
    }

    #[test]
    fn what_could_not_be_committed_is_not_lost() {
        let gathered = Gathered::default();
        let first = gathered.add(refused(0, "ada", "GET /a"));
        gathered.put_back(first);
        assert_eq!(gathered.add(refused(1, "ada", "GET /a")), [], "and no commit is tried for each");
        assert_eq!(counts(&gathered.take()), [2]);
    }

    #[test]
    fn memory_is_bounded_whatever_is_refused_and_however_long_nothing_can_be_committed() {
        let gathered = Gathered::default();
        for no in 0..50 * OPEN_AT_MOST as i64 {
            gathered.put_back(gathered.add(refused(no, "ada", &format!("GET /{no}"))));
        }
        let kept = |open: MutexGuard<'_, Open>| (open.since.len(), open.pending.len());
        assert_eq!(kept(gathered.open()), (1, OPEN_AT_MOST + 1));
        let pending = gathered.take();
        assert_eq!(pending.iter().map(|refused| refused.count).sum::<u64>(), 50 * OPEN_AT_MOST as u64);
        assert!(pending.iter().any(|refused| refused.key.origin == OTHERS));
    }
}
