//! Sending an edit: by PATCH where the service takes it, by PUT of the whole user where it does not, of the version
//! that was read. A PATCH that is refused changed nothing, so finding out by trying is safe.

use super::edit::Edit;
use super::patch;
use crate::client::Scim;
use crate::error;
use crate::options::Pin;
use crate::read::{self, User};
use crate::resource::id_of;
use gatehouse_connector::json::{self, Value as Json};
use gatehouse_connector::{Failure, Method, Response, Target};

/// Sends an edit, and gives the user as it is afterwards.
pub(super) fn changed(scim: &Scim<'_>, target: Target<'_>, user: &User, edit: &Edit) -> Result<User, Failure> {
    let version = target.expected_revision.or(user.account.revision.as_deref());
    let url = scim.user(target.external_id);
    let put = || scim.write(Method::Put, url.clone(), &edit.whole(), version);
    let patch = || scim.write(Method::Patch, url.clone(), &patch::body(edit), version);
    let response = match scim.options.patch {
        Pin::No => put()?,
        Pin::Yes => patch()?,
        Pin::Auto => {
            let response = patch()?;
            if takes_no_patch(scim, &response)? { put()? } else { response }
        }
    };
    if matches!(response.status, 404 | 410) {
        return Err(read::gone(scim));
    }
    let response = error::ok(response)?;
    match id_in(&response) {
        Some(id) if id == target.external_id => read::user_of(&response, &id),
        _ => read::read(scim, target.external_id),
    }
}

/// Whether a refusal means that the service takes no PATCH at all (RFC 7644 section 3.5.2: 501). The service's own
/// word decides where the status could mean something else.
fn takes_no_patch(scim: &Scim<'_>, response: &Response) -> Result<bool, Failure> {
    Ok(match response.status {
        405 | 501 => true,
        400 | 403 | 404 => error::scim_type(response).is_none() && scim.provider()?.patch == Some(false),
        _ => false,
    })
}

/// The id of the user in an answer; none if there is no user in it.
pub(super) fn id_in(response: &Response) -> Option<String> {
    let body: Json = json::from_slice(&response.body).ok()?;
    id_of(&body)
}

/// The id at the end of the Location of an answer (RFC 7644 section 3.3).
pub(super) fn id_in_location(response: &Response) -> Option<String> {
    let location = response.header("location")?.split(['?', '#']).next()?;
    let (_, id) = location.trim_end_matches('/').rsplit_once("/Users/")?;
    percent_decode(id)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        if *byte != b'%' {
            bytes.push(*byte);
            rest = tail;
            continue;
        }
        let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = tail.get(2..)?;
    }
    String::from_utf8(bytes).ok().filter(|id| !id.is_empty())
}
