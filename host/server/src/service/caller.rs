//! Who calls, and what they said about repeating and about versions. An answer to a call with an Idempotency-Key is
//! remembered in the same commit as what the call did, so that a repetition never does it twice.

use super::ServiceError;
use gatehouse_core::access::{Principal, Scope};
use gatehouse_core::ports::{ChangeSet, RememberedAnswer};
use gatehouse_core::{Actor, AskedFrom, AuditRecord, Correlation, Digest, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a caller has seen of a record that is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// This version.
    Version(u64),
    /// Something that is no ETag of ours, and so no version of any record.
    Foreign(String),
}

/// Who calls, and how.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who, as audit records and requests name them.
    pub actor: Actor,
    /// Which person of the directory that is; none: the installation itself, which may do everything.
    pub user: Option<UserId>,
    /// From where, and with which token.
    pub from: Option<AskedFrom>,
    /// The same, with what they may do.
    pub principal: Principal,
    /// What the token is good for; empty: everything that its owner may do.
    pub scopes: BTreeSet<Scope>,
    /// From when the token is not good any more.
    pub expires_at: Option<Timestamp>,
    /// Under which key the answer is to be remembered.
    pub answer_key: Option<AnswerKey>,
    /// What they have seen of the record (If-Match); none: whatever is there.
    pub if_match: Option<IfMatch>,
    /// What ties the requests that the call makes to it.
    pub correlation: Option<Correlation>,
}

/// Who has something recorded.
pub trait Recorded {
    /// As audit records name them.
    fn actor(&self) -> &Actor;
    /// Says in a record by which call it was asked for.
    fn sign(&self, _: &mut AuditRecord) {}
}

impl Recorded for Actor {
    fn actor(&self) -> &Actor {
        self
    }
}

impl Recorded for Caller {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn sign(&self, record: &mut AuditRecord) {
        record.asked(self.from.as_ref(), self.correlation.as_ref());
    }
}

/// The key of an answer, and the digest of the body it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerKey {
    /// The token's name, the path and the caller's key.
    pub key: String,
    /// The digest of the body.
    pub body: Digest,
    /// When the call was made.
    pub at: Timestamp,
}

/// An answer: what goes into the HTTP response, and what is remembered of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status (RFC 9110 section 15).
    pub status: u16,
    /// Where the new thing is.
    #[serde(default)]
    pub location: Option<String>,
    /// Its version, for the ETag.
    #[serde(default)]
    pub version: Option<u64>,
    /// The JSON.
    pub body: serde_json::Value,
}

/// What is stored for an Idempotency-Key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// The digest of the body it answered.
    pub(crate) request: Digest,
    /// The answer.
    pub(crate) answer: Answer,
}

impl Answer {
    /// Something was made (201).
    pub fn created(location: String, version: u64, body: &impl Serialize) -> Self {
        Self { status: 201, location: Some(location), version: Some(version), body: json(body) }
    }

    /// A request was made, which the host carries out (202).
    pub fn accepted(location: String, version: u64, body: &impl Serialize) -> Self {
        Self { status: 202, location: Some(location), version: Some(version), body: json(body) }
    }

    /// Found out (200): about no record of its own.
    pub fn told(body: &impl Serialize) -> Self {
        Self { status: 200, location: None, version: None, body: json(body) }
    }

    /// Done (200).
    pub fn done(version: u64, body: &impl Serialize) -> Self {
        Self { status: 200, location: None, version: Some(version), body: json(body) }
    }
}

fn json(body: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(body).unwrap_or_default()
}

impl Caller {
    /// The installation, under this name.
    pub fn new(actor: Actor) -> Self {
        Self {
            actor,
            user: None,
            principal: Principal::Installation,
            scopes: BTreeSet::new(),
            expires_at: None,
            from: None,
            answer_key: None,
            if_match: None,
            correlation: None,
        }
    }

    /// Remembers the answer in the commit that does what was asked, and says in all that it records by which call that was.
    pub(crate) fn remember(&self, changes: &mut ChangeSet, answer: &Answer) {
        changes.audit.iter_mut().for_each(|record| self.sign(record));
        let Some(AnswerKey { key, body, at }) = &self.answer_key else { return };
        let remembered = Remembered { request: *body, answer: answer.clone() };
        let remembered = RememberedAnswer { key: key.clone(), at: *at, answer: json(&remembered) };
        changes.idempotency.push(remembered);
    }

    /// Whether a record is the one the caller has seen.
    pub(crate) fn has_seen(&self, what: impl Into<String>, version: u64) -> Result<(), ServiceError> {
        match &self.if_match {
            None => Ok(()),
            Some(IfMatch::Version(wanted)) if *wanted == version => Ok(()),
            Some(IfMatch::Version(wanted)) => {
                Err(ServiceError::Changed { what: what.into(), found: version, wanted: *wanted })
            }
            Some(IfMatch::Foreign(tag)) => Err(ServiceError::ForeignTag(tag.clone())),
        }
    }
}
