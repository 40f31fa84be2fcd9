//! `/groups`.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{ById, ByName, GroupChange, GroupView, MemberView, MembersBody, NewGroup, Page};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists groups, by name.
#[utoipa::path(get, path = "/api/v1/groups", tag = "users", params(PageQuery<ByName>),
    responses((status = 200, body = Page<GroupView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByName>>,
) -> Result<Json<Page<GroupView>>, Problem> {
    Ok(Json(api.services.list_groups(&page.try_into()?).await?))
}

/// Makes a group.
#[utoipa::path(post, path = "/api/v1/groups", tag = "users", request_body = NewGroup,
    responses((status = 201, body = GroupView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewGroup>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_group(&caller, new).await?)
}

/// Shows a group.
#[utoipa::path(get, path = "/api/v1/groups/{name}", tag = "users",
    params(("name" = String, Path, description = "The group's name.")),
    responses((status = 200, body = GroupView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Answer, Problem> {
    let found = api.services.find_group(&name).await?;
    Ok(Answer::done(found.version, &GroupView::from(&found)))
}

/// Changes a group, but not who belongs to it. What is left out stays.
#[utoipa::path(patch, path = "/api/v1/groups/{name}", tag = "users", request_body = GroupChange,
    params(("name" = String, Path, description = "The group's name.")),
    responses((status = 200, body = GroupView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<GroupChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_group(&caller, &name, change).await?)
}

/// Deletes a group. Its users stay as they are.
#[utoipa::path(delete, path = "/api/v1/groups/{name}", tag = "users",
    params(("name" = String, Path, description = "The group's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_group(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists who belongs to a group, by number.
#[utoipa::path(get, path = "/api/v1/groups/{name}/members", tag = "users",
    params(("name" = String, Path, description = "The group's name."), PageQuery<ById>),
    responses((status = 200, body = Page<MemberView>), Failures))]
pub(super) async fn members(
    State(api): State<Api>,
    Path(name): Path<String>,
    Params(page): Params<PageQuery<ById>>,
) -> Result<Json<Page<MemberView>>, Problem> {
    Ok(Json(api.services.list_members(&name, &page.try_into()?).await?))
}

/// Changes who belongs to a group, many at once: all that is asked, or nothing.
#[utoipa::path(post, path = "/api/v1/groups/{name}/members", tag = "users", request_body = MembersBody,
    params(("name" = String, Path, description = "The group's name.")),
    responses((status = 200, body = GroupView), Failures))]
pub(super) async fn change_members(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(body): Body<MembersBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_members(&caller, &name, body).await?)
}
