//! The numbers that stand for enum values in keys. They are part of the file format: new values get new numbers,
//! none is ever reused.

use super::tables::Lane;
use gatehouse_core::schema::Status;
use gatehouse_core::{AppId, JobState, LinkState, Operation, Situation, State, Subject};

pub(super) fn situation(situation: Situation) -> u8 {
    match situation {
        Situation::Confirmed => 1,
        Situation::Found => 2,
        Situation::Ambiguous => 3,
        Situation::AlreadyLinked => 4,
        Situation::Unassigned => 5,
        Situation::Missing => 6,
        Situation::Deleted => 7,
        Situation::Protected => 8,
        Situation::Excluded => 9,
    }
}

/// The situations that a filter by link state and situation lets through.
pub(super) fn situations(link_state: Option<LinkState>, only: Option<Situation>) -> Vec<Situation> {
    let wanted = |s: &Situation| only.is_none_or(|o| o == *s) && link_state.is_none_or(|l| l == s.link_state());
    Situation::ALL.into_iter().filter(wanted).collect()
}

pub(super) fn state(state: State) -> u8 {
    match state {
        State::New => 1,
        State::Requested => 2,
        State::Collecting => 3,
        State::Collected => 4,
        State::Analyzing => 5,
        State::Analyzed => 6,
        State::Committing => 7,
        State::Completed => 8,
        State::Failed => 9,
        State::Retried => 10,
        State::ManuallyCompleted => 11,
        State::Cancelled => 12,
    }
}

pub(super) fn job_state(state: JobState) -> u8 {
    match state {
        JobState::Counting => 1,
        JobState::Held => 2,
        JobState::Running => 3,
        JobState::Completed => 4,
        JobState::Cancelled => 5,
    }
}

/// Whether somebody works here, and is frozen.
pub(super) fn user_status(active: bool, frozen: bool) -> u8 {
    u8::from(active) | u8::from(frozen) << 1
}

/// The statuses that a filter lets through.
pub(super) fn user_statuses(active: Option<bool>, frozen: Option<bool>) -> Vec<u8> {
    let all = [(false, false), (true, false), (false, true), (true, true)];
    let wanted = |(a, f): &(bool, bool)| active.is_none_or(|x| x == *a) && frozen.is_none_or(|x| x == *f);
    all.into_iter().filter(wanted).map(|(active, frozen)| user_status(active, frozen)).collect()
}

/// In [`super::tables::ACCOUNT_COUNTS`], beside the situations: of an account that is there.
pub(super) fn standing(link_state: LinkState, status: Status, frozen: bool) -> u8 {
    let link_state = match link_state {
        LinkState::Linked => 0,
        LinkState::Duplicate => 1,
        LinkState::Orphaned => 2,
        LinkState::Ignored => 3,
    };
    let status = match status {
        Status::Active => 0,
        Status::Deactivated => 1,
        Status::Deleted => 2,
    };
    64 + link_state * 8 + status * 2 + u8::from(frozen)
}

/// In [`super::tables::REQUEST_COUNTS`], beside the states.
pub(super) const AWAITING: u8 = 101;

/// In [`super::tables::REQUEST_COUNTS`], beside the states.
pub(super) const IN_REVIEW: u8 = 100;

pub(super) fn operation(operation: Operation) -> u8 {
    match operation {
        Operation::Create => 1,
        Operation::Read => 2,
        Operation::Update => 3,
        Operation::Deactivate => 4,
        Operation::Activate => 5,
        Operation::Reactivate => 6,
        Operation::Freeze => 7,
        Operation::Unfreeze => 8,
        Operation::Reconcile => 9,
        Operation::Linking => 10,
        Operation::Delete => 11,
    }
}

/// Kind and number of a subject; a whole app's number is the app's.
pub(super) fn subject(app: AppId, subject: Subject) -> (u8, u64) {
    match subject {
        Subject::User(user) => (1, user.0),
        Subject::Account(account) => (2, account.0),
        Subject::App => (3, app.0),
    }
}

/// The lane of an app and a subject.
pub(super) fn lane(app: AppId, of: Subject) -> Lane {
    let (kind, number) = subject(app, of);
    (app.0, kind, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_values_share_a_code() {
        let distinct = |codes: Vec<u8>| assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        distinct(Situation::ALL.into_iter().map(situation).collect());
        distinct(State::ALL.into_iter().map(state).chain([IN_REVIEW]).collect());
        distinct(Operation::ALL.into_iter().map(operation).collect());
        distinct(JobState::ALL.into_iter().map(job_state).collect());
    }

    #[test]
    fn a_situation_of_another_link_state_lets_nothing_through() {
        assert_eq!(situations(Some(LinkState::Linked), Some(Situation::Missing)), []);
        assert_eq!(situations(Some(LinkState::Linked), None), [Situation::Confirmed, Situation::Found]);
        assert_eq!(situations(None, None).len(), 9);
    }
}
