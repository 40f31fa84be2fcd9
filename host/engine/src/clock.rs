//! Time and chance of the machine. Everything else takes them from the `Clock` it is given, so that tests can choose.

use gatehouse_core::ports::Clock;
use jiff::Timestamp;

/// The machine's time and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn jitter(&self) -> u32 {
        // Without randomness retries are only less spread.
        getrandom::u32().map_or(500, |number| number % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_below_a_thousand() {
        assert!((0..100).all(|_| SystemClock.jitter() < 1000));
    }
}
