//! `/connectors`.

use super::body::{Params, Path, whole};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{ByNameOrInstallation, CheckReport, ConnectorView, Page};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

/// How to install.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Install {
    /// Consent to running this very component although nobody signed it. Who consented is recorded.
    #[serde(default)]
    allow_unsigned: bool,
}

/// Lists installed connectors, by name and version.
#[utoipa::path(get, path = "/api/v1/connectors", tag = "connectors", params(PageQuery<ByNameOrInstallation>),
    responses((status = 200, body = Page<ConnectorView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByNameOrInstallation>>,
) -> Result<Json<Page<ConnectorView>>, Problem> {
    Ok(Json(api.services.list_connectors(&page.try_into()?).await?))
}

/// Installs a connector. Unsigned ones need a consent.
#[utoipa::path(post, path = "/api/v1/connectors", tag = "connectors", params(Install),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component."),
    responses((status = 201, body = ConnectorView), Failures))]
pub(super) async fn install(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(how): Params<Install>,
    component: Result<Bytes, BytesRejection>,
) -> Result<Answer, Problem> {
    let component = whole(component)?.to_vec();
    Ok(api.services.install_connector(&caller, component, how.allow_unsigned).await?)
}

/// Checks a component as installing would, and keeps nothing of it.
#[utoipa::path(post, path = "/api/v1/connectors/check", tag = "connectors",
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component."),
    responses((status = 200, body = CheckReport), Failures))]
pub(super) async fn check(
    State(api): State<Api>,
    component: Result<Bytes, BytesRejection>,
) -> Result<Json<CheckReport>, Problem> {
    Ok(Json(api.services.check_connector(&whole(component)?).await?))
}

/// Shows a connector.
#[utoipa::path(get, path = "/api/v1/connectors/{connector}", tag = "connectors",
    params(("connector" = String, Path, description = "Its name, name@version or digest.")),
    responses((status = 200, body = ConnectorView), Failures))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(connector): Path<String>,
) -> Result<Json<ConnectorView>, Problem> {
    let found = api.services.find_connector(&connector).await?;
    Ok(Json(ConnectorView::from(&found)))
}

/// Uninstalls a connector that no app runs on.
#[utoipa::path(delete, path = "/api/v1/connectors/{connector}", tag = "connectors",
    params(("connector" = String, Path, description = "Its name, name@version or digest.")),
    responses((status = 204), Failures))]
pub(super) async fn uninstall(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(connector): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.uninstall_connector(&caller, &connector).await?;
    Ok(StatusCode::NO_CONTENT)
}
