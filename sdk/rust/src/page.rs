//! What collecting gives: pages of accounts, records that could not be read, and how to go on. A page never says
//! that it was the last one unless that is certain.

use crate::Account;

/// What to collect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Which accounts, in the target's own language, from the app's configuration; none: all.
    pub filter: Option<String>,
    /// Where to go on; none at first.
    pub cursor: Option<String>,
    /// The attributes to return; empty: all.
    pub attributes: Vec<String>,
    /// The most accounts to return.
    pub limit: u32,
}

/// A record of the target that could not be read as an account. The rest of its page still counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its external id, if that much could be read.
    pub external_id: Option<String>,
    /// Why it could not be read.
    pub why: String,
}

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more: collect again with this cursor (opaque; at most 64 KiB).
    More(String),
    /// That was all. Only then does the absence of an account mean anything.
    Complete,
    /// There may be more, but it cannot be had, for this reason. Absences mean nothing.
    Partial(String),
}

/// One page of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The accounts, at most as many as asked for.
    pub accounts: Vec<Account>,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// How many accounts there are in all, if the target says.
    pub estimate: Option<u64>,
    /// How to go on.
    pub next: Next,
}

impl Page {
    /// A page of these accounts, with nothing after it.
    pub fn complete(accounts: Vec<Account>) -> Self {
        Self { accounts, faults: Vec::new(), estimate: None, next: Next::Complete }
    }

    /// A page of these accounts, with more to be had at the cursor.
    pub fn more(accounts: Vec<Account>, cursor: impl Into<String>) -> Self {
        Self { accounts, faults: Vec::new(), estimate: None, next: Next::More(cursor.into()) }
    }
}
