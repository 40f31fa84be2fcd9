//! User provisioning requests: the one unit of work. What they are made of; `lifecycle` decides how they live.

mod attempt;
mod change;
mod run;

pub use attempt::{Attempt, AttemptOutcome, CallFailure, Candidate, FailureKind, Reading, SentWrite, Showed};
pub use change::{Change, CommitStep, Desired, LinkChange, Sealed};
pub use run::{Completeness, PageNext, Run, StagedAction, StagingRow, StagingSource, Verdict};

use crate::approval::Chain;
use crate::events::DirectoryEvent;
use crate::{AccountId, Actor, AppId, Correlation, JobId, RequestId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Make an account, or bring back the user's own deactivated one.
    Create,
    /// Read one account.
    Read,
    /// Give mapped attributes their values.
    Update,
    /// Make the account unusable.
    Deactivate,
    /// Make it usable again: the flag alone.
    Activate,
    /// Make it usable again and re-assert every mapped attribute.
    Reactivate,
    /// Make it unusable for the time being.
    Freeze,
    /// End a Freeze.
    Unfreeze,
    /// Collect, analyse and link all accounts of an app.
    Reconcile,
    /// A manual link, unlink or ignore.
    Linking,
    /// Remove the account for good.
    Delete,
}

impl Operation {
    /// All, in the order of the design.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Read,
        Self::Update,
        Self::Deactivate,
        Self::Activate,
        Self::Reactivate,
        Self::Freeze,
        Self::Unfreeze,
        Self::Reconcile,
        Self::Linking,
        Self::Delete,
    ];

    /// Whether it changes an account of the target.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::Reconcile | Self::Linking)
    }
}

/// Where a request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Made; waits for its approval, if it needs one.
    New,
    /// Cleared to run.
    Requested,
    /// Accounts are being read.
    Collecting,
    /// All accounts have been read.
    Collected,
    /// What was read is being compared with what is known.
    Analyzing,
    /// The plan is sealed.
    Analyzed,
    /// The change is being made.
    Committing,
    /// Done.
    Completed,
    /// Could not be done; a person decides.
    Failed,
    /// Failed, and taken up again by another request.
    Retried,
    /// Failed, and done by hand.
    ManuallyCompleted,
    /// Denied, withdrawn, expired or superseded.
    Cancelled,
}

impl State {
    /// All, in order.
    pub const ALL: [Self; 12] = [
        Self::New,
        Self::Requested,
        Self::Collecting,
        Self::Collected,
        Self::Analyzing,
        Self::Analyzed,
        Self::Committing,
        Self::Completed,
        Self::Failed,
        Self::Retried,
        Self::ManuallyCompleted,
        Self::Cancelled,
    ];

    /// Whether nothing follows of itself. (A Failed one can still be retried or completed by hand.)
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Retried | Self::ManuallyCompleted | Self::Cancelled)
    }
}

/// Whether somebody has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Approval {
    /// Nobody has to.
    NotRequired,
    /// Somebody has to, and has not yet.
    Required,
    /// Somebody did.
    Approved,
    /// Somebody refused.
    Denied,
}

/// What kind of thing an event happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RequestObject {
    /// A user.
    User,
    /// A user's sign-in.
    UserLogin,
    /// A permission set given or taken.
    PermissionSetAssignment,
    /// An app given to, or taken from, a profile or permission set.
    SetupEntityAccess,
    /// An app as a whole.
    ConnectedApp,
    /// An account.
    Account,
}

/// What a request is about. Requests of one lane run in order, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A user's account.
    User(UserId),
    /// An account without a user.
    Account(AccountId),
    /// The whole app: its reconciliations.
    App,
}

impl Subject {
    /// The person it is about, if it is about one.
    pub fn person(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Account(_) | Self::App => None,
        }
    }
}

/// A user provisioning request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The number.
    pub id: RequestId,
    /// The app.
    pub app: AppId,
    /// What it does.
    pub operation: Operation,
    /// What kind of thing it is about.
    pub object: RequestObject,
    /// What it is about.
    pub subject: Subject,
    /// The account it concerns, once there is one.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Where it is in its life.
    pub state: State,
    /// Whether somebody has to agree.
    pub approval: Approval,
    /// Whose agreement it takes, and what they said.
    #[serde(default)]
    pub approvals: Option<Chain>,
    /// What it is to do, with the digest that approvals bind to.
    pub change: Sealed<Change>,
    /// Attempts at calls that may write, or at a single read, in order.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// How many of the change's steps are done.
    #[serde(default)]
    pub steps_done: u32,
    /// Transient failures in a row of calls that only read (collect, analyze).
    #[serde(default)]
    pub read_failures: u32,
    /// From when the engine has something to do; none: it waits for a person, or is settled.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// Why it failed, or why it is being tried again.
    #[serde(default)]
    pub error: Option<String>,
    /// Whether it failed because what it did cannot be proven, and a person must look.
    #[serde(default)]
    pub needs_review: bool,
    /// The reconciliation's progress; for Reconcile only.
    #[serde(default)]
    pub run: Option<Run>,
    /// The failed request this one takes up again.
    #[serde(default)]
    pub parent: Option<RequestId>,
    /// The first of a chain of requests taken up again: idempotency keys are made of its number.
    #[serde(default)]
    pub root: Option<RequestId>,
    /// The reconciliation that raised it.
    #[serde(default)]
    pub raised_by: Option<RequestId>,
    /// The event of the directory that raised it.
    #[serde(default)]
    pub event: Option<DirectoryEvent>,
    /// The job through which the event did.
    #[serde(default)]
    pub job: Option<JobId>,
    /// Why the guard against mass changes holds it, if it does: it waits for consent to the whole mass.
    #[serde(default)]
    pub held: Option<String>,
    /// Whether it was held, and somebody has consented: it is no longer weighed with what comes after it.
    #[serde(default)]
    pub released: bool,
    /// How often it has been taken up again.
    #[serde(default)]
    pub retry_count: u32,
    /// The request whose place this one takes, since what was to be done had to change.
    #[serde(default)]
    pub supersedes: Option<RequestId>,
    /// The request that has taken this one's place.
    #[serde(default)]
    pub superseded_by: Option<RequestId>,
    /// The date it is to run at; none: as soon as it can.
    #[serde(default)]
    pub run_at: Option<Timestamp>,
    /// Whether that date is yet to come. Until then it is in no lane, and holds up nobody.
    #[serde(default)]
    pub awaits_date: bool,
    /// Who asked for it.
    pub created_by: Actor,
    /// Which person of the directory that was; none: the host, or the installation itself.
    #[serde(default)]
    pub requested_by: Option<UserId>,
    /// Why they asked.
    #[serde(default)]
    pub reason: Option<String>,
    /// The API call by which they asked; none for what the host does of itself.
    #[serde(default)]
    pub correlation: Option<Correlation>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

impl Request {
    /// Whether it followed from the directory, by an event or a reconciliation: nobody asked for just this by hand.
    pub fn followed(&self) -> bool {
        self.event.is_some() || self.raised_by.is_some()
    }

    /// Whether it waits for somebody to say what came of its last write. Nothing is written for it until then.
    pub fn is_in_review(&self) -> bool {
        self.state == State::Failed && self.needs_review
    }

    /// Whether it takes up one in review, and has made no attempt of its own: what it is to write was sealed long before,
    /// and others may have written since.
    pub fn has_only_looked(&self) -> bool {
        let inherited = |attempt: &Attempt| attempt.started_at < self.created_at;
        self.parent.is_some() && !self.attempts.is_empty() && self.attempts.iter().all(inherited)
    }

    /// Whether it has a place in its lane: it is not settled, and waits for no date.
    pub fn is_in_lane(&self) -> bool {
        !self.state.is_settled() && !self.awaits_date
    }

    /// Whether work on it may have begun: nothing is put in front of it in its lane any more.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::New | State::Requested)
    }

    /// Since when it waits for somebody to agree, at the present step; none: it does not. What the guard holds waits for something else.
    pub fn awaits_approval_since(&self) -> Option<Timestamp> {
        let open = self.held.is_none() && matches!(self.state, State::New | State::Analyzed);
        let waits = open && self.approval == Approval::Required;
        let step = self.approvals.as_ref().and_then(|chain| chain.current()?.opened_at);
        let planned = self.run.as_ref().and_then(|run| run.analyzed_at);
        waits.then(|| step.or(planned).unwrap_or(self.created_at))
    }

    /// Whether what is left of it would make an account.
    pub fn makes_account(&self) -> bool {
        let Change::Account { steps, .. } = &self.change.content else { return false };
        steps.iter().skip(self.steps_done as usize).any(|step| matches!(step, CommitStep::Create(_)))
    }
}

/// One line of a request's log, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When.
    pub at: Timestamp,
    /// `host`, or the connector's name.
    pub source: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: Level,
    /// What happened.
    pub message: String,
    /// Further facts.
    #[serde(default)]
    pub fields: Vec<(String, String)>,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// What should not have.
    Warn,
    /// What went wrong.
    Error,
}
