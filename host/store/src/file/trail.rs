//! The audit trail in the file: appended to and chained in the commit of what it records. What an entry says is removed
//! only with the person it is about, an entry only from the beginning and with a checkpoint in its place; its place in
//! the chain never changes.
//!
//! An entry: the byte 2, the chain (16 bytes), the time (16), the hash of the payload (32), the link (32), and either 1,
//! the salt (16) and the record as JSON, or 0 and the number of the person with whom it was erased (8). Numbers are
//! big-endian. The byte 1 begins a record of before there were chains.

use super::credentials::no_randomness;
use super::fault::{Outcome, damaged};
use super::ledger::Ledger;
use super::record::{decode, encode};
use super::tables::{AUDIT, AUDIT_INDEX, DENIALS, Record};
use crate::vault::{DataKey, new_audit_key, random_name};
use gatehouse_core::audit::chain::Place;
use gatehouse_core::audit::denials::{DenialKey, Window, coalesce, counted_as};
use gatehouse_core::audit::{AuditEntry, AuditKey, ChainId, Checkpoint, Denials, Payload, Salt, Signed};
use gatehouse_core::ports::TrailChange;
use gatehouse_core::{AuditRecord, Digest, UserId};
use jiff::Timestamp;
use redb::{ReadableTable, Table, WriteTransaction};

/// In `META`: the chain that this store writes.
pub(super) const CHAIN: &str = "audit chain";
/// In `META`: the key that heads are signed with, sealed under the data key.
pub(super) const KEY: &str = "audit key";
/// In `META`: what the trail begins with.
pub(super) const CHECKPOINT: &str = "audit checkpoint";

const ENTRY: u8 = 2;
const OLDER: u8 = 1;
const ERASED: u8 = 0;
const KEPT: u8 = 1;

/// What indexes are of, in their keys. Part of the file format.
pub(super) const BY_ACTOR: u8 = 1;
pub(super) const BY_ACTION: u8 = 2;
pub(super) const BY_APP: u8 = 3;
pub(super) const BY_REQUEST: u8 = 4;
pub(super) const BY_PERSON: u8 = 5;

/// A number in the key of an index.
pub(super) fn number_key(number: u64) -> String {
    format!("{number:016x}")
}

fn write(entry: &AuditEntry) -> Vec<u8> {
    let mut bytes = vec![ENTRY];
    bytes.extend(entry.chain.0);
    bytes.extend(entry.at.as_nanosecond().to_be_bytes());
    bytes.extend(entry.payload_hash.0);
    bytes.extend(entry.hash.0);
    match &entry.payload {
        Payload::Kept { salt, text } => {
            bytes.push(KEPT);
            bytes.extend(salt);
            bytes.extend(text.as_bytes());
        }
        Payload::Erased { person } => {
            bytes.push(ERASED);
            bytes.extend(person.0.to_be_bytes());
        }
        // Never written: it stands for what could not be read.
        Payload::Unreadable => {}
    }
    bytes
}

/// Cuts a field off the beginning.
fn cut<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (field, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*field)
}

/// An entry of these bytes, if they are one.
fn read(sequence: u64, mut bytes: &[u8]) -> Option<AuditEntry> {
    let bytes = &mut bytes;
    if cut::<1>(bytes)? != [ENTRY] {
        return None;
    }
    let chain = ChainId(cut(bytes)?);
    let at = Timestamp::from_nanosecond(i128::from_be_bytes(cut(bytes)?)).ok()?;
    let (payload_hash, hash) = (Digest(cut(bytes)?), Digest(cut(bytes)?));
    let payload = match cut::<1>(bytes)? {
        [KEPT] => Payload::Kept { salt: cut(bytes)?, text: std::str::from_utf8(bytes).ok()?.to_owned() },
        [ERASED] => Payload::Erased { person: UserId(u64::from_be_bytes((*bytes).try_into().ok()?)) },
        _ => return None,
    };
    Some(AuditEntry { chain, sequence, at, payload_hash, hash, payload })
}

/// As it is found: what cannot be read is unreadable.
pub(super) fn as_found(sequence: u64, bytes: &[u8]) -> AuditEntry {
    read(sequence, bytes).unwrap_or_else(|| AuditEntry {
        chain: ChainId::default(),
        sequence,
        at: Timestamp::UNIX_EPOCH,
        payload_hash: Digest::default(),
        hash: Digest::default(),
        payload: Payload::Unreadable,
    })
}

/// An entry that is to be there, and to be one.
pub(super) fn entry(sequence: u64, bytes: &[u8]) -> Outcome<AuditEntry> {
    read(sequence, bytes).ok_or_else(|| damaged(&format!("record {sequence} of the audit trail cannot be read")))
}

pub(super) struct Trail<'t> {
    entries: Table<'t, u64, Record>,
    index: Table<'t, (u8, &'static str, u64), ()>,
    denials: Table<'t, (u64, &'static str), Record>,
}

impl<'t> Trail<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            entries: txn.open_table(AUDIT)?,
            index: txn.open_table(AUDIT_INDEX)?,
            denials: txn.open_table(DENIALS)?,
        })
    }

    /// The newest entry's place and time.
    fn last(&self, checkpoint: Option<&Checkpoint>) -> Outcome<Option<(Place, Timestamp)>> {
        let last = self.entries.last()?.map(|(no, bytes)| entry(no.value(), bytes.value())).transpose()?;
        let dropped = || checkpoint.map(|checkpoint| (checkpoint.head.place(), Timestamp::MIN));
        Ok(last.map(|entry| (entry.place(), entry.at)).or_else(dropped))
    }

    /// When the newest entry is from.
    pub fn newest(&self) -> Outcome<Option<Timestamp>> {
        Ok(self.last(None)?.map(|(_, at)| at))
    }

    fn append(&mut self, chain: ChainId, checkpoint: Option<&Checkpoint>, records: &[AuditRecord]) -> Outcome<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut last = self.last(checkpoint)?;
        for record in records {
            let entry = AuditEntry::append(last, chain, salt()?, record);
            self.put(&entry, Some(record))?;
            last = Some((entry.place(), entry.at));
        }
        Ok(())
    }

    fn put(&mut self, entry: &AuditEntry, record: Option<&AuditRecord>) -> Outcome<()> {
        self.entries.insert(entry.sequence, write(entry).as_slice())?;
        for (of, value) in record.map(indexed).unwrap_or_default() {
            self.index.insert((of, value.as_str(), entry.sequence), ())?;
        }
        Ok(())
    }

    /// Takes an entry out of the indexes, but perhaps that of people.
    fn unindex(&mut self, entry: &AuditEntry, of_people: bool) -> Outcome<()> {
        let mut keys = entry.record().as_ref().map(indexed).unwrap_or_default();
        if let Payload::Erased { person } = entry.payload {
            keys.push((BY_PERSON, number_key(person.0)));
        }
        for (of, value) in keys.into_iter().filter(|(of, _)| of_people || *of != BY_PERSON) {
            self.index.remove((of, value.as_str(), entry.sequence))?;
        }
        Ok(())
    }

    /// Has no entry say anything of a person any more.
    fn erase(&mut self, person: UserId) -> Outcome<()> {
        let key = number_key(person.0);
        let about = self.index.range((BY_PERSON, key.as_str(), 0)..=(BY_PERSON, key.as_str(), u64::MAX))?;
        let about = about.map(|found| Ok(found?.0.value().2)).collect::<Outcome<Vec<u64>>>()?;
        for no in about {
            let found = self.entries.get(no)?.map(|bytes| entry(no, bytes.value())).transpose()?;
            let Some(found) = found.filter(|found| matches!(found.payload, Payload::Kept { .. })) else { continue };
            self.unindex(&found, false)?;
            self.put(&found.erased(person), None)?;
        }
        Ok(())
    }

    /// Drops entries up to a number: the place of the last of them, and how many those were.
    fn drop_through(&mut self, upto: u64) -> Outcome<Option<(Place, u64)>> {
        let numbers = self.entries.range(..=upto)?.map(|found| Ok(found?.0.value())).collect::<Outcome<Vec<u64>>>()?;
        let mut place = None;
        for no in &numbers {
            let Some(found) = self.entries.remove(*no)?.map(|bytes| as_found(*no, bytes.value())) else { continue };
            self.unindex(&found, true)?;
            place = Some(found.place());
        }
        Ok(place.map(|place| (place, numbers.len() as u64)))
    }

    /// What becomes of denials: records for the trail.
    fn note(&mut self, denials: Denials) -> Outcome<Vec<AuditRecord>> {
        let app = denials.app.map_or(0, |app| app.0);
        let open = self.denials.range((app, "")..(app + 1, ""))?.count();
        let is_open = |key: &DenialKey| self.denials.get((app, text(key).as_str())).is_ok_and(|found| found.is_some());
        let key = counted_as(&denials, open, is_open);
        let known = text(&key);
        let window = self.denials.get((app, known.as_str()))?.map(|bytes| decode(bytes.value())).transpose()?;
        let (records, window) = coalesce(window, denials, key);
        self.denials.insert((app, known.as_str()), encode(&window)?.as_slice())?;
        Ok(records)
    }

    /// Closes windows that are over: the records of what was counted.
    fn close_denials(&mut self, now: Timestamp) -> Outcome<Vec<AuditRecord>> {
        let mut over = Vec::new();
        for found in self.denials.iter()? {
            let (key, bytes) = found?;
            let window: Window = decode(bytes.value())?;
            if window.is_over(now) {
                over.push(((key.value().0, key.value().1.to_owned()), window));
            }
        }
        for ((app, key), _) in &over {
            self.denials.remove((*app, key.as_str()))?;
        }
        Ok(over.iter().filter_map(|(_, window)| window.close()).collect())
    }
}

/// The key of equal denials.
fn text(key: &DenialKey) -> String {
    [key.rule.as_str(), &key.connector, &key.origin].join("\n")
}

fn salt() -> Outcome<Salt> {
    random_name().map_err(no_randomness)
}

/// Where an entry is found by what it says.
fn indexed(record: &AuditRecord) -> Vec<(u8, String)> {
    let mut keys = vec![(BY_ACTOR, record.actor.0.clone()), (BY_ACTION, record.action.clone())];
    keys.extend(record.app.map(|app| (BY_APP, number_key(app.0))));
    keys.extend(record.request.map(|request| (BY_REQUEST, number_key(request.0))));
    keys.extend(record.person.map(|person| (BY_PERSON, number_key(person.0))));
    keys
}

/// The trail as part of the ledger, which has what the file says of itself.
impl Ledger<'_> {
    /// Does everything that a change set does to the trail.
    pub fn record(&mut self, key: &DataKey, trail: TrailChange, mut audit: Vec<AuditRecord>) -> Outcome<()> {
        let mut counted = trail.close_denials.map(|now| self.trail.close_denials(now)).transpose()?.unwrap_or_default();
        for denials in trail.denials {
            counted.append(&mut self.trail.note(denials)?);
        }
        trail.erase.into_iter().try_for_each(|person| self.trail.erase(person))?;
        if let Some((upto, at)) = trail.drop_through {
            self.drop_through(key, upto, at)?;
        }
        audit.splice(0..0, counted);
        if audit.is_empty() {
            return Ok(());
        }
        let (chain, checkpoint) = (self.chain()?, self.checkpoint()?);
        self.trail.append(chain, checkpoint.as_ref(), &audit)
    }

    fn drop_through(&mut self, key: &DataKey, upto: u64, at: Timestamp) -> Outcome<()> {
        let before = self.checkpoint()?.map_or(0, |checkpoint| checkpoint.dropped);
        let Some((place, count)) = self.trail.drop_through(upto)? else { return Ok(()) };
        let dropped = before + count;
        let head = self.audit_key(key)?.sign(Signed::Checkpoint(dropped), place, at);
        self.set_bytes(CHECKPOINT, &encode(&Checkpoint { head, dropped })?)
    }

    fn chain(&self) -> Outcome<ChainId> {
        chain(&self.meta)?.ok_or_else(|| damaged("it names no chain of its audit trail"))
    }

    fn checkpoint(&self) -> Outcome<Option<Checkpoint>> {
        checkpoint(&self.meta)
    }

    fn audit_key(&self, key: &DataKey) -> Outcome<AuditKey> {
        audit_key(&self.meta, key)
    }

    /// Gives the trail what it needs, and chains the records of a file from before there were chains.
    pub fn begin_trail(&mut self, key: &DataKey) -> Outcome<()> {
        if chain(&self.meta)?.is_none() {
            self.set_bytes(CHAIN, &random_name().map_err(no_randomness)?)?;
        }
        if self.meta.get(KEY)?.is_none() {
            let sealed = new_audit_key().and_then(|new| key.seal_audit_key(&new)).map_err(no_randomness)?;
            self.set_bytes(KEY, &sealed)?;
        }
        self.chain_older()
    }

    fn chain_older(&mut self) -> Outcome<()> {
        let older = self.trail.entries.first()?.is_some_and(|(_, bytes)| bytes.value().first() == Some(&OLDER));
        let Some(end) = self.trail.entries.last()?.map(|(no, _)| no.value()).filter(|_| older) else { return Ok(()) };
        let (chain, mut last) = (self.chain()?, None);
        for no in 1..=end {
            let bytes = self.trail.entries.get(no)?.map(|bytes| bytes.value().to_vec());
            let bytes = bytes.ok_or_else(|| damaged(&format!("record {no} of the audit trail is missing")))?;
            let record: AuditRecord = decode(&bytes)?;
            let entry = AuditEntry::append(last, chain, salt()?, &record);
            self.trail.put(&entry, Some(&record))?;
            last = Some((entry.place(), entry.at));
        }
        tracing::info!(records = end, "the audit trail is chained from now on");
        Ok(())
    }

    /// Seals the key of the trail anew.
    pub fn reseal_audit_key(&mut self, old: &DataKey, new: &DataKey) -> Outcome<()> {
        let sealed = new.seal_audit_key(&self.audit_key(old)?).map_err(no_randomness)?;
        self.set_bytes(KEY, &sealed)
    }
}

/// The chain that is written.
fn chain(meta: &impl ReadableTable<&'static str, Record>) -> Outcome<Option<ChainId>> {
    let Some(bytes) = meta.get(CHAIN)? else { return Ok(None) };
    let bytes = bytes.value().try_into().map_err(|_| damaged("the chain of its audit trail has no name"))?;
    Ok(Some(ChainId(bytes)))
}

/// What the trail begins with.
pub(super) fn checkpoint(meta: &impl ReadableTable<&'static str, Record>) -> Outcome<Option<Checkpoint>> {
    meta.get(CHECKPOINT)?.map(|bytes| decode(bytes.value())).transpose()
}

/// The key that heads are signed with.
pub(super) fn audit_key(meta: &impl ReadableTable<&'static str, Record>, key: &DataKey) -> Outcome<AuditKey> {
    let sealed = meta.get(KEY)?.ok_or_else(|| damaged("the key of its audit trail is missing"))?;
    key.open_audit_key(sealed.value()).map_err(|_| damaged("the key of its audit trail does not open"))
}

/// The place before the first entry of a store that has none.
pub(super) fn beginning(meta: &impl ReadableTable<&'static str, Record>) -> Outcome<Place> {
    let chain = chain(meta)?.unwrap_or_default();
    Ok(Place { chain, sequence: 0, hash: Digest::default() })
}
