//! The life of a request: a readable table of what each event does in each state, and properties that hold for any
//! sequence of events.
#![allow(clippy::unwrap_used)]

mod driver;

use driver::{Driver, OPERATIONS, event_of, events, in_state, moment, request};
use gatehouse_core::lifecycle::{Effect, may, path, step, work};
use gatehouse_core::{Approval, CommitStep, Operation, Request, State};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How far along a state is; a request never gets to a lower one.
fn rank(state: State) -> usize {
    match state {
        State::Completed | State::Failed | State::Cancelled => 7,
        State::Retried | State::ManuallyCompleted => 8,
        other => State::ALL.iter().position(|s| *s == other).unwrap(),
    }
}

#[test]
fn every_pair_of_state_and_event_is_decided_on_purpose() {
    let mut table = String::new();
    for operation in OPERATIONS {
        writeln!(table, "{operation:?}").unwrap();
        let on_path = |state: State| path(operation).iter().any(|(from, to)| *from == state || *to == state);
        for state in State::ALL.into_iter().filter(|state| on_path(*state) || state.is_settled()) {
            let row = row_of(&in_state(operation, state));
            let row = if row.is_empty() { "-".to_owned() } else { row.join(", ") };
            writeln!(table, "  {state:?}: {row}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

/// What happens to a request in a state, by events in the order of the table.
fn row_of(request: &Request) -> Vec<String> {
    let mut row = Vec::new();
    for name in events() {
        let Ok(transition) = step(request, event_of(name, request), &moment(1)) else { continue };
        let to = transition.request.record.state;
        row.push(if to == request.state { (*name).to_owned() } else { format!("{name}→{to:?}") });
    }
    row
}

#[test]
fn a_request_whose_date_has_not_come_can_be_decided_about_and_is_never_begun() {
    for (state, row) in [
        (
            State::New,
            "Approve→Requested, Deny→Cancelled, Reschedule, DateCame, Cancel→Cancelled, Supersede→Cancelled, Fail→Failed",
        ),
        (State::Requested, "Reschedule, DateCame, Cancel→Cancelled, Supersede→Cancelled, Fail→Failed"),
    ] {
        for operation in [Operation::Create, Operation::Reactivate, Operation::Unfreeze, Operation::Read] {
            let request =
                Request { awaits_date: true, run_at: Some(moment(1).now), due: None, ..in_state(operation, state) };
            assert_eq!(row_of(&request).join(", "), row, "{operation:?} {state:?}");
            assert_eq!(work(&request), None);
            let early = step(&request, event_of("DateCame", &request), &moment(0));
            assert!(early.unwrap_err().why.contains("has not come"));
        }
    }
    let waiting = Request { awaits_date: true, run_at: Some(moment(9).now), ..in_state(Operation::Create, State::New) };
    let approved = step(&waiting, event_of("Approve", &waiting), &moment(1)).unwrap();
    assert_eq!((approved.effects.as_slice(), approved.request.record.due), ([Effect::AwaitDate].as_slice(), None));
    let come = step(&approved.request.record, event_of("DateCame", &waiting), &moment(9)).unwrap();
    assert_eq!(come.request.record.due, Some(moment(9).now));
    assert!(matches!(come.effects[..], [Effect::Work { .. }]), "{:?}", come.effects);
}

#[test]
fn a_deadline_that_passed_denies_in_the_two_states_that_wait_for_approval_and_fits_no_other() {
    for operation in OPERATIONS {
        for state in State::ALL {
            let mut request = in_state(operation, state);
            request.approval = Approval::Required;
            let mut chain = driver::anybody();
            chain.steps[0].opened_at = Some(moment(0).now);
            chain.steps[0].deadline = Some(moment(1).now);
            request.approvals = Some(chain);
            let after =
                step(&request, event_of("DeadlinePassed", &request), &moment(1)).map(|done| done.request.record);
            let waits = matches!(state, State::New | State::Analyzed);
            assert_eq!(after.is_ok(), waits, "{operation:?} {state:?}");
            if let Ok(after) = after {
                assert_eq!((after.state, after.approval), (State::Cancelled, Approval::Denied));
            }
            assert!(step(&request, event_of("DeadlinePassed", &request), &moment(0)).is_err(), "not before it passed");
        }
    }
}

#[test]
fn no_path_leads_backwards_or_out_of_a_settled_state() {
    for operation in Operation::ALL {
        for (from, to) in path(operation) {
            assert!(rank(*from) < rank(*to), "{operation:?}: {from:?} → {to:?}");
        }
        for from in State::ALL.into_iter().filter(|s| s.is_settled() && *s != State::Failed) {
            for to in State::ALL {
                assert!(!may(operation, from, to), "{operation:?}: {from:?} → {to:?}");
            }
        }
    }
}

#[test]
fn a_change_that_is_not_what_was_sealed_is_never_carried_out() {
    let mut request = request(Operation::Deactivate);
    request.change.content = driver::change(Operation::Delete);
    let refused = step(&request, event_of("AttemptStarted", &request), &moment(1)).unwrap_err();
    assert!(refused.to_string().contains("not what was sealed"), "{refused}");
}

#[test]
fn the_idempotency_key_is_the_same_for_a_request_and_those_that_take_it_up_again() {
    let key_of = |request: &Request| {
        let started = step(request, event_of("AttemptStarted", request), &moment(2)).unwrap().request.record;
        (started.attempts[0].idempotency_key.clone(), started)
    };
    let (first, started) = key_of(&request(Operation::Create));
    let mut failed = started;
    for _ in 0..2 {
        failed.state = State::Failed;
        failed.attempts.clear();
        let again = step(&failed, event_of("Retry", &failed), &moment(3)).unwrap().raise.remove(0);
        let (key, started) = key_of(&again);
        assert_eq!(key, first);
        failed = started;
    }
}

/// A request and those that take it up again, as the owner of the target counts: how often each step was sent since
/// somebody last knew that it had changed nothing.
struct Chain {
    request: Request,
    second: i64,
    unproven: BTreeMap<u32, u32>,
    not_found: u32,
}

impl Chain {
    const EVENTS: [&str; 15] = [
        "AttemptStarted",
        "AttemptFinished",
        "AttemptFailed",
        "AttemptHalfDone",
        "AttemptUnclear",
        "AttemptLost",
        "OutcomeDone",
        "OutcomeNotDone",
        "OutcomeUnprovable",
        "ReadFailed",
        "ReadRefused",
        "Retry",
        "SettleMade",
        "SettleNotMade",
        "Fail",
    ];

    fn new(operation: Operation) -> Self {
        Self { request: request(operation), second: 0, unproven: BTreeMap::new(), not_found: 0 }
    }

    fn take(&mut self, name: &str) {
        self.second += 1000;
        let before = self.request.clone();
        let Ok(transition) = step(&before, event_of(name, &before), &moment(self.second)) else { return };
        let creates = matches!(before.change.content.step(before.steps_done), Some(CommitStep::Create(_)));
        let unproven = self.unproven.entry(before.steps_done).or_default();
        match name {
            "AttemptStarted" => *unproven += 1,
            "AttemptFailed" | "SettleNotMade" => *unproven = 0,
            "OutcomeNotDone" => {
                self.not_found += 1;
                // A target may show late what it has made: one look is no proof.
                if !creates || self.not_found > 1 {
                    *unproven = 0;
                }
            }
            _ => {}
        }
        if name != "OutcomeNotDone" && !name.starts_with("Read") && name != "Retry" {
            self.not_found = 0;
        }
        self.request = transition.raise.into_iter().next().unwrap_or(transition.request.record);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_request_never_goes_backwards_and_settled_stays_settled(
        operation in prop::sample::select(OPERATIONS.to_vec()),
        choices in prop::collection::vec(any::<u16>(), 1..60),
    ) {
        let mut driver = Driver::new(operation);
        for choice in choices {
            let before = driver.request.clone();
            driver.any_event(choice);
            let after = &driver.request;
            prop_assert!(rank(after.state) >= rank(before.state), "{:?} → {:?}", before.state, after.state);
            if before.state.is_settled() && before.state != State::Failed {
                prop_assert_eq!(&before, after);
            }
            if after.state.is_settled() {
                prop_assert!(after.due.is_none() && work(after).is_none(), "{:?} leaves work", after.state);
            }
        }
    }

    #[test]
    fn every_effect_is_answered_in_the_end(
        operation in prop::sample::select(OPERATIONS.to_vec()),
        choices in prop::collection::vec(any::<u16>(), 0..40),
    ) {
        let mut driver = Driver::new(operation);
        // First faults of all kinds, then a world in which everything works: it must come to an end.
        for choice in choices {
            driver.answer_work(Some(choice));
        }
        for _ in 0..100 {
            driver.answer_work(None);
        }
        let request = &driver.request;
        let waits = driver.effects == [Effect::AwaitPerson];
        prop_assert!(request.state.is_settled() || waits, "{:?} with {:?}", request.state, driver.effects);
        prop_assert_eq!(waits, request.due.is_none() && !request.state.is_settled());
    }

    #[test]
    fn replaying_the_events_gives_the_same_request(
        operation in prop::sample::select(OPERATIONS.to_vec()),
        choices in prop::collection::vec(any::<u16>(), 1..60),
    ) {
        let mut driver = Driver::new(operation);
        choices.into_iter().for_each(|choice| driver.any_event(choice));
        prop_assert_eq!(driver.replay(), driver.request);
    }

    #[test]
    fn a_write_that_may_have_left_is_never_followed_by_another_before_it_is_accounted_for(
        choices in prop::collection::vec(any::<u16>(), 1..80),
        operation in prop::sample::select(vec![Operation::Create, Operation::Update, Operation::Delete]),
    ) {
        let mut driver = Driver::new(operation);
        for choice in choices {
            let doubtful = driver.request.attempts.last().is_some_and(|a| {
                a.finished_at.is_none()
                    || matches!(a.outcome, Some(gatehouse_core::AttemptOutcome::Unknown(_)))
            });
            let attempts = driver.request.attempts.len();
            driver.any_event(choice);
            if doubtful {
                prop_assert_eq!(driver.request.attempts.len(), attempts);
            }
        }
    }

    #[test]
    fn a_step_is_never_sent_again_before_it_is_known_that_it_was_not_made(
        choices in prop::collection::vec(any::<u16>(), 1..120),
        operation in prop::sample::select(vec![
            Operation::Create, Operation::Update, Operation::Deactivate, Operation::Reactivate, Operation::Delete,
        ]),
    ) {
        let mut chain = Chain::new(operation);
        for choice in choices {
            let name = Chain::EVENTS[usize::from(choice) % Chain::EVENTS.len()];
            chain.take(name);
            let most = chain.unproven.values().max().copied().unwrap_or(0);
            prop_assert!(most <= 1, "after {name}: {:#?}", chain.request);
        }
    }
}
