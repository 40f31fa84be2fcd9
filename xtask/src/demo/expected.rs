//! What has to come of the seed: the situation of each account and each person without one, what a reconciliation
//! raises, and the target's list at the end. Derived from the cases, so that changing the seed changes it too.

use super::seed::{Case, Entry, Person, TargetAccount};
use std::collections::BTreeMap;

/// What the demo does to four people after the reconciliation.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Is hired: an event raises a Create, which somebody approves.
    pub hired: Person,
    /// Gets a new family name, from which an event raises an Update.
    pub renamed: Person,
    /// The new family name.
    pub new_last_name: &'static str,
    /// Is frozen.
    pub frozen: Person,
    /// Leaves.
    pub deactivated: Person,
}

/// An account as it has to be in the target at the end, and what has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The account.
    pub account: TargetAccount,
    /// What has happened to it.
    pub fate: &'static str,
}

impl Changes {
    /// Picks three people with an account like theirs, and makes up the one who is hired.
    pub fn pick(entries: &[Entry]) -> Option<Self> {
        let mut exact = entries.iter().filter(|entry| entry.case == Case::Exact).flat_map(|entry| entry.people.clone());
        let (renamed, frozen, deactivated) = (exact.next()?, exact.next()?, exact.next()?);
        let text = |text: &str| text.to_owned();
        let hired = Person {
            username: text("hedy.lamarr"),
            email: text("hedy.lamarr@example.com"),
            first_name: text("Hedy"),
            last_name: text("Lamarr"),
            active: true,
        };
        Some(Self { hired, renamed, new_last_name: "Newman", frozen, deactivated })
    }
}

/// How many rows the analysis has to find in each situation.
pub fn situations(entries: &[Entry]) -> BTreeMap<&'static str, usize> {
    count(entries.iter().flat_map(|entry| rows_of(entry.case).iter().copied()))
}

/// The situations in each link state.
pub fn link_state(situation: &str) -> &'static str {
    match situation {
        "confirmed" | "found" => "Linked",
        "ambiguous" | "already-linked" => "Duplicate",
        "protected" | "excluded" => "Ignored",
        _ => "Orphaned",
    }
}

/// How many child requests of each operation committing the plan has to raise.
pub fn raised(entries: &[Entry]) -> BTreeMap<&'static str, usize> {
    count(entries.iter().filter_map(|entry| raised_by(entry.case)))
}

/// The target's list at the end, by key.
pub fn target(entries: &[Entry], changes: &Changes) -> BTreeMap<String, Outcome> {
    let mut outcomes = BTreeMap::new();
    for entry in entries {
        for outcome in outcomes_of(entry) {
            outcomes.insert(key(&outcome.account.user_name), outcome);
        }
    }
    let mut change = |person: &Person, fate, edit: &dyn Fn(&mut TargetAccount)| {
        if let Some(outcome) = outcomes.get_mut(&key(&person.username)) {
            edit(&mut outcome.account);
            outcome.fate = fate;
        }
    };
    change(&changes.renamed, "updated by event", &|a| changes.new_last_name.clone_into(&mut a.family_name));
    change(&changes.frozen, "frozen", &|a| a.active = false);
    change(&changes.deactivated, "deactivated", &|a| a.active = false);
    let hired = Outcome { account: TargetAccount::of(&changes.hired), fate: "hired, created on approval" };
    outcomes.insert(key(&changes.hired.username), hired);
    outcomes
}

/// What accounts are told apart by: usernames do not differ in case (RFC 7643 section 4.1.1).
pub fn key(user_name: &str) -> String {
    user_name.trim().to_lowercase()
}

/// A row for each account of the case, in order, and for each person without one.
fn rows_of(case: Case) -> &'static [&'static str] {
    match case {
        Case::Exact | Case::Capitals | Case::WhiteSpace | Case::MailCapitals | Case::MailAlias => &["found"],
        Case::Drifted | Case::LeaverActive | Case::LeaverDone => &["found"],
        // Both match by the same rule, so none of them is the better one.
        Case::OneMailTwice => &["ambiguous", "ambiguous"],
        // The first matches by the stronger rule, so the person has an account.
        Case::SecondAccount => &["found", "already-linked"],
        Case::SharedAccount => &["ambiguous"],
        Case::Orphan => &["unassigned"],
        Case::NoAccount => &["missing"],
        Case::Protected => &["protected"],
    }
}

fn raised_by(case: Case) -> Option<&'static str> {
    match case {
        Case::NoAccount => Some("Create"),
        Case::Drifted | Case::MailAlias => Some("Update"),
        Case::LeaverActive => Some("Deactivate"),
        _ => None,
    }
}

/// The accounts of an entry after the plan has been committed.
fn outcomes_of(entry: &Entry) -> Vec<Outcome> {
    let linked = entry.people.first().zip(entry.accounts.first());
    let wanted = linked.map(|(person, account)| TargetAccount {
        // An update leaves the name alone that somebody signs in with.
        user_name: account.user_name.clone(),
        ..TargetAccount::of(person)
    });
    match (raised_by(entry.case), wanted, entry.people.first()) {
        (Some("Create"), _, Some(person)) => vec![Outcome { account: TargetAccount::of(person), fate: "created" }],
        (Some("Update"), Some(account), _) => vec![Outcome { account, fate: "updated" }],
        (Some("Deactivate"), Some(account), _) => vec![Outcome { account, fate: "deactivated (has left)" }],
        _ => entry.accounts.iter().map(|account| Outcome { account: account.clone(), fate: "as it was" }).collect(),
    }
}

fn count(names: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    names.fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::seed;
    use super::*;

    #[test]
    fn every_account_and_every_person_without_one_has_a_row() {
        for entry in seed::entries() {
            let wanted = entry.accounts.len() + usize::from(entry.case == Case::NoAccount);
            assert_eq!(rows_of(entry.case).len(), wanted, "{:?}", entry.case);
        }
    }

    #[test]
    fn all_link_states_but_manual_ones_are_in_the_demo() {
        let situations = situations(&seed::entries());
        let states: Vec<_> = situations.keys().map(|situation| link_state(situation)).collect();
        assert!(
            ["Linked", "Duplicate", "Orphaned", "Ignored"].iter().all(|state| states.contains(state)),
            "{states:?}"
        );
    }

    #[test]
    fn the_target_ends_with_what_it_had_and_what_was_created() {
        let entries = seed::entries();
        let changes = Changes::pick(&entries).unwrap();
        let outcomes = target(&entries, &changes);
        let before: usize = entries.iter().map(|entry| entry.accounts.len()).sum();
        assert_eq!(outcomes.len(), before + raised(&entries)["Create"] + 1, "and who is hired");
        assert_eq!(outcomes[&changes.renamed.username].account.family_name, changes.new_last_name);
        assert!(!outcomes[&changes.frozen.username].account.active);
        let inactive = outcomes.values().filter(|outcome| !outcome.account.active).count();
        assert_eq!(inactive, 2 + raised(&entries)["Deactivate"] + 1, "two by request, the leavers, one from before");
    }
}
