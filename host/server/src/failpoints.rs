//! `/failpoints`, in builds for tests alone: `GET` lists them and counts what was reached, `PUT` arms those of a list
//! and no others. It is no part of the API, and not documented as one.

use crate::api::Api;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use gatehouse_engine::EngineConfig;
use gatehouse_failpoints::{FAILPOINTS, arm, hits};
use serde_json::{Value, json};

/// Rows that are analysed, or committed, in one commit: small, so that a run of a few accounts has several.
const BATCH: &str = "GATEHOUSE_BATCH";

pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/failpoints", get(list).put(put))
}

async fn list() -> Json<Value> {
    let listed =
        FAILPOINTS.iter().map(|point| json!({"name": point.name, "reached": point.reached, "hits": hits(point.name)}));
    Json(listed.collect())
}

async fn put(Json(texts): Json<Vec<String>>) -> Result<StatusCode, (StatusCode, String)> {
    let armed = arm(texts.iter().map(String::as_str));
    armed.map(|()| StatusCode::NO_CONTENT).map_err(|error| (StatusCode::BAD_REQUEST, error))
}

/// The engine's configuration, with the batches that the environment asks for.
pub(crate) fn in_batches(config: EngineConfig) -> EngineConfig {
    let asked = std::env::var(BATCH).ok().and_then(|text| text.parse().ok());
    EngineConfig { batch: asked.unwrap_or(config.batch), ..config }
}
