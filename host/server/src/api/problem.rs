//! The only place where errors become HTTP: problem+json (RFC 9457) with a stable `type` each. What an outsider sees
//! and what the log holds are two texts.

use crate::service::{Denial, ServiceError};
use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use gatehouse_core::ports::StoreError;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::openapi::{Content, RefOr, Response as Documented, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

/// What went wrong (RFC 9457 section 3.1).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The case, stable: `urn:gatehouse:problem:not-found`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The case in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time, where, and what to do.
    pub detail: String,
    /// Everything that was wrong with what was sent, place by place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// The digest that a consent is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Box<str>>,
    #[serde(skip)]
    beside: Box<Beside>,
}

/// What goes with a problem, and is no part of its text.
#[derive(Clone, Debug, Default)]
struct Beside {
    challenge: Option<&'static str>,
    /// After how many seconds to try again.
    retry_after: Option<u64>,
    /// What is to be written down of a refusal.
    denial: Option<Denial>,
}

/// What is wrong with a part of what was sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Where: a JSON pointer into the body (RFC 6901), or the name of a parameter.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Problem {
    /// A problem of this case.
    pub fn new(status: StatusCode, case: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:gatehouse:problem:{case}").into(),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            digest: None,
            beside: Box::default(),
        }
    }

    /// One that asks for a token (RFC 6750 section 3).
    pub(super) fn unauthorised(challenge: &'static str, detail: &str) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "No good token", detail);
        problem.beside.challenge = Some(challenge);
        problem
    }

    /// One that is worth another try after so many seconds (RFC 9110 section 10.2.3).
    pub(super) fn repeated_in(mut self, seconds: u64) -> Self {
        self.beside.retry_after = Some(seconds);
        self
    }

    /// One that asks to come again later (RFC 6585 section 4).
    pub(super) fn too_many(retry_after: u64, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts", detail)
            .repeated_in(retry_after)
    }

    pub(super) fn with(mut self, pointer: String, detail: impl Into<String>) -> Self {
        self.errors.push(FieldProblem { pointer, detail: detail.into() });
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let Beside { challenge, retry_after, denial } = *self.beside.clone();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(denial) = denial {
            response.extensions_mut().insert(denial);
        }
        response
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let text = error.to_string();
        match error {
            ServiceError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", text),
            ServiceError::Denied(denial) => {
                let mut problem = Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", text);
                problem.beside.denial = Some(denial);
                problem
            }
            ServiceError::Invalid(problems) => {
                let title = "What was sent makes no sense";
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title, text);
                problems.into_iter().fold(problem, |problem, one| problem.with(pointer(&one.at), one.why))
            }
            ServiceError::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", "In conflict with what is there", text)
            }
            ServiceError::Changed { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "changed", "Changed since you read it", text)
            }
            ServiceError::ForeignTag(_) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "changed", "No ETag of ours", text)
            }
            ServiceError::ConsentNeeded { digest } => {
                let problem =
                    Self::new(StatusCode::FORBIDDEN, "consent-needed", "Not signed, and nobody consented", text);
                Self { digest: Some(digest.to_string().into()), ..problem }
            }
            ServiceError::Admission(error) => {
                let case = format!("connector-{}", error.case);
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, &case, "Not fit to be a connector", text)
            }
            ServiceError::Refused(_) => {
                Self::new(StatusCode::CONFLICT, "wrong-state", "The request is in no state for that", text)
            }
            ServiceError::NotApprover(_) => {
                Self::new(StatusCode::FORBIDDEN, "not-an-approver", "Not yours to decide", text)
            }
            ServiceError::Store(error) => of_store(error, text),
            ServiceError::Internal(_) => internal(&text),
        }
    }
}

fn of_store(error: StoreError, text: String) -> Problem {
    match error {
        StoreError::VersionConflict { .. } | StoreError::Fenced { .. } | StoreError::LaneBusy { .. } => {
            let detail = format!("{text}; nothing was written, so try again");
            Problem::new(StatusCode::CONFLICT, "changed-meanwhile", "Changed meanwhile", detail)
        }
        StoreError::Duplicate { .. } => Problem::new(StatusCode::CONFLICT, "conflict", "There already", text),
        StoreError::BadCursor(_) => {
            Problem::new(StatusCode::BAD_REQUEST, "bad-cursor", "No cursor of this list", text.clone())
                .with("after".to_owned(), text)
        }
        StoreError::Unavailable(_) => {
            tracing::error!(error = text, "the store is unavailable");
            // Whoever calls can do something about a full disk; the text names neither paths nor records.
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store is unavailable", text)
                .repeated_in(STORE_AGAIN)
        }
        _ => internal(&text),
    }
}

/// After how many seconds a store that is unavailable is worth another try: somebody has to make room first.
const STORE_AGAIN: u64 = 10;

fn internal(text: &str) -> Problem {
    tracing::error!(error = text, "a call failed for a reason that should not be");
    let detail = "something went wrong that should not; the host's log says what, under this answer's x-request-id";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our fault", detail)
}

/// A place such as `config.mapping[2].value` as a JSON pointer: `/config/mapping/2/value`.
pub(super) fn pointer(at: &str) -> String {
    let parts = at.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty());
    parts.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}

pub(super) async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("there is nothing at `{}`; GET /api/v1/openapi.json says what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", "No such path", detail)
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "No such method", detail)
}

/// Documents that any call can fail with a problem.
pub(super) struct Failures;

impl IntoResponses for Failures {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let content = Content::new(Some(Problem::schema()));
        let response = ResponseBuilder::new()
            .description("What was wrong, where, and what to do")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_a_pointer() {
        for (at, expected) in [
            ("config.mapping[2].value", "/config/mapping/2/value"),
            ("name", "/name"),
            ("settings.a/b", "/settings/a~1b"),
            (".", ""),
        ] {
            assert_eq!(pointer(at), expected, "{at}");
        }
    }
}
