//! What the engine may use, and how long. It never says how an app is provisioned: that is the app's configuration.

use gatehouse_core::retention::ANSWERS_KEPT;
use std::time::Duration;

/// How much the engine does at the same time, and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Names this run of the host: no two runs have the same.
    pub incarnation: String,
    /// How long a claim holds when nothing is heard of its holder; and how long a turn of work on one request is, before
    /// it makes way for others that are due.
    pub lease: Duration,
    /// The longest a call of a connector may take; shorter than the lease, which goes on before a call that it would not
    /// outlast.
    pub call_timeout: Duration,
    /// Requests that are worked on at the same time, over all apps.
    pub max_in_flight: usize,
    /// Rows analysed, or committed, in one commit.
    pub batch: usize,
    /// The longest the engine sleeps without looking for due work.
    pub poll: Duration,
    /// How long calls under way may take to end when the engine is told to stop.
    pub grace: Duration,
    /// For how long the answers to calls with an Idempotency-Key are remembered.
    pub answers_kept: Duration,
    /// For how long records of the audit trail are kept; none: for good.
    pub audit_kept: Option<Duration>,
    /// How often what has had its time is removed, besides after each run.
    pub tidy_every: Duration,
}

impl EngineConfig {
    /// The usual amounts, for this run of the host.
    pub fn new(incarnation: impl Into<String>) -> Self {
        Self {
            incarnation: incarnation.into(),
            lease: Duration::from_secs(180),
            call_timeout: Duration::from_secs(60),
            max_in_flight: 32,
            batch: 250,
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(10),
            answers_kept: ANSWERS_KEPT.unsigned_abs(),
            audit_kept: None,
            tidy_every: Duration::from_secs(3600),
        }
    }

    /// # Errors
    /// Amounts that contradict one another.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.call_timeout >= self.lease {
            return Err(ConfigError::TimeoutOutlivesLease { call_timeout: self.call_timeout, lease: self.lease });
        }
        let amounts = [("max_in_flight", self.max_in_flight), ("batch", self.batch)];
        if let Some((name, _)) = amounts.into_iter().find(|(_, amount)| *amount == 0) {
            return Err(ConfigError::Zero(name));
        }
        let times = [("call_timeout", self.call_timeout), ("poll", self.poll), ("tidy_every", self.tidy_every)];
        match times.into_iter().find(|(_, time)| time.is_zero()) {
            Some((name, _)) => Err(ConfigError::Zero(name)),
            None => Ok(()),
        }
    }
}

/// Why the engine cannot run like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A call could still be running when somebody else takes its request over.
    #[error("a call may take {call_timeout:?}, which is not shorter than the lease of {lease:?}")]
    TimeoutOutlivesLease {
        /// The longest a call may take.
        call_timeout: Duration,
        /// How long a claim holds.
        lease: Duration,
    },
    /// Nothing would ever be done.
    #[error("`{0}` must be more than nothing")]
    Zero(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_amounts_agree_with_one_another() {
        assert_eq!(EngineConfig::new("one").check(), Ok(()));
    }

    #[test]
    fn a_call_that_may_outlive_its_lease_is_refused() {
        let lease = Duration::from_secs(60);
        let config = EngineConfig { lease, call_timeout: lease, ..EngineConfig::new("one") };
        assert_eq!(config.check(), Err(ConfigError::TimeoutOutlivesLease { call_timeout: lease, lease }));
    }

    #[test]
    fn an_engine_that_may_do_nothing_is_refused() {
        let config = EngineConfig { max_in_flight: 0, ..EngineConfig::new("one") };
        assert_eq!(config.check(), Err(ConfigError::Zero("max_in_flight")));
    }
}
