//! Sharing rules: who sees requests, or decides about them, without managing them all.

use super::{AccessSpelling, OperationSpelling};
use gatehouse_core::Operation;
use gatehouse_core::sharing::Access;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A rule that shares requests.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SharingRule)]
pub struct SharingRuleView {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// Requests of this app; null: of every app.
    pub app: Option<String>,
    /// Requests with these operations; empty: with every one.
    #[schema(value_type = Vec<OperationSpelling>)]
    pub operations: BTreeSet<Operation>,
    /// Requests about this user.
    pub owner_user: Option<String>,
    /// Requests about members of this group. Without either: requests about anybody.
    pub owner_group: Option<String>,
    /// Shared with this user,
    pub to_user: Option<String>,
    /// with the members of this group,
    pub to_group: Option<String>,
    /// or with the manager of whoever a request is about.
    pub to_managers: bool,
    /// What for.
    #[schema(value_type = AccessSpelling)]
    pub access: Access,
    /// Counts changes.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A sharing rule to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSharingRule {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// Requests of this app; of every app if left out.
    #[serde(default)]
    pub app: Option<String>,
    /// Requests with these operations; with every one if empty.
    #[serde(default)]
    #[schema(value_type = Vec<OperationSpelling>)]
    pub operations: BTreeSet<Operation>,
    /// Requests about this user: username or number.
    #[serde(default)]
    pub owner_user: Option<String>,
    /// Requests about members of this group. At most one of the two; without either, requests about anybody.
    #[serde(default)]
    pub owner_group: Option<String>,
    /// To share with this user: username or number.
    #[serde(default)]
    pub to_user: Option<String>,
    /// To share with the members of this group.
    #[serde(default)]
    pub to_group: Option<String>,
    /// To share with the manager of whoever a request is about. Exactly one of the three.
    #[serde(default)]
    pub to_managers: bool,
    /// What for.
    #[schema(value_type = AccessSpelling)]
    pub access: Access,
}
