//! What one row says by itself, before anybody else's claims are weighed. Both passes read a row the same way.

use super::{Terms, UserIndex};
use crate::linking::account_keys;
use crate::{Account, LinkState, Situation};
use gatehouse_schema::{Account as RemoteAccount, Status};

/// A user by their place in the index.
pub(super) type Slot = u32;

/// The users that a rule finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rule: usize,
    pub(super) users: Vec<Slot>,
    pub(super) more: bool,
}

impl Found {
    /// The user, if it is one alone.
    pub(super) fn sole(&self) -> Option<Slot> {
        match self.users.as_slice() {
            [user] if !self.more => Some(*user),
            _ => None,
        }
    }
}

/// What a row says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The target keeps the account as a deleted one.
    Gone,
    /// The configuration names its username.
    Protected,
    /// An administrator said to leave it, or untied it: it stays as it is.
    LeftAlone,
    /// An administrator, or our own Create, tied it to this user, who is still there.
    Manual(Slot),
    /// An earlier run linked it to this user, and nothing contradicts that.
    Retained(Slot),
    /// An earlier run linked it to `held`, and now the rules find others and not them.
    Doubted { held: Slot, found: Found },
    /// The rules find these.
    Found(Found),
    /// The rules find nobody.
    Nobody,
}

pub(super) fn read(terms: &Terms, people: &UserIndex, account: &RemoteAccount, known: Option<&Account>) -> Reading {
    if known.is_some_and(is_ignored_for_good) {
        return Reading::LeftAlone;
    }
    if terms.is_protected(&account.username) {
        return Reading::Protected;
    }
    if account.status == Status::Deleted {
        return Reading::Gone;
    }
    let keys = keys_of(terms, account);
    if let Some(known) = known {
        if is_untied(known) {
            return Reading::LeftAlone;
        }
        if let Some(user) = known.user.and_then(|user| people.slot(user)) {
            if known.is_linked() && known.is_known_link {
                return Reading::Manual(user);
            }
            if let Some(reading) = held_by_rule(terms, people, account, &keys, known, user) {
                return reading;
            }
        }
    }
    found(people, account, &keys).map_or(Reading::Nobody, Reading::Found)
}

/// What becomes of a link that an earlier run made, or already doubted.
///
/// A doubted link stays doubted while the account shows the same keys, so that a link which was taken away for its
/// contradictions is not made anew, to somebody else, by the very next run.
fn held_by_rule(
    terms: &Terms,
    people: &UserIndex,
    account: &RemoteAccount,
    keys: &[Vec<String>],
    known: &Account,
    held: Slot,
) -> Option<Reading> {
    let same_keys = || account_keys(&terms.linking, &known.username, &known.attributes) == keys;
    let doubted = known.situation == Situation::Ambiguous;
    if !known.is_linked() && !doubted {
        return None;
    }
    let Some(found) = found(people, account, keys) else { return known.is_linked().then_some(Reading::Retained(held)) };
    if found.users.contains(&held) || found.more {
        return known.is_linked().then_some(Reading::Retained(held));
    }
    (known.is_linked() || same_keys()).then_some(Reading::Doubted { held, found })
}

fn found(people: &UserIndex, account: &RemoteAccount, keys: &[Vec<String>]) -> Option<Found> {
    let (rule, users, more) = people.found(account, keys);
    rule.map(|rule| Found { rule, users, more })
}

/// What the linking rules compare of an account, rule by rule.
pub(super) fn keys_of(terms: &Terms, account: &RemoteAccount) -> Vec<Vec<String>> {
    account_keys(&terms.linking, &account.username, &account.attributes)
}

/// Whether an administrator said to ignore the account.
fn is_ignored_for_good(known: &Account) -> bool {
    known.is_known_link && known.link_state == LinkState::Ignored
}

/// Whether an administrator took the account's user away.
pub(super) fn is_untied(known: &Account) -> bool {
    known.is_known_link && known.situation == Situation::Unassigned
}

/// An account we know, as the target last showed it; none for the place of a missing one.
pub fn as_remote(known: &Account) -> Option<RemoteAccount> {
    Some(RemoteAccount {
        external_id: known.external_id.clone()?,
        username: known.username.clone(),
        status: known.expected_status(),
        attributes: known.attributes.clone(),
        revision: known.revision.clone(),
    })
}
