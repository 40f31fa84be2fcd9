//! Bounds on what a guest uses while it runs: memory, tables and instances of its store, and the time it computes.
//! It never looks at what the guest does with them.

use crate::chores::Chores;
use crate::limits::LimitHit;
use crate::notes::Notes;
use crate::places::Place;
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

/// A call whose computing time is bounded: the processor time of the thread that it alone runs on, its chores
/// included. Time in which it waits for a target, or for a processor, does not count here; the timeout round the call
/// bounds that.
pub(crate) struct Metered<F> {
    call: Pin<Box<F>>,
    chores: Chores,
    /// Whose call it is.
    place: Place,
    /// What the thread had computed when the call began, and when that was last looked at.
    before: Option<(Duration, Duration)>,
    limit: Duration,
}

/// The call computed for longer than it may.
#[derive(Debug)]
pub(crate) struct OutOfTime;

impl<F> Metered<F> {
    pub(crate) fn new(call: F, chores: Chores, place: Place, limit: Duration) -> Self {
        Self { call: Box::pin(call), chores, place, before: None, limit }
    }

    /// Lets others go first whose app has computed little, if this call's has computed much.
    fn give_way(&self) {
        if self.place.computing().is_much() {
            crew::step_back();
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, OutOfTime>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (before, seen) = match self.before {
            Some(before) => before,
            None => {
                self.give_way();
                let now = crew::computed();
                (now, now)
            }
        };
        self.chores.poll(context);
        let polled = self.call.as_mut().poll(context);
        let now = crew::computed();
        self.before = Some((before, now));
        self.place.computing().add(now.saturating_sub(seen));
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ok(output));
        }
        // The ticker has it rest here, however it computes.
        if now.saturating_sub(before) > self.limit {
            return Poll::Ready(Err(OutOfTime));
        }
        self.give_way();
        Poll::Pending
    }
}
