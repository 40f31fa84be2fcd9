//! The guard against mass changes: a profile taken from an app by mistake must not empty it. It says whether what an
//! event or a job would do is too much to be done without somebody's consent; it never counts itself.

use crate::Operation;
use serde::{Deserialize, Serialize};

/// When a mass of changes waits for consent. On by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardPolicy {
    /// Whether there is a guard at all.
    pub enabled: bool,
    /// Accounts that may be made or deactivated at once without regard to the share: a small app's few accounts are
    /// soon a large share of it.
    pub always_allowed: u64,
    /// The most accounts that one job, or all events within the window, may make or deactivate.
    pub max_changes: u64,
    /// The largest share of the app's linked accounts, in percent, that may be deactivated so.
    pub max_percent: u8,
    /// The window for events, in minutes.
    pub window_minutes: u32,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self { enabled: true, always_allowed: 5, max_changes: 200, max_percent: 20, window_minutes: 60 }
    }
}

/// So many accounts are to be made, and so many to be deactivated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// To be made or brought back.
    pub creates: u64,
    /// To be deactivated.
    pub deactivates: u64,
}

impl Tally {
    /// Counts an operation, if it is one of those that the guard watches.
    pub fn add(&mut self, operation: Operation) {
        match operation {
            Operation::Create => self.creates += 1,
            Operation::Deactivate | Operation::Delete => self.deactivates += 1,
            _ => {}
        }
    }
}

/// What would be done, and within what.
#[derive(Clone, Copy, Debug)]
pub enum Mass {
    /// By one job.
    Job,
    /// By events within the window, the present one included.
    Events,
}

/// Why so many changes of an app with so many linked accounts wait for consent; none if they need none.
pub fn held(tally: Tally, linked: u64, mass: Mass, policy: &GuardPolicy) -> Option<String> {
    if !policy.enabled {
        return None;
    }
    let within = match mass {
        Mass::Job => String::new(),
        Mass::Events => format!(" within {} minutes", policy.window_minutes),
    };
    let Tally { creates, deactivates } = tally;
    let share = u128::from(deactivates) * 100 > u128::from(linked) * u128::from(policy.max_percent);
    if deactivates > policy.always_allowed && share {
        return Some(format!(
            "{deactivates} of {linked} linked accounts would be deactivated{within}, more than the {}% that \
             `guard.max_percent` allows without consent",
            policy.max_percent
        ));
    }
    let over = |count: u64| count > policy.max_changes.max(policy.always_allowed);
    let (count, what) = if over(deactivates) { (deactivates, "deactivated") } else { (creates, "made") };
    over(count).then(|| {
        format!(
            "{count} accounts would be {what}{within}, more than the {} that `guard.max_changes` allows without consent",
            policy.max_changes
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(creates: u64, deactivates: u64, linked: u64, expected: Option<&str>) {
        let found = held(Tally { creates, deactivates }, linked, Mass::Job, &GuardPolicy::default());
        match (expected, &found) {
            (None, None) => {}
            (Some(text), Some(found)) if found.contains(text) => {}
            _ => panic!("{creates} creates, {deactivates} deactivates of {linked}: {found:?}"),
        }
    }

    #[test]
    fn few_changes_need_no_consent_and_many_do() {
        check(0, 0, 0, None);
        check(0, 5, 5, None);
        check(0, 6, 5, Some("6 of 5 linked accounts"));
        check(0, 20, 100, None);
        check(0, 21, 100, Some("more than the 20%"));
        check(0, 200, 10_000, None);
        check(0, 201, 10_000, Some("201 accounts would be deactivated"));
        check(200, 0, 0, None);
        check(201, 0, 0, Some("201 accounts would be made"));
        check(u64::MAX, u64::MAX, u64::MAX, Some("would be deactivated"));
    }

    #[test]
    fn a_guard_that_is_off_holds_nothing() {
        let off = GuardPolicy { enabled: false, ..GuardPolicy::default() };
        let tally = Tally { creates: 1_000_000, deactivates: 1_000_000 };
        assert_eq!(held(tally, 1_000_000, Mass::Events, &off), None);
        assert!(held(tally, 1_000_000, Mass::Events, &GuardPolicy::default()).is_some());
    }
}
