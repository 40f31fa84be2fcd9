//! Health, metrics and the OpenAPI document: what is answered without a token, and gives nothing away.

use super::{Api, openapi};
use crate::telemetry;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Whether the host can do its work, and what of it cannot.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether everything below is well.
    ready: bool,
    /// `engine`, `sandbox`, `stopping` and `store`, each with what is wrong with it; null: nothing.
    checks: BTreeMap<&'static str, Option<String>>,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can do its work: the store can be read and written, the engine takes up work, the sandbox can make
/// calls, and the host is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "system",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Readiness>) {
    let stopping = api.closing.borrow().then(|| "the host is shutting down".to_owned());
    let checks = BTreeMap::from([
        ("engine", api.services.background.health().err()),
        ("sandbox", api.services.connectors.health().err()),
        ("stopping", stopping),
        ("store", store(&api).await),
    ]);
    let ready = checks.values().all(Option::is_none);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks }))
}

/// What is wrong with the store. Why in so many words is in the log: anybody may ask here.
async fn store(api: &Api) -> Option<String> {
    let told = |what: &str| Some(format!("the store {what}: see the log"));
    let store = &api.services.store;
    match (store.directory_epoch().await, store.health()) {
        (Err(_), _) => told("does not answer"),
        (_, Err(_)) => told("takes no changes"),
        (Ok(_), Ok(())) => None,
    }
}

/// Metrics for Prometheus; docs/operations.md lists them.
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, body = String)))]
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let services = &api.services;
    let text = telemetry::metrics::render(api.metrics.as_ref(), services.store.as_ref(), services.clock.now()).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", responses((status = 200, body = Object)))]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}
