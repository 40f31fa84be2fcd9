//! Whose agreement a request takes, what they said, and who stands in for whom.

use gatehouse_core::approval::{Approvers, Delegation};
use gatehouse_core::{Actor, DelegationId, Operation, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// One step of a request's approvals.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ApprovalStep)]
pub struct ApprovalStepView {
    /// Who is asked, in words.
    pub asked: String,
    /// Who can vote: found when the request was opened.
    pub approvers: Vec<PersonView>,
    /// How many different persons have to agree.
    pub quorum: u32,
    /// Why others are asked than the configuration names.
    pub why: Option<String>,
    /// `later` (the steps before it are not done), `open`, `approved`, `denied`, or `ended` (the request came to its end
    /// otherwise).
    pub state: &'static str,
    /// Whether others are asked since the first did not decide in time.
    pub escalated: bool,
    /// Since when it waits.
    pub opened_at: Option<Timestamp>,
    /// Until when it must be decided; null: for as long as it takes.
    pub deadline: Option<Timestamp>,
    /// What people said, in order.
    pub votes: Vec<VoteView>,
}

/// Somebody of the directory.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub struct PersonView {
    /// The user's number.
    #[schema(value_type = String, example = "USR-000001")]
    pub user: UserId,
    /// The username.
    pub name: Option<String>,
}

/// What somebody said to a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Vote)]
pub struct VoteView {
    /// When.
    pub at: Timestamp,
    /// By which token.
    #[schema(value_type = String)]
    pub by: Actor,
    /// Which person that is; null: a token of the installation itself, whose vote decides alone.
    pub person: Option<PersonView>,
    /// In whose place, as a delegate.
    pub instead_of: Option<PersonView>,
    /// Whether they agreed.
    pub agrees: bool,
    /// Why.
    pub reason: Option<String>,
    /// Whether it was said before others were asked, and no longer counts.
    pub lapsed: bool,
}

/// Somebody is away, and another decides in their place meanwhile.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Delegation)]
pub struct DelegationView {
    /// The number.
    #[schema(value_type = String, example = "DLG-000001")]
    pub id: DelegationId,
    /// Who is away.
    pub user: PersonView,
    /// Who decides in their place.
    pub delegate: PersonView,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Whether it holds now.
    pub holds: bool,
    /// Why.
    pub reason: Option<String>,
    /// Who made it.
    #[schema(value_type = String)]
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

impl DelegationView {
    pub(crate) fn new(of: Delegation, user: PersonView, delegate: PersonView, now: Timestamp) -> Self {
        Self {
            id: of.id,
            user,
            delegate,
            holds: of.holds(now),
            from: of.from,
            until: of.until,
            reason: of.reason,
            created_by: of.created_by,
            created_at: of.created_at,
            version: of.version,
        }
    }
}

/// A delegation to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDelegation {
    /// Who is away: username or number; whoever calls, if left out.
    #[serde(default)]
    pub user: Option<String>,
    /// Who decides in their place: username or number.
    pub delegate: String,
    /// From when on; now if left out.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when, that moment no longer included.
    pub until: Timestamp,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What of a delegation is to change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationChange {
    /// From when on.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when; one that is over by now ends it.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What of a request is to change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestChange {
    /// The date to run at; only for a request whose date has not come.
    pub run_at: Timestamp,
}

/// Which operations take which approvals.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApprovalRule)]
pub struct ApprovalRuleView {
    /// The operations; each stands in one rule at most.
    #[schema(value_type = Vec<super::OperationSpelling>)]
    pub operations: BTreeSet<Operation>,
    /// Who has to agree, one after the other.
    pub steps: Vec<StepRuleView>,
}

/// One step: who is asked, how many of them have to agree, and by when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApprovalStepRule)]
pub struct StepRuleView {
    /// Who is asked: `"manager"`, `"request_managers"`, `{"users": [username or number]}`, `{"group": name}` or
    /// `{"permission": name}`. Users are kept by number.
    #[schema(value_type = serde_json::Value)]
    pub approvers: Approvers,
    /// How many different persons have to agree; 1 if left out.
    #[schema(required = false)]
    pub quorum: u32,
    /// How long they have; for as long as it takes if left out.
    pub deadline_seconds: Option<u64>,
    /// What follows then: `"deny"`, which it is if left out, or `{"escalate": {"to": approvers, "quorum": 1,
    /// "deadline_seconds": 3600}}`.
    #[schema(value_type = serde_json::Value, required = false)]
    pub on_deadline: String,
}

/// A step's state, in a word.
pub(crate) fn step_state(done: bool, open: bool, denied: bool, begun: bool) -> &'static str {
    match (done, denied, open, begun) {
        (true, ..) => "approved",
        (_, true, ..) => "denied",
        (_, _, true, _) => "open",
        (_, _, _, true) => "ended",
        _ => "later",
    }
}
