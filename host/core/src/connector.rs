//! Installed connectors: what they are, what they can do, what they need. The shapes of `describe` in wit/.

use crate::{Digest, Operation};
use gatehouse_schema::{AttributeDefinition, Schema, SchemaError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An interface of `gatehouse:connector` that a component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// Says what it is.
    Descriptor,
    /// Checks a configuration.
    Probe,
    /// Reads accounts.
    Collector,
    /// Judges what was collected.
    Analyzer,
    /// Changes accounts.
    Committer,
}

/// What a connector can do to its target (`operation` in wit/). Freeze, Unfreeze and Reactivate are made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Make an account.
    Create,
    /// Read one by its external id.
    Read,
    /// Change attributes.
    Update,
    /// Make it unusable.
    Deactivate,
    /// Make it usable again.
    Activate,
    /// Remove it for good.
    Delete,
    /// Collect all accounts.
    Reconcile,
}

/// The type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingType {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// An absolute http or https URL, whose origin is granted with the setting.
    Url,
    /// One of the choices.
    Choice,
}

/// One setting of the apps made with a connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingDefinition {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// What its value is.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// Whether an app cannot be configured without it.
    pub required: bool,
    /// The value that holds when none is given.
    #[serde(default)]
    pub default: Option<serde_json::Value>,
    /// The values of a choice.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// How a credential is added to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthScheme {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// `Authorization: Basic` (RFC 7617); the secret is `user:password`.
    Basic,
    /// The secret in a header of its own.
    Header,
}

/// A credential that a connector needs the host to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialSlot {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// The schemes its target understands, the preferred one first.
    pub schemes: Vec<AuthScheme>,
    /// The header of scheme `header`.
    #[serde(default)]
    pub header: Option<String>,
    /// The URL setting whose origin it is for.
    pub setting: String,
    /// Whether the connector can do nothing without it.
    pub required: bool,
}

/// What a connector says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The name.
    pub name: String,
    /// The version (semver 2.0.0).
    pub version: String,
    /// One line for administrators.
    pub summary: String,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// The attributes of its accounts.
    pub attributes: Vec<AttributeDefinition>,
    /// Its settings.
    pub settings: Vec<SettingDefinition>,
    /// Its credentials.
    pub credentials: Vec<CredentialSlot>,
    /// Attributes that can be searched for, identifying ones first.
    pub searchable: Vec<String>,
    /// Paths to which POST is a search. A risk to show to the administrator.
    pub search_paths: Vec<String>,
}

impl Description {
    /// The attribute schema.
    ///
    /// # Errors
    /// A name that is malformed or stands twice; admission refuses such a connector.
    pub fn schema(&self) -> Result<Schema, SchemaError> {
        Schema::new(self.attributes.iter().cloned())
    }

    /// Whether its capabilities make an operation possible.
    pub fn supports(&self, operation: Operation) -> bool {
        let can = |capability| self.capabilities.contains(&capability);
        match operation {
            Operation::Linking => true,
            Operation::Read => can(Capability::Read),
            Operation::Reconcile => can(Capability::Reconcile),
            Operation::Create => can(Capability::Create),
            Operation::Update => can(Capability::Update),
            Operation::Deactivate | Operation::Freeze => can(Capability::Deactivate),
            Operation::Activate | Operation::Unfreeze => can(Capability::Activate),
            Operation::Reactivate => can(Capability::Activate) && can(Capability::Update),
            Operation::Delete => can(Capability::Delete),
        }
    }
}

/// An installed connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    /// What it said of itself when it was installed.
    pub description: Description,
    /// The digest of the component: its identity.
    pub digest: Digest,
    /// The size of the component in bytes.
    pub size: u64,
    /// The interfaces it exports.
    pub interfaces: BTreeSet<Interface>,
    /// What it imports, as interface names.
    pub imports: Vec<String>,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// Who consented to running it unsigned.
    pub installed_by: String,
}

/// The connector an app runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorRef {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest: what counts.
    pub digest: Digest,
}

impl Connector {
    /// The reference that apps keep.
    pub fn reference(&self) -> ConnectorRef {
        ConnectorRef {
            name: self.description.name.clone(),
            version: self.description.version.clone(),
            digest: self.digest,
        }
    }

    /// The operations that its capabilities and interfaces make possible.
    pub fn operations(&self) -> BTreeSet<Operation> {
        let has = |interface| self.interfaces.contains(&interface);
        Operation::ALL
            .into_iter()
            .filter(|operation| self.description.supports(*operation))
            .filter(|operation| match operation {
                Operation::Linking => true,
                Operation::Read | Operation::Reconcile => has(Interface::Collector),
                _ => has(Interface::Committer),
            })
            .collect()
    }
}
