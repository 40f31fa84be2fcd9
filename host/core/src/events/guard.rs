//! The guard against mass changes: a profile taken from an app by mistake must not empty it. It says whether what an
//! event or a job would do is too much to be done without somebody's consent; it never counts itself.

use crate::{App, Capability, Description, Operation};
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
    /// The most accounts that jobs and events within the window may make, bring back or deactivate.
    pub max_changes: u64,
    /// The largest share of the app's linked accounts, in percent, that may be deactivated so.
    pub max_percent: u8,
    /// The window, in minutes.
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
            Operation::Create | Operation::Activate | Operation::Reactivate => self.creates += 1,
            Operation::Deactivate | Operation::Delete => self.deactivates += 1,
            _ => {}
        }
    }

    /// Counts what another one has counted.
    pub fn append(&mut self, other: Self) {
        self.creates += other.creates;
        self.deactivates += other.deactivates;
    }

    /// With what was done before, of the kinds that it adds to: whoever only makes accounts does not answer for those
    /// that others deactivate.
    fn upon(self, before: Self) -> Self {
        let sum = |now: u64, before: u64| if now > 0 { now.saturating_add(before) } else { 0 };
        Self { creates: sum(self.creates, before.creates), deactivates: sum(self.deactivates, before.deactivates) }
    }
}

/// Why so many changes of an app with so many linked accounts wait for consent, after what was done without any within
/// the window; none if they need none.
pub fn held(tally: Tally, before: Tally, linked: u64, policy: &GuardPolicy) -> Option<String> {
    if !policy.enabled {
        return None;
    }
    let whole = tally.upon(before);
    let within = if whole == tally { String::new() } else { format!(" within {} minutes", policy.window_minutes) };
    let Tally { creates, deactivates } = whole;
    let share = u128::from(deactivates) * 100 > u128::from(linked) * u128::from(policy.max_percent);
    if deactivates > policy.always_allowed && share {
        return Some(format!(
            "{deactivates} accounts would be deactivated{within}, more than the {}% of the {linked} linked ones that \
             `guard.max_percent` allows without consent",
            policy.max_percent
        ));
    }
    let over = |count: u64| count > policy.max_changes.max(policy.always_allowed);
    let (count, what) =
        if over(deactivates) { (deactivates, "deactivated") } else { (creates, "made or brought back") };
    over(count).then(|| {
        format!(
            "{count} accounts would be {what}{within}, more than the {} that `guard.max_changes` allows without consent",
            policy.max_changes
        )
    })
}

/// Why accounts of an app are not made yet: nobody has looked who has one, and a second one is not easily got rid of.
/// None once a reconciliation has come to its end, or where the connector can collect nothing.
pub fn held_unsurveyed(app: &App, connector: &Description, operation: Operation) -> Option<String> {
    let looked = app.surveyed || !connector.capabilities.contains(&Capability::Reconcile);
    (operation == Operation::Create && app.config.guard.enabled && !looked).then(|| {
        format!(
            "no reconciliation has looked yet who has an account in app `{0}`: `gatehouse app reconcile {0}` and commit \
             its plan before you consent, or consent at once if the target is empty",
            app.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{app, description};

    const NOTHING: Tally = Tally { creates: 0, deactivates: 0 };

    fn check(creates: u64, deactivates: u64, linked: u64, expected: Option<&str>) {
        let found = held(Tally { creates, deactivates }, NOTHING, linked, &GuardPolicy::default());
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
        check(0, 6, 5, Some("more than the 20% of the 5 linked ones"));
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
        assert_eq!(held(tally, NOTHING, 1_000_000, &off), None);
        assert!(held(tally, NOTHING, 1_000_000, &GuardPolicy::default()).is_some());
    }

    #[test]
    fn small_masses_within_the_window_add_up_and_each_kind_by_itself() {
        let before = Tally { creates: 150, deactivates: 150 };
        let held = |creates, deactivates| {
            held(Tally { creates, deactivates }, before, 10_000, &GuardPolicy::default()).unwrap_or_default()
        };
        assert_eq!(held(50, 0), "");
        let text = "201 accounts would be made or brought back within 60 minutes, more than the 200 that \
                    `guard.max_changes` allows without consent";
        assert_eq!(held(51, 0), text);
        assert!(held(1, 51).starts_with("201 accounts would be deactivated within 60 minutes"));
    }

    #[test]
    fn bringing_back_counts_as_making_and_freezing_as_nothing() {
        let mut tally = NOTHING;
        Operation::ALL.into_iter().for_each(|operation| tally.add(operation));
        // Create, Activate, Reactivate; Deactivate, Delete.
        assert_eq!(tally, Tally { creates: 3, deactivates: 2 });
    }

    #[test]
    fn before_anybody_has_looked_no_account_is_made() {
        let why = |app: &App, operation| held_unsurveyed(app, &description(), operation);
        let fresh = App { surveyed: false, ..app() };
        assert!(why(&fresh, Operation::Create).is_some_and(|why| why.contains("gatehouse app reconcile hr")));
        assert_eq!(why(&fresh, Operation::Deactivate), None, "what is known to be there may go");
        assert_eq!(why(&App { surveyed: true, ..fresh.clone() }, Operation::Create), None);
        let mut off = fresh.clone();
        off.config.guard.enabled = false;
        assert_eq!(why(&off, Operation::Create), None);
        let mut blind = description();
        blind.capabilities.remove(&Capability::Reconcile);
        assert_eq!(held_unsurveyed(&fresh, &blind, Operation::Create), None, "it can never be reconciled");
    }
}
