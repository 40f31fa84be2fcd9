//! When a collection need not be analysed, because nothing can differ from what the last completed run left. It never
//! looks at rows: those are compared by fingerprint when they are stored.

use crate::{Completeness, Digest, Operation, ReconcileMark, Request, RequestId, Run, State};

/// Whether every row is as known, whatever else an analysis depends on is as it was for the last run, and nothing
/// known is absent: with every row known, that is a matter of counting (`expected`, see [`super::is_expected`]). The
/// requests since are for [`leaves_nothing_open`] to judge.
pub fn holds_nothing_new(run: &Run, last: &ReconcileMark, basis: Digest, expected: u64) -> bool {
    let complete = run.completeness == Some(Completeness::Complete);
    last.basis == basis && run.changed == 0 && (!complete || expected <= run.collected)
}

/// Whether a run saw what came of a request: one with an earlier number, settled before the collection began.
pub fn saw_the_end_of(last: &ReconcileMark, request: RequestId) -> bool {
    request <= last.run && last.oldest_open.is_none_or(|open| request < open)
}

/// Whether a request of which a completed run did not see the end leaves accounts as that run wanted them, so that
/// the next run need not look at unchanged rows again. What failed, waits or was denied does not; nor does what
/// somebody asked for by itself; nor what corrects a status, since a row gets one request at a time, its status
/// before its attributes.
pub fn leaves_nothing_open(request: &Request, last: &ReconcileMark) -> bool {
    let changes_nothing = matches!(request.operation, Operation::Reconcile | Operation::Read | Operation::Linking);
    let done = matches!(request.state, State::Completed | State::Retried);
    let final_step = matches!(request.operation, Operation::Create | Operation::Update | Operation::Deactivate);
    changes_nothing || (done && final_step && request.raised_by == Some(last.run))
}

/// What a run leaves for the next one to go by; none if it did not see everything, or did not look itself.
pub fn mark(run: &Run, id: RequestId, basis: Digest, at: jiff::Timestamp) -> Option<ReconcileMark> {
    let saw_all = run.completeness == Some(Completeness::Complete) && !run.supplied;
    saw_all.then_some(ReconcileMark { run: id, oldest_open: run.oldest_open, basis, at })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn complete() -> Run {
        Run { completeness: Some(Completeness::Complete), collected: 3, ..Run::default() }
    }

    fn last(oldest_open: Option<u64>) -> ReconcileMark {
        let run = Run { oldest_open: oldest_open.map(RequestId), ..complete() };
        mark(&run, RequestId(9), Digest::default(), jiff::Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_collection_holds_nothing_new_only_if_every_condition_is_met() {
        let basis = Digest::default();
        assert!(holds_nothing_new(&complete(), &last(None), basis, 3));
        assert!(!holds_nothing_new(&complete(), &last(None), Digest::of(b"other rules"), 3));
        assert!(!holds_nothing_new(&Run { changed: 1, ..complete() }, &last(None), basis, 3));
        assert!(!holds_nothing_new(&complete(), &last(None), basis, 4), "one is absent");
        let partial = Run { completeness: Some(Completeness::Partial(String::new())), ..complete() };
        assert!(holds_nothing_new(&partial, &last(None), basis, 4), "nobody is absent from what is not complete");
    }

    #[test]
    fn a_run_saw_the_end_of_what_was_settled_before_it_began() {
        let seen = |oldest_open, id| saw_the_end_of(&last(oldest_open), RequestId(id));
        assert_eq!([8, 9, 10].map(|id| seen(None, id)), [true, true, false]);
        assert_eq!([4, 5, 8, 10].map(|id| seen(Some(5), id)), [true, false, false, false]);
    }

    #[test]
    fn a_run_that_did_not_see_everything_itself_leaves_no_mark() {
        let marked = |run| mark(&run, RequestId(9), Digest::default(), jiff::Timestamp::UNIX_EPOCH).is_some();
        assert!(marked(complete()));
        assert!(!marked(Run { supplied: true, ..complete() }));
        assert!(!marked(Run { completeness: None, ..complete() }));
    }
}
