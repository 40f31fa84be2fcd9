//! The policies: held against their schema, and asked about what matters. The matrix of all endpoints is the server's.
#![allow(clippy::unwrap_used, missing_docs)]

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use gatehouse_core::SystemPermission::{
    CustomizeApplication, DownloadPackages, ManageConnectedApps, ManageUsers, ModifyAllData, ViewSetup,
};
use gatehouse_core::access::{Action, Principal};
use gatehouse_core::{Permissions, SystemPermission, UserId};
use gatehouse_policy::{POLICIES, Policies, Resource, SCHEMA, policies};
use std::fmt::Write as _;

fn ada(permissions: &[SystemPermission]) -> Principal {
    Principal::User { id: UserId(1), permissions: permissions.iter().copied().collect() }
}

fn allowed(permissions: &[SystemPermission], action: Action, to: &Resource) -> bool {
    policies().allow(&ada(permissions), action, to)
}

fn set(permissions: &[SystemPermission]) -> Permissions {
    permissions.iter().copied().collect()
}

#[test]
fn every_policy_passes_the_validator_in_strict_mode() {
    let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    assert_eq!(warnings.count(), 0);
    let validator = Validator::new(schema);
    for (file, text) in POLICIES {
        let result = validator.validate(&text.parse::<PolicySet>().unwrap(), ValidationMode::Strict);
        let errors: Vec<_> = result.validation_errors().map(ToString::to_string).collect();
        let warnings: Vec<_> = result.validation_warnings().map(ToString::to_string).collect();
        assert!(errors.is_empty() && warnings.is_empty(), "{file}: {errors:#?} {warnings:#?}");
    }
}

#[test]
fn a_misspelt_permission_does_not_pass_the_validator() {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let text = "permit (principal is User, action == Action::\"read_audit\", resource) when \
        { principal.permissions.contains(Permission::\"veiw_setup\") };";
    let result = Validator::new(schema).validate(&text.parse().unwrap(), ValidationMode::Strict);
    assert!(!result.validation_passed());
}

#[test]
fn the_schema_names_every_action_with_its_kind_and_every_permission() {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let mut named: Vec<_> = schema.actions().map(|action| action.id().unescaped().to_owned()).collect();
    let mut wanted: Vec<_> = Action::ALL.iter().map(|action| action.name().to_owned()).collect();
    named.sort();
    wanted.sort();
    assert_eq!(named, wanted);
    for action in Action::ALL {
        let uid = schema.actions().find(|uid| uid.id().unescaped() == action.name()).unwrap();
        let mut kinds = schema.resources_for_action(uid).unwrap();
        assert!(kinds.any(|kind| kind.to_string() == action.kind()), "{action:?} is not done to {}", action.kind());
    }
    for permission in SystemPermission::ALL {
        assert!(SCHEMA.contains(&format!("\"{}\"", permission.name())), "{permission:?}");
    }
}

#[test]
fn what_is_no_cedar_is_refused_with_the_file() {
    let error = Policies::read([("mine.cedar", "permit (principal, action);")]).unwrap_err();
    assert!(error.to_string().starts_with("mine.cedar: "), "{error}");
}

#[test]
fn nobody_is_let_do_anything_without_policies() {
    let none = Policies::read([]).unwrap();
    for action in Action::ALL {
        assert!(!none.allow(&Principal::Installation, *action, &Resource::Any), "{action:?}");
    }
    assert_eq!(none.needs(Action::ReadApps).to_string(), "what no permission gives");
}

#[test]
fn what_each_action_needs_is_as_agreed() {
    let mut table = String::new();
    for action in Action::ALL {
        writeln!(table, "{:<20} {}", action.name(), policies().needs(*action)).unwrap();
    }
    insta::assert_snapshot!("what_each_action_needs", table);
}

#[test]
fn the_installation_may_do_everything_and_a_person_without_permissions_next_to_nothing() {
    for action in Action::ALL {
        let to =
            if *action == Action::Grant { Resource::Grant(None, set(&SystemPermission::ALL)) } else { Resource::Any };
        assert!(policies().allow(&Principal::Installation, *action, &to), "{action:?}");
        assert_eq!(allowed(&[], *action, &to), *action == Action::WhoAmI, "{action:?}");
    }
}

#[test]
fn more_permissions_never_allow_less() {
    for action in Action::ALL {
        let needs = policies().needs(*action);
        for enough in needs.sets() {
            for more in SystemPermission::ALL {
                let to = if *action == Action::Grant { Resource::Grant(None, set(&[])) } else { Resource::Any };
                let held: Vec<_> = enough.iter().copied().chain([more]).collect();
                assert!(allowed(&held, *action, &to), "{action:?} with {held:?}");
            }
        }
    }
}

#[test]
fn nobody_hands_out_what_they_do_not_have() {
    let grant =
        |held: &[_], carries: &[_]| allowed(held, Action::Grant, &Resource::Grant(Some(UserId(2)), set(carries)));
    assert!(grant(&[ManageUsers], &[]));
    assert!(grant(&[ManageUsers, ViewSetup], &[ViewSetup]));
    assert!(!grant(&[ManageUsers], &[ViewSetup]));
    assert!(!grant(&[ViewSetup, CustomizeApplication], &[ViewSetup]), "without Manage Users");
    let into = |held: &[_], carries: &[_]| allowed(held, Action::Grant, &Resource::Grant(None, set(carries)));
    assert!(into(&[ManageUsers, ModifyAllData], &[ModifyAllData]));
    assert!(!into(&[ManageUsers], &[ModifyAllData]));
}

#[test]
fn nobody_hands_anything_to_themselves() {
    let all = SystemPermission::ALL;
    assert!(allowed(&all, Action::Grant, &Resource::Grant(Some(UserId(2)), set(&[]))));
    assert!(!allowed(&all, Action::Grant, &Resource::Grant(Some(UserId(1)), set(&[]))));
}

#[test]
fn a_request_is_seen_by_whom_it_is_about_and_decided_by_others() {
    let of = |about, reads, decides| Resource::Request { about: Some(UserId(about)), reads, decides };
    let manages = [ViewSetup, ManageUsers];
    assert!(allowed(&[], Action::ReadRequest, &of(1, false, false)));
    assert!(!allowed(&[], Action::ReadRequest, &of(2, false, false)));
    assert!(allowed(&[], Action::ReadRequest, &of(2, true, false)));
    assert!(!allowed(&[], Action::DecideRequest, &of(2, true, false)), "shared to read");
    assert!(allowed(&[], Action::DecideRequest, &of(2, true, true)));
    assert!(allowed(&manages, Action::DecideRequest, &of(2, false, false)));
    assert!(!allowed(&manages, Action::DecideRequest, &of(1, true, true)), "their own account");
    assert!(!allowed(&[], Action::ManageRequests, &of(2, true, true)), "deciding is not managing");
}

#[test]
fn accounts_and_users_are_seen_by_themselves() {
    assert!(allowed(&[], Action::ReadAccount, &Resource::Account(Some(UserId(1)))));
    assert!(!allowed(&[], Action::ReadAccount, &Resource::Account(Some(UserId(2)))));
    assert!(!allowed(&[], Action::ReadAccount, &Resource::Account(None)));
    assert!(allowed(&[], Action::ReadUser, &Resource::User(UserId(1))));
    assert!(!allowed(&[], Action::ReadUser, &Resource::User(UserId(2))));
}

#[test]
fn a_token_for_somebody_takes_all_that_they_may_do() {
    let manages = [ViewSetup, ManageUsers];
    let of = |user: Option<u64>, carries: &[_]| Resource::Token(user.map(UserId), set(carries));
    for action in [Action::ReadToken, Action::MakeToken, Action::RevokeToken] {
        assert!(allowed(&[], action, &of(Some(1), &[ModifyAllData])), "one's own: {action:?}");
        assert!(!allowed(&[], action, &of(Some(2), &[])), "another's: {action:?}");
    }
    // Whoever has somebody's token votes in their place.
    assert!(!allowed(&manages, Action::MakeToken, &of(Some(2), &[])), "managing people is not enough");
    let changes_all = [ViewSetup, ManageUsers, ModifyAllData];
    assert!(allowed(&changes_all, Action::MakeToken, &of(Some(2), &[ViewSetup])));
    assert!(!allowed(&changes_all, Action::MakeToken, &of(Some(2), &[CustomizeApplication])));
    assert!(allowed(&manages, Action::RevokeToken, &of(Some(2), &[ModifyAllData])));
    let installation = of(None, &SystemPermission::ALL);
    assert!(!allowed(&manages, Action::RevokeToken, &installation));
    assert!(!allowed(&manages, Action::MakeToken, &installation));
    assert!(allowed(&SystemPermission::ALL, Action::MakeToken, &installation));
}

#[test]
fn a_connector_from_outside_takes_download_packages_as_well() {
    let enough = [CustomizeApplication, ManageConnectedApps];
    assert!(allowed(&enough, Action::UninstallConnector, &Resource::Any));
    assert!(!allowed(&enough, Action::InstallConnector, &Resource::Any));
    let more = [CustomizeApplication, ManageConnectedApps, DownloadPackages];
    assert!(allowed(&more, Action::InstallConnector, &Resource::Any));
}

#[test]
fn nobody_makes_themselves_somebodys_delegate() {
    let manages = [ViewSetup, ManageUsers];
    let of = |user, delegate| Resource::Delegation(UserId(user), UserId(delegate));
    assert!(allowed(&manages, Action::Delegate, &of(2, 3)), "for others, to others");
    assert!(!allowed(&[], Action::Delegate, &of(2, 3)));
    assert!(allowed(&[], Action::Delegate, &of(1, 3)), "one's own");
    assert!(!allowed(&SystemPermission::ALL, Action::Delegate, &of(2, 1)), "to oneself");
    assert!(allowed(&[], Action::ReadDelegation, &of(2, 1)), "seeing it is another thing");
}
