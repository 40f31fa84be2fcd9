//! Drives a request with events, as an engine and people would, faults included.

use gatehouse_core::approval::{Chain, Round, Step, Voter};
use gatehouse_core::lifecycle::{
    AnalysisReport, AttemptReport, Effect, Event, Looked, MadeReport, Moment, NameAttributes, NewRequest,
    OutcomeReport, PageReport, Resolution, Work, open, step, work,
};
use gatehouse_core::schema::{Account as RemoteAccount, Attributes, Status, Value};
use gatehouse_core::{
    AccountId, Actor, AppId, Attempt, AttemptOutcome, CallFailure, Change, CommitStep, Desired, Digest, FailureKind,
    LinkChange, Operation, PageNext, Reading, Request, RequestId, RequestObject, RetryPolicy, Run, SentWrite, Showed,
    State, Subject, UserId,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// One of each path, and the ones with a life of their own.
pub const OPERATIONS: [Operation; 6] = [
    Operation::Create,
    Operation::Reactivate,
    Operation::Unfreeze,
    Operation::Read,
    Operation::Linking,
    Operation::Reconcile,
];

pub fn moment(second: i64) -> Moment {
    let now = Timestamp::from_second(1_800_000_000 + second).unwrap();
    Moment { now, jitter: 500, retry: RetryPolicy { max_attempts: 3, ..RetryPolicy::default() } }
}

pub fn change(operation: Operation) -> Change {
    let attributes = Attributes::from([("displayName".to_owned(), vec![Value::text("Ada")])]);
    let steps = match operation {
        Operation::Create => {
            vec![CommitStep::Create(Desired { username: "ada".to_owned(), attributes, status: Status::Active })]
        }
        Operation::Update => vec![CommitStep::Update(attributes)],
        Operation::Reactivate => vec![CommitStep::SetStatus(Status::Active), CommitStep::Update(attributes)],
        Operation::Deactivate | Operation::Freeze => vec![CommitStep::SetStatus(Status::Deactivated)],
        Operation::Activate => vec![CommitStep::SetStatus(Status::Active)],
        Operation::Delete => vec![CommitStep::Remove],
        Operation::Unfreeze => vec![],
        Operation::Read => return Change::Read { external_id: "a1".to_owned() },
        Operation::Reconcile => return Change::Reconcile,
        Operation::Linking => {
            return Change::Link(LinkChange::Link { account: AccountId(1), user: UserId(1) });
        }
    };
    Change::Account { external_id: Some("a1".to_owned()), steps, frozen: None, with_user: false }
}

/// A chain of one step that anybody can carry: the installation itself, in these tests.
pub fn anybody() -> Chain {
    let round = Round {
        asked: "anybody".to_owned(),
        approvers: BTreeSet::new(),
        needs: BTreeSet::new(),
        quorum: 1,
        why: None,
        deadline_seconds: None,
    };
    Chain::new(vec![Step::new(vec![round])])
}

fn new_request(operation: Operation, needs_approval: bool) -> NewRequest {
    NewRequest {
        id: RequestId(1),
        app: AppId(1),
        operation,
        object: RequestObject::User,
        subject: if operation == Operation::Reconcile { Subject::App } else { Subject::User(UserId(1)) },
        account: None,
        change: change(operation),
        approvals: needs_approval.then(anybody),
        by: Actor("ada".to_owned()),
        reason: None,
        raised: Default::default(),
    }
}

pub fn request(operation: Operation) -> Request {
    open(new_request(operation, false), moment(0).now).request.record
}

/// A request as it would be in a state, with an attempt under way where that is usual.
pub fn in_state(operation: Operation, state: State) -> Request {
    let mut request = open(new_request(operation, state == State::New), moment(0).now).request.record;
    request.state = state;
    request.due = (!state.is_settled() && state != State::New && state != State::Analyzed).then(|| moment(0).now);
    let calls = matches!(operation, Operation::Create | Operation::Reactivate | Operation::Read);
    if calls && matches!(state, State::Committing | State::Collecting) {
        request.attempts.push(attempt());
    }
    if operation == Operation::Create && state == State::Failed {
        request.needs_review = true;
        let outcome = Some(AttemptOutcome::Unknown("no answer".to_owned()));
        request.attempts.push(Attempt { finished_at: Some(moment(0).now), outcome, ..attempt() });
    }
    if let Some(run) = &mut request.run {
        run.plan = (state == State::Analyzed).then(|| Digest::of(b"plan"));
        run.basis = (state == State::Analyzing).then(|| Digest::of(b"basis"));
    }
    request
}

fn attempt() -> Attempt {
    Attempt {
        step: 0,
        idempotency_key: "k".to_owned(),
        started_at: moment(0).now,
        finished_at: None,
        write_left: None,
        outcome: None,
        writes: Vec::new(),
        readings: Vec::new(),
    }
}

/// All events, by name.
pub fn events() -> &'static [&'static str] {
    &[
        "Approve",
        "Deny",
        "DeadlinePassed",
        "Reschedule",
        "DateCame",
        "Cancel",
        "Supersede",
        "CommitPlan",
        "Retry",
        "CompleteManually",
        "SettleMade",
        "SettleNotMade",
        "AttemptStarted",
        "AttemptFinished",
        "AttemptFailed",
        "AttemptHalfDone",
        "AttemptUnclear",
        "AttemptLost",
        "OutcomeDone",
        "OutcomeNotDone",
        "OutcomeUnprovable",
        "Concluded",
        "LinkApplied",
        "LinkRefused",
        "PageStored",
        "LastPageStored",
        "ReadFailed",
        "ReadRefused",
        "CursorExpired",
        "NothingChanged",
        "AnalysisBegan",
        "RowsAnalyzed",
        "PlanSealed",
        "RowsCommitted",
        "Fail",
    ]
}

fn report(result: Result<(Option<RemoteAccount>, bool), CallFailure>, write_left: bool) -> Event {
    Event::AttemptFinished(Box::new(AttemptReport {
        result,
        write_left,
        writes: Vec::new(),
        known: None,
        refreshed: None,
        new_account: AccountId(7),
        names: NameAttributes::default(),
    }))
}

/// A connector that wrote twice, and reports how the second write was refused.
fn half_done() -> Event {
    let sent = |status| SentWrite {
        method: "POST".to_owned(),
        url: "https://hr.example.com/Users".to_owned(),
        after_ms: 1,
        status: Some(status),
        lost: None,
    };
    let Event::AttemptFinished(mut report) = report(Err(CallFailure::new(FailureKind::Invalid, "bad mail")), true)
    else {
        unreachable!()
    };
    report.writes = vec![sent(201), sent(400)];
    Event::AttemptFinished(report)
}

fn settle_made(request: &Request) -> Event {
    Event::SettleMade(Box::new(MadeReport {
        by: Actor("grace".to_owned()),
        why: None,
        looked: Ok(Resolution::Done(Some(remote()))),
        marker: None,
        known: None,
        of_user: Vec::new(),
        new_account: AccountId(7),
        names: NameAttributes::default(),
        rest: RequestId(request.id.0 + 1),
    }))
}

fn outcome(resolution: Resolution) -> Event {
    let showed = match &resolution {
        Resolution::Done(_) => Showed::Made,
        Resolution::NotDone(_) => Showed::NotMade,
        Resolution::Gone => Showed::Gone,
        Resolution::Unprovable(_) => Showed::Unclear,
    };
    let at = moment(0).now;
    let reading = Reading { at, asked: String::new(), found: Vec::new(), showed, why: String::new() };
    Event::OutcomeRead(Box::new(OutcomeReport {
        looked: Looked { resolution, reading },
        known: None,
        new_account: AccountId(7),
        names: NameAttributes::default(),
    }))
}

fn page(request: &Request, next: PageNext) -> Event {
    let cursor = request.run.as_ref().and_then(|run| run.cursor.clone());
    Event::PageStored(PageReport {
        cursor,
        accounts: 2,
        changed: 1,
        faults: 0,
        estimate: None,
        next,
        oldest_open: None,
        objection: None,
    })
}

fn remote() -> RemoteAccount {
    RemoteAccount { external_id: "a1".to_owned(), username: "ada".to_owned(), ..RemoteAccount::default() }
}

pub fn event_of(name: &str, request: &Request) -> Event {
    let by = Actor("grace".to_owned());
    let run = request.run.clone().unwrap_or_default();
    let unavailable = CallFailure::new(FailureKind::Unavailable, "no answer");
    let digest = match request.operation {
        Operation::Reconcile => run.plan.unwrap_or_default(),
        _ => request.change.digest,
    };
    match name {
        "Approve" => Event::Approve { voter: Box::new(Voter::installation(by)), digest, why: None },
        "Deny" => Event::Deny { voter: Box::new(Voter::installation(by)), why: "no".to_owned() },
        "DeadlinePassed" => Event::DeadlinePassed,
        "Reschedule" => Event::Reschedule { by, run_at: moment(1).now },
        "DateCame" => Event::DateCame,
        "Cancel" => Event::Cancel { by, why: "withdrawn".to_owned() },
        "Supersede" => Event::Supersede { by, with: RequestId(request.id.0 + 1), why: None },
        "CommitPlan" => Event::CommitPlan { by },
        "Retry" => Event::Retry { by, user: None, id: RequestId(request.id.0 + 1) },
        "SettleMade" => settle_made(request),
        "SettleNotMade" => Event::SettleNotMade {
            by,
            why: None,
            looked: Box::new(Ok(Resolution::Unprovable("another has that name".to_owned()))),
            id: RequestId(request.id.0 + 1),
        },
        "CompleteManually" => Event::CompleteManually { by, note: "by phone".to_owned() },
        "AttemptStarted" => Event::AttemptStarted,
        "AttemptFinished" => report(Ok((Some(remote()), true)), true),
        "AttemptFailed" => report(Err(CallFailure::new(FailureKind::Invalid, "bad mail")), true),
        "AttemptHalfDone" => half_done(),
        "AttemptUnclear" => report(Err(unavailable), true),
        "AttemptLost" => Event::AttemptLost,
        "OutcomeDone" => outcome(Resolution::Done(Some(remote()))),
        "OutcomeNotDone" => outcome(Resolution::NotDone(None)),
        "OutcomeUnprovable" => outcome(Resolution::Unprovable("it is not ours".to_owned())),
        "Concluded" => Event::Concluded { known: None },
        "LinkApplied" => Event::LinkApplied { changed: Vec::new() },
        "LinkRefused" => Event::LinkRefused { why: "gone".to_owned() },
        "PageStored" => page(request, PageNext::More(format!("after {}", run.pages))),
        "LastPageStored" => page(request, PageNext::Complete),
        "ReadFailed" => Event::ReadFailed(unavailable),
        "ReadRefused" => Event::ReadFailed(CallFailure::new(FailureKind::Forbidden, "no reading")),
        "CursorExpired" => Event::ReadFailed(CallFailure::new(FailureKind::CursorExpired, "too old")),
        "NothingChanged" => Event::NothingChanged { rows: run.rows },
        "AnalysisBegan" => Event::AnalysisBegan { basis: Digest::of(b"basis") },
        "RowsAnalyzed" => analyzed(&run),
        "PlanSealed" => Event::PlanSealed { plan: Digest::of(b"plan"), auto_commit: false },
        "RowsCommitted" => Event::RowsCommitted { through: run.rows, raised: 1 },
        _ => Event::Fail { why: "the connector is gone".to_owned() },
    }
}

fn analyzed(run: &Run) -> Event {
    Event::RowsAnalyzed(AnalysisReport { through: run.rows, rows: run.rows, ..AnalysisReport::default() })
}

/// A request, the events that made it, and what is to follow.
pub struct Driver {
    pub request: Request,
    pub effects: Vec<Effect>,
    first: Request,
    history: Vec<(Event, Moment)>,
    clock: i64,
}

impl Driver {
    pub fn new(operation: Operation) -> Self {
        let opened = open(new_request(operation, false), moment(0).now);
        let request = opened.request.record;
        Self { first: request.clone(), request, effects: opened.effects, history: Vec::new(), clock: 0 }
    }

    fn send(&mut self, event: Event) -> bool {
        self.clock += 1000;
        let moment = moment(self.clock);
        let Ok(transition) = step(&self.request, event.clone(), &moment) else { return false };
        self.history.push((event, moment));
        self.request = transition.request.record;
        self.effects = transition.effects;
        true
    }

    /// Any event at all, whether it fits or not.
    pub fn any_event(&mut self, choice: u16) {
        let names = events();
        self.send(event_of(names[usize::from(choice) % names.len()], &self.request));
    }

    /// Answers the work that is due: as chosen, or well.
    pub fn answer_work(&mut self, choice: Option<u16>) {
        let Some(todo) = work(&self.request) else { return };
        if self.request.due.is_none() {
            return;
        }
        let names: &[&str] = match todo {
            Work::Call { .. } | Work::Read => {
                assert!(self.send(Event::AttemptStarted), "{:?} refuses to start", self.request);
                &["AttemptFinished", "AttemptUnclear", "AttemptFailed", "AttemptLost", "AttemptHalfDone"]
            }
            Work::NoteLost => &["AttemptLost"],
            Work::Settle => &["OutcomeDone", "OutcomeNotDone", "OutcomeUnprovable", "ReadFailed", "ReadRefused"],
            Work::Conclude => &["Concluded"],
            Work::Link(_) => &["LinkApplied", "LinkRefused"],
            Work::CollectPage => &["LastPageStored", "PageStored", "ReadFailed", "CursorExpired"],
            Work::Compare => &["AnalysisBegan", "NothingChanged", "ReadFailed"],
            Work::Analyze { .. } if self.request.run.as_ref().unwrap().basis.is_none() => &["AnalysisBegan"],
            Work::Analyze { from } if from >= self.request.run.as_ref().unwrap().rows => &["PlanSealed"],
            Work::Analyze { .. } => &["RowsAnalyzed", "ReadFailed"],
            Work::CommitRows { .. } => &["RowsCommitted"],
        };
        let name = names[choice.map_or(0, |c| usize::from(c) % names.len())];
        let event = event_of(name, &self.request);
        assert!(self.send(event), "{name} is refused as an answer to {todo:?} in {:?}", self.request);
    }

    pub fn replay(&self) -> Request {
        self.history.iter().fold(self.first.clone(), |request, (event, moment)| {
            step(&request, event.clone(), moment).unwrap().request.record
        })
    }
}
