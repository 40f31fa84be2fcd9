//! Health, metrics and the OpenAPI document: what is answered without a token, and gives nothing away.

use super::{Api, Problem, openapi};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can do its work: the store answers, and it is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "system", responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, Problem> {
    let refused = |why: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready", why);
    if *api.closing.borrow() {
        return Err(refused("the host is shutting down"));
    }
    match api.services.store.directory_epoch().await {
        Ok(_) => Ok("ready\n"),
        Err(_) => Err(refused("the store does not answer")),
    }
}

/// Counters for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, body = String)))]
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let text = api.metrics.map(|handle| handle.render()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", responses((status = 200, body = Object)))]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}
