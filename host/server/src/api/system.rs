//! `/tokens`.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::Caller;
use crate::wire::{ByNameOrCreation, NewToken, NewTokenView, Page, TokenView, WhoAmIView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

/// Lists tokens, by name, revoked ones included: all, or the caller's own. None is shown.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "system", params(PageQuery<ByNameOrCreation>),
    responses((status = 200, body = Page<TokenView>), Failures))]
pub(super) async fn tokens(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(page): Params<PageQuery<ByNameOrCreation>>,
) -> Result<Json<Page<TokenView>>, Problem> {
    Ok(Json(api.services.list_tokens(&caller, &page.try_into()?).await?))
}

/// Makes a token. It is shown in this answer, and never again: also not to a repetition of the call, which is
/// refused because the name is taken.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "system", request_body = NewToken,
    responses((status = 201, body = NewTokenView), Failures))]
pub(super) async fn create_token(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<NewTokenView>), Problem> {
    Ok((StatusCode::CREATED, Json(api.services.create_token(&caller, new).await?)))
}

/// Says who the caller is, and what they may do.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "system",
    responses((status = 200, body = WhoAmIView), Failures))]
pub(super) async fn whoami(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<WhoAmIView>, Problem> {
    Ok(Json(api.services.who_am_i(&caller).await?))
}

/// Makes a token worthless, at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "system",
    params(("name" = String, Path, description = "The token's name.")),
    responses((status = 204), Failures))]
pub(super) async fn revoke_token(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.services.revoke_token(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
