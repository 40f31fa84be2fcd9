//! `/backup` and `/restore`: the store as a file, streamed, and back; `/compact`: the file itself.

use super::body::Params;
use super::problem::Failures;
use super::{Api, Problem};
use crate::service::{Caller, ServiceError};
use crate::wire::{CompactedView, RestoredView};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use utoipa::IntoParams;

/// What is sent at a time, in bytes.
const PIECE: usize = 256 << 10;

/// What is to be restored.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RestoreQuery {
    /// Take a backup of another installation, too.
    #[serde(default)]
    from_another_installation: bool,
}

/// Makes a backup of the present state, and sends it: whole, with a checksum, credentials sealed as they are in the
/// store. Everything else goes on meanwhile.
#[utoipa::path(get, path = "/api/v1/backup", tag = "system",
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), Failures))]
pub(super) async fn backup(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let transit = api.services.transit()?;
    let path = transit.path().join("backup");
    api.services.backup(&caller, path.clone()).await?;
    let file = File::open(&path).await.map_err(lost)?;
    let length = file.metadata().await.map_err(lost)?.len();
    // The folder goes with the last piece.
    let pieces = stream::unfold((file, transit), |(mut file, transit)| async move {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), (file, transit)))
            }
            Err(error) => Some((Err(error), (file, transit))),
        }
    });
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Gives back the space in the store's file that nothing uses any more. Calls that only read go on meanwhile; those that
/// change something wait. Needs space for a second file until it is done.
#[utoipa::path(post, path = "/api/v1/compact", tag = "system",
    responses((status = 200, body = CompactedView), Failures))]
pub(super) async fn compact(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<CompactedView>, Problem> {
    let services = api.services.clone();
    // Not broken off when the caller hangs up: it is to be in the audit trail.
    let compacting = tokio::spawn(async move { services.compact(&caller).await });
    let compacted = compacting.await.map_err(|error| ServiceError::Internal(error.to_string()))?;
    Ok(Json(CompactedView::from(compacted?)))
}

/// Goes back to a backup, while serving. All of it is proved before anything is touched; then what is under way is
/// stopped, the store is replaced in one step, and the engine goes on from there. Requests that were not settled in
/// the backup are settled by reading the target; those that waited for a person, and reconciliations, are cancelled.
#[utoipa::path(post, path = "/api/v1/restore", tag = "system", params(RestoreQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = RestoredView), Failures))]
pub(super) async fn restore(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<RestoreQuery>,
    request: Request,
) -> Result<Json<RestoredView>, Problem> {
    let transit = api.services.transit()?;
    let path = transit.path().join("backup");
    let mut file = File::create(&path).await.map_err(lost)?;
    let mut pieces = request.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            let detail = format!("the backup did not arrive whole ({error}); nothing was changed");
            Problem::new(StatusCode::BAD_REQUEST, "bad-body", "The body could not be read", detail)
        })?;
        file.write_all(&piece).await.map_err(lost)?;
    }
    file.flush().await.map_err(lost)?;
    drop(file);
    // Whoever changes something meanwhile would change what is being replaced.
    let _alone = api.changes.write().await;
    let services = api.services.clone();
    // Not broken off when the caller hangs up.
    let restoring = tokio::spawn(async move { services.restore(&caller, path, query.from_another_installation).await });
    let restored = restoring.await.map_err(|error| ServiceError::Internal(error.to_string()))?;
    drop(transit);
    match restored {
        Ok(manifest) => Ok(Json(RestoredView::from(manifest))),
        Err(ServiceError::Store(gatehouse_core::ports::StoreError::Unavailable(text))) => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-restored", "Not restored", text))
        }
        Err(error) => Err(error.into()),
    }
}

/// The backup cannot be kept while it is on its way.
fn lost(error: std::io::Error) -> Problem {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    if !matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        return ServiceError::Internal(format!("a backup on its way: {error}")).into();
    }
    let detail = "the host's data disk has no space for the backup on its way; nothing was changed: free some, then \
                  try again";
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "no-space", "No space", detail)
}

/// Lets nothing be changed while a backup is being restored.
pub(super) async fn change(State(api): State<Api>, request: Request, next: Next) -> Response {
    // A restore takes its turn itself.
    if matches!(*request.method(), Method::GET | Method::HEAD) || request.uri().path() == "/api/v1/restore" {
        return next.run(request).await;
    }
    let _turn = api.changes.clone().read_owned().await;
    next.run(request).await
}
