//! Names, connections and TLS: what the gate needs of the network. It connects to the addresses it is given and to no
//! others, and knows nothing of policy. Connections are kept for a while, per app, origin and addresses.

use super::address::{Kind, kind};
use super::connection::Connection;
use super::policy::Refusal;
use crate::Limits;
use gatehouse_core::AppId;
use gatehouse_core::ports::EgressGrant;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

/// How long an idle connection is kept: shorter than the usual keep-alive of servers, so that few are found closed.
const IDLE: Duration = Duration::from_secs(4);
const IDLE_PER_KEY: usize = 8;
const IDLE_IN_ALL: usize = 256;

/// What connections are shared under. Apps never share one, since they differ in grants and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    pub(super) app: AppId,
    pub(super) origin: String,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Connections that nobody uses at the moment.
#[derive(Default)]
struct Idle {
    connections: HashMap<Route, Vec<(Connection, Instant)>>,
    /// Whether somebody is about to close those that were kept for long enough.
    is_swept: bool,
}

impl Idle {
    fn sweep(&mut self) {
        for connections in self.connections.values_mut() {
            connections.retain(|(_, since)| since.elapsed() < IDLE);
        }
        self.connections.retain(|_, connections| !connections.is_empty());
    }
}

/// The network as the gate uses it.
pub(crate) struct Network {
    tls: TlsConnector,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    idle: Mutex<Idle>,
    pub(super) limits: Arc<Limits>,
}

impl Network {
    /// With the system's certificate authorities and those of some PEM files; `hosts` are names resolved from there.
    pub(crate) fn new(
        extra_ca: &[PathBuf],
        hosts: BTreeMap<String, Vec<IpAddr>>,
        limits: Arc<Limits>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        for file in extra_ca {
            let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
            let before = roots.len();
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
                let certificate = certificate.map_err(|error| named(&error))?;
                roots.add(certificate).map_err(|error| named(&error))?;
            }
            if roots.len() == before {
                return Err(named(&"it holds no certificate in PEM"));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), hosts, idle: Mutex::default(), limits })
    }

    /// The addresses of a host, resolved once.
    pub(super) async fn resolve(&self, grant: &EgressGrant) -> Result<Vec<SocketAddr>, Error> {
        let (host, port) = (bare_host(grant), grant.origin.port);
        let lookup = async {
            match self.hosts.get(host) {
                None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
                Some(addresses) if addresses.is_empty() => std::future::pending().await,
                Some(addresses) => Ok(addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()),
            }
        };
        let found = timeout(Duration::from_millis(self.limits.resolve_ms), lookup).await;
        let mut addresses: Vec<SocketAddr> = found
            .map_err(|_| Error::DnsTimeout)?
            .map_err(|error: io::Error| Error::DnsError { rcode: Some(error.to_string()), info_code: None })?;
        addresses.sort();
        addresses.dedup();
        if addresses.is_empty() { Err(Error::DestinationNotFound) } else { Ok(addresses) }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept connection of this route that can still be used.
    pub(super) fn checkout(&self, route: &Route) -> Option<Connection> {
        let mut idle = self.idle();
        let connections = idle.connections.get_mut(route)?;
        connections.retain_mut(|(connection, since)| since.elapsed() < IDLE && connection.is_ready());
        connections.pop().map(|(connection, _)| connection)
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(super) fn checkin(self: &Arc<Self>, route: Route, connection: Connection) {
        let mut idle = self.idle();
        if idle.connections.values().map(Vec::len).sum::<usize>() < IDLE_IN_ALL {
            let connections = idle.connections.entry(route).or_default();
            if connections.len() < IDLE_PER_KEY {
                connections.push((connection, Instant::now()));
            }
        }
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// A new connection to one of exactly these addresses.
    pub(super) async fn connect(
        &self,
        grant: &EgressGrant,
        addresses: &[SocketAddr],
        within: Option<Duration>,
    ) -> Result<Connection, Error> {
        let limit = Duration::from_millis(self.limits.connect_ms);
        let limit = within.map_or(limit, |within| within.min(limit));
        timeout(limit, self.dial(grant, addresses)).await.map_err(|_| Error::ConnectionTimeout)?
    }

    async fn dial(&self, grant: &EgressGrant, addresses: &[SocketAddr]) -> Result<Connection, Error> {
        let mut last = Error::DestinationNotFound;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return self.handshake(grant, stream).await,
                Err(error) => last = Error::Connect(error),
            }
        }
        Err(last)
    }

    async fn handshake(&self, grant: &EgressGrant, stream: TcpStream) -> Result<Connection, Error> {
        // Requests are small and answered one at a time: waiting for more to send would only add delay.
        stream.set_nodelay(true).map_err(Error::Connect)?;
        let mut builder = http1::Builder::new();
        // Room for what stands between and around the headers, so that it is the limit that refuses them.
        builder.max_buf_size(2 * (self.limits.header_bytes as usize) + 8_192);
        if grant.origin.scheme == "http" {
            return Connection::new(&builder, TokioIo::new(stream)).await;
        }
        let name = ServerName::try_from(bare_host(grant).to_owned()).map_err(|_| Error::TlsCertificateError)?;
        let stream = self.tls.connect(name, stream).await.map_err(Error::Tls)?;
        Connection::new(&builder, TokioIo::new(stream)).await
    }
}

/// Closes connections that were kept for long enough, until there are none.
async fn sweep(network: Weak<Network>) {
    loop {
        sleep(IDLE).await;
        let Some(network) = network.upgrade() else { return };
        let mut idle = network.idle();
        idle.sweep();
        if idle.connections.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

/// The host without the brackets of an IPv6 address.
fn bare_host(grant: &EgressGrant) -> &str {
    grant.origin.host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether all addresses that a name led to may be connected to. One bad address spoils the lot: a name that leads
/// both ways is what an attack by rebinding looks like.
pub(super) fn check_addresses(app: &str, grant: &EgressGrant, addresses: &[SocketAddr]) -> Result<(), Refusal> {
    for address in addresses.iter().map(SocketAddr::ip) {
        let what = match kind(address) {
            Kind::Public => continue,
            Kind::Private(_) if grant.allow_private => continue,
            // Only an administrator who wrote the address itself can have meant it.
            Kind::Metadata if grant.allow_private && bare_host(grant).parse() == Ok(address) => continue,
            Kind::Metadata => "the metadata service of a cloud",
            Kind::Private(what) => what,
        };
        let origin = &grant.origin;
        let cure = if kind(address) == Kind::Metadata && bare_host(grant).parse() != Ok(address) {
            "only an origin that is this very address can be allowed to reach it".to_owned()
        } else {
            format!("if it is meant to: `gatehouse app configure {app} --allow-private {origin}`")
        };
        let detail = format!("{origin} leads to {address} ({what}); {cure}");
        return Err(Refusal::new("private-address", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(origin: &str, allow_private: bool, addresses: &[&str]) -> Option<&'static str> {
        let grant = EgressGrant { origin: origin.parse().unwrap(), allow_private };
        let addresses: Vec<_> = addresses.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 80)).collect();
        check_addresses("hr", &grant, &addresses).err().map(|refusal| refusal.rule)
    }

    #[test]
    fn private_addresses_need_to_be_allowed() {
        assert_eq!(check("http://app.example", false, &["1.1.1.1"]), None);
        assert_eq!(check("http://app.example", false, &["10.0.0.1"]), Some("private-address"));
        assert_eq!(check("http://app.example", true, &["10.0.0.1"]), None);
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough_to_refuse() {
        assert_eq!(check("http://app.example", false, &["1.1.1.1", "::1"]), Some("private-address"));
    }

    #[test]
    fn a_metadata_service_is_reached_only_by_an_origin_that_names_its_address() {
        assert_eq!(check("http://app.example", true, &["169.254.169.254"]), Some("private-address"));
        assert_eq!(check("http://169.254.169.254", false, &["169.254.169.254"]), Some("private-address"));
        assert_eq!(check("http://169.254.169.254", true, &["169.254.169.254"]), None);
    }
}
