//! The numbers that the store hands out. They live in memory, and in the file as the highest ones used.

use super::fault::Outcome;
use super::ledger::{SEQUENCES, counter, number};
use super::tables::META;
use gatehouse_core::ports::Sequence;
use redb::{Database, ReadableDatabase};
use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers to hand out next.
#[derive(Debug)]
pub(super) struct Counters([AtomicU64; SEQUENCES.len()]);

impl Counters {
    pub fn load(db: &Database) -> Outcome<Self> {
        let meta = db.begin_read()?.open_table(META)?;
        let mut next = [1; SEQUENCES.len()];
        for (next, sequence) in next.iter_mut().zip(SEQUENCES) {
            *next = number(&meta, counter(sequence))?.max(1);
        }
        Ok(Self(next.map(AtomicU64::new)))
    }

    /// Takes over what another file has handed out.
    pub fn raise(&self, db: &Database) -> Outcome<()> {
        let other = Self::load(db)?;
        for sequence in SEQUENCES {
            self.of(sequence).fetch_max(other.next(sequence), Ordering::Relaxed);
        }
        Ok(())
    }

    /// The number to hand out next.
    pub fn next(&self, sequence: Sequence) -> u64 {
        self.of(sequence).load(Ordering::Relaxed)
    }

    pub fn allocate(&self, sequence: Sequence, count: u64) -> u64 {
        self.of(sequence).fetch_add(count, Ordering::Relaxed)
    }

    /// Numbers that a commit used without having been given them (an import of records) are not handed out either.
    pub fn used(&self, sequence: Sequence, number: u64) {
        self.of(sequence).fetch_max(number.saturating_add(1), Ordering::Relaxed);
    }

    fn of(&self, sequence: Sequence) -> &AtomicU64 {
        match sequence {
            Sequence::User => &self.0[0],
            Sequence::App => &self.0[1],
            Sequence::Account => &self.0[2],
            Sequence::Request => &self.0[3],
            Sequence::Job => &self.0[4],
            Sequence::Delegation => &self.0[5],
        }
    }
}
