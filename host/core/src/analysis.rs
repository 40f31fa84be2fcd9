//! The analysis of a reconciliation: whose each account of a run is, who has none, and what follows. Two passes over
//! the run's rows: a [`Survey`] notes who claims whom, then the [`Analysis`] gives each row its verdict, in any order.
//! It works by index, never by comparing every account with every user; it links nobody itself (`apply_verdict` says
//! what committing a row comes to), and a connector's judgement only ever makes it more careful.

mod claims;
mod commit;
mod conditions;
mod directory;
mod overtaken;
mod plan;
mod reading;
mod unchanged;
mod verdict;

pub use commit::{CommitContext, apply_verdict};
pub use directory::{Candidates, MAX_CANDIDATES, UserFacts, UserIndex, UserIndexBuilder};
pub use overtaken::{outdated, overtaken};
pub(crate) use plan::renames;
pub use plan::{PlanDigest, absence_guard, is_expected, standard_judgement, with_username};
pub use reading::as_remote;
pub use unchanged::{holds_nothing_new, leaves_nothing_open, mark, saw_the_end_of};

use crate::linking::{LinkRule, Normalisation, normalise};
use crate::{Account, App, Operation, ReconcilePolicy, Situation, UserId};
use claims::{Claims, Strength};
use gatehouse_schema::{Account as RemoteAccount, Schema};
use reading::{Reading, Slot};
use std::collections::{BTreeSet, HashSet};

/// What an analysis is made under; fixed for a run.
#[derive(Clone, Debug)]
pub struct Terms {
    linking: Vec<LinkRule>,
    protected: HashSet<String>,
    policy: ReconcilePolicy,
    operations: BTreeSet<Operation>,
    schema: Schema,
}

impl Terms {
    /// The terms of an app. `possible` are the operations of its connector (`Connector::operations`).
    pub fn new(app: &App, possible: &BTreeSet<Operation>, schema: Schema) -> Self {
        let config = &app.config;
        Self {
            linking: config.linking.clone(),
            protected: config.protected.iter().filter_map(|name| folded(name)).collect(),
            policy: config.reconcile.clone(),
            operations: config.operations.intersection(possible).copied().collect(),
            schema,
        }
    }

    fn is_protected(&self, username: &str) -> bool {
        folded(username).is_some_and(|name| self.protected.contains(&name))
    }
}

/// A username as protected ones are compared: without regard to case and white space, whatever the linking rules.
fn folded(username: &str) -> Option<String> {
    normalise(&Normalisation::default(), username)
}

/// The first pass: notes which account claims which user. Rows may come in any order.
#[derive(Debug)]
pub struct Survey {
    terms: Terms,
    people: UserIndex,
    claims: Vec<claims::Claim>,
    /// Per user: whether any account may be theirs.
    covered: Vec<bool>,
    /// Keys shared by more users than anybody looks at, whose users are covered already.
    crowds: HashSet<usize>,
}

impl Survey {
    /// A survey of accounts against these people.
    pub fn new(terms: Terms, people: UserIndex) -> Self {
        let covered = vec![false; people.len()];
        Self { terms, people, claims: Vec::new(), covered, crowds: HashSet::new() }
    }

    /// Notes a row: an account of the target, and the record we have of it. Accounts that the collection missed and
    /// that were found by reading are rows like any other.
    pub fn row(&mut self, account: &RemoteAccount, known: Option<&Account>) {
        // What the connector began to ignore was somebody's, and may be again: nobody gets that user unasked.
        let ignored = known.filter(|known| known.situation == Situation::Excluded && !known.is_known_link);
        let was = ignored.and_then(|known| self.people.slot(known.user?));
        self.claim(was, Strength::IN_DOUBT, false, account);
        match reading::read(&self.terms, &self.people, account, known) {
            Reading::Gone | Reading::Nobody => {}
            Reading::Protected | Reading::LeftAlone => {
                // Its user has an account, whether or not it is ours to change; another would collide with it. One
                // that an administrator has untied from its user says nothing about anybody.
                let untied = known.is_some_and(reading::is_untied);
                if !untied {
                    self.cover(known.and_then(|known| self.people.slot(known.user?)));
                    self.cover_found(account);
                }
            }
            Reading::Manual(user) => self.claim([user], Strength::MANUAL, true, account),
            Reading::Retained(user) => self.claim([user], Strength::RETAINED, true, account),
            Reading::Doubted { held, found } => {
                self.claim([held], Strength::IN_DOUBT, false, account);
                self.claim(found.users, Strength::of_rule(found.rule), false, account);
                self.cover_found(account);
            }
            Reading::Found(found) => {
                let sole = found.sole().is_some();
                self.claim(found.users, Strength::of_rule(found.rule), sole, account);
                self.cover_found(account);
            }
        }
    }

    /// Notes an account we know that has no row in this run, because the collection was not complete: it is taken to
    /// be there as it was.
    pub fn unseen(&mut self, known: &Account) {
        if let Some(account) = is_expected(known).then(|| reading::as_remote(known)).flatten() {
            self.row(&account, Some(known));
        }
    }

    /// Ends the first pass. Only if the collection was complete can anybody be said to have no account.
    pub fn finish(self, complete: bool) -> Analysis {
        let Self { terms, people, claims, covered, .. } = self;
        Analysis { terms, people, claims: Claims::new(claims), covered, complete }
    }

    fn claim(
        &mut self,
        users: impl IntoIterator<Item = Slot>,
        strength: Strength,
        sole: bool,
        account: &RemoteAccount,
    ) {
        for user in users {
            self.cover(Some(user));
            self.claims.push(claims::Claim::new(user, strength, sole, account));
        }
    }

    fn cover(&mut self, user: Option<Slot>) {
        if let Some(covered) = user.and_then(|user| self.covered.get_mut(user as usize)) {
            *covered = true;
        }
    }

    /// Covers all users the account's strongest rule finds, even those beyond the ones that are looked at.
    fn cover_found(&mut self, account: &RemoteAccount) {
        let found = self.people.matches(account, &reading::keys_of(&self.terms, account));
        if let Some(users) = found.only {
            users.into_iter().for_each(|user| self.cover(Some(user)));
            return;
        }
        for range in found.ranges {
            if range.len() <= MAX_CANDIDATES || self.crowds.insert(range.start) {
                for user in self.people.slots(range) {
                    if let Some(covered) = self.covered.get_mut(user as usize) {
                        *covered = true;
                    }
                }
            }
        }
    }
}

/// The second pass: gives each row its verdict.
#[derive(Debug)]
pub struct Analysis {
    terms: Terms,
    people: UserIndex,
    claims: Claims,
    covered: Vec<bool>,
    complete: bool,
}

impl Analysis {
    /// The users with access for whom no account may be: each gets a row of its own, and so do those of whom nobody can
    /// tell whether they have. None if the collection was not complete.
    ///
    /// Users who appear in a Duplicate row only are not among them: an account of theirs probably exists, and making
    /// another would settle by accident what an administrator should decide.
    pub fn missing_users(&self) -> impl Iterator<Item = UserId> + '_ {
        let everybody = self.people.people().iter().zip(&self.covered);
        let lacks = |(user, covered): &(&UserFacts, &bool)| self.complete && may_have(user) && !**covered;
        everybody.filter(lacks).map(|(user, _)| user.id)
    }

    /// Whether a user is one of [`Analysis::missing_users`]: if not, the place kept for their account can go.
    pub fn is_missing(&self, user: UserId) -> bool {
        let Some(slot) = self.people.slot(user) else { return false };
        let covered = self.covered.get(slot as usize).copied().unwrap_or(true);
        self.complete && !covered && self.people.facts(user).is_some_and(|user| may_have(&user))
    }
}

fn may_have(user: &UserFacts) -> bool {
    user.has_access() || user.is_undecided()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
