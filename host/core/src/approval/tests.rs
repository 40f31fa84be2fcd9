//! Who is asked, and who can vote.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::lifecycle::{Event, Moment, NewRequest, Raised, open, step};
use crate::{
    Actor, AppId, Change, DelegationId, LinkChange, Operation, RequestId, RequestObject, RetryPolicy, SystemPermission,
};

const HOUR: u64 = 3600;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn moment(second: i64) -> Moment {
    Moment { now: at(second), jitter: 0, retry: RetryPolicy::default() }
}

pub(super) fn users(ids: &[u64]) -> BTreeSet<UserId> {
    ids.iter().copied().map(UserId).collect()
}

pub(super) fn rule(approvers: Approvers, quorum: u32) -> StepRule {
    StepRule { approvers, quorum, deadline_seconds: None, on_deadline: OnDeadline::Deny }
}

/// Groups are those whose members are named by their numbers: `1 2 3`.
pub(super) fn find(approvers: &Approvers) -> Found {
    let people = match approvers {
        Approvers::Group(name) => name.split_whitespace().map(|id| UserId(id.parse().unwrap())).collect(),
        Approvers::Users(users) => users.clone(),
        _ => BTreeSet::new(),
    };
    let why_nobody = people.is_empty().then(|| "`ada` has no manager".to_owned());
    Found { people, why_nobody }
}

/// A request about user 1, asked for by user 2.
pub(super) fn request(rules: &[StepRule]) -> Request {
    let barred = users(&[1, 2]);
    let new = NewRequest {
        id: RequestId(1),
        app: AppId(1),
        operation: Operation::Linking,
        object: RequestObject::User,
        subject: Subject::User(UserId(1)),
        account: None,
        change: Change::Link(LinkChange::Unlink { account: Default::default() }),
        approvals: resolve(rules, find, &barred, &users(&[90, 91])),
        by: Actor("two".to_owned()),
        reason: None,
        raised: Raised { requested_by: Some(UserId(2)), ..Raised::default() },
    };
    open(new, at(0)).request.record
}

pub(super) fn person(id: u64) -> Person {
    let permissions = SystemPermission::ALL.into();
    Person { id: UserId(id), name: format!("user{id}"), in_office: true, permissions }
}

pub(super) fn voter(id: u64) -> Voter {
    Voter { by: Actor(format!("token{id}")), person: Some(person(id)), delegations: Vec::new(), shared: false }
}

pub(super) fn delegation(from_user: u64, to: u64, from: i64, until: i64) -> Delegation {
    Delegation {
        id: DelegationId(1),
        user: UserId(from_user),
        delegate: UserId(to),
        from: at(from),
        until: at(until),
        reason: None,
        created_by: Actor::host(),
        created_at: at(0),
        version: 1,
    }
}

fn delegate(id: u64, of: u64, from: i64, until: i64) -> Voter {
    Voter { delegations: vec![(delegation(of, id, from, until), person(of))], ..voter(id) }
}

fn agree(request: &Request, voter: &Voter, second: i64) -> Result<Request, String> {
    let event =
        Event::Approve { voter: Box::new(voter.clone()), digest: request.change.digest, why: Some("fine".to_owned()) };
    step(request, event, &moment(second)).map(|done| done.request.record).map_err(|refused| refused.why)
}

fn group(members: &str, quorum: u32) -> StepRule {
    rule(Approvers::Group(members.to_owned()), quorum)
}

#[test]
fn steps_are_decided_one_after_the_other_and_votes_are_kept() {
    let request = request(&[group("3 4", 1), rule(Approvers::Users(users(&[5])), 1)]);
    assert_eq!(approvers(&request), users(&[3, 4]));
    assert!(agree(&request, &voter(5), 1).unwrap_err().contains("not asked"), "not yet");
    let once = agree(&request, &voter(4), 1).unwrap();
    assert_eq!((once.state, approvers(&once)), (State::New, users(&[5])));
    let done = agree(&once, &voter(5), 2).unwrap();
    assert_eq!((done.state, done.approval), (State::Committing, Approval::Approved));
    let steps = &done.approvals.as_ref().unwrap().steps;
    assert_eq!((steps[0].votes[0].user, steps[1].votes[0].at), (Some(UserId(4)), at(2)));
    assert_eq!(steps[1].votes[0].reason.as_deref(), Some("fine"));
    assert!(approvers(&done).is_empty());
}

#[test]
fn nobody_decides_about_their_own_request_or_account_nor_does_their_delegate() {
    let request = request(&[group("1 2 3", 1)]);
    assert_eq!(approvers(&request), users(&[3]));
    assert!(agree(&request, &voter(2), 1).unwrap_err().contains("their own request"));
    assert!(agree(&request, &voter(1), 1).unwrap_err().contains("their own"));
    for of in [1, 2] {
        let why = agree(&request, &delegate(4, of, 0, 99), 1).unwrap_err();
        assert!(why.contains("in their place"), "{why}");
    }
    assert!(agree(&request, &delegate(2, 3, 0, 99), 1).unwrap_err().contains("their own request"), "be it for others");
    assert!(agree(&request, &voter(3), 1).is_ok());
}

#[test]
fn a_delegation_counts_while_it_holds_and_no_longer() {
    let request = request(&[group("3", 1)]);
    assert!(agree(&request, &delegate(4, 3, 10, 20), 9).unwrap_err().contains("not before"));
    let why = agree(&request, &delegate(4, 3, 10, 20), 20).unwrap_err();
    assert!(why.contains("no longer does") && why.contains("DLG-000001"), "{why}");
    let done = agree(&request, &delegate(4, 3, 10, 20), 19).unwrap();
    let vote = &done.approvals.unwrap().steps[0].votes[0];
    assert_eq!((vote.user, vote.instead_of), (Some(UserId(4)), Some(UserId(3))));
    let left = Person { in_office: false, ..person(3) };
    let of_leaver = Voter { delegations: vec![(delegation(3, 4, 0, 99), left)], ..voter(4) };
    assert!(agree(&request, &of_leaver, 1).is_err(), "whoever has left has nobody stand in for them");
}

#[test]
fn a_quorum_counts_every_person_once() {
    let request = request(&[group("3 4 5", 2)]);
    let once = agree(&request, &voter(3), 1).unwrap();
    assert!(agree(&once, &voter(3), 2).unwrap_err().contains("counts once"));
    assert!(agree(&once, &delegate(3, 4, 0, 99), 2).unwrap_err().contains("counts once"), "nor as a delegate");
    assert!(agree(&once, &delegate(6, 3, 0, 99), 2).unwrap_err().contains("counted already"), "nor by a delegate");
    let by_delegate = agree(&request, &delegate(6, 3, 0, 99), 1).unwrap();
    assert!(agree(&by_delegate, &voter(3), 2).unwrap_err().contains("in the place of"));
    assert!(agree(&by_delegate, &delegate(6, 4, 0, 99), 2).unwrap_err().contains("counts once"));
    assert_eq!(agree(&by_delegate, &voter(4), 2).unwrap().approval, Approval::Approved);
    assert_eq!(waited_for(&once), users(&[4, 5]));
}

#[test]
fn whoever_is_not_in_office_or_has_lost_the_permission_decides_nothing() {
    let asked = request(&[rule(Approvers::Permission(SystemPermission::ViewSetup), 1)]);
    // Nobody was found, so those with Manage Users are asked.
    assert_eq!(approvers(&asked), users(&[90, 91]));
    let without = |person: Person| Voter { person: Some(person), ..voter(90) };
    let powerless = Person { permissions: BTreeSet::new(), ..person(90) };
    assert!(agree(&asked, &without(powerless), 1).unwrap_err().contains("lost the permission"));
    let frozen = Person { in_office: false, ..person(90) };
    assert!(agree(&asked, &without(frozen), 1).unwrap_err().contains("deactivated or frozen"));
    assert!(agree(&asked, &voter(90), 1).is_ok());
}

#[test]
fn a_step_that_nobody_can_carry_goes_to_whoever_has_manage_users_and_says_why() {
    for (rule, why) in [
        (rule(Approvers::Manager, 1), "`ada` has no manager"),
        (group("", 1), "no manager"),
        (group("1 2", 1), "nobody is left"),
        (group("1 3", 2), "1 can be asked, 2 are needed"),
    ] {
        let request = request(std::slice::from_ref(&rule));
        let round = awaited(&request).unwrap().current().unwrap();
        let said = round.why.clone().unwrap();
        assert!(said.contains(why) && said.contains("Manage Users"), "{rule:?}: {said}");
        assert_eq!((approvers(&request), round.quorum), (users(&[90, 91]), rule.quorum));
    }
    let too_few = request(&[group("1", 3)]);
    assert!(awaited(&too_few).unwrap().current().unwrap().why.as_ref().unwrap().contains("only a token"));
    assert_eq!(
        agree(&too_few, &Voter::installation(Actor("first".to_owned())), 1).unwrap().approval,
        Approval::Approved
    );
}

#[test]
fn a_deadline_escalates_once_and_then_denies() {
    let to = Escalation { to: Approvers::Group("7 8".to_owned()), quorum: 1, deadline_seconds: Some(HOUR) };
    let first = StepRule { deadline_seconds: Some(HOUR), on_deadline: OnDeadline::Escalate(to), ..group("3 4", 2) };
    let request = agree(&request(&[first]), &voter(3), 1).unwrap();
    assert_eq!(deadline(&request), Some(at(3600)));
    assert_eq!((expired(&request, at(3599)), expired(&request, at(3600))), (None, Some(Expiry::Escalate)));
    assert!(agree(&request, &voter(4), 3600).unwrap_err().contains("time to decide is over"));
    assert!(step(&request, Event::DeadlinePassed, &moment(3599)).is_err());
    // An hour late, as after a downtime: they have their whole time all the same.
    let escalated = step(&request, Event::DeadlinePassed, &moment(7200)).unwrap();
    assert!(escalated.notices.iter().any(|notice| notice.kind == NoticeKind::ApprovalEscalated));
    let escalated = escalated.request.record;
    assert_eq!((approvers(&escalated), deadline(&escalated)), (users(&[7, 8]), Some(at(7200 + 3600))));
    assert!(agree(&escalated, &voter(4), 7201).unwrap_err().contains("not asked"), "the first are no longer");
    let denied = step(&escalated, Event::DeadlinePassed, &moment(99_999)).unwrap();
    assert_eq!(denied.request.record.state, State::Cancelled);
    assert_eq!(denied.request.record.approval, Approval::Denied);
    assert!(denied.log.iter().any(|line| line.message.contains("nobody decided until")));
    assert_eq!(agree(&escalated, &voter(8), 7300).unwrap().approval, Approval::Approved);
}

#[test]
fn one_who_refuses_is_enough_and_so_is_one_token_of_the_installation() {
    let request = request(&[group("3 4 5", 3), group("3", 1)]);
    let event = Event::Deny { voter: Box::new(voter(5)), why: "no".to_owned() };
    let denied = step(&request, event, &moment(1)).unwrap().request.record;
    assert_eq!((denied.state, denied.approval), (State::Cancelled, Approval::Denied));
    let whole = Voter::installation(Actor("first".to_owned()));
    let once = agree(&request, &whole, 1).unwrap();
    assert_eq!(once.approvals.as_ref().unwrap().done, 1, "it decides one step at a time");
    assert_eq!(agree(&once, &whole, 2).unwrap().approval, Approval::Approved);
    let outsider = Event::Deny { voter: Box::new(voter(6)), why: "no".to_owned() };
    assert!(step(&request, outsider, &moment(1)).unwrap_err().why.contains("not asked"));
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_place() {
    let wrong = |steps: serde_json::Value, operations: &[Operation]| {
        let rules = serde_json::json!([{"operations": ["Create"], "steps": steps}]);
        let rules: Vec<ApprovalRule> = serde_json::from_value(rules).unwrap();
        validate(&rules, &operations.iter().copied().collect()).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let create = [Operation::Create];
    assert_eq!(wrong(serde_json::json!([{"approvers": "manager"}]), &create), [""; 0]);
    let bad = serde_json::json!([
        {"approvers": "manager", "quorum": 2},
        {"approvers": {"users": []}, "deadline_seconds": 0},
        {"approvers": {"group": "x"}, "on_deadline": {"escalate": {"to": "manager"}}},
    ]);
    assert_eq!(
        wrong(bad, &create),
        [
            "approvals[0].steps[0].quorum: 2 is not between 1 and 1, as many as can be asked",
            "approvals[0].steps[1].approvers: name at least one user",
            "approvals[0].steps[1].deadline_seconds: is not between 1 and 315360000",
            "approvals[0].steps[2].on_deadline.escalate: without deadline_seconds it never comes to that",
        ]
    );
    assert_eq!(wrong(serde_json::json!([]), &[]).len(), 2, "no step, and none of the operations");
    let twice: Vec<ApprovalRule> =
        [0, 1].map(|_| ApprovalRule { operations: create.into(), steps: vec![group("1", 1)] }).into();
    assert!(validate(&twice, &create.into())[0].why.contains("one rule is for it"));
}

#[test]
fn whoever_takes_a_run_up_again_does_not_approve_its_plan() {
    let run = Request { operation: Operation::Reconcile, state: State::Failed, ..request(&[group("3 4", 1)]) };
    let again = Event::Retry { by: Actor("token3".to_owned()), user: Some(UserId(3)), id: RequestId(2) };
    let clone = step(&run, again, &moment(1)).unwrap().raise.remove(0);
    let plan = crate::Digest::of(b"plan");
    let sealed = crate::Run { plan: Some(plan), ..crate::Run::default() };
    let mut waiting = Request { state: State::Analyzed, run: Some(sealed), ..clone };
    waiting.approvals.as_mut().unwrap().open(at(1));
    assert_eq!(approvers(&waiting), users(&[4]));
    let vote = |id| Event::Approve { voter: Box::new(voter(id)), digest: plan, why: None };
    assert!(step(&waiting, vote(3), &moment(2)).unwrap_err().why.contains("their own request"));
    assert!(step(&waiting, vote(4), &moment(2)).is_ok());
}
