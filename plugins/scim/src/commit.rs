//! Changing users. Each change reads first and says so if nothing had to be done; each answers with the user as the
//! service has it afterwards.

mod create;
mod edit;
mod patch;
mod send;

pub(crate) use create::create;

use crate::client::Scim;
use crate::read::{self, User};
use crate::{error, fields};
use gatehouse_connector::{Attributes, Effect, Failure, Receipt, Status, Target, same_values};

/// Gives the listed attributes these values.
pub(crate) fn update(scim: &Scim<'_>, target: Target<'_>, changes: &Attributes) -> Result<Receipt, Failure> {
    let user = current(scim, target)?;
    let mut edited = edit::Edit::of(&user.json);
    for (name, wanted) in changes {
        if name == "username" {
            edited.set_username(&user.account.username, wanted)?;
            continue;
        }
        let field = fields::by_name(name).ok_or_else(|| Failure::invalid(name, "there is no such attribute"))?;
        let has = user.account.attributes.get(name).map(Vec::as_slice).unwrap_or_default();
        if !same_values(&field.definition(), wanted, has) {
            edited.set(field, wanted)?;
        }
    }
    if edited.is_unchanged() {
        return Ok(Receipt::already_applied(user.account));
    }
    Ok(Receipt::applied(send::changed(scim, target, &user, &edited)?.account))
}

/// Sets `active`. SCIM has no other state of an account.
pub(crate) fn set_status(scim: &Scim<'_>, target: Target<'_>, status: Status) -> Result<Receipt, Failure> {
    if status == Status::Deleted {
        return Err(Failure::unsupported("a SCIM user is removed, not marked as deleted"));
    }
    let user = current(scim, target)?;
    if user.account.status == status {
        return Ok(Receipt::already_applied(user.account));
    }
    let mut edited = edit::Edit::of(&user.json);
    edited.set_active(status == Status::Active);
    let after = send::changed(scim, target, &user, &edited)?;
    if after.account.status != status {
        return Err(Failure::rejected("the service accepted a change of `active`, and did not make it"));
    }
    Ok(Receipt::applied(after.account))
}

/// Removes a user.
pub(crate) fn remove(scim: &Scim<'_>, target: Target<'_>) -> Result<Receipt, Failure> {
    let response = scim.delete(scim.user(target.external_id), target.expected_revision)?;
    if matches!(response.status, 404 | 410) {
        return match read::gone(scim) {
            Failure::NotFound => Ok(Receipt::removed(Effect::AlreadyApplied)),
            failure => Err(failure),
        };
    }
    error::ok(response)?;
    Ok(Receipt::removed(Effect::Applied))
}

/// The user as it is, if it still is what the change was planned against.
fn current(scim: &Scim<'_>, target: Target<'_>) -> Result<User, Failure> {
    let user = read::read(scim, target.external_id)?;
    match (target.expected_revision, user.account.revision.as_deref()) {
        (Some(expected), Some(revision)) if !same_version(expected, revision) => Err(Failure::Stale),
        _ => Ok(user),
    }
}

/// Whether two versions are the same by weak comparison (RFC 9110 section 8.8.3.2): `meta.version` and ETag differ
/// in the mark of weakness on some services.
fn same_version(one: &str, other: &str) -> bool {
    let opaque = |version: &str| version.strip_prefix("W/").unwrap_or(version).trim_matches('"').to_owned();
    opaque(one) == opaque(other)
}
