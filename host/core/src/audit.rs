//! What is written down of every change, decision and denial, in the same commit as what it records.

use crate::{AppId, RequestId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who did something: `admin` and the like for tokens, `gatehouse` for the host itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// The host itself.
    pub fn host() -> Self {
        Self("gatehouse".to_owned())
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// One record of the audit trail. The store numbers them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What: `app.create`, `request.committing`, `egress.denied`.
    pub action: String,
    /// To what: `app hr`, `UPR-000012`.
    pub subject: String,
    /// The app it concerns.
    #[serde(default)]
    pub app: Option<AppId>,
    /// The request it belongs to.
    #[serde(default)]
    pub request: Option<RequestId>,
    /// Further facts. Never a secret, never a sensitive attribute.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

impl AuditRecord {
    /// A record without further facts.
    pub fn new(at: Timestamp, actor: &Actor, action: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            at,
            actor: actor.clone(),
            action: action.into(),
            subject: subject.into(),
            app: None,
            request: None,
            facts: BTreeMap::new(),
        }
    }

    /// With one more fact.
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }
}
