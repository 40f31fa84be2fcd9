//! The HTTP client of the CLI. A refusal becomes an error with the host's own text; a host that is not there, one
//! that says where it was looked for.

use super::values;
use anyhow::{Context, Result, anyhow, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use std::fs;
use std::path::Path;
use std::time::Duration;
use ureq::http::request::Builder;
use ureq::http::{Method, Request, StatusCode, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};

/// The largest answer read, in bytes.
const ANSWER: u64 = 64 << 20;

/// The largest body that is sent without asking first, in bytes: the host takes that much in before it answers.
const UNASKED: usize = 64 << 10;

/// For how long the host is given to say whether it takes a larger one, before that is sent anyway: what stands between
/// here and there may not know the question.
const ASKED: Duration = Duration::from_secs(5);

const NO_REQUEST: &str = "this is no HTTP request";

/// What is sent along.
pub(super) enum Sent {
    Json(Json),
    Bytes(&'static str, Vec<u8>),
    File(fs::File),
}

impl Sent {
    fn kind(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Bytes(kind, _) => kind,
            Self::File(_) => "application/octet-stream",
        }
    }

    /// Whether it is worth asking first. What people write as JSON is small.
    fn is_large(&self) -> bool {
        match self {
            Self::Json(_) => false,
            Self::Bytes(_, bytes) => bytes.len() > UNASKED,
            Self::File(_) => true,
        }
    }
}

/// The host's own words for why it did not do something: a problem (RFC 9457).
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Refusal {
    detail: String,
    pub(super) problem: Json,
}

impl Refusal {
    fn of(problem: Json) -> Option<Self> {
        Some(Self { detail: problem["detail"].as_str()?.to_owned(), problem })
    }
}

/// The host, called with a token.
pub(super) struct Client {
    agent: Agent,
    base: String,
    token: Option<SecretString>,
}

impl Client {
    pub(super) fn new(
        server: &str,
        token: Option<SecretString>,
        file: Option<&Path>,
        ca: Option<&Path>,
    ) -> Result<Self> {
        let base = server.trim_end_matches('/').to_owned();
        base.parse::<gatehouse_core::Origin>().context("--server takes a URL such as http://127.0.0.1:7070")?;
        let token = match (token, file) {
            (Some(token), _) => Some(token),
            (None, Some(file)) => Some(values::token_file(file)?),
            (None, None) => None,
        };
        if token.as_ref().is_some_and(|token| !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())) {
            bail!("the token has characters in it that no token has; it is ghs_ and letters, digits, - and _");
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Probes and admissions take their time, hosts that do not answer at all should not.
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_await_100(Some(ASKED))
            .timeout_recv_response(Some(Duration::from_secs(300)));
        if let Some(ca) = ca {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities(ca)?).build());
        }
        Ok(Self { agent: config.build().new_agent(), base, token })
    }

    pub(super) fn get(&self, path: &str) -> Result<Json> {
        self.send(Method::GET, path, None, None)
    }

    pub(super) fn post(&self, path: &str, body: Json) -> Result<Json> {
        self.send(Method::POST, path, Some(Sent::Json(body)), None)
    }

    pub(super) fn put(&self, path: &str, body: Json) -> Result<Json> {
        self.send(Method::PUT, path, Some(Sent::Json(body)), None)
    }

    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.send(Method::DELETE, path, None, None).map(drop)
    }

    pub(super) fn upload(&self, path: &str, kind: &'static str, bytes: Vec<u8>) -> Result<Json> {
        self.send(Method::POST, path, Some(Sent::Bytes(kind, bytes)), None)
    }

    /// Writes what the host sends into a file: how many bytes.
    pub(super) fn download(&self, path: &str, to: &mut impl std::io::Write) -> Result<u64> {
        let request = self.request(&Method::GET, path).body(()).context(NO_REQUEST)?;
        let mut answer = self.agent.run(request).map_err(|error| self.unreached(&error))?;
        if !answer.status().is_success() {
            let text = read(answer.body_mut())?;
            self.refused(answer.status(), &Method::GET, path, &text)?;
        }
        let promised = answer.body().content_length();
        let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
        let copied = std::io::copy(&mut body, to).context("it did not arrive whole")?;
        if promised.is_some_and(|promised| promised != copied) {
            bail!("it did not arrive whole: try again");
        }
        Ok(copied)
    }

    /// Sends a file.
    pub(super) fn upload_file(&self, path: &str, file: fs::File) -> Result<Json> {
        self.send(Method::POST, path, Some(Sent::File(file)), None)
    }

    /// Changes a record, if it is still at this version.
    pub(super) fn patch(&self, path: &str, body: Json, version: Option<u64>) -> Result<Json> {
        self.send(Method::PATCH, path, Some(Sent::Json(body)), version)
    }

    /// Everything of a list, up to so many items.
    pub(super) fn list(&self, path: &str, most: usize) -> Result<Json> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let limit = (most - items.len()).min(1000);
            let joint = if path.contains('?') { '&' } else { '?' };
            let cursor = after.map(|after| format!("&after={}", escape(&after))).unwrap_or_default();
            let mut page = self.get(&format!("{path}{joint}limit={limit}{cursor}"))?;
            if let Json::Array(found) = page["items"].take() {
                items.extend(found);
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() || items.len() >= most {
                return Ok(serde_json::json!({"items": items, "next": after}));
            }
        }
    }

    fn request(&self, method: &Method, path: &str) -> Builder {
        let request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret())),
            None => request,
        }
    }

    fn send(&self, method: Method, path: &str, body: Option<Sent>, version: Option<u64>) -> Result<Json> {
        let mut request = self.request(&method, path);
        if let Some(version) = version {
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
        }
        if let Some(kind) = body.as_ref().map(Sent::kind) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if body.as_ref().is_some_and(Sent::is_large) {
            // A refusal comes before the body is sent (RFC 9110 section 10.1.1), and is not lost in sending it.
            request = request.header(header::EXPECT, "100-continue");
        }
        let answered = match body {
            Some(Sent::Json(body)) => self.agent.run(request.body(body.to_string()).context(NO_REQUEST)?),
            Some(Sent::Bytes(_, bytes)) => self.agent.run(request.body(bytes).context(NO_REQUEST)?),
            Some(Sent::File(file)) => {
                self.agent.run(request.body(SendBody::from_owned_reader(file)).context(NO_REQUEST)?)
            }
            None if method == Method::POST => self.agent.run(request.body(String::new()).context(NO_REQUEST)?),
            None => self.agent.run(request.body(()).context(NO_REQUEST)?),
        };
        let mut answer = answered.map_err(|error| self.unreached(&error))?;
        let text = read(answer.body_mut())?;
        let status = answer.status();
        if status.is_success() {
            return if text.is_empty() {
                Ok(Json::Null)
            } else {
                serde_json::from_str(&text).context("the host's answer")
            };
        }
        self.refused(status, &method, path, &text)?;
        Ok(Json::Null)
    }

    fn refused(&self, status: StatusCode, method: &Method, path: &str, text: &str) -> Result<()> {
        match serde_json::from_str(text).ok().and_then(Refusal::of) {
            Some(refusal) => Err(refusal.into()),
            None => bail!("{} answers {status} to {method} {path}; is it a Gatehouse host?", self.base),
        }
    }

    fn unreached(&self, error: &ureq::Error) -> anyhow::Error {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        if let ureq::Error::Io(io) = error
            && matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
        {
            return anyhow!("the host at {} ended the connection before it answered ({io}): try again", self.base);
        }
        let hint = match error {
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                "nothing listens there: start a host with `gatehouse serve`, or name another with --server \
                 (GATEHOUSE_SERVER)"
            }
            ureq::Error::HostNotFound => "there is no such name: see --server (GATEHOUSE_SERVER)",
            _ if self.base.starts_with("https:") => {
                "if it has a certificate of your own authority, name that with --ca"
            }
            _ => "see --server (GATEHOUSE_SERVER)",
        };
        anyhow!("the host at {} cannot be reached: {error}; {hint}", self.base)
    }
}

fn read(body: &mut Body) -> Result<String> {
    body.with_config().limit(ANSWER).read_to_string().context("the host's answer cannot be read")
}

fn authorities(file: &Path) -> Result<RootCerts> {
    let pem = fs::read(file).with_context(|| format!("--ca {}", file.display()))?;
    let mut own = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.with_context(|| format!("--ca {}", file.display()))? {
            own.push(certificate);
        }
    }
    if own.is_empty() {
        bail!("--ca {}: there is no certificate in it", file.display());
    }
    Ok(RootCerts::new_with_certs(&own.into_iter().collect::<Vec<Certificate<'static>>>()))
}

/// A text as part of a path or query (RFC 3986 section 2.1).
pub(super) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A query of those parameters that are there.
pub(super) fn query(parameters: &[(&str, Option<String>)]) -> String {
    let there = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?))));
    let joined = there.collect::<Vec<_>>().join("&");
    if joined.is_empty() { joined } else { format!("?{joined}") }
}
