//! A small HTTP client for asking targets, and Gatehouse itself, directly. It takes any status for an answer: what
//! a status means is for the test to say. Loopback only by use, so it has no TLS of its own making.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request};

/// A server, and the token to show it.
#[derive(Clone, Debug)]
pub struct Http {
    agent: Agent,
    base: String,
    bearer: Option<String>,
    media_type: &'static str,
}

/// What a server said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The ETag header, if there was one.
    pub etag: Option<String>,
    /// The X-Request-Id header, if there was one.
    pub request_id: Option<String>,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `null` if it is empty.
    ///
    /// # Errors
    /// It is neither.
    pub fn json(&self) -> Result<Value> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).with_context(|| format!("this is no JSON: {}", self.text))
    }

    /// The body as JSON, of an answer with this status.
    ///
    /// # Errors
    /// The status is another one (the body is in the text), or the body is not JSON.
    pub fn expect_status(&self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("status {} where {status} was expected: {}", self.status, self.text);
        }
        self.json()
    }
}

impl Http {
    /// A client of the server at `base` (scheme, host, port and perhaps a path, no `/` at the end), which sends
    /// bodies as `media_type`.
    pub fn new(base: impl Into<String>, bearer: Option<&str>, media_type: &'static str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { agent: config.into(), base: base.into(), bearer: bearer.map(str::to_owned), media_type }
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    ///
    /// # Errors
    /// There was no answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None, &[])
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// There was no answer.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(body), &[])
    }

    /// DELETE.
    ///
    /// # Errors
    /// There was no answer.
    pub fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None, &[])
    }

    /// Any request; `path` is appended to the base, `headers` are added to the usual ones.
    ///
    /// # Errors
    /// There was no answer.
    pub fn send(&self, method: Method, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Result<Answer> {
        let what = format!("{method} {}{path}", self.base);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => self.agent.run(request.header("content-type", self.media_type).body(body.to_string())?),
            None => self.agent.run(request.body(())?),
        };
        let mut answer = answer.with_context(|| what.clone())?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, request_id) = (header("etag"), header("x-request-id"));
        let text = answer.body_mut().read_to_string().with_context(|| what)?;
        Ok(Answer { status: answer.status().as_u16(), etag, request_id, text })
    }
}
