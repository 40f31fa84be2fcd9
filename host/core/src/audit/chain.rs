//! The chain: each record's link is a hash over the one before it, its place and the hash of what it says. It covers
//! *hashes* of payloads, so that what is said of a person can be erased without breaking it. Pure: salts, chain ids and
//! times are passed in.
//!
//! - payload hash = SHA-256(`gatehouse audit payload 1` ‖ salt ‖ payload). The payload is a record as JSON, byte for
//!   byte as it is kept; the salt is 16 random bytes that go with it: what is said of people could be guessed from a
//!   plain hash.
//! - link = SHA-256(`gatehouse audit link 1` ‖ link before ‖ chain id ‖ sequence number ‖ time ‖ payload hash), with
//!   numbers in big-endian bytes and the time in nanoseconds since 1970.
//! - The link before the first one of a chain = SHA-256(`gatehouse audit chain 1` ‖ chain id ‖ what it goes on from).

use super::AuditRecord;
use crate::{BadId, Digest, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// What makes the hash of a payload one that cannot be guessed. Random, and erased with the payload.
pub type Salt = [u8; 16];

/// Names a chain: whoever writes to a trail has one of their own, given once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub [u8; 16]);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for ChainId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| BadId::new(text, "chain", "32 hexadecimal digits"))
    }
}

impl Serialize for ChainId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChainId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A place in a trail: what the next record goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The chain.
    pub chain: ChainId,
    /// The number of the last record; 0 before the first one.
    pub sequence: u64,
    /// Its link.
    pub hash: Digest,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// This: a record as JSON.
    Kept {
        /// What its hash is salted with.
        salt: Salt,
        /// The record.
        text: String,
    },
    /// Nothing any more: it was erased, with the person it was about.
    Erased {
        /// Their number.
        person: UserId,
    },
    /// What is there cannot be read: somebody has changed it.
    Unreadable,
}

/// An entry of the trail: a record and its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The chain it belongs to.
    pub chain: ChainId,
    /// Its number, from 1. A chain that goes on from another one goes on with its numbers.
    pub sequence: u64,
    /// The chain's time: that of the record, but never before that of the entry before.
    pub at: Timestamp,
    /// The hash of what it says.
    pub payload_hash: Digest,
    /// Its link.
    pub hash: Digest,
    /// What it says.
    pub payload: Payload,
}

impl AuditEntry {
    /// Appends a record to what is there: `last` is the place and the time of the newest entry. A chain that is not the
    /// newest entry's begins here.
    pub fn append(last: Option<(Place, Timestamp)>, chain: ChainId, salt: Salt, record: &AuditRecord) -> Self {
        // Records serialise without fail; one that did not would be noticed as unreadable.
        let text = serde_json::to_string(record).unwrap_or_default();
        let payload_hash = payload_hash(&salt, text.as_bytes());
        let at = last.map_or(record.at, |(_, before)| record.at.max(before));
        let sequence = last.map_or(0, |(place, _)| place.sequence) + 1;
        let before = link_before(last.map(|(place, _)| place), chain);
        let hash = link(before, chain, sequence, at, payload_hash);
        Self { chain, sequence, at, payload_hash, hash, payload: Payload::Kept { salt, text } }
    }

    /// Where the next one goes on from.
    pub fn place(&self) -> Place {
        Place { chain: self.chain, sequence: self.sequence, hash: self.hash }
    }

    /// The record, if it has not been erased and can be read.
    pub fn record(&self) -> Option<AuditRecord> {
        match &self.payload {
            Payload::Kept { text, .. } => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    /// Whom it is about.
    pub fn person(&self) -> Option<UserId> {
        match &self.payload {
            Payload::Erased { person } => Some(*person),
            _ => self.record().and_then(|record| record.person),
        }
    }

    /// The same without what it says.
    #[must_use]
    pub fn erased(self, person: UserId) -> Self {
        Self { payload: Payload::Erased { person }, ..self }
    }

    /// Whether what it says is what its hash was taken of. What was erased cannot tell.
    pub fn says_what_was_written(&self) -> bool {
        match &self.payload {
            Payload::Kept { salt, text } => payload_hash(salt, text.as_bytes()) == self.payload_hash,
            Payload::Erased { .. } => true,
            Payload::Unreadable => false,
        }
    }

    /// Whether it would follow a link at this place of its chain.
    pub(super) fn follows(&self, before: Digest, sequence: u64) -> bool {
        link(before, self.chain, sequence, self.at, self.payload_hash) == self.hash
    }
}

/// What the first link after a place goes on from: the last one's link within a chain, or where a new chain begins.
pub fn link_before(last: Option<Place>, chain: ChainId) -> Digest {
    match last {
        Some(last) if last.chain == chain => last.hash,
        other => beginning(chain, other),
    }
}

/// The hash of a payload.
pub fn payload_hash(salt: &Salt, payload: &[u8]) -> Digest {
    digest(&[b"gatehouse audit payload 1", salt, payload])
}

fn link(before: Digest, chain: ChainId, sequence: u64, at: Timestamp, payload_hash: Digest) -> Digest {
    let (sequence, at) = (sequence.to_be_bytes(), at.as_nanosecond().to_be_bytes());
    digest(&[b"gatehouse audit link 1", &before.0, &chain.0, &sequence, &at, &payload_hash.0])
}

fn beginning(chain: ChainId, from: Option<Place>) -> Digest {
    let from = from.unwrap_or(Place { chain: ChainId::default(), sequence: 0, hash: Digest::default() });
    digest(&[b"gatehouse audit chain 1", &chain.0, &from.chain.0, &from.sequence.to_be_bytes(), &from.hash.0])
}

fn digest(parts: &[&[u8]]) -> Digest {
    let mut sum = Sha256::new();
    parts.iter().for_each(|part| sum.update(part));
    Digest(sum.finalize().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Actor;

    fn record(second: i64, subject: &str) -> AuditRecord {
        AuditRecord::new(Timestamp::from_second(second).unwrap(), &Actor::host(), "test", subject)
    }

    #[test]
    fn the_hashes_are_as_they_are_written_down() {
        // Computed apart from this code (docs/audit.md says how): a change of any of them would break every trail.
        let entry = AuditEntry::append(None, ChainId([7; 16]), [9; 16], &record(1, "a"));
        let Payload::Kept { text, .. } = &entry.payload else { panic!() };
        assert_eq!(text, r#"{"at":"1970-01-01T00:00:01Z","actor":"gatehouse","action":"test","subject":"a"}"#);
        assert_eq!(entry.payload_hash.to_string(), "8d49f7abf5d5f910b9e5eca746090b649407d44b8e7a981e153b48e3ac06dda5");
        assert_eq!(entry.hash.to_string(), "54bfdbaa60112e82de633ef63c83587e791d385b7ed00c78c073e3470974a1b9");
    }

    #[test]
    fn time_never_goes_back_in_a_chain() {
        let first = AuditEntry::append(None, ChainId([1; 16]), [0; 16], &record(10, "a"));
        let second = AuditEntry::append(Some((first.place(), first.at)), ChainId([1; 16]), [0; 16], &record(5, "b"));
        assert_eq!((second.sequence, second.at), (2, first.at));
        assert_eq!(second.record().unwrap().at.as_second(), 5, "the record keeps its own");
    }

    #[test]
    fn what_is_said_cannot_be_told_from_its_hash_without_the_salt() {
        let one = AuditEntry::append(None, ChainId([1; 16]), [1; 16], &record(1, "a"));
        let two = AuditEntry::append(None, ChainId([1; 16]), [2; 16], &record(1, "a"));
        assert_ne!(one.payload_hash, two.payload_hash);
        assert!(one.says_what_was_written() && two.erased(UserId(1)).says_what_was_written());
        let forged = AuditEntry { payload: Payload::Kept { salt: [1; 16], text: "{}".to_owned() }, ..one };
        assert!(!forged.says_what_was_written());
    }
}
