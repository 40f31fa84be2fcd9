//! Which requests are worked on: claims what is due up to the free capacity, spawns it, and notices its end. A panic
//! harms the request it happened in, and nothing else.

use crate::job::Job;
use crate::shell::Shell;
use crate::telemetry;
use gatehouse_core::lifecycle::{Event, step};
use gatehouse_core::ports::{ClaimLimits, Fence, StoreError};
use gatehouse_core::{App, AppId, RetryPolicy};
use gatehouse_failpoints::fail_point;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};

/// The requests being worked on.
pub(crate) struct Schedule {
    shell: Arc<Shell>,
    tasks: JoinSet<()>,
    claims: HashMap<Id, (Fence, AppId)>,
}

impl Schedule {
    pub fn new(shell: Arc<Shell>) -> Self {
        Self { shell, tasks: JoinSet::new(), claims: HashMap::new() }
    }

    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes what is due and can be taken, and begins with it. How many requests that are.
    pub async fn take_up(&mut self) -> Result<usize, StoreError> {
        let limits = self.limits(&self.shell.store.apps().await?);
        if limits.count == 0 {
            return Ok(0);
        }
        let shell = &self.shell;
        fail_point!("claim.before");
        let claims = shell.store.claim(shell.now(), shell.lease(), &shell.config.incarnation, &limits).await?;
        let taken = claims.len();
        if taken > 0 {
            fail_point!("claim.after");
        }
        for claim in claims {
            let (fence, app) = (claim.fence, claim.request.app);
            let task = self.tasks.spawn(Job::new(self.shell.clone(), claim).run());
            self.claims.insert(task.id(), (fence, app));
        }
        telemetry::claims_in_flight(self.claims.len());
        Ok(taken)
    }

    /// Nothing of an app that is paused, or that has as many calls under way as it may have.
    fn limits(&self, apps: &[App]) -> ClaimLimits {
        let mut limits =
            ClaimLimits { count: self.shell.config.max_in_flight - self.claims.len(), ..ClaimLimits::default() };
        for app in apps {
            let under_way = self.claims.values().filter(|(_, of)| *of == app.id).count();
            match (app.config.concurrency as usize).saturating_sub(under_way) {
                0 => drop(limits.skip_apps.insert(app.id)),
                _ if app.paused => drop(limits.skip_apps.insert(app.id)),
                free => drop(limits.per_app.insert(app.id, free)),
            }
        }
        limits
    }

    /// Waits for the end of any request's work, and takes note of all that have ended; forever if there is none.
    pub async fn ended(&mut self) {
        let Some(mut end) = self.tasks.join_next_with_id().await else { return std::future::pending().await };
        loop {
            match end {
                Ok((id, ())) => drop(self.claims.remove(&id)),
                Err(error) => self.broken(&error).await,
            }
            match self.tasks.try_join_next_with_id() {
                Some(another) => end = another,
                None => break,
            }
        }
        telemetry::claims_in_flight(self.claims.len());
    }

    /// Work that panicked would panic again: its request fails, or goes on from its durable start if a write may have
    /// left.
    async fn broken(&mut self, error: &JoinError) {
        let Some((fence, _)) = self.claims.remove(&error.id()) else { return };
        tracing::error!(request = %fence.request, %error, "the work panicked");
        self.shell.forget_run(fence.request);
        let Ok(Some(request)) = self.shell.store.request(fence.request).await else { return };
        let moment = self.shell.moment(&RetryPolicy::default());
        let why = "the host broke off its work: an internal error, see its log".to_owned();
        let transition =
            step(&request, Event::AttemptLost, &moment).or_else(|_| step(&request, Event::Fail { why }, &moment));
        match transition {
            Ok(transition) => {
                if let Err(error) = self.shell.store.commit(transition.into_changes(Some(fence))).await {
                    tracing::error!(%error, "that could not be written down");
                }
            }
            // Left to the end of its lease.
            Err(refused) => tracing::error!(%refused, "that could not be written down"),
        }
    }

    /// How long to sleep if nothing happens.
    pub async fn pause(&self, taken: usize) -> Duration {
        let poll = self.shell.config.poll;
        let next_due: Option<Timestamp> = self.shell.store.next_due().await.unwrap_or_default();
        let alarm: Option<Timestamp> = self.shell.store.next_alarm().await.unwrap_or_default();
        let now = self.shell.now();
        // One that has rung already waits for its lane.
        let alarm = alarm.map(|at| if at <= now { now.checked_add(poll).unwrap_or(now) } else { at });
        let next_due = next_due.into_iter().chain(alarm).min();
        let wait = next_due.and_then(|due| Duration::try_from(due.duration_since(self.shell.now())).ok());
        match wait {
            // Due already, and yet not to be had: a lane or an app is busy, or paused.
            Some(wait) if wait.is_zero() && taken == 0 => poll,
            Some(wait) => wait.clamp(Duration::from_millis(1), poll),
            None => poll,
        }
    }

    /// Breaks off what still runs, and gives its claims back: what an attempt left open is found by the next one.
    pub async fn break_off(&mut self) {
        self.tasks.shutdown().await;
        for (fence, _) in std::mem::take(&mut self.claims).into_values() {
            tracing::warn!(request = %fence.request, "broken off by the shutdown");
            // Whoever ended in time has given the claim back already.
            if let Err(error) = self.shell.store.release(fence).await {
                tracing::debug!(%error, "the claim is not given back");
            }
        }
        telemetry::claims_in_flight(0);
    }
}
