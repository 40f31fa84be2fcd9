//! The egress gate: the only way out of the sandbox. Every request of a guest comes through [`Gate::send_request`],
//! and is sent by `exchange` if, in this order, phase and method allow it, its origin is granted, its headers are
//! allowed, and its name leads to allowed addresses. Every refusal is noted under the stable name of its rule.

mod address;
mod connection;
mod credential;
mod exchange;
mod headers;
mod network;
mod policy;

pub use credential::{SHORTEST_SECRET, is_searchable};
pub(crate) use network::Network;
pub(crate) use policy::{Phase, Policy};

use crate::chores::Errands;
use crate::journal::cut;
use crate::limits::LimitHit;
use crate::notes::{Notes, Trip};
use gatehouse_core::AppId;
use gatehouse_core::ports::{CredentialBinding, Denial};
use http::{Method, Request, Response, Uri};
use policy::{Passage, Refusal};
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

type Worker = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Worker), Error>> + Send>;

/// The longest address that is noted of a refused request, in bytes.
const LONGEST_URL: usize = 2_048;
/// The longest method a guest may set, in bytes. Those of the IANA registry have 17 at most.
pub(crate) const LONGEST_METHOD: usize = 32;
/// What the host keeps of a request body that is not sent yet, in bytes: there may be one for every few handles.
const BODY_CHUNK: usize = 64 << 10;

/// The gate of one call.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    app: AppId,
    app_name: String,
    policy: Policy,
    credentials: Vec<CredentialBinding>,
    network: Arc<Network>,
    errands: Errands,
    notes: Arc<Notes>,
}

impl Gate {
    pub(crate) fn new(
        (app, app_name): (AppId, String),
        policy: Policy,
        credentials: Vec<CredentialBinding>,
        network: Arc<Network>,
        errands: Errands,
        notes: Arc<Notes>,
    ) -> Self {
        Self(Arc::new(Inner { app, app_name, policy, credentials, network, errands, notes }))
    }
}

impl Inner {
    /// What can be decided without the network.
    fn decide(&self, request: &Request<WasiBody>) -> Result<Passage, Refusal> {
        let limits = &self.network.limits;
        let tried = {
            let mut egress = self.notes.egress();
            egress.tried += 1;
            egress.tried
        };
        if tried > limits.requests {
            self.notes.hit(LimitHit::of(limits, "requests", "the connector has to do less in one call"));
            return Err(Refusal::new("too-many-requests", format!("a call may make {} requests", limits.requests)));
        }
        let passage = self.policy.decide(request.method(), request.uri())?;
        headers::check_outward(request.headers())?;
        Ok(passage)
    }

    /// Notes which limit a slow target ran into, unless the guest itself had less patience.
    fn unreached(&self, error: Error, asked: [Option<Duration>; 3]) -> Error {
        self.notes.egress().last_refused = false;
        let limits = &self.network.limits;
        let [connect, first_byte, between_bytes] = asked;
        let slow = match error {
            Error::DnsTimeout => Some(("resolve_ms", limits.resolve_ms, None, "its name is not resolved")),
            Error::ConnectionTimeout => Some(("connect_ms", limits.connect_ms, connect, "the target does not connect")),
            Error::HttpResponseTimeout => {
                Some(("response_ms", limits.response_ms, first_byte, "the target does not answer"))
            }
            Error::ConnectionReadTimeout => {
                Some(("between_bytes_ms", limits.between_bytes_ms, between_bytes, "the target stopped in its answer"))
            }
            _ => None,
        };
        if let Some((name, limit, asked, advice)) = slow
            && asked.is_none_or(|asked| asked >= Duration::from_millis(limit))
        {
            self.notes.was_slow(LimitHit::of(limits, name, advice));
        }
        error
    }

    /// Notes a refusal, and gives what the guest gets to see of it.
    fn refuse(&self, method: &Method, uri: &Uri, refusal: Refusal) -> Error {
        let mut egress = self.notes.egress();
        // Said once: a guest may go on trying for as long as it computes.
        let said = |denial: &Denial| refusal.rule == "too-many-requests" && denial.rule == refusal.rule;
        if !egress.denials.iter().any(said) {
            let denial = Denial {
                rule: refusal.rule.to_owned(),
                method: cut(method.as_str(), LONGEST_METHOD),
                url: url_of(uri),
                detail: cut(&refusal.detail, LONGEST_URL),
            };
            egress.denials.push(denial);
        }
        egress.last_refused = true;
        match refusal.rule {
            "private-address" => Error::DestinationIpProhibited,
            "response-too-large" => Error::HttpResponseBodySize(None),
            _ => Error::HttpRequestDenied,
        }
    }
}

/// The address without user name, password and query.
fn url_of(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    cut(&format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path()), LONGEST_URL)
}

impl WasiHttpHooks for Gate {
    /// Guests may put any header into a request: it is refused when they send it, and noted, rather than when they
    /// set it, where nobody would learn of it.
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|_| false)
    }

    /// The host header is the gate's to set; one that is there comes from the guest.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn send_request(&mut self, request: Request<WasiBody>, options: Option<RequestOptions>, _: Worker) -> Sending {
        let gate = self.0.clone();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        // Decided and noted here and now: a guest could drop the answer before it is asked for.
        let decided = gate.decide(&request).map_err(|refusal| gate.refuse(&method, &uri, refusal));
        let options = options.unwrap_or_default();
        let asked = [options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout];
        let errands = gate.errands.clone();
        let exchange = async move {
            let mut trip = Trip::default();
            let sent = exchange::exchange(&gate, decided?, request, options, &mut trip).await;
            let answer = sent.as_ref().map(|response| response.status().as_u16());
            gate.notes.answered(&trip, answer.map_err(exchange::Failure::lost));
            let response = sent.map_err(|failure| match failure {
                exchange::Failure::Refused(refusal) => gate.refuse(&method, &uri, refusal),
                exchange::Failure::Network(error) => gate.unreached(error, asked),
            })?;
            gate.notes.egress().last_refused = false;
            Ok(response)
        };
        Box::new(async move {
            let over = || Err(Error::InternalError(Some("the call is over".to_owned())));
            let response = errands.run(exchange).await.unwrap_or_else(over)?;
            Ok((response, Box::new(async { Ok(()) }) as Worker))
        })
    }
}
