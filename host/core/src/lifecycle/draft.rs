//! A transition in the making: what of a request changes, and what is written down of it. It never decides which event
//! may follow which; only that no state is left except along the operation's path.

use super::{Effect, Moment, Refused, Transition, may, work};
use crate::approval::Notice;
use crate::ports::Versioned;
use crate::{Account, Actor, AuditRecord, Level, LogEntry, Request, State};
use jiff::Timestamp;

/// A transition in the making.
pub(super) struct Draft {
    pub(super) before: Request,
    pub(super) after: Request,
    pub(super) moment: Moment,
    pub(super) raise: Vec<Request>,
    pub(super) accounts: Vec<Versioned<Account>>,
    pub(super) audit: Vec<AuditRecord>,
    pub(super) log: Vec<LogEntry>,
    pub(super) notices: Vec<Notice>,
}

impl Draft {
    pub(super) fn of(request: &Request, moment: &Moment) -> Self {
        Self {
            before: request.clone(),
            after: request.clone(),
            moment: moment.clone(),
            raise: Vec::new(),
            accounts: Vec::new(),
            audit: Vec::new(),
            log: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.moment.now
    }

    pub(super) fn refuse<T>(&self, why: impl Into<String>) -> Result<T, Refused> {
        Err(Refused { request: self.before.id, state: self.before.state, why: why.into() })
    }

    /// Goes on only if the request is in one of these states.
    pub(super) fn only_in(self, states: &[State]) -> Result<Self, Refused> {
        if states.contains(&self.before.state) {
            return Ok(self);
        }
        let wanted: Vec<_> = states.iter().map(|s| format!("{s:?}")).collect();
        self.refuse(format!("that takes a request that is {}", wanted.join(" or ")))
    }

    /// Goes to a state that the path allows, and writes it down.
    pub(super) fn go(mut self, to: State, by: &Actor, why: &str) -> Result<Self, Refused> {
        let from = self.after.state;
        if !may(self.after.operation, from, to) {
            return self.refuse(format!("a {:?} request never goes from {from:?} to {to:?}", self.after.operation));
        }
        if self.after.awaits_date && !to.is_settled() && to != State::Requested {
            return self.refuse("its date has not come");
        }
        self.after.state = to;
        if to.is_settled() {
            self.after.due = None;
            self.after.awaits_date = false;
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
        record.person = self.after.subject.person();
        if *by == Actor::host() {
            record.asked(None, self.after.correlation.as_ref());
        }
        self.audit.push(record);
        Ok(self)
    }

    pub(super) fn note(&mut self, level: Level, message: impl Into<String>) {
        let source = "host".to_owned();
        self.log.push(LogEntry { at: self.now(), source, level, message: message.into(), fields: Vec::new() });
    }

    /// Ends in Failed.
    pub(super) fn fail(self, why: impl Into<String>) -> Result<Transition, Refused> {
        let why = why.into();
        let mut draft = self.go(State::Failed, &Actor::host(), &why)?;
        draft.after.error = Some(why);
        Ok(draft.finish())
    }

    /// Makes the engine take it up again at this time.
    pub(super) fn due_at(mut self, due: Timestamp) -> Self {
        self.after.due = Some(due);
        self
    }

    /// Leaves it to a person.
    pub(super) fn wait_for_person(mut self) -> Self {
        self.after.due = None;
        self
    }

    pub(super) fn finish(mut self) -> Transition {
        self.after.updated_at = self.now();
        let effects = match (work(&self.after), self.after.due) {
            (Some(work), Some(due)) => vec![Effect::Work { work, due }],
            _ if self.after.state.is_settled() => Vec::new(),
            _ if self.after.awaits_date && self.after.state != State::New => vec![Effect::AwaitDate],
            _ => vec![Effect::AwaitPerson],
        };
        Transition {
            request: Versioned::replacing(self.before.version, self.after),
            raise: self.raise,
            accounts: self.accounts,
            effects,
            audit: self.audit,
            log: self.log,
            notices: self.notices,
        }
    }
}

/// When to try again after so many attempts that failed: exponential, spread by half, never before the target asks.
pub(super) fn next_try(moment: &Moment, failed: u32, retry_after: Option<u32>) -> Timestamp {
    let policy = &moment.retry;
    let doubled = u64::from(policy.base_seconds).saturating_mul(1_u64 << failed.saturating_sub(1).min(32));
    let wait_ms = doubled.min(u64::from(policy.max_seconds)).saturating_mul(500 + u64::from(moment.jitter) / 2);
    let asked_ms = u64::from(retry_after.unwrap_or(0)).saturating_mul(1000);
    let wait = std::time::Duration::from_millis(wait_ms.max(asked_ms));
    moment.now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
