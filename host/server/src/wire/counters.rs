//! How many of everything an app has, as the store counts it along with what it keeps.

use super::{LinkStateSpelling, StatusSpelling, spelled};
use gatehouse_core::LinkState;
use gatehouse_core::ports::{AccountFigures, RequestFigures};
use gatehouse_core::schema::Status;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How many of everything an app has.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Counters)]
pub struct CountersView {
    /// The app.
    pub app: String,
    /// Its requests.
    pub requests: RequestCountersView,
    /// Its accounts.
    pub accounts: AccountCountersView,
}

/// How many requests an app has.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RequestCounters)]
pub struct RequestCountersView {
    /// How many are in each state.
    pub states: BTreeMap<String, u64>,
    /// How many wait for somebody to say what came of a write.
    pub in_review: u64,
    /// How many wait for an approval.
    pub awaiting_approval: u64,
    /// Since when the first of those waits; null if none does.
    pub awaiting_approval_since: Option<Timestamp>,
}

/// How many accounts an app has.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccountCounters)]
pub struct AccountCountersView {
    /// How many are in each link state and status, where there are any. Those that are missing are not among them.
    pub by_status: Vec<StandingView>,
    /// How many of them are frozen.
    pub frozen: u64,
    /// How many are missing: their users have access, and no account yet.
    pub missing: u64,
}

/// How many accounts are in a link state and a status.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Standing)]
pub struct StandingView {
    /// Whether and how they are tied to users.
    #[schema(value_type = LinkStateSpelling)]
    pub link_state: LinkState,
    /// Whether they can be used.
    #[schema(value_type = StatusSpelling)]
    pub status: Status,
    /// How many there are.
    pub count: u64,
}

impl CountersView {
    /// What the store counted of an app.
    pub fn new(app: String, requests: &RequestFigures, accounts: &AccountFigures) -> Self {
        let standing = |((link_state, status), count): (&(LinkState, Status), &u64)| StandingView {
            link_state: *link_state,
            status: *status,
            count: *count,
        };
        Self {
            app,
            requests: RequestCountersView {
                states: requests.states.iter().map(|(state, count)| (spelled(state), *count)).collect(),
                in_review: requests.in_review,
                awaiting_approval: requests.awaiting,
                awaiting_approval_since: requests.awaiting_since,
            },
            accounts: AccountCountersView {
                by_status: accounts.accounts.iter().map(standing).collect(),
                frozen: accounts.frozen,
                missing: accounts.missing,
            },
        }
    }
}
