//! Whether a trail is as it was written. Entries are handed in one after the other, as they are found; the first one
//! that was removed, changed, reordered or inserted is named, and which of these it is where that can be told. It reads
//! nothing itself, and changes nothing.

use super::chain::{AuditEntry, ChainId, Payload, Place, link_before};
use super::head::{AuditHead, BadHead, PublicKey, Signed};
use crate::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many records that were removed, with the following ones given their numbers, are still told from changed ones.
const RENUMBERED: u64 = 4096;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// It is not there any more.
    Removed,
    /// It says something else than was written, or was replaced.
    Changed,
    /// It stands in another's place.
    Reordered,
    /// It was never written by the host.
    Inserted,
    /// It and all after it are gone, although a head says that they were there.
    CutOff,
    /// It, or one after it, was written anew, with all that follow: a head says what was there.
    Rewritten,
    /// A head or a checkpoint is not what it says.
    BadSignature,
}

/// The first bad record, or what a head has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The number of the record.
    pub sequence: u64,
    /// What became of it.
    pub breach: Breach,
    /// In words.
    pub why: String,
}

/// Where a trail begins because what was before has been dropped, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last record that was dropped.
    #[serde(flatten)]
    pub head: AuditHead,
    /// How many have been dropped in all.
    pub dropped: u64,
}

/// What a verification has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether nothing was found.
    pub valid: bool,
    /// How many records were looked at.
    pub records: u64,
    /// How many of them say nothing any more, because they were erased with the person they were about.
    pub erased: u64,
    /// How many have been dropped, as the checkpoint says that the trail begins with.
    pub dropped: u64,
    /// The last record, if there is one.
    pub last: Option<Place>,
    /// What is wrong: the first bad record, and what heads say.
    pub findings: Vec<Finding>,
    /// What could not be checked.
    pub notes: Vec<String>,
}

/// Looks at a trail, entry by entry.
#[derive(Debug)]
pub struct Verifier {
    trusted: Option<PublicKey>,
    heads: Vec<AuditHead>,
    checkpoint: Option<Checkpoint>,
    last: Option<Place>,
    /// The place before the last.
    prior: Option<Place>,
    /// The last number of every chain, as far as it holds.
    ends: BTreeMap<ChainId, u64>,
    /// The highest number on which a head agreed.
    agreed: u64,
    records: u64,
    erased: u64,
    suspect: Option<Suspect>,
    findings: Vec<Finding>,
    notes: Vec<String>,
}

/// A record that is not what should be in its place, until it is known what became of it.
#[derive(Debug)]
struct Suspect {
    /// The place before it.
    before: Option<Place>,
    /// The place before that.
    prior: Option<Place>,
    /// The number that was to come.
    wanted: u64,
    found: AuditEntry,
    /// The one after it.
    next: Option<AuditEntry>,
    /// What should have been there, further on; and whether the trail goes on from there.
    elsewhere: Option<(AuditEntry, Option<bool>)>,
}

impl Verifier {
    /// A trail from its beginning: its first record, or the checkpoint it begins with. `heads` were taken of it before;
    /// `trusted` is the key of its store, where that is known.
    pub fn new(checkpoint: Option<Checkpoint>, heads: Vec<AuditHead>, trusted: Option<PublicKey>) -> Self {
        let place = checkpoint.as_ref().map(|checkpoint| checkpoint.head.place());
        let mut verifier = Self::going_on_from(place, heads, trusted);
        if let Some(checkpoint) = &checkpoint
            && let Err(bad) = checkpoint.head.check(Signed::Checkpoint(checkpoint.dropped), trusted)
        {
            let why = format!("the checkpoint after record {} is not to be trusted: {bad}", checkpoint.head.sequence);
            verifier.find(checkpoint.head.sequence + 1, Breach::BadSignature, why);
        }
        verifier.checkpoint = checkpoint;
        verifier
    }

    /// Part of a trail, from after a place that is taken as it is.
    pub fn going_on_from(place: Option<Place>, heads: Vec<AuditHead>, trusted: Option<PublicKey>) -> Self {
        Self {
            trusted,
            heads,
            checkpoint: None,
            last: place,
            prior: None,
            ends: place.map(|place| (place.chain, place.sequence)).into_iter().collect(),
            agreed: 0,
            records: 0,
            erased: 0,
            suspect: None,
            findings: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether the trail does not begin with a checkpoint.
    pub(super) fn is_without_checkpoint(&self) -> bool {
        self.checkpoint.is_none()
    }

    /// Has something that could not be checked be told.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Looks at the next entry.
    pub fn push(&mut self, entry: AuditEntry) {
        self.records += 1;
        self.erased += u64::from(matches!(entry.payload, Payload::Erased { .. }));
        if let Some(suspect) = &mut self.suspect {
            return suspect.learn(entry);
        }
        if self.findings.iter().any(|finding| finding.breach == Breach::Changed) {
            return;
        }
        let wanted = self.last.map_or(0, |place| place.sequence) + 1;
        let fits = entry.sequence == wanted && entry.follows(link_before(self.last, entry.chain), wanted);
        if !fits {
            self.suspect = Some(Suspect::new(self.last, self.prior, entry));
        } else if entry.says_what_was_written() {
            self.compare(entry.place());
            self.ends.insert(entry.chain, entry.sequence);
            self.prior = self.last.replace(entry.place());
        } else {
            let why = format!("record {wanted} does not say what was written");
            self.find(wanted, Breach::Changed, why);
        }
    }

    /// Compares what is there with heads of the same place.
    fn compare(&mut self, place: Place) {
        let of_place = self.heads.iter().filter(|head| (head.chain, head.sequence) == (place.chain, place.sequence));
        let differs = of_place.clone().find(|head| head.hash != place.hash).map(|head| head.at);
        match differs {
            None if of_place.count() > 0 => self.agreed = place.sequence,
            None => {}
            Some(at) => {
                let first = self.agreed + 1;
                let why = format!(
                    "the head of {at} does not agree with record {}: records from {first} on were written anew",
                    place.sequence
                );
                self.find(first, Breach::Rewritten, why);
            }
        }
    }

    fn find(&mut self, sequence: u64, breach: Breach, why: String) {
        self.findings.push(Finding { sequence, breach, why });
    }

    /// What it has come to, at the end of the trail.
    pub fn finish(mut self) -> Verdict {
        if let Some(suspect) = self.suspect.take() {
            self.findings.push(suspect.verdict());
        }
        for head in std::mem::take(&mut self.heads) {
            self.judge(&head);
        }
        self.findings.sort_by_key(|finding| finding.sequence);
        self.findings.dedup();
        Verdict {
            valid: self.findings.is_empty(),
            records: self.records,
            erased: self.erased,
            dropped: self.checkpoint.map_or(0, |checkpoint| checkpoint.dropped),
            last: self.last,
            findings: self.findings,
            notes: self.notes,
        }
    }

    /// What a head says about the end of its chain.
    fn judge(&mut self, head: &AuditHead) {
        let AuditHead { sequence, at, chain, .. } = *head;
        match head.check(Signed::Head, self.trusted) {
            Err(BadHead::Signature) => {
                let why = format!("the head of {at} is not to be trusted: {}", BadHead::Signature);
                return self.find(sequence, Breach::BadSignature, why);
            }
            Err(BadHead::OtherKey) => {
                let why = format!("the head of {at} is of another store, or that store's key was replaced");
                return self.find(sequence, Breach::BadSignature, why);
            }
            Ok(()) => {}
        }
        let broken = self.findings.iter().any(|finding| finding.breach != Breach::BadSignature);
        let end = self.ends.get(&chain).copied().unwrap_or(0);
        let dropped = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.head.sequence);
        if sequence > end && sequence > dropped && !broken {
            let newest = self.last.is_some_and(|last| last.chain != chain);
            let why = match newest {
                true => format!(
                    "the head of {at} says that there were {sequence} records; those from {} on are missing, and the \
                     trail goes on as another chain, as after a restore",
                    end + 1
                ),
                false => format!(
                    "the head of {at} says that there were {sequence} records; those from {} on are missing",
                    end + 1
                ),
            };
            self.find(end + 1, Breach::CutOff, why);
        } else if sequence > end && !broken || sequence > 0 && sequence < dropped {
            self.notes.push(format!("the head of {at} is older than what has been dropped: it says nothing any more"));
        } else if sequence == dropped && self.checkpoint.as_ref().is_some_and(|c| c.head.hash != head.hash) {
            let why = format!("the head of {at} does not agree with the checkpoint after record {dropped}");
            self.find(sequence, Breach::Rewritten, why);
        } else if broken {
            self.notes.push(format!("the head of {at} was not compared: the trail is broken before its place"));
        }
    }
}

impl Suspect {
    fn new(before: Option<Place>, prior: Option<Place>, found: AuditEntry) -> Self {
        let wanted = before.map_or(0, |place| place.sequence) + 1;
        Self { before, prior, wanted, found, next: None, elsewhere: None }
    }

    /// Looks further on for what should have been in its place.
    fn learn(&mut self, entry: AuditEntry) {
        match &mut self.elsewhere {
            Some((found, goes_on @ None)) => *goes_on = Some(entry.follows(found.hash, self.wanted + 1)),
            Some(_) => {}
            None if entry.follows(link_before(self.before, entry.chain), self.wanted) => {
                self.elsewhere = Some((entry.clone(), None));
            }
            None => {}
        }
        if self.next.is_none() {
            self.next = Some(entry);
        }
    }

    fn verdict(&self) -> Finding {
        let wanted = self.wanted;
        let finding = |sequence, breach, why| Finding { sequence, breach, why };
        if self.is_after_an_inserted_one() {
            let why = format!("record {} was never written: what was is one further on", wanted - 1);
            return finding(wanted - 1, Breach::Inserted, why);
        }
        let Some((there, goes_on)) = &self.elsewhere else {
            let (breach, why) = self.alone();
            return finding(wanted, breach, why);
        };
        let further = there.sequence.saturating_sub(wanted);
        let is_inserted = match goes_on {
            Some(goes_on) => *goes_on,
            None => further == 1 && !self.found.follows(there.hash, wanted + 1),
        };
        if is_inserted && further > 0 && self.found.sequence == wanted {
            let why = format!("record {wanted} was never written: what was is {further} further on");
            return finding(wanted, Breach::Inserted, why);
        }
        let other = self.other_place(there);
        let why = format!("what was written as record {wanted} stands where record {other} should");
        finding(wanted, Breach::Reordered, why)
    }

    /// Whether it is what was written in the place before it: whoever put something there computed its link, too.
    fn is_after_an_inserted_one(&self) -> bool {
        let before = link_before(self.prior, self.found.chain);
        self.wanted > 1 && self.found.sequence == self.wanted && self.found.follows(before, self.wanted - 1)
    }

    /// By its number, or by the one it stands behind where numbers are part of what was moved.
    fn other_place(&self, there: &AuditEntry) -> String {
        if there.sequence == self.wanted { self.found.sequence.to_string() } else { there.sequence.to_string() }
    }

    /// What became of a record that is nowhere.
    fn alone(&self) -> (Breach, String) {
        let (wanted, found) = (self.wanted, &self.found);
        if found.sequence > wanted {
            let last = found.sequence - 1;
            let which =
                if last == wanted { format!("record {wanted} is") } else { format!("records {wanted} to {last} are") };
            return (Breach::Removed, format!("{which} missing"));
        }
        if found.sequence < wanted {
            return (
                Breach::Inserted,
                format!("a second record {} stands where record {wanted} should", found.sequence),
            );
        }
        if found.payload == Payload::Unreadable {
            return (Breach::Changed, format!("record {wanted} cannot be read"));
        }
        if let Some(count) = self.renumbered() {
            let which = if count == 1 { "a record was".to_owned() } else { format!("{count} records were") };
            return (Breach::Removed, format!("{which} removed here, and those after given their numbers"));
        }
        if !found.says_what_was_written() {
            return (Breach::Changed, format!("record {wanted} does not say what was written"));
        }
        (
            Breach::Changed,
            format!("record {wanted} does not follow from the one before it: one of the two was replaced"),
        )
    }

    /// How many records were removed, if the two that are here were written right behind each other, further on.
    fn renumbered(&self) -> Option<u64> {
        let next = self.next.as_ref()?;
        let before = link_before(Some(self.found.place()), next.chain);
        let has = |count: &u64| next.chain == self.found.chain && next.follows(before, self.wanted + 1 + count);
        (1..=RENUMBERED).find(has).filter(|_| self.found.hash != Digest::default())
    }
}

#[cfg(test)]
mod tests;
