//! Which accounts of a run claim a user, and how strongly. Order of the rows never matters: claims are sorted before
//! anybody asks.

use super::reading::Slot;
use gatehouse_schema::Account as RemoteAccount;
use sha2::{Digest as _, Sha256};

/// How strongly an account claims a user; less is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Strength(u8);

impl Strength {
    /// By an administrator's link, or our own Create.
    pub(super) const MANUAL: Self = Self(0);
    /// By a link that an earlier run made and nothing contradicts.
    pub(super) const RETAINED: Self = Self(1);
    /// By a link that was made, and that the rules now contradict.
    pub(super) const IN_DOUBT: Self = Self(2);

    /// By a linking rule, by its place.
    pub(super) fn of_rule(rule: usize) -> Self {
        Self(u8::try_from(rule).unwrap_or(u8::MAX).saturating_add(3))
    }
}

/// One account's claim on one user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    user: Slot,
    strength: Strength,
    /// Whether the account claims others too, or is in doubt: then it will not get this one.
    unsure: bool,
    /// What people call the account.
    name: Box<str>,
    /// Which account, by half a digest of its external id: an account collected twice claims once.
    account: [u8; 16],
}

impl Claim {
    pub(super) fn new(user: Slot, strength: Strength, sole: bool, account: &RemoteAccount) -> Self {
        let name = if account.username.is_empty() { &account.external_id } else { &account.username };
        Self { user, strength, unsure: !sole, name: name.as_str().into(), account: identity(account) }
    }
}

fn identity(account: &RemoteAccount) -> [u8; 16] {
    let mut identity = [0; 16];
    identity.copy_from_slice(&Sha256::digest(&account.external_id)[..16]);
    identity
}

/// How an account's claim on a user stands against those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// Nobody claims the user as strongly.
    Wins,
    /// This other account claims the user just as strongly.
    Tied(&'a str),
    /// This other account claims the user more strongly, and will get the user.
    Lost {
        to: &'a str,
        /// Whether it has the user already, rather than being found in this run.
        linked: bool,
    },
    /// Other accounts, this one among them, claim the user more strongly, and none of them will get the user yet.
    Outdone(&'a str),
}

/// All claims of a run.
#[derive(Debug)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    pub(super) fn new(mut claims: Vec<Claim>) -> Self {
        claims.sort_unstable();
        claims.dedup();
        Self(claims)
    }

    /// How an account's claim of this strength on a user stands.
    pub(super) fn standing(&self, user: Slot, strength: Strength, account: &RemoteAccount) -> Standing<'_> {
        let me = identity(account);
        let start = self.0.partition_point(|claim| claim.user < user);
        let mut others = self.0[start..].iter().take_while(|claim| claim.user == user).filter(|c| c.account != me);
        let Some(best) = others.next() else { return Standing::Wins };
        let contested =
            others.next().is_some_and(|next| next.strength == best.strength && next.account != best.account);
        match best.strength.cmp(&strength) {
            std::cmp::Ordering::Greater => Standing::Wins,
            std::cmp::Ordering::Equal => Standing::Tied(&best.name),
            std::cmp::Ordering::Less if best.unsure || contested => Standing::Outdone(&best.name),
            std::cmp::Ordering::Less => Standing::Lost { to: &best.name, linked: best.strength <= Strength::RETAINED },
        }
    }
}
