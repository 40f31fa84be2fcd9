//! How requests begin.

use super::{Effect, Transition, work};
use crate::approval::{Chain, Notice, awaited, deadline};
use crate::events::DirectoryEvent;
use crate::ports::Versioned;
use crate::{
    AccountId, Actor, AppId, Approval, AuditRecord, Change, Completeness, JobId, Level, LogEntry, Operation, Request,
    RequestId, RequestObject, Run, Sealed, State, Subject, UserId,
};
use jiff::Timestamp;

/// What a new request is made of.
#[derive(Clone, Debug)]
pub struct NewRequest {
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
    /// The account, if there is one already.
    pub account: Option<AccountId>,
    /// What it is to do.
    pub change: Change,
    /// Whose agreement it takes first; none: nobody's.
    pub approvals: Option<Chain>,
    /// Who asks.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// Where it comes from.
    pub raised: Raised,
}

/// Where a request comes from, besides whoever is named as asking for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// A reconciliation.
    pub by_run: Option<RequestId>,
    /// An event of the directory.
    pub by_event: Option<DirectoryEvent>,
    /// The job through which the event does.
    pub by_job: Option<JobId>,
    /// Why the guard against mass changes holds it, if it does.
    pub held: Option<String>,
    /// Which person of the directory asks for it; none: the host, or the installation itself.
    pub requested_by: Option<UserId>,
    /// The request whose place it takes.
    pub supersedes: Option<RequestId>,
    /// The date it is to run at; none: as soon as it can.
    pub run_at: Option<Timestamp>,
}

/// A request begins: in New if somebody has to agree, in its first working state otherwise.
pub fn open(new: NewRequest, now: Timestamp) -> Transition {
    let waits = new.approvals.is_some() || new.raised.held.is_some();
    let state = if waits && new.operation != Operation::Reconcile { State::New } else { first_state(new.operation) };
    begin(new, state, None, now)
}

/// A request that an event asks for and that cannot be planned: it begins as Failed, so that people see it among the
/// others, and nothing of it is ever carried out.
pub fn open_failed(new: NewRequest, why: &str, now: Timestamp) -> Transition {
    let mut transition =
        begin(NewRequest { change: Change::Unplanned, approvals: None, ..new }, State::Failed, None, now);
    let request = &mut transition.request.record;
    request.due = None;
    request.error = Some(why.to_owned());
    transition.log.iter_mut().for_each(|entry| {
        entry.level = Level::Error;
        entry.message = format!("New → Failed: {why}");
    });
    transition.audit.iter_mut().for_each(|record| drop(record.facts.insert("why".to_owned(), why.to_owned())));
    transition.effects.clear();
    transition
}

/// A reconciliation begins at Analyzing, with so many rows that a custom process supplied.
pub fn open_supplied(new: NewRequest, rows: u64, complete: bool, now: Timestamp) -> Transition {
    let completeness = if complete {
        Completeness::Complete
    } else {
        Completeness::Partial("supplied by a custom process that does not say they are all".to_owned())
    };
    let run = Run {
        rows,
        collected: rows,
        changed: rows,
        supplied: true,
        completeness: Some(completeness),
        collecting_since: Some(now),
        ..Run::default()
    };
    begin(new, State::Analyzing, Some(run), now)
}

/// The state in which an operation needs no further consent.
pub(super) fn first_state(operation: Operation) -> State {
    match operation {
        Operation::Linking => State::Committing,
        Operation::Reconcile => State::Collecting,
        _ => State::Requested,
    }
}

fn begin(new: NewRequest, state: State, run: Option<Run>, now: Timestamp) -> Transition {
    let reconciles = new.operation == Operation::Reconcile;
    let run = run.or_else(|| reconciles.then(|| Run { collecting_since: Some(now), ..Run::default() }));
    // A reconciliation's approval is that of its plan; it is asked for when the plan is sealed.
    let mut approvals = new.approvals;
    let waits_first = reconciles || new.raised.held.is_some();
    approvals.iter_mut().filter(|_| !waits_first).for_each(|chain| chain.open(now));
    let approval = if approvals.is_some() { Approval::Required } else { Approval::NotRequired };
    let awaits_date = new.raised.run_at.is_some_and(|at| at > now);
    let request = Request {
        id: new.id,
        app: new.app,
        operation: new.operation,
        object: new.object,
        subject: new.subject,
        account: new.account,
        state,
        approval,
        approvals,
        change: Sealed::new(new.change),
        attempts: Vec::new(),
        steps_done: 0,
        read_failures: 0,
        due: (state != State::New && !awaits_date).then_some(now),
        error: None,
        needs_review: false,
        run,
        parent: None,
        root: None,
        raised_by: new.raised.by_run,
        event: new.raised.by_event,
        job: new.raised.by_job,
        held: new.raised.held,
        released: false,
        retry_count: 0,
        supersedes: new.raised.supersedes,
        superseded_by: None,
        run_at: new.raised.run_at,
        awaits_date,
        created_by: new.by,
        requested_by: new.raised.requested_by,
        reason: new.reason,
        correlation: None,
        created_at: now,
        updated_at: now,
        version: 0,
    };
    opened(request, now)
}

/// The transition that puts a new request into the world.
pub(super) fn opened(request: Request, now: Timestamp) -> Transition {
    let message = match request.state {
        State::New => match &request.held {
            Some(why) => format!("New: held by the guard: {why}"),
            None => "New: waits for approval".to_owned(),
        },
        state => format!("New → {state:?}"),
    };
    let line = |level, message| LogEntry { at: now, source: "host".to_owned(), level, message, fields: Vec::new() };
    let mut log = vec![line(Level::Info, message)];
    log.extend(request.run_at.filter(|_| request.awaits_date).map(|at| line(Level::Info, format!("runs at {at}"))));
    log.extend(asked(&request).into_iter().map(|(level, message)| line(level, message)));
    let notices = Notice::asking(&request, now).into_iter().collect();
    let effects = match (work(&request), request.due) {
        (Some(work), Some(due)) => vec![Effect::Work { work, due }],
        _ if request.awaits_date && request.state != State::New => vec![Effect::AwaitDate],
        _ => vec![Effect::AwaitPerson],
    };
    let audit = vec![record_of_opening(&request, now)];
    Transition {
        request: Versioned::new(request),
        raise: Vec::new(),
        accounts: Vec::new(),
        effects,
        audit,
        log,
        notices,
    }
}

/// Whom the present step of its chain asks, for the log; as a warning if those are others than the configuration names.
pub(super) fn asked(request: &Request) -> Option<(Level, String)> {
    let round = awaited(request)?.current()?;
    let until = deadline(request).map(|at| format!(", until {at}")).unwrap_or_default();
    Some(match &round.why {
        Some(why) => (Level::Warn, format!("{why}{until}")),
        None => (Level::Info, format!("waits for {}{until}", round.asked)),
    })
}

pub(super) fn record_of_opening(request: &Request, now: Timestamp) -> AuditRecord {
    let mut record = AuditRecord::new(now, &request.created_by, "request.create", request.id.to_string())
        .with("operation", format!("{:?}", request.operation))
        .with("state", format!("{:?}", request.state))
        .with("digest", request.change.digest.short());
    if let Some(parent) = request.parent {
        record = record.with("parent", parent);
    }
    if let Some(run) = request.raised_by {
        record = record.with("raised_by", run);
    }
    if let Some(held) = &request.held {
        record = record.with("held", held);
    }
    if let Some(event) = request.event {
        record = record.with("event", format!("{event:?}"));
    }
    if let Some(job) = request.job {
        record = record.with("job", job);
    }
    if let Some(before) = request.supersedes {
        record = record.with("supersedes", before);
    }
    if let Some(at) = request.run_at {
        record = record.with("run_at", at);
    }
    record.app = Some(request.app);
    record.request = Some(request.id);
    record.person = request.subject.person();
    record
}
