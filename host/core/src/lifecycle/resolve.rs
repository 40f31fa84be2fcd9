//! What came of a write whose answer never came: concluded from reading the target, never by writing again blindly.

use crate::CommitStep;
use crate::analysis::renames;
use gatehouse_schema::{Account as RemoteAccount, Schema, Status, drift};

/// What reading the target gave.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The account, read by its id; none: the target knows no such account.
    ById(Option<RemoteAccount>),
    /// Accounts that carry our marker, and accounts that have the wanted username.
    Search {
        /// With our marker; none if the app maps no marker (an attribute made of `{id}` alone).
        marked: Option<Vec<RemoteAccount>>,
        /// With the wanted username.
        named: Vec<RemoteAccount>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was done: the account as it is now, none if it was removed.
    Done(Option<RemoteAccount>),
    /// It was not done, and can be tried again.
    NotDone,
    /// It cannot be told whose doing the target's state is. A person has to look.
    Unprovable(String),
}

/// Concludes what came of a step from what reading gave.
pub fn resolve(step: &CommitStep, schema: &Schema, evidence: Evidence) -> Resolution {
    match (step, evidence) {
        (CommitStep::Create(_), Evidence::Search { marked, named }) => resolve_create(marked, named),
        (CommitStep::Create(_), Evidence::ById(_)) => {
            Resolution::Unprovable("a new account cannot be read by an id that nobody knows".to_owned())
        }
        (CommitStep::Remove, Evidence::ById(None)) => Resolution::Done(None),
        (CommitStep::Remove, Evidence::ById(Some(account))) if account.status == Status::Deleted => {
            Resolution::Done(None)
        }
        (CommitStep::Remove, Evidence::ById(Some(_))) => Resolution::NotDone,
        (CommitStep::Update(wanted), Evidence::ById(Some(account))) => {
            // Doing it again gives the same account, so an attribute that is not returned does no harm.
            if drift(schema, wanted, &account.attributes).is_empty() && !renames(wanted, &account) {
                Resolution::Done(Some(account))
            } else {
                Resolution::NotDone
            }
        }
        (CommitStep::SetStatus(wanted), Evidence::ById(Some(account))) => {
            if account.status == *wanted {
                Resolution::Done(Some(account))
            } else {
                Resolution::NotDone
            }
        }
        (CommitStep::Update(_) | CommitStep::SetStatus(_), Evidence::ById(None)) => {
            Resolution::Unprovable("the account is gone from the target".to_owned())
        }
        (_, Evidence::Search { .. }) => Resolution::Unprovable("the account was not read by its id".to_owned()),
    }
}

/// Only a marker proves that an account is ours: a username may have been taken by somebody else.
fn resolve_create(marked: Option<Vec<RemoteAccount>>, named: Vec<RemoteAccount>) -> Resolution {
    let marked_was_asked = marked.is_some();
    let mut marked = marked.unwrap_or_default();
    match (marked.len(), named.len()) {
        (1, _) => Resolution::Done(marked.pop()),
        (0, 0) => Resolution::NotDone,
        (0, _) if marked_was_asked => Resolution::Unprovable(format!(
            "the target has an account named `{}` (id {}) that does not carry our marker",
            named[0].username, named[0].external_id
        )),
        (0, _) => Resolution::Unprovable(format!(
            "the target has an account named `{}` (id {}), and no attribute is mapped that would mark it as ours",
            named[0].username, named[0].external_id
        )),
        (several, _) => Resolution::Unprovable(format!("{several} accounts carry our marker")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::USERNAME;
    use gatehouse_schema::{Attributes, Value};

    #[test]
    fn a_rename_that_did_not_arrive_is_not_taken_for_done() {
        let account = RemoteAccount { username: "old".to_owned(), ..RemoteAccount::default() };
        let to = |name: &str| CommitStep::Update(Attributes::from([(USERNAME.to_owned(), vec![Value::text(name)])]));
        let found = |step| resolve(&step, &Schema::default(), Evidence::ById(Some(account.clone())));
        assert_eq!(found(to("new")), Resolution::NotDone);
        assert_eq!(found(to("OLD")), Resolution::Done(Some(account.clone())));
    }
}
