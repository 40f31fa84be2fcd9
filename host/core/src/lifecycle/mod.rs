//! The life of a request as one pure function: a request and an event give a transition, or a refusal that says why.
//! Nothing else changes a request's state (invariant 1). It never does anything: it says what is to be durable
//! together, and what work that leaves.

mod attempts;
mod open;
mod outcome;
mod paths;
mod people;
mod resolve;
mod restored;
mod review;
mod runs;
mod work;

pub use open::{NewRequest, open, open_supplied};
pub use paths::{may, path};
pub use resolve::{Evidence, Looked, Marker, Resolution, resolve};
pub use restored::restored;
pub use review::{MadeReport, may_settle};
pub use work::{Work, work};

use crate::ports::{ChangeSet, Fence, Versioned};
use crate::{
    Account, AccountId, Actor, AuditRecord, CallFailure, Digest, Level, LogEntry, Operation, PageNext, Request,
    RequestId, RetryPolicy, SentWrite, Situation, State,
};
use gatehouse_schema::Account as RemoteAccount;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is passed in with every event: time, chance and the app's patience.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The present time.
    pub now: Timestamp,
    /// From 0 to 999: spreads retries.
    pub jitter: u32,
    /// When to try again.
    pub retry: RetryPolicy,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody agrees to the change with this digest.
    Approve {
        /// Who.
        by: Actor,
        /// What they saw.
        digest: Digest,
    },
    /// Somebody refuses.
    Deny {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// Withdrawn, expired or superseded.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// Somebody asks for the sealed plan to be committed.
    CommitPlan {
        /// Who.
        by: Actor,
    },
    /// A failed request is taken up again by a clone with this number.
    Retry {
        /// Who.
        by: Actor,
        /// The clone's number.
        id: RequestId,
    },
    /// Somebody has found out that the write of a request in review was made.
    SettleMade(Box<MadeReport>),
    /// Somebody has found out that it was not made: a clone with this number makes it.
    SettleNotMade {
        /// Who.
        by: Actor,
        /// How they know.
        why: Option<String>,
        /// What reading the target shows, or why it cannot be read.
        looked: Box<Result<Resolution, CallFailure>>,
        /// The clone's number.
        id: RequestId,
    },
    /// A failed request was done by hand.
    CompleteManually {
        /// Who.
        by: Actor,
        /// What they did.
        note: String,
    },

    /// A call is about to be made: durable before it is.
    AttemptStarted,
    /// It ended.
    AttemptFinished(Box<AttemptReport>),
    /// The host finds an attempt that was started and never finished: it was killed meanwhile.
    AttemptLost,
    /// Reading the target showed what came of an attempt with unknown outcome.
    OutcomeRead(Box<OutcomeReport>),
    /// No step of the change is left to do.
    Concluded {
        /// The account record the request concerns, as it is now.
        known: Option<Box<Account>>,
    },
    /// The links are as the request wants them.
    LinkApplied {
        /// The accounts after it.
        accounts: Vec<Account>,
    },
    /// What was asked of the links cannot be done any more.
    LinkRefused {
        /// Why.
        why: String,
    },

    /// A page has been collected. Its rows go into the same commit.
    PageStored(PageReport),
    /// A call that only reads failed.
    ReadFailed(CallFailure),
    /// The collected rows hold nothing that is not known.
    NothingChanged {
        /// What was known, for the next run.
        rows: u64,
    },
    /// The analysis begins, on this basis.
    AnalysisBegan {
        /// See `App::analysis_basis`.
        basis: Digest,
    },
    /// Rows have been analysed. Their verdicts go into the same commit.
    RowsAnalyzed(AnalysisReport),
    /// All rows are analysed, and this is the digest of their verdicts.
    PlanSealed {
        /// The digest.
        plan: Digest,
        /// Go on to Committing at once.
        auto_commit: bool,
    },
    /// Rows have been committed: their accounts, links and child requests go into the same commit.
    RowsCommitted {
        /// Rows up to this number are done.
        through: u64,
        /// Requests raised for them.
        raised: u64,
    },
    /// Work cannot go on, for a reason that no retry changes (the connector is gone, the guard objects).
    Fail {
        /// Why.
        why: String,
    },
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct AttemptReport {
    /// The account after it and whether something was changed, or why not.
    pub result: Result<(Option<RemoteAccount>, bool), CallFailure>,
    /// Whether the egress gate let a write leave.
    pub write_left: bool,
    /// Those writes, and what came back.
    pub writes: Vec<SentWrite>,
    /// The account record the request concerns, as it is now.
    pub known: Option<Account>,
    /// The account read anew, where the target said that it had moved on.
    pub refreshed: Option<RemoteAccount>,
    /// The number for an account record that is to be made.
    pub new_account: AccountId,
    /// Attributes plainly mapped from email, first and last name.
    pub names: NameAttributes,
}

/// What reading showed of an attempt with unknown outcome.
#[derive(Clone, Debug)]
pub struct OutcomeReport {
    /// What it showed.
    pub looked: Looked,
    /// As in [`AttemptReport`].
    pub known: Option<Account>,
    /// As in [`AttemptReport`].
    pub new_account: AccountId,
    /// As in [`AttemptReport`].
    pub names: NameAttributes,
}

/// The account attributes that a user's email and names are plainly mapped to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameAttributes {
    /// For `email`.
    pub email: Option<String>,
    /// For `first_name`.
    pub first_name: Option<String>,
    /// For `last_name`.
    pub last_name: Option<String>,
}

impl NameAttributes {
    /// Copies the values of these attributes into the account's own fields.
    pub fn fill(&self, account: &mut Account, from: &RemoteAccount) {
        let value = |attribute: &Option<String>| match attribute.as_deref()? {
            crate::USERNAME => Some(from.username.clone()),
            attribute => from.first(attribute).map(str::to_owned),
        };
        account.email = value(&self.email).or_else(|| account.email.take());
        account.first_name = value(&self.first_name).or_else(|| account.first_name.take());
        account.last_name = value(&self.last_name).or_else(|| account.last_name.take());
    }
}

/// What a stored page adds to a run.
#[derive(Clone, Debug)]
pub struct PageReport {
    /// The cursor it was fetched with: must be the run's.
    pub cursor: Option<String>,
    /// Accounts in it.
    pub accounts: u64,
    /// Of those, how many are not as known.
    pub changed: u64,
    /// Records that could not be read.
    pub faults: u64,
    /// How many accounts the target says it has.
    pub estimate: Option<u64>,
    /// What follows.
    pub next: PageNext,
    /// The lowest number of an unsettled request of the app, looked up before the first page was asked for.
    pub oldest_open: Option<RequestId>,
    /// Why the collection is not to be believed, if it is not: see `analysis::absence_guard`. For the last page.
    pub objection: Option<String>,
}

/// What analysed rows add to a run.
#[derive(Clone, Debug, Default)]
pub struct AnalysisReport {
    /// Rows up to this number are done.
    pub through: u64,
    /// Rows there are now, those added by the analysis included.
    pub rows: u64,
    /// The new rows' situations.
    pub situations: BTreeMap<Situation, u64>,
    /// Requests planned for the new rows.
    pub planned: BTreeMap<Operation, u64>,
}

/// What is to become durable together, and what it leaves to do.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The request after the event.
    pub request: Versioned<Request>,
    /// Requests it raises.
    pub raise: Vec<Request>,
    /// Accounts it changes.
    pub accounts: Vec<Versioned<Account>>,
    /// What is to follow.
    pub effects: Vec<Effect>,
    /// For the audit trail.
    pub audit: Vec<AuditRecord>,
    /// For the request's log.
    pub log: Vec<LogEntry>,
}

/// What is to follow a transition. Each is answered by an event sooner or later.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The engine does this, not before then.
    Work {
        /// What.
        work: Work,
        /// When.
        due: Timestamp,
    },
    /// A person approves or denies, commits the plan, retries or completes by hand.
    AwaitPerson,
}

impl Transition {
    /// As a change set, made under a claim where there is one.
    pub fn into_changes(self, fence: Option<Fence>) -> ChangeSet {
        let id = self.request.record.id;
        let raised = self.raise.into_iter().map(Versioned::new);
        ChangeSet {
            fence,
            requests: std::iter::once(self.request).chain(raised).collect(),
            accounts: self.accounts,
            log: self.log.into_iter().map(|entry| (id, entry)).collect(),
            audit: self.audit,
            ..ChangeSet::default()
        }
    }
}

/// An event does not fit the request it happened to. The text says why, and what could be done instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{request} is {state:?}: {why}")]
pub struct Refused {
    /// The request.
    pub request: RequestId,
    /// Its state.
    pub state: State,
    /// Why.
    pub why: String,
}

/// What follows when this happens to that request.
///
/// # Errors
/// The event does not fit the request's state. Nothing follows.
pub fn step(request: &Request, event: Event, moment: &Moment) -> Result<Transition, Refused> {
    let draft = Draft::of(request, moment);
    match event {
        Event::Approve { by, digest } => people::approve(draft, &by, digest),
        Event::Deny { by, why } => people::deny(draft, &by, &why),
        Event::Cancel { by, why } => people::cancel(draft, &by, &why),
        Event::CommitPlan { by } => people::commit_plan(draft, &by),
        Event::Retry { by, id } => people::retry(draft, &by, id),
        Event::SettleMade(report) => review::made(draft, *report),
        Event::SettleNotMade { by, why, looked, id } => review::not_made(draft, &by, why.as_deref(), &looked, id),
        Event::CompleteManually { by, note } => people::complete_manually(draft, &by, &note),
        Event::AttemptStarted => attempts::started(draft),
        Event::AttemptFinished(report) => attempts::finished(draft, *report),
        Event::AttemptLost => outcome::lost(draft),
        Event::OutcomeRead(report) => outcome::outcome_read(draft, *report),
        Event::Concluded { known } => attempts::concluded(draft, known.map(|known| *known)),
        Event::LinkApplied { accounts } => attempts::link_applied(draft, accounts),
        Event::LinkRefused { why } => attempts::link_refused(draft, why),
        Event::PageStored(report) => runs::page_stored(draft, report),
        Event::ReadFailed(failure) => runs::read_failed(draft, failure),
        Event::NothingChanged { rows } => runs::nothing_changed(draft, rows),
        Event::AnalysisBegan { basis } => runs::analysis_began(draft, basis),
        Event::RowsAnalyzed(report) => runs::rows_analyzed(draft, report),
        Event::PlanSealed { plan, auto_commit } => runs::plan_sealed(draft, plan, auto_commit),
        Event::RowsCommitted { through, raised } => runs::rows_committed(draft, through, raised),
        Event::Fail { why } => attempts::fail(draft, why),
    }
}

/// A transition in the making.
struct Draft {
    before: Request,
    after: Request,
    moment: Moment,
    raise: Vec<Request>,
    accounts: Vec<Versioned<Account>>,
    audit: Vec<AuditRecord>,
    log: Vec<LogEntry>,
}

impl Draft {
    fn of(request: &Request, moment: &Moment) -> Self {
        Self {
            before: request.clone(),
            after: request.clone(),
            moment: moment.clone(),
            raise: Vec::new(),
            accounts: Vec::new(),
            audit: Vec::new(),
            log: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.moment.now
    }

    fn refuse<T>(&self, why: impl Into<String>) -> Result<T, Refused> {
        Err(Refused { request: self.before.id, state: self.before.state, why: why.into() })
    }

    /// Goes on only if the request is in one of these states.
    fn only_in(self, states: &[State]) -> Result<Self, Refused> {
        if states.contains(&self.before.state) {
            return Ok(self);
        }
        let wanted: Vec<_> = states.iter().map(|s| format!("{s:?}")).collect();
        self.refuse(format!("that takes a request that is {}", wanted.join(" or ")))
    }

    /// Goes to a state that the path allows, and writes it down.
    fn go(mut self, to: State, by: &Actor, why: &str) -> Result<Self, Refused> {
        let from = self.after.state;
        if !may(self.after.operation, from, to) {
            return self.refuse(format!("a {:?} request never goes from {from:?} to {to:?}", self.after.operation));
        }
        self.after.state = to;
        if to.is_settled() {
            self.after.due = None;
        }
        let level = if to == State::Failed { Level::Error } else { Level::Info };
        let message =
            if why.is_empty() { format!("{from:?} → {to:?}") } else { format!("{from:?} → {to:?}: {why}") };
        self.log.push(LogEntry { at: self.now(), source: "host".to_owned(), level, message, fields: Vec::new() });
        let mut record = AuditRecord::new(self.now(), by, "request.state", self.after.id.to_string())
            .with("operation", format!("{:?}", self.after.operation))
            .with("from", format!("{from:?}"))
            .with("to", format!("{to:?}"));
        if !why.is_empty() {
            record = record.with("why", why);
        }
        record.app = Some(self.after.app);
        record.request = Some(self.after.id);
        self.audit.push(record);
        Ok(self)
    }

    fn note(&mut self, level: Level, message: impl Into<String>) {
        let source = "host".to_owned();
        self.log.push(LogEntry { at: self.now(), source, level, message: message.into(), fields: Vec::new() });
    }

    /// Ends in Failed.
    fn fail(self, why: impl Into<String>) -> Result<Transition, Refused> {
        let why = why.into();
        let mut draft = self.go(State::Failed, &Actor::host(), &why)?;
        draft.after.error = Some(why);
        Ok(draft.finish())
    }

    /// Makes the engine take it up again at this time.
    fn due_at(mut self, due: Timestamp) -> Self {
        self.after.due = Some(due);
        self
    }

    /// Leaves it to a person.
    fn wait_for_person(mut self) -> Self {
        self.after.due = None;
        self
    }

    fn finish(mut self) -> Transition {
        self.after.updated_at = self.now();
        let effects = match (work(&self.after), self.after.due) {
            (Some(work), Some(due)) => vec![Effect::Work { work, due }],
            _ if !self.after.state.is_settled() => vec![Effect::AwaitPerson],
            _ => Vec::new(),
        };
        Transition {
            request: Versioned::replacing(self.before.version, self.after),
            raise: self.raise,
            accounts: self.accounts,
            effects,
            audit: self.audit,
            log: self.log,
        }
    }
}

/// When to try again after so many attempts that failed: exponential, spread by half, never before the target asks.
fn next_try(moment: &Moment, failed: u32, retry_after: Option<u32>) -> Timestamp {
    let policy = &moment.retry;
    let doubled = u64::from(policy.base_seconds).saturating_mul(1_u64 << failed.saturating_sub(1).min(32));
    let wait_ms = doubled.min(u64::from(policy.max_seconds)).saturating_mul(500 + u64::from(moment.jitter) / 2);
    let asked_ms = u64::from(retry_after.unwrap_or(0)).saturating_mul(1000);
    let wait = std::time::Duration::from_millis(wait_ms.max(asked_ms));
    moment.now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
