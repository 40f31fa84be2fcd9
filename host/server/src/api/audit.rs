//! `/audit`.

use super::body::{OptionalBody, Params};
use super::problem::Failures;
use super::{Api, Problem};
use crate::service::{AuditFilter, Caller, Paging};
use crate::wire::{AskedSort, AuditHeadView, AuditView, BySequence, Page, TrailVerdictView, VerifyBody};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which records.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// By this actor.
    actor: Option<String>,
    /// Whose action begins like this: `user.`, or `user.create`.
    action: Option<String>,
    /// About this app: its name; its number, such as APP-000001, if it has been deleted.
    app: Option<String>,
    /// Of this request.
    #[param(example = "UPR-000001")]
    request: Option<String>,
    /// About this user: the username, or the number.
    user: Option<String>,
    /// Not before this moment.
    since: Option<Timestamp>,
    /// Before this moment.
    until: Option<Timestamp>,
    /// In which order; with `-` in front, the other way.
    #[param(inline, required = false, value_type = BySequence)]
    sort: Option<AskedSort<BySequence>>,
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

/// Records of which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// Not before this moment.
    since: Option<Timestamp>,
    /// Before this moment.
    until: Option<Timestamp>,
}

/// Lists the audit trail, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "system", params(AuditParams),
    responses((status = 200, body = Page<AuditView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(query): Params<AuditParams>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let AuditParams { actor, action, app, request, user, since, until, sort, after, limit } = query;
    let request = request.map(|text| text.parse()).transpose().map_err(|error: gatehouse_core::BadId| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A query parameter is wrong", error.to_string())
    })?;
    let filter = AuditFilter { actor, action, app, request, user, since, until };
    Ok(Json(api.services.list_audit(filter, &Paging::asked(after, limit, sort)?).await?))
}

/// Signs the end of the audit trail. Keep it elsewhere: with it, a trail whose end was cut off is found out.
#[utoipa::path(get, path = "/api/v1/audit/head", tag = "system",
    responses((status = 200, body = AuditHeadView), Failures))]
pub(super) async fn head(State(api): State<Api>) -> Result<Json<AuditHeadView>, Problem> {
    Ok(Json(AuditHeadView::from(api.services.audit_head().await?)))
}

/// Verifies the audit trail: names the first record that was removed, changed, reordered or inserted. That it was
/// verified, and what came of it, is recorded.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "system", request_body = Option<VerifyBody>,
    responses((status = 200, body = TrailVerdictView), Failures))]
pub(super) async fn verify(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    OptionalBody(body): OptionalBody<VerifyBody>,
) -> Result<Json<TrailVerdictView>, Problem> {
    Ok(Json(TrailVerdictView::from(api.services.verify_audit(&caller, body.heads).await?)))
}

/// Exports the audit trail as JSON lines, oldest first: a line that says what it goes on from, the records with their
/// places in the chain, and a signed head as the end. Such a file can be verified by itself.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "system", params(ExportParams),
    responses((status = 200, body = String, content_type = "application/jsonl"), Failures))]
pub(super) async fn export(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<ExportParams>,
) -> Result<Response, Problem> {
    let export = api.services.export_audit(&caller, query.since, query.until).await?;
    let pieces = stream::unfold(export, |mut export| async move {
        match export.next().await {
            Ok(Some(lines)) => Some((Ok(lines), export)),
            Ok(None) => None,
            // Broken off: a file without its end says so to whoever verifies it.
            Err(error) => Some((Err(error), export)),
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(pieces)).into_response())
}
