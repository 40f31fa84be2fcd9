//! What is written down of every change, decision and denial, in the same commit as what it records. Records are
//! chained ([`chain`]), so that whoever removes, changes or reorders one is found out ([`verify`]).

pub mod chain;
pub mod denials;
mod differences;
pub mod export;
mod head;
pub mod verify;

pub use chain::{AuditEntry, ChainId, Payload, Salt};
pub use denials::Denials;
pub use differences::{Changed, differences};
pub use head::{AuditHead, AuditKey, BadHead, PublicKey, Signature, Signed};
pub use verify::{Checkpoint, Verdict, Verifier};

use crate::ports::Direction;
use crate::{AppId, Correlation, MASK, RequestId, UserId};
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

/// From where something was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFrom {
    /// The address of whoever called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name of the token they called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppId>,
    /// The request it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Whose it is: erasing that person erases what this record says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<UserId>,
    /// What changed, by field. Sensitive values are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, Changed>,
    /// From where it was asked for; none: it was the host's own doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AskedFrom>,
    /// The `X-Request-Id` of the call that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What came of it, where that is not plain from the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Further facts. Never a secret, never a sensitive attribute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
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
            person: None,
            changes: BTreeMap::new(),
            from: None,
            request_id: None,
            outcome: None,
            facts: BTreeMap::new(),
        }
    }

    /// With one more fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }

    /// About this person.
    #[must_use]
    pub fn about(self, person: UserId) -> Self {
        Self { person: Some(person), ..self }
    }

    /// With what changed between two records of the same kind; `None` is one that was not there, or is no more.
    #[must_use]
    pub fn changing<T: Serialize>(self, before: Option<&T>, after: Option<&T>) -> Self {
        Self { changes: differences(before, after), ..self }
    }

    /// Without the values of these fields before and after: only that they changed.
    #[must_use]
    pub fn masking(mut self, hidden: impl Fn(&str) -> bool) -> Self {
        for (_, changed) in self.changes.iter_mut().filter(|(name, _)| hidden(name)) {
            for value in [&mut changed.before, &mut changed.after].into_iter().filter(|value| !value.is_null()) {
                *value = MASK.into();
            }
        }
        self
    }

    /// With what came of it.
    #[must_use]
    pub fn ending(self, outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..self }
    }

    /// Says by which call it was asked for, unless it says so already.
    pub fn asked(&mut self, from: Option<&AskedFrom>, call: Option<&Correlation>) {
        if self.from.is_none() {
            self.from = from.cloned();
        }
        if self.request_id.is_none() {
            self.request_id = call.map(|call| call.request_id.clone());
        }
    }
}

/// Which records of the audit trail. Filters that are none let everything through. In the order of the trail, the
/// newest first if nothing else is said.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// By this actor.
    pub actor: Option<String>,
    /// Whose action begins like this: `user.` or `user.create`.
    pub action: Option<String>,
    /// About this app.
    pub app: Option<AppId>,
    /// Of this request.
    pub request: Option<RequestId>,
    /// About this person.
    pub person: Option<UserId>,
    /// Not before this moment, by the chain's time ([`AuditEntry::at`]).
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Which way.
    pub direction: Direction,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            actor: None,
            action: None,
            app: None,
            request: None,
            person: None,
            since: None,
            until: None,
            direction: Direction::Descending,
            after: None,
            limit: 0,
        }
    }
}

impl AuditQuery {
    /// Whether it lets an entry through. Of an erased one only the person is known, and the time.
    pub fn lets_through(&self, entry: &AuditEntry) -> bool {
        let in_time =
            self.since.is_none_or(|since| entry.at >= since) && self.until.is_none_or(|until| entry.at < until);
        let by_content = match entry.record() {
            Some(record) => {
                self.actor.as_ref().is_none_or(|actor| *actor == record.actor.0)
                    && self.action.as_ref().is_none_or(|prefix| record.action.starts_with(prefix.as_str()))
                    && self.app.is_none_or(|app| record.app == Some(app))
                    && self.request.is_none_or(|request| record.request == Some(request))
                    && self.person.is_none_or(|person| record.person == Some(person))
            }
            None => {
                let others =
                    self.actor.is_some() || self.action.is_some() || self.app.is_some() || self.request.is_some();
                !others && self.person.is_none_or(|person| entry.person() == Some(person))
            }
        };
        in_time && by_content
    }
}
