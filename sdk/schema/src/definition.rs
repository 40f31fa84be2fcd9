//! Attribute definitions, and the schema made of them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeType {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// A date and time (RFC 3339).
    DateTime,
    /// The id of another resource.
    Reference,
    /// Base64 (RFC 4648 section 4).
    Binary,
}

/// Who may write an attribute, and when (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutability {
    /// Set by the target alone.
    ReadOnly,
    /// Read and changed at will.
    ReadWrite,
    /// Set when the account is made, never after.
    Immutable,
    /// Can be set, is never returned.
    WriteOnly,
}

/// One attribute that accounts can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDefinition {
    /// The name, unique in the schema.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// Whether it can have several values.
    pub multi_valued: bool,
    /// Whether upper and lower case differ in comparisons.
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// Whether an account cannot be made without it.
    pub required: bool,
    /// Whether no two accounts can share a value.
    pub unique: bool,
    /// Whether its values are masked in logs and audit records.
    pub sensitive: bool,
    /// The mapping proposed for a new app: a template over the user's attributes (`{email}`); none: unmapped.
    #[serde(default)]
    pub suggested: Option<String>,
}

impl AttributeDefinition {
    /// A single-valued, optional, freely changeable text attribute that ignores case.
    pub fn text(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            kind: AttributeType::Text,
            multi_valued: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            required: false,
            unique: false,
            sensitive: false,
            suggested: None,
        }
    }

    /// With another type.
    pub fn of_type(mut self, kind: AttributeType) -> Self {
        self.kind = kind;
        self
    }

    /// With several values.
    pub fn multi_valued(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    /// With upper and lower case told apart.
    pub fn case_exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    /// With another mutability.
    pub fn mutability(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    /// Needed by every account.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Different for every account.
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Mapped by this template when an app is made.
    pub fn suggested(mut self, template: impl Into<String>) -> Self {
        self.suggested = Some(template.into());
        self
    }

    /// Masked in logs and audit records.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }
}

/// The attributes that a connector's accounts can have, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    attributes: BTreeMap<String, AttributeDefinition>,
}

/// Why a list of definitions is no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// The name has characters that no attribute name may have.
    BadName(String),
    /// The name stands twice.
    Duplicate(String),
}

impl std::fmt::Display for SchemaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadName(name) => write!(
                f,
                "`{name}` is no attribute name: it takes a letter, then letters, digits, `.`, `_`, `-` or `:`, 256 at most"
            ),
            Self::Duplicate(name) => write!(f, "attribute `{name}` is defined twice"),
        }
    }
}

impl std::error::Error for SchemaError {}

impl Schema {
    /// A schema of these definitions.
    ///
    /// # Errors
    /// A name that is malformed or stands twice.
    pub fn new(definitions: impl IntoIterator<Item = AttributeDefinition>) -> Result<Self, SchemaError> {
        let mut attributes = BTreeMap::new();
        for definition in definitions {
            if !is_attribute_name(&definition.name) {
                return Err(SchemaError::BadName(definition.name));
            }
            if let Some(twice) = attributes.insert(definition.name.clone(), definition) {
                return Err(SchemaError::Duplicate(twice.name));
            }
        }
        Ok(Self { attributes })
    }

    /// The definition of an attribute.
    pub fn get(&self, name: &str) -> Option<&AttributeDefinition> {
        self.attributes.get(name)
    }

    /// All definitions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &AttributeDefinition> {
        self.attributes.values()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }
}

/// Whether a text can name an attribute: a letter, then letters, digits, `.`, `_`, `-` or `:`, 256 at most.
pub fn is_attribute_name(name: &str) -> bool {
    name.len() <= 256
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c))
}
