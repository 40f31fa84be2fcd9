//! `/profiles`.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{ByName, NewProfile, Page, ProfileChange, ProfileView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists profiles, by name.
#[utoipa::path(get, path = "/api/v1/profiles", tag = "users", params(PageQuery<ByName>),
    responses((status = 200, body = Page<ProfileView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByName>>,
) -> Result<Json<Page<ProfileView>>, Problem> {
    Ok(Json(api.services.list_profiles(&page.try_into()?).await?))
}

/// Makes a profile.
#[utoipa::path(post, path = "/api/v1/profiles", tag = "users", request_body = NewProfile,
    responses((status = 201, body = ProfileView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewProfile>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_profile(&caller, new).await?)
}

/// Shows a profile.
#[utoipa::path(get, path = "/api/v1/profiles/{name}", tag = "users",
    params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 200, body = ProfileView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Answer, Problem> {
    let found = api.services.find_profile(&name).await?;
    Ok(Answer::done(found.version, &ProfileView::from(&found)))
}

/// Changes a profile. What is left out stays.
#[utoipa::path(patch, path = "/api/v1/profiles/{name}", tag = "users", request_body = ProfileChange,
    params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 200, body = ProfileView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<ProfileChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_profile(&caller, &name, change).await?)
}

/// Deletes a profile that no user has and no app is granted to.
#[utoipa::path(delete, path = "/api/v1/profiles/{name}", tag = "users",
    params(("name" = String, Path, description = "The profile's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_profile(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
