//! The life of a request as one pure function: a request and an event give a transition, or a refusal that says why.
//! Nothing else changes a request's state (invariant 1). It never does anything: it says what is to be durable
//! together, and what work that leaves.

mod attempts;
mod consent;
mod dates;
mod draft;
mod held;
mod open;
mod outcome;
mod paths;
mod people;
mod resolve;
mod restored;
mod review;
mod runs;
mod work;

pub use open::{NewRequest, Raised, open, open_failed, open_supplied};
pub use paths::{may, path};
pub use resolve::{Evidence, Looked, Marker, Resolution, resolve};
pub use restored::restored;
pub use review::{MadeReport, may_settle};
pub use work::{Work, work};

use draft::{Draft, next_try};

use crate::approval::{Notice, Voter};
use crate::ports::{ChangeSet, Fence, Versioned};
use crate::{
    Account, AccountId, Actor, AuditRecord, CallFailure, Digest, LogEntry, Operation, PageNext, Request, RequestId,
    RetryPolicy, SentWrite, Situation, State, UserId,
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
        voter: Box<Voter>,
        /// What they saw.
        digest: Digest,
        /// Why.
        why: Option<String>,
    },
    /// Somebody refuses.
    Deny {
        /// Who.
        voter: Box<Voter>,
        /// Why.
        why: String,
    },
    /// The deadline of an approval has passed.
    DeadlinePassed,
    /// It is to run at another date.
    Reschedule {
        /// Who.
        by: Actor,
        /// The date.
        run_at: Timestamp,
    },
    /// Its date has come.
    DateCame,
    /// Withdrawn, expired or superseded.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// Somebody consents to the mass of changes that the guard holds it for.
    Release {
        /// Who.
        by: Actor,
    },
    /// What it was to do has to change: another request, with this number, takes its place.
    Supersede {
        /// Who.
        by: Actor,
        /// The number of the other one.
        with: RequestId,
        /// Why, if there is more to say.
        why: Option<String>,
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
        /// Which person of the directory that is.
        user: Option<UserId>,
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
        /// The accounts before it and after it.
        changed: Vec<(Account, Account)>,
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
    /// To be told to people.
    pub notices: Vec<Notice>,
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
    /// Its date comes.
    AwaitDate,
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
            notices: self.notices,
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
        Event::Approve { voter, digest, why } => consent::approve(draft, &voter, digest, why),
        Event::Deny { voter, why } => consent::deny(draft, &voter, &why),
        Event::DeadlinePassed => consent::deadline_passed(draft),
        Event::Reschedule { by, run_at } => dates::reschedule(draft, &by, run_at),
        Event::DateCame => dates::came(draft),
        Event::Cancel { by, why } => people::cancel(draft, &by, &why),
        Event::Release { by } => held::release(draft, &by),
        Event::Supersede { by, with, why } => people::supersede(draft, &by, with, why),
        Event::CommitPlan { by } => people::commit_plan(draft, &by),
        Event::Retry { by, user, id } => people::retry(draft, &by, user, id),
        Event::SettleMade(report) => review::made(draft, *report),
        Event::SettleNotMade { by, why, looked, id } => review::not_made(draft, &by, why.as_deref(), &looked, id),
        Event::CompleteManually { by, note } => people::complete_manually(draft, &by, &note),
        Event::AttemptStarted => attempts::started(draft),
        Event::AttemptFinished(report) => attempts::finished(draft, *report),
        Event::AttemptLost => outcome::lost(draft),
        Event::OutcomeRead(report) => outcome::outcome_read(draft, *report),
        Event::Concluded { known } => attempts::concluded(draft, known.map(|known| *known)),
        Event::LinkApplied { changed } => attempts::link_applied(draft, changed),
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
