//! Judging what was collected. Pure: it never does I/O, and it never makes a link; it can only make the host more
//! careful.

use crate::{Account, Attributes, Description, Schema, drift};

/// An account, and what the host would make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The account as it was collected.
    pub account: Account,
    /// The username of the user whom the host proposes to link; none if it found nobody.
    pub user: Option<String>,
    /// The attributes the account would have if it were that user's; empty without a user.
    pub desired: Attributes,
}

/// What is to be done with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing to object: the host's proposal stands.
    Same,
    /// The proposal is doubtful for this reason: not linked without an administrator.
    Doubt(String),
    /// Leave this account alone, for this reason (a built-in administrator, a service account).
    Ignore(String),
}

/// The judgement of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is to be done.
    pub judgement: Judgement,
    /// Names of the attributes whose desired values differ from those the account has.
    pub drift: Vec<String>,
}

/// The standard analysis: objects to nothing, and compares attributes as the connector's schema says.
pub fn standard_analysis(description: &Description, batch: &[Item]) -> Vec<Verdict> {
    let schema = Schema::new(description.attributes.iter().cloned()).unwrap_or_default();
    batch
        .iter()
        .map(|item| Verdict {
            judgement: Judgement::Same,
            drift: drift(&schema, &item.desired, &item.account.attributes),
        })
        .collect()
}
