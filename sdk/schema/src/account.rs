//! Accounts and their attributes, as collected from a target or wanted of it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One value of an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Value {
    /// The canonical text (see [`crate::canonical_text`]).
    pub text: String,
    /// The label that tells values of one attribute apart (`work`, `home`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether this is the preferred value of its attribute.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

impl Value {
    /// A value without label or preference.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: None, primary: false }
    }

    /// A labelled value.
    pub fn of_kind(text: impl Into<String>, kind: impl Into<String>, primary: bool) -> Self {
        Self { text: text.into(), kind: Some(kind.into()), primary }
    }
}

impl<T: Into<String>> From<T> for Value {
    fn from(text: T) -> Self {
        Self::text(text)
    }
}

/// Attributes by name. A name that is missing says nothing about the attribute; one without values says that it is
/// empty (when read) or is to be cleared (when written).
pub type Attributes = BTreeMap<String, Vec<Value>>;

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Usable.
    #[default]
    Active,
    /// There, but not usable.
    Deactivated,
    /// Known to have been there and to be gone.
    Deleted,
}

/// One account of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The target's own, unchanging id.
    pub external_id: String,
    /// What its owner signs in with; empty where the target has no such thing.
    pub username: String,
    /// Whether it can be used.
    pub status: Status,
    /// Its attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// The target's mark of this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Account {
    /// The first value of an attribute, the primary one if there is one.
    pub fn first(&self, attribute: &str) -> Option<&str> {
        let values = self.attributes.get(attribute)?;
        values.iter().find(|v| v.primary).or_else(|| values.first()).map(|v| v.text.as_str())
    }
}
