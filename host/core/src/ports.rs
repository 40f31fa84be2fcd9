//! What the engine and the server need of the world, as traits in domain terms. They stand here, not in the engine,
//! so that `store` and `sandbox` can implement them and depend on nothing but the core.

pub mod connectors;
pub mod records;
pub mod store;

pub use connectors::{
    Admission, AdmissionError, AnalysisItem, Call, CallContext, CallReport, CommitCommand, Connectors,
    CredentialBinding, Denial, EgressGrant, Finding, JournalLine, Judgement, Page as AccountPage, Receipt, RowFault,
    RowVerdict,
};
pub use records::{
    AccountFigures, AccountQuery, ChangeSet, Claim, ClaimLimits, Credential, CredentialRecord, Direction, Fence,
    JobQuery, ListPage, RememberedAnswer, RequestFigures, RequestQuery, Sequence, StagedRun, Token, TrailChange,
    UserOrder, UserQuery, Versioned,
};
pub use store::{Store, StoreError};

use jiff::Timestamp;

/// Time and chance, passed in so that the core stays pure and tests can choose them.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
    /// A number from 0 to 999 that spreads retries.
    fn jitter(&self) -> u32;
}
