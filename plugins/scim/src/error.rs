//! SCIM errors (RFC 7644 section 3.12): what a status and a scimType together mean. `scimType` is believed where it
//! says more than the status.

use crate::resource::member;
use gatehouse_connector::json::{self, Value as Json};
use gatehouse_connector::{Failure, Response};

/// The scimType of an error answer; none if it names none.
pub(crate) fn scim_type(response: &Response) -> Option<String> {
    let body: Json = json::from_slice(&response.body).ok()?;
    member(&body, "scimType")?.as_str().map(str::to_ascii_lowercase)
}

/// The answer if it is a success.
pub(crate) fn ok(response: Response) -> Result<Response, Failure> {
    if response.is_success() { Ok(response) } else { Err(failure(&response)) }
}

/// What an answer that is no success means.
pub(crate) fn failure(response: &Response) -> Failure {
    let plain = response.failure();
    if !matches!(response.status, 400 | 403 | 409) {
        return plain;
    }
    let said = response.detail().unwrap_or_else(|| format!("HTTP {}", response.status));
    match scim_type(response).as_deref() {
        Some("uniqueness") => Failure::Conflict(None),
        Some("sensitive") => Failure::Forbidden(said),
        Some("toomany") => Failure::Rejected(said),
        Some("invalidcursor" | "expiredcursor") => Failure::CursorExpired,
        Some(
            kind @ ("mutability" | "invalidvalue" | "invalidsyntax" | "invalidpath" | "notarget" | "invalidfilter"),
        ) => Failure::invalid("", format!("{said} ({kind})")),
        _ => plain,
    }
}
