//! One claimed request being worked on: what every kind of work has in common. Work is taken from the request alone,
//! every outcome goes through `lifecycle::step`, and everything an event causes becomes durable in one commit.

use crate::hold::Hold;
use crate::loading::{NotReady, Surroundings};
use crate::noted::Notes;
use crate::shell::Shell;
use crate::told::Told;
use crate::{account, links, runs, settle, telemetry};
use gatehouse_core::lifecycle::{Effect, Event, Refused, Transition, Work, step, work};
use gatehouse_core::ports::{Call, CallReport, ChangeSet, Claim, StoreError};
use gatehouse_core::schema::Attributes;
use gatehouse_core::{App, CallFailure, Request};
use gatehouse_failpoints::fail_point;
use std::sync::Arc;
use tracing::Instrument as _;

/// How often work whose records were changed by others meanwhile is done again before the claim is given back.
const CONFLICTS: u32 = 5;

/// Why a piece of work did not come to its end. Nothing was written since its last commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The store refused or did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event did not fit the request.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A call cannot even be tried. The text says what to do.
    #[error("{0}")]
    NotReady(CallFailure),
}

impl From<NotReady> for Trouble {
    fn from(not_ready: NotReady) -> Self {
        match not_ready {
            NotReady::Store(error) => Self::Store(error),
            NotReady::Missing(failure) => Self::NotReady(failure),
        }
    }
}

pub(crate) type Worked = Result<(), Trouble>;

pub(crate) struct Job {
    pub shell: Arc<Shell>,
    pub request: Request,
    pub hold: Hold,
    /// The app's, for logs and counts; empty until it has been looked up.
    app_name: String,
    /// Whether the claim is still held.
    held: bool,
    /// What calls left to be written down with the next commit.
    notes: Notes,
}

impl Job {
    pub fn new(shell: Arc<Shell>, claim: Claim) -> Self {
        Self {
            shell,
            hold: Hold::of(&claim),
            request: claim.request,
            app_name: String::new(),
            held: true,
            notes: Notes::default(),
        }
    }

    /// Does what the request needs, for as long as the claim lasts and nothing has to be waited for.
    pub async fn run(self) {
        let span = telemetry::request_span(&self.request);
        self.shell.adopt_trace(&span, self.request.correlation.as_ref());
        self.work().instrument(span).await;
    }

    async fn work(mut self) {
        let mut conflicts = 0;
        while self.held {
            let Some(work) = work(&self.request) else { return self.release().await };
            match self.perform(work).await {
                Ok(()) => conflicts = 0,
                Err(Trouble::Store(StoreError::Fenced { .. })) => {
                    tracing::info!("the claim has been taken over");
                    return;
                }
                Err(Trouble::Store(StoreError::VersionConflict { .. } | StoreError::Duplicate { .. }))
                    if conflicts < CONFLICTS =>
                {
                    conflicts += 1;
                    fail_point!("work.conflict");
                    if self.reload().await.is_err() {
                        return self.release().await;
                    }
                }
                Err(trouble) => return self.give_up(trouble).await,
            }
        }
    }

    async fn perform(&mut self, work: Work) -> Worked {
        let Some(app) = self.shell.store.app(self.request.app).await? else {
            // It was deleted, and its requests with it.
            self.held = false;
            return Ok(());
        };
        if app.paused || self.shell.is_stopping() {
            self.release().await;
            return Ok(());
        }
        self.app_name.clone_from(&app.name);
        tracing::Span::current().record("app", app.name.as_str());
        tracing::debug!(?work, "takes up");
        match work {
            Work::Conclude => account::conclude(self, &app).await,
            Work::NoteLost => self.note_lost(&app).await,
            Work::Link(change) => links::link(self, &app, change).await,
            Work::Compare => runs::compare(self, &app).await,
            work => {
                let around = Surroundings::of(&self.shell, app.clone(), Some(self.request.id)).await;
                let around = match around {
                    Err(NotReady::Missing(failure)) => return self.cannot(&app, &work, failure).await,
                    around => around?,
                };
                match work {
                    Work::Call { .. } => account::call(self, &around).await,
                    Work::Read => account::read(self, &around).await,
                    Work::Settle => settle::settle(self, &around).await,
                    Work::CollectPage => runs::collect_page(self, &around).await,
                    Work::Analyze { from } => runs::analyze(self, &around, from).await,
                    Work::CommitRows { from } => runs::commit_rows(self, &around, from).await,
                    Work::Conclude | Work::NoteLost | Work::Link(_) | Work::Compare => Ok(()),
                }
            }
        }
    }

    /// An attempt was begun by a host that is no more.
    async fn note_lost(&mut self, app: &App) -> Worked {
        fail_point!("lost.before_commit");
        self.commit(app, Event::AttemptLost).await?;
        fail_point!("lost.after_commit");
        Ok(())
    }

    /// Nothing can be called: the request fails with the text, or goes to review if a write may have left.
    async fn cannot(&mut self, app: &App, work: &Work, failure: CallFailure) -> Worked {
        let event = match work {
            Work::Settle => Event::ReadFailed(failure),
            _ => Event::Fail { why: failure.message },
        };
        self.commit(app, event).await
    }

    /// Makes a call under a lease that outlasts it, and writes down with the next commit what is to be known of it.
    /// `given`: the attributes that the connector gets to see.
    pub async fn call<T: Told>(
        &mut self,
        around: &Surroundings,
        function: &'static str,
        given: &[&Attributes],
        call: impl Future<Output = CallReport<T>>,
    ) -> CallReport<T> {
        if let Err(failure) = self.hold.for_a_call(&self.shell).await {
            return CallReport { result: Err(failure), call: Call::default() };
        }
        let report = around.call(function, self.request.attempts.len(), given, call).await;
        let notes = Notes::of(&around.caller(Some(&self.request)), function, &report, self.shell.now());
        self.notes.append(notes);
        report
    }

    /// What is written down with the next commit.
    pub fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    /// Applies an event and makes what follows durable.
    pub async fn commit(&mut self, app: &App, event: Event) -> Worked {
        self.commit_with(app, event, ChangeSet::default()).await
    }

    /// Applies an event and makes what follows durable, together with `more`.
    pub async fn commit_with(&mut self, app: &App, event: Event, more: ChangeSet) -> Worked {
        let transition = step(&self.request, event, &self.shell.moment(&app.config.retry))?;
        let keeps = self.goes_on(&transition);
        self.write(transition, more, keeps).await
    }

    /// As `commit`, but keeps the claim whatever follows: the call it announces is made next.
    pub async fn commit_and_keep(&mut self, app: &App, event: Event) -> Worked {
        let transition = step(&self.request, event, &self.shell.moment(&app.config.retry))?;
        self.write(transition, ChangeSet::default(), true).await
    }

    async fn write(&mut self, transition: Transition, more: ChangeSet, keeps: bool) -> Worked {
        let version = transition.request.expected.unwrap_or(0) + 1;
        let mut after = transition.request.record.clone();
        after.version = version;
        let mut changes = transition.into_changes(Some(self.hold.fence));
        changes.append(more);
        changes.keep_claim = keeps.then(|| Hold::lease_from_now(&self.shell));
        let id = self.request.id;
        let raised = changes.requests.iter().filter(|request| request.record.id != id);
        let raises = raised.count() > 0;
        let at = changes.log.iter().position(|(request, _)| *request == id).unwrap_or(0);
        changes.log.splice(at..at, self.notes.log.iter().map(|entry| (id, entry.clone())));
        changes.audit.splice(0..0, self.notes.calls.iter().cloned());
        changes.trail.denials.extend(self.notes.denials.iter().cloned());
        self.durable(changes).await?;
        self.notes = Notes::default();
        self.held = keeps;
        telemetry::attempts_ended(&self.app_name, &self.request, &after);
        self.request = after;
        if raises {
            self.shell.wake.notify_one();
        }
        if self.request.state.is_settled() {
            self.shell.forget_run(id);
            if self.request.run.is_some() {
                self.shell.run_ended.notify_one();
            }
        }
        Ok(())
    }

    /// Commits. What a call has brought about is not thrown away because the disk is full: it is held, and offered
    /// again for as long as the claim lasts. (A refusal that came too late is found out by its version.) Whole pages
    /// and batches are not held: they can be fetched again.
    async fn durable(&mut self, changes: ChangeSet) -> Worked {
        let mut lease = changes.keep_claim;
        let mut again = changes.staging.is_empty().then(|| changes.clone());
        let mut outcome = self.shell.store.commit(changes).await;
        while let (Err(StoreError::Unavailable(_)), Some(changes)) = (&outcome, &mut again) {
            tokio::time::sleep(self.shell.config.poll).await;
            if self.shell.is_stopping() || self.hold.is_over(&self.shell) {
                again = None;
            } else if self.shell.store.health().is_ok() {
                lease = lease.map(|_| Hold::lease_from_now(&self.shell));
                changes.keep_claim = lease;
                outcome = self.shell.store.commit(changes.clone()).await;
            }
        }
        outcome?;
        lease.into_iter().for_each(|until| self.hold.lasts_until(until));
        Ok(())
    }

    /// Whether what follows can be done at once under the same claim.
    fn goes_on(&self, transition: &Transition) -> bool {
        let now = self.shell.now();
        let due = transition.effects.iter().any(|effect| matches!(effect, Effect::Work { due, .. } if *due <= now));
        due && self.has_turn() && !self.shell.is_stopping()
    }

    /// Whether the longest call would end before others get their turn.
    pub fn has_turn(&self) -> bool {
        self.hold.has_turn(&self.shell)
    }

    /// Looks at the request anew, after others have changed something.
    pub async fn reload(&mut self) -> Worked {
        match self.shell.store.request(self.request.id).await? {
            Some(request) => self.request = request,
            None => self.held = false,
        }
        Ok(())
    }

    /// Gives the claim back unchanged, as soon as the store can be written to: nothing of this is under way any more,
    /// and the request is free to be taken.
    pub async fn release(&mut self) {
        while self.held {
            match self.shell.store.release(self.hold.fence).await {
                Err(StoreError::Unavailable(error)) if self.shell.is_stopping() || self.hold.is_over(&self.shell) => {
                    tracing::warn!(error, "the claim is not given back, and ends by itself");
                    return;
                }
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(self.shell.config.poll).await,
                _ => self.held = false,
            }
        }
    }

    /// The request cannot go on. It fails if that can be written down; otherwise the claim ends by itself, which
    /// keeps the engine from trying again and again at full speed.
    async fn give_up(mut self, trouble: Trouble) {
        tracing::error!(%trouble, "the work did not come to its end");
        let why = match &trouble {
            Trouble::NotReady(failure) => failure.to_string(),
            Trouble::Refused(refused) => refused.to_string(),
            Trouble::Store(error @ (StoreError::Invalid(_) | StoreError::Duplicate { .. })) => error.to_string(),
            // Others are always faster: somebody gets on, so trying again at once is no idle running.
            Trouble::Store(StoreError::VersionConflict { .. } | StoreError::Unavailable(_)) => {
                return self.release().await;
            }
            Trouble::Store(_) => return,
        };
        if self.reload().await.is_err() {
            return self.release().await;
        }
        if !self.held {
            return;
        }
        let retry = gatehouse_core::RetryPolicy::default();
        if let Ok(transition) = step(&self.request, Event::Fail { why }, &self.shell.moment(&retry))
            && let Err(trouble) = self.write(transition, ChangeSet::default(), false).await
        {
            tracing::error!(%trouble, "nor could that be written down");
        }
    }
}
