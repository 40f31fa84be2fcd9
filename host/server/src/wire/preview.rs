//! What an app would receive for a user, and what provisioning them came to.

use super::{OperationSpelling, RequestView, ValueView};
use gatehouse_core::{Operation, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom to preview, and with which configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewBody {
    /// A user: username or number.
    pub user: String,
    /// A configuration to try without keeping it; the app's own if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::ProvisioningConfigView>)]
    pub config: Option<serde_json::Value>,
}

/// Whom to provision.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvisionBody {
    /// A user: username or number.
    pub user: String,
    /// Only find out what would be done; false if left out.
    #[serde(default)]
    #[schema(required = false)]
    pub dry_run: bool,
    /// Why, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an app would receive for a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewReport {
    /// The user's username.
    pub user: String,
    /// Whether they are to have an account.
    pub access: AccessView,
    /// What a new account would be made of.
    pub create: MappedView,
    /// What an update would assert.
    pub update: MappedView,
    /// What is wrong with the configuration itself.
    pub problems: Vec<ProblemView>,
}

/// Whether a user is to have an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccessView {
    /// What gives access: a profile, permission sets. Nothing does if it is empty.
    pub granted_by: Vec<String>,
    /// The app's scope, if it has one.
    pub scope: Option<String>,
    /// Whether the user is in it; null where that cannot be told.
    pub in_scope: Option<bool>,
    /// Why it cannot be told.
    pub why: Option<String>,
    /// Whether the user is active.
    pub active: bool,
    /// Whether the user is frozen.
    pub frozen: bool,
}

/// What the mapping makes of a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MappedView {
    /// Why nothing would be sent, if nothing would be.
    pub problem: Option<String>,
    /// The account's username.
    pub username: Option<String>,
    /// Rule by rule.
    pub rules: Vec<MappedRuleView>,
}

/// What one mapping rule makes of a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MappedRuleView {
    /// The rule's place in the mapping.
    pub rule: usize,
    /// The attribute.
    pub attribute: String,
    /// The template or the expression.
    pub made_of: String,
    /// The values; those of sensitive attributes are masked. None are sent if it is empty.
    pub values: Vec<ValueView>,
    /// Whether they are the rule's default.
    pub by_default: bool,
    /// False for what is set only on creation, in an update.
    pub applies: bool,
    /// Why there is no value.
    pub problem: Option<String>,
}

/// Something that is wrong with what somebody wrote.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConfigProblem)]
pub struct ProblemView {
    /// Where.
    pub at: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl From<Problem> for ProblemView {
    fn from(of: Problem) -> Self {
        Self { at: of.at, why: of.why }
    }
}

/// What provisioning one user came to, or would come to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProvisionReport {
    /// The user's username.
    pub user: String,
    /// Whether it was only found out what would be done.
    pub dry_run: bool,
    /// What is needed; null if nothing is, or nothing may be done.
    #[schema(value_type = Option<OperationSpelling>)]
    pub operation: Option<Operation>,
    /// Why.
    pub why: String,
    /// How that was found out, in order.
    pub trace: Vec<TraceStepView>,
    /// What the mapping makes of the user for that operation.
    pub mapping: Option<MappedView>,
    /// What would be sent. Values of sensitive attributes are masked.
    #[schema(value_type = Option<Object>)]
    pub change: Option<serde_json::Value>,
    /// The request that was raised; none on a dry run.
    pub request: Option<RequestView>,
}

/// One step of a trace.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceStepView {
    /// `access`, `scope`, `account`, `match`, `mapping`, `operation` or `plan`.
    pub step: String,
    /// What it came to, in words.
    pub found: String,
}
