//! The plan as a whole: its seal, the guard against an answer that would make everybody vanish, and the analysis
//! that stands in where a connector has none.

use crate::ports::{Judgement, RowVerdict};
use crate::{Account, Digest, ReconcilePolicy, Situation, StagingRow, USERNAME};
use gatehouse_schema::{Account as RemoteAccount, Attributes, Schema, drift};

/// The digest over all rows and verdicts of a plan, in the order of their numbers. A chain, so that it does not
/// matter in how many pieces the rows come, and that it can be taken up again from the digest so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanDigest(Digest);

impl PlanDigest {
    /// The digest of a plan without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from what [`PlanDigest::finish`] gave for the rows before.
    pub fn resume(so_far: Digest) -> Self {
        Self(so_far)
    }

    /// Adds the next row.
    pub fn push(&mut self, row: &StagingRow) {
        self.0 = Digest::of_json(&(self.0, row.no, &row.source, &row.verdict));
    }

    /// The digest of all rows so far.
    pub fn finish(&self) -> Digest {
        self.0
    }
}

/// Whether a complete collection should return this account: it has been there, and is not known to be gone.
pub fn is_expected(account: &Account) -> bool {
    account.external_id.is_some() && account.situation != Situation::Deleted
}

/// Why a complete collection is not to be believed, if so many of the accounts we know (see [`is_expected`]) are
/// absent from it. An empty answer never makes anybody's account vanish.
pub fn absence_guard(known: u64, absent: u64, collected: u64, policy: &ReconcilePolicy) -> Option<String> {
    if known == 0 || absent == 0 {
        return None;
    }
    if collected == 0 {
        return Some(format!("the target returned no account at all, and {known} are known; nothing was concluded"));
    }
    let limit = u128::from(policy.max_vanished_percent);
    let too_many = u128::from(absent) * 100 > u128::from(known) * limit;
    // One account of a small app is soon a third of it, and one may always go.
    let one_may_go = absent == 1 && limit > 0;
    (too_many && !one_may_go).then(|| {
        format!(
            "{absent} of {known} known accounts are absent, which is more than the {limit}% allowed by \
             `reconcile.max_vanished_percent`; nothing was concluded"
        )
    })
}

/// The analysis of a row for a connector that has none of its own: no objection, and the standard comparison.
pub fn standard_judgement(schema: &Schema, desired: &Attributes, account: &RemoteAccount) -> RowVerdict {
    RowVerdict { judgement: Judgement::Same, drift: drift(schema, desired, &account.attributes) }
}

/// Adds the username to what differs, where an update would rename the account. Case never counts: services that
/// keep usernames in small letters would be renamed for ever.
pub fn with_username(mut said: RowVerdict, desired: &Attributes, account: &RemoteAccount) -> RowVerdict {
    if renames(desired, account) {
        said.drift.push(USERNAME.to_owned());
    }
    said
}

/// Whether these attributes ask for another username than the account has.
pub(crate) fn renames(wanted: &Attributes, account: &RemoteAccount) -> bool {
    let wanted = wanted.get(USERNAME).and_then(|values| values.first());
    wanted.is_some_and(|wanted| wanted.text.to_lowercase() != account.username.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StagingSource, UserId, Verdict};

    fn row(no: u64, situation: Situation) -> StagingRow {
        let verdict = Verdict {
            situation,
            why: None,
            user: Some(UserId(no)),
            account: None,
            drift: Vec::new(),
            action: crate::StagedAction::None,
        };
        StagingRow { no, source: StagingSource::MissingUser(UserId(no)), changed: true, verdict: Some(verdict) }
    }

    #[test]
    fn a_plan_has_the_same_digest_in_whatever_pieces_it_comes() {
        let rows: Vec<_> = (0..5).map(|no| row(no, Situation::Missing)).collect();
        let mut whole = PlanDigest::new();
        rows.iter().for_each(|row| whole.push(row));
        let mut resumed = PlanDigest::new();
        for piece in rows.chunks(2) {
            resumed = PlanDigest::resume(resumed.finish());
            piece.iter().for_each(|row| resumed.push(row));
        }
        assert_eq!(whole, resumed);
    }

    #[test]
    fn any_other_verdict_or_order_gives_another_digest() {
        let digest = |rows: &[StagingRow]| {
            let mut digest = PlanDigest::new();
            rows.iter().for_each(|row| digest.push(row));
            digest.finish()
        };
        let rows = [row(0, Situation::Missing), row(1, Situation::Missing)];
        let other = [row(0, Situation::Missing), row(1, Situation::Deleted)];
        let turned = [rows[1].clone(), rows[0].clone()];
        assert_ne!(digest(&rows), digest(&other));
        assert_ne!(digest(&rows), digest(&turned));
        assert_ne!(digest(&rows), digest(&rows[..1]));
    }

    #[test]
    fn whether_a_row_was_changed_is_no_part_of_the_plan() {
        let (mut one, mut other) = (PlanDigest::new(), PlanDigest::new());
        one.push(&row(0, Situation::Missing));
        other.push(&StagingRow { changed: false, ..row(0, Situation::Missing) });
        assert_eq!(one, other);
    }

    #[test]
    fn an_answer_that_would_make_too_many_vanish_is_not_believed() {
        let check = |known, absent, collected, percent, believed: bool| {
            let policy = ReconcilePolicy { max_vanished_percent: percent, ..ReconcilePolicy::default() };
            let guard = absence_guard(known, absent, collected, &policy);
            assert_eq!(guard.is_none(), believed, "{known} known, {absent} absent, {collected} collected: {guard:?}");
        };
        check(0, 0, 0, 30, true);
        check(0, 0, 10, 30, true);
        check(10, 10, 0, 100, false);
        check(1, 1, 0, 100, false);
        check(10, 3, 7, 30, true);
        check(10, 4, 6, 30, false);
        check(10, 1, 9, 0, false);
        check(3, 1, 2, 30, true);
        check(3, 2, 1, 30, false);
        check(10, 0, 10, 0, true);
        check(10, 10, 5, 100, true);
        check(u64::MAX, u64::MAX, 1, 99, false);
    }
}
