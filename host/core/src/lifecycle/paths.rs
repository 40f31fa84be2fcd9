//! The path each operation takes through the states, written down as a table. Nothing else says which state may
//! follow which.

use crate::{Operation, State};
use State::{
    Analyzed, Analyzing, Cancelled, Collected, Collecting, Committing, Completed, Failed, ManuallyCompleted, New,
    Requested, Retried,
};

/// The steps an operation may take while it is active, as (from, to). Failure and what follows it is the same for
/// all and stands in [`may`].
pub fn path(operation: Operation) -> &'static [(State, State)] {
    match operation {
        Operation::Create
        | Operation::Update
        | Operation::Deactivate
        | Operation::Activate
        | Operation::Reactivate
        | Operation::Freeze
        | Operation::Unfreeze
        | Operation::Delete => &[(New, Requested), (Requested, Committing), (Committing, Completed)],
        Operation::Read => &[(New, Requested), (Requested, Collecting), (Collecting, Completed)],
        Operation::Linking => &[(New, Committing), (Committing, Completed)],
        Operation::Reconcile => &[
            (New, Collecting),
            (Collecting, Collected),
            (Collected, Completed), // nothing differs from what is known
            (Collected, Analyzing),
            (New, Analyzing), // a custom process supplied the accounts
            (Analyzing, Analyzed),
            (Analyzed, Committing),
            (Committing, Completed),
        ],
    }
}

/// Whether an operation's request may go from one state to another.
pub fn may(operation: Operation, from: State, to: State) -> bool {
    match (from, to) {
        (Failed, Retried | ManuallyCompleted) => true,
        (_, Failed | Cancelled) => !from.is_settled() && from != to,
        _ => path(operation).contains(&(from, to)),
    }
}
