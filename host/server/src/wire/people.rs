//! Users, profiles and the report of an import.

use super::clearable;
use gatehouse_core::{Profile, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// False once they have left.
    pub active: bool,
    /// True while they may not sign in anywhere.
    pub frozen: bool,
    /// Free attributes by name, each with its values.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Counts changes; the ETag.
    pub version: u64,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
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
    /// Whether they work here; true if left out.
    #[serde(default)]
    pub active: Option<bool>,
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
    /// Whether they work here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Free attributes to set, by name; null removes one. Those not named stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<Vec<String>>>,
}

/// What a user may be: carries access to apps.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileView {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// Counts changes.
    pub version: u64,
}

impl From<&Profile> for ProfileView {
    fn from(of: &Profile) -> Self {
        Self { name: of.name.clone(), description: of.description.clone(), version: of.version }
    }
}

/// A profile to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProfile {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
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
