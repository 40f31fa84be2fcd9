//! What all work shares: the world behind its traits, and what is remembered of runs while the engine lives.

use crate::runs::RunMemory;
use crate::{AdoptTrace, EngineConfig};
use gatehouse_core::lifecycle::Moment;
use gatehouse_core::ports::{Clock, Connectors, Store};
use gatehouse_core::{AppId, Correlation, Request, RequestId, RetryPolicy};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Notify;

type SharedMemory = Arc<tokio::sync::Mutex<RunMemory>>;

pub(crate) struct Shell {
    pub store: Arc<dyn Store>,
    pub connectors: Arc<dyn Connectors>,
    pub clock: Arc<dyn Clock>,
    pub config: EngineConfig,
    /// Somebody has made work.
    pub wake: Notify,
    /// There is a job to do.
    pub jobs: Notify,
    /// Held by whoever looks at people and their open requests, and raises others from what that shows: two that did so
    /// at the same time would each miss what the other raises. One process serves a store, so a lock in it is enough.
    pub raising: Arc<tokio::sync::Mutex<()>>,
    /// A run has come to its end: rows of earlier ones may go.
    pub run_ended: Notify,
    stopping: AtomicBool,
    /// When the loop last turned, in milliseconds since 1970; 0 while it does not run.
    turned: AtomicI64,
    adopt: OnceLock<AdoptTrace>,
    /// One run of an app at a time: a cancelled one is forgotten when the next one begins.
    runs: Mutex<HashMap<AppId, (RequestId, SharedMemory)>>,
}

impl Shell {
    pub fn new(
        store: Arc<dyn Store>,
        connectors: Arc<dyn Connectors>,
        clock: Arc<dyn Clock>,
        config: EngineConfig,
    ) -> Self {
        Self {
            store,
            connectors,
            clock,
            config,
            wake: Notify::new(),
            jobs: Notify::new(),
            raising: Arc::default(),
            run_ended: Notify::new(),
            stopping: AtomicBool::new(false),
            turned: AtomicI64::new(0),
            adopt: OnceLock::new(),
            runs: Mutex::default(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn moment(&self, retry: &RetryPolicy) -> Moment {
        Moment { now: self.clock.now(), jitter: self.clock.jitter(), retry: retry.clone() }
    }

    pub fn lease(&self) -> SignedDuration {
        SignedDuration::try_from(self.config.lease).unwrap_or(SignedDuration::MAX)
    }

    pub fn stop(&self, stopping: bool) {
        self.stopping.store(stopping, Ordering::SeqCst);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Notes that the loop turns, or has ended.
    pub fn turn(&self, turns: bool) {
        self.turned.store(if turns { self.now().as_millisecond() } else { 0 }, Ordering::SeqCst);
    }

    /// When the loop last turned; none: it does not run.
    pub fn turned(&self) -> Option<Timestamp> {
        let turned = self.turned.load(Ordering::SeqCst);
        Some(turned).filter(|turned| *turned != 0).and_then(|turned| Timestamp::from_millisecond(turned).ok())
    }

    pub fn adopt_traces(&self, adopt: AdoptTrace) {
        let _set_before = self.adopt.set(adopt);
    }

    /// Makes a span part of the trace of the API call that asked for the work.
    pub fn adopt_trace(&self, span: &tracing::Span, correlation: Option<&Correlation>) {
        let traceparent = correlation.and_then(|correlation| correlation.traceparent.as_deref());
        if let (Some(adopt), Some(traceparent)) = (self.adopt.get(), traceparent) {
            adopt(span, traceparent);
        }
    }

    /// What is remembered of a run; empty after a restart, and then built anew from the store.
    pub fn run_memory(&self, run: &Request) -> SharedMemory {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, memory) = runs.entry(run.app).or_insert_with(|| (run.id, SharedMemory::default()));
        if *of != run.id {
            (*of, *memory) = (run.id, SharedMemory::default());
        }
        memory.clone()
    }

    /// Forgets a run that has ended, or that waits for a person.
    pub fn forget_run(&self, run: RequestId) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (of, _)| *of != run);
    }
}
