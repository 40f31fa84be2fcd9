//! Why a use case did not do what was asked. The HTTP mapping is in `api::problem`, and nowhere else.

use super::Denial;
use gatehouse_core::ports::{AdmissionError, StoreError};
use gatehouse_core::{Digest, Problem, lifecycle};

/// Why a use case did not do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was sent makes no sense; each problem says where.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
    /// The caller may not do that.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// What is there stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// The record is not the one the caller has seen.
    #[error("{what} has changed since you read it: it is at version {found} now, you named {wanted}; read it again")]
    Changed {
        /// The record.
        what: String,
        /// Its version.
        found: u64,
        /// The version named.
        wanted: u64,
    },
    /// What the caller names as seen is no version of anything.
    #[error("If-Match: `{0}` is no ETag of ours; one looks like \"3\", quotes included")]
    ForeignTag(String),
    /// Unsigned code needs somebody's consent.
    #[error(
        "this connector is not signed. Its digest is {digest}; look at what `gatehouse connector check` says of it, \
         then consent with --allow-unsigned (?allow_unsigned=true), which is recorded"
    )]
    ConsentNeeded {
        /// The component.
        digest: Digest,
    },
    /// The component is not fit to be a connector.
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    /// The request is in no state for that.
    #[error(transparent)]
    Refused(#[from] lifecycle::Refused),
    /// Whoever calls is none of those who decide about the request.
    #[error("{0}")]
    NotApprover(String),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that should not happen. The text is for the log.
    #[error("{0}")]
    Internal(String),
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl ServiceError {
    /// One problem at a place.
    pub fn invalid(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::new(at, why)])
    }

    /// Problems, if there are any.
    ///
    /// # Errors
    /// There are.
    pub(crate) fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Invalid(problems)) }
    }
}
