//! Reading what was sent: JSON bodies, query parameters and parts of the path, with an answer that says where they are
//! wrong.

use super::problem::pointer;
use super::{Problem, UPLOAD};
use crate::wire::Object;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::BytesRejection;
use axum::extract::{self, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// A JSON body that may be left out.
pub(super) struct OptionalBody<T>(pub(super) T);

/// Query parameters.
pub(super) struct Params<T>(pub(super) T);

/// What stands in the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        read(&whole(Bytes::from_request(request, state).await)?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let typed = must_be_json(request.headers());
        let bytes = whole(Bytes::from_request(request, state).await)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        typed?;
        read(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parsed = Query::<T>::try_from_uri(&parts.uri);
        parsed.map(|Query(params)| Self(params)).map_err(|error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A query parameter is wrong", cause)
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extract::Path(found) = extract::Path::from_request_parts(parts, state).await.map_err(|error| {
            let detail = format!("`{}`: {}", parts.uri.path(), error.body_text());
            Problem::new(error.status(), "bad-path", "The path is wrong", detail)
        })?;
        Ok(Self(found))
    }
}

/// The bytes of a body, unless it is too large.
pub(super) fn whole(bytes: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    bytes.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => Problem::new(status, "bad-body", "The body could not be read", error.body_text()),
    })
}

/// Refuses an upload that says itself that it is too large, before any of it is read.
pub(super) async fn refuse_too_large(request: Request, next: Next) -> Result<Response, Problem> {
    if request.body().size_hint().lower() > UPLOAD as u64 {
        return Err(too_large());
    }
    Ok(next.run(request).await)
}

fn too_large() -> Problem {
    let detail = "the body is larger than this call takes (8 MiB; 64 MiB for components and imports)";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
}

fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    let detail = format!("this call takes application/json, and the body says it is `{kind}`");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Wrong media type", detail))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(read) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let at = pointer(&error.path().to_string());
        let inner = error.into_inner();
        if !inner.is_data() {
            return malformed(&inner);
        }
        let why = json_reason(&inner);
        let place = if at.is_empty() { "the body".to_owned() } else { format!("`{at}`") };
        let detail = format!("{place}: {why}");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "What was sent makes no sense", detail).with(at, why)
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(read)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", "The body is no JSON", format!("the body is no JSON: {error}"))
}

/// What a JSON error says, without the position in a text the caller may not have written by hand.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) if error.is_data() => in_terms_of_json(&text[..end]),
        _ => in_terms_of_json(&text),
    }
}

/// The same in terms of JSON: callers know nothing of the types that it is read into.
fn in_terms_of_json(text: &str) -> String {
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text.to_owned() };
    let found = match found {
        "invalid type: sequence" => "invalid type: list",
        "invalid type: map" => "invalid type: object",
        other => other,
    };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_no_types_of_rust() {
        let reason = |error: Result<(), serde_json::Error>| error.map_err(|error| json_reason(&error)).unwrap_err();
        let of = |text: &str, kind: &str| match kind {
            "u8" => reason(serde_json::from_str::<u8>(text).map(drop)),
            "bool" => reason(serde_json::from_str::<bool>(text).map(drop)),
            _ => reason(serde_json::from_str::<Vec<String>>(text).map(drop)),
        };
        assert_eq!(of("300", "u8"), "invalid value: integer `300`, expected a whole number from 0 to 255");
        assert_eq!(of("[]", "bool"), "invalid type: list, expected true or false");
        assert_eq!(of("{}", "list"), "invalid type: object, expected a list");
        assert_eq!(of("[1]", "list"), "invalid type: integer `1`, expected a string");
    }
}
