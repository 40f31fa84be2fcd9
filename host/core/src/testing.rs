//! Small, complete examples of the domain's records, for this crate's unit tests.

#![allow(clippy::unwrap_used)]

use crate::lifecycle::{NewRequest, Raised, open};
use crate::{
    Account, AccountId, Actor, App, AppId, AuthScheme, Capability, Change, ConnectorRef, CredentialSlot, Description,
    Digest, Operation, ProvisioningConfig, Request, RequestId, RequestObject, SettingDefinition, SettingType,
    Situation, Subject, User, UserId,
};
use gatehouse_schema::{AttributeDefinition, Attributes, Status};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An active user with the profile `staff`, and nothing else but a name.
pub(crate) fn user(id: u64, username: &str) -> User {
    User {
        id: UserId(id),
        username: username.to_owned(),
        email: None,
        first_name: None,
        last_name: None,
        manager: None,
        manager_username: None,
        erased_at: None,
        profile: Some("staff".to_owned()),
        permission_sets: BTreeSet::new(),
        active: true,
        frozen: false,
        attributes: BTreeMap::new(),
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// An active account of that external id, linked to the user by a rule.
pub(crate) fn account(id: u64, external_id: &str, user: Option<u64>) -> Account {
    let situation = if user.is_some() { Situation::Found } else { Situation::Unassigned };
    Account {
        id: AccountId(id),
        app: AppId(1),
        external_id: Some(external_id.to_owned()),
        user: user.map(UserId),
        username: external_id.to_owned(),
        email: None,
        first_name: None,
        last_name: None,
        attributes: Attributes::new(),
        status: Status::Active,
        frozen: false,
        frozen_with_user: false,
        link_state: situation.link_state(),
        situation,
        why: None,
        is_known_link: false,
        revision: Some("r1".to_owned()),
        fingerprint: None,
        last_seen: None,
        last_run: None,
        version: 1,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// A connector that can do everything, much like SCIM.
pub(crate) fn description() -> Description {
    let text = |name: &str| AttributeDefinition::text(name, "");
    let setting = |name: &str, kind| SettingDefinition {
        name: name.to_owned(),
        description: String::new(),
        kind,
        required: false,
        default: None,
        choices: Vec::new(),
    };
    Description {
        name: "scim".to_owned(),
        version: "0.1.0".to_owned(),
        summary: String::new(),
        capabilities: [
            Capability::Create,
            Capability::Read,
            Capability::Update,
            Capability::Deactivate,
            Capability::Activate,
            Capability::Delete,
            Capability::Reconcile,
        ]
        .into(),
        attributes: vec![
            text("externalId").suggested("{id}"),
            text("displayName").suggested("{first_name} {last_name}"),
            text("emails").multi_valued().suggested("{email}"),
            text("title"),
            text("manager").suggested("{manager}"),
        ],
        settings: vec![
            SettingDefinition { required: true, ..setting("base_url", SettingType::Url) },
            SettingDefinition { default: Some(true.into()), ..setting("patch", SettingType::Boolean) },
            setting("page_size", SettingType::Integer),
            setting("tenant", SettingType::Text),
            SettingDefinition {
                choices: vec!["v1".to_owned(), "v2".to_owned()],
                ..setting("api", SettingType::Choice)
            },
        ],
        credentials: vec![CredentialSlot {
            name: "token".to_owned(),
            description: String::new(),
            schemes: vec![AuthScheme::Bearer, AuthScheme::Basic],
            header: None,
            setting: "base_url".to_owned(),
            required: true,
        }],
        searchable: ["externalId", "username", "emails"].map(str::to_owned).into(),
        search_paths: Vec::new(),
    }
}

/// An app of that connector, granted to `staff`, configured as suggested.
pub(crate) fn app() -> App {
    let description = description();
    App {
        id: AppId(1),
        name: "hr".to_owned(),
        connector: ConnectorRef { name: "scim".to_owned(), version: "0.1.0".to_owned(), digest: Digest::default() },
        settings: [("base_url".to_owned(), "https://hr.example.com/scim/v2".into())].into(),
        credentials: [("token".to_owned(), "hr".to_owned())].into(),
        private_origins: BTreeSet::new(),
        profiles: ["staff".to_owned()].into(),
        permission_sets: Default::default(),
        config: ProvisioningConfig {
            mapping: crate::mapping::suggested(&description),
            linking: crate::linking::suggested(&description),
            ..ProvisioningConfig::default()
        },
        paused: false,
        link_epoch: 0,
        last_reconcile: None,
        surveyed: true,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// A request for user 1's account, opened with that change.
pub(crate) fn request(operation: Operation, change: Change) -> Request {
    let new = NewRequest {
        id: RequestId(7),
        app: AppId(1),
        operation,
        object: RequestObject::User,
        subject: Subject::User(UserId(1)),
        account: None,
        change,
        approvals: None,
        by: Actor("admin".to_owned()),
        reason: None,
        raised: Raised::default(),
    };
    open(new, Timestamp::UNIX_EPOCH).request.record
}
