//! Reading one user. A service that answers 404 has to show that it knows users at all before one counts as gone: a
//! wrong base_url answers 404 to everything.

use crate::client::Scim;
use crate::error;
use crate::list::Ask;
use crate::resource::{version_of, whole_account_of};
use gatehouse_connector::json::Value as Json;
use gatehouse_connector::{Account, Failure, Response};

/// A user, as JSON and as an account.
pub(crate) struct User {
    /// As the service has it.
    pub json: Json,
    /// As Gatehouse sees it.
    pub account: Account,
}

/// Reads one user.
pub(crate) fn read(scim: &Scim<'_>, id: &str) -> Result<User, Failure> {
    let response = scim.get(scim.user(id))?;
    if matches!(response.status, 404 | 410) {
        return Err(gone(scim));
    }
    user_of(&error::ok(response)?, id)
}

/// The failure that a 404 of a user's address means.
pub(crate) fn gone(scim: &Scim<'_>) -> Failure {
    match (Ask { count: 1, ..Ask::default() }).at_index(scim, 1) {
        Ok(_) => Failure::NotFound,
        Err(failure) => failure,
    }
}

/// The user in an answer, which must be the one of this id.
pub(crate) fn user_of(response: &Response, id: &str) -> Result<User, Failure> {
    let json = response.json()?;
    let mut account = whole_account_of(&json).map_err(|fault| {
        Failure::rejected(format!("the service returned a user that makes no sense: {}", fault.why))
    })?;
    if account.external_id != id {
        return Err(Failure::rejected("the service returned another user than the one asked for"));
    }
    account.revision = version_of(&json, Some(response));
    Ok(User { json, account })
}
