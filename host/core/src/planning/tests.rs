//! Every operation on accounts and users in every condition that matters.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::Capability;
use crate::testing;
use Operation::*;

/// What is planned, in words: the steps, then the frozen flag if it changes.
fn shown(change: &Change) -> String {
    let step = |step: &CommitStep| match step {
        CommitStep::Create(desired) => {
            format!("create {} with {}", desired.username, names(&desired.attributes))
        }
        CommitStep::Update(wanted) => format!("update {}", names(wanted)),
        CommitStep::SetStatus(status) => format!("set {status:?}"),
        CommitStep::Remove => "remove".to_owned(),
    };
    match change {
        Change::Account { external_id, steps, frozen, .. } => {
            let at = external_id.as_deref().unwrap_or("-");
            let steps: Vec<_> = steps.iter().map(step).collect();
            format!("{at}: [{}]{}", steps.join(", "), frozen.map_or(String::new(), |f| format!(" frozen={f}")))
        }
        Change::Read { external_id } => format!("read {external_id}"),
        other => format!("{other:?}"),
    }
}

fn names(attributes: &Attributes) -> String {
    let name = |(name, values): (&String, &Vec<_>)| if values.is_empty() { format!("-{name}") } else { name.clone() };
    attributes.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn ada() -> User {
    User { email: Some("ada@x".to_owned()), ..testing::user(7, "ada") }
}

/// Ada's account, linked.
fn hers() -> Account {
    testing::account(3, "e3", Some(7))
}

fn deactivated() -> Account {
    Account { status: Status::Deactivated, ..hers() }
}

fn frozen() -> Account {
    Account { frozen: true, ..hers() }
}

fn plan(operation: Operation, user: Option<&User>, account: Option<&Account>, app: &App) -> String {
    match plan_change(operation, user, account, app, &testing::description()) {
        Ok(change) => shown(&change),
        Err(refused) => refused.to_string(),
    }
}

fn app() -> App {
    let mut app = testing::app();
    app.config.operations.insert(Delete);
    app
}

fn check(operation: Operation, user: &User, account: Option<&Account>, expected: &str) {
    assert_eq!(plan(operation, Some(user), account, &app()), expected, "{operation:?} {account:?}");
}

const ALL: &str = "-displayName emails externalId";

#[test]
fn a_create_makes_an_account_or_brings_back_the_users_own() {
    check(Create, &ada(), None, "-: [create ada with emails externalId]");
    let place = Account { external_id: None, situation: Situation::Missing, ..hers() };
    check(Create, &ada(), Some(&place), "-: [create ada with emails externalId]");
    let gone = Account { situation: Situation::Deleted, status: Status::Deleted, ..hers() };
    check(Create, &ada(), Some(&gone), "-: [create ada with emails externalId]");
    check(Create, &ada(), Some(&deactivated()), &format!("e3: [set Active, update {ALL}]"));
    let active = "ACC-000003 is active already: the user has it; request an Update to assert its values";
    check(Create, &ada(), Some(&hers()), active);
    check(Create, &ada(), Some(&frozen()), "ACC-000003 is frozen: request an Unfreeze first");
    let none = plan(Create, None, None, &app());
    assert_eq!(none, "Create needs a user, and none is named");
}

#[test]
fn each_operation_has_its_steps() {
    check(Read, &ada(), Some(&hers()), "read e3");
    check(Update, &ada(), Some(&hers()), &format!("e3: [update {ALL}]"));
    check(Update, &ada(), Some(&frozen()), &format!("e3: [update {ALL}]"));
    check(Deactivate, &ada(), Some(&hers()), "e3: [set Deactivated]");
    check(Activate, &ada(), Some(&deactivated()), "e3: [set Active]");
    check(Reactivate, &ada(), Some(&deactivated()), &format!("e3: [set Active, update {ALL}]"));
    check(Freeze, &ada(), Some(&hers()), "e3: [set Deactivated] frozen=true");
    check(Unfreeze, &ada(), Some(&frozen()), "e3: [set Active] frozen=false");
    check(Delete, &ada(), Some(&hers()), "e3: [remove]");
}

#[test]
fn an_unfreeze_never_makes_usable_what_is_deactivated_besides() {
    let both = Account { status: Status::Deactivated, ..frozen() };
    check(Unfreeze, &ada(), Some(&both), "e3: [] frozen=false");
    check(Unfreeze, &User { active: false, ..ada() }, Some(&frozen()), "e3: [] frozen=false");
    let still = User { frozen: true, ..ada() };
    check(Unfreeze, &still, Some(&frozen()), "user `ada` is frozen: unfreeze the user first");
    check(Unfreeze, &ada(), Some(&hers()), "ACC-000003 is not frozen: nothing is to be undone");
}

#[test]
fn nothing_lets_a_disabled_or_frozen_user_in() {
    for operation in [Create, Activate, Reactivate] {
        let account = (operation != Create).then(deactivated);
        let left = User { active: false, ..ada() };
        check(operation, &left, account.as_ref(), "user `ada` is disabled: enable the user first");
        let frozen = User { frozen: true, ..ada() };
        check(operation, &frozen, account.as_ref(), "user `ada` is frozen: unfreeze the user first");
    }
}

#[test]
fn making_unusable_is_never_refused_for_what_is_believed_of_the_status() {
    check(Deactivate, &ada(), Some(&deactivated()), "e3: [set Deactivated]");
    check(Freeze, &ada(), Some(&frozen()), "e3: [set Deactivated] frozen=true");
    check(Deactivate, &User { active: false, ..ada() }, Some(&hers()), "e3: [set Deactivated]");
}

#[test]
fn a_wrong_status_is_refused_with_what_to_do() {
    let active = "ACC-000003 is active already: request a Read or a Reconcile if the target disagrees";
    check(Activate, &ada(), Some(&hers()), active);
    check(Reactivate, &ada(), Some(&hers()), active);
    check(Activate, &ada(), Some(&frozen()), "ACC-000003 is frozen: request an Unfreeze first");
    let gone = Account { situation: Situation::Deleted, ..hers() };
    for operation in [Update, Deactivate, Activate, Freeze, Unfreeze, Delete] {
        let text = "ACC-000003 is gone from the target: request a Create to make another";
        check(operation, &ada(), Some(&gone), text);
    }
}

#[test]
fn without_an_account_of_the_users_own_nothing_is_changed() {
    for operation in [Read, Update, Deactivate, Activate, Reactivate, Freeze, Unfreeze, Delete] {
        let text = format!(
            "user `ada` has no account in app `hr` to {operation:?}; request a Create, or link an account first"
        );
        check(operation, &ada(), None, &text);
    }
    for (situation, text) in [
        (Situation::Unassigned, "Orphaned (Unassigned): link it to a user first"),
        (Situation::Ambiguous, "Duplicate (Ambiguous): decide whose it is first: link it to a user, or ignore it"),
        (Situation::Excluded, "Ignored (Excluded): changes leave it alone; link it to a user first"),
    ] {
        let mut account = hers();
        account.set_situation(situation);
        for operation in [Create, Update, Deactivate, Freeze, Delete] {
            check(operation, &ada(), Some(&account), &format!("ACC-000003 is {text}"));
        }
        check(Read, &ada(), Some(&account), "read e3");
    }
}

#[test]
fn what_is_off_or_not_supported_or_no_account_operation_is_refused() {
    let off = plan(Delete, Some(&ada()), Some(&hers()), &testing::app());
    assert_eq!(off, "Delete is off for app `hr`; add it to the operations of its configuration");
    check(Reconcile, &ada(), None, "Reconcile is no operation on an account");
    check(Linking, &ada(), None, "Linking is no operation on an account");
    let mut poor = testing::description();
    poor.capabilities = [Capability::Update, Capability::Create].into();
    for operation in [Read, Deactivate, Activate, Reactivate, Freeze, Unfreeze, Delete] {
        let refused = plan_change(operation, Some(&ada()), Some(&hers()), &app(), &poor).unwrap_err();
        assert_eq!(refused.to_string(), format!("connector scim 0.1.0 cannot do {operation:?}"));
    }
    // What Create comes to here is a Reactivate, which this connector cannot do either.
    let refused = plan_change(Create, Some(&ada()), Some(&deactivated()), &app(), &poor).unwrap_err();
    assert_eq!(refused.to_string(), "connector scim 0.1.0 cannot do Reactivate");
}

#[test]
fn an_update_leaves_out_what_never_changes_and_needs_something_to_say() {
    let mut description = testing::description();
    description.attributes[0].mutability = Mutability::Immutable;
    let change = plan_change(Update, Some(&ada()), Some(&hers()), &app(), &description).unwrap();
    assert_eq!(shown(&change), "e3: [update -displayName emails]");
    let mut app = app();
    app.config.mapping.clear();
    let text = "app `hr` maps no attribute that can be changed; add one to its mapping";
    assert_eq!(plan(Update, Some(&ada()), Some(&hers()), &app), text);
    assert_eq!(plan(Reactivate, Some(&ada()), Some(&deactivated()), &app), "e3: [set Active]");
}

#[test]
fn a_mapping_that_fails_for_the_user_is_told_as_it_is() {
    let mut description = testing::description();
    description.attributes[3].required = true;
    let refused = plan_change(Create, Some(&ada()), None, &app(), &description).unwrap_err();
    let text = "attribute `title` is required, and user `ada` (USR-000007) has nothing to make it of: map it";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn nothing_is_planned_for_an_account_that_has_been_protected_since_it_was_linked() {
    let mut protecting = app();
    protecting.config.protected.insert(hers().username.to_uppercase());
    for operation in [Update, Deactivate, Freeze, Delete] {
        let refused = plan(operation, Some(&ada()), Some(&hers()), &protecting);
        assert!(refused.contains("protected by the app's configuration"), "{operation:?}: {refused}");
    }
    assert_eq!(plan(Read, Some(&ada()), Some(&hers()), &protecting), "read e3");
}

#[test]
fn an_update_renames_an_account_only_where_a_rule_maps_the_username() {
    let mut renaming = app();
    renaming.config.mapping.push(serde_json::from_str(r#"{"attribute": "username", "value": "{email}"}"#).unwrap());
    let update = plan(Update, Some(&ada()), Some(&hers()), &renaming);
    assert_eq!(update, format!("e3: [update {ALL} username]"));
    renaming.config.mapping.last_mut().unwrap().only_on_create = true;
    assert_eq!(plan(Update, Some(&ada()), Some(&hers()), &renaming), format!("e3: [update {ALL}]"));
}

#[test]
fn an_account_is_made_only_for_somebody_who_still_is_to_have_one_and_has_none() {
    let still = |user: &User, account: Option<&Account>| {
        not_to_be_made(user, account, &app(), &testing::description()).unwrap_or_default()
    };
    assert_eq!(still(&ada(), None), "");
    let text = "user `ada` has an account by now (ACC-000003); request a Create again to bring it back";
    assert_eq!(still(&ada(), Some(&deactivated())), text);
    assert!(still(&ada(), Some(&hers())).contains("has"), "{}", still(&ada(), Some(&hers())));
    let left = User { active: false, ..ada() };
    assert_ne!(still(&left, None), "");
}
