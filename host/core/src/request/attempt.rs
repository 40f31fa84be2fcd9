//! Attempts: what is durable about a call before it is made and after it has ended.

use gatehouse_schema::Status;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One attempt at a call that may write (or at the one call of a Read).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which of the change's steps, from 0.
    pub step: u32,
    /// The same for every attempt at the same step of the same request.
    pub idempotency_key: String,
    /// When it was started. Durable before the call is made.
    pub started_at: Timestamp,
    /// When its outcome was noted; none while it runs, or after a crash.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// Whether the egress gate let a write leave; none while that is not known.
    #[serde(default)]
    pub write_left: Option<bool>,
    /// What came of it.
    #[serde(default)]
    pub outcome: Option<AttemptOutcome>,
    /// What left and may have changed the target, as the egress gate noted it; nothing of a call during which the
    /// host was stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<SentWrite>,
    /// What reading the target showed of an outcome that was not known, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
}

/// A request that left for the target and may have changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentWrite {
    /// The HTTP method.
    pub method: String,
    /// Origin and path; never the query.
    pub url: String,
    /// When it left: milliseconds after the call began.
    pub after_ms: u64,
    /// The status of the answer; none if none came.
    #[serde(default)]
    pub status: Option<u16>,
    /// How the answer was lost, or why the connector did not get to see it; none while nothing is known of it.
    #[serde(default)]
    pub lost: Option<String>,
}

impl SentWrite {
    /// Whether the target itself said that it changed nothing. (408 says that it waited, not what it did.)
    pub fn was_refused(&self) -> bool {
        self.lost.is_none() && matches!(self.status, Some(400..=407 | 409..=499 | 501))
    }
}

impl std::fmt::Display for SentWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} left after {} ms; ", self.method, self.url, self.after_ms)?;
        match (self.status, &self.lost) {
            (_, Some(lost)) => write!(f, "{lost}"),
            (Some(status), None) => write!(f, "answered with {status}"),
            (None, None) => f.write_str("no answer came before the call ended"),
        }
    }
}

/// One look at the target, to find out what came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// What was asked for, for people.
    pub asked: String,
    /// The accounts that were found, some at most.
    #[serde(default)]
    pub found: Vec<Candidate>,
    /// What that shows.
    pub showed: Showed,
    /// Why, for people.
    pub why: String,
}

/// What a look at the target showed of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Showed {
    /// The change was made.
    Made,
    /// It was not.
    NotMade,
    /// The account is not there any more.
    Gone,
    /// Either may be.
    Unclear,
}

/// An account that may be the one an attempt made or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The target's own id.
    pub external_id: String,
    /// What its owner signs in with.
    pub username: String,
    /// Whether it can be used.
    pub status: Status,
    /// Whether it carries our marker; none if the app maps none, or it was not asked for.
    #[serde(default)]
    pub marked: Option<bool>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The change was made.
    Applied,
    /// The target already was as it should be.
    AlreadyApplied,
    /// Nothing was changed.
    Failed(CallFailure),
    /// A write left and no answer came. Resolved by reading the target.
    Unknown(String),
}

/// Why a call did not do what was asked: the connector's failure, or the host's verdict on the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFailure {
    /// The case.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
    /// Seconds the target asked to wait; for `Throttled`.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// The account in the way, for `Conflict`.
    #[serde(default)]
    pub conflicting: Option<String>,
}

/// The cases of `failure` in wit/, and what the host itself finds wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The credential is not accepted.
    Unauthenticated,
    /// The credential may not do this.
    Forbidden,
    /// Come back later.
    Throttled,
    /// Not reached, or failing.
    Unavailable,
    /// No such account.
    NotFound,
    /// An account stands in the way.
    Conflict,
    /// The account has moved on.
    Stale,
    /// The cursor is no longer honoured.
    CursorExpired,
    /// A value is refused.
    Invalid,
    /// The request is refused.
    Rejected,
    /// Cannot be done at all.
    Unsupported,
    /// The connector hit a limit of the sandbox (time, memory, response size).
    Limit,
    /// The connector trapped.
    Trap,
    /// The connector answered what no connector may (more rows than asked for, an unknown attribute).
    Protocol,
    /// The connector is not installed, or cannot be instantiated.
    Host,
    /// The egress gate refused what the connector needed, and no write had left. Not retried.
    Denied,
}

impl FailureKind {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::CursorExpired => "cursor_expired",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Trap => "trap",
            Self::Protocol => "protocol",
            Self::Host => "host",
            Self::Denied => "denied",
        }
    }
}

impl CallFailure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, conflicting: None }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, FailureKind::Throttled | FailureKind::Unavailable)
    }
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            FailureKind::Unauthenticated => "the target does not accept the credential",
            FailureKind::Forbidden => "the credential may not do this",
            FailureKind::Throttled => "the target asks to come back later",
            FailureKind::Unavailable => "the target is unavailable",
            FailureKind::NotFound => "the target knows no such account",
            FailureKind::Conflict => "an account stands in the way",
            FailureKind::Stale => "the account has been changed meanwhile",
            FailureKind::CursorExpired => "the target no longer honours the cursor",
            FailureKind::Invalid => "the target refuses a value",
            FailureKind::Rejected => "the target refuses the request",
            FailureKind::Unsupported => "not supported",
            FailureKind::Limit => "the connector hit a limit",
            FailureKind::Trap => "the connector trapped",
            FailureKind::Protocol => "the connector broke the protocol",
            FailureKind::Host => "the connector could not be run",
            FailureKind::Denied => "the egress gate refused a request",
        };
        f.write_str(kind)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}
