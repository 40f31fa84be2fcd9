//! `/credentials`: write-only.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::Caller;
use crate::wire::{ByNameOrUpdate, CredentialBody, CredentialView, Page};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists credentials, by name, without their secrets.
#[utoipa::path(get, path = "/api/v1/credentials", tag = "credentials", params(PageQuery<ByNameOrUpdate>),
    responses((status = 200, body = Page<CredentialView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByNameOrUpdate>>,
) -> Result<Json<Page<CredentialView>>, Problem> {
    Ok(Json(api.services.list_credentials(&page.try_into()?).await?))
}

/// Makes a credential, or gives one another secret.
#[utoipa::path(put, path = "/api/v1/credentials/{name}", tag = "credentials", request_body = CredentialBody,
    params(("name" = String, Path, description = "Letters, digits, `-`, `_` and `.`, 64 at most.")),
    responses((status = 200, body = CredentialView), (status = 201, body = CredentialView), Failures))]
pub(super) async fn set(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(body): Body<CredentialBody>,
) -> Result<(StatusCode, Json<CredentialView>), Problem> {
    let (view, made) = api.services.set_credential(&caller, &name, body).await?;
    Ok((if made { StatusCode::CREATED } else { StatusCode::OK }, Json(view)))
}

/// Deletes a credential that no app uses.
#[utoipa::path(delete, path = "/api/v1/credentials/{name}", tag = "credentials",
    params(("name" = String, Path, description = "The credential's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_credential(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
