//! The shapes of the HTTP API: what goes in and out as JSON, documented for OpenAPI. Core types stand in for
//! themselves where their JSON is what callers should see; everything with a secret or a hash has a shape of its own.
//! It never decides anything.

mod access;
mod accounts;
mod approvals;
mod apps;
mod audit;
mod connectors;
mod counters;
mod jobs;
mod object;
mod people;
mod preview;
mod requests;
mod sharing;
mod sort;
mod spelling;
mod system;

pub use access::{
    GroupChange, GroupView, MemberView, MembersBody, NewGroup, NewPermissionSet, NewProfile, NewUserAttribute,
    PermissionSetChange, PermissionSetView, ProfileChange, ProfileView, UserAttributeChange, UserAttributeView,
};
pub use accounts::{AccountSummary, AccountView, LinkBody, StagedAccount, StagingRowView, ValueView, VerdictView};
pub(crate) use approvals::step_state;
pub use approvals::{
    ApprovalRuleView, ApprovalStepView, DelegationChange, DelegationView, NewDelegation, PersonView, RequestChange,
    StepRuleView, VoteView,
};
pub use apps::{
    AppChange, AppView, GuardPolicyView, LinkRuleView, MappingRuleView, NewApp, NormalisationView, ProbeReport,
    ProvisioningConfigView, ReconcileBody, ReconcileMarkView, ReconcilePolicyView, RetryPolicyView,
};
pub use audit::{AuditHeadView, AuditView, ChangedView, FindingOfTrail, TrailVerdictView, VerifyBody};
pub use connectors::{
    AttributeView, CheckReport, ConnectorRefView, ConnectorView, CredentialSlotView, DescriptionView, FindingView,
    SettingView,
};
pub use counters::{AccountCountersView, CountersView, RequestCountersView, StandingView};
pub use jobs::{ConsentBody, JobView, RefusalBody};
pub(crate) use object::Object;
pub use people::{ImportError, ImportReport, NewUser, RowOutcome, RowResult, UserChange, UserView};
pub use preview::{
    AccessView, MappedRuleView, MappedView, PreviewBody, PreviewReport, ProblemView, ProvisionBody, ProvisionReport,
    TraceStepView,
};
pub use requests::{
    ApproveBody, AttemptView, CancelBody, CandidateView, CompleteBody, DenyBody, LogEntryView, NewRequestBody,
    ReadingView, RequestView, RunView, SettleBody, SettledAs, WriteView,
};
pub use sharing::{NewSharingRule, SharingRuleView};
pub use sort::{
    AskedSort, ByApp, ById, ByIdNewestFirst, ByIdOrUsername, ByName, ByNameOrCreation, ByNameOrInstallation,
    ByNameOrUpdate, ByRow, BySequence, ByTime, Sort, SortKey,
};
pub use spelling::{
    AccessSpelling, ApprovalSpelling, AuthSchemeSpelling, EventSpelling, JobStateSpelling, LevelSpelling,
    LinkStateSpelling, ObjectSpelling, OperationSpelling, ScopeSpelling, SituationSpelling, StateSpelling,
    StatusSpelling, SystemPermissionSpelling, UserAttributeTypeSpelling, parse, spelled,
};
pub use system::{
    CompactedView, CredentialBody, CredentialView, NewToken, NewTokenView, RestoredView, TokenView, WhoAmIView,
};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Part of a list, and how to go on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Hand this in as `after` to get the following items; null at the end of the list.
    pub next: Option<String>,
}

/// Reads a field that may be left out (unchanged), null (cleared) or given.
pub(crate) fn clearable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
