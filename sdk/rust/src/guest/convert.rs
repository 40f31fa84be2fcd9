//! Accounts and failures, from the types of the bindings and into them.

use super::bindings::gatehouse::connector::types as wit;
use crate::{Account, Attributes, Failure, Status, Value};

pub(super) fn into_account(account: Account) -> wit::Account {
    wit::Account {
        external_id: account.external_id,
        username: account.username,
        status: match account.status {
            Status::Active => wit::Status::Active,
            Status::Deactivated => wit::Status::Deactivated,
            Status::Deleted => wit::Status::Deleted,
        },
        attributes: into_attributes(account.attributes),
        revision: account.revision,
    }
}

pub(super) fn from_account(account: wit::Account) -> Account {
    Account {
        external_id: account.external_id,
        username: account.username,
        status: from_status(account.status),
        attributes: from_attributes(account.attributes),
        revision: account.revision,
    }
}

pub(super) fn from_status(status: wit::Status) -> Status {
    match status {
        wit::Status::Active => Status::Active,
        wit::Status::Deactivated => Status::Deactivated,
        wit::Status::Deleted => Status::Deleted,
    }
}

fn into_attributes(attributes: Attributes) -> Vec<wit::Attribute> {
    attributes
        .into_iter()
        .map(|(name, values)| wit::Attribute {
            name,
            values: values.into_iter().map(|v| wit::Value { text: v.text, kind: v.kind, primary: v.primary }).collect(),
        })
        .collect()
}

pub(super) fn from_attributes(attributes: Vec<wit::Attribute>) -> Attributes {
    attributes
        .into_iter()
        .map(|attribute| {
            let values = attribute.values.into_iter();
            let values = values.map(|v| Value { text: v.text, kind: v.kind, primary: v.primary }).collect();
            (attribute.name, values)
        })
        .collect()
}

pub(super) fn into_failure(failure: Failure) -> wit::Failure {
    match failure {
        Failure::Unauthenticated(why) => wit::Failure::Unauthenticated(why),
        Failure::Forbidden(why) => wit::Failure::Forbidden(why),
        Failure::Throttled(seconds) => wit::Failure::Throttled(seconds),
        Failure::Unavailable(why) => wit::Failure::Unavailable(why),
        Failure::NotFound => wit::Failure::NotFound,
        Failure::Conflict(id) => wit::Failure::Conflict(id),
        Failure::Stale => wit::Failure::Stale,
        Failure::CursorExpired => wit::Failure::CursorExpired,
        Failure::Invalid { field, why } => wit::Failure::Invalid(wit::InvalidValue { field, why }),
        Failure::Rejected(why) => wit::Failure::Rejected(why),
        Failure::Unsupported(what) => wit::Failure::Unsupported(what),
    }
}
