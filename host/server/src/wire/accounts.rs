//! Accounts and staged accounts.

use super::{LinkStateSpelling, OperationSpelling, SituationSpelling, StatusSpelling};
use gatehouse_core::schema::Status;
use gatehouse_core::{AccountId, LinkState, Operation, RequestId, Situation, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Value)]
pub struct ValueView {
    /// The canonical text. Masked as `***` where the attribute is sensitive.
    pub text: String,
    /// The label that tells values of one attribute apart (`work`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether this is the preferred value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

/// One account, or the place of one that is missing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    /// The number.
    #[schema(value_type = String, example = "ACC-000001")]
    pub id: AccountId,
    /// The app's name.
    pub app: String,
    /// The target's own id; null while the account is missing.
    pub external_id: Option<String>,
    /// The user it belongs to, or would belong to (see `link_state`).
    #[schema(value_type = Option<String>, example = "USR-000001")]
    pub user: Option<UserId>,
    /// That user's username.
    pub user_name: Option<String>,
    /// What its owner signs in with.
    pub username: String,
    /// As mapped from the user's `email`.
    pub email: Option<String>,
    /// As mapped from the user's `first_name`.
    pub first_name: Option<String>,
    /// As mapped from the user's `last_name`.
    pub last_name: Option<String>,
    /// The attributes, as the target last showed them.
    pub attributes: BTreeMap<String, Vec<ValueView>>,
    /// Whether it is provisioned for use.
    #[schema(value_type = StatusSpelling)]
    pub status: Status,
    /// Made unusable for the time being by a Freeze.
    pub frozen: bool,
    /// Whether and how it is tied to its user.
    #[schema(value_type = LinkStateSpelling)]
    pub link_state: LinkState,
    /// The finer verdict.
    #[schema(value_type = SituationSpelling)]
    pub situation: Situation,
    /// Why, where the situation alone does not say it.
    pub why: Option<String>,
    /// Whether the link was decided by an administrator or made by Gatehouse's own Create.
    pub is_known_link: bool,
    /// The target's mark of the version last seen.
    pub revision: Option<String>,
    /// When the target last showed it.
    pub last_seen: Option<Timestamp>,
    /// The reconciliation that last saw it.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub last_run: Option<RequestId>,
    /// Counts changes.
    pub version: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How an app's accounts stand.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountSummary {
    /// The app's name.
    pub app: String,
    /// Accounts by link state.
    pub link_states: BTreeMap<String, u64>,
    /// Accounts by situation.
    pub situations: BTreeMap<String, u64>,
}

/// Whom to link an account to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// The username, or the number (`USR-000001`).
    pub user: String,
    /// Why, for the log.
    #[serde(default)]
    pub reason: Option<String>,
}

/// An account that a custom process supplies to a reconciliation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StagedAccount {
    /// The target's own id.
    pub external_id: String,
    /// What its owner signs in with.
    #[serde(default)]
    pub username: String,
    /// Whether it can be used; Active if left out.
    #[serde(default)]
    #[schema(value_type = StatusSpelling)]
    pub status: Status,
    /// Attributes by name, as the connector's schema names them.
    #[serde(default, deserialize_with = "super::object::lists_by_name")]
    pub attributes: BTreeMap<String, Vec<ValueView>>,
    /// The target's mark of this version.
    #[serde(default)]
    pub revision: Option<String>,
}

/// One row of a reconciliation: what was collected, and what the analysis made of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = StagingRow)]
pub struct StagingRowView {
    /// The running number, from 0.
    pub no: u64,
    /// `account` (collected or supplied), `absent` (known, and not collected), `missing_user` or `fault`.
    pub source: &'static str,
    /// The target's own id.
    pub external_id: Option<String>,
    /// What its owner signs in with.
    pub username: Option<String>,
    /// Whether it can be used.
    #[schema(value_type = Option<StatusSpelling>)]
    pub status: Option<Status>,
    /// The attributes, as collected.
    pub attributes: BTreeMap<String, Vec<ValueView>>,
    /// Whether it had to be analysed.
    pub changed: bool,
    /// The account record there is of it, where it was not collected.
    #[schema(value_type = Option<String>, example = "ACC-000001")]
    pub account: Option<AccountId>,
    /// The user who has no account, for `missing_user`.
    #[schema(value_type = Option<String>, example = "USR-000001")]
    pub user: Option<UserId>,
    /// The username of the user it is, or would be, tied to.
    pub user_name: Option<String>,
    /// Why the record could not be read, for `fault`.
    pub why: Option<String>,
    /// What the analysis made of it; null before it is analysed, and where it did not have to be.
    pub verdict: Option<VerdictView>,
}

/// What the analysis made of a row: part of the plan.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct VerdictView {
    /// The link state that committing gives the account.
    #[schema(value_type = LinkStateSpelling)]
    pub link_state: LinkState,
    /// The situation that committing gives the account.
    #[schema(value_type = SituationSpelling)]
    pub situation: Situation,
    /// Why, where the situation alone does not say it.
    pub why: Option<String>,
    /// The user it is, or would be, tied to.
    #[schema(value_type = Option<String>, example = "USR-000001")]
    pub user: Option<UserId>,
    /// The account record there is of it.
    #[schema(value_type = Option<String>, example = "ACC-000001")]
    pub account: Option<AccountId>,
    /// Attributes that differ from what they should be.
    pub drift: Vec<String>,
    /// The operation that committing raises a request for; null if none.
    #[schema(value_type = Option<OperationSpelling>)]
    pub raises: Option<Operation>,
}
