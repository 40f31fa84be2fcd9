//! What operators see of a host: its log, its traces, its metrics. Set up once, before anything is done. It never
//! changes what the host does, and a collector that is down, slow or gone is not noticed by anybody who calls it.

mod export;
mod exposition;
mod fields;
mod line;
mod log;
pub mod metrics;
mod process;
mod trace;

pub use trace::{adopt, correlation, traceparent};

use crate::config::LogFormat;
use anyhow::{Context as _, Result};
use std::io::IsTerminal as _;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// What the log holds unless GATEHOUSE_LOG says otherwise: of connectors only what they warn of.
const USUAL: &str = "info,gatehouse::connector=warn";

/// What has to be ended with the host.
#[derive(Debug, Default)]
pub struct Telemetry {
    export: Option<export::Export>,
}

impl Telemetry {
    /// Sets up the log and, if there is an endpoint, the export of traces. For the whole process, once.
    ///
    /// # Errors
    /// The endpoint is no URL, or all this was set up before.
    pub fn start(format: LogFormat, otlp_endpoint: Option<&str>, instance: &str) -> Result<Self> {
        let (wanted, complaint) = match std::env::var("GATEHOUSE_LOG") {
            Ok(text) => match EnvFilter::try_new(&text) {
                Ok(filter) => (filter, None),
                Err(error) => {
                    (EnvFilter::new(USUAL), Some(format!("GATEHOUSE_LOG: {error}; it takes `info` or the like")))
                }
            },
            Err(_) => (EnvFilter::new(USUAL), None),
        };
        // What passes through a library (headers, bodies, arguments) is not the library's to print, at any level.
        let ours = filter_fn(|of| of.target().starts_with("gatehouse") || *of.level() <= tracing::Level::INFO);
        let log = log::Log::new(format, std::io::stderr().is_terminal()).with_filter(wanted.and(ours));
        let export = otlp_endpoint.map(|endpoint| export::Export::start(endpoint, instance)).transpose()?;
        let traced = Targets::new()
            .with_target("gatehouse", LevelFilter::INFO)
            .with_target("gatehouse::connector", LevelFilter::WARN);
        let traces = export.as_ref().map(|export| export.layer().with_filter(traced));
        tracing_subscriber::registry().with(traces).with(log).try_init().context("the log")?;
        log::panics_too();
        if let Some(complaint) = complaint {
            tracing::warn!("{complaint}");
        }
        if let Some(endpoint) = otlp_endpoint {
            tracing::info!(endpoint = %export::shown(endpoint), "traces are exported");
        }
        Ok(Self { export })
    }

    /// Sends what is left of the traces, for a few seconds at most.
    pub fn stop(self) {
        if let Some(export) = self.export {
            export.stop();
        }
    }
}
