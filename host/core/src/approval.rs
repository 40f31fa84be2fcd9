//! Approvals: who is asked, in which steps, by when; what a vote counts; and what follows when nobody decides in time.
//! Everything is decided from the request, the voter and the time that are passed in. It never looks anybody up, and
//! never changes a state: that is for `lifecycle`.

mod chain;
mod notice;
mod policy;
mod vote;

pub use chain::{Chain, Round, Step, Vote};
pub use notice::{Delivery, Notice, NoticeKind};
pub use policy::{ApprovalRule, Approvers, Escalation, Found, MOST_APPROVERS, OnDeadline, StepRule, resolve, validate};
pub use vote::{Delegation, Person, Standing, Voter, standing};

use crate::{Approval, Request, State, Subject, UserId};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What a deadline that has passed brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Others are asked.
    Escalate,
    /// It counts as refused.
    Deny,
}

/// The step of its chain that a request waits for; none if it waits for no approval, or has no chain (one made before
/// there were chains: anybody who may manage requests decides about it).
pub fn awaited(request: &Request) -> Option<&Step> {
    let waits = matches!(request.state, State::New | State::Analyzed) && request.approval == Approval::Required;
    request.approvals.as_ref().filter(|_| waits)?.current().filter(|step| step.opened_at.is_some())
}

/// Who can approve or deny a request at present: persons of the directory, their delegates aside. Never whoever asked
/// for it, nor whose account it is about.
pub fn approvers(request: &Request) -> BTreeSet<UserId> {
    let Some(round) = awaited(request).and_then(Step::current) else { return BTreeSet::new() };
    round.approvers.difference(&barred(request)).copied().collect()
}

/// Those of [`approvers`] whom the request still waits for: nobody has voted for them in this round.
pub fn waited_for(request: &Request) -> BTreeSet<UserId> {
    let voted = awaited(request).map(Step::involved).unwrap_or_default();
    approvers(request).difference(&voted).copied().collect()
}

/// Whom nothing about this request is decided by: whoever asked for it, and whose account it is about.
pub fn barred(request: &Request) -> BTreeSet<UserId> {
    let subject = match request.subject {
        Subject::User(user) => Some(user),
        Subject::Account(_) | Subject::App => None,
    };
    request.requested_by.into_iter().chain(subject).collect()
}

/// Until when the present step must be decided; none: for as long as it takes.
pub fn deadline(request: &Request) -> Option<Timestamp> {
    awaited(request)?.deadline
}

/// What follows if the present step's deadline has passed by now.
pub fn expired(request: &Request, now: Timestamp) -> Option<Expiry> {
    let step = awaited(request)?;
    let passed = step.deadline.is_some_and(|deadline| deadline <= now);
    let further = (step.round as usize) + 1 < step.rounds.len();
    passed.then_some(if further { Expiry::Escalate } else { Expiry::Deny })
}

/// When something is to happen to a request by the clock alone: its deadline passes, or its date comes.
pub fn alarm(request: &Request) -> Option<Timestamp> {
    if request.state.is_settled() {
        return None;
    }
    let date = request.run_at.filter(|_| request.awaits_date);
    deadline(request).into_iter().chain(date).min()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
