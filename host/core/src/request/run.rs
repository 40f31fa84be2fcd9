//! Reconciliation runs: how far one has got, and the rows it has staged.

use crate::{AccountId, Digest, Operation, RequestId, Situation, UserId};
use gatehouse_schema::Account as RemoteAccount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a reconciliation has got. Each number advances in the same commit as the rows it speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Pages stored.
    pub pages: u64,
    /// The cursor of the page to fetch next; none before the first page, and after the last.
    pub cursor: Option<String>,
    /// Rows staged: collected accounts, then absent accounts and missing users that the analysis adds.
    pub rows: u64,
    /// Rows that were collected, of those.
    pub collected: u64,
    /// Collected rows that differ from what is known.
    pub changed: u64,
    /// Records of the target that could not be read.
    pub faults: u64,
    /// How many accounts the target said it has.
    pub estimate: Option<u64>,
    /// Whether the collection saw everything; none while it goes on.
    pub completeness: Option<Completeness>,
    /// Whether a custom process supplied the rows.
    pub supplied: bool,
    /// How often the collection had to start again.
    pub restarts: u32,
    /// The basis of the analysis, see `App::analysis_basis`; fixed when it starts.
    pub basis: Option<Digest>,
    /// Rows analysed.
    pub analyzed: u64,
    /// Rows by situation.
    pub situations: BTreeMap<Situation, u64>,
    /// Requests that the plan raises, by operation.
    pub planned: BTreeMap<Operation, u64>,
    /// The digest over all verdicts, in order: the plan's seal.
    pub plan: Option<Digest>,
    /// Rows committed.
    pub committed: u64,
    /// Requests raised.
    pub raised: u64,
    /// The lowest number of another request of the app that was unsettled when the collection began.
    #[serde(default)]
    pub oldest_open: Option<RequestId>,
    /// When the collection began.
    pub collecting_since: Option<Timestamp>,
    /// When the plan was sealed.
    pub analyzed_at: Option<Timestamp>,
}

/// Whether a collection saw everything. Absence counts only if it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Everything that the app's filter lets through.
    Complete,
    /// Not everything, for this reason.
    Partial(String),
}

/// What follows a collected page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageNext {
    /// Another page, at this cursor.
    More(String),
    /// Nothing: that was all.
    Complete,
    /// Nothing that can be had, for this reason.
    Partial(String),
}

/// One row of a run: a staging account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingRow {
    /// The running number in its run, from 0.
    pub no: u64,
    /// Where it comes from.
    pub source: StagingSource,
    /// Whether it has to be analysed.
    pub changed: bool,
    /// What the analysis made of it.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StagingSource {
    /// An account of the target, as collected or supplied.
    Account(RemoteAccount),
    /// An account we know that a complete collection did not return; then read by its id.
    Absent {
        /// The account we know.
        account: AccountId,
        /// What the target answered when asked for it: none is not-found, and only then does the absence count.
        read: Option<RemoteAccount>,
    },
    /// A user with access for whom there is no account.
    MissingUser(UserId),
    /// A record that could not be read.
    Fault {
        /// Its external id, if that much could be read.
        external_id: Option<String>,
        /// Why.
        why: String,
    },
}

/// What the analysis made of a row: part of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The verdict.
    pub situation: Situation,
    /// Why, where the situation alone does not say it.
    #[serde(default)]
    pub why: Option<String>,
    /// The user it is, or would be, tied to.
    #[serde(default)]
    pub user: Option<UserId>,
    /// The account record we have of it.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Attributes that differ from what they should be.
    #[serde(default)]
    pub drift: Vec<String>,
    /// What to do about it besides noting it.
    #[serde(default)]
    pub action: StagedAction,
}

/// What a plan does about a row, besides noting what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StagedAction {
    /// Nothing.
    #[default]
    None,
    /// Raise a request with this operation.
    Raise(Operation),
}
