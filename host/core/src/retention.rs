//! What has had its time and may be removed: the staging rows of reconciliations that a later one has replaced, the
//! answers remembered for Idempotency-Keys, and, where that is asked for, old records of the audit trail. Requests, their
//! logs and runs with their counts are never among it. It removes nothing itself.

use crate::{Operation, Request, State};
use jiff::{SignedDuration, Timestamp};

/// For how long an answer is remembered unless told otherwise: whoever repeats a call does so within minutes, or after
/// a night at the latest.
pub const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How much is removed in one commit. So many rows take a few milliseconds, which nobody notices who waits for a commit
/// of their own.
pub const AT_A_TIME: usize = 1000;

/// Whether the rows of a run are of no more use: it is over, and a later run of its app has completed. What that one
/// knows is the newest, and what is shown; what this one found is in its counts, its log and the accounts.
pub fn is_superseded(run: &Request, last_completed: Option<&Request>) -> bool {
    let later = |last: &Request| {
        last.app == run.app
            && last.operation == Operation::Reconcile
            && last.state == State::Completed
            && last.id > run.id
    };
    run.operation == Operation::Reconcile && run.state.is_settled() && last_completed.is_some_and(later)
}

/// The number from which on rows are removed next, of a run that has so many left: from the end, so that what is left
/// says how far it got. None: there are none.
pub fn next_rows(left: u64) -> Option<u64> {
    (left > 0).then(|| left.saturating_sub(AT_A_TIME as u64))
}

/// Answers that were remembered before this moment are forgotten now.
pub fn answers_end(now: Timestamp, kept: SignedDuration) -> Timestamp {
    now.checked_sub(kept).unwrap_or(Timestamp::MIN)
}

/// Audit records from before this moment go now. What has just been written is never among them.
pub fn audit_end(now: Timestamp, kept: SignedDuration) -> Timestamp {
    now.checked_sub(kept.max(SignedDuration::from_hours(24))).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{NewRequest, open};
    use crate::{Actor, AppId, Change, RequestId, RequestObject, Subject};

    fn run(id: u64, state: State) -> Request {
        let new = NewRequest {
            id: RequestId(id),
            app: AppId(1),
            operation: Operation::Reconcile,
            object: RequestObject::User,
            subject: Subject::App,
            account: None,
            change: Change::Reconcile,
            approvals: None,
            by: Actor::host(),
            reason: None,
            raised: Default::default(),
        };
        Request { state, ..open(new, Timestamp::UNIX_EPOCH).request.record }
    }

    #[test]
    fn rows_go_once_a_later_run_of_the_same_app_has_completed() {
        let last = run(9, State::Completed);
        for state in State::ALL {
            assert_eq!(is_superseded(&run(8, state), Some(&last)), state.is_settled(), "{state:?}");
        }
    }

    #[test]
    fn rows_stay_of_the_last_run_of_later_ones_and_where_none_has_completed() {
        let old = run(8, State::Completed);
        assert!(!is_superseded(&old, None));
        assert!(!is_superseded(&old, Some(&old)), "it is the last itself");
        assert!(!is_superseded(&run(10, State::Failed), Some(&run(9, State::Completed))), "a later one that failed");
        for state in State::ALL.into_iter().filter(|state| *state != State::Completed) {
            assert!(!is_superseded(&old, Some(&run(9, state))), "{state:?} replaces nothing");
        }
        let elsewhere = Request { app: AppId(77), ..run(9, State::Completed) };
        assert!(!is_superseded(&old, Some(&elsewhere)), "another app's");
    }

    #[test]
    fn rows_are_removed_from_the_end_until_none_is_left() {
        let mut left = 2 * AT_A_TIME as u64 + 1;
        let mut steps = Vec::new();
        while let Some(from) = next_rows(left) {
            steps.push(left - from);
            left = from;
        }
        assert_eq!((steps, left), (vec![1000, 1000, 1], 0));
    }

    #[test]
    fn audit_records_are_kept_for_a_day_at_least() {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        let end = |hours| audit_end(now, SignedDuration::from_hours(hours)).as_second();
        assert_eq!((end(240), end(0)), (1_800_000_000 - 240 * 3600, 1_800_000_000 - 24 * 3600));
    }

    #[test]
    fn answers_end_a_day_after_they_were_given() {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        assert_eq!(answers_end(now, ANSWERS_KEPT).as_second(), 1_800_000_000 - 24 * 3600);
        assert_eq!(answers_end(Timestamp::MIN, ANSWERS_KEPT), Timestamp::MIN);
    }
}
