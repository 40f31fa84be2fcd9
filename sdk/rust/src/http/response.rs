//! What the target answered, and which failure a status means. Texts are cut short, and pages of HTML left out:
//! administrators read them.

use super::retry_after;
use crate::{Failure, json::Value};

/// The longest text of the target that is handed on, in characters.
const LONGEST_DETAIL: usize = 300;

/// An answer of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code (RFC 9110 section 15).
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// This answer if it is a success, for an address of the service as a whole (a list, a search): 404 there means
    /// that the settings are wrong, not that an account is gone.
    ///
    /// # Errors
    /// What the status means.
    pub fn ok(self) -> Result<Self, Failure> {
        if self.is_success() { Ok(self) } else { Err(self.failure()) }
    }

    /// This answer if it is a success, for the address of one account: 404 and 410 mean that it is not there.
    ///
    /// # Errors
    /// What the status means.
    pub fn of_account(self) -> Result<Self, Failure> {
        match self.status {
            404 | 410 => Err(Failure::NotFound),
            _ => self.ok(),
        }
    }

    /// The failure that the status means: 401 unauthenticated, 403 forbidden, 409 conflict, 412 stale, 429
    /// throttled, 5xx (but 501) unavailable, 400 and 422 invalid, everything else rejected.
    pub fn failure(&self) -> Failure {
        let said = || format!("HTTP {}{}", self.status, self.detail().map(|d| format!(": {d}")).unwrap_or_default());
        match self.status {
            401 => Failure::Unauthenticated(said()),
            403 => Failure::Forbidden(said()),
            404 => Failure::rejected(format!("{}; there is nothing at this address: check the settings", said())),
            409 => Failure::Conflict(None),
            412 => Failure::Stale,
            429 => Failure::Throttled(self.retry_after()),
            400 | 422 => Failure::invalid("", said()),
            501 => Failure::unsupported(said()),
            // A target that says when it is back is believed (RFC 9110 section 15.6.4).
            503 if self.retry_after().is_some() => Failure::Throttled(self.retry_after()),
            500..=599 => Failure::Unavailable(said()),
            300..=399 => Failure::rejected(format!("{}; redirects are not followed: check the settings", said())),
            _ => Failure::rejected(said()),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Failure::Rejected`]: it is none.
    pub fn json(&self) -> Result<Value, Failure> {
        crate::json::from_slice(&self.body)
            .map_err(|why| Failure::rejected(format!("HTTP {}, and the answer is no JSON ({why})", self.status)))
    }

    /// Seconds the target asks to wait (RFC 9110 section 10.2.3), none if it does not say so intelligibly.
    pub fn retry_after(&self) -> Option<u32> {
        retry_after::seconds(self.header("retry-after")?, self.header("date"))
    }

    /// What the target said of its own, in the members that are usual for it; none for HTML or nothing.
    pub fn detail(&self) -> Option<String> {
        let text = match crate::json::from_slice::<Value>(&self.body) {
            Ok(body) => ["detail", "error_description", "message", "error", "title"].iter().find_map(|name| {
                let member = body.get(name)?;
                member.as_str().or_else(|| member.get("message")?.as_str()).map(str::to_owned)
            })?,
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        let text = text.trim();
        if text.is_empty() || text.starts_with('<') {
            return None;
        }
        let one_line: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_DETAIL).collect();
        Some(one_line)
    }
}
