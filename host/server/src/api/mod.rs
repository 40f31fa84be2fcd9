//! The HTTP API, version 1. A handler reads what was sent, calls one use case, and answers; it decides nothing. The
//! OpenAPI document is generated from the same routes that answer.

mod accounts;
mod apps;
mod audit;
mod auth;
mod backup;
mod body;
mod connectors;
mod counters;
mod credentials;
mod delegations;
mod document;
mod events;
mod failures;
mod groups;
mod health;
mod jobs;
mod observe;
mod permission_sets;
mod preview;
mod problem;
mod profiles;
mod rate;
mod repeat;
mod requests;
mod system;
mod unread;
mod user_attributes;
mod users;

pub(crate) use body::json_reason;
pub use document::openapi;
pub use problem::{FieldProblem, Problem};

use crate::service::{Answer, Paging, Services};
use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The largest body of most calls, in bytes.
const BODY: usize = 8 << 20;

/// The largest component, and the largest import, in bytes.
const UPLOAD: usize = 64 << 20;

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub services: Services,
    /// What `/metrics` shows; nothing if no recorder is installed.
    pub metrics: Option<PrometheusHandle>,
    /// True once the host is shutting down: streams end, and `/readyz` says no.
    pub closing: watch::Receiver<bool>,
    keys: Arc<repeat::Keys>,
    rates: Arc<rate::Rates>,
    /// Held by every call that changes something; a restore takes it alone.
    changes: Arc<tokio::sync::RwLock<()>>,
}

impl Api {
    /// What handlers share.
    pub fn new(services: Services, metrics: Option<PrometheusHandle>, closing: watch::Receiver<bool>) -> Self {
        let rates = Arc::new(rate::Rates::new(rate::USUAL));
        Self { services, metrics, closing, keys: Arc::default(), rates, changes: Arc::default() }
    }

    /// With so many calls a minute for each token; 0: as many as they like.
    #[must_use]
    pub fn with_calls_per_minute(self, calls: u32) -> Self {
        Self { rates: Arc::new(rate::Rates::new(calls)), ..self }
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

impl From<PageQuery> for Paging {
    fn from(query: PageQuery) -> Self {
        Self { after: query.after, limit: query.limit }
    }
}

/// The routes that need a token, with their documentation.
fn protected() -> OpenApiRouter<Api> {
    let uploads = OpenApiRouter::new()
        .routes(routes!(connectors::list, connectors::install))
        .routes(routes!(connectors::check))
        .routes(routes!(users::import))
        .layer(DefaultBodyLimit::max(UPLOAD))
        .layer(middleware::from_fn(body::refuse_too_large));
    OpenApiRouter::new()
        .routes(routes!(connectors::show, connectors::uninstall))
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::show, apps::change, apps::delete))
        .routes(routes!(counters::list))
        .routes(routes!(counters::show))
        .routes(routes!(apps::probe))
        .routes(routes!(apps::pause))
        .routes(routes!(apps::resume))
        .routes(routes!(apps::reconcile))
        .routes(routes!(preview::preview))
        .routes(routes!(preview::provision))
        .routes(routes!(jobs::release))
        .routes(routes!(jobs::withdraw))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::approve))
        .routes(routes!(jobs::cancel))
        .routes(routes!(profiles::list, profiles::create))
        .routes(routes!(profiles::show, profiles::change, profiles::delete))
        .routes(routes!(permission_sets::list, permission_sets::create))
        .routes(routes!(permission_sets::show, permission_sets::change, permission_sets::delete))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::show, groups::change, groups::delete))
        .routes(routes!(groups::members, groups::change_members))
        .routes(routes!(user_attributes::list, user_attributes::create))
        .routes(routes!(user_attributes::show, user_attributes::change, user_attributes::delete))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change))
        .routes(routes!(users::freeze))
        .routes(routes!(users::unfreeze))
        .routes(routes!(users::disable))
        .routes(routes!(users::enable))
        .routes(routes!(users::reactivate))
        .routes(routes!(users::assign, users::unassign))
        .routes(routes!(users::erase))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::summary))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::link))
        .routes(routes!(accounts::unlink))
        .routes(routes!(accounts::ignore))
        .routes(routes!(requests::list, requests::create))
        .routes(routes!(requests::show, requests::change))
        .routes(routes!(requests::log))
        .routes(routes!(requests::staging))
        .routes(routes!(events::events))
        .routes(routes!(requests::commit))
        .routes(routes!(requests::approve))
        .routes(routes!(requests::deny))
        .routes(routes!(requests::retry))
        .routes(routes!(requests::settle))
        .routes(routes!(requests::complete))
        .routes(routes!(requests::cancel))
        .routes(routes!(delegations::list, delegations::create))
        .routes(routes!(delegations::show, delegations::change, delegations::delete))
        .routes(routes!(credentials::list))
        .routes(routes!(credentials::set, credentials::delete))
        .routes(routes!(system::tokens, system::create_token))
        .routes(routes!(system::revoke_token))
        .routes(routes!(audit::list))
        .routes(routes!(audit::head))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::export))
        .routes(routes!(backup::backup))
        .routes(routes!(backup::compact))
        .routes(routes!(backup::restore))
        .layer(DefaultBodyLimit::max(BODY))
        .merge(uploads)
}

/// The routes that need none.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::document))
}

/// Everything that answers.
pub fn router(api: Api) -> axum::Router {
    let (protected, _) = protected().split_for_parts();
    let (open, _) = open().split_for_parts();
    #[cfg(feature = "failpoints")]
    let protected = protected.merge(crate::failpoints::routes());
    protected
        .route_layer(middleware::from_fn_with_state(api.clone(), repeat::answer_repeated))
        .route_layer(middleware::from_fn_with_state(api.clone(), backup::change))
        .route_layer(middleware::from_fn_with_state(api.clone(), rate::limit))
        .route_layer(middleware::from_fn_with_state(api.clone(), auth::authenticate))
        .merge(open)
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn(unread::throw_away))
        .layer(middleware::from_fn(observe::observe))
        .with_state(api)
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(tag) = self.version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
            headers.insert(header::ETAG, tag);
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
