//! The chain of approvals that one request takes: whom it asks was found when the request was opened, and stays what it
//! was. Votes are added to it, and never taken away.

use crate::{Actor, SystemPermission, UserId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Steps, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// All, in order.
    pub steps: Vec<Step>,
    /// How many of them are done.
    #[serde(default)]
    pub done: u32,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Who is asked first, and who is asked if those do not decide in time.
    pub rounds: Vec<Round>,
    /// Which round it is.
    #[serde(default)]
    pub round: u32,
    /// Since when it waits; none: the steps before it are not done.
    #[serde(default)]
    pub opened_at: Option<Timestamp>,
    /// Until when the present round must be decided.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// What people have said, in order.
    #[serde(default)]
    pub votes: Vec<Vote>,
}

/// Whom a step asks at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// In words: `2 of group security`.
    pub asked: String,
    /// Who can vote.
    pub approvers: BTreeSet<UserId>,
    /// What they must still have when they do.
    #[serde(default)]
    pub needs: BTreeSet<SystemPermission>,
    /// How many different persons have to agree.
    pub quorum: u32,
    /// Why others are asked than the configuration names.
    #[serde(default)]
    pub why: Option<String>,
    /// How long they have.
    #[serde(default)]
    pub deadline_seconds: Option<u64>,
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// When.
    pub at: Timestamp,
    /// In which round.
    pub round: u32,
    /// Who, by the token that was used.
    pub by: Actor,
    /// Which person that is; none: a token of the installation itself, whose vote decides alone.
    #[serde(default)]
    pub user: Option<UserId>,
    /// In whose place, as a delegate.
    #[serde(default)]
    pub instead_of: Option<UserId>,
    /// Whether they agreed.
    pub agrees: bool,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Chain {
    /// These steps, none of which is done.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps, done: 0 }
    }

    /// The step that is to be decided; none: all are done.
    pub fn current(&self) -> Option<&Step> {
        self.steps.get(self.done as usize)
    }

    pub(crate) fn current_mut(&mut self) -> Option<&mut Step> {
        self.steps.get_mut(self.done as usize)
    }

    /// Begins the first step that is not done.
    pub(crate) fn open(&mut self, now: Timestamp) {
        if let Some(step) = self.current_mut() {
            step.opened_at = Some(now);
            step.set_deadline(now);
        }
    }

    /// The same questions again, with nothing answered.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.steps.iter().map(|step| Step::new(step.rounds.clone())).collect())
    }
}

impl Step {
    /// A step that has not begun.
    pub fn new(rounds: Vec<Round>) -> Self {
        Self { rounds, round: 0, opened_at: None, deadline: None, votes: Vec::new() }
    }

    /// Who is asked at present.
    pub fn current(&self) -> Option<&Round> {
        self.rounds.get(self.round as usize)
    }

    pub(crate) fn set_deadline(&mut self, now: Timestamp) {
        let seconds = self.current().and_then(|round| round.deadline_seconds);
        self.deadline = seconds.map(|seconds| {
            let time = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            now.checked_add(time).unwrap_or(Timestamp::MAX)
        });
    }

    /// The votes that count at present.
    pub(crate) fn counting(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(|vote| vote.round == self.round)
    }

    /// Everybody who has voted in this round, or in whose place somebody has: none of them counts once more.
    pub(crate) fn involved(&self) -> BTreeSet<UserId> {
        self.counting().flat_map(|vote| vote.user.into_iter().chain(vote.instead_of)).collect()
    }

    /// Whether enough have agreed. A token of the installation itself decides alone.
    pub(crate) fn is_agreed(&self) -> bool {
        let agreeing = || self.counting().filter(|vote| vote.agrees);
        let persons: BTreeSet<UserId> = agreeing().filter_map(|vote| vote.user).collect();
        let quorum = self.current().map_or(1, |round| round.quorum.max(1)) as usize;
        agreeing().any(|vote| vote.user.is_none()) || persons.len() >= quorum
    }
}
