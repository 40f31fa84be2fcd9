//! The claim that work is done under. Its lease is a limit for the dead: while the work goes on, so does the lease, so
//! that no call is under way when somebody else may take the request over, however long the store, the compiler or
//! earlier calls have been waited for. It never keeps others waiting for longer than its turn.

use crate::shell::Shell;
use gatehouse_core::ports::{ChangeSet, Claim, Fence, StoreError};
use gatehouse_core::{CallFailure, FailureKind};
use jiff::Timestamp;
use std::time::Duration;

pub(crate) struct Hold {
    pub fence: Fence,
    /// When the lease ends, as the store last heard.
    lease_until: Timestamp,
    /// When others get their turn: further work is claimed anew, behind whatever has been due for longer.
    turn_ends: Timestamp,
}

impl Hold {
    pub fn of(claim: &Claim) -> Self {
        Self { fence: claim.fence, lease_until: claim.lease_until, turn_ends: claim.lease_until }
    }

    /// When a lease ends that goes on now.
    pub fn lease_from_now(shell: &Shell) -> Timestamp {
        shell.now().checked_add(shell.lease()).unwrap_or(Timestamp::MAX)
    }

    /// The store has been told.
    pub fn lasts_until(&mut self, until: Timestamp) {
        self.lease_until = until;
    }

    /// Whether somebody else may have taken it over.
    pub fn is_over(&self, shell: &Shell) -> bool {
        shell.now() >= self.lease_until
    }

    /// Whether the longest call would end within this turn.
    pub fn has_turn(&self, shell: &Shell) -> bool {
        time_before(self.turn_ends, shell) > shell.config.call_timeout
    }

    /// Sees to it that the lease outlasts the longest call, which may be made once this returns.
    ///
    /// # Errors
    /// The request has been taken over, or the store is unavailable: no call is to be made.
    pub async fn for_a_call(&mut self, shell: &Shell) -> Result<(), CallFailure> {
        // Again if the store took so long that the time is over already.
        while time_before(self.lease_until, shell) <= shell.config.call_timeout {
            let until = Self::lease_from_now(shell);
            let longer = ChangeSet { fence: Some(self.fence), keep_claim: Some(until), ..ChangeSet::default() };
            shell.store.commit(longer).await.map_err(|error| not_made(&error))?;
            self.lasts_until(until);
        }
        Ok(())
    }
}

fn not_made(error: &StoreError) -> CallFailure {
    CallFailure::new(
        FailureKind::Unavailable,
        format!("the call was not made, since its claim could not be kept: {error}"),
    )
}

fn time_before(end: Timestamp, shell: &Shell) -> Duration {
    Duration::try_from(end.duration_since(shell.now())).unwrap_or(Duration::ZERO)
}
