//! The simple model of a store: sorted maps under one lock, filters that look at everything. It says what a store
//! does, for the conformance suite to hold the embedded one against, and for tests that want no file. It never keeps
//! anything, and never tries to be fast.

mod commit;
mod lanes;
mod people;
mod port;
mod trail;

use gatehouse_core::approval::{Delegation, Notice};
use gatehouse_core::ports::{CredentialRecord, Sequence, Token};
use gatehouse_core::sharing::SharingRule;
use gatehouse_core::{
    Account, AccountId, App, AppId, Connector, DelegationId, Digest, Group, Job, JobId, LogEntry, PermissionSet,
    Profile, Request, RequestId, StagingRow, Subject, User, UserAttribute, UserId,
};
use jiff::Timestamp;
use lanes::LaneClaim;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

/// Everything that is kept.
#[derive(Debug, Default)]
struct Kept {
    users: BTreeMap<UserId, User>,
    profiles: BTreeMap<String, Profile>,
    permission_sets: BTreeMap<String, PermissionSet>,
    groups: BTreeMap<String, Group>,
    user_attributes: BTreeMap<String, UserAttribute>,
    delegations: BTreeMap<DelegationId, Delegation>,
    notices: BTreeMap<String, Notice>,
    sharing_rules: BTreeMap<String, SharingRule>,
    connectors: BTreeMap<Digest, (Connector, Vec<u8>)>,
    apps: BTreeMap<AppId, App>,
    credentials: BTreeMap<String, (CredentialRecord, SecretString)>,
    tokens: BTreeMap<Digest, Token>,
    accounts: BTreeMap<AccountId, Account>,
    requests: BTreeMap<RequestId, Request>,
    staging: BTreeMap<(RequestId, u64), StagingRow>,
    log: BTreeMap<RequestId, Vec<LogEntry>>,
    jobs: BTreeMap<JobId, Job>,
    trail: trail::Trail,
    idempotency: BTreeMap<String, (Timestamp, serde_json::Value)>,
    epoch: u64,
    claims: BTreeMap<(AppId, Subject), LaneClaim>,
    /// The fencing token handed out last.
    token: u64,
    /// The numbers handed out last.
    numbers: BTreeMap<Sequence, u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing is written before everything has been checked: a panic elsewhere leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
