//! What all work shares: the world behind its traits, and what is remembered of runs while the engine lives.

use crate::EngineConfig;
use crate::runs::RunMemory;
use gatehouse_core::lifecycle::Moment;
use gatehouse_core::ports::{Clock, Connectors, Store};
use gatehouse_core::{AppId, Request, RequestId, RetryPolicy};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

type SharedMemory = Arc<tokio::sync::Mutex<RunMemory>>;

pub(crate) struct Shell {
    pub store: Arc<dyn Store>,
    pub connectors: Arc<dyn Connectors>,
    pub clock: Arc<dyn Clock>,
    pub config: EngineConfig,
    /// Somebody has made work.
    pub wake: Notify,
    stopping: AtomicBool,
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
            stopping: AtomicBool::new(false),
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
