//! The audit trail: records with their places in the chain, heads, and what a verification has come to.

use gatehouse_core::audit::verify::Finding;
use gatehouse_core::audit::{AuditEntry, Verdict};
use gatehouse_core::{Actor, RequestId, UserId};
use gatehouse_core::{AuditHead, AuditRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One record of the audit trail.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub struct AuditView {
    /// Its number, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, a user's, or `gatehouse`.
    pub actor: String,
    /// What. `(erased)`: what it said was erased, with the person it was about.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The request it belongs to.
    #[schema(value_type = Option<String>, example = "UPR-000001")]
    pub request: Option<RequestId>,
    /// The person it is about, by number.
    #[schema(value_type = Option<String>, example = "USR-000001")]
    pub person: Option<UserId>,
    /// What changed, by field.
    pub changes: BTreeMap<String, ChangedView>,
    /// The address it was asked for from.
    pub address: Option<String>,
    /// The token it was asked for with.
    pub token: Option<String>,
    /// The `X-Request-Id` of the call that asked for it.
    pub request_id: Option<String>,
    /// What came of it, where that is not plain from the action.
    pub outcome: Option<String>,
    /// Further facts.
    pub facts: BTreeMap<String, String>,
    /// The chain that it is part of.
    pub chain: String,
    /// Its link in the chain, a SHA-256 digest.
    pub hash: String,
}

/// A field before and after.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Changed)]
pub struct ChangedView {
    /// Before; null: it was not there.
    pub before: serde_json::Value,
    /// After; null: it is no more.
    pub after: serde_json::Value,
}

impl From<&AuditEntry> for AuditView {
    fn from(entry: &AuditEntry) -> Self {
        let of = entry.record().unwrap_or_else(|| {
            let subject = entry.person().map_or_else(String::new, |person| person.to_string());
            let mut erased = AuditRecord::new(entry.at, &Actor("(erased)".to_owned()), "(erased)", subject);
            erased.person = entry.person();
            erased
        });
        let from = of.from.unwrap_or_default();
        let changed = |(name, changed): (String, gatehouse_core::audit::Changed)| {
            (name, ChangedView { before: changed.before, after: changed.after })
        };
        Self {
            sequence: entry.sequence,
            at: of.at,
            actor: of.actor.0,
            action: of.action,
            subject: of.subject,
            request: of.request,
            person: of.person,
            changes: of.changes.into_iter().map(changed).collect(),
            address: from.address,
            token: from.token,
            request_id: of.request_id,
            outcome: of.outcome,
            facts: of.facts,
            chain: entry.chain.to_string(),
            hash: entry.hash.to_string(),
        }
    }
}

/// The end of the audit trail, signed: keep it elsewhere. A trail whose end was cut off later does not agree with it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuditHead)]
pub struct AuditHeadView {
    /// The chain.
    pub chain: String,
    /// The number of its last record; 0: there is none yet.
    pub sequence: u64,
    /// The link of that record.
    pub hash: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The key it is signed with (Ed25519), in hexadecimal digits.
    pub public_key: String,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl From<AuditHead> for AuditHeadView {
    fn from(of: AuditHead) -> Self {
        Self {
            chain: of.chain.to_string(),
            sequence: of.sequence,
            hash: of.hash.to_string(),
            at: of.at,
            public_key: of.public_key.to_string(),
            signature: of.signature.to_string(),
        }
    }
}

/// What to verify the audit trail against.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// Heads that were taken of it before.
    #[serde(default)]
    #[schema(value_type = Vec<AuditHeadView>)]
    pub heads: Vec<AuditHead>,
}

/// What a verification has come to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditVerdict)]
pub struct TrailVerdictView {
    /// Whether nothing was found.
    pub valid: bool,
    /// How many records were looked at.
    pub records: u64,
    /// How many of them say nothing any more, because they were erased with the person they were about.
    pub erased: u64,
    /// How many have been dropped, as the checkpoint says that the trail begins with.
    pub dropped: u64,
    /// The number of the last record that holds.
    pub last: Option<u64>,
    /// What is wrong: the first bad record, and what heads say.
    pub findings: Vec<FindingOfTrail>,
    /// What could not be checked.
    pub notes: Vec<String>,
}

/// A bad record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditFinding)]
pub struct FindingOfTrail {
    /// Its number.
    pub sequence: u64,
    /// What became of it: `removed`, `changed`, `reordered`, `inserted`, `cut_off`, `rewritten` or `bad_signature`.
    pub breach: String,
    /// In words.
    pub why: String,
}

impl From<Verdict> for TrailVerdictView {
    fn from(of: Verdict) -> Self {
        let finding = |Finding { sequence, breach, why }| FindingOfTrail {
            sequence,
            breach: serde_json::to_value(breach)
                .ok()
                .and_then(|name| Some(name.as_str()?.to_owned()))
                .unwrap_or_default(),
            why,
        };
        Self {
            valid: of.valid,
            records: of.records,
            erased: of.erased,
            dropped: of.dropped,
            last: of.last.map(|place| place.sequence),
            findings: of.findings.into_iter().map(finding).collect(),
            notes: of.notes,
        }
    }
}
