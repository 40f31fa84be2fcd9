//! One write transaction with all its tables: what a change set, a claim, a release do to them. Each is checked
//! wholly before anything of it is written, so that one that is refused leaves the transaction as it was.

use super::accounts::{AccountChanges, Accounts};
use super::credentials::Credentials;
use super::delegations::{DelegationChanges, Delegations};
use super::directory::{Directory, DirectoryChanges, DirectoryPart};
use super::fault::{Fault, Outcome};
use super::groups::{GroupChanges, Groups};
use super::jobs::{JobChanges, Jobs};
use super::ledger::{EPOCH, FENCE, Ledger};
use super::notices::Notices;
use super::registry::{Registry, RegistryChanges};
use super::requests::{RequestChanges, Requests, Rows};
use super::sharing::{Sharing, SharingChanges};
use crate::change::{invalid, sound};
use crate::vault::DataKey;
use gatehouse_core::approval::Notice;
use gatehouse_core::ports::{
    ChangeSet, Claim, ClaimLimits, CredentialRecord, Fence, RememberedAnswer, Sequence, TrailChange,
};
use gatehouse_core::{AppId, AuditRecord};
use jiff::{SignedDuration, Timestamp};
use redb::WriteTransaction;
use secrecy::SecretString;
use std::collections::BTreeSet;

/// Fencing tokens set aside in one durable write. Claims themselves need not be durable (see [`super::writer`]), but no
/// token may be handed out again after a crash.
const TOKENS_SET_ASIDE: u64 = 1024;

pub(super) struct Tables<'t> {
    directory: Directory<'t>,
    groups: Groups<'t>,
    delegations: Delegations<'t>,
    notices: Notices<'t>,
    sharing: Sharing<'t>,
    registry: Registry<'t>,
    credentials: Credentials<'t>,
    accounts: Accounts<'t>,
    requests: Requests<'t>,
    jobs: Jobs<'t>,
    ledger: Ledger<'t>,
}

/// A change set that nothing speaks against.
struct Checked {
    directory: DirectoryChanges,
    groups: GroupChanges,
    delegations: DelegationChanges,
    /// To keep, and to remove.
    notices: (Vec<Notice>, Vec<String>),
    sharing: SharingChanges,
    registry: RegistryChanges,
    /// To set, and to remove.
    credentials: (Vec<(CredentialRecord, SecretString)>, Vec<String>),
    accounts: AccountChanges,
    requests: RequestChanges,
    jobs: JobChanges,
    remove_apps: Vec<AppId>,
    audit: Vec<AuditRecord>,
    trail: TrailChange,
    idempotency: Vec<RememberedAnswer>,
    forget_answers: Vec<(Timestamp, String)>,
}

/// A call of `claim`.
pub(super) struct ClaimCall {
    pub now: Timestamp,
    pub lease: SignedDuration,
    pub incarnation: String,
    pub limits: ClaimLimits,
}

/// What a claim gave.
pub(super) struct Claimed {
    pub claims: Vec<Claim>,
    /// Whether tokens were set aside, which must be durable before they are used.
    pub must_be_durable: bool,
}

impl<'t> Tables<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            directory: Directory::open(txn)?,
            groups: Groups::open(txn)?,
            delegations: Delegations::open(txn)?,
            notices: Notices::open(txn)?,
            sharing: Sharing::open(txn)?,
            registry: Registry::open(txn)?,
            credentials: Credentials::open(txn)?,
            accounts: Accounts::open(txn)?,
            requests: Requests::open(txn)?,
            jobs: Jobs::open(txn)?,
            ledger: Ledger::open(txn)?,
        })
    }

    /// Carries out a change set. The highest number used of each sequence.
    pub fn commit(&mut self, changes: ChangeSet, key: &DataKey) -> Outcome<Vec<(Sequence, u64)>> {
        let checked = self.check(changes)?;
        let used = [
            (Sequence::User, checked.directory.highest_user()),
            (Sequence::App, checked.registry.highest_app()),
            (Sequence::Account, checked.accounts.highest()),
            (Sequence::Request, checked.requests.highest()),
            (Sequence::Job, checked.jobs.highest()),
            (Sequence::Delegation, checked.delegations.highest()),
        ];
        let used: Vec<_> = used.into_iter().filter_map(|(sequence, highest)| Some((sequence, highest?))).collect();
        used.iter().try_for_each(|(sequence, number)| self.ledger.used(*sequence, *number))?;
        self.apply(checked, key)?;
        Ok(used)
    }

    /// Looks at everything that could speak against a change set, in an order that the model follows.
    fn check(&self, changes: ChangeSet) -> Outcome<Checked> {
        sound(&changes)?;
        let held = changes.fence.map(|fence| self.requests.check_fence(fence)).transpose()?;
        let release = held.filter(|_| changes.keep_claim.is_none());
        let extend = held.zip(changes.keep_claim);
        let gone = changes.remove_apps.as_slice();
        let directory = self.directory.check(DirectoryPart {
            users: changes.users,
            profiles: (changes.profiles, changes.remove_profiles),
            permission_sets: (changes.permission_sets, changes.remove_permission_sets),
            attributes: (changes.user_attributes, changes.remove_user_attributes),
        })?;
        let groups = self.groups.check(changes.groups, changes.remove_groups)?;
        let delegations = self.delegations.check(changes.delegations, changes.remove_delegations)?;
        let sharing = self.sharing.check(changes.sharing_rules, changes.remove_sharing_rules)?;
        let connectors = (changes.connectors, changes.remove_connectors);
        let registry = self.registry.check(connectors, (changes.apps, gone), changes.tokens)?;
        let accounts = self.accounts.check(changes.accounts, &changes.remove_accounts)?;
        let rows = Rows { staging: changes.staging, truncate_staging: changes.truncate_staging, log: changes.log };
        let requests = self.requests.check(changes.requests, rows, release, gone)?.extending(extend);
        let jobs = self.jobs.check(changes.jobs)?;
        let apps: BTreeSet<AppId> = accounts.apps().chain(requests.apps()).chain(jobs.apps()).collect();
        for app in apps {
            if !registry.writes_app(app) && !self.registry.has_app(app)? {
                return Err(invalid(format!("app {app} is not there")).into());
            }
        }
        self.ledger.check(&changes.idempotency)?;
        Ok(Checked {
            directory,
            groups,
            delegations,
            notices: (changes.notices, changes.remove_notices),
            sharing,
            registry,
            credentials: (changes.credentials, changes.remove_credentials),
            accounts,
            requests,
            jobs,
            remove_apps: changes.remove_apps,
            audit: changes.audit,
            trail: changes.trail,
            idempotency: changes.idempotency,
            forget_answers: changes.forget_answers,
        })
    }

    /// Writes. Whatever fails here is the file's fault, and the transaction is given up.
    fn apply(&mut self, checked: Checked, key: &DataKey) -> Outcome<()> {
        if checked.directory.is_about_people() {
            self.ledger.set_number(EPOCH, self.ledger.number(EPOCH)? + 1)?;
        }
        self.directory.apply(&checked.directory)?;
        self.groups.apply(&checked.groups)?;
        self.delegations.apply(&checked.delegations)?;
        self.notices.apply(&checked.notices.0, &checked.notices.1)?;
        self.sharing.apply(&checked.sharing)?;
        self.registry.apply(checked.registry)?;
        self.credentials.apply(key, checked.credentials.0, checked.credentials.1)?;
        self.accounts.apply(&checked.accounts)?;
        self.requests.apply(checked.requests)?;
        self.jobs.apply(&checked.jobs)?;
        for app in checked.remove_apps {
            self.accounts.remove_app(app)?;
            self.requests.remove_app(app)?;
            self.jobs.remove_app(app)?;
            self.notices.remove_app(app)?;
        }
        self.ledger.forget(checked.forget_answers)?;
        self.ledger.record(key, checked.trail, checked.audit)?;
        self.ledger.apply(checked.idempotency)
    }

    /// Claims what is due, with tokens from `next_token` on, which it advances.
    pub fn claim(&mut self, call: &ClaimCall, next_token: &mut u64) -> Outcome<Claimed> {
        let apps = self.registry.app_ids()?;
        let lease_until = call.now.checked_add(call.lease).unwrap_or(Timestamp::MAX);
        let queue = self.requests.queue();
        let taken = queue.claim(&apps, call.now, lease_until, &call.incarnation, &call.limits, *next_token)?;
        *next_token += taken.len() as u64;
        let must_be_durable = *next_token > self.ledger.number(FENCE)?;
        if must_be_durable {
            self.ledger.set_number(FENCE, *next_token + TOKENS_SET_ASIDE)?;
        }
        let claim = |(id, token)| {
            Ok(Claim { request: self.requests.claimed(id)?, fence: Fence { request: id, token }, lease_until })
        };
        let claims = taken.into_iter().map(claim).collect::<Outcome<_>>()?;
        Ok(Claimed { claims, must_be_durable })
    }

    /// Gives a claim back; whether there was one.
    pub fn release(&mut self, fence: Fence) -> Outcome<bool> {
        let lane = match self.requests.check_fence(fence) {
            Ok(lane) => lane,
            Err(Fault::Refused(_)) => return Ok(false),
            Err(fault) => return Err(fault),
        };
        self.requests.queue().change(&BTreeSet::from([lane]), |queue| queue.unclaim(lane))?;
        Ok(true)
    }

    /// Builds the review queue of a file that was written before there was one.
    pub fn rebuild_review(&mut self) -> Outcome<()> {
        self.requests.rebuild_review()
    }

    /// Builds the indexes of users of a file that was written before there were these.
    pub fn index_people(&mut self) -> Outcome<()> {
        self.directory.index_people()
    }

    /// Gives every claim back.
    pub fn clear_claims(&mut self) -> Outcome<()> {
        self.requests.queue().clear_claims()
    }

    /// Counts accounts by link state and status.
    pub fn recount_standings(&mut self) -> Outcome<()> {
        self.accounts.recount_standings()
    }

    /// Counts all requests anew.
    pub fn recount(&mut self) -> Outcome<()> {
        self.requests.recount()
    }

    /// Gives the audit trail what it needs, and chains it.
    pub fn begin_trail(&mut self, key: &DataKey) -> Outcome<()> {
        self.ledger.begin_trail(key)
    }

    /// Gives a time to answers that have none.
    pub fn date_answers(&mut self) -> Outcome<()> {
        self.ledger.date_answers()
    }

    /// Writes what the file says of itself.
    pub fn set_meta(&mut self, name: &str, bytes: &[u8]) -> Outcome<()> {
        self.ledger.set_bytes(name, bytes)
    }

    /// Seals every credential, and the key of the audit trail, under a new data key.
    pub fn reseal(&mut self, old: &DataKey, new: &DataKey) -> Outcome<()> {
        self.ledger.reseal_audit_key(old, new)?;
        self.credentials.reseal(old, new)
    }
}
