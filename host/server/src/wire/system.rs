//! Credentials and tokens. Secrets go in, never out (a new token once).

use super::AuthSchemeSpelling;
use gatehouse_core::ports::{CredentialRecord, Token};
use gatehouse_core::{AuthScheme, Origin};
use gatehouse_store::{Compacted, Manifest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A named credential, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Credential)]
pub struct CredentialView {
    /// Unique name.
    pub name: String,
    /// The only origin it is sent to.
    #[schema(value_type = String, example = "https://scim.example.com")]
    pub origin: Origin,
    /// How it is added.
    #[schema(value_type = AuthSchemeSpelling)]
    pub scheme: AuthScheme,
    /// The header, for scheme `header`.
    pub header: Option<String>,
    /// When it was last set.
    pub updated_at: Timestamp,
}

impl From<&CredentialRecord> for CredentialView {
    fn from(of: &CredentialRecord) -> Self {
        Self {
            name: of.name.clone(),
            origin: of.origin.clone(),
            scheme: of.scheme,
            header: of.header.clone(),
            updated_at: of.updated_at,
        }
    }
}

/// A credential to set. The secret is kept encrypted, and never shown again.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialBody {
    /// The origin it is for: scheme, host and port. A path is ignored.
    pub origin: String,
    /// How it is added.
    #[schema(value_type = AuthSchemeSpelling)]
    pub scheme: AuthScheme,
    /// The header, for scheme `header`.
    #[serde(default)]
    pub header: Option<String>,
    /// The secret; `user:password` for scheme `basic`.
    pub secret: String,
}

// By hand, so that the secret is in no log.
impl std::fmt::Debug for CredentialBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialBody").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A token of the API, without itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// What it is called, and the actor's name in audit records.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped being good.
    pub revoked_at: Option<Timestamp>,
}

impl From<&Token> for TokenView {
    fn from(of: &Token) -> Self {
        Self { name: of.name.clone(), created_at: of.created_at, revoked_at: of.revoked_at }
    }
}

/// A token to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it, unique among all tokens, revoked ones included.
    pub name: String,
}

/// A new token: the only time it is shown.
#[derive(Clone, Serialize, ToSchema)]
pub struct NewTokenView {
    /// What it is called.
    pub name: String,
    /// The token. Keep it; only its hash is stored.
    pub token: String,
}

/// What compacting has come to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Compacted)]
pub struct CompactedView {
    /// The length of the store's file before, in bytes.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// The bytes of what is stored in it, without what keeps it in order.
    pub stored: u64,
}

impl From<Compacted> for CompactedView {
    fn from(of: Compacted) -> Self {
        Self { before: of.before, after: of.after, stored: of.stored }
    }
}

/// What was restored.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Restored)]
pub struct RestoredView {
    /// When the backup was made: the store is as it was then.
    pub made_at: Timestamp,
    /// The version of Gatehouse that made it.
    pub gatehouse: String,
    /// How many entries each table of the store had.
    pub records: BTreeMap<String, u64>,
}

impl From<Manifest> for RestoredView {
    fn from(of: Manifest) -> Self {
        Self { made_at: of.made_at, gatehouse: of.gatehouse, records: of.records }
    }
}
