//! Whole runs over a handful of users and accounts, each verdict spelt out.

#![allow(clippy::unwrap_used)]
use super::world::{World, remote, user};
use super::*;
use crate::ports::{Judgement, RowVerdict};
use crate::testing;
use crate::{AccountId, RequestId, Situation, StagedAction, StagingRow, StagingSource, User, Verdict};
use gatehouse_schema::{Status, Value};
use jiff::Timestamp;

fn manual(id: u64, external_id: &str, user: u64) -> Account {
    let mut account = Account { is_known_link: true, ..testing::account(id, external_id, Some(user)) };
    account.set_situation(Situation::Confirmed);
    account
}

/// A verdict in words: whose, situation, action, drift, reason.
fn shown(row: &StagingRow) -> String {
    let Verdict { situation, why, user, drift, action, .. } = row.verdict.clone().unwrap();
    let what = match &row.source {
        StagingSource::Account(account) => account.external_id.clone(),
        StagingSource::Absent { account, .. } => account.to_string(),
        StagingSource::MissingUser(_) => "-".to_owned(),
        StagingSource::Fault { .. } => "fault".to_owned(),
    };
    let user = user.map_or(String::new(), |user| format!(" {user}"));
    let action = match action {
        StagedAction::None => String::new(),
        StagedAction::Raise(operation) => format!(" → {operation:?}"),
    };
    let drift = if drift.is_empty() { String::new() } else { format!(" [{}]", drift.join(" ")) };
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    format!("{what} {situation:?}{user}{drift}{action}{why}")
}

fn check(world: &World, expected: &[&str]) {
    let found: Vec<_> = world.run().iter().map(shown).collect();
    assert_eq!(found, expected, "{:#?} {:#?}", world.rows, world.known);
    let mut turned = world.clone();
    turned.rows.reverse();
    let (mut found, mut other) = (found, turned.run().iter().map(shown).collect::<Vec<_>>());
    found.sort();
    other.sort();
    assert_eq!(found, other, "the order of the rows makes a difference");
}

#[test]
fn an_account_that_matches_one_user_is_found_and_others_are_orphans() {
    let world = World::new(
        vec![user(1, "ada"), user(2, "bob")],
        vec![remote("e1", " ADA ", &[]), remote("e2", "eve", &["eve@x"])],
        vec![],
    );
    check(&world, &["e1 Found USR-000001 [emails] → Update", "e2 Unassigned", "- Missing USR-000002 → Create"]);
}

#[test]
fn an_account_that_matches_several_users_is_ambiguous_and_none_of_them_gets_another() {
    let twins = User { email: Some("ada@x".to_owned()), ..user(2, "bob") };
    let world = World::new(vec![user(1, "ada"), twins], vec![remote("e1", "x", &["ada@x"])], vec![]);
    check(&world, &["e1 Ambiguous: matches USR-000001, USR-000002"]);
}

#[test]
fn of_several_accounts_the_one_with_the_stronger_rule_gets_the_user() {
    let world =
        World::new(vec![user(1, "ada")], vec![remote("e1", "x", &["ada@x"]), remote("e2", "ada", &["ada@x"])], vec![]);
    let lost = "e1 AlreadyLinked USR-000001: account `ada` matches USR-000001 by a stronger rule";
    check(&world, &[lost, "e2 Found USR-000001"]);
}

#[test]
fn of_several_accounts_with_equal_rules_none_gets_the_user() {
    let rows = vec![remote("e1", "x", &["ada@x"]), remote("e2", "y", &["ada@x"]), remote("e3", "z", &["ada@x"])];
    let world = World::new(vec![user(1, "ada")], rows, vec![]);
    check(
        &world,
        &[
            "e1 Ambiguous USR-000001: account `y` matches USR-000001 just as well",
            "e2 Ambiguous USR-000001: account `x` matches USR-000001 just as well",
            "e3 Ambiguous USR-000001: account `x` matches USR-000001 just as well",
        ],
    );
}

#[test]
fn an_account_beaten_by_two_equals_is_ambiguous_too() {
    let rows = vec![remote("e1", "ada", &[]), remote("e2", "ADA", &[]), remote("e3", "z", &["ada@x"])];
    let world = World::new(vec![user(1, "ada")], rows, vec![]);
    assert_eq!(
        shown(&world.run()[2]),
        "e3 Ambiguous USR-000001: account `ADA` may be the one of USR-000001 rather than this"
    );
}

#[test]
fn an_account_that_is_collected_twice_is_no_rival_of_itself() {
    let row = remote("e1", "ada", &["ada@x"]);
    check(&World::new(vec![user(1, "ada")], vec![row.clone(), row], vec![]), &["e1 Found USR-000001"; 2]);
}

#[test]
fn a_manual_link_survives_whatever_the_rules_and_the_connector_say() {
    let mut world = World::new(
        vec![user(1, "ada"), user(2, "bob")],
        vec![remote("e1", "bob", &["ada@x"]), remote("e2", "ada", &["ada@x"])],
        vec![manual(11, "e1", 1)],
    );
    let lost = "e2 AlreadyLinked USR-000001: USR-000001 is linked to account `bob`";
    check(&world, &["e1 Confirmed USR-000001", lost, "- Missing USR-000002 → Create"]);
    world.said.insert("e1".to_owned(), Judgement::Doubt("odd".to_owned()));
    assert_eq!(shown(&world.run()[0]), "e1 Confirmed USR-000001: the connector doubts it: odd");
    world.said.insert("e1".to_owned(), Judgement::Ignore("built in".to_owned()));
    assert_eq!(shown(&world.run()[0]), "e1 Confirmed USR-000001: the connector would leave it alone: built in");
}

#[test]
fn a_manual_link_to_a_user_who_is_no_more_is_decided_anew() {
    let world = World::new(vec![user(1, "ada")], vec![remote("e1", "ada", &["ada@x"])], vec![manual(11, "e1", 5)]);
    check(&world, &["e1 Found USR-000001"]);
}

#[test]
fn a_link_that_was_found_is_confirmed_until_the_rules_find_somebody_else() {
    let users = || vec![user(1, "ada"), user(2, "bob")];
    let linked = || vec![testing::account(11, "e1", Some(1))];
    let world = World::new(users(), vec![remote("e1", "ada", &["ada@x"])], linked());
    check(&world, &["e1 Confirmed USR-000001", "- Missing USR-000002 → Create"]);
    let world = World::new(users(), vec![remote("e1", "renamed", &["new@x"])], linked());
    check(&world, &["e1 Confirmed USR-000001 [emails] → Update", "- Missing USR-000002 → Create"]);
    let world = World::new(users(), vec![remote("e1", "bob", &["bob@x"])], linked());
    let doubted = "e1 Ambiguous USR-000001: was linked to USR-000001, and the linking rules now find USR-000002";
    check(&world, &[doubted]);
}

#[test]
fn a_link_in_doubt_is_not_made_anew_by_the_next_run_and_holds_its_user() {
    let users = vec![user(1, "ada"), user(2, "bob")];
    let rows = vec![remote("e1", "bob", &["bob@x"]), remote("e2", "ada", &["ada@x"])];
    let world = World::new(users, rows, vec![testing::account(11, "e1", Some(1))]);
    let expected = [
        "e1 Ambiguous USR-000001: was linked to USR-000001, and the linking rules now find USR-000002",
        "e2 Ambiguous USR-000001: account `bob` may be the one of USR-000001 rather than this",
    ];
    check(&world, &expected);
    let mut next = world.committed(&world.run());
    check(&next, &expected);
    // Once the account shows other keys, it is judged by those.
    next.rows[0] = remote("e1", "ada", &[]);
    next.rows.remove(1);
    assert_eq!(shown(&next.run()[0]), "e1 Found USR-000001 [emails] → Update");
}

#[test]
fn a_doubt_of_the_connector_stops_a_new_link() {
    let mut world = World::new(vec![user(1, "ada")], vec![remote("e1", "ada", &["ada@x"])], vec![]);
    world.said.insert("e1".to_owned(), Judgement::Doubt("shared mailbox".to_owned()));
    check(&world, &["e1 Ambiguous USR-000001: shared mailbox"]);
}

#[test]
fn what_the_connector_or_the_configuration_leaves_alone_is_ignored() {
    let mut world = World::new(
        vec![user(1, "ada"), user(2, "root")],
        vec![remote("e1", "ada", &[]), remote("e2", " ROOT", &[])],
        vec![],
    );
    world.said.insert("e1".to_owned(), Judgement::Ignore("service account".to_owned()));
    world.app.config.protected.insert("Root".to_owned());
    check(&world, &["e1 Excluded: service account", "e2 Protected"]);
}

#[test]
fn what_the_connector_begins_to_ignore_stays_whose_it_was() {
    let rows = vec![remote("e1", "x", &[]), remote("e2", "ada", &["ada@x"])];
    let mut world = World::new(vec![user(1, "ada")], rows, vec![testing::account(11, "e1", Some(1))]);
    world.said.insert("e1".to_owned(), Judgement::Ignore("built in".to_owned()));
    let lost = "e2 AlreadyLinked USR-000001: USR-000001 is linked to account `x`";
    check(&world, &["e1 Excluded USR-000001: built in", lost]);
    let next = world.committed(&world.run());
    let unsure = "e2 Ambiguous USR-000001: account `x` may be the one of USR-000001 rather than this";
    check(&next, &["e1 Excluded USR-000001: built in", unsure]);
    let alone = World { rows: vec![next.rows[0].clone()], ..next };
    check(&alone, &["e1 Excluded USR-000001: built in", "ACC-001002 Deleted USR-000001"]);
}

#[test]
fn what_an_administrator_ignored_or_untied_stays_so() {
    let rows = vec![remote("e1", "ada", &[]), remote("e2", "bob", &[])];
    let mut ignored = Account { is_known_link: true, ..testing::account(11, "e1", Some(1)) };
    ignored.set_situation(Situation::Excluded);
    let untied = Account { is_known_link: true, ..testing::account(12, "e2", None) };
    let world = World::new(vec![user(1, "ada"), user(2, "bob")], rows, vec![ignored, untied]);
    let expected = ["e1 Excluded USR-000001", "e2 Unassigned", "- Missing USR-000002 → Create"];
    check(&world, &expected);
    let next = world.committed(&world.run());
    assert!(next.known[..2].iter().all(|known| known.is_known_link));
    check(&next, &expected);
}

#[test]
fn an_account_that_is_gone_is_an_orphan_and_its_user_gets_another() {
    let world = World::new(vec![user(1, "ada")], vec![], vec![manual(11, "e1", 1)]);
    let expected = ["ACC-000011 Deleted USR-000001", "- Missing USR-000001 → Create"];
    check(&world, &expected);
    let next = world.committed(&world.run());
    assert_eq!(next.known[0].status, Status::Deleted);
    check(&next, &expected[1..]);
    // Should it come back, it is not linked for having been so once.
    let back = World { rows: vec![remote("e1", "x", &[])], ..next };
    check(&back, &["e1 Unassigned", "- Missing USR-000001 → Create"]);
}

#[test]
fn an_incomplete_collection_concludes_nothing_from_absence() {
    let users = vec![user(1, "ada"), user(2, "bob")];
    let mut world = World::new(users, vec![remote("e2", "ada", &["ada@x"])], vec![manual(11, "e1", 1)]);
    world.complete = false;
    check(&world, &["e2 AlreadyLinked USR-000001: USR-000001 is linked to account `e1`"]);
}

#[test]
fn an_account_that_the_target_keeps_as_deleted_is_gone() {
    let row = RemoteAccount { status: Status::Deleted, ..remote("e1", "ada", &[]) };
    let world = World::new(vec![user(1, "ada")], vec![row], vec![manual(11, "e1", 1)]);
    check(&world, &["e1 Deleted USR-000001", "- Missing USR-000001 → Create"]);
}

/// One linked account in every condition, and what is to be done about it.
#[test]
fn a_linked_account_gets_one_action_and_its_status_comes_first() {
    use Operation::*;
    use Status::{Active, Deactivated};
    // active, frozen, granted; status of the target, our frozen flag, drift; action
    let table = [
        ((true, false, true), (Active, false, false), None),
        ((true, false, true), (Active, false, true), Some(Update)),
        ((true, false, true), (Deactivated, false, true), Some(Activate)),
        ((true, false, true), (Deactivated, true, false), None),
        ((true, false, true), (Deactivated, true, true), Some(Update)),
        ((true, false, true), (Active, true, false), Some(Freeze)),
        ((true, true, true), (Active, false, true), Some(Freeze)),
        ((true, true, true), (Active, true, false), Some(Freeze)),
        ((true, true, true), (Deactivated, true, false), None),
        ((true, true, true), (Deactivated, false, false), None),
        ((false, false, true), (Active, false, true), Some(Deactivate)),
        ((false, true, true), (Active, false, false), Some(Deactivate)),
        ((false, false, true), (Deactivated, false, true), None),
        ((true, false, false), (Active, false, false), Some(Deactivate)),
        ((true, false, false), (Deactivated, false, true), None),
        ((true, true, false), (Active, true, false), Some(Deactivate)),
    ];
    for ((active, frozen_user, granted), (status, frozen, drift), expected) in table {
        let profile = granted.then(|| "staff".to_owned());
        let user = User { active, frozen: frozen_user, profile, ..user(1, "ada") };
        let email = if drift { "old@x" } else { "ada@x" };
        let row = RemoteAccount { status, ..remote("e1", "ada", &[email]) };
        let known = Account { frozen, ..manual(11, "e1", 1) };
        let world = World::new(vec![user], vec![row], vec![known]);
        let action = |world: &World| world.run()[0].verdict.as_ref().unwrap().action;
        let expected = expected.map_or(StagedAction::None, StagedAction::Raise);
        assert_eq!(action(&world), expected, "{active} {frozen_user} {granted} {status:?} {frozen} {drift}");
        let mut off = world.clone();
        off.app.config.reconcile.correct_status = false;
        off.app.config.reconcile.update_drift = false;
        assert_eq!(action(&off), StagedAction::None, "the policy allows nothing");
        let mut off = world;
        off.app.config.operations.clear();
        assert_eq!(action(&off), StagedAction::None, "no operation is enabled");
    }
}

/// Somebody in scope, somebody out of it, and somebody of whom it cannot be told: with an account, and without.
#[test]
fn the_scope_decides_and_where_it_fails_everything_stays() {
    let scoped = |scope: &str, status: Status, frozen: bool| {
        let mut ada = User { frozen, ..user(1, "ada") };
        ada.attributes.insert("grade".to_owned(), vec!["7".to_owned()]);
        let grace = user(2, "grace");
        let row = RemoteAccount { status, ..remote("e1", "ada", &["old@x"]) };
        let mut world = World::new(vec![ada, grace], vec![row], vec![manual(11, "e1", 1)]);
        world.app.config.scope = Some(crate::Expression::new(scope));
        let shown = |row: StagingRow| {
            let verdict = row.verdict.unwrap();
            let why = verdict.why.map_or(String::new(), |why| format!(" ({})", &why[..why.find(" app's").unwrap()]));
            match verdict.action {
                StagedAction::None => format!("{:?}{why}", verdict.situation),
                StagedAction::Raise(operation) => format!("{:?} → {operation:?}{why}", verdict.situation),
            }
        };
        world.run().into_iter().map(shown).collect::<Vec<_>>().join(", ")
    };
    let graded = "has(user.attributes.grade)";
    let (active, deactivated) = (Status::Active, Status::Deactivated);
    assert_eq!(scoped("true", active, false), "Confirmed → Update, Missing → Create");
    assert_eq!(scoped(graded, active, false), "Confirmed → Update");
    assert_eq!(scoped("!has(user.attributes.grade)", active, false), "Confirmed → Deactivate, Missing → Create");
    assert_eq!(scoped("!has(user.attributes.grade)", deactivated, false), "Confirmed, Missing → Create");
    assert_eq!(scoped(graded, deactivated, false), "Confirmed → Activate");
    let untold = "(whether the user is in the";
    let fails = "1 / 0 == 1";
    assert_eq!(scoped(fails, active, false), format!("Confirmed {untold}), Missing {untold})"));
    assert_eq!(scoped(fails, deactivated, false), format!("Confirmed {untold}), Missing {untold})"));
    // Whatever the scope says, a frozen user's account is not to be usable.
    assert_eq!(scoped(fails, active, true), format!("Confirmed → Freeze {untold}), Missing {untold})"));
}

#[test]
fn a_freeze_ends_with_the_users_if_it_came_with_it_and_never_lets_a_leaver_in() {
    let action = |active: bool, with_user: bool, status: Status| {
        let user = User { active, profile: Some("staff".to_owned()), ..user(1, "ada") };
        let row = RemoteAccount { status: Status::Deactivated, ..remote("e1", "ada", &["ada@x"]) };
        let known = Account { frozen: true, frozen_with_user: with_user, status, ..manual(11, "e1", 1) };
        World::new(vec![user], vec![row], vec![known]).run()[0].verdict.as_ref().unwrap().action
    };
    let raise = StagedAction::Raise;
    assert_eq!(action(true, true, Status::Active), raise(Operation::Unfreeze));
    assert_eq!(action(true, false, Status::Active), StagedAction::None);
    assert_eq!(action(false, true, Status::Active), raise(Operation::Deactivate));
    assert_eq!(action(false, false, Status::Active), raise(Operation::Deactivate));
    assert_eq!(action(false, true, Status::Deactivated), StagedAction::None);
}

#[test]
fn a_create_is_planned_only_for_users_who_can_sign_in_and_where_the_policy_says_so() {
    let off = |world: &mut World| world.app.config.reconcile.create_missing = false;
    let frozen = User { frozen: true, ..user(2, "bob") };
    let left = User { active: false, ..user(3, "eve") };
    let other = User { profile: Some("guests".to_owned()), ..user(4, "joe") };
    let mut world = World::new(vec![user(1, "ada"), frozen, left, other], vec![], vec![]);
    let waits = "- Missing USR-000002: the user is frozen; an account is made once they are not";
    check(&world, &["- Missing USR-000001 → Create", waits]);
    off(&mut world);
    check(&world, &["- Missing USR-000001", waits]);
}

#[test]
fn drift_that_nothing_could_remove_raises_no_update() {
    let mut world = World::new(vec![user(1, "ada")], vec![remote("e1", "ada", &["ada@x"])], vec![manual(11, "e1", 1)]);
    world.rows[0].attributes.insert("title".to_owned(), vec![Value::text("x")]);
    let analysis = world.survey();
    let said = |names: &[&str]| RowVerdict {
        judgement: Judgement::Same,
        drift: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let known = &world.known[0];
    let verdict = analysis.assess(&world.rows[0], Some(known), &said(&["title", "no_such", "title"]));
    assert_eq!(verdict.drift, ["title"]);
    assert_eq!(verdict.action, StagedAction::Raise(Operation::Update));
    assert_eq!(analysis.assess(&world.rows[0], Some(known), &said(&["no_such"])).action, StagedAction::None);
}

#[test]
fn a_key_shared_by_a_crowd_links_nobody_and_makes_nobody_an_account() {
    let users = (1..=12).map(|id| User { email: Some("info@x".to_owned()), ..user(id, &format!("u{id}")) }).collect();
    let world = World::new(users, vec![remote("e1", "x", &["info@x"]), remote("e2", "y", &["info@x"])], vec![]);
    let found: Vec<_> = world.run().iter().map(shown).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].ends_with("USR-000008 and more"), "{found:?}");
}

#[test]
fn committing_a_row_takes_over_what_the_target_shows_and_keeps_what_only_we_know() {
    let row = RemoteAccount { status: Status::Deactivated, ..remote("e1", "ada", &["ada@x"]) };
    let frozen = Account { frozen: true, ..manual(11, "e1", 1) };
    let world = World::new(vec![user(1, "ada")], vec![row.clone()], vec![frozen]);
    let after = world.committed(&world.run()).known[0].clone();
    assert_eq!((after.status, after.frozen, after.is_known_link), (Status::Active, true, true));
    assert_eq!((after.username.as_str(), after.email.as_deref()), ("ada", Some("ada@x")));
    assert_eq!(after.fingerprint, Some(crate::fingerprint(&row)));
    assert_eq!(after.last_run, Some(RequestId(9)));
    let unfrozen = World::new(vec![user(1, "ada")], vec![row], vec![manual(11, "e1", 1)]);
    assert_eq!(unfrozen.committed(&unfrozen.run()).known[0].status, Status::Deactivated);
    let fault = StagingSource::Fault { external_id: None, why: String::new() };
    let row = StagingRow { no: 0, source: fault, changed: true, verdict: world.run()[0].verdict.clone() };
    let context = CommitContext::new(&world.app, RequestId(9), Timestamp::UNIX_EPOCH);
    assert_eq!(apply_verdict(&row, None, &context, AccountId(1)), None);
}
