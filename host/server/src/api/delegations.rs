//! `/delegations`: who decides in whose place.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller, ServiceError};
use crate::wire::{ById, DelegationChange, DelegationView, NewDelegation, Page};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use gatehouse_core::{BadId, DelegationId};

fn number(text: &str) -> Result<DelegationId, ServiceError> {
    text.parse().map_err(|error: BadId| ServiceError::invalid("id", error.to_string()))
}

/// Lists delegations, by number, those that are over included.
#[utoipa::path(get, path = "/api/v1/delegations", tag = "delegations", params(PageQuery<ById>),
    responses((status = 200, body = Page<DelegationView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(page): Params<PageQuery<ById>>,
) -> Result<Json<Page<DelegationView>>, Problem> {
    Ok(Json(api.services.list_delegations(&caller, &page.try_into()?).await?))
}

/// Has somebody approve and deny in another's place for a time.
#[utoipa::path(post, path = "/api/v1/delegations", tag = "delegations", request_body = NewDelegation,
    responses((status = 201, body = DelegationView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewDelegation>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_delegation(&caller, new).await?)
}

/// Shows a delegation.
#[utoipa::path(get, path = "/api/v1/delegations/{id}", tag = "delegations",
    params(("id" = String, Path, description = "The delegation's number.", example = "DLG-000001")),
    responses((status = 200, body = DelegationView), Failures))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.show_delegation(&caller, number(&id)?).await?)
}

/// Gives a delegation another time.
#[utoipa::path(patch, path = "/api/v1/delegations/{id}", tag = "delegations", request_body = DelegationChange,
    params(("id" = String, Path, description = "The delegation's number.", example = "DLG-000001")),
    responses((status = 200, body = DelegationView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(change): Body<DelegationChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_delegation(&caller, number(&id)?, change).await?)
}

/// Ends a delegation at once. What was decided under it stays.
#[utoipa::path(delete, path = "/api/v1/delegations/{id}", tag = "delegations",
    params(("id" = String, Path, description = "The delegation's number.", example = "DLG-000001")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_delegation(&caller, number(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
