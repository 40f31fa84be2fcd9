//! How the field's terms are spelled in JSON. The lists come from the core itself, so that the document and the
//! answers cannot differ.

use gatehouse_core::access::Scope;
use gatehouse_core::sharing::Access;
use gatehouse_core::{
    Approval, AuthScheme, JobState, Level, LinkState, Operation, RequestObject, Situation, State, SystemPermission,
    UserAttributeType, schema::Status,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema::SchemaType};
use utoipa::{PartialSchema, ToSchema};

/// A term as it is spelled in JSON.
pub fn spelled<T: Serialize>(term: &T) -> String {
    match serde_json::to_value(term) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn schema_of<T: Serialize>(all: &[T], about: &str) -> RefOr<Schema> {
    let values: Vec<_> = all.iter().filter_map(|value| serde_json::to_value(value).ok()).collect();
    let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    RefOr::T(Schema::Object(object.description(Some(about)).enum_values(Some(values)).build()))
}

macro_rules! spelling {
    ($(#[$doc:meta])* $marker:ident, $name:literal, $about:literal, $all:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $marker;

        impl PartialSchema for $marker {
            fn schema() -> RefOr<Schema> {
                schema_of(&$all, $about)
            }
        }

        impl ToSchema for $marker {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    };
}

spelling!(
    /// What a request does.
    OperationSpelling, "Operation", "What a request does.", Operation::ALL
);
spelling!(
    /// What a token is good for.
    ScopeSpelling, "Scope", "What a token is good for.", Scope::ALL
);
spelling!(
    /// What requests are shared for.
    AccessSpelling, "SharingAccess", "What requests are shared for: to be seen, or to be decided about as well.",
    [Access::Read, Access::Approve]
);
spelling!(
    /// Where a request is in its life.
    StateSpelling, "State", "Where a request is in its life.", State::ALL
);
spelling!(
    /// Where a job is in its life.
    JobStateSpelling, "JobState", "Where a job is in its life.", JobState::ALL
);
spelling!(
    /// Which event of the directory raised a request.
    EventSpelling, "DirectoryEvent", "Which event of the directory raised a request.",
    gatehouse_core::events::TABLE.map(|row| row.event)
);
spelling!(
    /// Whether and how an account is tied to a user.
    LinkStateSpelling, "LinkState", "Whether and how an account is tied to a user.", LinkState::ALL
);
spelling!(
    /// The finer verdict behind a link state.
    SituationSpelling, "Situation", "The finer verdict behind a link state.",
    Situation::ALL
);
spelling!(
    /// Whether somebody has to agree.
    ApprovalSpelling, "Approval", "Whether somebody has to agree.",
    [Approval::NotRequired, Approval::Required, Approval::Approved, Approval::Denied]
);
spelling!(
    /// Whether an account can be used.
    StatusSpelling, "Status", "Whether an account can be used.",
    [Status::Active, Status::Deactivated, Status::Deleted]
);
spelling!(
    /// What kind of thing a request is about.
    ObjectSpelling, "RequestObject", "What kind of thing a request is about.",
    [
        RequestObject::User,
        RequestObject::UserLogin,
        RequestObject::PermissionSetAssignment,
        RequestObject::SetupEntityAccess,
        RequestObject::ConnectedApp,
        RequestObject::Account,
    ]
);
spelling!(
    /// How a credential is added to a request.
    AuthSchemeSpelling, "AuthScheme",
    "How a credential is added: `Authorization: Bearer`, `Authorization: Basic` (the secret is user:password), or a header of its own.",
    [AuthScheme::Bearer, AuthScheme::Basic, AuthScheme::Header]
);
spelling!(
    /// How much a log line matters.
    LevelSpelling, "Level", "How much a log line matters.",
    [Level::Debug, Level::Info, Level::Warn, Level::Error]
);

spelling!(
    /// What somebody may do in Gatehouse itself.
    SystemPermissionSpelling, "SystemPermission", "What somebody may do in Gatehouse itself.", SystemPermission::ALL
);
spelling!(
    /// What the values of a user's attribute are.
    UserAttributeTypeSpelling, "UserAttributeType",
    "What the values of a user's attribute are: any text, a whole number, `true` or `false`, a day (RFC 3339).",
    UserAttributeType::ALL
);

/// Reads a term as it is spelled in JSON, in any case.
///
/// # Errors
/// It is none of the terms; the text lists them.
pub fn parse<T: DeserializeOwned + Serialize + Clone>(text: &str, all: &[T], what: &str) -> Result<T, String> {
    let found = all.iter().find(|value| spelled(value).eq_ignore_ascii_case(text));
    found.cloned().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(spelled).collect();
        format!("`{text}` is no {what}; there is {}", known.join(", "))
    })
}
