//! Trails that somebody has been at.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::audit::{AuditKey, AuditRecord};
use crate::{Actor, UserId};
use jiff::Timestamp;

const CHAIN: ChainId = ChainId([1; 16]);

fn key() -> AuditKey {
    AuditKey::new([7; 32])
}

/// So many records, in a chain or two.
fn trail(chains: &[(ChainId, u64)]) -> Vec<AuditEntry> {
    let mut trail: Vec<AuditEntry> = Vec::new();
    for (chain, count) in chains {
        for _ in 0..*count {
            let last = trail.last().map(|last| (last.place(), last.at));
            let at = Timestamp::from_second(trail.len() as i64).unwrap();
            let record = AuditRecord::new(at, &Actor::host(), "test", format!("record {}", trail.len() + 1));
            trail.push(AuditEntry::append(last, *chain, [trail.len() as u8; 16], &record));
        }
    }
    trail
}

/// As a store keeps it: numbers are the keys.
fn numbered(trail: impl IntoIterator<Item = AuditEntry>) -> Vec<AuditEntry> {
    (1..).zip(trail).map(|(sequence, entry)| AuditEntry { sequence, ..entry }).collect()
}

fn verdict(trail: Vec<AuditEntry>, heads: &[AuditHead]) -> Verdict {
    let mut verifier = Verifier::new(None, heads.to_vec(), Some(key().public()));
    trail.into_iter().for_each(|entry| verifier.push(entry));
    verifier.finish()
}

fn first(trail: Vec<AuditEntry>, heads: &[AuditHead]) -> Option<(u64, Breach)> {
    verdict(trail, heads).findings.first().map(|finding| (finding.sequence, finding.breach))
}

fn head(of: &AuditEntry) -> AuditHead {
    key().sign(Signed::Head, of.place(), Timestamp::UNIX_EPOCH)
}

#[test]
fn a_trail_that_nobody_touched_is_valid() {
    let whole = trail(&[(CHAIN, 9)]);
    let heads = [head(&whole[3]), head(&whole[8])];
    let verdict = verdict(whole.clone(), &heads);
    assert!(verdict.valid && verdict.notes.is_empty(), "{verdict:?}");
    assert_eq!((verdict.records, verdict.last), (9, Some(whole[8].place())));
    assert_eq!(first(Vec::new(), &[]), None, "nor one without records");
}

#[test]
fn a_removed_record_is_named() {
    for (count, at) in [(1, 1), (1, 4), (3, 4)] {
        let mut trail = trail(&[(CHAIN, 9)]);
        trail.drain(at - 1..at - 1 + count);
        assert_eq!(first(trail.clone(), &[]), Some((at as u64, Breach::Removed)), "{count} at {at}");
        assert_eq!(first(numbered(trail), &[]), Some((at as u64, Breach::Removed)), "{count} at {at}, renumbered");
    }
}

#[test]
fn a_changed_record_is_named() {
    let whole = trail(&[(CHAIN, 9)]);
    let forged = Payload::Kept { salt: [4; 16], text: r#"{"forged":true}"#.to_owned() };
    let changes: [fn(&mut AuditEntry); 4] = [
        |entry| entry.payload_hash = Digest([9; 32]),
        |entry| entry.hash = Digest([9; 32]),
        |entry| entry.at = Timestamp::MAX,
        |entry| entry.payload = Payload::Unreadable,
    ];
    for at in [0, 4, 8] {
        let mut trail = whole.clone();
        trail[at].payload = forged.clone();
        assert_eq!(first(trail, &[]), Some((at as u64 + 1, Breach::Changed)));
        for (no, change) in changes.iter().enumerate() {
            let mut trail = whole.clone();
            change(&mut trail[at]);
            assert_eq!(first(trail, &[]), Some((at as u64 + 1, Breach::Changed)), "change {no} of {at}");
        }
    }
}

#[test]
fn records_in_each_others_places_are_named() {
    for (one, other) in [(0, 1), (3, 4), (2, 6), (7, 8), (0, 8)] {
        let mut trail = trail(&[(CHAIN, 9)]);
        trail.swap(one, other);
        assert_eq!(first(numbered(trail.clone()), &[]), Some((one as u64 + 1, Breach::Reordered)), "{one} {other}");
        assert_eq!(first(trail, &[]), Some((one as u64 + 1, Breach::Reordered)), "{one} {other}, with their numbers");
    }
}

#[test]
fn a_record_that_nobody_wrote_is_named() {
    let stranger = trail(&[(ChainId([9; 16]), 1)]).remove(0);
    for at in [0, 4, 8] {
        let mut trail = trail(&[(CHAIN, 9)]);
        trail.insert(at, stranger.clone());
        assert_eq!(first(numbered(trail), &[]), Some((at as u64 + 1, Breach::Inserted)), "{at}");
    }
    let mut linked = trail(&[(CHAIN, 9)]);
    let last = Some((linked[3].place(), linked[3].at));
    let record = AuditRecord::new(Timestamp::UNIX_EPOCH, &Actor::host(), "test", "forged");
    linked.insert(4, AuditEntry::append(last, CHAIN, [0; 16], &record));
    assert_eq!(first(numbered(linked), &[]), Some((5, Breach::Inserted)), "with a link that fits");
    let mut twice = trail(&[(CHAIN, 3)]);
    twice.insert(2, twice[1].clone());
    assert_eq!(first(twice, &[]), Some((3, Breach::Reordered)), "a second one under the same number");
}

#[test]
fn a_cut_tail_is_noticed_by_a_head_and_by_nothing_else() {
    let whole = trail(&[(CHAIN, 9)]);
    let cut: Vec<_> = whole[..5].to_vec();
    assert_eq!(first(cut.clone(), &[]), None);
    assert_eq!(first(cut.clone(), &[head(&whole[4])]), None);
    assert_eq!(first(cut, &[head(&whole[4]), head(&whole[7])]), Some((6, Breach::CutOff)));
    assert_eq!(first(Vec::new(), &[head(&whole[0])]), Some((1, Breach::CutOff)), "all of it");
}

#[test]
fn a_trail_that_was_written_anew_does_not_agree_with_its_heads() {
    let whole = trail(&[(CHAIN, 9)]);
    let mut anew = whole[..5].to_vec();
    for _ in 5..9 {
        let last = anew.last().map(|last| (last.place(), last.at));
        let record = AuditRecord::new(Timestamp::MAX, &Actor::host(), "test", "forged");
        anew.push(AuditEntry::append(last, CHAIN, [0; 16], &record));
    }
    assert_eq!(first(anew.clone(), &[]), None, "it agrees with itself");
    assert_eq!(first(anew.clone(), &[head(&whole[8])]), Some((1, Breach::Rewritten)));
    assert_eq!(first(anew, &[head(&whole[4]), head(&whole[8])]), Some((6, Breach::Rewritten)));
}

#[test]
fn a_chain_that_goes_on_from_another_one_is_part_of_the_trail() {
    let (one, two) = (ChainId([1; 16]), ChainId([2; 16]));
    let whole = trail(&[(one, 4), (two, 3)]);
    assert_eq!(first(whole.clone(), &[head(&whole[3]), head(&whole[6])]), None);
    let mut trail = whole.clone();
    trail.remove(3);
    assert_eq!(first(trail, &[]), Some((4, Breach::Removed)), "the last one of the first chain");
    // What a restore has taken away is missing, and told.
    let lost = self::trail(&[(one, 6)]);
    let told = verdict(whole, &[head(&lost[5])]);
    assert_eq!((told.findings[0].sequence, told.findings[0].breach), (5, Breach::CutOff));
    assert!(told.findings[0].why.contains("as after a restore"), "{told:?}");
}

#[test]
fn an_erased_record_leaves_the_trail_valid() {
    let mut trail = trail(&[(CHAIN, 5)]);
    trail[2] = trail[2].clone().erased(UserId(7));
    let verdict = verdict(trail.clone(), &[head(&trail[4])]);
    assert!(verdict.valid);
    assert_eq!(verdict.erased, 1);
}

fn with_checkpoint(checkpoint: Checkpoint, trail: &[AuditEntry], heads: &[AuditHead]) -> Verdict {
    let mut verifier = Verifier::new(Some(checkpoint), heads.to_vec(), Some(key().public()));
    trail.iter().for_each(|entry| verifier.push(entry.clone()));
    verifier.finish()
}

#[test]
fn a_trail_goes_on_from_a_checkpoint_that_is_signed() {
    let whole = trail(&[(CHAIN, 9)]);
    let head_of = |dropped| key().sign(Signed::Checkpoint(dropped), whole[3].place(), Timestamp::UNIX_EPOCH);
    let checkpoint = Checkpoint { head: head_of(4), dropped: 4 };
    let verdict = with_checkpoint(checkpoint.clone(), &whole[4..], &[head(&whole[3]), head(&whole[8])]);
    assert!(verdict.valid && verdict.notes.is_empty(), "{verdict:?}");
    assert_eq!(verdict.dropped, 4);
    let older = with_checkpoint(checkpoint.clone(), &whole[4..], &[head(&whole[1])]);
    assert!(older.valid && older.notes.len() == 1, "{older:?}");
    let first = |verdict: Verdict| verdict.findings.first().map(|finding| (finding.sequence, finding.breach));
    assert_eq!(first(with_checkpoint(checkpoint.clone(), &whole[5..], &[])), Some((5, Breach::Removed)));
    assert_eq!(first(with_checkpoint(checkpoint.clone(), &[], &[head(&whole[8])])), Some((5, Breach::CutOff)));
    let forged = Checkpoint { dropped: 3, ..checkpoint };
    assert_eq!(first(with_checkpoint(forged, &whole[4..], &[])), Some((5, Breach::BadSignature)));
}

#[test]
fn a_head_that_nobody_signed_proves_nothing() {
    let whole = trail(&[(CHAIN, 3)]);
    let forged = AuditHead { sequence: 2, ..head(&whole[2]) };
    assert!(verdict(whole.clone(), &[forged]).findings.iter().any(|finding| finding.breach == Breach::BadSignature));
    let of_another = AuditKey::new([9; 32]).sign(Signed::Head, whole[2].place(), Timestamp::UNIX_EPOCH);
    assert_eq!(first(whole, &[of_another]), Some((3, Breach::BadSignature)));
}
