//! The engine's outside: made once, run until told to stop, woken when there is work.

use crate::config::{ConfigError, EngineConfig};
use crate::loading::{NotReady, Surroundings};
use crate::noted::Notes;
use crate::schedule::Schedule;
use crate::settle::{self, Review};
use crate::shell::Shell;
use gatehouse_core::ports::{Call, CallReport, ChangeSet, Clock, Connectors, Finding, Store, StoreError};
use gatehouse_core::{App, CallFailure, FailureKind, Interface, Request};
use std::future::Future;
use std::sync::Arc;

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
    }

    /// Works until `shutdown` is ready; then takes nothing new, lets what is under way end for as long as the
    /// configuration says, and gives all claims back. Run it once at a time.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        self.shell.stop(false);
        let mut schedule = Schedule::new(self.shell.clone());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let taken = schedule.take_up().await.unwrap_or_else(|error| {
                tracing::error!(%error, "no work can be taken");
                0
            });
            let pause = schedule.pause(taken).await;
            tokio::select! {
                () = &mut shutdown => break,
                () = schedule.ended() => {}
                () = self.shell.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.shell.stop(true);
        let all_ended = async {
            while !schedule.is_idle() {
                schedule.ended().await;
            }
        };
        if tokio::time::timeout(self.shell.config.grace, all_ended).await.is_err() {
            tracing::warn!("some work did not end in time, and is broken off");
        }
        schedule.break_off().await;
    }

    /// Looks at the target for somebody who settles a request in review: at the account they name, or at what the
    /// engine itself would look at.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn review(&self, app: &App, request: &Request, external_id: Option<&str>) -> Result<Review, StoreError> {
        settle::review(&self.shell, app, request, external_id).await
    }

    /// Checks whether an app's configuration can reach its target and sign in. Denials are recorded; a store that
    /// cannot record them fails the check.
    pub async fn probe(&self, app: &App) -> CallReport<Vec<Finding>> {
        let failed = |failure| CallReport { result: Err(failure), call: Call::default() };
        let around = match Surroundings::of(&self.shell, app.clone(), None, None).await {
            Ok(around) => around,
            Err(NotReady::Missing(failure)) => return failed(failure),
            Err(NotReady::Store(error)) => return failed(CallFailure::new(FailureKind::Host, error.to_string())),
        };
        if !around.has(Interface::Probe) {
            let why = format!("connector {} has no probe", around.connector.description.name);
            return failed(CallFailure::new(FailureKind::Unsupported, why));
        }
        let mut report = self.shell.connectors.check(&around.context).await;
        around.count("check", &report);
        let notes = Notes::of(&around.caller(), "check", &report.call, self.shell.now());
        if !notes.audit.is_empty()
            && let Err(error) = self.shell.store.commit(ChangeSet { audit: notes.audit, ..ChangeSet::default() }).await
        {
            report.result =
                Err(CallFailure::new(FailureKind::Host, format!("what the gate refused cannot be recorded: {error}")));
        }
        report
    }
}
