//! `/counters`, and those of an app.

use super::body::{Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::wire::{ByApp, CountersView, Page};
use axum::Json;
use axum::extract::State;

/// Counts the requests and accounts of every app, by the app's name.
#[utoipa::path(get, path = "/api/v1/counters", tag = "apps", params(PageQuery<ByApp>),
    responses((status = 200, body = Page<CountersView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByApp>>,
) -> Result<Json<Page<CountersView>>, Problem> {
    Ok(Json(api.services.list_counters(&page.try_into()?).await?))
}

/// Counts an app's requests and accounts.
#[utoipa::path(get, path = "/api/v1/apps/{name}/counters", tag = "apps",
    params(("name" = String, Path, description = "The app's name.")),
    responses((status = 200, body = CountersView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<CountersView>, Problem> {
    Ok(Json(api.services.show_counters(&name).await?))
}
