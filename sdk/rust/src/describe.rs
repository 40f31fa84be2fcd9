//! What a connector says of itself, and builders for it. It is plain text for the host to check at installation;
//! this module never checks it.

use crate::{AttributeDefinition, json::Value};

/// What can be done to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make an account.
    Create,
    /// Read one account by its external id.
    Read,
    /// Change attributes.
    Update,
    /// Make an account unusable.
    Deactivate,
    /// Make it usable again, and nothing else.
    Activate,
    /// Remove it for good.
    Delete,
    /// Collect all accounts.
    Reconcile,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Create, Self::Read, Self::Update, Self::Deactivate, Self::Activate, Self::Delete, Self::Reconcile];
}

/// The type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingType {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// An absolute http or https URL that the connector wants to reach: granting the setting grants its origin.
    Url,
    /// One of several words.
    Choice,
}

/// One setting of the connected app.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The name, unique among settings.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// What its value is.
    pub kind: SettingType,
    /// Whether an app cannot be configured without it.
    pub required: bool,
    /// The value that holds when none is given.
    pub default: Option<Value>,
    /// The words of a choice.
    pub choices: Vec<String>,
}

impl Setting {
    fn new(name: impl Into<String>, description: impl Into<String>, kind: SettingType) -> Self {
        let (name, description) = (name.into(), description.into());
        Self { name, description, kind, required: false, default: None, choices: Vec::new() }
    }

    /// A text.
    pub fn text(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(name, description, SettingType::Text)
    }

    /// A truth value.
    pub fn boolean(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(name, description, SettingType::Boolean)
    }

    /// A whole number.
    pub fn integer(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(name, description, SettingType::Integer)
    }

    /// An address that the connector wants to reach.
    pub fn url(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(name, description, SettingType::Url)
    }

    /// One of these words.
    pub fn choice<'a>(
        name: impl Into<String>,
        description: impl Into<String>,
        choices: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let choices = choices.into_iter().map(str::to_owned).collect();
        Self { choices, ..Self::new(name, description, SettingType::Choice) }
    }

    /// Needed by every app.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// With a value that holds when none is given.
    pub fn default_value(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }
}

/// How the host adds a credential to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// `Authorization: Bearer <secret>` (RFC 6750).
    Bearer,
    /// `Authorization: Basic <base64 of the secret, which is user:password>` (RFC 7617).
    Basic,
    /// The secret in a header of its own, named in [`CredentialSlot::header`].
    Header,
}

/// A credential the connector needs the host to add to its requests. The connector never sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSlot {
    /// The name, unique among slots.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// The schemes that the target understands, the preferred one first.
    pub schemes: Vec<AuthScheme>,
    /// The header of scheme [`AuthScheme::Header`].
    pub header: Option<String>,
    /// The URL setting whose origin it is for.
    pub setting: String,
    /// Whether the connector can do nothing without it.
    pub required: bool,
}

impl CredentialSlot {
    /// A credential for the origin of a URL setting.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        setting: impl Into<String>,
        schemes: impl IntoIterator<Item = AuthScheme>,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            schemes: schemes.into_iter().collect(),
            header: None,
            setting: setting.into(),
            required: false,
        }
    }

    /// In this header, for scheme [`AuthScheme::Header`].
    pub fn header(mut self, header: impl Into<String>) -> Self {
        self.header = Some(header.into());
        self
    }

    /// Needed by every app.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// What a connector is and needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The name: a small letter, then small letters, digits and `-`; at most 64 characters.
    pub name: String,
    /// The version (semver 2.0.0).
    pub version: String,
    /// One line for administrators.
    pub summary: String,
    /// What it can do to its target.
    pub operations: Vec<Operation>,
    /// The attributes of its accounts.
    pub attributes: Vec<AttributeDefinition>,
    /// Its settings.
    pub settings: Vec<Setting>,
    /// Its credentials.
    pub credentials: Vec<CredentialSlot>,
    /// Attributes that `find` can look for, those that identify an account first.
    pub searchable: Vec<String>,
    /// Paths, below a granted origin, to which POST is a search and changes nothing.
    pub search_paths: Vec<String>,
}

impl Description {
    /// A connector that cannot do anything yet.
    pub fn new(name: impl Into<String>, version: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            operations: Vec::new(),
            attributes: Vec::new(),
            settings: Vec::new(),
            credentials: Vec::new(),
            searchable: Vec::new(),
            search_paths: Vec::new(),
        }
    }

    /// Can do these things.
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations.extend(operations);
        self
    }

    /// Has this attribute.
    pub fn attribute(mut self, attribute: AttributeDefinition) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Has these attributes.
    pub fn attributes(mut self, attributes: impl IntoIterator<Item = AttributeDefinition>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// Takes this setting.
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// Needs this credential.
    pub fn credential(mut self, slot: CredentialSlot) -> Self {
        self.credentials.push(slot);
        self
    }

    /// Can look for these attributes. Each is of the schema, or is `username`.
    pub fn searchable<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.searchable.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Searches by POST to these paths; `*` stands for one path segment. Administrators see them as a risk.
    pub fn search_paths<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        self.search_paths.extend(paths.into_iter().map(str::to_owned));
        self
    }
}
