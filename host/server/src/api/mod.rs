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
mod examples;
mod facts;
mod failures;
mod groups;
mod guard;
mod headers;
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
mod sharing;
mod system;
mod unread;
mod user_attributes;
mod users;

pub(crate) use body::json_reason;
pub use document::openapi;
pub use guard::Rules;
pub use problem::{FieldProblem, Problem};

use crate::service::{Answer, Paging, ServiceError, Services};
use crate::wire::{AskedSort, SortKey};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use gatehouse_core::access::Action;
use guard::{Guard, Guarded};
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

/// Which part of a list, and in which order.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, bound = "")]
#[into_params(parameter_in = Query)]
pub struct PageQuery<K: SortKey> {
    /// In which order; with `-` in front, the other way.
    #[param(inline, required = false, value_type = K)]
    sort: Option<AskedSort<K>>,
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

impl<K: SortKey> TryFrom<PageQuery<K>> for Paging<K> {
    type Error = ServiceError;

    fn try_from(query: PageQuery<K>) -> Result<Self, ServiceError> {
        Self::asked(query.after, query.limit, query.sort)
    }
}

/// The routes that need a token, with their documentation: the one table of who may call what. None can be added without
/// the action that it is.
fn protected() -> Guarded {
    use Action::*;
    let uploads = Guarded::default()
        .route(ReadConnectors, routes!(connectors::list))
        .route(InstallConnector, routes!(connectors::install))
        .route(InstallConnector, routes!(connectors::check))
        .route(ChangeDirectory, routes!(users::import))
        .with_bodies_up_to(UPLOAD)
        .refusing_too_large();
    Guarded::default()
        .route(ReadConnectors, routes!(connectors::show))
        .route(UninstallConnector, routes!(connectors::uninstall))
        .route(ReadApps, routes!(apps::list))
        .route(ChangeApps, routes!(apps::create))
        .route(ReadApps, routes!(apps::show))
        .route(ChangeApps, routes!(apps::change))
        .route(ChangeApps, routes!(apps::delete))
        .route(Oversee, routes!(counters::list))
        .route(Oversee, routes!(counters::show))
        .route(ChangeApps, routes!(apps::probe))
        .route(ChangeApps, routes!(apps::pause))
        .route(ChangeApps, routes!(apps::resume))
        .route(ManageRequests, routes!(apps::reconcile))
        .route(ReadApps, routes!(preview::preview))
        .route(ManageRequests, routes!(preview::provision))
        .route(ManageRequests, routes!(jobs::release))
        .route(ManageRequests, routes!(jobs::withdraw))
        .route(Oversee, routes!(jobs::list))
        .route(Oversee, routes!(jobs::show))
        .route(ManageRequests, routes!(jobs::approve))
        .route(ManageRequests, routes!(jobs::cancel))
        .route(ReadDirectory, routes!(profiles::list))
        .route(ChangeDirectory, routes!(profiles::create))
        .route(ReadDirectory, routes!(profiles::show))
        .route(ChangeDirectory, routes!(profiles::change))
        .route(ChangeDirectory, routes!(profiles::delete))
        .route(ReadDirectory, routes!(permission_sets::list))
        .route(ChangeDirectory, routes!(permission_sets::create))
        .route(ReadDirectory, routes!(permission_sets::show))
        .route(ChangeDirectory, routes!(permission_sets::change))
        .route(ChangeDirectory, routes!(permission_sets::delete))
        .route(ReadDirectory, routes!(groups::list))
        .route(ChangeDirectory, routes!(groups::create))
        .route(ReadDirectory, routes!(groups::show))
        .route(ChangeDirectory, routes!(groups::change))
        .route(ChangeDirectory, routes!(groups::delete))
        .route(ReadDirectory, routes!(groups::members))
        .route(ChangeDirectory, routes!(groups::change_members))
        .route(ReadDirectory, routes!(user_attributes::list))
        .route(ChangeDirectory, routes!(user_attributes::create))
        .route(ReadDirectory, routes!(user_attributes::show))
        .route(ChangeDirectory, routes!(user_attributes::change))
        .route(ChangeDirectory, routes!(user_attributes::delete))
        .route(ReadUser, routes!(users::list))
        .route(ChangeDirectory, routes!(users::create))
        .route(ReadUser, routes!(users::show))
        .route(ChangeDirectory, routes!(users::change))
        .route(ChangeDirectory, routes!(users::freeze))
        .route(ChangeDirectory, routes!(users::unfreeze))
        .route(ChangeDirectory, routes!(users::disable))
        .route(ChangeDirectory, routes!(users::enable))
        .route(ChangeDirectory, routes!(users::reactivate))
        .route(ChangeDirectory, routes!(users::assign))
        .route(ChangeDirectory, routes!(users::unassign))
        .route(EraseUser, routes!(users::erase))
        .route(ReadAccount, routes!(accounts::list))
        .route(Oversee, routes!(accounts::summary))
        .route(ReadAccount, routes!(accounts::show))
        .route(ManageRequests, routes!(accounts::link))
        .route(ManageRequests, routes!(accounts::unlink))
        .route(ManageRequests, routes!(accounts::ignore))
        .route(ReadRequest, routes!(requests::list))
        .route(ManageRequests, routes!(requests::create))
        .route(ReadRequest, routes!(requests::show))
        .route(ManageRequests, routes!(requests::change))
        .route(ReadRequest, routes!(requests::log))
        .route(ReadRequest, routes!(requests::staging))
        .route(ReadRequest, routes!(events::events))
        .route(ManageRequests, routes!(requests::commit))
        .route(DecideRequest, routes!(requests::approve))
        .route(DecideRequest, routes!(requests::deny))
        .route(ManageRequests, routes!(requests::retry))
        .route(ManageRequests, routes!(requests::settle))
        .route(ManageRequests, routes!(requests::complete))
        .route(ManageRequests, routes!(requests::cancel))
        .route(ReadSharing, routes!(sharing::list))
        .route(ChangeSharing, routes!(sharing::create))
        .route(ReadSharing, routes!(sharing::show))
        .route(ChangeSharing, routes!(sharing::delete))
        .route(ReadDelegation, routes!(delegations::list))
        .route(Delegate, routes!(delegations::create))
        .route(ReadDelegation, routes!(delegations::show))
        .route(Delegate, routes!(delegations::change))
        .route(Delegate, routes!(delegations::delete))
        .route(ReadCredentials, routes!(credentials::list))
        .route(ChangeCredentials, routes!(credentials::set))
        .route(ChangeCredentials, routes!(credentials::delete))
        .route(WhoAmI, routes!(system::whoami))
        .route(ReadToken, routes!(system::tokens))
        .route(MakeToken, routes!(system::create_token))
        .route(RevokeToken, routes!(system::revoke_token))
        .route(ReadAudit, routes!(audit::list))
        .route(ReadAudit, routes!(audit::head))
        .route(ReadAudit, routes!(audit::verify))
        .route(ReadAudit, routes!(audit::export))
        .route(BackUp, routes!(backup::backup))
        .route(Compact, routes!(backup::compact))
        .route(Restore, routes!(backup::restore))
        .with_bodies_up_to(BODY)
        .merge(uploads)
}

/// Who may call what: every route that needs a token, with its action.
pub fn rules() -> Rules {
    protected().rules
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
    let Guarded { router: protected, rules } = protected();
    let guard = Guard { api: api.clone(), rules: Arc::new(rules) };
    let (protected, _) = protected.split_for_parts();
    let (open, _) = open().split_for_parts();
    #[cfg(feature = "failpoints")]
    let protected = protected.merge(crate::failpoints::routes());
    protected
        .route_layer(middleware::from_fn_with_state(api.clone(), repeat::answer_repeated))
        .route_layer(middleware::from_fn_with_state(api.clone(), backup::change))
        .route_layer(middleware::from_fn_with_state(guard, guard::authorise))
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
