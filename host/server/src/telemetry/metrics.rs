//! `/metrics`: what was counted since the start, and what the store knows when it is asked. All of it is in the table
//! of `gatehouse_core::metrics`, and all of that is shown, also what has not happened yet.

use super::exposition::Exposition;
use super::process;
use anyhow::{Context as _, Result};
use gatehouse_core::metrics::{
    ACCOUNTS, ACCOUNTS_MISSING, ALL, APPROVAL_AGE, APPROVALS, BUILD_INFO, IN_REVIEW, Kind, Metric, QUEUE_AGE, REQUESTS,
};
use gatehouse_core::ports::{AccountFigures, Store, StoreError};
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
    approvals: u64,
    approval_age: f64,
    accounts: AccountFigures,
}

struct Requests(Vec<OfApp>);

async fn requests(store: &dyn Store, now: Timestamp) -> Result<Requests, StoreError> {
    let (mut figures, mut accounts) = (store.request_figures().await?, store.account_figures().await?);
    let since = |at: Option<Timestamp>| at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    let apps = store.apps().await?.into_iter().map(|app| {
        let figures = figures.remove(&app.id).unwrap_or_default();
        OfApp {
            name: app.name,
            states: figures.states.into_iter().map(|(state, count)| (format!("{state:?}"), count)).collect(),
            in_review: figures.in_review,
            waiting: (!app.paused).then(|| since(figures.first_due)),
            approvals: figures.awaiting,
            approval_age: since(figures.awaiting_since),
            accounts: accounts.remove(&app.id).unwrap_or_default(),
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
        let mut of_each = |metric: &Metric, value: &dyn Fn(&OfApp) -> f64| {
            text.begin(metric);
            self.0.iter().for_each(|app| text.sample(metric, &[&app.name], value(app)));
        };
        of_each(&IN_REVIEW, &|app| app.in_review as f64);
        of_each(&APPROVALS, &|app| app.approvals as f64);
        of_each(&APPROVAL_AGE, &|app| app.approval_age);
        of_each(&ACCOUNTS_MISSING, &|app| app.accounts.missing as f64);
        text.begin(&ACCOUNTS);
        for app in &self.0 {
            for ((link_state, status), count) in &app.accounts.accounts {
                let labels = [app.name.as_str(), &format!("{link_state:?}"), &format!("{status:?}")];
                text.sample(&ACCOUNTS, &labels, *count as f64);
            }
        }
        text.begin(&QUEUE_AGE);
        for app in &self.0 {
            app.waiting.iter().for_each(|waited| text.sample(&QUEUE_AGE, &[&app.name], *waited));
        }
    }
}
