//! What ties work to the API call that asked for it, so that logs and traces of both can be found by one name. Plain
//! data: it decides nothing, and nobody is let in by it.

use crate::lifecycle::Transition;
use serde::{Deserialize, Serialize};

/// Of which API call a request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The call's `X-Request-Id`: the caller's own, or one that was made for it.
    pub request_id: String,
    /// The call's place in a trace (W3C Trace Context, section 3.2), if it had one.
    #[serde(default)]
    pub traceparent: Option<String>,
}

impl Correlation {
    /// The longest request id, in bytes.
    pub const LONGEST: usize = 64;

    /// Whether a text may be a request id: short, and plain enough for any log, header and shell.
    pub fn is_request_id(text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(plain)
    }

    /// The trace's number, if there is a trace.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1))
    }
}

impl Transition {
    /// The same, with every request that it opens tied to this call.
    #[must_use]
    pub fn correlated(mut self, with: Option<&Correlation>) -> Self {
        let opened = self.request.expected.is_none().then_some(&mut self.request.record);
        for request in opened.into_iter().chain(&mut self.raise) {
            request.correlation = with.cloned();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_short_and_plain() {
        for good in ["a", "0123456789abcdef", "client-1.2_3", &"x".repeat(Correlation::LONGEST)] {
            assert!(Correlation::is_request_id(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\nb", "ä", "a\"b", "a{b", &"x".repeat(Correlation::LONGEST + 1)] {
            assert!(!Correlation::is_request_id(bad), "{bad}");
        }
    }
}
