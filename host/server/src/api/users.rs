//! `/users`.

use super::body::{Body, Params, Path, whole};
use super::problem::Failures;
use super::{Api, Problem};
use crate::service::{Answer, Caller, Flag, Format, ImportMode, ImportOptions, Paging, UserFilter};
use crate::wire::{AskedSort, ByIdOrUsername, ImportReport, NewUser, Page, UserChange, UserView};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which users.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UserQuery {
    /// Of this profile.
    profile: Option<String>,
    /// Who have this permission set.
    permission_set: Option<String>,
    /// Who report to this user: username or number.
    manager: Option<String>,
    /// Who work here, or do not.
    active: Option<bool>,
    /// Who are frozen, or are not.
    frozen: Option<bool>,
    /// Whose username begins so, ignoring case.
    username_prefix: Option<String>,
    /// In which order; with `-` in front, the other way: by `username` with `username_prefix`, by `id` with
    /// other filters alone, and by `id` if left out without any.
    #[param(inline, required = false, value_type = ByIdOrUsername)]
    sort: Option<AskedSort<ByIdOrUsername>>,
    /// The `next` of an earlier page.
    after: Option<String>,
    /// At most so many items: 1 to 1000, 100 if left out.
    limit: Option<usize>,
}

/// How to import.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// What a bad row means for the others: `each` (nothing, the default) or `all_or_nothing`.
    mode: Option<String>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Report what came of every row, and not only of those that were not imported.
    #[serde(default)]
    outcomes: bool,
}

/// Lists users by what they are: all, or the caller alone.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(UserQuery),
    responses((status = 200, body = Page<UserView>), Failures))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<UserQuery>,
) -> Result<Json<Page<UserView>>, Problem> {
    let paging = Paging::asked(query.after, query.limit, query.sort)?;
    let filter = UserFilter {
        profile: query.profile,
        permission_set: query.permission_set,
        manager: query.manager,
        active: query.active,
        frozen: query.frozen,
        username_prefix: query.username_prefix,
    };
    Ok(Json(api.services.list_users(&caller, &filter, &paging).await?))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    responses((status = 201, body = UserView), Failures))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewUser>,
) -> Result<Answer, Problem> {
    Ok(api.services.create_user(&caller, new).await?)
}

/// Shows a user.
#[utoipa::path(get, path = "/api/v1/users/{user}", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    let found = api.services.see_user(&caller, &user).await?;
    Ok(Answer::done(found.version, &api.services.views().user(&found).await?))
}

/// Changes a user. What is left out stays; null clears.
#[utoipa::path(patch, path = "/api/v1/users/{user}", tag = "users", request_body = UserChange,
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<Answer, Problem> {
    Ok(api.services.change_user(&caller, &user, change).await?)
}

/// Marks a user as frozen. Accounts follow by requests.
#[utoipa::path(post, path = "/api/v1/users/{user}/freeze", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn freeze(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.flag_user(&caller, &user, Flag::Frozen(true)).await?)
}

/// Marks a user as no longer frozen.
#[utoipa::path(post, path = "/api/v1/users/{user}/unfreeze", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn unfreeze(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.flag_user(&caller, &user, Flag::Frozen(false)).await?)
}

/// Marks a user as having left.
#[utoipa::path(post, path = "/api/v1/users/{user}/disable", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn disable(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.flag_user(&caller, &user, Flag::Active(false)).await?)
}

/// Marks a user as working here.
#[utoipa::path(post, path = "/api/v1/users/{user}/enable", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn enable(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.flag_user(&caller, &user, Flag::Active(true)).await?)
}

/// Marks a user as working here again, and has every account of theirs follow, also where nothing has changed.
#[utoipa::path(post, path = "/api/v1/users/{user}/reactivate", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn reactivate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.flag_user(&caller, &user, Flag::Reactivated).await?)
}

/// Gives a user a permission set. Accounts follow by requests.
#[utoipa::path(post, path = "/api/v1/users/{user}/permission-sets/{name}", tag = "users",
    params(("user" = String, Path, description = "The username, or the number."),
        ("name" = String, Path, description = "The permission set's name.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn assign(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((user, name)): Path<(String, String)>,
) -> Result<Answer, Problem> {
    Ok(api.services.assign_permission_set(&caller, &user, &name).await?)
}

/// Takes a permission set from a user. Accounts follow by requests.
#[utoipa::path(delete, path = "/api/v1/users/{user}/permission-sets/{name}", tag = "users",
    params(("user" = String, Path, description = "The username, or the number."),
        ("name" = String, Path, description = "The permission set's name.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn unassign(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((user, name)): Path<(String, String)>,
) -> Result<Answer, Problem> {
    Ok(api.services.unassign_permission_set(&caller, &user, &name).await?)
}

/// Takes everything that is said of a user out of the directory and of the audit trail, for good. The number stays, and
/// so do the records' places in the chain. For users who have left, with nothing more to be done for them.
#[utoipa::path(post, path = "/api/v1/users/{user}/erase", tag = "users",
    params(("user" = String, Path, description = "The username, or the number.")),
    responses((status = 200, body = UserView), Failures))]
pub(super) async fn erase(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Answer, Problem> {
    Ok(api.services.erase_user(&caller, &user).await?)
}

/// Imports users: rows make them or change them, by username. A user whom no row names is left alone.
///
/// CSV: a header names the columns `username`, `email`, `first_name`, `last_name`, `profile`, `permission_sets`
/// (between `;`), `manager`, `active`, `frozen` and `attr.<name>` for free attributes (several values between `;`
/// where one is defined to have several), in any order, `username` at least; an empty field clears. JSON lines:
/// objects as for changing a user, with `username`.
#[utoipa::path(post, path = "/api/v1/users/import", tag = "users", params(ImportQuery),
    request_body(content((String = "text/csv"), (String = "application/jsonl")), description = "The rows."),
    responses((status = 200, body = ImportReport), Failures))]
pub(super) async fn import(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<ImportQuery>,
    headers: HeaderMap,
    rows: Result<Bytes, BytesRejection>,
) -> Result<Json<ImportReport>, Problem> {
    let mode = match query.mode.as_deref() {
        None | Some("each") => ImportMode::Each,
        Some("all_or_nothing") => ImportMode::AllOrNothing,
        Some(other) => {
            let detail = format!("mode `{other}` is neither `each` nor `all_or_nothing`");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A query parameter is wrong", detail));
        }
    };
    let options = ImportOptions { format: format(&headers)?, mode, dry_run: query.dry_run, outcomes: query.outcomes };
    Ok(Json(api.services.import_users(&caller, options, &whole(rows)?).await?))
}

fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Ok(Format::Csv),
        "application/jsonl" | "application/x-ndjson" => Ok(Format::JsonLines),
        _ => {
            let detail = format!("this call takes text/csv or application/jsonl, and the body says it is `{kind}`");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Wrong media type", detail))
        }
    }
}
