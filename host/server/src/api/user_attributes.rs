//! `/user-attributes`.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{ByName, NewUserAttribute, Page, UserAttributeChange, UserAttributeView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists the definitions of users' attributes, by name.
#[utoipa::path(get, path = "/api/v1/user-attributes", tag = "users", params(PageQuery<ByName>),
    responses((status = 200, body = Page<UserAttributeView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByName>>,
) -> Result<Json<Page<UserAttributeView>>, Problem> {
    Ok(Json(api.services.list_user_attributes(&page.try_into()?).await?))
}

/// Defines an attribute of users. What they have of it already must fit.
#[utoipa::path(post, path = "/api/v1/user-attributes", tag = "users", request_body = NewUserAttribute,
    responses((status = 201, body = UserAttributeView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewUserAttribute>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_user_attribute(&caller, new).await?)
}

/// Shows the definition of an attribute.
#[utoipa::path(get, path = "/api/v1/user-attributes/{name}", tag = "users",
    params(("name" = String, Path, description = "The attribute's name.")),
    responses((status = 200, body = UserAttributeView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Answer, Problem> {
    let found = api.services.find_user_attribute(&name).await?;
    Ok(Answer::done(found.version, &UserAttributeView::from(&found)))
}

/// Changes the definition of an attribute, but not its type. What is left out stays.
#[utoipa::path(patch, path = "/api/v1/user-attributes/{name}", tag = "users", request_body = UserAttributeChange,
    params(("name" = String, Path, description = "The attribute's name.")),
    responses((status = 200, body = UserAttributeView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<UserAttributeChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_user_attribute(&caller, &name, change).await?)
}

/// Removes the definition of an attribute. What users have of it stays, as free texts.
#[utoipa::path(delete, path = "/api/v1/user-attributes/{name}", tag = "users",
    params(("name" = String, Path, description = "The attribute's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_user_attribute(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
