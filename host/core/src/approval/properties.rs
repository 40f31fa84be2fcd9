//! For any votes, delegations and times: nothing is approved without as many different persons as were to agree, all of
//! them asked or standing in for somebody who was, and none of them deciding about their own.
#![allow(clippy::unwrap_used)]

use super::tests::*;
use super::*;
use crate::Request;
use crate::lifecycle::{Event, step};
use proptest::prelude::*;

/// Persons are 1 to 6: 1 is the subject, 2 asked for it.
#[derive(Clone, Debug)]
enum Turn {
    Vote { person: u64, agrees: bool, in_office: bool },
    Deadline,
    Wait(i64),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (1..7_u64, prop::bool::weighted(0.95), prop::bool::weighted(0.9))
            .prop_map(|(person, agrees, in_office)| Turn::Vote { person, agrees, in_office }),
        1 => Just(Turn::Deadline),
        2 => (1..40_i64).prop_map(Turn::Wait),
    ]
}

fn rules() -> impl Strategy<Value = Vec<StepRule>> {
    let members = || prop::collection::btree_set(1..7_u64, 0..6);
    let one = (members(), 1..4_u32, prop::option::of(1..80_u64), prop::option::of((members(), 1..3_u32)));
    let one = one.prop_map(|(members, quorum, deadline_seconds, escalation)| {
        let group = |members: BTreeSet<u64>| {
            let names: Vec<String> = members.iter().map(u64::to_string).collect();
            Approvers::Group(names.join(" "))
        };
        let on_deadline = escalation.map_or(OnDeadline::Deny, |(to, quorum)| {
            OnDeadline::Escalate(Escalation { to: group(to), quorum, deadline_seconds: None })
        });
        StepRule { approvers: group(members), quorum, deadline_seconds, on_deadline }
    });
    prop::collection::vec(one, 1..3)
}

/// Who stands in for whom, from and until when.
type Absences = Vec<(u64, u64, i64, i64)>;

fn holds(absences: &Absences, of: UserId, to: UserId, now: i64) -> bool {
    absences.iter().any(|(from, delegate, begins, ends)| {
        UserId(*from) == of && UserId(*delegate) == to && *begins <= now && now < *ends
    })
}

/// What must be true of a vote, said without the code that takes it.
fn is_lawful(request: &Request, vote: &Vote, round: &Round, absences: &Absences, start: Timestamp) -> bool {
    let Some(voter) = vote.user else { return false };
    let own = [UserId(1), UserId(2)];
    let for_whom = vote.instead_of.unwrap_or(voter);
    let now = vote.at.as_second() - start.as_second();
    let stands_in = vote.instead_of.is_none_or(|of| holds(absences, of, voter, now));
    round.approvers.contains(&for_whom)
        && !own.contains(&voter)
        && !own.contains(&for_whom)
        && stands_in
        && request.requested_by == Some(UserId(2))
}

fn check(request: &Request, absences: &Absences) -> Result<(), TestCaseError> {
    let chain = request.approvals.as_ref().unwrap();
    for (no, step) in chain.steps.iter().enumerate() {
        let round = &step.rounds[step.round as usize];
        let counting: Vec<&Vote> = step.votes.iter().filter(|vote| vote.round == step.round).collect();
        let mut persons = BTreeSet::new();
        for vote in &counting {
            prop_assert!(is_lawful(request, vote, round, absences, at(0)), "{vote:?} in {round:?}");
            prop_assert!(persons.insert(vote.user.unwrap()), "{:?} twice", vote.user);
            if let Some(of) = vote.instead_of {
                prop_assert!(persons.insert(of), "{of} twice");
            }
        }
        let agreeing = counting.iter().filter(|vote| vote.agrees).count();
        if no < chain.done as usize {
            prop_assert!(agreeing >= round.quorum as usize, "step {no} was done by {agreeing} of {}", round.quorum);
        }
    }
    if request.approval == Approval::Approved {
        prop_assert_eq!(chain.done as usize, chain.steps.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_approved_without_its_quorum_of_different_persons_who_may(
        rules in rules(),
        absences in prop::collection::vec((1..7_u64, 1..7_u64, 0..60_i64, 0..120_i64), 0..5),
        turns in prop::collection::vec(turn(), 1..40),
    ) {
        let mut request = request(&rules);
        let mut now = 0;
        for turn in turns {
            let event = match turn {
                Turn::Wait(seconds) => {
                    now += seconds;
                    continue;
                }
                Turn::Deadline => Event::DeadlinePassed,
                Turn::Vote { person: id, agrees, in_office } => {
                    let person = Person { in_office, ..person(id) };
                    let to_them = absences.iter().filter(|(_, delegate, ..)| *delegate == id);
                    let delegations = to_them
                        .map(|(of, to, from, until)| (delegation(*of, *to, *from, *until), super::tests::person(*of)))
                        .collect();
                    let voter = Box::new(Voter { person: Some(person), delegations, ..voter(id) });
                    if agrees {
                        Event::Approve { voter, digest: request.change.digest, why: None }
                    } else {
                        Event::Deny { voter, why: "no".to_owned() }
                    }
                }
            };
            if let Ok(done) = step(&request, event, &moment(now)) {
                request = done.request.record;
            }
            check(&request, &absences)?;
        }
    }

    #[test]
    fn whoever_is_waited_for_can_vote_and_nobody_else_without_a_delegation(
        rules in rules(),
        votes in prop::collection::vec(1..7_u64, 0..6),
    ) {
        let mut request = request(&rules);
        for id in votes {
            let event =
                Event::Approve { voter: Box::new(voter(id)), digest: request.change.digest, why: None };
            if let Ok(done) = step(&request, event, &moment(0)) {
                request = done.request.record;
            }
            let waited_for = waited_for(&request);
            for id in (1..7).chain([90, 91]) {
                let can = awaited(&request).is_some() && standing(&request, &voter(id), at(0)).is_ok();
                prop_assert_eq!(can, waited_for.contains(&UserId(id)), "user {}", id);
            }
        }
    }
}
