//! The eleven events, row by row, and the cases in which they raise nothing.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{account, app, request, user};
use crate::{Situation, UserId};

/// A user of profile `staff`, to which the app is granted, and what is to be changed of both.
struct Case {
    app_before: App,
    app: App,
    before: Option<User>,
    user: User,
    account: Option<Account>,
    reactivated: bool,
}

fn case() -> Case {
    let ada = User { email: Some("ada@example.com".to_owned()), ..user(1, "ada") };
    Case {
        app_before: app(),
        app: app(),
        before: Some(ada.clone()),
        user: ada,
        account: Some(Account { user: Some(UserId(1)), ..account(1, "x1", Some(1)) }),
        reactivated: false,
    }
}

fn deactivated(account: &Account) -> Account {
    Account { status: Status::Deactivated, ..account.clone() }
}

impl Case {
    fn without_account(self) -> Self {
        Self { account: None, ..self }
    }

    fn with_deactivated(self) -> Self {
        Self { account: self.account.as_ref().map(deactivated), ..self }
    }

    fn before(mut self, change: impl Fn(&mut User)) -> Self {
        self.before.iter_mut().for_each(change);
        self
    }

    fn after(mut self, change: impl FnOnce(&mut User)) -> Self {
        change(&mut self.user);
        self
    }

    fn app_before(mut self, change: impl Fn(&mut App)) -> Self {
        change(&mut self.app_before);
        self
    }

    fn app(mut self, change: impl Fn(&mut App)) -> Self {
        change(&mut self.app);
        self
    }

    fn raises(&self) -> Vec<(DirectoryEvent, Operation)> {
        let change = Change {
            app_before: &self.app_before,
            app: &self.app,
            before: self.before.as_ref(),
            user: &self.user,
            reactivated: self.reactivated,
        };
        let lane = Lane { account: self.account.clone(), ..Lane::default() };
        let raising = raise(&change, &lane);
        assert_eq!(raising.withdraw, [], "nothing is open");
        raising.raise.iter().map(|raise| (raise.event, raise.operation)).collect()
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_event_raises_the_operation_of_its_row() {
    use DirectoryEvent as E;
    use Operation as O;
    let vpn =
        || case().app_before(|app| app.permission_sets = set(&["vpn"])).app(|app| app.permission_sets = set(&["vpn"]));
    let guest = |user: &mut User| user.profile = Some("guest".to_owned());
    let has_vpn = |user: &mut User| user.permission_sets = set(&["vpn"]);
    let ungranted = |app: &mut App| app.profiles.clear();
    let rows: Vec<(Case, E, O)> = vec![
        (Case { before: None, ..case().without_account() }, E::CreateUser, O::Create),
        (case().after(|user| user.email = Some("a@example.com".to_owned())), E::UpdateUser, O::Update),
        (case().after(|user| user.active = false), E::DisableUser, O::Deactivate),
        (case().before(|user| user.active = false).with_deactivated(), E::EnableUser, O::Activate),
        (case().after(|user| user.frozen = true), E::FreezeUser, O::Freeze),
        (
            {
                let mut case = case().before(|user| user.frozen = true);
                case.account.as_mut().unwrap().frozen = true;
                case
            },
            E::UnfreezeUser,
            O::Unfreeze,
        ),
        (
            Case { reactivated: true, ..case().before(|user| user.active = false).with_deactivated() },
            E::ReactivateUser,
            O::Reactivate,
        ),
        (case().before(guest).without_account(), E::ChangeUserProfile, O::Create),
        (case().after(guest), E::ChangeUserProfile, O::Deactivate),
        (vpn().before(guest).after(guest).after(has_vpn).without_account(), E::AssignPermissionSet, O::Create),
        (vpn().before(guest).after(guest).before(has_vpn), E::AssignPermissionSet, O::Deactivate),
        (case().app_before(ungranted).without_account(), E::AssignProfileToApp, O::Create),
        (case().app(ungranted), E::AssignProfileToApp, O::Deactivate),
        (
            vpn()
                .app_before(|app| app.permission_sets.clear())
                .before(guest)
                .after(guest)
                .before(has_vpn)
                .after(has_vpn)
                .without_account(),
            E::AssignPermissionSetToApp,
            O::Create,
        ),
        (
            vpn().app(|app| app.permission_sets.clear()).before(guest).after(guest).before(has_vpn).after(has_vpn),
            E::AssignPermissionSetToApp,
            O::Deactivate,
        ),
    ];
    let mut seen = BTreeSet::new();
    for (case, event, operation) in rows {
        assert_eq!(case.raises(), [(event, operation)], "{event:?}");
        let row = row(event);
        assert!([row.gives, row.takes].contains(&Some(operation)), "{event:?} raises what its row does not name");
        seen.insert(event);
    }
    assert_eq!(seen.len(), super::super::TABLE.len(), "an event has no row here");
}

#[test]
fn losing_one_of_two_grants_raises_nothing() {
    let both = |app: &mut App| app.permission_sets = set(&["vpn", "wifi"]);
    let case = || case().app_before(both).app(both);
    let has = |names: &'static [&'static str]| move |user: &mut User| user.permission_sets = set(names);
    let guest = |user: &mut User| user.profile = None;
    assert_eq!(case().before(has(&["vpn"])).after(guest).after(has(&["vpn"])).raises(), []);
    assert_eq!(case().before(has(&["vpn"])).raises(), [], "the profile still grants it");
    let without_profile = case().before(guest).after(guest);
    assert_eq!(without_profile.before(has(&["vpn", "wifi"])).after(has(&["wifi"])).raises(), []);
    assert_eq!(case().before(has(&["vpn"])).after(has(&["vpn"])).app(|app| app.profiles.clear()).raises(), []);
}

#[test]
fn only_attributes_that_are_mapped_and_selected_raise_an_update() {
    let renamed = || case().after(|user| user.first_name = Some("Augusta".to_owned()));
    assert_eq!(renamed().raises(), [(DirectoryEvent::UpdateUser, Operation::Update)]);
    assert_eq!(renamed().app(|app| app.config.update_on = Some(set(&["email"]))).raises(), []);
    assert_eq!(renamed().app(|app| app.config.update_on = Some(set(&["first_name"]))).raises().len(), 1);
    assert_eq!(case().after(|user| user.manager = Some(UserId(9))).raises(), [], "it is not mapped");
    let free = |user: &mut User| drop(user.attributes.insert("team".to_owned(), vec!["red".to_owned()]));
    assert_eq!(case().after(free).raises(), [], "it is not mapped");
    assert_eq!(renamed().without_account().raises(), [], "there is nothing to update");
}

#[test]
fn ignored_accounts_are_left_alone_and_operations_that_are_off_raise_nothing() {
    let ignored = || {
        let mut case = case();
        case.account.as_mut().unwrap().set_situation(Situation::Excluded);
        case
    };
    assert_eq!(ignored().after(|user| user.active = false).raises(), []);
    assert_eq!(ignored().after(|user| user.email = None).raises(), []);
    assert_eq!(case().app(|app| app.config.follow_events = false).after(|user| user.active = false).raises(), []);
    let off = |app: &mut App| app.config.operations.retain(|operation| *operation != Operation::Deactivate);
    assert_eq!(case().app(off).after(|user| user.active = false).raises(), []);
    assert_eq!(case().after(|user| user.active = false).raises().len(), 1, "its twin");
}

#[test]
fn a_create_for_somebody_with_a_deactivated_account_is_one_that_brings_it_back() {
    let gained = case().before(|user| user.profile = None).with_deactivated();
    assert_eq!(gained.raises(), [(DirectoryEvent::ChangeUserProfile, Operation::Create)]);
    let active = case().before(|user| user.profile = None);
    assert_eq!(active.raises(), [], "there is an account that can be used");
}

#[test]
fn nobody_who_may_not_sign_in_gets_an_account_before_they_may() {
    let made = |change: fn(&mut User)| Case { before: None, ..case().without_account() }.after(change);
    assert_eq!(made(|user| user.active = false).raises(), []);
    assert_eq!(made(|user| user.frozen = true).raises(), []);
    let enabled = case().before(|user| user.active = false).without_account();
    assert_eq!(enabled.raises(), [(DirectoryEvent::EnableUser, Operation::Create)]);
    let unfrozen = case().before(|user| user.frozen = true).without_account();
    assert_eq!(unfrozen.raises(), [(DirectoryEvent::UnfreezeUser, Operation::Create)]);
}

#[test]
fn an_account_frozen_by_itself_is_for_a_person_to_end() {
    let mut frozen = case().before(|user| user.active = false).with_deactivated();
    frozen.account.as_mut().unwrap().frozen = true;
    assert_eq!(frozen.raises(), []);
}

#[test]
fn the_scope_gives_access_and_takes_it() {
    let scoped = |scope: &str| {
        let scope = crate::Expression::new(scope);
        case()
            .app(|app| app.config.scope = Some(scope.clone()))
            .app_before(|app| app.config.scope = Some(scope.clone()))
    };
    let graded = || scoped("'7' in user.attributes.grade");
    let grade = |user: &mut User| drop(user.attributes.insert("grade".to_owned(), vec!["7".to_owned()]));
    let event = DirectoryEvent::UpdateUser;
    assert_eq!(graded().without_account().after(grade).raises(), [(event, Operation::Create)]);
    assert_eq!(graded().before(grade).raises(), [(event, Operation::Deactivate)]);
    assert_eq!(graded().raises(), []);
    // Where it fails, nobody gets an account or loses one over it; what does not depend on it goes on.
    let failing = || scoped("user.attributes.grade[0] == '7'");
    assert_eq!(failing().before(grade).raises(), []);
    assert_eq!(failing().after(|user| user.email = None).raises(), [(event, Operation::Update)]);
    let disabled = failing().after(|user| user.active = false).raises();
    assert_eq!(disabled, [(DirectoryEvent::DisableUser, Operation::Deactivate)]);
    let lost = failing().after(|user| user.profile = None).raises();
    assert_eq!(lost, [(DirectoryEvent::ChangeUserProfile, Operation::Deactivate)]);
    // Once it can be told, it counts.
    assert_eq!(failing().without_account().after(grade).raises(), [(event, Operation::Create)]);
}

#[test]
fn an_update_is_raised_for_what_expressions_use() {
    let mapped = |expression: &str| {
        let rule = crate::MappingRule::new("title", crate::Source::Expression(crate::Expression::new(expression)));
        case().app(|app| app.config.mapping = vec![rule.clone()])
    };
    let update = [(DirectoryEvent::UpdateUser, Operation::Update)];
    let grade = |user: &mut User| drop(user.attributes.insert("grade".to_owned(), vec!["7".to_owned()]));
    let manager = |user: &mut User| user.manager = Some(UserId(9));
    assert_eq!(mapped("user.attributes.grade.first()").after(grade).raises(), update);
    assert_eq!(mapped("user.attributes.grade.first()").after(manager).raises(), []);
    assert_eq!(mapped("user.manager").after(manager).raises(), update);
    assert_eq!(mapped("user.attributes[user.username]").after(grade).raises(), update);
    assert_eq!(
        mapped("user.attributes[user.username]")
            .app(|app| app.config.update_on = Some(set(&["x"])))
            .after(grade)
            .raises(),
        []
    );
}

/// An open request of this operation about the user's account, asked for by hand, waiting for its approval.
fn waiting(operation: Operation) -> Request {
    let change = crate::Change::Account {
        external_id: Some("x1".to_owned()),
        steps: vec![crate::CommitStep::SetStatus(Status::Deactivated)],
        frozen: (operation == Operation::Freeze).then_some(true),
        with_user: false,
    };
    Request { state: State::New, approval: crate::Approval::Required, ..request(operation, change) }
}

#[test]
fn what_waits_for_an_approval_neither_holds_up_a_leaver_nor_passes_for_what_is_to_be_done() {
    for operation in [Operation::Deactivate, Operation::Freeze, Operation::Read, Operation::Update] {
        let left = case().after(|user| user.active = false);
        let change = Change {
            app_before: &left.app_before,
            app: &left.app,
            before: left.before.as_ref(),
            user: &left.user,
            reactivated: false,
        };
        let lane = Lane { account: left.account.clone(), open: vec![waiting(operation)], ..Lane::default() };
        let raising = raise(&change, &lane);
        assert_eq!(raising.withdraw.len(), 1, "{operation:?}");
        let first = Raise::of(DirectoryEvent::DisableUser, Operation::Deactivate);
        assert_eq!(raising.raise.first(), Some(&first), "{operation:?}");
        // Its twin: what takes nothing away leaves it alone, but for an Update that is out of date.
        let renamed = case().after(|user| user.manager = Some(UserId(9)));
        let change = Change { before: renamed.before.as_ref(), user: &renamed.user, ..change };
        assert_eq!(raise(&change, &lane), Raising::default(), "{operation:?}");
    }
}

#[test]
fn an_account_on_a_date_to_come_is_not_made_for_somebody_who_loses_access_before() {
    let withdrawn = |case: Case, operation: Operation| {
        let change = Change {
            app_before: &case.app_before,
            app: &case.app,
            before: case.before.as_ref(),
            user: &case.user,
            reactivated: false,
        };
        let dated = Request { awaits_date: true, ..waiting(operation) };
        let lane = Lane { account: case.account.clone(), dated: vec![dated], ..Lane::default() };
        raise(&change, &lane).withdraw
    };
    let guest = || case().after(|user| user.profile = None);
    let lost = [(RequestId(7), "the user has lost access to the app".to_owned())];
    for operation in [Operation::Create, Operation::Activate, Operation::Reactivate] {
        assert_eq!(withdrawn(guest(), operation), lost);
        assert_eq!(withdrawn(guest().without_account(), operation), lost);
        // Whether they are active, or frozen, is looked at on the date.
        for case in [case().after(|user| user.active = false), case().after(|user| user.frozen = true)] {
            assert_eq!(withdrawn(case, operation), [], "{operation:?}");
        }
    }
    // A leaver's last day stays what it is.
    assert_eq!(withdrawn(guest(), Operation::Deactivate), []);
    // Somebody may have asked for an account without any grant.
    let never = || case().before(|user| user.profile = None).after(|user| user.profile = None);
    assert_eq!(withdrawn(never().after(|user| user.email = None), Operation::Create), []);
}

/// What follows where a request turns out to have left the case's account.
fn settled(case: &Case, operation: Operation, event: Option<DirectoryEvent>) -> Vec<(DirectoryEvent, Operation)> {
    let lane = Lane { account: case.account.clone(), ..Lane::default() };
    let settled = Request { event, ..waiting(operation) };
    let raising = amiss(&case.app, &case.user, &lane, &settled);
    raising.raise.into_iter().map(|raise| (raise.event, raise.operation)).collect()
}

#[test]
fn an_account_that_is_found_out_about_late_is_taken_from_whoever_is_not_to_have_it() {
    let found_by = |case: &Case, event| settled(case, Operation::Create, event);
    let found = |case: &Case| found_by(case, Some(DirectoryEvent::CreateUser));
    let deactivates = |event| [(event, Operation::Deactivate)];
    let left = || case().after(|user| user.active = false);
    assert_eq!(found(&case()), [], "theirs by right");
    assert_eq!(found(&left()), deactivates(DirectoryEvent::DisableUser));
    assert_eq!(found(&left().after(|user| user.frozen = true)), deactivates(DirectoryEvent::DisableUser));
    let frozen = case().after(|user| user.frozen = true);
    assert_eq!(found(&frozen), [(DirectoryEvent::FreezeUser, Operation::Freeze)]);
    let guest = case().after(|user| user.profile = None);
    assert_eq!(found(&guest), deactivates(DirectoryEvent::UpdateUser));
    assert_eq!(found_by(&guest, None), [], "somebody asked for it by hand, grant or not");
    assert_eq!(found_by(&left(), None), deactivates(DirectoryEvent::DisableUser));
    // What cannot be told takes nothing away, and neither does an app that follows no events.
    let scope = crate::Expression::new("user.attributes.grade[0] == '7'");
    assert_eq!(found(&case().app(|app| app.config.scope = Some(scope.clone()))), []);
    assert_eq!(found(&left().app(|app| app.config.follow_events = false)), []);
    assert_eq!(found(&left().with_deactivated()), [], "it is deactivated already");
    assert_eq!(found(&left().without_account()), []);
}

#[test]
fn an_account_that_turns_out_to_be_taken_away_is_given_back_to_whoever_came_back_meanwhile() {
    let by = Some(DirectoryEvent::DisableUser);
    let frozen = |with_user| {
        let mut case = case().with_deactivated();
        case.account.iter_mut().for_each(|account| (account.frozen, account.frozen_with_user) = (true, with_user));
        case
    };
    let gone = || case().with_deactivated();
    let activated = [(DirectoryEvent::EnableUser, Operation::Activate)];
    assert_eq!(settled(&gone(), Operation::Deactivate, by), activated);
    assert_eq!(settled(&gone(), Operation::Deactivate, None), [], "somebody wanted that by hand");
    assert_eq!(settled(&gone().after(|user| user.active = false), Operation::Deactivate, by), [], "as it is to be");
    assert_eq!(settled(&gone().after(|user| user.profile = None), Operation::Deactivate, by), []);
    assert_eq!(settled(&gone().after(|user| user.frozen = true), Operation::Deactivate, by), []);
    let unfrozen = settled(&frozen(true), Operation::Freeze, by);
    assert!(unfrozen.contains(&(DirectoryEvent::UnfreezeUser, Operation::Unfreeze)), "{unfrozen:?}");
    assert_eq!(settled(&frozen(false), Operation::Freeze, None), [], "a freeze of the account alone");
    assert_eq!(settled(&frozen(true).after(|user| user.frozen = true), Operation::Freeze, by), []);
}

#[test]
fn whoever_is_reactivated_is_unfrozen_too_where_the_end_of_their_freeze_never_came() {
    let raises = |with_user: bool, reactivated: bool| {
        let mut case = Case { reactivated, ..case() };
        case.account.iter_mut().for_each(|account| (account.frozen, account.frozen_with_user) = (true, with_user));
        case.raises()
    };
    let unfreeze = (DirectoryEvent::UnfreezeUser, Operation::Unfreeze);
    assert_eq!(raises(true, true), [unfreeze, (DirectoryEvent::ReactivateUser, Operation::Update)]);
    assert!(!raises(false, true).contains(&unfreeze), "a freeze of the account alone is for a person to end");
    assert_eq!(raises(true, false), [], "nothing has happened");
}
