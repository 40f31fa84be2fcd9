//! What holds of every run, over worlds made up at random: small alphabets, so that everybody collides.

#![allow(clippy::unwrap_used)]
use super::world::{World, remote, user};
use crate::ports::Judgement;
use crate::testing;
use crate::{
    Account, AccountId, LinkState, Operation, Situation, StagedAction, StagingRow, StagingSource, User, UserId, Verdict,
};
use gatehouse_schema::{Account as RemoteAccount, Attributes, Status, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 4] = ["ada", "bob", "eve", "joe"];

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&NAMES[..])
}

fn users() -> impl Strategy<Value = Vec<User>> {
    let one = (name(), name(), any::<[bool; 3]>()).prop_map(|(username, email, [active, frozen, granted])| User {
        email: Some(format!("{email}@x")),
        active,
        frozen: frozen && active,
        profile: granted.then(|| "staff".to_owned()),
        ..user(0, username)
    });
    proptest::collection::vec(one, 0..5).prop_map(|mut users| {
        let number = |(no, user): (usize, &mut User)| user.id = UserId(no as u64 + 1);
        users.iter_mut().enumerate().for_each(number);
        users
    })
}

fn row(no: usize) -> impl Strategy<Value = RemoteAccount> {
    let marker = proptest::option::weighted(0.2, 1_u64..5);
    let emails = proptest::collection::vec(name(), 0..3);
    let status = prop_oneof![5 => Just(Status::Active), 2 => Just(Status::Deactivated), 1 => Just(Status::Deleted)];
    (name(), emails, marker, status).prop_map(move |(username, emails, marker, status)| {
        let emails: Vec<_> = emails.iter().map(|name| format!("{name}@x")).collect();
        let mut row = remote(&format!("e{no}"), username, &emails.iter().map(String::as_str).collect::<Vec<_>>());
        let marker = marker.map(|id| Value::text(UserId(id).to_string()));
        row.attributes.insert("externalId".to_owned(), marker.into_iter().collect());
        RemoteAccount { status, ..row }
    })
}

/// What is known of an account that the target shows, or showed once.
fn known(no: usize) -> impl Strategy<Value = Option<(Account, bool)>> {
    let manual = proptest::bool::weighted(0.4);
    let known = (1_u64..6, manual, any::<bool>(), any::<[bool; 2]>()).prop_map(move |(of, manual, shown, [a, b])| {
        let linked = !(a && b);
        let mut account = testing::account(no as u64 + 10, &format!("e{no}"), linked.then_some(of));
        account.is_known_link = manual;
        account.frozen = a && !b && manual;
        if a && manual && !linked {
            account.set_situation(Situation::Excluded);
        }
        account.attributes = Attributes::new();
        (account, shown)
    });
    proptest::option::weighted(0.5, known)
}

prop_compose! {
    fn world()(
        users in users(),
        rows in [row(0), row(1), row(2), row(3), row(4)],
        known in [known(0), known(1), known(2), known(3), known(4)],
        said in proptest::collection::btree_map(0_usize..5, any::<bool>(), 0..2),
        protected in proptest::option::weighted(0.2, name()),
        complete in proptest::bool::weighted(0.8),
    ) -> World {
        let hidden: BTreeSet<_> =
            known.iter().flatten().filter(|(_, shown)| !shown).map(|(k, _)| k.external_id.clone()).collect();
        let rows = rows.into_iter().filter(|row| !hidden.contains(&Some(row.external_id.clone()))).collect();
        let mut world = World::new(users, rows, with_one_manual_link_each(known.into_iter().flatten()));
        let judge = |doubt| if doubt { Judgement::Doubt("odd".into()) } else { Judgement::Ignore("ours".into()) };
        world.said = said.into_iter().map(|(no, doubt)| (format!("e{no}"), judge(doubt))).collect();
        world.app.config.protected.extend(protected.map(str::to_owned));
        world.complete = complete;
        world
    }
}

/// Linking by hand refuses a second account for the same user, so no world has one.
fn with_one_manual_link_each(known: impl Iterator<Item = (Account, bool)>) -> Vec<Account> {
    let mut taken = BTreeSet::new();
    known
        .map(|(mut account, _)| {
            if account.is_known_link && account.is_linked() && !taken.insert(account.user) {
                account.is_known_link = false;
            }
            account
        })
        .collect()
}

/// What a row is about, whatever its number.
fn about(row: &StagingRow) -> String {
    match &row.source {
        StagingSource::Account(account) => account.external_id.clone(),
        StagingSource::Absent { account, .. } => account.to_string(),
        StagingSource::MissingUser(user) => user.to_string(),
        StagingSource::Fault { .. } => "fault".to_owned(),
    }
}

fn verdicts(rows: &[StagingRow]) -> BTreeMap<String, Verdict> {
    rows.iter().map(|row| (about(row), row.verdict.clone().unwrap())).collect()
}

fn actions(rows: &[StagingRow]) -> BTreeSet<(String, String)> {
    let acts = |row: &&StagingRow| row.verdict.as_ref().unwrap().action != StagedAction::None;
    let of = |row: &StagingRow| (about(row), format!("{:?}", row.verdict.as_ref().unwrap().action));
    rows.iter().filter(acts).map(of).collect()
}

fn linked(rows: &[StagingRow]) -> Vec<UserId> {
    let verdicts = rows.iter().filter_map(|row| row.verdict.as_ref());
    verdicts.filter(|v| v.situation.link_state() == LinkState::Linked).map(|v| v.user.unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_rows_makes_no_difference(world in world(), turn in 0_usize..5, flip: bool) {
        let mut other = world.clone();
        if !other.rows.is_empty() {
            let by = turn % other.rows.len();
            other.rows.rotate_left(by);
        }
        if flip {
            other.rows.reverse();
            other.known.reverse();
            other.users.reverse();
        }
        prop_assert_eq!(verdicts(&world.run()), verdicts(&other.run()));
    }

    #[test]
    fn every_account_and_every_missing_user_gets_exactly_one_verdict(world in world()) {
        let rows = world.run();
        let names: BTreeSet<_> = rows.iter().map(about).collect();
        prop_assert_eq!(names.len(), rows.len());
        for account in &world.rows {
            prop_assert!(names.contains(&account.external_id));
        }
        for row in &rows {
            prop_assert!(row.verdict.is_some());
        }
    }

    #[test]
    fn no_user_is_linked_to_two_accounts(world in world()) {
        let rows = world.run();
        let mut users = linked(&rows);
        if !world.complete {
            // Accounts the collection did not show are taken to be linked as they were.
            let shown: BTreeSet<_> = world.rows.iter().map(|row| Some(row.external_id.clone())).collect();
            let protected = |k: &Account| world.app.config.protected.contains(&k.username);
            let unseen = world.known.iter().filter(|k| !shown.contains(&k.external_id) && !protected(k));
            users.extend(unseen.filter(|k| k.is_linked() && k.is_known_link).filter_map(|k| k.user));
        }
        let distinct: BTreeSet<_> = users.iter().collect();
        prop_assert_eq!(distinct.len(), users.len(), "{:?}", users);
    }

    #[test]
    fn a_manual_link_always_survives(world in world()) {
        let verdicts = verdicts(&world.run());
        let exists = |user: UserId| world.users.iter().any(|u| u.id == user);
        for known in world.known.iter().filter(|k| k.is_known_link && k.is_linked() && exists(k.user.unwrap())) {
            let shown = world.rows.iter().find(|row| known.external_id.as_ref() == Some(&row.external_id));
            let Some(row) = shown.filter(|row| row.status != Status::Deleted) else { continue };
            if world.app.config.protected.contains(&row.username) {
                continue;
            }
            let verdict = &verdicts[&row.external_id];
            prop_assert_eq!((verdict.situation, verdict.user), (Situation::Confirmed, known.user));
        }
    }

    #[test]
    fn nobody_whom_any_account_claims_gets_another(world in world()) {
        let rows = world.run();
        for row in &rows {
            let verdict = row.verdict.as_ref().unwrap();
            if verdict.action != StagedAction::Raise(Operation::Create) {
                continue;
            }
            let user = verdict.user.unwrap();
            prop_assert!(world.complete);
            let claims = |other: &&StagingRow| {
                let other = other.verdict.as_ref().unwrap();
                let there = !matches!(other.situation, Situation::Missing | Situation::Deleted);
                let named = other.why.as_ref().is_some_and(|why| why.contains(&user.to_string()));
                there && (other.user == Some(user) || named)
            };
            prop_assert_eq!(rows.iter().find(claims), None);
        }
    }

    #[test]
    fn with_nothing_changed_a_second_run_plans_nothing_that_the_first_did_not(world in world()) {
        // No run of ours links a user twice, so that is no state to start from.
        let mut world = world;
        let mut taken = BTreeSet::new();
        world.known.retain(|k| !k.is_linked() || taken.insert(k.user));
        let first = world.run();
        let committed = world.committed(&first);
        let second = committed.run();
        prop_assert!(
            actions(&second).is_subset(&actions(&first)),
            "first {:?}\nsecond {:?}", verdicts(&first), verdicts(&second)
        );
        // From then on nothing moves at all.
        let third = committed.committed(&second).run();
        prop_assert_eq!(verdicts(&second), verdicts(&third));
    }

    #[test]
    fn what_is_committed_is_what_the_verdict_says(world in world()) {
        let rows = world.run();
        let after: BTreeMap<AccountId, Account> =
            world.committed(&rows).known.into_iter().map(|account| (account.id, account)).collect();
        for account in after.values() {
            prop_assert_eq!(account.link_state, account.situation.link_state());
            prop_assert!(account.external_id.is_some() || account.user.is_some());
            if account.link_state == LinkState::Linked {
                prop_assert!(account.user.is_some());
            }
        }
    }
}
