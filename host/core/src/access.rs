//! What can be done with Gatehouse, as a table: each action with the kind of thing it is done to and the scope that a
//! token needs for it. Which action a route is stands with the routes; who may take it is said by the policies
//! (`host/policy`). It never decides.

use crate::{Permissions, SystemPermission, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a token is good for. One without scopes is good for everything that its owner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Looking at everything that its owner may see, backups excepted.
    Read,
    /// Requests, accounts and sharing rules.
    Requests,
    /// Users, profiles, permission sets and groups.
    Users,
    /// Connected apps.
    Apps,
    /// Connectors.
    Connectors,
    /// Named credentials.
    Credentials,
    /// Tokens.
    Tokens,
    /// The audit trail.
    Audit,
    /// Backups, restores and the store's file.
    Admin,
}

impl Scope {
    /// All, in the order that people read them.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Requests,
        Self::Users,
        Self::Apps,
        Self::Connectors,
        Self::Credentials,
        Self::Tokens,
        Self::Audit,
        Self::Admin,
    ];

    /// As it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Requests => "requests",
            Self::Users => "users",
            Self::Apps => "apps",
            Self::Connectors => "connectors",
            Self::Credentials => "credentials",
            Self::Tokens => "tokens",
            Self::Audit => "audit",
            Self::Admin => "admin",
        }
    }
}

/// Whose decision it is who may take an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Decided before anything else of the call is done.
    Endpoint,
    /// Decided about each record: lists are filtered, and what one may not see is not there.
    Record,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident: $name:literal, $kind:literal, $scope:expr, $reads:literal, $level:ident, $words:literal;)*) => {
        /// What can be done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $action,)* }

        impl Action {
            /// All.
            pub const ALL: &'static [Self] = &[$(Self::$action,)*];

            /// As the policies name it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }

            /// The kind of thing it is done to, as the policies name it.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$action => $kind,)* }
            }

            /// The scope that a token needs for it; none: any token will do.
            pub fn scope(self) -> Option<Scope> {
                match self { $(Self::$action => $scope,)* }
            }

            /// Whether the scope `read` is enough.
            pub fn reads(self) -> bool {
                match self { $(Self::$action => $reads,)* }
            }

            /// Whether it is decided for the endpoint or about each record.
            pub fn level(self) -> Level {
                match self { $(Self::$action => Level::$level,)* }
            }

            /// In words, to go on with "needs".
            pub fn words(self) -> &'static str {
                match self { $(Self::$action => $words,)* }
            }
        }
    };
}

actions! {
    /// See who one is.
    WhoAmI: "who_am_i", "Host", None, true, Endpoint, "asking who one is";
    /// See which connectors are installed.
    ReadConnectors: "read_connectors", "Connector", Some(Scope::Connectors), true, Endpoint, "looking at connectors";
    /// Install a connector from outside, or have one checked.
    InstallConnector: "install_connector", "Connector", Some(Scope::Connectors), false, Endpoint,
        "installing a connector from outside";
    /// Uninstall a connector.
    UninstallConnector: "uninstall_connector", "Connector", Some(Scope::Connectors), false, Endpoint,
        "uninstalling a connector";
    /// See connected apps.
    ReadApps: "read_apps", "App", Some(Scope::Apps), true, Endpoint, "looking at connected apps";
    /// Make, change, pause, probe and delete connected apps.
    ChangeApps: "change_apps", "App", Some(Scope::Apps), false, Endpoint, "changing connected apps";
    /// Change which profiles and permission sets give access to an app.
    ChangeAppAccess: "change_app_access", "App", Some(Scope::Apps), false, Record,
        "changing the profiles and permission sets of an app";
    /// See a user.
    ReadUser: "read_user", "User", Some(Scope::Users), true, Record, "looking at other users";
    /// See profiles, permission sets and groups.
    ReadDirectory: "read_directory", "Directory", Some(Scope::Users), true, Endpoint,
        "looking at profiles, permission sets and groups";
    /// Make and change users, profiles, permission sets and groups.
    ChangeDirectory: "change_directory", "Directory", Some(Scope::Users), false, Endpoint,
        "changing users, profiles, permission sets and groups";
    /// Erase a person who has left.
    EraseUser: "erase_user", "Directory", Some(Scope::Users), false, Endpoint, "erasing a user";
    /// Let somebody have system permissions: by a profile or permission set, or by changing what one carries.
    Grant: "grant", "User", Some(Scope::Users), false, Record, "giving what carries system permissions";
    /// See an account.
    ReadAccount: "read_account", "Account", Some(Scope::Requests), true, Record, "looking at others' accounts";
    /// See how many accounts and requests there are, and what jobs do.
    Oversee: "oversee", "Request", Some(Scope::Requests), true, Endpoint, "looking at counters and jobs";
    /// See a request.
    ReadRequest: "read_request", "Request", Some(Scope::Requests), true, Record, "looking at this request";
    /// Approve a request, or deny it.
    DecideRequest: "decide_request", "Request", Some(Scope::Requests), false, Record, "deciding about this request";
    /// Raise, run, retry, settle and cancel requests; change links.
    ManageRequests: "manage_requests", "Request", Some(Scope::Requests), false, Endpoint, "managing requests";
    /// See who stands in for whom.
    ReadDelegation: "read_delegation", "Delegation", Some(Scope::Requests), true, Record,
        "looking at others' delegations";
    /// Have somebody decide in another's place for a time.
    Delegate: "delegate", "Delegation", Some(Scope::Requests), false, Record, "delegating for somebody else";
    /// See sharing rules.
    ReadSharing: "read_sharing", "SharingRule", Some(Scope::Requests), true, Endpoint, "looking at sharing rules";
    /// Make and delete sharing rules.
    ChangeSharing: "change_sharing", "SharingRule", Some(Scope::Requests), false, Endpoint, "changing sharing rules";
    /// See which credentials there are.
    ReadCredentials: "read_credentials", "Credential", Some(Scope::Credentials), true, Endpoint,
        "looking at credentials";
    /// Set and remove credentials.
    ChangeCredentials: "change_credentials", "Credential", Some(Scope::Credentials), false, Endpoint,
        "changing credentials";
    /// See a token's record.
    ReadToken: "read_token", "Token", Some(Scope::Tokens), true, Record, "looking at others' tokens";
    /// Make a token.
    MakeToken: "make_token", "Token", Some(Scope::Tokens), false, Record, "making a token";
    /// Make a token worthless.
    RevokeToken: "revoke_token", "Token", Some(Scope::Tokens), false, Record, "revoking a token";
    /// Read the audit trail.
    ReadAudit: "read_audit", "AuditTrail", Some(Scope::Audit), true, Endpoint, "reading the audit trail";
    /// Take a backup.
    BackUp: "back_up", "Store", Some(Scope::Admin), false, Endpoint, "taking a backup";
    /// Compact the store's file.
    Compact: "compact", "Store", Some(Scope::Admin), false, Endpoint, "compacting the store";
    /// Put a backup in the place of everything.
    Restore: "restore", "Store", Some(Scope::Admin), false, Endpoint, "restoring a backup";
}

/// Who asks, as far as policies care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The installation itself: a token that is nobody's, such as the first one. It may do everything.
    Installation,
    /// A person of the directory.
    User {
        /// Who.
        id: UserId,
        /// What their profile and permission sets let them do.
        permissions: Permissions,
    },
}

impl Principal {
    /// The person, if it is one.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Installation => None,
            Self::User { id, .. } => Some(*id),
        }
    }

    /// The system permissions; the installation has all.
    pub fn permissions(&self) -> Permissions {
        match self {
            Self::Installation => SystemPermission::ALL.into(),
            Self::User { permissions, .. } => permissions.clone(),
        }
    }
}

/// Whether a token with these scopes is good for an action.
pub fn in_scope(scopes: &BTreeSet<Scope>, action: Action) -> bool {
    let Some(needed) = action.scope() else { return true };
    scopes.is_empty() || scopes.contains(&needed) || (action.reads() && scopes.contains(&Scope::Read))
}

/// Whether a token with `held` scopes may make one with `wanted`: never one that is good for more.
pub fn may_hand_on(held: &BTreeSet<Scope>, wanted: &BTreeSet<Scope>) -> bool {
    held.is_empty() || (!wanted.is_empty() && wanted.is_subset(held))
}

/// Permissions as people read them: "View Setup and Manage Users".
pub fn words(permissions: &Permissions) -> String {
    let names: Vec<_> = permissions.iter().map(|permission| permission.words()).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, firsts)) => format!("{} and {last}", firsts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_scopes_is_good_for_everything_and_one_with_scopes_for_those_alone() {
        let apps = BTreeSet::from([Scope::Apps]);
        for action in Action::ALL {
            assert!(in_scope(&BTreeSet::new(), *action), "{action:?}");
            let expected = action.scope().is_none_or(|scope| scope == Scope::Apps);
            assert_eq!(in_scope(&apps, *action), expected, "{action:?}");
        }
    }

    #[test]
    fn the_scope_read_looks_and_never_changes_or_takes_a_backup() {
        let read = BTreeSet::from([Scope::Read]);
        assert!(in_scope(&read, Action::ReadApps));
        for action in [Action::ChangeApps, Action::DecideRequest, Action::BackUp, Action::MakeToken] {
            assert!(!in_scope(&read, action), "{action:?}");
        }
    }

    #[test]
    fn a_token_makes_none_that_is_good_for_more() {
        let (all, apps) = (BTreeSet::new(), BTreeSet::from([Scope::Apps]));
        let both = BTreeSet::from([Scope::Apps, Scope::Users]);
        assert!(may_hand_on(&all, &all) && may_hand_on(&all, &apps) && may_hand_on(&both, &apps));
        assert!(!may_hand_on(&apps, &both) && !may_hand_on(&apps, &all));
    }
}
