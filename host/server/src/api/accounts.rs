//! `/accounts`.

use super::body::{Body, OptionalBody, Params, Path};
use super::problem::Failures;
use super::{Api, Problem};
use crate::service::{AccountFilter, Answer, Caller, LinkAsk, Paging, ServiceError};
use crate::wire::{
    AccountSummary, AccountView, AskedSort, ById, CancelBody, LinkBody, LinkStateSpelling, Page, RequestView,
    SituationSpelling, parse,
};
use axum::extract::State;
use axum::{Extension, Json};
use gatehouse_core::{AccountId, LinkState, Situation};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which accounts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountParams {
    /// Of this app.
    app: Option<String>,
    /// In this link state.
    #[param(value_type = Option<LinkStateSpelling>)]
    link_state: Option<String>,
    /// In this situation.
    #[param(value_type = Option<SituationSpelling>)]
    situation: Option<String>,
    /// Of this user: username or number.
    user: Option<String>,
    /// In which order; with `-` in front, the other way.
    #[param(inline, required = false, value_type = ById)]
    sort: Option<AskedSort<ById>>,
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

/// Which app.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SummaryParams {
    /// The app's name.
    app: String,
}

fn number(text: &str) -> Result<AccountId, ServiceError> {
    text.parse().map_err(|error: gatehouse_core::BadId| ServiceError::invalid("id", error.to_string()))
}

/// Lists accounts, by number: all, or the caller's own.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", params(AccountParams),
    responses((status = 200, body = Page<AccountView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<AccountParams>,
) -> Result<Json<Page<AccountView>>, Problem> {
    let link_state = query.link_state.map(|text| parse(&text, &LinkState::ALL, "link state")).transpose();
    let situation = query.situation.map(|text| parse(&text, &Situation::ALL, "situation")).transpose();
    let filter = AccountFilter {
        app: query.app,
        link_state: link_state.map_err(|why| ServiceError::invalid("link_state", why))?,
        situation: situation.map_err(|why| ServiceError::invalid("situation", why))?,
        user: query.user,
    };
    let paging = Paging::asked(query.after, query.limit, query.sort)?;
    Ok(Json(api.services.list_accounts(&caller, filter, &paging).await?))
}

/// Counts an app's accounts by link state and situation.
#[utoipa::path(get, path = "/api/v1/accounts/summary", tag = "accounts", params(SummaryParams),
    responses((status = 200, body = AccountSummary), Failures))]
pub(super) async fn summary(
    State(api): State<Api>,
    Params(query): Params<SummaryParams>,
) -> Result<Json<AccountSummary>, Problem> {
    Ok(Json(api.services.summarise_accounts(&query.app).await?))
}

/// Shows an account.
#[utoipa::path(get, path = "/api/v1/accounts/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The account's number.", example = "ACC-000001")),
    responses((status = 200, body = AccountView), Failures))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    let account = api.services.see_account(&caller, number(&id)?).await?;
    Ok(Answer::done(account.version, &api.services.views().account(&account).await?))
}

/// Links an account to a user. No later analysis undoes it.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/link", tag = "accounts", request_body = LinkBody,
    params(("id" = String, Path, description = "The account's number.", example = "ACC-000001")),
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn link(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<LinkBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_link(&caller, number(&id)?, LinkAsk::Link(body.user), body.reason).await?)
}

/// Unlinks an account from its user.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/unlink", tag = "accounts", request_body = CancelBody,
    params(("id" = String, Path, description = "The account's number.", example = "ACC-000001")),
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn unlink(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<CancelBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_link(&caller, number(&id)?, LinkAsk::Unlink, body.reason).await?)
}

/// Leaves an account alone from now on.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/ignore", tag = "accounts", request_body = CancelBody,
    params(("id" = String, Path, description = "The account's number.", example = "ACC-000001")),
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn ignore(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<CancelBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_link(&caller, number(&id)?, LinkAsk::Ignore, body.reason).await?)
}
