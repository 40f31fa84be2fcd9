//! One request and its answer, after the policy has let it through: resolve, connect, add the credential, send, and
//! look at the answer before the guest does. Bodies are read whole, within their limits, so that a secret is found
//! wherever it is cut, and nothing reaches the guest of an answer that is refused.

use super::connection::Connection;
use super::credential::{self, Needles};
use super::headers;
use super::network::{Route, check_addresses};
use super::policy::{Passage, Refusal};
use super::{Inner, url_of};
use crate::limits::LimitHit;
use crate::notes::Trip;
use bytes::{Bytes, BytesMut};
use gatehouse_core::Level;
use gatehouse_failpoints::{fail_point, is_armed};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, LOCATION, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Why there is no answer.
pub(super) enum Failure {
    /// The gate's decision.
    Refused(Refusal),
    /// The network's.
    Network(Error),
}

impl Failure {
    /// How the answer to a request that left was lost, for people.
    pub(super) fn lost(&self) -> String {
        match self {
            Self::Refused(refusal) => format!("its answer was kept from the connector ({})", refusal.rule),
            Self::Network(Error::HttpResponseTimeout) => "no answer came in the time allowed".to_owned(),
            Self::Network(Error::ConnectionReadTimeout) => "its answer broke off, and nothing more came".to_owned(),
            Self::Network(Error::Hyper(error)) => format!("the connection ended without a whole answer ({error})"),
            Self::Network(error) => format!("no answer came ({error})"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Network(error)
    }
}

/// Sends a request that may leave, and gives the answer if the guest may see it.
pub(super) async fn exchange(
    gate: &Inner,
    passage: Passage,
    request: Request<WasiBody>,
    options: RequestOptions,
    trip: &mut Trip,
) -> Result<Response<WasiBody>, Failure> {
    let (parts, body) = request.into_parts();
    let write = passage.writes.then(|| (parts.method.clone(), url_of(&parts.uri)));
    let departure = Departure { gate, write, trip };
    let body = whole_request_body(gate, body).await?;
    let request = outgoing(gate, &passage, &parts.method, parts.headers, body)?;
    let addresses = gate.network.resolve(&passage.grant).await?;
    check_addresses(&gate.app_name, &passage.grant, &addresses)?;
    let route = Route { app: gate.app, origin: passage.grant.origin.to_string(), addresses };
    let (response, mut connection) = send(gate, &passage, &route, request, &options, departure).await?;
    let inspected = inspect(gate, &passage, &parts.method, response, &options);
    let response = connection.line.carry(inspected).await?;
    gate.network.checkin(route, connection);
    Ok(response)
}

async fn whole_request_body(gate: &Inner, mut body: WasiBody) -> Result<Bytes, Failure> {
    let limits = &gate.network.limits;
    let too_large = |name, most, advice| {
        gate.notes.hit(LimitHit::of(limits, name, advice));
        Err(Error::HttpRequestBodySize(Some(most)).into())
    };
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        let size = chunk.len() as u64;
        let total = {
            let mut egress = gate.notes.egress();
            egress.request_bytes += size;
            egress.request_bytes
        };
        if whole.len() as u64 + size > limits.request_body_bytes {
            let advice = "the connector has to send less at once";
            return too_large("request_body_bytes", limits.request_body_bytes, advice);
        }
        if total > limits.request_total_bytes {
            let advice = "the connector has to send less in one call";
            return too_large("request_total_bytes", limits.request_total_bytes, advice);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The request as it goes out: the guest's content, the host's routing and credential.
fn outgoing(
    gate: &Inner,
    passage: &Passage,
    method: &Method,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let origin = &passage.grant.origin;
    headers.remove(CONTENT_LENGTH);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("gatehouse/", env!("CARGO_PKG_VERSION"))));
    let authority = origin.to_string();
    let authority = authority.split_once("://").map_or("", |(_, authority)| authority);
    headers.insert(HOST, HeaderValue::from_str(authority).map_err(|_| Error::HttpRequestUriInvalid)?);
    credential::add(&gate.credentials, origin, &mut headers).map_err(|error| {
        gate.notes.journal().log(Level::Error, &error.to_string(), Vec::new());
        Error::ConfigurationError
    })?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = passage.path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Sends over a kept connection if one is there, over a new one otherwise. A kept connection that turns out to be
/// closed before anything was written gives the request back, and nothing was sent.
async fn send(
    gate: &Inner,
    passage: &Passage,
    route: &Route,
    request: Request<Full<Bytes>>,
    options: &RequestOptions,
    mut departure: Departure<'_>,
) -> Result<(Response<Incoming>, Connection), Failure> {
    let limit = Duration::from_millis(gate.network.limits.response_ms);
    let limit = options.first_byte_timeout.map_or(limit, |asked| asked.min(limit));
    let mut request = request;
    if let Some(mut connection) = gate.network.checkout(route) {
        departure.note()?;
        let Connection { sender, line } = &mut connection;
        let sending = departing(passage.writes, || sender.try_send_request(request));
        let answer = line.carry(timeout(limit, sending)).await;
        match answer.map_err(|_| Error::HttpResponseTimeout)? {
            Ok(response) => return Ok((response, connection)),
            Err(mut error) => match error.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(unanswered(gate, error.into_error())),
            },
        }
    }
    let mut connection = gate.network.connect(&passage.grant, &route.addresses, options.connect_timeout).await?;
    departure.note()?;
    let Connection { sender, line } = &mut connection;
    let sending = departing(passage.writes, || sender.send_request(request));
    let answer = line.carry(timeout(limit, sending)).await;
    let answer = answer.map_err(|_| Error::HttpResponseTimeout)?;
    Ok((answer.map_err(|error| unanswered(gate, error))?, connection))
}

/// Why no answer came. One whose head is longer than is read at all is refused as one that is too long.
fn unanswered(gate: &Inner, error: hyper::Error) -> Failure {
    if error.is_parse_too_large() { headers_too_large(gate) } else { Error::Hyper(error).into() }
}

fn headers_too_large(gate: &Inner) -> Failure {
    gate.notes.hit(LimitHit::of(&gate.network.limits, "header_bytes", "the target answers with too many headers"));
    Refusal::new("response-too-large", "the headers of the answer go beyond the limit `header_bytes`").into()
}

/// Sends, and waits for the answer. Tests end the host before a write leaves, after it, and when its answer is there.
/// What is given to the sender is as good as sent: it is given no earlier than here.
async fn departing<T, F: Future<Output = T>>(writes: bool, send: impl FnOnce() -> F) -> T {
    if !writes {
        return send().await;
    }
    fail_point!("gate.before_write");
    let mut sending = std::pin::pin!(send());
    let mut answer = None;
    if is_armed("gate.after_write") {
        // It is out for certain once there is an answer, which nobody looks at, or when a second has passed.
        answer = timeout(Duration::from_secs(1), sending.as_mut()).await.ok();
        fail_point!("gate.after_write");
    }
    let answer = match answer {
        Some(answer) => answer,
        None => sending.await,
    };
    fail_point!("gate.after_reply");
    answer
}

/// A request about to leave, and what is noted of it.
struct Departure<'a> {
    gate: &'a Inner,
    /// Method and address, if it may write.
    write: Option<(Method, String)>,
    trip: &'a mut Trip,
}

impl Departure<'_> {
    /// Notes, before the first byte leaves, that a request leaves and whether it may write. A crash after this point
    /// makes the outcome unknown, never "nothing happened".
    fn note(&mut self) -> Result<(), Error> {
        let write = self.write.as_ref().map(|(method, url)| (method.as_str(), url.clone()));
        match self.gate.notes.depart(self.trip, write) {
            true => Ok(()),
            false => Err(Error::InternalError(Some("the call is over".to_owned()))),
        }
    }
}

/// Reads the answer whole, and refuses it if the guest may not see it.
async fn inspect(
    gate: &Inner,
    passage: &Passage,
    method: &Method,
    response: Response<Incoming>,
    options: &RequestOptions,
) -> Result<Response<WasiBody>, Failure> {
    let (parts, body) = response.into_parts();
    let origin = &passage.grant.origin;
    if parts.status.is_redirection() && parts.headers.contains_key(LOCATION) {
        let detail = format!("{origin} answered {} with a Location; redirects are never followed", parts.status);
        return Err(Refusal::new("redirect", detail).into());
    }
    let limits = &gate.network.limits;
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size as u64 > limits.header_bytes {
        return Err(headers_too_large(gate));
    }
    let plain =
        |name, word: &[u8]| parts.headers.get_all(name).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(word));
    let readable = plain(CONTENT_ENCODING, b"identity") && plain(TRANSFER_ENCODING, b"chunked");
    if *method != Method::HEAD && !readable {
        let detail = format!("{origin} compresses its answer although asked not to; it cannot be searched for secrets");
        return Err(Refusal::new("content-encoding", detail).into());
    }
    let reflected = || Refusal::new("secret-reflected", format!("the answer of {origin} contains the credential"));
    let needles = Needles::of(&gate.credentials);
    if needles.in_headers(&parts.headers) {
        return Err(reflected().into());
    }
    let body = whole_response_body(gate, body, options).await?;
    if needles.in_bytes(&body) {
        return Err(reflected().into());
    }
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = headers::keep_inward(&parts.headers);
    Ok(answer)
}

async fn whole_response_body(gate: &Inner, mut body: Incoming, options: &RequestOptions) -> Result<Bytes, Failure> {
    let limits = &gate.network.limits;
    let pause = Duration::from_millis(limits.between_bytes_ms);
    let pause = options.between_bytes_timeout.map_or(pause, |asked| asked.min(pause));
    let too_large = |name, advice| {
        gate.notes.hit(LimitHit::of(limits, name, advice));
        let detail = format!("the answer goes beyond the limit `{name}`");
        Failure::Refused(Refusal::new("response-too-large", detail))
    };
    let mut whole = BytesMut::new();
    while let Some(frame) = timeout(pause, body.frame()).await.map_err(|_| Error::ConnectionReadTimeout)? {
        let Ok(chunk) = frame.map_err(Error::Hyper)?.into_data() else { continue };
        if (whole.len() + chunk.len()) as u64 > limits.response_body_bytes {
            return Err(too_large("response_body_bytes", "the connector has to ask for smaller pages"));
        }
        let total = {
            let mut egress = gate.notes.egress();
            egress.response_bytes += chunk.len() as u64;
            egress.response_bytes
        };
        if total > limits.response_total_bytes {
            return Err(too_large("response_total_bytes", "the connector has to read less in one call"));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
