//! Installed connectors.

use super::{AuthSchemeSpelling, OperationSpelling};
use gatehouse_core::schema::AttributeDefinition;
use gatehouse_core::{
    AuthScheme, Connector, ConnectorRef, CredentialSlot, Description, Digest, Interface, Operation, SettingDefinition,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// An installed connector.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Connector)]
pub struct ConnectorView {
    /// The SHA-256 digest of the component: its identity.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// What it says of itself.
    pub description: DescriptionView,
    /// The operations it makes possible.
    #[schema(value_type = Vec<OperationSpelling>)]
    pub operations: BTreeSet<Operation>,
    /// The interfaces it exports.
    #[schema(value_type = Vec<String>)]
    pub interfaces: BTreeSet<Interface>,
    /// What it imports.
    pub imports: Vec<String>,
    /// The size of the component in bytes.
    pub size: u64,
    /// When it was installed; the time of the check for one that was only checked.
    pub installed_at: Timestamp,
    /// Who consented to running it unsigned; empty for one that was only checked.
    pub installed_by: String,
}

/// What a connector says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Description)]
pub struct DescriptionView {
    /// The name.
    pub name: String,
    /// The version (semver 2.0.0).
    pub version: String,
    /// One line for administrators.
    pub summary: String,
    /// The attributes of its accounts.
    pub attributes: Vec<AttributeView>,
    /// Its settings.
    pub settings: Vec<SettingView>,
    /// The credentials it needs.
    pub credentials: Vec<CredentialSlotView>,
    /// Attributes that can be searched for.
    pub searchable: Vec<String>,
    /// Paths to which POST is taken for a search: a risk to look at before installing.
    pub search_paths: Vec<String>,
}

/// An attribute that a connector's accounts can have.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attribute)]
pub struct AttributeView {
    /// The name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// `text`, `boolean`, `integer`, `decimal`, `date_time`, `reference` or `binary`.
    #[serde(rename = "type")]
    pub kind: serde_json::Value,
    /// Whether it can have several values.
    pub multi_valued: bool,
    /// Whether upper and lower case differ.
    pub case_exact: bool,
    /// `read_only`, `read_write`, `immutable` or `write_only`.
    pub mutability: serde_json::Value,
    /// Whether an account cannot be made without it.
    pub required: bool,
    /// Whether no two accounts can share a value.
    pub unique: bool,
    /// Whether its values are masked.
    pub sensitive: bool,
    /// The mapping proposed for a new app.
    pub suggested: Option<String>,
}

/// A setting of the apps made with a connector.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Setting)]
pub struct SettingView {
    /// The name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// `text`, `boolean`, `integer`, `url` or `choice`.
    #[serde(rename = "type")]
    pub kind: serde_json::Value,
    /// Whether an app cannot be configured without it.
    pub required: bool,
    /// The value that holds when none is given.
    pub default: Option<serde_json::Value>,
    /// The values of a choice.
    pub choices: Vec<String>,
}

/// A credential that a connector needs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CredentialSlot)]
pub struct CredentialSlotView {
    /// The name.
    pub name: String,
    /// One line for administrators.
    pub description: String,
    /// The schemes its target understands, the preferred one first.
    #[schema(value_type = Vec<AuthSchemeSpelling>)]
    pub schemes: Vec<AuthScheme>,
    /// The header of scheme `header`.
    pub header: Option<String>,
    /// The URL setting whose origin it is for.
    pub setting: String,
    /// Whether the connector can do nothing without it.
    pub required: bool,
}

/// What a check of a component found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckReport {
    /// What would be installed.
    pub connector: ConnectorView,
    /// What an administrator should know before consenting.
    pub warnings: Vec<String>,
}

/// Something that a probe of a configuration found out about the target.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingView {
    /// What was looked at.
    pub name: String,
    /// What was found.
    pub detail: String,
}

/// The connector an app runs on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConnectorRef)]
pub struct ConnectorRefView {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest: what counts.
    #[schema(value_type = String)]
    pub digest: Digest,
}

impl From<&ConnectorRef> for ConnectorRefView {
    fn from(of: &ConnectorRef) -> Self {
        Self { name: of.name.clone(), version: of.version.clone(), digest: of.digest }
    }
}

impl From<&Connector> for ConnectorView {
    fn from(of: &Connector) -> Self {
        Self {
            digest: of.digest,
            description: DescriptionView::from(&of.description),
            operations: of.operations(),
            interfaces: of.interfaces.clone(),
            imports: of.imports.clone(),
            size: of.size,
            installed_at: of.installed_at,
            installed_by: of.installed_by.clone(),
        }
    }
}

impl From<&Description> for DescriptionView {
    fn from(of: &Description) -> Self {
        Self {
            name: of.name.clone(),
            version: of.version.clone(),
            summary: of.summary.clone(),
            attributes: of.attributes.iter().map(AttributeView::from).collect(),
            settings: of.settings.iter().map(SettingView::from).collect(),
            credentials: of.credentials.iter().map(CredentialSlotView::from).collect(),
            searchable: of.searchable.clone(),
            search_paths: of.search_paths.clone(),
        }
    }
}

impl From<&AttributeDefinition> for AttributeView {
    fn from(of: &AttributeDefinition) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            kind: serde_json::json!(of.kind),
            multi_valued: of.multi_valued,
            case_exact: of.case_exact,
            mutability: serde_json::json!(of.mutability),
            required: of.required,
            unique: of.unique,
            sensitive: of.sensitive,
            suggested: of.suggested.clone(),
        }
    }
}

impl From<&SettingDefinition> for SettingView {
    fn from(of: &SettingDefinition) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            kind: serde_json::json!(of.kind),
            required: of.required,
            default: of.default.clone(),
            choices: of.choices.clone(),
        }
    }
}

impl From<&CredentialSlot> for CredentialSlotView {
    fn from(of: &CredentialSlot) -> Self {
        Self {
            name: of.name.clone(),
            description: of.description.clone(),
            schemes: of.schemes.clone(),
            header: of.header.clone(),
            setting: of.setting.clone(),
            required: of.required,
        }
    }
}
