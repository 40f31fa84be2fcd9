//! Jobs, and what the guard against mass changes holds.

use super::body::{Body, Params, Path};
use super::problem::Failures;
use super::{Api, Problem};
use crate::service::{Answer, Caller, Consent, JobFilter, Paging, ServiceError};
use crate::wire::{AskedSort, ByIdNewestFirst, ConsentBody, JobStateSpelling, JobView, Page, RefusalBody, parse};
use axum::extract::State;
use axum::{Extension, Json};
use gatehouse_core::{BadId, JobId, JobState};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which jobs.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JobQueryParams {
    /// Of this app, by name.
    app: Option<String>,
    /// In this state.
    #[param(value_type = Option<JobStateSpelling>)]
    state: Option<String>,
    /// In which order; with `-` in front, the other way.
    #[param(inline, required = false, value_type = ByIdNewestFirst)]
    sort: Option<AskedSort<ByIdNewestFirst>>,
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

fn number(text: &str) -> Result<JobId, ServiceError> {
    text.parse().map_err(|error: BadId| ServiceError::invalid("job", error.to_string()))
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobQueryParams),
    responses((status = 200, body = Page<JobView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Params(query): Params<JobQueryParams>,
) -> Result<Json<Page<JobView>>, Problem> {
    let state = query.state.map(|text| parse(&text, &JobState::ALL, "state")).transpose();
    let filter = JobFilter { app: query.app, state: state.map_err(|why| ServiceError::invalid("state", why))? };
    let paging = Paging::asked(query.after, query.limit, query.sort)?;
    Ok(Json(api.services.list_jobs(filter, &paging).await?))
}

/// Shows a job.
#[utoipa::path(get, path = "/api/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "The job's number.")),
    responses((status = 200, body = JobView), Failures))]
pub(super) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Answer, Problem> {
    let job = api.services.find_job(number(&id)?).await?;
    Ok(Answer::done(job.version, &api.services.job_view(&job).await?))
}

/// Lets a job go on that the guard against mass changes holds.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/approve", tag = "jobs", request_body = ConsentBody,
    params(("job" = String, Path, description = "The job's number.")),
    responses((status = 200, body = JobView), Failures))]
pub(super) async fn approve(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<ConsentBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide_job(&caller, number(&id)?, Consent::Given(body.reason)).await?)
}

/// Calls a job off. What it has raised until then stays.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/cancel", tag = "jobs", request_body = RefusalBody,
    params(("job" = String, Path, description = "The job's number.")),
    responses((status = 200, body = JobView), Failures))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body<RefusalBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide_job(&caller, number(&id)?, Consent::Refused(body.reason)).await?)
}

/// Lets an app's requests go on that the guard against mass changes holds. The answer is the job that does it.
#[utoipa::path(post, path = "/api/v1/apps/{app}/release", tag = "apps", request_body = ConsentBody,
    params(("app" = String, Path, description = "The app's name.")),
    responses((status = 202, body = JobView), Failures))]
pub(super) async fn release(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Body(body): Body<ConsentBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide_held(&caller, &app, Consent::Given(body.reason)).await?)
}

/// Withdraws an app's requests that the guard against mass changes holds. The answer is the job that does it.
#[utoipa::path(post, path = "/api/v1/apps/{app}/withdraw", tag = "apps", request_body = RefusalBody,
    params(("app" = String, Path, description = "The app's name.")),
    responses((status = 202, body = JobView), Failures))]
pub(super) async fn withdraw(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Body(body): Body<RefusalBody>,
) -> Result<Answer, Problem> {
    Ok(api.services.decide_held(&caller, &app, Consent::Refused(body.reason)).await?)
}
