//! Use cases: load what is needed, ask the core, commit one change set. Everything an administrator can do passes
//! through here, whether it comes from the CLI or over HTTP. It never decides what a request or an account becomes.

mod access;
mod accounts;
mod approvals;
mod apps;
mod attempts;
mod backup;
mod caller;
mod connectors;
mod counters;
mod credentials;
mod decisions;
mod erase;
mod error;
mod follow;
mod groups;
mod guard;
mod import;
mod import_rows;
mod jobs;
mod lists;
mod named;
mod permission_sets;
mod preview;
mod profiles;
mod reconcile;
mod refused;
mod requests;
mod review;
mod sharing;
mod sign_ins;
mod tokens;
mod trail;
mod user_attributes;
mod users;
mod views;

pub use access::Denial;
pub use accounts::{AccountFilter, LinkAsk};
pub use attempts::{ATTEMPTS_EACH, ATTEMPTS_IN_ALL, Failed};
pub use backup::{Safekeeping, TRANSIT};
pub(crate) use caller::Remembered;
pub use caller::{Answer, AnswerKey, Caller, IfMatch, Recorded};
pub use decisions::Decision;
pub use error::ServiceError;
pub use import::{ImportMode, ImportOptions};
pub use import_rows::Format;
pub use jobs::{Consent, JobFilter};
pub use lists::Paging;
pub use requests::RequestFilter;
pub use tokens::{FIRST_TOKEN, TokenAsk, hash_of};
pub use trail::AuditFilter;
pub use users::{Flag, UserFilter};
pub use views::Views;

use async_trait::async_trait;
use gatehouse_core::ports::{CallReport, Clock, Connectors, Finding, Store, StoreError};
use gatehouse_core::provision::Matched;
use gatehouse_core::{App, AuditRecord, Request, User};
use gatehouse_engine::Review;
use jiff::Timestamp;
use std::sync::Arc;

/// What goes on behind the API: the engine, or a stand-in for it in tests.
#[async_trait]
pub trait Background: Send + Sync {
    /// There is new work to look for.
    fn wake(&self);
    /// Whether work is taken up.
    ///
    /// # Errors
    /// It is not; the text says why.
    fn health(&self) -> Result<(), String>;
    /// Held by whoever raises requests from what people and their open requests show. Always the same lock.
    fn raising(&self) -> Arc<tokio::sync::Mutex<()>>;
    /// Checks an app's configuration against its target.
    async fn probe(&self, app: &App) -> CallReport<Vec<Finding>>;
    /// Looks for a user in an app's target, by the linking rules.
    async fn search(&self, app: &App, user: &User) -> Result<Matched, StoreError>;
    /// Looks at the target for somebody who settles a request in review.
    async fn review(&self, app: &App, request: &Request, external_id: Option<&str>) -> Result<Review, StoreError>;
}

/// Everything a use case needs of the world.
#[derive(Clone)]
pub struct Services {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What runs connectors.
    pub connectors: Arc<dyn Connectors>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// The engine.
    pub background: Arc<dyn Background>,
    /// What keeps copies of the store; none where that is no file.
    safekeeping: Option<Arc<dyn Safekeeping>>,
    /// Held where two callers must not see the same state and both act on it (one active reconciliation per app,
    /// no app on a connector that is being uninstalled). One process serves a store, so a lock in it is enough.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held over the commits of events.
    raising: Arc<tokio::sync::Mutex<()>>,
    /// What events have raised lately, for the guard against mass changes.
    lately: Arc<tokio::sync::Mutex<guard::Lately>>,
    /// Shared by whoever writes what users have and what apps are granted to; held alone by whoever takes away what
    /// those may name, or says what is allowed of them.
    people: Arc<tokio::sync::RwLock<()>>,
    refusals: Arc<attempts::Refusals>,
    sign_ins: Arc<sign_ins::SignIns>,
    /// How many attempts to sign in may fail of one client within a minute; 0: as many as it likes.
    failed_sign_ins: u64,
}

impl Services {
    /// Use cases over these.
    pub fn new(
        store: Arc<dyn Store>,
        connectors: Arc<dyn Connectors>,
        clock: Arc<dyn Clock>,
        background: Arc<dyn Background>,
    ) -> Self {
        let raising = background.raising();
        Self {
            store,
            connectors,
            clock,
            background,
            safekeeping: None,
            turn: Arc::default(),
            raising,
            lately: Arc::default(),
            failed_sign_ins: ATTEMPTS_EACH,
            people: Arc::default(),
            refusals: Arc::default(),
            sign_ins: Arc::default(),
        }
    }

    /// With another number of attempts to sign in that may fail of one client within a minute; 0: as many as it likes.
    #[must_use]
    pub fn with_failed_sign_ins(self, each: u64) -> Self {
        Self { failed_sign_ins: each, ..self }
    }

    /// With something that keeps copies of the store.
    #[must_use]
    pub fn kept_by(self, safekeeping: Arc<dyn Safekeeping>) -> Self {
        Self { safekeeping: Some(safekeeping), ..self }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A record of what somebody does now. Hand in the caller where there is one: it says by which call, from where.
    fn audit(&self, by: &impl Recorded, action: &str, subject: impl Into<String>) -> AuditRecord {
        let mut record = AuditRecord::new(self.now(), by.actor(), action, subject);
        by.sign(&mut record);
        record
    }
}
