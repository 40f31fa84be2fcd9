//! Credentials and tokens. Secrets go in, never out (a new token once).

use super::{AuthSchemeSpelling, ScopeSpelling, SystemPermissionSpelling};
use gatehouse_core::access::Scope;
use gatehouse_core::ports::{CredentialRecord, Token};
use gatehouse_core::{Actor, AuthScheme, Origin, Permissions, UserId};
use gatehouse_store::{Compacted, Manifest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// The username of its owner, who alone calls with it; null: the installation's own.
    pub user: Option<String>,
    /// What it is good for; empty: everything that its owner may do.
    #[schema(value_type = Vec<ScopeSpelling>)]
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is not good any more.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl TokenView {
    /// A token, with the names of owners.
    pub fn of(of: &Token, names: &HashMap<UserId, String>) -> Self {
        Self {
            name: of.name.clone(),
            user: of.user.map(|id| names.get(&id).cloned().unwrap_or_else(|| id.to_string())),
            scopes: of.scopes.clone(),
            created_at: of.created_at,
            expires_at: of.expires_at,
            revoked_at: of.revoked_at,
        }
    }
}

/// Who calls, and what they may do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WhoAmI)]
pub struct WhoAmIView {
    /// The token's name: who one is in audit records.
    #[schema(value_type = String)]
    pub token: Actor,
    /// The username; null for a token of the installation.
    pub user: Option<String>,
    /// Whether it is a token of the installation, which may do everything.
    pub installation: bool,
    /// The system permissions, by profile and permission sets.
    #[schema(value_type = Vec<SystemPermissionSpelling>)]
    pub permissions: Permissions,
    /// What the token is good for; empty: everything that its owner may do.
    #[schema(value_type = Vec<ScopeSpelling>)]
    pub scopes: BTreeSet<Scope>,
    /// From when the token is not good any more.
    pub expires_at: Option<Timestamp>,
}

/// A token to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it, unique among all tokens, revoked ones included.
    pub name: String,
    /// Whose it is to be: username or number. If left out, the caller's own; an installation's makes another of the
    /// installation.
    #[serde(default)]
    pub user: Option<String>,
    /// What it is to be good for; empty: everything that its owner may do.
    #[serde(default)]
    #[schema(value_type = Vec<ScopeSpelling>)]
    pub scopes: BTreeSet<Scope>,
    /// From when it is not to be good any more; never, if left out.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
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
