//! A trail as a file of JSON lines, which can be verified by itself: a first line that says what it goes on from, a line
//! for every entry with its place in the chain, and a last line with a signed head, so that a cut file is noticed. It
//! never reads or writes a file.

use super::chain::{AuditEntry, ChainId, Payload, Place};
use super::head::{AuditHead, Signed};
use super::verify::{Breach, Checkpoint, Finding, Verdict, Verifier};
use crate::{Digest, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The layout of the file. Raised when older readers would misread it.
const LAYOUT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportStart {
    /// The layout of the file.
    pub gatehouse_audit_export: u32,
    /// What the first entry goes on from; none: it is the first of its trail.
    pub after: Option<Place>,
    /// Where the trail begins, if that is what it goes on from.
    pub checkpoint: Option<Checkpoint>,
}

impl ExportStart {
    /// Of a file whose first entry goes on from here.
    pub fn new(after: Option<Place>, checkpoint: Option<Checkpoint>) -> Self {
        let checkpoint = checkpoint.filter(|checkpoint| Some(checkpoint.head.place()) == after);
        Self { gatehouse_audit_export: LAYOUT, after, checkpoint }
    }
}

/// The last line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportEnd {
    /// The last entry of the file, signed.
    pub head: AuditHead,
}

/// The line of an entry. The record stands in it byte for byte as its hash was taken of it.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    sequence: u64,
    chain: ChainId,
    at: Timestamp,
    payload_hash: Digest,
    hash: Digest,
    /// In hexadecimal digits; with the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    /// Whom it was about, if it was erased with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased: Option<UserId>,
}

/// The line of an entry, without its line feed. One that cannot be read is written as one that says nothing.
pub fn line(entry: &AuditEntry) -> String {
    let (salt, record, erased) = match &entry.payload {
        Payload::Kept { salt, text } => (Some(hex::encode(salt)), serde_json::from_str(text).ok(), None),
        Payload::Erased { person } => (None, None, Some(*person)),
        Payload::Unreadable => (None, None, None),
    };
    let AuditEntry { sequence, chain, at, payload_hash, hash, .. } = *entry;
    serde_json::to_string(&Line { sequence, chain, at, payload_hash, hash, salt, record, erased }).unwrap_or_default()
}

/// An entry of a line.
fn entry(text: &str) -> Option<AuditEntry> {
    let Line { sequence, chain, at, payload_hash, hash, salt, record, erased } = serde_json::from_str(text).ok()?;
    let salt = salt.and_then(|salt| hex::decode(salt).ok()?.try_into().ok());
    let payload = match (erased, salt, record) {
        (Some(person), None, None) => Payload::Erased { person },
        (None, Some(salt), Some(record)) => Payload::Kept { salt, text: record.get().to_owned() },
        _ => Payload::Unreadable,
    };
    Some(AuditEntry { chain, sequence, at, payload_hash, hash, payload })
}

/// Looks at a file, line by line.
#[derive(Debug)]
pub struct ExportVerifier {
    verifier: Verifier,
    last: Option<Place>,
    end: Option<AuditHead>,
    /// The number of the line that cannot be read, and what comes after the end.
    bad: Option<(u64, String)>,
    lines: u64,
}

impl ExportVerifier {
    /// A file that begins with this line. `heads` were taken of the trail.
    ///
    /// # Errors
    /// It is no export, or one of a newer Gatehouse.
    pub fn new(first_line: &str, heads: Vec<AuditHead>) -> Result<Self, String> {
        let start: ExportStart = serde_json::from_str(first_line)
            .map_err(|_| "it does not begin as `gatehouse audit export` writes it".to_owned())?;
        if start.gatehouse_audit_export > LAYOUT {
            return Err("a newer Gatehouse wrote it: use that version to verify it".to_owned());
        }
        let trusted = heads.first().map(|head| head.public_key);
        let mut verifier = match start.checkpoint {
            Some(checkpoint) => Verifier::new(Some(checkpoint), heads, trusted),
            None => Verifier::going_on_from(start.after, heads, trusted),
        };
        if let (Some(after), true) = (start.after, verifier.is_without_checkpoint()) {
            verifier.note(format!("what was before record {} is not in this file", after.sequence + 1));
        }
        Ok(Self { verifier, last: None, end: None, bad: None, lines: 1 })
    }

    /// Looks at the next line.
    pub fn push(&mut self, text: &str) {
        self.lines += 1;
        if self.bad.is_some() || text.trim().is_empty() {
            return;
        }
        if self.end.is_some() {
            self.bad = Some((self.lines, "stands behind the end of the export".to_owned()));
        } else if let Ok(end) = serde_json::from_str::<ExportEnd>(text) {
            self.end = Some(end.head);
        } else if let Some(entry) = entry(text) {
            self.last = Some(entry.place());
            self.verifier.push(entry);
        } else {
            self.bad = Some((self.lines, "is no line of an export".to_owned()));
        }
    }

    /// What it has come to.
    pub fn finish(self) -> Verdict {
        let next = self.last.map_or(1, |place| place.sequence + 1);
        let mut verdict = self.verifier.finish();
        let found = |sequence, breach, why: String| Finding { sequence, breach, why };
        let end = match (&self.bad, &self.end) {
            (Some((line, what)), _) => Some(found(next, Breach::Changed, format!("line {line} {what}"))),
            (None, None) => {
                Some(found(next, Breach::CutOff, "the file has no end: it was cut, or is not whole".to_owned()))
            }
            (None, Some(head)) => match head.check(Signed::Head, None) {
                Err(bad) => Some(found(next, Breach::BadSignature, format!("the end is not to be trusted: {bad}"))),
                Ok(()) if verdict.valid && self.last.is_some_and(|last| last != head.place()) => {
                    let why = format!("the end says that the last record is {}", head.sequence);
                    Some(found(next, Breach::CutOff, why))
                }
                Ok(()) => None,
            },
        };
        verdict.valid &= end.is_none();
        verdict.findings.extend(end);
        verdict
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Actor;
    use crate::audit::{AuditKey, AuditRecord};

    fn export(count: u64) -> Vec<String> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for no in 0..count {
            let last = entries.last().map(|last| (last.place(), last.at));
            let mut record = AuditRecord::new(Timestamp::UNIX_EPOCH, &Actor::host(), "test", format!("\"{no}\" ü"));
            record.changes =
                crate::audit::differences(None, Some(&serde_json::json!({"share": 0.1, "count": u64::MAX})));
            entries.push(AuditEntry::append(last, ChainId([1; 16]), [no as u8; 16], &record));
        }
        entries[2] = entries[2].clone().erased(UserId(4));
        let head =
            AuditKey::new([7; 32]).sign(Signed::Head, entries[count as usize - 1].place(), Timestamp::UNIX_EPOCH);
        let mut lines = vec![serde_json::to_string(&ExportStart::new(None, None)).unwrap()];
        lines.extend(entries.iter().map(line));
        lines.push(serde_json::to_string(&ExportEnd { head }).unwrap());
        lines
    }

    fn verified(lines: &[String]) -> Option<(u64, Breach)> {
        let mut verifier = ExportVerifier::new(&lines[0], Vec::new()).unwrap();
        lines[1..].iter().for_each(|line| verifier.push(line));
        let verdict = verifier.finish();
        assert_eq!(verdict.valid, verdict.findings.is_empty());
        verdict.findings.first().map(|finding| (finding.sequence, finding.breach))
    }

    #[test]
    fn a_file_is_verified_by_itself() {
        assert_eq!(verified(&export(6)), None);
    }

    #[test]
    fn a_file_that_somebody_has_been_at_is_not() {
        let whole = export(6);
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = whole.clone();
            change(&mut lines);
            verified(&lines)
        };
        assert_eq!(with(&|lines| lines[4] = lines[4].replace("test", "tost")), Some((4, Breach::Changed)));
        assert_eq!(with(&|lines| drop(lines.remove(4))), Some((4, Breach::Removed)));
        assert_eq!(with(&|lines| lines.swap(1, 5)), Some((1, Breach::Reordered)));
        assert_eq!(with(&|lines| drop(lines.pop())), Some((7, Breach::CutOff)));
        assert_eq!(with(&|lines| drop(lines.remove(6))), Some((6, Breach::CutOff)));
        assert_eq!(with(&|lines| lines[4] = "{}".to_owned()), Some((4, Breach::Changed)));
        assert_eq!(with(&|lines| lines.push(lines[3].clone())), Some((7, Breach::Changed)));
        assert!(ExportVerifier::new(&whole[1], Vec::new()).is_err());
    }
}
