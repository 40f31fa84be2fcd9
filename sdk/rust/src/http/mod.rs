//! HTTP to the target. The host carries requests out, adds the credential, follows no redirect and refuses what was
//! not granted. This module has no way to send a credential, and never retries: the host does.

mod builder;
mod response;
mod retry_after;

pub use builder::RequestBuilder;
pub use response::Response;

use std::fmt;

/// A request method (RFC 9110 section 9, RFC 5789).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads, without the body.
    Head,
    /// Makes something, or searches.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
    /// Asks what can be done.
    Options,
}

impl Method {
    /// Its name, as sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The address.
    pub url: crate::Url,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body; none for a request without one.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if there is none, or it is no JSON.
    pub fn json(&self) -> crate::json::Value {
        self.body.as_deref().and_then(|body| crate::json::from_slice(body).ok()).unwrap_or_default()
    }
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportError {
    /// The target could not be reached, or broke off. It may come back.
    Unreachable(String),
    /// The host's gate did not let the request leave. It will not next time either.
    Denied(String),
    /// The request or the answer is beyond what can be carried.
    Refused(String),
}

/// Carries requests out. In a component it is the host behind `wasi:http`; in tests, a fake.
pub trait Transport {
    /// Sends a request and takes the whole answer, whatever its status.
    ///
    /// # Errors
    /// No answer came.
    fn send(&self, request: &Request) -> Result<Response, TransportError>;
}
