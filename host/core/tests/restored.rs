//! What a restore makes of requests that were not settled when the backup was made.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod driver;

use driver::{Driver, OPERATIONS, in_state, moment};
use gatehouse_core::lifecycle::{Work, path, restored, work};
use gatehouse_core::{Actor, Operation, State};
use proptest::prelude::*;
use std::fmt::Write as _;

#[test]
fn what_becomes_of_a_request_in_each_state() {
    let mut table = String::new();
    for operation in OPERATIONS {
        writeln!(table, "{operation:?}").unwrap();
        let on_path = |state: State| path(operation).iter().any(|(from, to)| *from == state || *to == state);
        for state in State::ALL.into_iter().filter(|state| on_path(*state)) {
            let request = in_state(operation, state);
            let row = match restored(&request, &Actor::host(), &moment(1)) {
                None => format!("as it is, then {:?}", work(&request)),
                Some(after) => {
                    assert!(after.log[0].message.starts_with("a backup was restored"));
                    let after = after.request.record;
                    format!("{:?}, then {:?}", after.state, work(&after))
                }
            };
            writeln!(table, "  {state:?}: {row}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

proptest! {
    /// Whatever happened to a request before the backup, nothing of it is written again before somebody has looked.
    #[test]
    fn no_write_is_made_before_the_target_was_read(
        operation in 0..OPERATIONS.len(),
        choices in proptest::collection::vec(any::<u16>(), 0..12),
        any_event in proptest::collection::vec(any::<u16>(), 0..3),
    ) {
        let mut driver = Driver::new(OPERATIONS[operation]);
        choices.iter().for_each(|choice| driver.answer_work(Some(*choice)));
        any_event.iter().for_each(|choice| driver.any_event(*choice));
        let before = driver.request.clone();
        let after = restored(&before, &Actor::host(), &moment(1_000_000)).map_or(before.clone(), |t| t.request.record);
        let next = work(&after);
        prop_assert!(!matches!(next, Some(Work::Call { .. } | Work::CommitRows { .. })), "{next:?} follows {before:?}");
        prop_assert!(before.operation != Operation::Reconcile || after.state.is_settled());
    }
}
