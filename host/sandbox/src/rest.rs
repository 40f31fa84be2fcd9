//! The pause an app makes after a call of it met a limit or trapped: a connector that fails at once, again and again,
//! keeps the host busy with beginning and ending its calls. The first call that ends well ends the pauses. It never
//! breaks a call off, and never holds up another app.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When an app may begin its next call.
pub(crate) struct Rest(Mutex<State>);

struct State {
    /// Whether the call that ended last broke off.
    due: bool,
    /// Before this nothing begins while it is.
    next: Instant,
}

impl Rest {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(State { due: false, next: now }))
    }

    /// When a call that is asked for now may begin: `pause` after the one before it, if calls break off. None if that
    /// is later than `until`; it takes no turn then.
    pub(crate) fn begin(&self, now: Instant, until: Instant, pause: Duration) -> Option<Instant> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.due {
            return Some(now);
        }
        let turn = state.next.max(now);
        if turn > until {
            return None;
        }
        state.next = turn + pause;
        Some(turn)
    }

    /// A call has ended.
    pub(crate) fn ended(&self, well: bool, now: Instant, pause: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.due = !well;
        if !well {
            state.next = state.next.max(now + pause);
        }
    }

    /// Whether a call that is asked for now would wait.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.due && state.next > now
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAUSE: Duration = Duration::from_millis(200);

    #[test]
    fn calls_that_break_off_are_made_one_a_pause_until_one_ends_well() {
        let now = Instant::now();
        let (rest, later) = (Rest::new(now), now + 100 * PAUSE);
        assert_eq!(rest.begin(now, later, PAUSE), Some(now));
        assert_eq!(rest.begin(now, later, PAUSE), Some(now), "nothing broke off yet");
        rest.ended(false, now, PAUSE);
        assert!(rest.is_on(now));
        assert_eq!(rest.begin(now, later, PAUSE), Some(now + PAUSE));
        assert_eq!(rest.begin(now, later, PAUSE), Some(now + 2 * PAUSE));
        rest.ended(true, now + 2 * PAUSE, PAUSE);
        assert_eq!(rest.begin(now, later, PAUSE), Some(now));
        assert!(!rest.is_on(now));
    }

    #[test]
    fn a_call_that_has_no_time_to_wait_is_told_so_and_takes_nobodys_turn() {
        let now = Instant::now();
        let rest = Rest::new(now);
        rest.ended(false, now, PAUSE);
        assert_eq!(rest.begin(now, now, PAUSE), None);
        assert_eq!(rest.begin(now, now + PAUSE, PAUSE), Some(now + PAUSE));
        assert_eq!(rest.begin(now + 9 * PAUSE, now + 9 * PAUSE, PAUSE), Some(now + 9 * PAUSE), "it is over by then");
    }
}
