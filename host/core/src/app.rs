//! Connected apps and their provisioning configuration.

use crate::approval::ApprovalRule;
use crate::events::GuardPolicy;
use crate::linking::{Normalisation, normalise};
use crate::{
    AppId, ConnectorRef, Digest, Expression, ExpressionError, Facts, LinkRule, MappingRule, Operation, Origin,
    RequestId, Run, User,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One third-party system: a connector, its settings and credentials, and how to provision into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// The number.
    pub id: AppId,
    /// Unique: small letters, digits and `-`. What people and paths call it.
    pub name: String,
    /// What it runs on.
    pub connector: ConnectorRef,
    /// Non-secret settings, by name, of the types the connector declares.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Named credentials, by the connector's slot.
    pub credentials: BTreeMap<String, String>,
    /// Origins whose addresses may be loopback, private or link-local. Public ones need no entry.
    #[serde(default)]
    pub private_origins: BTreeSet<Origin>,
    /// Profiles whose users have access.
    #[serde(default)]
    pub profiles: BTreeSet<String>,
    /// Permission sets whose users have access.
    #[serde(default)]
    pub permission_sets: BTreeSet<String>,
    /// How to provision.
    pub config: ProvisioningConfig,
    /// Nothing is called while it is set.
    #[serde(default)]
    pub paused: bool,
    /// Counts manual links, unlinks and ignores: what was known before one is not known after it.
    #[serde(default)]
    pub link_epoch: u64,
    /// The last reconciliation that got to its end.
    #[serde(default)]
    pub last_reconcile: Option<ReconcileMark>,
    /// Whether a reconciliation has come to its end since the app was made or restored: who has an account is known then,
    /// as far as the target tells.
    #[serde(default)]
    pub surveyed: bool,
    /// Counts changes; the ETag of the API.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a completed reconciliation knew. A later run with the same basis need only look at rows that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileMark {
    /// The run.
    pub run: RequestId,
    /// The lowest number of a request that was unsettled when its collection began: what came of that one, and of
    /// those after it, the run may not have seen.
    #[serde(default)]
    pub oldest_open: Option<RequestId>,
    /// The basis of its analysis, see [`App::analysis_basis`].
    pub basis: Digest,
    /// When it completed.
    pub at: Timestamp,
}

impl App {
    /// Whether a user's profile or any permission set gives access to it, the user's being active aside.
    pub fn grants(&self, user: &User) -> bool {
        user.profile.as_ref().is_some_and(|profile| self.profiles.contains(profile))
            || !self.permission_sets.is_disjoint(&user.permission_sets)
    }

    /// Whether a user is in scope of the app, their grants aside.
    ///
    /// # Errors
    /// The scope cannot be evaluated for this user: whether they are is not known.
    pub fn in_scope(&self, user: &User) -> Result<bool, ExpressionError> {
        self.config.scope.as_ref().map_or(Ok(true), |scope| scope.holds(&Facts::of(user)))
    }

    /// Whether a user is to have an account, their being active aside: granted, and in scope.
    pub fn entitles(&self, user: &User) -> Access {
        if !self.grants(user) {
            return Access::NotGiven;
        }
        self.in_scope(user).map_or(Access::Undecided, Access::from)
    }

    /// Everything but the collected rows that an analysis depends on: mapping, rules, access, links and people
    /// (`directory_epoch` counts changes to those).
    pub fn analysis_basis(&self, directory_epoch: u64) -> Digest {
        let access = (&self.profiles, &self.permission_sets);
        Digest::of_json(&(&self.connector.digest, &self.config, access, self.link_epoch, directory_epoch))
    }

    /// Whether the plan of a run may still be committed: only on the basis on which it was made (invariant 7).
    ///
    /// # Errors
    /// The basis is another one now; the text says what to do.
    pub fn plan_holds(&self, run: &Run, directory_epoch: u64) -> Result<(), String> {
        if run.basis == Some(self.analysis_basis(directory_epoch)) {
            return Ok(());
        }
        Err(format!(
            "users, links or the configuration of app `{}` have changed since this plan was made, so it is not what \
             would be planned now; reconcile again and commit that plan",
            self.name
        ))
    }
}

/// Whether a user is to have an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They are.
    Given,
    /// They are not.
    NotGiven,
    /// The app's scope cannot be evaluated for them: nothing is made, changed or taken away.
    Undecided,
}

impl From<bool> for Access {
    fn from(given: bool) -> Self {
        if given { Self::Given } else { Self::NotGiven }
    }
}

/// How an app is provisioned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProvisioningConfig {
    /// Operations that may be requested. Delete is off unless named.
    pub operations: BTreeSet<Operation>,
    /// Operations that wait for the approval of somebody who may manage requests, unless a rule says more.
    pub approval_required: BTreeSet<Operation>,
    /// Whose approval operations wait for.
    pub approvals: Vec<ApprovalRule>,
    /// What the attributes of an account are made of.
    pub mapping: Vec<MappingRule>,
    /// How an account's user is found, the strongest rule first.
    pub linking: Vec<LinkRule>,
    /// Who is in scope of the app at all: in CEL, over `user`. Everybody if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Expression>,
    /// Usernames of accounts that nobody may be linked to and nothing is done to.
    pub protected: BTreeSet<String>,
    /// Which accounts to collect, in the target's own language; all if none.
    pub collect_filter: Option<String>,
    /// Whether events of the directory raise requests. Off, a change of a user reaches the app with the next
    /// reconciliation.
    pub follow_events: bool,
    /// Attributes of a user whose change raises an Update, of those that the mapping uses; all of them if none.
    pub update_on: Option<BTreeSet<String>>,
    /// When a mass of changes by events waits for consent.
    pub guard: GuardPolicy,
    /// Accounts asked for per page, 1 to 1000.
    pub page_size: u32,
    /// Calls to the target at the same time, 1 to 64.
    pub concurrency: u32,
    /// What a reconciliation does about what it finds.
    pub reconcile: ReconcilePolicy,
    /// When to try again.
    pub retry: RetryPolicy,
}

impl ProvisioningConfig {
    /// Whether an account of this username is one that nothing is done to, without regard to case and white space.
    pub fn is_protected(&self, username: &str) -> bool {
        let folded = |name: &str| normalise(&Normalisation::default(), name);
        let name = folded(username);
        name.is_some() && self.protected.iter().any(|protected| folded(protected) == name)
    }
}

impl Default for ProvisioningConfig {
    fn default() -> Self {
        let off = [Operation::Delete];
        Self {
            operations: Operation::ALL.into_iter().filter(|o| !off.contains(o)).collect(),
            approval_required: BTreeSet::new(),
            approvals: Vec::new(),
            mapping: Vec::new(),
            linking: Vec::new(),
            scope: None,
            protected: BTreeSet::new(),
            collect_filter: None,
            follow_events: true,
            update_on: None,
            guard: GuardPolicy::default(),
            page_size: 100,
            concurrency: 4,
            reconcile: ReconcilePolicy::default(),
            retry: RetryPolicy::default(),
        }
    }
}

/// What a reconciliation does about what it finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcilePolicy {
    /// Commit as soon as the plan is made, instead of waiting for somebody to ask for it.
    pub auto_commit: bool,
    /// Raise a Create for a user with access and no account.
    pub create_missing: bool,
    /// Raise an Update where a linked account's attributes differ.
    pub update_drift: bool,
    /// Raise a Deactivate or Activate where a linked account can be used and should not be, or the reverse.
    pub correct_status: bool,
    /// The share of known accounts, in percent, that may be gone from the target before the run fails instead.
    pub max_vanished_percent: u8,
}

impl Default for ReconcilePolicy {
    fn default() -> Self {
        Self {
            auto_commit: false,
            create_missing: true,
            update_drift: true,
            correct_status: true,
            max_vanished_percent: 30,
        }
    }
}

/// When and how often to try again inside one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, the first included, 1 to 20.
    pub max_attempts: u32,
    /// The wait before the second attempt, in seconds; doubled for each one after it.
    pub base_seconds: u32,
    /// The longest wait, in seconds, unless the target asks for more.
    pub max_seconds: u32,
    /// How long a target may take, in seconds, to show a write whose outcome is unknown.
    pub settle_seconds: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 5, base_seconds: 2, max_seconds: 300, settle_seconds: 5 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn app() -> App {
        let at = Timestamp::UNIX_EPOCH;
        App {
            id: AppId(1),
            name: "hr".to_owned(),
            connector: ConnectorRef {
                name: "scim".to_owned(),
                version: "1.0.0".to_owned(),
                digest: Digest::of(b"scim"),
            },
            settings: BTreeMap::new(),
            credentials: BTreeMap::new(),
            private_origins: BTreeSet::new(),
            profiles: BTreeSet::new(),
            permission_sets: BTreeSet::new(),
            config: ProvisioningConfig::default(),
            paused: false,
            link_epoch: 0,
            last_reconcile: None,
            surveyed: false,
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn a_plan_holds_until_people_links_access_or_configuration_change() {
        let app = app();
        let run = Run { basis: Some(app.analysis_basis(7)), ..Run::default() };
        assert_eq!(app.plan_holds(&run, 7), Ok(()));
        assert!(App { paused: true, version: 2, ..app.clone() }.plan_holds(&run, 7).is_ok());
        assert!(app.plan_holds(&run, 8).unwrap_err().contains("reconcile again"));
        assert!(App { link_epoch: 1, ..app.clone() }.plan_holds(&run, 7).is_err());
        let staff = || BTreeSet::from(["staff".to_owned()]);
        assert!(App { profiles: staff(), ..app.clone() }.plan_holds(&run, 7).is_err());
        assert!(App { permission_sets: staff(), ..app.clone() }.plan_holds(&run, 7).is_err());
        let config = ProvisioningConfig { page_size: 1, ..ProvisioningConfig::default() };
        assert!(App { config, ..app.clone() }.plan_holds(&run, 7).is_err());
        assert!(app.plan_holds(&Run::default(), 7).is_err(), "a run that was not analysed has no plan");
    }
}
