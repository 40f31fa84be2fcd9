//! `/sharing-rules`.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller};
use crate::wire::{ByNameOrCreation, NewSharingRule, Page, SharingRuleView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists sharing rules, by name.
#[utoipa::path(get, path = "/api/v1/sharing-rules", tag = "requests", params(PageQuery<ByNameOrCreation>),
    responses((status = 200, body = Page<SharingRuleView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<PageQuery<ByNameOrCreation>>,
) -> Result<Json<Page<SharingRuleView>>, Problem> {
    Ok(Json(api.services.list_sharing_rules(&page.try_into()?).await?))
}

/// Makes a rule by which others see requests, or decide about them.
#[utoipa::path(post, path = "/api/v1/sharing-rules", tag = "requests", request_body = NewSharingRule,
    responses((status = 201, body = SharingRuleView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewSharingRule>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_sharing_rule(&caller, new).await?)
}

/// Shows a sharing rule.
#[utoipa::path(get, path = "/api/v1/sharing-rules/{name}", tag = "requests",
    params(("name" = String, Path, description = "The rule's name.")),
    responses((status = 200, body = SharingRuleView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Answer, Problem> {
    let rule = api.services.find_sharing_rule(&name).await?;
    Ok(Answer::done(rule.version, &api.services.sharing_rule_view(&rule).await?))
}

/// Deletes a sharing rule: what it shared is not seen any more, at once.
#[utoipa::path(delete, path = "/api/v1/sharing-rules/{name}", tag = "requests",
    params(("name" = String, Path, description = "The rule's name.")),
    responses((status = 204), Failures))]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.delete_sharing_rule(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
