//! People, and what gives them access and permissions: profiles, permission sets, groups.

use crate::UserId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A person in Gatehouse's own directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The number.
    pub id: UserId,
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
    /// Whom they report to.
    #[serde(default)]
    pub manager: Option<UserId>,
    /// The manager's username, as far as whoever loaded the user looked it up for a mapping. Never stored.
    #[serde(skip)]
    pub manager_username: Option<String>,
    /// The one profile they have.
    #[serde(default)]
    pub profile: Option<String>,
    /// The permission sets they have.
    #[serde(default)]
    pub permission_sets: BTreeSet<String>,
    /// False once they have left.
    pub active: bool,
    /// True while they may not sign in anywhere.
    #[serde(default)]
    pub frozen: bool,
    /// Free attributes by name, each with its values.
    #[serde(default)]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Counts changes; the ETag of the API.
    pub version: u64,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When all that was said of the person was erased: nothing is said of them again.
    #[serde(default)]
    pub erased_at: Option<Timestamp>,
}

impl User {
    /// The values of an attribute by the name used in mappings and linking rules: `username`, `email`,
    /// `first_name`, `last_name`, `profile`, or a free attribute. (`id` is the
    /// number, which mappings resolve themselves.)
    pub fn values(&self, attribute: &str) -> Vec<&str> {
        match attribute {
            "username" => vec![self.username.as_str()],
            "email" => self.email.as_deref().into_iter().collect(),
            "first_name" => self.first_name.as_deref().into_iter().collect(),
            "last_name" => self.last_name.as_deref().into_iter().collect(),
            "profile" => self.profile.as_deref().into_iter().collect(),
            _ => self.attributes.get(attribute).into_iter().flatten().map(String::as_str).collect(),
        }
    }

    /// The names of the attributes in which another state of the user differs: those of [`User::values`], `manager` and
    /// `permission_sets`. Not `active` and `frozen`, which have events of their own.
    pub fn differences<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        let texts = ["username", "email", "first_name", "last_name", "profile"];
        let free = self.attributes.keys().chain(other.attributes.keys()).map(String::as_str);
        let mut names: BTreeSet<&str> =
            texts.into_iter().chain(free).filter(|name| self.values(name) != other.values(name)).collect();
        names.extend((self.manager != other.manager).then_some("manager"));
        names.extend((self.permission_sets != other.permission_sets).then_some("permission_sets"));
        names
    }
}

/// What a user may be: carries access to apps and system permissions. A user has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// What its users may do in Gatehouse itself.
    #[serde(default)]
    pub permissions: BTreeSet<SystemPermission>,
    /// Counts changes.
    pub version: u64,
}

/// What a user may be besides: carries access to apps and system permissions. A user has any number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionSet {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// What its users may do in Gatehouse itself.
    #[serde(default)]
    pub permissions: BTreeSet<SystemPermission>,
    /// Counts changes.
    pub version: u64,
}

/// A named list of users: approvers, or those something is shared with. It gives no access to apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// Who belongs to it.
    #[serde(default)]
    pub members: BTreeSet<UserId>,
    /// Counts changes.
    pub version: u64,
}

/// What a profile or permission set lets its users do in Gatehouse itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemPermission {
    /// See how Gatehouse is set up.
    ViewSetup,
    /// Manage users, and what gives them access.
    ManageUsers,
    /// Change how Gatehouse works.
    CustomizeApplication,
    /// Change every record, whoever it belongs to.
    ModifyAllData,
    /// Manage connected apps.
    ManageConnectedApps,
    /// Bring in connectors from outside.
    DownloadPackages,
}

impl SystemPermission {
    /// All, in the order of the design.
    pub const ALL: [Self; 6] = [
        Self::ViewSetup,
        Self::ManageUsers,
        Self::CustomizeApplication,
        Self::ModifyAllData,
        Self::ManageConnectedApps,
        Self::DownloadPackages,
    ];
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::ViewSetup => "View Setup",
            Self::ManageUsers => "Manage Users",
            Self::CustomizeApplication => "Customize Application",
            Self::ModifyAllData => "Modify All Data",
            Self::ManageConnectedApps => "Manage Connected Apps",
            Self::DownloadPackages => "Download Packages",
        }
    }

    /// As it is written in records and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::ViewSetup => "view_setup",
            Self::ManageUsers => "manage_users",
            Self::CustomizeApplication => "customize_application",
            Self::ModifyAllData => "modify_all_data",
            Self::ManageConnectedApps => "manage_connected_apps",
            Self::DownloadPackages => "download_packages",
        }
    }
}

/// System permissions that somebody or something has.
pub type Permissions = BTreeSet<SystemPermission>;
