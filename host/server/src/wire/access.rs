//! What users have besides their own fields: profiles, permission sets, groups, and definitions of free attributes.

use super::{SystemPermissionSpelling, UserAttributeTypeSpelling};
use gatehouse_core::{Group, PermissionSet, Profile, SystemPermission, User, UserAttribute, UserAttributeType, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What a user may be: carries access to apps and system permissions. A user has one.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileView {
    /// Unique name.
    #[schema(example = "staff")]
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// What its users may do in Gatehouse itself.
    #[schema(value_type = Vec<SystemPermissionSpelling>)]
    pub permissions: BTreeSet<SystemPermission>,
    /// Counts changes; the ETag.
    pub version: u64,
}

impl From<&Profile> for ProfileView {
    fn from(of: &Profile) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            permissions: of.permissions.clone(),
            version: of.version,
        }
    }
}

/// A profile to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProfile {
    /// Unique name.
    #[schema(example = "staff")]
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// What its users may do in Gatehouse itself.
    #[serde(default)]
    #[schema(value_type = Vec<SystemPermissionSpelling>)]
    pub permissions: BTreeSet<SystemPermission>,
}

/// What to change of a profile. What is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// One line for administrators.
    #[serde(default)]
    pub description: Option<String>,
    /// All that its users may do in Gatehouse itself.
    #[serde(default)]
    #[schema(value_type = Option<Vec<SystemPermissionSpelling>>)]
    pub permissions: Option<BTreeSet<SystemPermission>>,
}

/// What a user may be besides: carries access to apps and system permissions. A user has any number.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PermissionSet)]
pub struct PermissionSetView {
    /// Unique name.
    #[schema(example = "vpn")]
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// What its users may do in Gatehouse itself.
    #[schema(value_type = Vec<SystemPermissionSpelling>)]
    pub permissions: BTreeSet<SystemPermission>,
    /// Counts changes; the ETag.
    pub version: u64,
}

impl From<&PermissionSet> for PermissionSetView {
    fn from(of: &PermissionSet) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            permissions: of.permissions.clone(),
            version: of.version,
        }
    }
}

/// A permission set to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPermissionSet {
    /// Unique name.
    #[schema(example = "vpn")]
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// What its users may do in Gatehouse itself.
    #[serde(default)]
    #[schema(value_type = Vec<SystemPermissionSpelling>)]
    pub permissions: BTreeSet<SystemPermission>,
}

/// What to change of a permission set. What is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionSetChange {
    /// One line for administrators.
    #[serde(default)]
    pub description: Option<String>,
    /// All that its users may do in Gatehouse itself.
    #[serde(default)]
    #[schema(value_type = Option<Vec<SystemPermissionSpelling>>)]
    pub permissions: Option<BTreeSet<SystemPermission>>,
}

/// A named list of users: approvers, or those something is shared with. It gives no access to apps.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupView {
    /// Unique name.
    #[schema(example = "approvers")]
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// How many users belong to it; a list of their own has them.
    pub members: u64,
    /// Counts changes, also of who belongs to it; the ETag.
    pub version: u64,
}

impl From<&Group> for GroupView {
    fn from(of: &Group) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            members: of.members.len() as u64,
            version: of.version,
        }
    }
}

/// A group to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Unique name.
    #[schema(example = "approvers")]
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// Who belongs to it from the start: usernames or numbers.
    #[serde(default)]
    pub members: Vec<String>,
}

/// What to change of a group. What is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupChange {
    /// One line for administrators.
    #[serde(default)]
    pub description: Option<String>,
}

/// Who is to belong to a group, and who no longer. Whoever does already, or does not, is no error.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MembersBody {
    /// Usernames or numbers.
    #[serde(default)]
    pub add: Vec<String>,
    /// Usernames or numbers.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Somebody who belongs to a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    /// The number.
    #[schema(value_type = String, example = "USR-000001")]
    pub id: UserId,
    /// The username.
    pub username: String,
}

impl From<&User> for MemberView {
    fn from(of: &User) -> Self {
        Self { id: of.id, username: of.username.clone() }
    }
}

/// The definition of a free attribute of users: what its values are.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UserAttribute)]
pub struct UserAttributeView {
    /// Unique name.
    #[schema(example = "start_date")]
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// What its values are.
    #[serde(rename = "type")]
    #[schema(value_type = UserAttributeTypeSpelling)]
    pub kind: UserAttributeType,
    /// Whether a user can have several values.
    pub multi_valued: bool,
    /// Whether every user has it.
    pub required: bool,
    /// Whether its values are masked wherever they are shown.
    pub sensitive: bool,
    /// Counts changes; the ETag.
    pub version: u64,
}

impl From<&UserAttribute> for UserAttributeView {
    fn from(of: &UserAttribute) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            kind: of.kind,
            multi_valued: of.multi_valued,
            required: of.required,
            sensitive: of.sensitive,
            version: of.version,
        }
    }
}

/// An attribute to define. What users have of it already must fit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserAttribute {
    /// Unique name: a letter, then letters, digits, `.`, `_`, `-` or `:`.
    #[schema(example = "start_date")]
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// What its values are.
    #[serde(rename = "type")]
    #[schema(value_type = UserAttributeTypeSpelling)]
    pub kind: UserAttributeType,
    /// Whether a user can have several values.
    #[serde(default)]
    pub multi_valued: bool,
    /// Whether every user has it.
    #[serde(default)]
    pub required: bool,
    /// Whether its values are masked wherever they are shown.
    #[serde(default)]
    pub sensitive: bool,
}

/// What to change of a definition. What is left out stays. Another type is another definition: remove this one first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserAttributeChange {
    /// One line for administrators.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether a user can have several values.
    #[serde(default)]
    pub multi_valued: Option<bool>,
    /// Whether every user has it.
    #[serde(default)]
    pub required: Option<bool>,
    /// Whether its values are masked wherever they are shown.
    #[serde(default)]
    pub sensitive: Option<bool>,
}
