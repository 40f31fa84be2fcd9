//! Calling connectors. The sandbox implements this; the engine uses it.

use crate::{
    AppId, AuthScheme, CallFailure, CommitStep, Connector, Digest, FailureKind, Level, Origin, PageNext, RequestId,
    SentWrite,
};
use async_trait::async_trait;
use gatehouse_schema::{Account as RemoteAccount, Attributes};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Runs connectors. Every call gets a fresh instance; a call that traps, loops, floods or hangs fails alone.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// Admits a component: checks it from outside, compiles it, runs `describe` without egress, and makes it ready
    /// for calls. Nothing is kept of one that is refused.
    ///
    /// # Errors
    /// Says what is wrong with it and where, for the person who brought it.
    async fn admit(&self, component: &[u8]) -> Result<Admission, AdmissionError>;

    /// Makes an admitted component ready again, after a restart.
    ///
    /// # Errors
    /// It cannot be compiled any more.
    async fn load(&self, digest: Digest, component: &[u8]) -> Result<(), AdmissionError>;

    /// Whether a component is ready for calls.
    fn is_loaded(&self, digest: Digest) -> bool;

    /// Forgets a component, and all that was made of it. Calls under way end as they would.
    fn unload(&self, digest: Digest);

    /// Whether calls can be made at all.
    ///
    /// # Errors
    /// They cannot; the text says why.
    fn health(&self) -> Result<(), String>;

    /// Checks a configuration.
    async fn check(&self, context: &CallContext) -> CallReport<Vec<Finding>>;

    /// Collects one page of at most `limit` accounts, with the listed attributes (all if empty).
    async fn collect(
        &self,
        context: &CallContext,
        filter: Option<&str>,
        cursor: Option<&str>,
        attributes: &[String],
        limit: u32,
    ) -> CallReport<Page>;

    /// Reads one account.
    async fn read(&self, context: &CallContext, external_id: &str) -> CallReport<RemoteAccount>;

    /// Finds accounts by an attribute that the connector lists as searchable.
    async fn find(&self, context: &CallContext, attribute: &str, value: &str) -> CallReport<Vec<RemoteAccount>>;

    /// Judges a batch: one verdict for each item, in order.
    async fn analyze(&self, context: &CallContext, batch: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>>;

    /// Makes one change.
    async fn commit(&self, context: &CallContext, command: &CommitCommand) -> CallReport<Receipt>;
}

/// What admission found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// What is to be kept; `installed_at` and `installed_by` are the caller's to fill in.
    pub connector: Connector,
    /// What an administrator should know before consenting (search paths, unusual imports).
    pub warnings: Vec<String>,
}

/// A component is not fit to be a connector. The text says what was wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct AdmissionError {
    /// A stable name of the case: `not-wasm`, `core-module`, `too-large`, `invalid`, `wrong-world`,
    /// `missing-export`, `export-type`, `unknown-import`, `limits`, `compile`, `describe`, `description`.
    pub case: String,
    /// For the person who brought it.
    pub message: String,
}

/// For whom and with what a call is made. The connector sees the settings only.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The component.
    pub connector: Digest,
    /// The app.
    pub app: AppId,
    /// The app's name, for logs.
    pub app_name: String,
    /// The request it is made for; none for a check.
    pub request: Option<RequestId>,
    /// Settings, as JSON text by name, defaults filled in.
    pub settings: BTreeMap<String, String>,
    /// Origins that may be reached.
    pub grants: Vec<EgressGrant>,
    /// Credentials to add, by origin.
    pub credentials: Vec<CredentialBinding>,
    /// POST paths that are searches (from the description).
    pub search_paths: Vec<String>,
    /// The longest the call may take; shorter than the lease under which it is made.
    pub timeout: Duration,
}

/// An origin that may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressGrant {
    /// The origin.
    pub origin: Origin,
    /// Whether its name may lead to loopback, private and link-local addresses.
    pub allow_private: bool,
}

/// A secret to add to requests to an origin.
#[derive(Clone, Debug)]
pub struct CredentialBinding {
    /// Its name, for logs.
    pub name: String,
    /// The only origin it is sent to.
    pub origin: Origin,
    /// How it is added.
    pub scheme: AuthScheme,
    /// The header, for scheme `Header`.
    pub header: Option<String>,
    /// The secret.
    pub secret: SecretString,
}

/// What a call gave, and what is to be known of it whether it succeeded or not.
#[derive(Clone, Debug)]
pub struct CallReport<T> {
    /// What it gave. A limit hit is named in the failure's message.
    pub result: Result<T, CallFailure>,
    /// What the egress gate, the journal and the limits noted.
    pub call: Call,
}

/// What the host noted of a call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Whether the gate let a request leave that may change the target. Noted before it left.
    pub write_left: bool,
    /// Those requests, the first ones at least, and what came back.
    pub writes: Vec<SentWrite>,
    /// HTTP requests that left.
    pub requests: u32,
    /// What the gate refused.
    pub denials: Vec<Denial>,
    /// What the connector wrote.
    pub journal: Vec<JournalLine>,
    /// Lines it wrote beyond what a call may write.
    pub journal_dropped: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The most memory it had, in bytes.
    pub peak_memory: u64,
}

/// Something the egress gate refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// A stable name: `origin-not-granted`, `private-address`, `method-in-phase`, `header`, `redirect`,
    /// `secret-reflected`, `content-encoding`, `response-too-large`, `too-many-requests`, `no-egress-in-phase`.
    pub rule: String,
    /// The method.
    pub method: String,
    /// The address, without query.
    pub url: String,
    /// For people.
    pub detail: String,
}

/// A line the connector wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// Further facts.
    pub fields: Vec<(String, String)>,
}

/// Something a check found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// What was found.
    pub detail: String,
}

/// One collected page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The accounts.
    pub accounts: Vec<RemoteAccount>,
    /// What could not be read.
    pub faults: Vec<RowFault>,
    /// How many accounts there are in all, if the target says.
    pub estimate: Option<u64>,
    /// How to go on.
    pub next: PageNext,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Its external id, if that much could be read.
    pub external_id: Option<String>,
    /// Why.
    pub why: String,
}

/// An account, and what the host would make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysisItem {
    /// The account as collected.
    pub account: RemoteAccount,
    /// The username of the user the host proposes.
    pub user: Option<String>,
    /// The attributes the account would have if it were that user's.
    pub desired: Attributes,
}

/// What a connector says to the host's proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing to object.
    Same,
    /// Not without an administrator, for this reason.
    Doubt(String),
    /// Leave it alone, for this reason.
    Ignore(String),
}

/// What a connector says of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowVerdict {
    /// To the proposal.
    pub judgement: Judgement,
    /// Attributes that differ.
    pub drift: Vec<String>,
}

/// One change, to be made at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitCommand {
    /// The same for every attempt at the same change.
    pub idempotency_key: String,
    /// The account; none for a create.
    pub external_id: Option<String>,
    /// The version the change was planned against.
    pub expected_revision: Option<String>,
    /// The change.
    pub step: CommitStep,
}

impl CommitCommand {
    /// What came of it, if the receipt speaks of the account that was asked about: or else nobody knows what was done.
    ///
    /// # Errors
    /// It speaks of none, or of another one.
    pub fn answered(&self, receipt: Receipt) -> Result<Receipt, CallFailure> {
        let broken = |why: String| Err(CallFailure::new(FailureKind::Protocol, why));
        match (&self.step, &receipt.account, &self.external_id) {
            (CommitStep::Create(_), None, _) => {
                broken("the receipt of a create does not say which account was made".to_owned())
            }
            (_, Some(account), _) if account.external_id.is_empty() => {
                broken("the receipt's account has no external id".to_owned())
            }
            (_, Some(account), Some(asked)) if account.external_id != *asked => {
                broken(format!("the receipt speaks of account `{}`, not of `{asked}`", account.external_id))
            }
            _ => Ok(receipt),
        }
    }
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The account after it; none after a removal.
    pub account: Option<RemoteAccount>,
    /// Whether something was changed.
    pub applied: bool,
}
