//! People, and the profiles that give them access to apps.

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
}

/// What a user may be: carries access to apps. A user has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// Counts changes.
    pub version: u64,
}
