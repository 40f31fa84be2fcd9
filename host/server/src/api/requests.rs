//! `/requests`.

use super::body::{Body, OptionalBody, Params, Path};
use super::problem::Failures;
use super::{Api, PageQuery, Problem};
use crate::service::{Answer, Caller, Decision, Paging, RequestFilter, ServiceError};
use crate::wire::{
    ApproveBody, AskedSort, ByIdNewestFirst, ByRow, ByTime, CancelBody, CompleteBody, DenyBody, LogEntryView,
    NewRequestBody, OperationSpelling, Page, RequestChange, RequestView, SettleBody, StagingRowView, StateSpelling,
    parse,
};
use axum::extract::State;
use axum::{Extension, Json};
use gatehouse_core::{BadId, Operation, RequestId, State as RequestState};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which requests.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RequestParams {
    /// Of this app.
    app: Option<String>,
    /// In this state.
    #[param(value_type = Option<StateSpelling>)]
    state: Option<String>,
    /// With this operation.
    #[param(value_type = Option<OperationSpelling>)]
    operation: Option<String>,
    /// About this user: username or number.
    user: Option<String>,
    /// Raised by this reconciliation.
    raised_by: Option<String>,
    /// Only those in review: a write left for the target, and nobody knows what came of it.
    needs_review: Option<bool>,
    /// Only those that wait for this person's approval: `me`, a username or a number. Whom they stand in for is
    /// included. A page can be shorter than its limit.
    awaiting: Option<String>,
    /// In which order; with `-` in front, the other way.
    #[param(inline, required = false, value_type = ByIdNewestFirst)]
    sort: Option<AskedSort<ByIdNewestFirst>>,
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

pub(super) fn number(text: &str) -> Result<RequestId, ServiceError> {
    text.parse().map_err(|error: BadId| ServiceError::invalid("id", error.to_string()))
}

/// Lists requests, newest first: those that the caller may see.
#[utoipa::path(get, path = "/api/v1/requests", tag = "requests", params(RequestParams),
    responses((status = 200, body = Page<RequestView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<RequestParams>,
) -> Result<Json<Page<RequestView>>, Problem> {
    let state = query.state.map(|text| parse(&text, &RequestState::ALL, "state")).transpose();
    let operation = query.operation.map(|text| parse(&text, &Operation::ALL, "operation")).transpose();
    let filter = RequestFilter {
        app: query.app,
        state: state.map_err(|why| ServiceError::invalid("state", why))?,
        operation: operation.map_err(|why| ServiceError::invalid("operation", why))?,
        user: query.user,
        raised_by: query.raised_by.map(|text| number(&text)).transpose()?,
        needs_review: query.needs_review.unwrap_or(false),
        awaiting: query.awaiting,
    };
    let paging = Paging::asked(query.after, query.limit, query.sort)?;
    Ok(Json(api.services.list_requests(&caller, filter, &paging).await?))
}

/// Asks for an operation on a user's account.
#[utoipa::path(post, path = "/api/v1/requests", tag = "requests", request_body = NewRequestBody,
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRequestBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_request(&caller, new).await?)
}

/// Shows a request.
#[utoipa::path(get, path = "/api/v1/requests/{id}", tag = "requests",
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), Failures))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    let request = api.services.see_request(&caller, number(&id)?).await?;
    Ok(Answer::done(request.version, &api.services.views().request(&request).await?))
}

/// Gives a request whose date has not come another date.
#[utoipa::path(patch, path = "/api/v1/requests/{id}", tag = "requests", request_body = RequestChange,
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(change): Body<RequestChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_request(&caller, number(&id)?, change).await?)
}

/// Shows what happened to a request, in order.
#[utoipa::path(get, path = "/api/v1/requests/{id}/log", tag = "requests",
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001"), PageQuery<ByTime>),
    responses((status = 200, body = Page<LogEntryView>), Failures))]
pub(super) async fn log(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Params(page): Params<PageQuery<ByTime>>,
) -> Result<Json<Page<LogEntryView>>, Problem> {
    Ok(Json(api.services.request_log(&caller, number(&id)?, &page.try_into()?).await?))
}

/// Shows what a reconciliation has collected, and what it plans. The list is empty once a later one of the app has
/// completed; the counts stay.
#[utoipa::path(get, path = "/api/v1/requests/{id}/staging", tag = "requests",
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001"), PageQuery<ByRow>),
    responses((status = 200, body = Page<StagingRowView>), Failures))]
pub(super) async fn staging(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Params(page): Params<PageQuery<ByRow>>,
) -> Result<Json<Page<StagingRowView>>, Problem> {
    Ok(Json(api.services.staging(&caller, number(&id)?, &page.try_into()?).await?))
}

/// Has an analysed reconciliation's plan committed: links are made, child requests raised.
#[utoipa::path(post, path = "/api/v1/requests/{id}/commit", tag = "requests",
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn commit(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide(&caller, number(&id)?, Decision::Commit).await?)
}

/// Agrees to what a request is to do, named by its digest. It runs once as many have agreed as its steps ask for; until
/// then the answer has status 200.
#[utoipa::path(post, path = "/api/v1/requests/{id}/approve", tag = "requests", request_body = ApproveBody,
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), (status = 202, body = RequestView), Failures))]
pub(super) async fn approve(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<ApproveBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide(&caller, number(&id)?, Decision::Approve(body.digest, body.reason)).await?)
}

/// Refuses what a request is to do: it is cancelled.
#[utoipa::path(post, path = "/api/v1/requests/{id}/deny", tag = "requests", request_body = DenyBody,
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), Failures))]
pub(super) async fn deny(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<DenyBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide(&caller, number(&id)?, Decision::Deny(body.reason)).await?)
}

/// Takes a failed request up again, as another one: that one is answered. One that takes up a request in review looks
/// at the target before it writes anything.
#[utoipa::path(post, path = "/api/v1/requests/{id}/retry", tag = "requests",
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 202, body = RequestView), Failures))]
pub(super) async fn retry(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide(&caller, number(&id)?, Decision::Retry).await?)
}

/// Says what came of the last write of a request in review. If it was made, the records become what the operation
/// would have left; if it was not, another request makes it, and that one is answered.
#[utoipa::path(post, path = "/api/v1/requests/{id}/settle", tag = "requests", request_body = SettleBody,
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), (status = 202, body = RequestView), Failures))]
pub(super) async fn settle(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<SettleBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.settle_request(&caller, number(&id)?, body).await?)
}

/// Notes that a failed request was done by hand.
#[utoipa::path(post, path = "/api/v1/requests/{id}/complete", tag = "requests", request_body = CompleteBody,
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), Failures))]
pub(super) async fn complete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<CompleteBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide(&caller, number(&id)?, Decision::Complete(body.note)).await?)
}

/// Withdraws a request that has changed nothing yet.
#[utoipa::path(post, path = "/api/v1/requests/{id}/cancel", tag = "requests", request_body = CancelBody,
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = RequestView), Failures))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<CancelBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide(&caller, number(&id)?, Decision::Cancel(body.reason)).await?)
}
