//! The engine's outside: made once, run until told to stop, woken when there is work.

use crate::clockwork;
use crate::config::{ConfigError, EngineConfig};
use crate::jobs;
use crate::loading::{NotReady, Surroundings};
use crate::noted::Notes;
use crate::retention::{self, Removed};
use crate::schedule::Schedule;
use crate::search;
use crate::settle::{self, Review};
use crate::shell::Shell;
use gatehouse_core::ports::{Call, CallReport, Clock, Connectors, Finding, Store, StoreError};
use gatehouse_core::provision::Matched;
use gatehouse_core::{App, CallFailure, FailureKind, Interface, Request, User};
use gatehouse_failpoints::fail_point;
use jiff::SignedDuration;
use std::future::Future;
use std::sync::Arc;

/// Makes a span part of the trace that a `traceparent` names (W3C Trace Context, section 3.2).
pub type AdoptTrace = fn(&tracing::Span, &str);

/// How long the engine's loop may take for one turn before it counts as stuck. It turns at least every `poll`; what
/// takes time in it is the store.
const STUCK: SignedDuration = SignedDuration::from_secs(30);

/// Does the work that requests need. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    shell: Arc<Shell>,
}

impl Engine {
    /// An engine over these. It does nothing until it is run.
    ///
    /// # Errors
    /// Amounts in the configuration that contradict one another.
    pub fn new(
        store: Arc<dyn Store>,
        connectors: Arc<dyn Connectors>,
        clock: Arc<dyn Clock>,
        config: EngineConfig,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { shell: Arc::new(Shell::new(store, connectors, clock, config)) })
    }

    /// Tells the engine that there may be work which is due now. Never waits.
    pub fn wake(&self) {
        self.shell.wake.notify_one();
        self.shell.jobs.notify_one();
    }

    /// Held by whoever raises requests from what people and their open requests show. Whoever changes people does.
    pub fn raising(&self) -> Arc<tokio::sync::Mutex<()>> {
        self.shell.raising.clone()
    }

    /// Has the spans of requests become part of the traces in which they were asked for. Once.
    pub fn adopt_traces(&self, adopt: AdoptTrace) {
        self.shell.adopt_traces(adopt);
    }

    /// Whether the engine takes up work.
    ///
    /// # Errors
    /// It does not; the text says why.
    pub fn health(&self) -> Result<(), String> {
        let Some(turned) = self.shell.turned() else { return Err("the engine does not run: see the log".to_owned()) };
        let since = self.shell.now().duration_since(turned);
        if since <= STUCK {
            return Ok(());
        }
        Err(format!("the engine has looked for no work for {} s: see the log", since.as_secs()))
    }

    /// Works until `shutdown` is ready; then takes nothing new, lets what is under way end for as long as the
    /// configuration says, and gives all claims back. Run it once at a time.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        self.shell.stop(false);
        let mut schedule = Schedule::new(self.shell.clone());
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tidying = std::pin::pin!(retention::tidy(self.shell.clone()));
        let mut jobs = std::pin::pin!(jobs::work(self.shell.clone()));
        let _turning = Turning(&self.shell);
        loop {
            self.shell.turn(true);
            if let Err(error) = clockwork::turn(&self.shell).await {
                tracing::error!(%error, "what the clock brings has to wait");
            }
            let taken = schedule.take_up().await.unwrap_or_else(|error| {
                tracing::error!(%error, "no work can be taken");
                0
            });
            let pause = schedule.pause(taken).await;
            tokio::select! {
                () = &mut shutdown => break,
                () = schedule.ended() => {}
                () = self.shell.wake.notified() => {}
                () = &mut tidying => {}
                () = &mut jobs => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.shell.stop(true);
        fail_point!("shutdown.told");
        let all_ended = async {
            while !schedule.is_idle() {
                schedule.ended().await;
            }
        };
        if tokio::time::timeout(self.shell.config.grace, all_ended).await.is_err() {
            tracing::warn!("some work did not end in time, and is broken off");
        }
        schedule.break_off().await;
        fail_point!("shutdown.done");
    }

    /// Removes what has had its time by now, as the engine does by itself while it runs.
    ///
    /// # Errors
    /// The store is unavailable. What was removed until then is gone.
    pub async fn tidy(&self) -> Result<Removed, StoreError> {
        retention::round(&self.shell).await
    }

    /// Looks at the target for somebody who settles a request in review: at the account they name, or at what the
    /// engine itself would look at.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn review(&self, app: &App, request: &Request, external_id: Option<&str>) -> Result<Review, StoreError> {
        settle::review(&self.shell, app, request, external_id).await
    }

    /// Looks for a user in an app's target, by the linking rules.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn search(&self, app: &App, user: &User) -> Result<Matched, StoreError> {
        search::search(&self.shell, app, user).await
    }

    /// Checks whether an app's configuration can reach its target and sign in. The call is recorded; a store that
    /// cannot record it fails the check.
    pub async fn probe(&self, app: &App) -> CallReport<Vec<Finding>> {
        let failed = |failure| CallReport { result: Err(failure), call: Call::default() };
        let around = match Surroundings::of(&self.shell, app.clone(), None).await {
            Ok(around) => around,
            Err(NotReady::Missing(failure)) => return failed(failure),
            Err(NotReady::Store(error)) => return failed(CallFailure::new(FailureKind::Host, error.to_string())),
        };
        if !around.has(Interface::Probe) {
            let why = format!("connector {} has no probe", around.connector.description.name);
            return failed(CallFailure::new(FailureKind::Unsupported, why));
        }
        let connectors = &self.shell.connectors;
        let mut report = around.call("check", 0, &[], connectors.check(&around.context)).await;
        let notes = Notes::of(&around.caller(None), "check", &report, self.shell.now());
        if let Err(error) = self.shell.store.commit(notes.into_changes(None)).await {
            report.result =
                Err(CallFailure::new(FailureKind::Host, format!("that this was called cannot be recorded: {error}")));
        }
        report
    }
}

/// Says that the loop turns no more, however it ended.
struct Turning<'a>(&'a Shell);

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.0.turn(false);
    }
}
