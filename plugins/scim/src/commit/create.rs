//! Making a user. If the service says that one exists already, it is looked for (by userName, then by externalId),
//! never guessed: one that carries our externalId is the one that was to be made.

use super::edit::Edit;
use super::send;
use crate::client::Scim;
use crate::fields::{self, CORE};
use crate::read::{self, User};
use crate::{error, find};
use gatehouse_connector::json::json;
use gatehouse_connector::{Account, Desired, Failure, Method, Receipt, Response, Status, Target};

/// Makes a user.
pub(crate) fn create(scim: &Scim<'_>, desired: &Desired) -> Result<Receipt, Failure> {
    let nothing = json!({ "schemas": [CORE], "userName": desired.username });
    let mut edited = Edit::of(&nothing);
    edited.set_active(desired.status == Status::Active);
    for (name, values) in &desired.attributes {
        let field = fields::by_name(name).ok_or_else(|| Failure::invalid(name, "there is no such attribute"))?;
        edited.set(field, values)?;
    }
    let response = scim.write(Method::Post, scim.users(), &edited.whole(), None)?;
    match error::ok(response) {
        Ok(response) => made(scim, &response, desired),
        Err(Failure::Conflict(_)) => in_the_way(scim, desired),
        Err(failure) => Err(failure),
    }
}

/// The user that was made. A service that ignores `active` when it makes one is told again.
fn made(scim: &Scim<'_>, response: &Response, desired: &Desired) -> Result<Receipt, Failure> {
    let user = match send::id_in(response) {
        Some(id) => read::user_of(response, &id)?,
        None => read::read(scim, &send::id_in_location(response).ok_or_else(no_id)?)?,
    };
    let User { account, .. } = user;
    if account.status == desired.status {
        return Ok(Receipt::applied(account));
    }
    let target = Target { idempotency_key: "", external_id: &account.external_id, expected_revision: None };
    let account = super::set_status(scim, target, desired.status)?.account.unwrap_or(account);
    Ok(Receipt::applied(account))
}

fn no_id() -> Failure {
    Failure::Unavailable("the service made a user and does not say which".to_owned())
}

/// Looks for the user in the way. That there is one is certain, even where it cannot be looked for.
fn in_the_way(scim: &Scim<'_>, desired: &Desired) -> Result<Receipt, Failure> {
    let ours = desired.attributes.get("externalId").and_then(|values| values.first()).map(|v| v.text.trim());
    let ours = ours.filter(|id| !id.is_empty());
    let is_ours = |account: &Account| ours.is_some() && account.first("externalId") == ours;
    let by_name = look_for(scim, "username", &desired.username)?;
    if let Some(account) = by_name.iter().find(|account| is_ours(account)).or(by_name.first()) {
        return if is_ours(account) {
            Ok(Receipt::already_applied(account.clone()))
        } else {
            Err(Failure::Conflict(Some(account.external_id.clone())))
        };
    }
    let Some(ours) = ours else { return Err(Failure::Conflict(None)) };
    match look_for(scim, "externalId", ours)?.into_iter().next() {
        Some(account) => Ok(Receipt::already_applied(account)),
        None => Err(Failure::Conflict(None)),
    }
}

fn look_for(scim: &Scim<'_>, attribute: &str, value: &str) -> Result<Vec<Account>, Failure> {
    match find::find(scim, attribute, value) {
        Err(failure) if !failure.is_transient() => {
            scim.journal().warn("the user in the way cannot be looked for", &[("why", &failure.to_string())]);
            Ok(Vec::new())
        }
        found => found,
    }
}
