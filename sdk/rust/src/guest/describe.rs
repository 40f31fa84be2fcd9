//! The description, into the types of the bindings.

use super::bindings::exports::gatehouse::connector::descriptor as wit;
use crate::{
    AttributeDefinition, AttributeType, AuthScheme, CredentialSlot, Description, Mutability, Operation, Setting,
    SettingType,
};

pub(super) fn into_description(description: Description) -> wit::Description {
    wit::Description {
        name: description.name,
        version: description.version,
        summary: description.summary,
        operations: description.operations.into_iter().map(into_operation).collect(),
        attributes: description.attributes.into_iter().map(into_attribute).collect(),
        settings: description.settings.into_iter().map(into_setting).collect(),
        credentials: description.credentials.into_iter().map(into_slot).collect(),
        searchable: description.searchable,
        search_paths: description.search_paths,
    }
}

fn into_operation(operation: Operation) -> wit::Operation {
    match operation {
        Operation::Create => wit::Operation::Create,
        Operation::Read => wit::Operation::Read,
        Operation::Update => wit::Operation::Update,
        Operation::Deactivate => wit::Operation::Deactivate,
        Operation::Activate => wit::Operation::Activate,
        Operation::Delete => wit::Operation::Delete,
        Operation::Reconcile => wit::Operation::Reconcile,
    }
}

fn into_attribute(definition: AttributeDefinition) -> wit::AttributeDefinition {
    wit::AttributeDefinition {
        name: definition.name,
        description: definition.description,
        type_: match definition.kind {
            AttributeType::Text => wit::AttributeType::Text,
            AttributeType::Boolean => wit::AttributeType::Boolean,
            AttributeType::Integer => wit::AttributeType::Integer,
            AttributeType::Decimal => wit::AttributeType::Decimal,
            AttributeType::DateTime => wit::AttributeType::DateTime,
            AttributeType::Reference => wit::AttributeType::Reference,
            AttributeType::Binary => wit::AttributeType::Binary,
        },
        multi_valued: definition.multi_valued,
        case_exact: definition.case_exact,
        mutability: match definition.mutability {
            Mutability::ReadOnly => wit::Mutability::ReadOnly,
            Mutability::ReadWrite => wit::Mutability::ReadWrite,
            Mutability::Immutable => wit::Mutability::Immutable,
            Mutability::WriteOnly => wit::Mutability::WriteOnly,
        },
        required: definition.required,
        unique: definition.unique,
        sensitive: definition.sensitive,
        suggested: definition.suggested,
    }
}

fn into_setting(setting: Setting) -> wit::SettingDefinition {
    wit::SettingDefinition {
        name: setting.name,
        description: setting.description,
        type_: match setting.kind {
            SettingType::Text => wit::SettingType::Text,
            SettingType::Boolean => wit::SettingType::Boolean,
            SettingType::Integer => wit::SettingType::Integer,
            SettingType::Url => wit::SettingType::Url,
            SettingType::Choice => wit::SettingType::Choice,
        },
        required: setting.required,
        default: setting.default.map(|value| value.to_string()),
        choices: setting.choices,
    }
}

fn into_slot(slot: CredentialSlot) -> wit::CredentialSlot {
    wit::CredentialSlot {
        name: slot.name,
        description: slot.description,
        schemes: slot
            .schemes
            .into_iter()
            .map(|scheme| match scheme {
                AuthScheme::Bearer => wit::AuthScheme::Bearer,
                AuthScheme::Basic => wit::AuthScheme::Basic,
                AuthScheme::Header => wit::AuthScheme::Header,
            })
            .collect(),
        header: slot.header,
        setting: slot.setting,
        required: slot.required,
    }
}
