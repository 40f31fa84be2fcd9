//! `/apps`.

use super::body::{Body, OptionalBody, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{AppChange, AppView, ByNameOrCreation, NewApp, Page, ProbeReport, ReconcileBody, RequestView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists apps, by name.
#[utoipa::path(get, path = "/api/v1/apps", tag = "apps", params(PageQuery<ByNameOrCreation>),
    responses((status = 200, body = Page<AppView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByNameOrCreation>>,
) -> Result<Json<Page<AppView>>, Problem> {
    Ok(Json(api.services.list_apps(&page.try_into()?).await?))
}

/// Makes an app.
#[utoipa::path(post, path = "/api/v1/apps", tag = "apps", request_body = NewApp,
    responses((status = 201, body = AppView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewApp>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_app(&caller, new).await?)
}

/// Shows an app.
#[utoipa::path(get, path = "/api/v1/apps/{name}", tag = "apps",
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = AppView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Answer, Problem> {
    let app = api.services.find_app(&name).await?;
    Ok(Answer::done(app.version, &api.services.app_view(&app).await?))
}

/// Changes an app.
#[utoipa::path(patch, path = "/api/v1/apps/{name}", tag = "apps", request_body = AppChange,
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = AppView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<AppChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_app(&caller, &name, change).await?)
}

/// Deletes an app, with its accounts, requests and logs. The target is not touched.
#[utoipa::path(delete, path = "/api/v1/apps/{name}", tag = "apps",
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_app(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks an app's configuration against its target: can it be reached and signed in to?
#[utoipa::path(post, path = "/api/v1/apps/{name}/probe", tag = "apps",
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = ProbeReport), Failures))]
pub(super) async fn probe(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<ProbeReport>, Problem> {
    Ok(Json(api.services.probe_app(&caller, &name).await?))
}

/// Pauses an app: nothing of it is called until it is resumed.
#[utoipa::path(post, path = "/api/v1/apps/{name}/pause", tag = "apps",
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = AppView), Failures))]
pub(super) async fn pause(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.pause_app(&caller, &name, true).await?)
}

/// Lets a paused app go on.
#[utoipa::path(post, path = "/api/v1/apps/{name}/resume", tag = "apps",
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = AppView), Failures))]
pub(super) async fn resume(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.pause_app(&caller, &name, false).await?)
}

/// Starts a reconciliation: collects the target's accounts, or takes supplied ones, and analyses them.
#[utoipa::path(post, path = "/api/v1/apps/{name}/reconcile", tag = "apps", request_body = ReconcileBody,
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn reconcile(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    OptionalBody(body): OptionalBody<ReconcileBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.reconcile(&caller, &name, body).await?)
}
