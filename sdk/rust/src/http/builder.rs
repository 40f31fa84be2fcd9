//! Building and sending a request. It refuses to carry headers that belong to the host's side of the gate, so that a
//! mistake shows in a unit test and not as a denial in production.

use super::{Method, Request, Response, Transport, TransportError};
use crate::{Failure, Url};

/// Headers that only the host sets: credentials, cookies, framing, and what smuggles another method.
const HOST_ONLY: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// A request that is being built.
pub struct RequestBuilder<'a> {
    transport: &'a dyn Transport,
    request: Request,
    refused: Option<String>,
}

impl<'a> RequestBuilder<'a> {
    pub(crate) fn new(transport: &'a dyn Transport, method: Method, url: Url) -> Self {
        let request = Request { method, url, headers: Vec::new(), body: None };
        Self { transport, request, refused: None }.header("accept", "application/json")
    }

    /// With one more query parameter.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.request.url = self.request.url.query(name, value);
        self
    }

    /// With a header, in place of one of the same name. Credentials, cookies and the like are the host's to add:
    /// sending such a request fails.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if HOST_ONLY.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            self.refused = Some(format!("a connector cannot set the header `{name}`: the host adds credentials"));
            return self;
        }
        if value.bytes().any(|b| b < b' ' && b != b'\t' || b == 127) {
            self.refused = Some(format!("the value of header `{name}` has control characters"));
            return self;
        }
        self.request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.request.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// With a JSON body, of type `application/json` unless a header says otherwise.
    pub fn json(mut self, body: &crate::json::Value) -> Self {
        self.request.body = Some(body.to_string().into_bytes());
        if self.request.header("content-type").is_none() {
            return self.header("content-type", "application/json");
        }
        self
    }

    /// Sends it, and takes the answer whatever its status. See [`Response::ok`] and [`Response::of_account`].
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if no answer came, [`Failure::Forbidden`] if the host's gate refused the request,
    /// [`Failure::Rejected`] if it cannot be sent at all.
    pub fn send(self) -> Result<Response, Failure> {
        if let Some(why) = self.refused {
            return Err(Failure::rejected(why));
        }
        let Request { method, url, .. } = &self.request;
        // The query stays out of the texts: filters hold names and mail addresses.
        let place = format!("{method} {}://{}{}", url.scheme(), url.authority(), url.path());
        self.transport.send(&self.request).map_err(|error| match error {
            TransportError::Unreachable(why) => Failure::Unavailable(format!("{place}: {why}")),
            TransportError::Denied(why) => {
                Failure::Forbidden(format!("the host did not let this request or its answer pass: {place} ({why})"))
            }
            TransportError::Refused(why) => Failure::Rejected(format!("{place}: {why}")),
        })
    }
}
