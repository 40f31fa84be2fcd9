//! What came of a write whose answer never came: concluded from reading the target, never by writing again blindly.
//! A reading proves, or it does not; where it does not, a person decides.

use crate::analysis::renames;
use crate::{Candidate, CommitStep, Reading, Showed, USERNAME};
use gatehouse_schema::{Account as RemoteAccount, Attributes, Mutability, Schema, Status, drift};
use jiff::Timestamp;

/// The most accounts that are noted of one reading.
const CANDIDATES: usize = 20;

/// The attribute by which accounts are known to be ours, and the value it has on one account: see `mapping::marker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The attribute.
    pub attribute: String,
    /// Its value: the user's number.
    pub value: String,
}

impl Marker {
    /// Whether an account carries it. Case does not count: targets fold it, and numbers stay different.
    pub fn is_on(&self, account: &RemoteAccount) -> bool {
        account.first(&self.attribute).is_some_and(|has| has.trim().eq_ignore_ascii_case(&self.value))
    }
}

/// What reading the target gave.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The account, read by its id; none: the target knows no such account.
    ById {
        /// Its id.
        external_id: String,
        /// The account.
        account: Option<RemoteAccount>,
        /// The revision it had before the write, as far as that is known.
        before: Option<String>,
    },
    /// Accounts found by our marker, and accounts found by the wanted username.
    Search {
        /// The marker; none if the app maps none, or the connector cannot search for it.
        marker: Option<Marker>,
        /// Found by the marker.
        marked: Vec<RemoteAccount>,
        /// Found by the username; none if the connector cannot search for usernames.
        named: Option<Vec<RemoteAccount>>,
    },
    /// There is nothing to read by, for this reason.
    NoWay(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was done: the account as it is now, none if it was removed.
    Done(Option<RemoteAccount>),
    /// It was not done, and can be tried again: the account as it is now.
    NotDone(Option<RemoteAccount>),
    /// The account is not there any more: there is nothing that could be changed.
    Gone,
    /// It cannot be told whose doing the target's state is. A person has to look.
    Unprovable(String),
}

/// What a reading shows, and how to tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What came of the step.
    pub resolution: Resolution,
    /// The story of the reading.
    pub reading: Reading,
}

/// Concludes what came of a step from what reading gave.
pub fn resolve(step: &CommitStep, schema: &Schema, evidence: Evidence, at: Timestamp) -> Looked {
    let asked = asked(step, &evidence);
    let found = candidates(&evidence);
    let (resolution, why) = match (step, evidence) {
        (_, Evidence::NoWay(why)) => (Resolution::Unprovable(why.clone()), why),
        (CommitStep::Create(_), Evidence::Search { marker, marked, named }) => {
            resolve_create(marker.as_ref(), marked, named)
        }
        (CommitStep::Create(_), Evidence::ById { .. }) => {
            unprovable("a new account cannot be read by an id that nobody knows".to_owned())
        }
        (step, Evidence::ById { account, before, .. }) => by_id(step, schema, account, before.as_deref()),
        (_, Evidence::Search { .. }) => unprovable("the account was not read by its id".to_owned()),
    };
    let showed = match &resolution {
        Resolution::Done(_) => Showed::Made,
        Resolution::NotDone(_) => Showed::NotMade,
        Resolution::Gone => Showed::Gone,
        Resolution::Unprovable(_) => Showed::Unclear,
    };
    Looked { resolution, reading: Reading { at, asked, found, showed, why } }
}

type Concluded = (Resolution, String);

fn unprovable(why: String) -> Concluded {
    (Resolution::Unprovable(why.clone()), why)
}

fn by_id(step: &CommitStep, schema: &Schema, account: Option<RemoteAccount>, before: Option<&str>) -> Concluded {
    let Some(account) = account.filter(|account| account.status != Status::Deleted) else {
        return match step {
            CommitStep::Remove => (Resolution::Done(None), "the account is not there any more".to_owned()),
            _ => (Resolution::Gone, "the account is not there any more".to_owned()),
        };
    };
    match step {
        CommitStep::Update(wanted) => updated(wanted, schema, account, before),
        CommitStep::SetStatus(wanted) if account.status == *wanted => {
            let why = format!("the account is {wanted:?}");
            (Resolution::Done(Some(account)), why)
        }
        CommitStep::SetStatus(wanted) => {
            let why = format!("the account is {:?}, not {wanted:?}", account.status);
            (Resolution::NotDone(Some(account)), why)
        }
        _ => (Resolution::NotDone(Some(account)), "the account is still there".to_owned()),
    }
}

/// An update was made if every attribute reads as wanted, and was not if one does not. An attribute that cannot be
/// read proves nothing, unless the account is of the very version that it had before.
fn updated(wanted: &Attributes, schema: &Schema, account: RemoteAccount, before: Option<&str>) -> Concluded {
    let mut differs = drift(schema, wanted, &account.attributes);
    if renames(wanted, &account) {
        differs.push(USERNAME.to_owned());
    }
    if !differs.is_empty() {
        let why = format!("the account differs from what was wanted in {}", differs.join(", "));
        return (Resolution::NotDone(Some(account)), why);
    }
    let unseen: Vec<&str> =
        wanted.keys().map(String::as_str).filter(|name| !is_seen(name, wanted, schema, &account)).collect();
    if unseen.is_empty() {
        return (Resolution::Done(Some(account)), "the account is as wanted".to_owned());
    }
    if before.is_some() && before == account.revision.as_deref() {
        let why = "the account is of the version that it had before".to_owned();
        return (Resolution::NotDone(Some(account)), why);
    }
    unprovable(format!(
        "the target does not return {}, so that reading cannot show whether it was set",
        unseen.join(", ")
    ))
}

fn is_seen(name: &str, wanted: &Attributes, schema: &Schema, account: &RemoteAccount) -> bool {
    let comparable = schema
        .get(name)
        .is_some_and(|definition| matches!(definition.mutability, Mutability::ReadWrite | Mutability::Immutable));
    // What is to be empty and is not returned is empty.
    let is_listed = account.attributes.contains_key(name) || wanted.get(name).is_some_and(Vec::is_empty);
    name == USERNAME || (comparable && is_listed)
}

/// Only a marker proves that an account is ours: a username may have been taken by somebody else. That there is no
/// account is only proven by searching for the username: a target may drop the marker.
fn resolve_create(marker: Option<&Marker>, marked: Vec<RemoteAccount>, named: Option<Vec<RemoteAccount>>) -> Concluded {
    let searched_names = named.is_some();
    let (mut ours, others) = sorted(marker, marked, named.unwrap_or_default());
    match (ours.pop(), ours.len(), others.first()) {
        (Some(account), 0, _) => {
            let why = format!("account {} carries our marker", account.external_id);
            (Resolution::Done(Some(account)), why)
        }
        (Some(_), more, _) => unprovable(format!("{} accounts carry our marker", more + 1)),
        (None, _, Some(other)) => {
            let (name, id) = (&other.username, &other.external_id);
            let whose = match marker {
                Some(_) => " that does not carry our marker",
                None => ", and no attribute is mapped that would mark it as ours",
            };
            unprovable(format!("the target has an account named `{name}` (id {id}){whose}"))
        }
        (None, _, None) if searched_names => (Resolution::NotDone(None), "there is no such account".to_owned()),
        (None, _, None) => unprovable(
            "no account carries our marker, which the target may not keep, and the connector cannot search for \
             usernames"
                .to_owned(),
        ),
    }
}

/// The accounts that carry our marker, each once, and the others. A search that finds what it was not asked for
/// proves nothing by that, and an account that the target keeps as deleted is nobody's.
fn sorted(
    marker: Option<&Marker>,
    marked: Vec<RemoteAccount>,
    named: Vec<RemoteAccount>,
) -> (Vec<RemoteAccount>, Vec<RemoteAccount>) {
    let is_ours = |account: &RemoteAccount| marker.is_some_and(|marker| marker.is_on(account));
    let (mut ours, mut others): (Vec<RemoteAccount>, Vec<RemoteAccount>) = Default::default();
    let marked = marked.into_iter().filter(is_ours);
    for account in marked.chain(named).filter(|account| account.status != Status::Deleted) {
        let list = if is_ours(&account) { &mut ours } else { &mut others };
        if !list.iter().any(|other| other.external_id == account.external_id) {
            list.push(account);
        }
    }
    (ours, others)
}

fn asked(step: &CommitStep, evidence: &Evidence) -> String {
    match (evidence, step) {
        (Evidence::ById { external_id, .. }, _) => format!("account {external_id}"),
        (Evidence::Search { marker, named, .. }, step) => {
            let marker = marker.as_ref().map(|marker| format!("{} `{}`", marker.attribute, marker.value));
            let name = match step {
                CommitStep::Create(desired) if named.is_some() => Some(format!("{USERNAME} `{}`", desired.username)),
                _ => None,
            };
            let by: Vec<String> = marker.into_iter().chain(name).collect();
            format!("accounts with {}", by.join(", or with "))
        }
        (Evidence::NoWay(_), _) => "nothing".to_owned(),
    }
}

fn candidates(evidence: &Evidence) -> Vec<Candidate> {
    let of = |account: &RemoteAccount, marked| Candidate {
        external_id: account.external_id.clone(),
        username: account.username.clone(),
        status: account.status,
        marked,
    };
    match evidence {
        Evidence::ById { account, .. } => account.iter().map(|account| of(account, None)).collect(),
        Evidence::Search { marker, marked, named } => {
            let (ours, others) = sorted(marker.as_ref(), marked.clone(), named.clone().unwrap_or_default());
            let mark = |is| marker.as_ref().map(|_| is);
            let ours = ours.iter().map(|account| of(account, mark(true)));
            ours.chain(others.iter().map(|account| of(account, mark(false)))).take(CANDIDATES).collect()
        }
        Evidence::NoWay(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
