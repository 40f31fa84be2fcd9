//! Connected apps and their configuration. The configuration's JSON is the core's own; the types here only document
//! it, and a test compares the two.

use super::{ApprovalRuleView, ConnectorRefView, FindingView, OperationSpelling, StagedAccount, clearable};
use gatehouse_core::ports::Denial;
use gatehouse_core::{AppId, Operation, Origin, ProvisioningConfig, RequestId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// A connected app.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = App)]
pub struct AppView {
    /// The number.
    #[schema(value_type = String, example = "APP-000001")]
    pub id: AppId,
    /// What people and paths call it.
    pub name: String,
    /// What it runs on.
    pub connector: ConnectorRefView,
    /// Non-secret settings, by name.
    #[schema(value_type = Object)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Named credentials, by the connector's slot.
    pub credentials: BTreeMap<String, String>,
    /// Origins whose addresses may be loopback, private or link-local.
    #[schema(value_type = Vec<String>)]
    pub private_origins: BTreeSet<Origin>,
    /// Origins the connector can reach, as the settings grant them.
    #[schema(value_type = Vec<String>)]
    pub granted_origins: Vec<Origin>,
    /// Profiles whose users have access.
    pub profiles: BTreeSet<String>,
    /// Permission sets whose users have access.
    pub permission_sets: BTreeSet<String>,
    /// How to provision.
    #[schema(value_type = ProvisioningConfigView)]
    pub config: ProvisioningConfig,
    /// Nothing is called while it is set.
    pub paused: bool,
    /// The last reconciliation that got to its end.
    pub last_reconcile: Option<ReconcileMarkView>,
    /// Whether a reconciliation has come to its end since the app was made or restored. Until then events make no
    /// account without consent: nobody knows who has one.
    pub surveyed: bool,
    /// Counts changes; the ETag.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The last reconciliation that got to its end.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReconcileMark)]
pub struct ReconcileMarkView {
    /// The run.
    #[schema(value_type = String, example = "UPR-000001")]
    pub run: RequestId,
    /// When it completed.
    pub at: Timestamp,
}

/// An app to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    /// A small letter, then small letters, digits and `-`; at most 63 characters.
    pub name: String,
    /// An installed connector: `scim`, `scim@0.1.0` or its digest.
    pub connector: String,
    /// Settings, by name, of the types the connector declares.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Named credentials, by the connector's slot.
    #[serde(default)]
    pub credentials: BTreeMap<String, String>,
    /// Origins whose addresses may be loopback, private or link-local.
    #[serde(default)]
    pub private_origins: Vec<String>,
    /// Profiles whose users have access.
    #[serde(default)]
    pub profiles: BTreeSet<String>,
    /// Permission sets whose users have access.
    #[serde(default)]
    pub permission_sets: BTreeSet<String>,
    /// How to provision. What is left out has its default; mapping, linking and operations default to what the
    /// connector suggests and supports.
    #[serde(default)]
    #[schema(value_type = Option<ProvisioningConfigView>)]
    pub config: Option<serde_json::Value>,
}

/// What to change of an app. What is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppChange {
    /// Settings to set, by name; null unsets one. Those not named stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Credentials to bind, by slot; null unbinds one. Those not named stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, Option<String>>,
    /// All origins whose addresses may be loopback, private or link-local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_origins: Option<Vec<String>>,
    /// All profiles whose users have access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<BTreeSet<String>>,
    /// All permission sets whose users have access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_sets: Option<BTreeSet<String>>,
    /// The whole configuration; null goes back to what the connector suggests.
    #[serde(default, deserialize_with = "clearable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProvisioningConfigView>)]
    pub config: Option<Option<serde_json::Value>>,
}

/// How a reconciliation is to begin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileBody {
    /// Accounts that a custom process supplies: the run starts at Analyzing with these, and collects nothing.
    #[serde(default, deserialize_with = "super::object::optional_list")]
    pub staged: Option<Vec<StagedAccount>>,
    /// Whether the supplied accounts are all there are. Only then does the absence of one mean anything.
    #[serde(default)]
    pub complete: bool,
    /// Why, for the log.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What a probe found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProbeReport {
    /// Whether the target could be reached and signed in to.
    pub ok: bool,
    /// What was found out about the target.
    pub findings: Vec<FindingView>,
    /// Why not, where it could not.
    pub error: Option<String>,
    /// What the egress gate refused during the probe.
    #[schema(value_type = Vec<Object>)]
    pub denials: Vec<Denial>,
    /// HTTP requests that left.
    pub requests: u32,
}

/// How an app is provisioned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvisioningConfig)]
pub struct ProvisioningConfigView {
    /// Operations that may be requested. Delete is off unless named.
    #[schema(value_type = Vec<OperationSpelling>)]
    pub operations: BTreeSet<Operation>,
    /// Operations that wait for the approval of somebody who may manage requests, unless a rule says more.
    #[schema(value_type = Vec<OperationSpelling>)]
    pub approval_required: BTreeSet<Operation>,
    /// Whose approval operations wait for.
    pub approvals: Vec<ApprovalRuleView>,
    /// What the attributes of an account are made of.
    pub mapping: Vec<MappingRuleView>,
    /// How an account's user is found, the strongest rule first.
    pub linking: Vec<LinkRuleView>,
    /// Who is in scope of the app at all: an expression in CEL, over `user`, that gives true or false.
    pub scope: Option<String>,
    /// Usernames of accounts that nobody may be linked to and nothing is done to.
    pub protected: BTreeSet<String>,
    /// Which accounts to collect, in the target's own language; all if null.
    pub collect_filter: Option<String>,
    /// Whether events of the directory raise requests; true if left out. Off, a change of a user reaches the app with the
    /// next reconciliation.
    pub follow_events: bool,
    /// Attributes of a user whose change raises an Update, of those that the mapping uses; all of them if null.
    pub update_on: Option<BTreeSet<String>>,
    /// When a mass of changes by events waits for consent.
    pub guard: GuardPolicyView,
    /// Accounts asked for per page, 1 to 1000.
    pub page_size: u32,
    /// Calls to the target at the same time, 1 to 64.
    pub concurrency: u32,
    /// What a reconciliation does about what it finds.
    pub reconcile: ReconcilePolicyView,
    /// When to try again.
    pub retry: RetryPolicyView,
}

/// One value of one attribute of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MappingRule)]
pub struct MappingRuleView {
    /// An attribute of the connector's schema, or `username`.
    pub attribute: String,
    /// A template over the user's attributes: `{first_name} {last_name}`, `{email|lower}`, or a constant. Each rule has
    /// a `value` or an `expression`.
    pub value: Option<String>,
    /// An expression in CEL over `user`: `user.first_name.lower() + '.' + user.last_name.lower()`.
    pub expression: Option<String>,
    /// The value where that gives none.
    pub default: Option<String>,
    /// The value's label (`work`).
    pub kind: Option<String>,
    /// Whether it is the preferred value; false if left out.
    #[schema(required = false)]
    pub primary: bool,
    /// Set when the account is made, then left alone; false if left out.
    #[schema(required = false)]
    pub only_on_create: bool,
    /// A user for whom there is no value is refused, rather than sent without; false if left out.
    #[schema(required = false)]
    pub required: bool,
}

/// One pair of attributes by which an account's user is found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkRule)]
pub struct LinkRuleView {
    /// An attribute of the connector's schema, or `username`.
    pub account_attribute: String,
    /// An attribute of the user: `id`, `username`, `email`, `first_name`, `last_name`, `profile` or a free one.
    pub user_attribute: String,
    /// What is done to both sides before they are compared.
    #[schema(required = false)]
    pub normalise: NormalisationView,
    /// In CEL, over `user` and `account`: only where it holds does the rule find the user.
    pub condition: Option<String>,
}

/// What is done to both sides of a linking rule before they are compared.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Normalisation)]
pub struct NormalisationView {
    /// Ignore case; true if left out.
    #[schema(required = false)]
    pub case: bool,
    /// Ignore surrounding white space, and take inner runs of it as one space; true if left out.
    #[schema(required = false)]
    pub whitespace: bool,
    /// Ignore diacritics, as between `Zoë` and `Zoe`; false if left out.
    #[schema(required = false)]
    pub diacritics: bool,
    /// Mail domains that are one: each key is replaced by its value.
    #[schema(required = false)]
    pub mail_aliases: BTreeMap<String, String>,
}

/// What a reconciliation does about what it finds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReconcilePolicy)]
pub struct ReconcilePolicyView {
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

/// When a mass of changes by events waits for consent. On by default.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GuardPolicy)]
pub struct GuardPolicyView {
    /// Whether there is a guard at all.
    pub enabled: bool,
    /// Accounts that may be deactivated without regard to their share of the app.
    pub always_allowed: u64,
    /// The most accounts that one job, or all events within the window, may make or deactivate.
    pub max_changes: u64,
    /// The largest share of the app's linked accounts, in percent, that may be deactivated so.
    pub max_percent: u8,
    /// The window for events, in minutes.
    pub window_minutes: u32,
}

/// When and how often to try again inside one request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetryPolicy)]
pub struct RetryPolicyView {
    /// Attempts in all, the first included, 1 to 20.
    pub max_attempts: u32,
    /// The wait before the second attempt, in seconds; doubled for each one after it.
    pub base_seconds: u32,
    /// The longest wait, in seconds, unless the target asks for more.
    pub max_seconds: u32,
    /// How long a target may take, in seconds, to show a write whose outcome is unknown.
    pub settle_seconds: u32,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::StepRuleView;
    use gatehouse_core::approval::{ApprovalRule, OnDeadline, StepRule};
    use gatehouse_core::{Expression, LinkRule, MappingRule, Normalisation, Source};
    use std::collections::BTreeSet;
    use utoipa::PartialSchema;

    fn documented<T: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn real(value: &impl Serialize) -> BTreeSet<String> {
        serde_json::to_value(value).unwrap().as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_documented_configuration_is_the_real_one() {
        let scope = Some(Expression::new("user.active"));
        let config = ProvisioningConfig { scope, ..ProvisioningConfig::default() };
        assert_eq!(documented::<ProvisioningConfigView>(), real(&config));
        assert_eq!(documented::<ReconcilePolicyView>(), real(&config.reconcile));
        assert_eq!(documented::<RetryPolicyView>(), real(&config.retry));
        assert_eq!(documented::<GuardPolicyView>(), real(&config.guard));
        let rule = MappingRule {
            default: Some("none".to_owned()),
            kind: Some("work".to_owned()),
            primary: true,
            only_on_create: true,
            required: true,
            ..MappingRule::new("emails", Source::Template("{email}".parse().unwrap()))
        };
        let expression = MappingRule { value: Source::Expression(Expression::new("user.email")), ..rule.clone() };
        assert_eq!(documented::<MappingRuleView>(), real(&rule).union(&real(&expression)).cloned().collect());
        let rule = LinkRule {
            account_attribute: "emails".to_owned(),
            user_attribute: "email".to_owned(),
            normalise: Normalisation { diacritics: true, ..Normalisation::default() },
            condition: Some(Expression::new("user.active")),
        };
        assert_eq!(documented::<LinkRuleView>(), real(&rule));
        assert_eq!(documented::<NormalisationView>(), real(&rule.normalise));
        let approvers = gatehouse_core::approval::Approvers::Manager;
        let step = StepRule { approvers, quorum: 1, deadline_seconds: None, on_deadline: OnDeadline::Deny };
        assert_eq!(documented::<StepRuleView>(), real(&step));
        let rule = ApprovalRule { operations: BTreeSet::new(), steps: vec![step] };
        assert_eq!(documented::<ApprovalRuleView>(), real(&rule));
    }
}
