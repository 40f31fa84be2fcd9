//! `/permission-sets`.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{ByName, NewPermissionSet, Page, PermissionSetChange, PermissionSetView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists permission sets, by name.
#[utoipa::path(get, path = "/api/v1/permission-sets", tag = "users", params(PageQuery<ByName>),
    responses((status = 200, body = Page<PermissionSetView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByName>>,
) -> Result<Json<Page<PermissionSetView>>, Problem> {
    Ok(Json(api.services.list_permission_sets(&page.try_into()?).await?))
}

/// Makes a permission set.
#[utoipa::path(post, path = "/api/v1/permission-sets", tag = "users", request_body = NewPermissionSet,
    responses((status = 201, body = PermissionSetView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewPermissionSet>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_permission_set(&caller, new).await?)
}

/// Shows a permission set.
#[utoipa::path(get, path = "/api/v1/permission-sets/{name}", tag = "users",
    params(("name" = String, Path, description = "The permission set's name.")),
    responses((status = 200, body = PermissionSetView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Answer, Problem> {
    let found = api.services.find_permission_set(&name).await?;
    Ok(Answer::done(found.version, &PermissionSetView::from(&found)))
}

/// Changes a permission set. What is left out stays.
#[utoipa::path(patch, path = "/api/v1/permission-sets/{name}", tag = "users", request_body = PermissionSetChange,
    params(("name" = String, Path, description = "The permission set's name.")),
    responses((status = 200, body = PermissionSetView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<PermissionSetChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_permission_set(&caller, &name, change).await?)
}

/// Deletes a permission set that no user has and no app is granted to.
#[utoipa::path(delete, path = "/api/v1/permission-sets/{name}", tag = "users",
    params(("name" = String, Path, description = "The permission set's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_permission_set(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
