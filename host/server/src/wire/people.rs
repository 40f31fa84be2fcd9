//! Users, and the report of an import.

use super::clearable;
use gatehouse_core::UserId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// A person in the directory.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// The number.
    #[schema(value_type = String, example = "USR-000001")]
    pub id: UserId,
    /// Unique, ignoring case.
    pub username: String,
    /// The address of work.
    pub email: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The username of the manager.
    pub manager: Option<String>,
    /// The profile: what gives access to apps.
    pub profile: Option<String>,
    /// The permission sets: what gives access besides.
    pub permission_sets: BTreeSet<String>,
    /// False once they have left.
    pub active: bool,
    /// True while they may not sign in anywhere.
    pub frozen: bool,
    /// Free attributes by name, each with its values. Those of a sensitive attribute are masked.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Counts changes; the ETag.
    pub version: u64,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When all that was said of the person was erased, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
}

/// A user to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Unique, ignoring case.
    pub username: String,
    /// The address of work.
    #[serde(default)]
    pub email: Option<String>,
    /// Given name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// The username of the manager.
    #[serde(default)]
    pub manager: Option<String>,
    /// The profile; it must exist.
    #[serde(default)]
    pub profile: Option<String>,
    /// The permission sets; they must exist.
    #[serde(default)]
    pub permission_sets: BTreeSet<String>,
    /// Whether they work here; true if left out.
    #[serde(default)]
    pub active: Option<bool>,
    /// Whether they may not sign in anywhere; false if left out.
    #[serde(default)]
    pub frozen: Option<bool>,
    /// Free attributes by name, each with its values.
    #[serde(default)]
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// What to change of a user. What is left out stays; null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// A new username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The address of work.
    #[serde(default, deserialize_with = "clearable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Option<String>>,
    /// Given name.
    #[serde(default, deserialize_with = "clearable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub first_name: Option<Option<String>>,
    /// Family name.
    #[serde(default, deserialize_with = "clearable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub last_name: Option<Option<String>>,
    /// The username of the manager.
    #[serde(default, deserialize_with = "clearable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub manager: Option<Option<String>>,
    /// The profile.
    #[serde(default, deserialize_with = "clearable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub profile: Option<Option<String>>,
    /// All the permission sets they are to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_sets: Option<BTreeSet<String>>,
    /// Whether they work here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether they may not sign in anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// Free attributes to set, by name; null removes one. Those not named stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<Vec<String>>>,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Rows read, the header not counted.
    pub rows: u64,
    /// Users made.
    pub created: u64,
    /// Users changed.
    pub updated: u64,
    /// Users that already were as their row says.
    pub unchanged: u64,
    /// Rows that were not imported.
    pub failed: u64,
    /// Why, row by row.
    pub errors: Vec<ImportError>,
    /// Whether nothing was written: a dry run, or all-or-nothing with an error.
    pub nothing_written: bool,
    /// What came of each row, if that was asked for; what would come of it, if nothing was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<RowOutcome>,
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowOutcome {
    /// The row, as an editor counts.
    pub row: u64,
    /// Whom it is about; null where the row is wrong.
    pub username: Option<String>,
    /// What came of it.
    pub result: RowResult,
}

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowResult {
    /// It made a user.
    Created,
    /// It changed one.
    Updated,
    /// The user was as it says.
    Unchanged,
    /// It was not imported; why is among the errors.
    Failed,
}

/// Why a row was not imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportError {
    /// The row, as an editor counts: in CSV the header is row 1.
    pub row: u64,
    /// The column, by name; null where the row as a whole is wrong.
    pub column: Option<String>,
    /// What is wrong, and what would be right.
    pub why: String,
}
