//! What a request is to do: fixed when it is made, sealed by a digest, carried out step by step.

use crate::{Account, AccountId, Digest, UserId};
use gatehouse_schema::{Attributes, Status};
use serde::{Deserialize, Serialize};

/// A value with the digest of it that approvals and logs name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed<T> {
    /// What is sealed.
    pub content: T,
    /// The digest of its JSON.
    pub digest: Digest,
}

impl<T: Serialize> Sealed<T> {
    /// Seals a value.
    pub fn new(content: T) -> Self {
        let digest = Digest::of_json(&content);
        Self { content, digest }
    }

    /// Whether the content is still what was sealed.
    pub fn is_intact(&self) -> bool {
        self.digest == Digest::of_json(&self.content)
    }
}

/// The intended change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Steps to carry out on one account, in order.
    Account {
        /// Its external id; none for one that is yet to be made.
        external_id: Option<String>,
        /// What to do.
        steps: Vec<CommitStep>,
        /// The frozen flag that holds afterwards; none: as it was.
        frozen: Option<bool>,
        /// Whether its user was frozen too when this was planned: then a Freeze ends with the user's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        with_user: bool,
    },
    /// Read one account.
    Read {
        /// Its external id.
        external_id: String,
    },
    /// Collect, analyse and link; the plan is sealed in the run.
    Reconcile,
    /// Change a link.
    Link(LinkChange),
    /// Nothing: an event asked for something that could not be planned. The request has failed with the reason.
    Unplanned,
}

/// One call of `commit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitStep {
    /// Make an account.
    Create(Desired),
    /// Give the listed attributes these values.
    Update(Attributes),
    /// Make it usable or unusable.
    SetStatus(Status),
    /// Remove it.
    Remove,
}

/// What to make of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// What its owner is to sign in with.
    pub username: String,
    /// The attributes it is to have.
    pub attributes: Attributes,
    /// Whether it is to be usable.
    pub status: Status,
}

/// A change of a link by an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkChange {
    /// Tie the account to a user.
    Link {
        /// The account.
        account: AccountId,
        /// The user.
        user: UserId,
    },
    /// Untie it.
    Unlink {
        /// The account.
        account: AccountId,
    },
    /// Leave it alone from now on.
    Ignore {
        /// The account.
        account: AccountId,
    },
}

impl Change {
    /// Sets or lifts our flag, if that is part of the change: whether it is. What was frozen is unusable in the target,
    /// and stays so where the change does not make it usable again.
    pub fn freeze(&self, account: &mut Account) -> bool {
        let Self::Account { frozen: Some(frozen), with_user, steps, .. } = self else { return false };
        if !frozen && steps.is_empty() {
            account.status = account.expected_status();
        }
        account.frozen = *frozen;
        account.frozen_with_user = *frozen && *with_user;
        true
    }

    /// The step to carry out next, after so many.
    pub fn step(&self, done: u32) -> Option<&CommitStep> {
        match self {
            Self::Account { steps, .. } => steps.get(done as usize),
            _ => None,
        }
    }
}
