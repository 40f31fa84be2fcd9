//! `/metrics`: what was counted since the start, and what the store knows when it is asked. All of it is in the table
//! of `gatehouse_core::metrics`, and all of that is shown, also what has not happened yet.

use super::exposition::Exposition;
use super::process;
use anyhow::{Context as _, Result};
use gatehouse_core::metrics::{ALL, BUILD_INFO, IN_REVIEW, Kind, QUEUE_AGE, REQUESTS};
use gatehouse_core::ports::{Store, StoreError};
use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// How often metrics are tidied up.
const TIDY: Duration = Duration::from_secs(5);

/// Begins to count, with what every metric means. For the whole process, once.
///
/// # Errors
/// Somebody counts already.
pub fn start() -> Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    let handle = builder.install_recorder().context("the metrics")?;
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
    metrics::gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let tidied = handle.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(TIDY);
        loop {
            tick.tick().await;
            tidied.run_upkeep();
        }
    });
    Ok(handle)
}

/// Everything, in Prometheus' text format. Of a store that does not answer nothing is shown.
pub async fn render(counted: Option<&PrometheusHandle>, store: &dyn Store, now: Timestamp) -> String {
    let mut text = Exposition::after(counted.map(PrometheusHandle::render).unwrap_or_default());
    process::append(&mut text);
    if let Ok(requests) = requests(store, now).await {
        requests.append(&mut text);
    }
    for metric in ALL {
        if !text.has(metric) {
            text.begin(metric);
        }
    }
    text.text()
}

/// What the store knows of the requests of an app.
struct OfApp {
    name: String,
    states: Vec<(String, u64)>,
    in_review: u64,
    waiting: Option<f64>,
}

struct Requests(Vec<OfApp>);

async fn requests(store: &dyn Store, now: Timestamp) -> Result<Requests, StoreError> {
    let mut figures = store.request_figures().await?;
    let apps = store.apps().await?.into_iter().map(|app| {
        let figures = figures.remove(&app.id).unwrap_or_default();
        let waited = figures.first_due.map_or(0.0, |due| now.duration_since(due).as_secs_f64().max(0.0));
        OfApp {
            name: app.name,
            states: figures.states.into_iter().map(|(state, count)| (format!("{state:?}"), count)).collect(),
            in_review: figures.in_review,
            waiting: (!app.paused).then_some(waited),
        }
    });
    Ok(Requests(apps.collect()))
}

impl Requests {
    #[allow(clippy::cast_precision_loss)] // never near 2^52
    fn append(&self, text: &mut Exposition) {
        text.begin(&REQUESTS);
        for app in &self.0 {
            for (state, count) in &app.states {
                text.sample(&REQUESTS, &[&app.name, state], *count as f64);
            }
        }
        text.begin(&IN_REVIEW);
        for app in &self.0 {
            text.sample(&IN_REVIEW, &[&app.name], app.in_review as f64);
        }
        text.begin(&QUEUE_AGE);
        for app in &self.0 {
            app.waiting.iter().for_each(|waited| text.sample(&QUEUE_AGE, &[&app.name], *waited));
        }
    }
}
