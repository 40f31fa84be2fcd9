//! Sends traces to an OpenTelemetry collector (OTLP over HTTP, protobuf). Spans wait in a bounded queue that a thread of
//! its own empties; where the collector takes none, they are dropped. It never holds up whoever made them, and follows
//! no redirect: spans go where they were told to go.

use anyhow::{Context as _, Result, bail};
use gatehouse_core::metrics::TRACE_FAILURES;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing_opentelemetry::OpenTelemetryLayer;

/// How long the collector may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long the end of the host waits for the last spans to be sent.
const LAST: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// Begins. `endpoint` is the collector's base URL, such as `http://127.0.0.1:4318`.
    pub(super) fn start(endpoint: &str, instance: &str) -> Result<Self> {
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            bail!("otlp_endpoint: `{}` is no URL of a collector, such as http://127.0.0.1:4318", shown(endpoint));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(ANSWER)
            .build()
            .with_context(|| format!("otlp_endpoint `{}`", shown(endpoint)))?;
        let resource = Resource::builder()
            .with_service_name("gatehouse")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Self { provider })
    }

    /// What turns spans of the host into spans of a trace.
    pub(super) fn layer<S>(&self) -> OpenTelemetryLayer<S, opentelemetry_sdk::trace::SdkTracer>
    where
        S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        // Where in the source a span was made, and in which thread, is of no use to who reads traces.
        let tracer = self.provider.tracer("gatehouse");
        tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_target(false)
    }

    pub(super) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The endpoint without a user name and password that may stand in it.
pub(super) fn shown(endpoint: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}")
        }
        None => endpoint.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// The HTTP client that the command line uses, too. It blocks: it runs on the exporter's own thread.
#[derive(Debug)]
struct Client {
    agent: ureq::Agent,
    /// Whether the collector took the last batch: said when that changes, not every few seconds.
    well: AtomicBool,
}

impl Client {
    fn new() -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(ANSWER));
        Self { agent: config.build().into(), well: AtomicBool::new(true) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let answer = self.agent.run(request.map(|body| body.to_vec()))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(LONGEST).read_to_vec()?;
        Ok(Response::from_parts(parts, Bytes::from(body)))
    }

    fn note(&self, trouble: Option<String>) {
        let well = trouble.is_none();
        if !well {
            metrics::counter!(TRACE_FAILURES.name).increment(1);
        }
        match (self.well.swap(well, Ordering::SeqCst), trouble) {
            (true, Some(why)) => {
                tracing::warn!(%why, "the collector takes no traces; they are dropped until it does");
            }
            (false, None) => tracing::info!("the collector takes traces again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        match &sent {
            Ok(answer) if answer.status().is_success() => self.note(None),
            Ok(answer) => self.note(Some(format!("it answers {}", answer.status()))),
            Err(error) => self.note(Some(error.to_string())),
        }
        Ok(sent?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_shown_of_an_endpoint_has_no_password_in_it() {
        for (endpoint, said) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            ("https://joe:secret@collector.example/path?key=secret", "https://collector.example"),
            ("joe:secret@collector", "collector"),
        ] {
            assert_eq!(shown(endpoint), said);
        }
        assert!(Export::start("joe:secret@collector", "x").unwrap_err().to_string().contains("`collector`"));
    }
}
