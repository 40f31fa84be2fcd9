//! Bounds on what a guest uses while it runs: memory, tables and instances of its store, and the time it computes.
//! It never looks at what the guest does with them.

use crate::limits::LimitHit;
use crate::notes::Notes;
use crate::{Limits, crew};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// Sums up what the memories and tables of one store have grown to. Going beyond a limit ends the call there and
/// then: a guest that was told "no" would only abort with a text that names nothing.
pub(crate) struct Meter {
    limits: Arc<Limits>,
    notes: Arc<Notes>,
    memory: u64,
    elements: u64,
}

impl Meter {
    pub(crate) fn new(limits: Arc<Limits>, notes: Arc<Notes>) -> Self {
        Self { limits, notes, memory: 0, elements: 0 }
    }

    fn refuse(&self, name: &'static str, advice: &'static str) -> wasmtime::Result<bool> {
        let hit = LimitHit::of(&self.limits, name, advice);
        self.notes.hit(hit.clone());
        Err(hit.into())
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let sum = self.memory.saturating_add((desired - current) as u64);
        if sum > self.limits.memory_bytes {
            return self.refuse("memory_bytes", "the connector has to work in smaller pieces, or the limit be raised");
        }
        self.memory = sum;
        self.notes.memory(sum);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let sum = self.elements.saturating_add((desired - current) as u64);
        if sum > self.limits.table_elements {
            return self.refuse("table_elements", "the connector needs too many table elements");
        }
        self.elements = sum;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.core_instances as usize
    }

    fn tables(&self) -> usize {
        self.limits.tables as usize
    }

    fn memories(&self) -> usize {
        self.limits.memories as usize
    }
}

/// A call whose computing time is bounded: the processor time of the thread that it alone runs on. Time in which it
/// waits for a target, or for a processor, does not count here; the timeout round the call bounds that.
pub(crate) struct Metered<F> {
    call: Pin<Box<F>>,
    /// What the thread had computed when the call began.
    before: Option<Duration>,
    limit: Duration,
}

/// The call computed for longer than it may.
#[derive(Debug)]
pub(crate) struct OutOfTime;

/// Calls that compute for longer than this let the others go first.
const SHORT: Duration = Duration::from_millis(20);

impl<F> Metered<F> {
    pub(crate) fn new(call: F, limit: Duration) -> Self {
        Self { call: Box::pin(call), before: None, limit }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, OutOfTime>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = *self.before.get_or_insert_with(crew::computed);
        if let Poll::Ready(output) = self.call.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        // The ticker has it rest here, however it computes.
        let spent = crew::computed().saturating_sub(before);
        if spent > self.limit {
            return Poll::Ready(Err(OutOfTime));
        }
        if spent > SHORT {
            crew::step_back();
        }
        Poll::Pending
    }
}
