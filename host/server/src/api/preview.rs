//! `/apps/{name}/preview` and `/apps/{name}/provision`.

use super::body::{Body, Path};
use super::problem::Failures;
use super::{Api, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{PreviewBody, PreviewReport, ProvisionBody, ProvisionReport};
use axum::extract::State;
use axum::{Extension, Json};

/// Shows what an app would receive for a user, with its configuration or with one that is not kept. Nothing is called.
#[utoipa::path(post, path = "/api/v1/apps/{name}/preview", tag = "apps", request_body = PreviewBody,
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = PreviewReport), Failures))]
pub(super) async fn preview(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(body): Body<PreviewBody>,
) -> Result<Json<PreviewReport>, Problem> {
    Ok(Json(api.services.preview_app(&caller, &name, body).await?))
}

/// Finds out what a user needs in an app, step by step, and raises the request for it, unless it is a dry run.
#[utoipa::path(post, path = "/api/v1/apps/{name}/provision", tag = "apps", request_body = ProvisionBody,
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, description = "Nothing was raised: a dry run, or nothing to do.", body = ProvisionReport),
        (status = 202, description = "A request was raised.", body = ProvisionReport), Failures))]
pub(super) async fn provision(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(body): Body<ProvisionBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.provision(&caller, &name, body).await?)
}
