//! Jobs: what is to be done for many users, piece by piece, and goes on where it was after a restart. What a piece
//! raises is for `events` to say; a job says where to go on, and whether somebody must consent first.

use crate::events::{Tally, held, held_unsurveyed};
use crate::{Actor, App, AppId, AuditRecord, Correlation, Description, JobId, Operation, User, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod access;

pub use access::{Access, Source, access_job, before_open};

/// What is to be done for many users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The number.
    pub id: JobId,
    /// The app it is about.
    pub app: AppId,
    /// What it does.
    pub task: Task,
    /// Where it is in its life.
    pub state: JobState,
    /// Why it waits for consent, if it does; kept after that.
    #[serde(default)]
    pub held: Option<String>,
    /// What it would make and deactivate, as counted before it began.
    #[serde(default)]
    pub tally: Tally,
    /// How many users or requests it is about, as counted before it began.
    #[serde(default)]
    pub total: u64,
    /// How many of those it has looked at.
    #[serde(default)]
    pub done: u64,
    /// How many requests it has raised, released or withdrawn.
    #[serde(default)]
    pub requests: u64,
    /// How many requests failed as soon as they were raised, since they could not be planned.
    #[serde(default)]
    pub failed: u64,
    /// Which of its sources is being gone through.
    #[serde(default)]
    pub source: usize,
    /// Where to go on in it: a cursor of the store.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Who caused it.
    pub created_by: Actor,
    /// Which person of the directory that was; none: the installation itself.
    #[serde(default)]
    pub requested_by: Option<UserId>,
    /// Who consented to it or called it off, and why.
    #[serde(default)]
    pub decided: Option<(Actor, String)>,
    /// The API call that caused it.
    #[serde(default)]
    pub correlation: Option<Correlation>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Raises requests for the users of profiles and permission sets to which the app was given, or from which it was
    /// taken.
    Access {
        /// What gave access before.
        before: Access,
        /// What was given or taken.
        sources: Vec<Source>,
    },
    /// Lets requests go on that the guard against mass changes holds.
    Release,
    /// Withdraws them.
    Withdraw,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// It is being counted what it would do.
    Counting,
    /// It waits for consent.
    Held,
    /// It is being done.
    Running,
    /// Done.
    Completed,
    /// Called off. What it had raised until then stays.
    Cancelled,
}

impl JobState {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Counting, Self::Held, Self::Running, Self::Completed, Self::Cancelled];

    /// Whether the engine has something to do for it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Counting | Self::Running)
    }
}

/// A job is in no state for what is asked. The text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{job} is {state:?}: {why}")]
pub struct Unfit {
    /// The job.
    pub job: JobId,
    /// Its state.
    pub state: JobState,
    /// Why.
    pub why: &'static str,
}

/// Who makes a job, when, and for which call.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The job's number.
    pub id: JobId,
    /// Who.
    pub by: Actor,
    /// Which person of the directory that is.
    pub user: Option<UserId>,
    /// The call.
    pub correlation: Option<Correlation>,
    /// When.
    pub now: Timestamp,
}

/// The job that lets held requests of an app go on, or withdraws them: who asks for it has consented.
pub fn held_job(app: AppId, task: Task, why: &str, origin: Origin) -> Job {
    let decided = Some((origin.by.clone(), why.to_owned()));
    Job { decided, ..job(app, task, JobState::Running, origin) }
}

fn job(app: AppId, task: Task, state: JobState, origin: Origin) -> Job {
    Job {
        id: origin.id,
        app,
        task,
        state,
        held: None,
        tally: Tally::default(),
        total: 0,
        done: 0,
        requests: 0,
        failed: 0,
        source: 0,
        cursor: None,
        created_by: origin.by,
        requested_by: origin.user,
        decided: None,
        correlation: origin.correlation,
        created_at: origin.now,
        updated_at: origin.now,
        version: 0,
    }
}

impl Job {
    /// The sources it goes through.
    pub fn sources(&self) -> &[Source] {
        match &self.task {
            Task::Access { sources, .. } => sources,
            _ => &[],
        }
    }

    /// Whether a user of the present source has been gone through with an earlier one.
    pub fn is_covered(&self, source: usize, user: &User) -> bool {
        self.sources().iter().take(source).any(|earlier| earlier.covers(user))
    }

    /// It has been counted what the job would do: it begins, or waits for consent.
    pub fn counted(mut self, count: Count, app: &App, connector: &Description, now: Timestamp) -> Self {
        let Count { total, tally, before, linked } = count;
        let makes = Operation::Create;
        let unsurveyed = || held_unsurveyed(app, connector, makes).filter(|_| tally.creates > 0);
        self.held = held(tally, before, linked, &app.config.guard).or_else(unsurveyed);
        self.state = if self.held.is_some() { JobState::Held } else { JobState::Running };
        Self { total, tally, updated_at: now, ..self }
    }

    /// Whether it is to be looked at with what comes after it: a mass that nobody consented to.
    pub fn went_unheld(&self) -> bool {
        matches!(self.state, JobState::Running | JobState::Completed)
            && self.held.is_none()
            && self.task.access().is_some()
    }

    /// Whether somebody has consented to it, and so to all that it raises: to what was not counted, too.
    pub fn has_consent(&self) -> bool {
        self.decided.is_some() && self.state != JobState::Cancelled
    }

    /// Whether there is something to do for it yet.
    pub fn is_unfinished(&self) -> bool {
        !matches!(self.state, JobState::Completed | JobState::Cancelled)
    }

    /// Somebody consents.
    ///
    /// # Errors
    /// It waits for no consent.
    pub fn approved(mut self, by: &Actor, why: &str, now: Timestamp) -> Result<Self, Unfit> {
        if self.state != JobState::Held {
            return Err(self.unfit("it waits for no consent"));
        }
        self.decided = Some((by.clone(), why.to_owned()));
        Ok(Self { state: JobState::Running, updated_at: now, ..self })
    }

    /// Somebody calls it off, or it has lost its app.
    ///
    /// # Errors
    /// It has come to its end.
    pub fn cancelled(mut self, by: &Actor, why: &str, now: Timestamp) -> Result<Self, Unfit> {
        if !self.is_unfinished() {
            return Err(self.unfit("it has come to its end; what it raised is changed request by request"));
        }
        self.decided = Some((by.clone(), why.to_owned()));
        Ok(Self { state: JobState::Cancelled, updated_at: now, ..self })
    }

    /// A piece is done: it goes on after this cursor, with the next source, or has come to its end.
    pub fn advanced(mut self, piece: Piece, now: Timestamp) -> Self {
        self.done += piece.looked_at;
        self.requests += piece.requests;
        self.failed += piece.failed;
        self.total = self.total.max(self.done);
        self.cursor = piece.next;
        if self.cursor.is_none() {
            self.source += 1;
            if self.source >= self.sources().len() {
                self.state = JobState::Completed;
            }
        }
        Self { updated_at: now, ..self }
    }

    /// What the audit trail says of a change of its state.
    pub fn record(&self, by: &Actor, action: &str, now: Timestamp) -> AuditRecord {
        let mut record = AuditRecord::new(now, by, action, self.id.to_string())
            .with("task", self.task.name())
            .with("state", format!("{:?}", self.state));
        for (name, count) in [("creates", self.tally.creates), ("deactivates", self.tally.deactivates)] {
            if count > 0 {
                record = record.with(name, count);
            }
        }
        if let Some(held) = &self.held {
            record = record.with("held", held);
        }
        if let Some((_, why)) = self.decided.as_ref().filter(|(_, why)| !why.is_empty()) {
            record = record.with("why", why);
        }
        record.app = Some(self.app);
        record
    }

    fn unfit(&self, why: &'static str) -> Unfit {
        Unfit { job: self.id, state: self.state, why }
    }
}

impl Task {
    /// What gave access before, if it is about access.
    fn access(&self) -> Option<&Access> {
        match self {
            Self::Access { before, .. } => Some(before),
            Self::Release | Self::Withdraw => None,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Access { .. } => "access",
            Self::Release => "release",
            Self::Withdraw => "withdraw",
        }
    }
}

/// What a job would do, as counted before it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Users it is about.
    pub total: u64,
    /// What it would make and deactivate.
    pub tally: Tally,
    /// What was made and deactivated before it, within the guard's window, without anybody's consent.
    pub before: Tally,
    /// The linked accounts of the app.
    pub linked: u64,
}

/// A piece of a job that is done in one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Users or requests looked at.
    pub looked_at: u64,
    /// Requests raised, released or withdrawn.
    pub requests: u64,
    /// Of those raised, how many failed at once.
    pub failed: u64,
    /// Where to go on; none at the end of the source.
    pub next: Option<String>,
}

#[cfg(test)]
pub(crate) mod testing {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::app;

    pub(crate) fn origin() -> Origin {
        Origin {
            id: JobId(1),
            by: Actor("admin".to_owned()),
            user: None,
            correlation: None,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    pub(crate) fn granted() -> Job {
        let after = App { permission_sets: ["vpn".to_owned()].into(), profiles: ["crew".to_owned()].into(), ..app() };
        access_job(&app(), &after, origin()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::testing::granted;
    use super::*;
    use crate::testing::{app, description};

    #[test]
    fn a_mass_waits_for_consent_and_a_few_do_not() {
        let counted = |creates| {
            let tally = Tally { creates, deactivates: 0 };
            let count = Count { total: creates, tally, linked: 10, ..Count::default() };
            granted().counted(count, &app(), &description(), Timestamp::UNIX_EPOCH)
        };
        assert_eq!((counted(10).state, counted(10).held), (JobState::Running, None));
        let held = counted(10_000);
        assert_eq!(held.state, JobState::Held);
        assert!(held.held.as_ref().unwrap().contains("10000 accounts would be made or brought back"));
        let by = Actor("boss".to_owned());
        assert!(!held.has_consent() && !counted(10).has_consent(), "not yet, and never asked for");
        let approved = held.clone().approved(&by, "hired", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((approved.state, approved.has_consent()), (JobState::Running, true));
        assert_eq!(held.cancelled(&by, "a mistake", Timestamp::UNIX_EPOCH).unwrap().state, JobState::Cancelled);
        let refused = counted(10).approved(&by, "", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(refused.to_string(), "JOB-000001 is Running: it waits for no consent");
    }

    #[test]
    fn a_job_is_weighed_with_what_went_before_and_waits_where_nobody_has_looked() {
        let tally = |creates| Tally { creates, deactivates: 0 };
        let count = |before| Count { tally: tally(10), before: tally(before), linked: 500, ..Count::default() };
        let state = |before, app: &App| {
            let job = granted().counted(count(before), app, &description(), Timestamp::UNIX_EPOCH);
            (job.state, job.went_unheld())
        };
        assert_eq!(state(190, &app()), (JobState::Running, true));
        assert_eq!(state(191, &app()), (JobState::Held, false));
        let unsurveyed = App { surveyed: false, ..app() };
        assert_eq!(state(0, &unsurveyed), (JobState::Held, false));
        let takes = Count { tally: Tally { creates: 0, deactivates: 3 }, linked: 500, ..Count::default() };
        let job = granted().counted(takes, &unsurveyed, &description(), Timestamp::UNIX_EPOCH);
        assert_eq!(job.state, JobState::Running, "what is known to be there may go");
    }

    #[test]
    fn a_job_goes_on_after_each_piece_and_ends_after_its_last_source() {
        let mut job = Job { state: JobState::Running, ..granted() };
        let piece = |next: Option<&str>| Piece { looked_at: 2, requests: 1, failed: 0, next: next.map(str::to_owned) };
        for (next, source, state) in [
            (Some("a"), 0, JobState::Running),
            (None, 1, JobState::Running),
            (None, 2, JobState::Running),
            (None, 3, JobState::Completed),
        ] {
            job = job.advanced(piece(next), Timestamp::UNIX_EPOCH);
            assert_eq!((job.source, job.state, job.cursor.as_deref()), (source, state, next));
        }
        assert_eq!((job.done, job.requests, job.total), (8, 4, 8));
        assert!(job.cancelled(&Actor::host(), "", Timestamp::UNIX_EPOCH).is_err(), "it has come to its end");
    }
}
