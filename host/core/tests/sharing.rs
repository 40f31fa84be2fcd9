//! Sharing rules: what one look at a request and a list of requests say must be the same, whatever the rules.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "it drives whole lives; here only a request is needed")]
mod driver;

use gatehouse_core::sharing::{About, Access, Audience, Owner, SharingRule, Standing, Viewer, standing, visible};
use gatehouse_core::{AppId, Operation, Request, Subject, UserId};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Users 1 to 5: whom they report to, and which of the groups `a` and `b` they belong to.
type People = Vec<(Option<u64>, bool, bool)>;

fn groups_of(people: &People, user: UserId) -> BTreeSet<String> {
    let (_, a, b) = people[user.0 as usize - 1];
    [("a", a), ("b", b)].into_iter().filter(|(_, is)| *is).map(|(name, _)| name.to_owned()).collect()
}

fn manager_of(people: &People, user: UserId) -> Option<UserId> {
    people[user.0 as usize - 1].0.map(UserId)
}

fn user() -> impl Strategy<Value = UserId> {
    (1..=5_u64).prop_map(UserId)
}

fn group() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned())]
}

fn rule() -> impl Strategy<Value = SharingRule> {
    let owner = prop_oneof![Just(Owner::Anybody), user().prop_map(Owner::User), group().prop_map(Owner::Group)];
    let audience =
        prop_oneof![user().prop_map(Audience::User), group().prop_map(Audience::Group), Just(Audience::Managers)];
    let operations = prop::collection::btree_set(
        prop_oneof![Just(Operation::Create), Just(Operation::Update), Just(Operation::Reconcile)],
        0..3,
    );
    let app = prop::option::of((1..=2_u64).prop_map(AppId));
    let access = prop_oneof![Just(Access::Read), Just(Access::Approve)];
    (app, operations, owner, audience, access).prop_map(|(app, operations, owner, audience, access)| SharingRule {
        name: "rule".to_owned(),
        description: String::new(),
        app,
        operations,
        owner,
        audience,
        access,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
    })
}

fn requests() -> Vec<Request> {
    let subjects = (1..=5).map(|n| Subject::User(UserId(n))).chain([Subject::App]);
    let of = |subject| {
        let one =
            |app, operation| Request { app: AppId(app), operation, subject, ..driver::request(Operation::Create) };
        [one(1, Operation::Create), one(2, Operation::Update), one(1, Operation::Reconcile)]
    };
    subjects.flat_map(of).collect()
}

fn look(rules: &[SharingRule], people: &People, viewer: &Viewer, request: &Request) -> Standing {
    let about = match request.subject {
        Subject::User(user) => Some(About { user, manager: manager_of(people, user), groups: groups_of(people, user) }),
        _ => None,
    };
    standing(rules, viewer, request, about.as_ref(), false)
}

proptest! {
    #[test]
    fn a_list_holds_what_single_looks_let_see_and_nothing_else(
        rules in prop::collection::vec(rule(), 0..5),
        people in prop::collection::vec((prop::option::of(1..=5_u64), any::<bool>(), any::<bool>()), 5),
        viewer in user(),
    ) {
        let viewer = Viewer { user: viewer, groups: groups_of(&people, viewer) };
        let everybody = || (1..=5).map(UserId);
        let reports: Vec<_> = everybody().filter(|user| manager_of(&people, *user) == Some(viewer.user)).collect();
        let members = |group: &str| everybody().filter(|user| groups_of(&people, *user).contains(group)).collect();
        let reaches = visible(&rules, &viewer, &reports, members);
        for request in requests() {
            let own = request.subject == Subject::User(viewer.user);
            let listed = reaches.iter().any(|reach| reach.covers(&request));
            prop_assert_eq!(listed, own || look(&rules, &people, &viewer, &request).reads, "{:?}", request.subject);
        }
    }
}

fn managers_approve_app_1() -> SharingRule {
    SharingRule {
        name: "managers".to_owned(),
        description: String::new(),
        app: Some(AppId(1)),
        operations: BTreeSet::new(),
        owner: Owner::Anybody,
        audience: Audience::Managers,
        access: Access::Approve,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn a_manager_decides_about_their_people_and_about_nobody_else() {
    let people: People = vec![(None, false, false), (Some(1), false, false), (Some(3), false, false)];
    let viewer = Viewer { user: UserId(1), groups: BTreeSet::new() };
    let look = |user, app| {
        let request =
            Request { app: AppId(app), subject: Subject::User(UserId(user)), ..driver::request(Operation::Create) };
        look(&[managers_approve_app_1()], &people, &viewer, &request)
    };
    assert_eq!(look(2, 1), Standing { reads: true, decides: true, by_rule: true });
    assert_eq!(look(2, 2), Standing::default(), "another app");
    assert_eq!(look(3, 1), Standing::default(), "somebody else's report");
    assert_eq!(look(1, 1), Standing::default(), "oneself");
}

#[test]
fn to_read_is_not_to_decide_and_the_strongest_rule_counts() {
    let viewer = Viewer { user: UserId(1), groups: BTreeSet::new() };
    let read = SharingRule { access: Access::Read, audience: Audience::User(UserId(1)), ..managers_approve_app_1() };
    let request = Request { app: AppId(1), subject: Subject::App, ..driver::request(Operation::Create) };
    let look = |rules: &[SharingRule]| standing(rules, &viewer, &request, None, false);
    assert_eq!(look(std::slice::from_ref(&read)), Standing { reads: true, decides: false, by_rule: false });
    let approve = SharingRule { access: Access::Approve, ..read.clone() };
    assert_eq!(look(&[approve, read]), Standing { reads: true, decides: true, by_rule: true });
}

#[test]
fn an_assigned_approver_sees_and_decides_without_any_rule() {
    let viewer = Viewer { user: UserId(1), groups: BTreeSet::new() };
    let look = |assigned| standing(&[], &viewer, &driver::request(Operation::Create), None, assigned);
    assert_eq!(look(true), Standing { reads: true, decides: true, by_rule: false });
    assert_eq!(look(false), Standing::default());
}
