//! Calls that are sent again: a POST with an Idempotency-Key is done once, and a repetition gets the first answer.
//! The answer is stored by the use case, in the commit that does what was asked.

use super::{Api, Problem, UPLOAD};
use crate::service::{AnswerKey, Caller, Remembered, ServiceError};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gatehouse_core::Digest;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The header (draft-ietf-httpapi-idempotency-key-header).
const HEADER: &str = "idempotency-key";

/// Set on an answer that was given before.
const REPLAYED: &str = "idempotency-replayed";

/// The longest key, in bytes.
const LONGEST: usize = 255;

/// Keys of calls under way: two at the same time must not both be done.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashSet<String>>);

/// A key that is taken for as long as this lives.
struct Taken<'a>(&'a Keys, String);

impl Keys {
    fn take(&self, key: &str) -> Option<Taken<'_>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned()).then(|| Taken(self, key.to_owned()))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

pub(super) async fn answer_repeated(State(api): State<Api>, request: Request, next: Next) -> Result<Response, Problem> {
    let key = match request.headers().get(HEADER) {
        Some(key) if request.method() == Method::POST => key.to_str().unwrap_or_default().trim().to_owned(),
        _ => return Ok(next.run(request).await),
    };
    if key.is_empty() || key.len() > LONGEST {
        let detail = format!("an Idempotency-Key has 1 to {LONGEST} visible characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-key", "No Idempotency-Key", detail));
    }
    let (mut parts, body) = request.into_parts();
    let bytes = to_bytes(body, UPLOAD).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", "the body is larger than 64 MiB")
    })?;
    let Some(caller) = parts.extensions.get_mut::<Caller>() else { return Err(not_authenticated()) };
    let key = format!("{} {} {key}", caller.actor, parts.uri);
    let body = Digest::of(&bytes);
    let Some(_taken) = api.keys.take(&key) else {
        let detail = "a call with this Idempotency-Key is being carried out; wait for its answer";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", "Under way", detail));
    };
    if let Some(answer) = remembered(&api, &key, body).await? {
        return Ok(answer);
    }
    caller.answer_key = Some(AnswerKey { key, body, at: api.services.clock.now() });
    Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

async fn remembered(api: &Api, key: &str, body: Digest) -> Result<Option<Response>, Problem> {
    let stored = api.services.store.idempotent(key).await.map_err(ServiceError::from)?;
    let Some(stored) = stored else { return Ok(None) };
    let Remembered { request, answer } =
        serde_json::from_value(stored).map_err(|error| ServiceError::Internal(error.to_string()))?;
    if request != body {
        let detail = "this Idempotency-Key was used for another body; take a new key for a new call";
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key-reused",
            "Idempotency-Key used before",
            detail,
        ));
    }
    let mut response = answer.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Some(response))
}

fn not_authenticated() -> Problem {
    Problem::from(ServiceError::Internal("a call got past authentication without a caller".to_owned()))
}
