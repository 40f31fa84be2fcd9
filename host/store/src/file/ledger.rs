//! The answers remembered for idempotency keys, and the counters of the file; the audit trail is in [`super::trail`]. It
//! never changes an entry, and removes none but answers that it is told to forget.

use super::fault::{Outcome, damaged};
use super::record::{encode, fetch};
use super::tables::{IDEMPOTENCY, IDEMPOTENCY_BY_TIME, META, Record};
use super::trail::Trail;
use gatehouse_core::ports::{RememberedAnswer, Sequence, StoreError};
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

/// Counters in `META`. Those of sequences hold the next number to hand out.
pub(super) const EPOCH: &str = "directory epoch";
/// Fencing tokens below this one may have been handed out.
pub(super) const FENCE: &str = "fencing tokens";
pub(super) const SEQUENCES: [Sequence; 6] =
    [Sequence::User, Sequence::App, Sequence::Account, Sequence::Request, Sequence::Job, Sequence::Delegation];

/// The name of a sequence's counter.
pub(super) fn counter(sequence: Sequence) -> &'static str {
    match sequence {
        Sequence::User => "next user",
        Sequence::App => "next app",
        Sequence::Account => "next account",
        Sequence::Request => "next request",
        Sequence::Job => "next job",
        Sequence::Delegation => "next delegation",
    }
}

pub(super) struct Ledger<'t> {
    pub(super) meta: Table<'t, &'static str, Record>,
    pub(super) trail: Trail<'t>,
    idempotency: Table<'t, &'static str, Record>,
    by_time: Table<'t, (i128, &'static str), ()>,
}

impl<'t> Ledger<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            meta: txn.open_table(META)?,
            trail: Trail::open(txn)?,
            idempotency: txn.open_table(IDEMPOTENCY)?,
            by_time: txn.open_table(IDEMPOTENCY_BY_TIME)?,
        })
    }

    pub fn number(&self, name: &str) -> Outcome<u64> {
        number(&self.meta, name)
    }

    pub fn set_number(&mut self, name: &str, number: u64) -> Outcome<()> {
        self.meta.insert(name, number.to_be_bytes().as_slice())?;
        Ok(())
    }

    pub fn set_bytes(&mut self, name: &str, bytes: &[u8]) -> Outcome<()> {
        self.meta.insert(name, bytes)?;
        Ok(())
    }

    /// Notes that numbers up to this one have been used.
    pub fn used(&mut self, sequence: Sequence, number: u64) -> Outcome<()> {
        let next = number.saturating_add(1);
        if self.number(counter(sequence))? < next { self.set_number(counter(sequence), next) } else { Ok(()) }
    }

    pub fn check(&self, idempotency: &[RememberedAnswer]) -> Outcome<()> {
        for RememberedAnswer { key, .. } in idempotency {
            if self.idempotency.get(key.as_str())?.is_some() {
                return Err(StoreError::Duplicate { what: format!("the answer for idempotency key `{key}`") }.into());
            }
        }
        Ok(())
    }

    pub fn apply(&mut self, idempotency: Vec<RememberedAnswer>) -> Outcome<()> {
        for RememberedAnswer { key, at, answer } in idempotency {
            self.idempotency.insert(key.as_str(), encode(&answer)?.as_slice())?;
            self.by_time.insert((at.as_nanosecond(), key.as_str()), ())?;
        }
        Ok(())
    }

    /// Forgets answers; those that are not there are forgotten already.
    pub fn forget(&mut self, answers: Vec<(Timestamp, String)>) -> Outcome<()> {
        for (at, key) in answers {
            if self.by_time.remove((at.as_nanosecond(), key.as_str()))?.is_some() {
                self.idempotency.remove(key.as_str())?;
            }
        }
        Ok(())
    }

    /// Gives a time to answers of a file that was written before they had one: that of its last audit record, for they
    /// are no younger.
    pub fn date_answers(&mut self) -> Outcome<()> {
        if self.by_time.len()? == self.idempotency.len()? {
            return Ok(());
        }
        let at = self.trail.newest()?.map_or(0, |at| at.as_nanosecond());
        let mut dated = std::collections::BTreeSet::new();
        for entry in self.by_time.iter()? {
            dated.insert(entry?.0.value().1.to_owned());
        }
        for entry in self.idempotency.iter()? {
            let key = entry?.0;
            if !dated.contains(key.value()) {
                self.by_time.insert((at, key.value()), ())?;
            }
        }
        Ok(())
    }
}

/// A number in `META`, 0 if there is none.
pub(super) fn number(meta: &impl ReadableTable<&'static str, Record>, name: &str) -> Outcome<u64> {
    let Some(bytes) = meta.get(name)? else { return Ok(0) };
    let bytes = bytes.value().try_into().map_err(|_| damaged(&format!("`{name}` is no number")))?;
    Ok(u64::from_be_bytes(bytes))
}

pub(super) fn directory_epoch(txn: &ReadTransaction) -> Outcome<u64> {
    number(&txn.open_table(META)?, EPOCH)
}

pub(super) fn answers_before(
    txn: &ReadTransaction,
    before: Timestamp,
    limit: usize,
) -> Outcome<Vec<(Timestamp, String)>> {
    let table = txn.open_table(IDEMPOTENCY_BY_TIME)?;
    let old = table.range(..(before.as_nanosecond(), ""))?.take(limit).map(|entry| {
        let key = entry?.0;
        let (at, key) = key.value();
        let at = Timestamp::from_nanosecond(at).map_err(|_| damaged("an answer of no time"))?;
        Ok((at, key.to_owned()))
    });
    old.collect()
}

pub(super) fn idempotent(txn: &ReadTransaction, key: &str) -> Outcome<Option<serde_json::Value>> {
    fetch(&txn.open_table(IDEMPOTENCY)?, key)
}
