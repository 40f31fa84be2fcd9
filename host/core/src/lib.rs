//! The pure domain of Gatehouse: what users, apps, accounts and requests are, and every decision about them. It
//! never does I/O: no clock, no randomness, no runtime, no store, no sandbox. `now`, ids and chance are passed in.

pub mod access;
mod account;
pub mod analysis;
mod app;
pub mod approval;
pub mod audit;
mod connector;
mod correlation;
pub mod events;
mod expression;
mod ids;
pub mod job;
mod letters;
pub mod lifecycle;
pub mod linking;
pub mod links;
pub mod mapping;
mod masks;
pub mod metrics;
mod origin;
pub mod planning;
pub mod ports;
mod problem;
pub mod provision;
mod request;
pub mod retention;
pub mod sharing;
#[cfg(test)]
mod testing;
mod user;
mod user_attribute;
pub mod validation;

pub use account::{Account, LinkState, Situation, fingerprint};
pub use app::{Access, App, ProvisioningConfig, ReconcileMark, ReconcilePolicy, RetryPolicy};
pub use audit::{Actor, AskedFrom, AuditEntry, AuditHead, AuditQuery, AuditRecord, ChainId};
pub use connector::{
    AuthScheme, Capability, Connector, ConnectorRef, CredentialSlot, Description, Interface, SettingDefinition,
    SettingType,
};
pub use correlation::Correlation;
pub use expression::{Expression, ExpressionError, Facts, UsedAttributes};
pub use ids::{AccountId, AppId, BadId, DelegationId, Digest, JobId, RequestId, UserId};
pub use job::{Job, JobState};
pub use linking::{LinkRule, Normalisation};
pub use mapping::{BadTemplate, MappingRule, Source, Template, USERNAME};
pub use masks::{MASK, Masks};
pub use origin::{BadOrigin, Origin};
pub use problem::{Problem, nearest};
pub use request::{
    Approval, Attempt, AttemptOutcome, CallFailure, Candidate, Change, CommitStep, Completeness, Desired, FailureKind,
    Level, LinkChange, LogEntry, Operation, PageNext, Reading, Request, RequestObject, Run, Sealed, SentWrite, Showed,
    StagedAction, StagingRow, StagingSource, State, Subject, Verdict,
};
pub use user::{Group, PermissionSet, Permissions, Profile, SystemPermission, User};
pub use user_attribute::{UserAttribute, UserAttributeType, canonicalise};

/// Re-exported, so that host crates name one version.
pub use gatehouse_schema as schema;
