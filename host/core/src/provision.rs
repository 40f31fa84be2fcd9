//! What one user needs in one app, and why: the decision behind provisioning on demand, step by step as somebody would
//! reason about it. It looks at what is known and at what a search of the target has found; it never searches, and what
//! the change itself is, is for `planning` to say.

use crate::analysis::{renames, standard_judgement};
use crate::linking::{account_keys, user_keys};
use crate::mapping::{self, Purpose};
use crate::{Access, Account, App, Description, Facts, LinkRule, Operation, Request, Situation, USERNAME, User};
use gatehouse_schema::{Account as RemoteAccount, Schema, Status};

/// An account of the target that a linking rule finds for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The rule, by its place.
    pub rule: usize,
    /// The account.
    pub account: RemoteAccount,
}

/// What was found of a user in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// It was not looked for, for this reason.
    NotAsked(String),
    /// These were found, the strongest rule's; none if nobody.
    Found(Vec<Sighting>),
}

/// What is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The operation; none if there is nothing to do, or nothing that may be done.
    pub operation: Option<Operation>,
    /// Why, in words.
    pub why: String,
}

/// Searches that find the user of an app by its linking rules: which rule, which attribute, which value. Only for
/// attributes that the connector can search for; a sensitive one is never asked for, since it would be in an address.
pub fn searches(app: &App, user: &User, description: &Description, schema: &Schema) -> Vec<(usize, String, String)> {
    let searchable = |rule: &LinkRule| {
        let name = rule.account_attribute.as_str();
        description.searchable.iter().any(|known| known == name) && schema.get(name).is_none_or(|d| !d.sensitive)
    };
    let rules = app.config.linking.iter().enumerate().filter(|(_, rule)| searchable(rule));
    let of_rule = |(no, rule): (usize, &LinkRule)| {
        let values = mapping::user_values(user, &rule.user_attribute).into_iter();
        let asked = values.filter(|value| !value.trim().is_empty());
        asked.map(|value| (no, rule.account_attribute.clone(), value.into_owned())).collect::<Vec<_>>()
    };
    rules.flat_map(of_rule).collect()
}

/// Whether an account that a search has brought is one that a rule finds for the user: by what both sides come to, and
/// by the rule's condition. A condition that fails counts as holding: what cannot be told is for a person to decide.
pub fn is_match(app: &App, rule: usize, user: &User, account: &RemoteAccount) -> bool {
    let rules = app.config.linking.get(rule..=rule).unwrap_or_default();
    let (theirs, its) = (user_keys(rules, user), account_keys(rules, &account.username, &account.attributes));
    let same = theirs.iter().zip(&its).any(|(theirs, its)| theirs.iter().any(|key| its.contains(key)));
    let holds = |rule: &LinkRule| {
        rule.condition.as_ref().is_none_or(|condition| condition.holds(&Facts::of_pair(user, account)).unwrap_or(true))
    };
    same && rules.iter().all(holds)
}

impl App {
    /// What gives a user access, in words: their profile, and each of their permission sets that does.
    pub fn granted_by(&self, user: &User) -> Vec<String> {
        let profile = user.profile.iter().filter(|profile| self.profiles.contains(*profile));
        let sets = user.permission_sets.intersection(&self.permission_sets);
        profile.map(|name| format!("profile {name}")).chain(sets.map(|name| format!("permission set {name}"))).collect()
    }
}

/// What is known of a user in an app.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The user's account, as far as it is known here.
    pub account: Option<&'a Account>,
    /// The user's open requests, and those in review.
    pub open: &'a [Request],
    /// What was found of them in the target.
    pub matched: &'a Matched,
}

/// What a user needs in an app.
pub fn needed(app: &App, user: &User, known: Known<'_>, schema: &Schema) -> Needed {
    let Known { account, open, matched } = known;
    if let Some(open) = open.iter().find(|open| open.operation.writes()) {
        let (id, operation) = (open.id, open.operation);
        let why = if open.is_in_review() {
            "may have changed the account, and nobody knows"
        } else {
            "is to change the account, and is not done"
        };
        return nothing(format!("{id} ({operation:?}) {why}: see to that one first (`gatehouse request show {id}`)"));
    }
    let access = app.entitles(user);
    if user.active && access == Access::Undecided {
        return nothing("whether the user is in the app's scope cannot be told, so nothing is changed");
    }
    let should = user.active && access == Access::Given;
    let gone = |account: &&Account| account.status == Status::Deleted || account.situation == Situation::Deleted;
    match account.filter(|account| account.external_id.is_some()).filter(|account| !gone(account)) {
        None => without_account(should, user, matched),
        Some(account) if !account.is_linked() => {
            let (id, state, situation) = (account.id, account.link_state, account.situation);
            nothing(format!("{id} is {state:?} ({situation:?}), and changes of the user leave it alone"))
        }
        Some(account) if !should => match account.status {
            Status::Active => do_it(Operation::Deactivate, "the user is not to have the account any more"),
            _ => nothing("the account is deactivated, as it should be"),
        },
        Some(account) => with_account(app, user, account, schema),
    }
}

fn without_account(should: bool, user: &User, matched: &Matched) -> Needed {
    match matched {
        _ if !should => nothing("the user is to have no account, and none of theirs is known here"),
        _ if user.frozen => nothing("the user is frozen; an account is made once they are not"),
        Matched::Found(found) if !found.is_empty() => {
            let names: Vec<_> =
                found.iter().map(|s| format!("`{}` ({})", s.account.username, s.account.external_id)).collect();
            nothing(format!(
                "the target has {} already, which may be the user's: reconcile the app, or link it, rather than make another",
                names.join(" and ")
            ))
        }
        _ => do_it(Operation::Create, "the user is to have an account, and has none"),
    }
}

fn with_account(app: &App, user: &User, account: &Account, schema: &Schema) -> Needed {
    match (user.frozen, account.frozen) {
        (true, false) => return do_it(Operation::Freeze, "the user is frozen, and the account is not"),
        (true, true) => return nothing("the account is frozen, as its user is"),
        (false, true) if account.frozen_with_user => {
            return do_it(Operation::Unfreeze, "the user is frozen no longer");
        }
        (false, true) => return nothing("the account alone is frozen, which is for a person to end"),
        (false, false) => {}
    }
    if account.status != Status::Active {
        return do_it(Operation::Reactivate, "the user is to have the account, and it is deactivated");
    }
    let found = match differences(app, user, account, schema) {
        Err(error) => return nothing(format!("what the account should be cannot be told: {error}")),
        Ok(found) => found,
    };
    let seen = account.last_seen.map_or_else(
        || "as far as is known here".to_owned(),
        |at| format!("as it was last seen, at {}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
    );
    let mut why = Vec::new();
    if !found.drift.is_empty() {
        why.push(format!("these differ from the account {seen}: {}", found.drift.join(", ")));
    }
    if !found.unknown.is_empty() {
        why.push(format!("these are mapped, and the account had none of them {seen}: {}", found.unknown.join(", ")));
    }
    if why.is_empty() {
        return nothing(format!(
            "the account is as it should be, {seen}; a Read looks at what it is now, and a Reconcile at all accounts"
        ));
    }
    do_it(Operation::Update, &why.join("; "))
}

/// The mapped attributes that an account is not known to have as they should be.
struct Differences {
    /// Those that were seen, and are others.
    drift: Vec<String>,
    /// Those that were not seen: the account had none, or they were not mapped then.
    unknown: Vec<String>,
}

/// What an account, as it was last seen, has to become. Where an Update would change nothing, nothing is said of it.
fn differences(
    app: &App,
    user: &User,
    account: &Account,
    schema: &Schema,
) -> Result<Differences, mapping::MappingError> {
    let wanted = mapping::desired(&app.config.mapping, user, schema, Purpose::Update)?.attributes;
    let Some(shown) = crate::analysis::as_remote(account) else {
        return Ok(Differences { drift: Vec::new(), unknown: Vec::new() });
    };
    let mut drift = standard_judgement(schema, &wanted, &shown).drift;
    drift.extend(renames(&wanted, &shown).then(|| USERNAME.to_owned()));
    let changeable = |name: &String| {
        let mutability = schema.get(name).map(|definition| definition.mutability);
        name == USERNAME || mutability == Some(gatehouse_schema::Mutability::ReadWrite)
    };
    drift.retain(changeable);
    drift.sort_unstable();
    drift.dedup();
    let unseen = |name: &String| name != USERNAME && !shown.attributes.contains_key(name) && !drift.contains(name);
    let asserted = wanted.iter().filter(|(_, values)| !values.is_empty()).map(|(name, _)| name);
    let unknown = asserted.filter(|name| unseen(name) && changeable(name)).cloned().collect();
    Ok(Differences { drift, unknown })
}

fn nothing(why: impl Into<String>) -> Needed {
    Needed { operation: None, why: why.into() }
}

fn do_it(operation: Operation, why: &str) -> Needed {
    Needed { operation: Some(operation), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use crate::{Expression, UserId};
    use gatehouse_schema::{Attributes, Value};
    use proptest::prelude::*;

    fn ada() -> User {
        User { email: Some("ada@x".to_owned()), first_name: Some("Ada".to_owned()), ..testing::user(7, "ada") }
    }

    /// Her account, with all that is mapped.
    fn hers() -> Account {
        let values = [("externalId", "USR-000007"), ("emails", "ada@x")];
        let value = |(name, text): (&str, &str)| {
            let labelled = name == "emails";
            let value = Value { kind: labelled.then(|| "work".to_owned()), primary: labelled, ..Value::text(text) };
            (name.to_owned(), vec![value])
        };
        Account {
            last_seen: Some(jiff::Timestamp::constant(1_767_225_600, 0)),
            attributes: values.map(value).into(),
            ..testing::account(3, "e3", Some(7))
        }
    }

    fn remote(external_id: &str, username: &str) -> RemoteAccount {
        RemoteAccount {
            external_id: external_id.to_owned(),
            username: username.to_owned(),
            status: Status::Active,
            attributes: Attributes::new(),
            revision: None,
        }
    }

    const SEEN: &str = "as it was last seen, at 2026-01-01T00:00:00Z";
    const LOOK: &str = "a Read looks at what it is now, and a Reconcile at all accounts";

    fn check(app: &App, user: &User, account: Option<&Account>, expected: &str) {
        let schema = testing::description().schema().unwrap();
        let known = Known { account, open: &[], matched: &Matched::Found(Vec::new()) };
        let needed = needed(app, user, known, &schema);
        let operation = needed.operation.map_or("nothing".to_owned(), |operation| format!("{operation:?}"));
        assert_eq!(format!("{operation}: {}", needed.why), expected);
    }

    #[test]
    fn each_condition_of_user_and_account_has_its_operation() {
        let app = testing::app();
        let stranger = User { profile: None, ..ada() };
        let left = User { active: false, ..ada() };
        let cold = User { frozen: true, ..ada() };
        let deactivated = Account { status: Status::Deactivated, ..hers() };
        let frozen = Account { frozen: true, ..hers() };
        let with_user = Account { frozen_with_user: true, ..frozen.clone() };
        let gone = Account { situation: Situation::Deleted, ..hers() };
        let check = |user: &User, account: Option<&Account>, expected: &str| check(&app, user, account, expected);
        check(&ada(), None, "Create: the user is to have an account, and has none");
        check(&ada(), Some(&gone), "Create: the user is to have an account, and has none");
        check(&cold, None, "nothing: the user is frozen; an account is made once they are not");
        for user in [&stranger, &left] {
            check(user, None, "nothing: the user is to have no account, and none of theirs is known here");
            check(user, Some(&hers()), "Deactivate: the user is not to have the account any more");
            check(user, Some(&deactivated), "nothing: the account is deactivated, as it should be");
        }
        check(&ada(), Some(&hers()), &format!("nothing: the account is as it should be, {SEEN}; {LOOK}"));
        let never = Account { last_seen: None, ..hers() };
        let text = format!("nothing: the account is as it should be, as far as is known here; {LOOK}");
        check(&ada(), Some(&never), &text);
        let renamed = User { email: Some("lovelace@x".to_owned()), ..ada() };
        check(&renamed, Some(&hers()), &format!("Update: these differ from the account {SEEN}: emails"));
        check(&ada(), Some(&deactivated), "Reactivate: the user is to have the account, and it is deactivated");
        check(&cold, Some(&hers()), "Freeze: the user is frozen, and the account is not");
        check(&cold, Some(&frozen), "nothing: the account is frozen, as its user is");
        check(&ada(), Some(&with_user), "Unfreeze: the user is frozen no longer");
        check(&ada(), Some(&frozen), "nothing: the account alone is frozen, which is for a person to end");
        let mut excluded = hers();
        excluded.set_situation(Situation::Excluded);
        let text = "nothing: ACC-000003 is Ignored (Excluded), and changes of the user leave it alone";
        check(&ada(), Some(&excluded), text);
    }

    #[test]
    fn what_is_mapped_and_was_never_seen_is_asserted() {
        let mut later = testing::app();
        let mut unseen = hers();
        unseen.attributes.remove("emails");
        let text = format!("Update: these are mapped, and the account had none of them {SEEN}: emails");
        check(&later, &ada(), Some(&unseen), &text);
        later.config.mapping.retain(|rule| rule.attribute != "emails");
        check(&later, &ada(), Some(&unseen), &format!("nothing: the account is as it should be, {SEEN}; {LOOK}"));
    }

    #[test]
    fn the_scope_decides_and_a_scope_that_fails_changes_nothing() {
        let scoped = |scope: &str| {
            let mut app = testing::app();
            app.config.scope = Some(Expression::new(scope));
            app
        };
        check(&scoped("user.username == 'ada'"), &ada(), None, "Create: the user is to have an account, and has none");
        let text = "Deactivate: the user is not to have the account any more";
        check(&scoped("user.username != 'ada'"), &ada(), Some(&hers()), text);
        let text = "nothing: whether the user is in the app's scope cannot be told, so nothing is changed";
        check(&scoped("1 / 0 == 1"), &ada(), Some(&hers()), text);
        check(&scoped("1 / 0 == 1"), &ada(), None, text);
        let text = "Deactivate: the user is not to have the account any more";
        check(&scoped("1 / 0 == 1"), &User { active: false, ..ada() }, Some(&hers()), text);
    }

    #[test]
    fn no_account_is_made_beside_one_that_may_be_the_users() {
        let schema = testing::description().schema().unwrap();
        let found = Matched::Found(vec![Sighting { rule: 1, account: remote("e9", "ADA") }]);
        let known = Known { account: None, open: &[], matched: &found };
        let needed = needed(&testing::app(), &ada(), known, &schema);
        assert_eq!(needed.operation, None);
        assert!(needed.why.starts_with("the target has `ADA` (e9) already"), "{}", needed.why);
    }

    #[test]
    fn the_target_is_searched_by_the_rules_whose_attributes_can_be() {
        let (mut app, description) = (testing::app(), testing::description());
        let asked = |app: &App| searches(app, &ada(), &description, &description.schema().unwrap());
        let text = str::to_owned;
        assert_eq!(
            asked(&app),
            [
                (0, text("externalId"), text("USR-000007")),
                (1, text("username"), text("ada")),
                (2, text("emails"), text("ada@x"))
            ]
        );
        app.config.linking[1].account_attribute = "title".to_owned();
        assert_eq!(asked(&app).len(), 2);
        let account = remote("e9", " ADA ");
        let app = testing::app();
        assert!(is_match(&app, 1, &ada(), &account) && !is_match(&app, 2, &ada(), &account));
        let mut other = app.clone();
        other.config.linking[1].condition = Some(Expression::new("account.status != 'Active'"));
        assert!(!is_match(&other, 1, &ada(), &account));
        other.config.linking[1].condition = Some(Expression::new("1 / 0 == 1"));
        assert!(is_match(&other, 1, &ada(), &account), "what cannot be told is for a person");
        assert!(!is_match(&app, 9, &ada(), &account));
        let mut both = ada();
        both.permission_sets.insert("vpn".to_owned());
        let mut granting = app;
        granting.permission_sets.insert("vpn".to_owned());
        assert_eq!(granting.granted_by(&both), ["profile staff", "permission set vpn"]);
    }

    proptest! {
        #[test]
        fn nobody_who_may_not_have_an_account_gets_one(
            [active, frozen, granted, linked, deactivated, held] in any::<[bool; 6]>(),
            scope in prop::option::of(prop::sample::select(vec!["true", "false", "1 / 0 == 1"])),
            has in any::<bool>(),
        ) {
            let mut app = testing::app();
            app.config.scope = scope.map(Expression::new);
            let user = User { active, frozen, profile: granted.then(|| "staff".to_owned()), ..ada() };
            let mut account = Account { user: Some(UserId(7)), frozen: held, ..hers() };
            account.status = if deactivated { Status::Deactivated } else { Status::Active };
            account.set_situation(if linked { Situation::Confirmed } else { Situation::Ambiguous });
            let schema = testing::description().schema().unwrap();
            let none = Matched::Found(Vec::new());
            let known = Known { account: has.then_some(&account), open: &[], matched: &none };
            let needed = needed(&app, &user, known, &schema);
            use Operation::{Activate, Create, Deactivate, Reactivate, Unfreeze, Update};
            let in_scope = app.in_scope(&user);
            if matches!(needed.operation, Some(Create | Activate | Reactivate | Unfreeze | Update)) {
                prop_assert!(active && !frozen && granted && in_scope == Ok(true), "{needed:?}");
            }
            if needed.operation == Some(Deactivate) {
                prop_assert!(!active || !granted || in_scope == Ok(false), "{needed:?}");
            }
            prop_assert!(linked || !has || needed.operation.is_none(), "{needed:?}");
            // What it says to do can be planned.
            if let Some(operation) = needed.operation {
                let planned = crate::planning::plan_change(
                    operation, Some(&user), has.then_some(&account), &app, &testing::description());
                prop_assert!(planned.is_ok(), "{operation:?}: {planned:?}");
            }
        }
    }
}
