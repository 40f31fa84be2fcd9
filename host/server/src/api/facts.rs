//! What the document has to know of an operation besides what its route says: worked out from what the operation takes,
//! with the few that are otherwise named here. It documents; others do.

use utoipa::openapi::RefOr;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn};

/// What can be changed by whoever names it, but has no version of its own.
const WITHOUT_VERSION: [&str; 3] = ["/api/v1/connectors/", "/api/v1/credentials/", "/api/v1/tokens/"];

/// What is asked of an app, and changes nothing of the app itself.
const ASKED_OF_APPS: [&str; 6] = ["/probe", "/reconcile", "/preview", "/provision", "/release", "/withdraw"];

/// Calls whose answer is not kept: it holds a secret, nothing is done, or what is done is no single change.
const NOT_REPEATED: [&str; 8] = [
    "/api/v1/apps/{name}/preview",
    "/api/v1/apps/{name}/probe",
    "/api/v1/audit/verify",
    "/api/v1/compact",
    "/api/v1/connectors/check",
    "/api/v1/restore",
    "/api/v1/tokens",
    "/api/v1/users/import",
];

/// One operation of the document.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) method: &'a HttpMethod,
    pub(super) path: &'a str,
    pub(super) operation: &'a Operation,
}

impl Facts<'_> {
    /// Whether it may change something.
    pub(super) fn changes(&self) -> bool {
        *self.method != HttpMethod::Get
    }

    /// Whether it has a parameter of this kind in this place, whose name is one of these.
    pub(super) fn takes(&self, place: ParameterIn, wanted: impl Fn(&str) -> bool) -> bool {
        let is_it = |of: &Parameter| of.parameter_in == place && wanted(&of.name);
        self.operation.parameters.iter().flatten().any(|of| matches!(of, RefOr::T(of) if is_it(of)))
    }

    /// Whether its body is of a media type that begins like this.
    pub(super) fn reads(&self, media_type: &str) -> bool {
        match &self.operation.request_body {
            Some(RefOr::T(body)) => body.content.keys().any(|kind| kind.starts_with(media_type)),
            _ => false,
        }
    }

    /// Whether it has a body at all.
    pub(super) fn has_body(&self) -> bool {
        self.reads("")
    }

    /// Whether it moves a request on: then the answer is the request, or the one that takes its place.
    pub(super) fn decides(&self) -> bool {
        self.changes() && self.path.starts_with("/api/v1/requests/{id}")
    }

    /// Whether an If-Match is looked at.
    pub(super) fn honours_if_match(&self) -> bool {
        let asked = self.path.starts_with("/api/v1/apps/") && ASKED_OF_APPS.iter().any(|of| self.path.ends_with(of));
        let unversioned = WITHOUT_VERSION.iter().any(|of| self.path.starts_with(of));
        self.changes() && self.takes(ParameterIn::Path, |_| true) && !unversioned && !asked
    }

    /// Whether a repetition with the same Idempotency-Key gets the first answer.
    pub(super) fn honours_idempotency_key(&self) -> bool {
        *self.method == HttpMethod::Post && !NOT_REPEATED.contains(&self.path)
    }
}
