//! User provisioning requests.

use super::{
    ApprovalSpelling, ApprovalStepView, EventSpelling, LevelSpelling, ObjectSpelling, OperationSpelling, StateSpelling,
    StatusSpelling, spelled,
};
use gatehouse_core::events::DirectoryEvent;
use gatehouse_core::{
    AccountId, Actor, Approval, Attempt, AttemptOutcome, Candidate, Completeness, Digest, JobId, Level, LogEntry,
    Operation, Reading, RequestId, RequestObject, Run, SentWrite, State, UserId, schema::Status,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A user provisioning request.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub struct RequestView {
    /// The number.
    #[schema(value_type = String, example = "UPR-000001")]
    pub id: RequestId,
    /// The app's name.
    pub app: String,
    /// What it does.
    #[schema(value_type = OperationSpelling)]
    pub operation: Operation,
    /// What kind of thing it is about.
    #[schema(value_type = ObjectSpelling)]
    pub object: RequestObject,
    /// The user it is about, if it is about one.
    #[schema(value_type = Option<String>, example = "USR-000001")]
    pub user: Option<UserId>,
    /// That user's username.
    pub user_name: Option<String>,
    /// The account it concerns, once there is one.
    #[schema(value_type = Option<String>, example = "ACC-000001")]
    pub account: Option<AccountId>,
    /// Where it is in its life.
    #[schema(value_type = StateSpelling)]
    pub state: State,
    /// Whether somebody has to agree.
    #[schema(value_type = ApprovalSpelling)]
    pub approval: Approval,
    /// Whose agreement it takes, step by step, and what they said.
    pub approvals: Vec<ApprovalStepView>,
    /// The digest of what is to be done, which an approval must name: of the sealed change, or of a
    /// reconciliation's plan once that is sealed.
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// What it is to do, sealed when it was made: an object with one member that says of what kind, or the word
    /// `reconcile`. Values of sensitive attributes are masked.
    pub change: serde_json::Value,
    /// Attempts at calls that may write, in order.
    pub attempts: Vec<AttemptView>,
    /// How many of the change's steps are done.
    pub steps_done: u32,
    /// When the host takes it up next; null: it waits for a person, or is settled.
    pub due: Option<Timestamp>,
    /// Why it failed, or why it is being tried again.
    pub error: Option<String>,
    /// Whether it is in review: a write left, what came of it cannot be proven, and a person must look.
    pub needs_review: bool,
    /// The progress of a reconciliation.
    pub run: Option<RunView>,
    /// The failed request this one takes up again.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub parent: Option<RequestId>,
    /// The reconciliation that raised it.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub raised_by: Option<RequestId>,
    /// The event of the directory that raised it.
    #[schema(value_type = Option<EventSpelling>)]
    pub event: Option<DirectoryEvent>,
    /// The job through which the event did.
    #[schema(value_type = Option<String>, example = "JOB-000001")]
    pub job: Option<JobId>,
    /// Why the guard against mass changes holds it; null if it does not.
    pub held: Option<String>,
    /// What it waits for before anything more is done: consent to what the `guard` holds, an `approval`, its `date`, the
    /// `commit` of its plan (`reconcile`: the plan is not what would be planned now, so the app is to be reconciled anew),
    /// a `request` in front of it, or its `app`, which is paused; null if nothing.
    #[schema(example = "approval")]
    pub waits_for: Option<&'static str>,
    /// The request that is to be done first, where it waits for one.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub behind: Option<RequestId>,
    /// How often it has been taken up again.
    pub retry_count: u32,
    /// The request whose place this one takes, since what was to be done had to change.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub supersedes: Option<RequestId>,
    /// The request that has taken this one's place.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub superseded_by: Option<RequestId>,
    /// The date it is to run at; null: as soon as it can.
    pub run_at: Option<Timestamp>,
    /// Whether that date is yet to come: until then it can be given another one.
    pub awaits_date: bool,
    /// Who asked for it.
    #[schema(value_type = String)]
    pub created_by: Actor,
    /// Why they asked.
    pub reason: Option<String>,
    /// The `X-Request-Id` of the call by which they asked: what to look for in logs and traces.
    pub request_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

/// One attempt at a call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    /// Which of the change's steps, from 0.
    pub step: u32,
    /// The same for every attempt at the same step of the same request.
    pub idempotency_key: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// When its outcome was noted.
    pub finished_at: Option<Timestamp>,
    /// Whether the egress gate let a write leave; null while that is not known.
    pub write_left: Option<bool>,
    /// `applied`, `already_applied`, `failed` or `unknown`; null while it runs.
    pub outcome: Option<&'static str>,
    /// Why it failed, or why the outcome is not known.
    pub why: Option<String>,
    /// What left and may have changed the target, as the egress gate noted it.
    pub writes: Vec<WriteView>,
    /// What reading the target showed of an outcome that was not known, in order.
    pub readings: Vec<ReadingView>,
}

/// A request that left for the target and may have changed it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SentWrite)]
pub struct WriteView {
    /// The HTTP method.
    pub method: String,
    /// Origin and path; never the query.
    pub url: String,
    /// When it left.
    pub at: Timestamp,
    /// The status of the answer; null if none came.
    pub status: Option<u16>,
    /// How the answer was lost.
    pub lost: Option<String>,
}

/// One look at the target, to find out what came of an attempt.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Reading)]
pub struct ReadingView {
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub asked: String,
    /// The accounts that were found, some at most.
    pub found: Vec<CandidateView>,
    /// What that shows of the change: `made`, `not_made`, `gone` (the account is not there any more) or `unclear`.
    pub showed: String,
    /// Why.
    pub why: String,
}

/// An account that may be the one an attempt made or changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Candidate)]
pub struct CandidateView {
    /// The target's own id.
    pub external_id: String,
    /// What its owner signs in with.
    pub username: String,
    /// Whether it can be used.
    #[schema(value_type = StatusSpelling)]
    pub status: Status,
    /// Whether it carries our marker; null if the app maps none, or it was not asked for.
    pub marked: Option<bool>,
}

impl From<&Reading> for ReadingView {
    fn from(of: &Reading) -> Self {
        let candidate = |of: &Candidate| CandidateView {
            external_id: of.external_id.clone(),
            username: of.username.clone(),
            status: of.status,
            marked: of.marked,
        };
        Self {
            at: of.at,
            asked: of.asked.clone(),
            found: of.found.iter().map(candidate).collect(),
            showed: spelled(&of.showed),
            why: of.why.clone(),
        }
    }
}

fn write(of: &SentWrite, began: Timestamp) -> WriteView {
    WriteView {
        method: of.method.clone(),
        url: of.url.clone(),
        at: began.checked_add(std::time::Duration::from_millis(of.after_ms)).unwrap_or(began),
        status: of.status,
        lost: of.lost.clone(),
    }
}

impl From<&Attempt> for AttemptView {
    fn from(of: &Attempt) -> Self {
        let (outcome, why) = match &of.outcome {
            None => (None, None),
            Some(AttemptOutcome::Applied) => (Some("applied"), None),
            Some(AttemptOutcome::AlreadyApplied) => (Some("already_applied"), None),
            Some(AttemptOutcome::Failed(failure)) => (Some("failed"), Some(failure.to_string())),
            Some(AttemptOutcome::Unknown(why)) => (Some("unknown"), Some(why.clone())),
        };
        Self {
            step: of.step,
            idempotency_key: of.idempotency_key.clone(),
            started_at: of.started_at,
            finished_at: of.finished_at,
            write_left: of.write_left,
            outcome,
            why,
            writes: of.writes.iter().map(|sent| write(sent, of.started_at)).collect(),
            readings: of.readings.iter().map(Into::into).collect(),
        }
    }
}

/// How far a reconciliation has got.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    /// Pages stored.
    pub pages: u64,
    /// Rows staged.
    pub rows: u64,
    /// Rows that were collected, of those.
    pub collected: u64,
    /// Collected rows that differ from what is known.
    pub changed: u64,
    /// Records of the target that could not be read.
    pub faults: u64,
    /// How many accounts the target said it has.
    pub estimate: Option<u64>,
    /// Whether the collection saw everything: `"complete"`, or `{"partial": why}`; null while it goes on.
    #[schema(value_type = Option<Object>)]
    pub completeness: Option<Completeness>,
    /// Whether a custom process supplied the rows.
    pub supplied: bool,
    /// How often the collection had to start again.
    pub restarts: u32,
    /// Rows analysed.
    pub analyzed: u64,
    /// Rows by situation.
    pub situations: BTreeMap<String, u64>,
    /// Requests that the plan raises, by operation.
    pub planned: BTreeMap<String, u64>,
    /// The digest of the sealed plan.
    #[schema(value_type = Option<String>)]
    pub plan: Option<Digest>,
    /// Rows committed.
    pub committed: u64,
    /// Requests raised.
    pub raised: u64,
    /// When the collection began.
    pub collecting_since: Option<Timestamp>,
    /// When the plan was sealed.
    pub analyzed_at: Option<Timestamp>,
}

impl From<&Run> for RunView {
    fn from(of: &Run) -> Self {
        Self {
            pages: of.pages,
            rows: of.rows,
            collected: of.collected,
            changed: of.changed,
            faults: of.faults,
            estimate: of.estimate,
            completeness: of.completeness.clone(),
            supplied: of.supplied,
            restarts: of.restarts,
            analyzed: of.analyzed,
            situations: named(&of.situations),
            planned: named(&of.planned),
            plan: of.plan,
            committed: of.committed,
            raised: of.raised,
            collecting_since: of.collecting_since,
            analyzed_at: of.analyzed_at,
        }
    }
}

fn named<K: Serialize>(counts: &BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(key, count)| (spelled(key), *count)).collect()
}

/// One line of a request's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LogEntry)]
pub struct LogEntryView {
    /// When.
    pub at: Timestamp,
    /// `host`, or the connector's name.
    pub source: String,
    /// How much it matters.
    #[schema(value_type = LevelSpelling)]
    pub level: Level,
    /// What happened.
    pub message: String,
    /// Further facts, as pairs of name and value.
    #[schema(value_type = Vec<Vec<String>>)]
    pub fields: Vec<(String, String)>,
}

impl From<LogEntry> for LogEntryView {
    fn from(of: LogEntry) -> Self {
        Self { at: of.at, source: of.source, level: of.level, message: of.message, fields: of.fields }
    }
}

/// A request to make, about one user or one account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequestBody {
    /// The app's name.
    pub app: String,
    /// Create, Read, Update, Deactivate, Activate, Reactivate, Freeze, Unfreeze or Delete.
    #[schema(value_type = OperationSpelling)]
    pub operation: Operation,
    /// The user: username or number. Either this or `account`.
    #[serde(default)]
    pub user: Option<String>,
    /// The account: its number. Either this or `user`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "ACC-000001")]
    pub account: Option<AccountId>,
    /// Why, for the log.
    #[serde(default)]
    pub reason: Option<String>,
    /// The date to run at (RFC 3339); as soon as it can if left out.
    #[serde(default)]
    pub run_at: Option<Timestamp>,
}

/// Agreement to what was seen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// The `digest` of the request that was looked at.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Refusal.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyBody {
    /// Why.
    pub reason: String,
}

/// What came of the last write of a request in review.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleBody {
    /// What came of it.
    pub outcome: SettledAs,
    /// For a create that was made: the account's id in the target. The account is read before anything is noted.
    #[serde(default)]
    pub external_id: Option<String>,
    /// How you know; it goes into the audit trail.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Whether a write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettledAs {
    /// It was.
    Made,
    /// It was not.
    NotMade,
}

/// Completion by hand.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteBody {
    /// What was done.
    pub note: String,
}

/// Withdrawal.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}
