//! Why a call did not do what was asked. The host decides from the case alone what follows; texts are for people.

use std::fmt;

/// Why a call did not do what was asked (`failure` in wit/).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The target does not accept the credential (HTTP 401). Not retried until the configuration changes.
    Unauthenticated(String),
    /// The credential is good, but may not do this (HTTP 403); or the host let the request not leave. Not retried.
    Forbidden(String),
    /// The target asks to come back later (HTTP 429): after so many seconds, if it said. Retried.
    Throttled(Option<u32>),
    /// The target could not be reached, or failed on its own account (HTTP 5xx). Retried.
    Unavailable(String),
    /// The target knows no such account. Only for the account's own address, never for the whole service.
    NotFound,
    /// An account that stands in the way exists already: its external id, if that could be told.
    Conflict(Option<String>),
    /// The account has moved on from the expected revision (HTTP 412). The host reads it and plans anew.
    Stale,
    /// The target no longer honours the cursor. The host starts the collection again.
    CursorExpired,
    /// The target refuses a value, or a setting makes no sense. Not retried.
    Invalid {
        /// The attribute or setting; empty if the target did not say.
        field: String,
        /// The reason, for an administrator to read.
        why: String,
    },
    /// The target refuses the request as a whole. Not retried.
    Rejected(String),
    /// This connector, or this target, cannot do that at all. Not retried.
    Unsupported(String),
}

impl Failure {
    /// A setting or a value that makes no sense.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// A request that the target refuses as a whole.
    pub fn rejected(why: impl Into<String>) -> Self {
        Self::Rejected(why.into())
    }

    /// Something that cannot be done at all.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    /// Whether the host retries by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unavailable(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated(why) => write!(f, "the target does not accept the credential: {why}"),
            Self::Forbidden(why) => write!(f, "not allowed: {why}"),
            Self::Throttled(Some(seconds)) => write!(f, "the target asks to come back in {seconds} s"),
            Self::Throttled(None) => f.write_str("the target asks to come back later"),
            Self::Unavailable(why) => write!(f, "the target is unavailable: {why}"),
            Self::NotFound => f.write_str("the target knows no such account"),
            Self::Conflict(Some(id)) => write!(f, "the account `{id}` stands in the way"),
            Self::Conflict(None) => f.write_str("an account stands in the way"),
            Self::Stale => f.write_str("the account has been changed meanwhile"),
            Self::CursorExpired => f.write_str("the target no longer honours the cursor"),
            Self::Invalid { field, why } if field.is_empty() => write!(f, "a value is refused: {why}"),
            Self::Invalid { field, why } => write!(f, "`{field}` is refused: {why}"),
            Self::Rejected(why) => write!(f, "the request is refused: {why}"),
            Self::Unsupported(what) => write!(f, "not supported: {what}"),
        }
    }
}

impl std::error::Error for Failure {}
