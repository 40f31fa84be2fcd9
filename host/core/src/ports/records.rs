//! What is handed to the store and what it gives: changes, claims, queries, and the few records that are its own.

use crate::access::Scope;
use crate::approval::{Delegation, Notice};
use crate::audit::Denials;
use crate::sharing::{SharingRule, Visible};
use crate::{
    Account, AccountId, App, AppId, AuditRecord, AuthScheme, Connector, DelegationId, Digest, Group, Job, JobState,
    LinkState, LogEntry, Operation, Origin, PermissionSet, Profile, Request, RequestId, Situation, StagingRow, State,
    Subject, User, UserAttribute, UserId,
};
use gatehouse_schema::Status;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A record, and the version it must replace.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// The new record. The store sets its `version` to one more than the expected one (to 1 for a new one).
    pub record: T,
    /// The version that must be there now; none: it must not be there at all.
    pub expected: Option<u64>,
}

impl<T> Versioned<T> {
    /// A record that must not be there yet.
    pub fn new(record: T) -> Self {
        Self { record, expected: None }
    }

    /// A record that replaces this version.
    pub fn replacing(version: u64, record: T) -> Self {
        Self { record, expected: Some(version) }
    }
}

/// The right to work on a request, taken by [`Store::claim`]. Whoever took it over since has a higher fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The request.
    pub request: RequestId,
    /// The fencing token.
    pub token: u64,
}

/// A request to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// As it was when claimed.
    pub request: Request,
    /// To hand in with every commit about it.
    pub fence: Fence,
    /// Until when nobody else may take it.
    pub lease_until: Timestamp,
}

/// Which requests may be claimed.
#[derive(Clone, Debug, Default)]
pub struct ClaimLimits {
    /// At most so many.
    pub count: usize,
    /// None of these apps: paused, or at their limit of concurrent calls.
    pub skip_apps: BTreeSet<AppId>,
    /// At most so many of an app (further ones wait); unlimited if not listed.
    pub per_app: BTreeMap<AppId, usize>,
}

/// Everything that becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// The claim under which it is made: checked, and given back unless `keep_claim`.
    pub fence: Option<Fence>,
    /// Keep the claim after this commit: its lease ends then, whatever was said before.
    pub keep_claim: Option<Timestamp>,
    /// Users. Any of them advances the directory epoch, as profiles and permission sets do.
    pub users: Vec<Versioned<User>>,
    /// Profiles.
    pub profiles: Vec<Versioned<Profile>>,
    /// Profiles to remove, by name. One that users have is refused as Invalid.
    pub remove_profiles: Vec<String>,
    /// Permission sets.
    pub permission_sets: Vec<Versioned<PermissionSet>>,
    /// Permission sets to remove, by name. One that users have is refused as Invalid.
    pub remove_permission_sets: Vec<String>,
    /// Groups.
    pub groups: Vec<Versioned<Group>>,
    /// Groups to remove, by name.
    pub remove_groups: Vec<String>,
    /// Definitions of users' attributes.
    pub user_attributes: Vec<Versioned<UserAttribute>>,
    /// Definitions to remove, by the attribute's name. What users have of it stays, as free texts.
    pub remove_user_attributes: Vec<String>,
    /// Sharing rules.
    pub sharing_rules: Vec<Versioned<SharingRule>>,
    /// Sharing rules to remove, by name.
    pub remove_sharing_rules: Vec<String>,
    /// Connectors to add, with their components. Adding one that is there is an error of kind Duplicate.
    pub connectors: Vec<(Connector, Vec<u8>)>,
    /// Connectors to remove, by digest.
    pub remove_connectors: Vec<Digest>,
    /// Delegations of approvers who are away.
    pub delegations: Vec<Versioned<Delegation>>,
    /// Delegations to remove.
    pub remove_delegations: Vec<DelegationId>,
    /// What is to be told to people: kept, or replaced, until it is done.
    pub notices: Vec<Notice>,
    /// Notices that are done.
    pub remove_notices: Vec<String>,
    /// Apps.
    pub apps: Vec<Versioned<App>>,
    /// Apps to remove, with their accounts, requests, logs and staging rows. The target is not touched.
    pub remove_apps: Vec<AppId>,
    /// Credentials to set (new or replaced).
    pub credentials: Vec<(CredentialRecord, SecretString)>,
    /// Credentials to remove.
    pub remove_credentials: Vec<String>,
    /// Tokens.
    pub tokens: Vec<Versioned<Token>>,
    /// Accounts.
    pub accounts: Vec<Versioned<Account>>,
    /// Accounts to remove (places of missing accounts that are no longer missing).
    pub remove_accounts: Vec<AccountId>,
    /// Requests. Their `due` puts them into the queue, or takes them out of it.
    pub requests: Vec<Versioned<Request>>,
    /// Jobs.
    pub jobs: Vec<Versioned<Job>>,
    /// Staging rows, new or replaced.
    pub staging: Vec<(RequestId, StagingRow)>,
    /// Runs whose staging rows from this number on are to go (a collection that starts again: 0).
    pub truncate_staging: Vec<(RequestId, u64)>,
    /// Lines for requests' logs, appended in order.
    pub log: Vec<(RequestId, LogEntry)>,
    /// Audit records, appended in order.
    pub audit: Vec<AuditRecord>,
    /// What else becomes of the audit trail.
    pub trail: TrailChange,
    /// Answers to remember for an Idempotency-Key.
    pub idempotency: Vec<RememberedAnswer>,
    /// Answers to forget: when they were remembered, and their keys.
    pub forget_answers: Vec<(Timestamp, String)>,
}

impl ChangeSet {
    /// Adds what another change set holds, made under this one's claim.
    pub fn append(&mut self, other: Self) {
        // Names every field, so that a new one is not forgotten.
        macro_rules! append {
            ($($list:ident),* $(,)?) => {
                let Self { fence: _, keep_claim: _, trail, $($list),* } = other;
                $(self.$list.extend($list);)*
                self.trail.append(trail);
            };
        }
        append!(
            users,
            profiles,
            remove_profiles,
            permission_sets,
            remove_permission_sets,
            groups,
            remove_groups,
            sharing_rules,
            remove_sharing_rules,
            user_attributes,
            remove_user_attributes,
            delegations,
            remove_delegations,
            notices,
            remove_notices,
            connectors,
            remove_connectors,
            apps,
            remove_apps,
            credentials,
            remove_credentials,
            tokens,
            accounts,
            remove_accounts,
            requests,
            jobs,
            staging,
            truncate_staging,
            log,
            audit,
            idempotency,
            forget_answers,
        );
    }
}

/// What becomes of the audit trail besides records that are appended. Done before those are.
#[derive(Clone, Debug, Default)]
pub struct TrailChange {
    /// Denials, which become records at once or are counted with equal ones.
    pub denials: Vec<Denials>,
    /// Windows in which denials are counted, and that are over by this moment, are closed: what was counted becomes
    /// a record.
    pub close_denials: Option<Timestamp>,
    /// People about whom no record is to say anything any more. Places in the chain stay.
    pub erase: Vec<UserId>,
    /// Records up to this number are to go, and a checkpoint, signed at this moment, to stand in their place.
    pub drop_through: Option<(u64, Timestamp)>,
}

impl TrailChange {
    fn append(&mut self, mut other: Self) {
        self.denials.append(&mut other.denials);
        self.erase.append(&mut other.erase);
        self.close_denials = self.close_denials.max(other.close_denials);
        self.drop_through = self.drop_through.max(other.drop_through);
    }
}

/// The answer to a call with an Idempotency-Key.
#[derive(Clone, Debug, PartialEq)]
pub struct RememberedAnswer {
    /// The key.
    pub key: String,
    /// When it is remembered: what it is forgotten by.
    pub at: Timestamp,
    /// The answer, as JSON.
    pub answer: serde_json::Value,
}

/// What the API needs to know of a credential. The secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// Unique name.
    pub name: String,
    /// The only origin it is sent to.
    pub origin: Origin,
    /// How it is added.
    pub scheme: AuthScheme,
    /// The header, for scheme `header`.
    #[serde(default)]
    pub header: Option<String>,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// A credential with its secret, for the egress gate alone.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What is known of it.
    pub record: CredentialRecord,
    /// The secret.
    pub secret: SecretString,
}

/// A token for the API, without itself: only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The hash of the token: what it is looked up by.
    pub hash: Digest,
    /// What it is called, unique; also the actor's name in audit records.
    pub name: String,
    /// Whose it is; none: one of the installation itself, which may do everything.
    #[serde(default)]
    pub user: Option<UserId>,
    /// What it is good for; empty: everything that its owner may do.
    #[serde(default)]
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is not good any more; none: it does not end by itself.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When it stopped being good.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// Counts changes.
    pub version: u64,
}

/// Numbers the store hands out. Each is handed out once, in order; numbers that no commit used may be handed out
/// again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sequence {
    /// For users.
    User,
    /// For apps.
    App,
    /// For accounts.
    Account,
    /// For requests.
    Request,
    /// For jobs.
    Job,
    /// For delegations.
    Delegation,
}

/// Which way a list goes. A cursor goes on in the direction in which its page was read, and in no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the lowest to the highest: what has a number comes as it was made.
    #[default]
    Ascending,
    /// From the highest to the lowest: the newest first.
    Descending,
}

/// Part of a list, and how to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListPage<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Hand this in to get the following ones; none at the end.
    pub next: Option<String>,
}

impl<T> Default for ListPage<T> {
    /// What is behind the end of a list.
    fn default() -> Self {
        Self { items: Vec::new(), next: None }
    }
}

/// A run that has staging rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagedRun {
    /// The run.
    pub run: RequestId,
    /// One more than the number of its last row.
    pub rows: u64,
}

/// Which users. Filters that are none let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// Of this profile.
    pub profile: Option<String>,
    /// Who have this permission set.
    pub permission_set: Option<String>,
    /// Who report to this user.
    pub manager: Option<UserId>,
    /// Who work here, or do not.
    pub active: Option<bool>,
    /// Who are frozen, or are not.
    pub frozen: Option<bool>,
    /// Whose username begins so, ignoring case. By username alone.
    pub username_prefix: Option<String>,
    /// In which order.
    pub order: UserOrder,
    /// Which way.
    pub direction: Direction,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// The order of a list of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserOrder {
    /// By number: as they were made. Those of a prefix come by username all the same.
    #[default]
    Number,
    /// By username in small letters.
    Username,
}

/// Which accounts. Filters that are none let everything through. By number.
#[derive(Clone, Debug, Default)]
pub struct AccountQuery {
    /// Of this app.
    pub app: Option<AppId>,
    /// In this link state.
    pub link_state: Option<LinkState>,
    /// In this situation.
    pub situation: Option<Situation>,
    /// Of this user.
    pub user: Option<UserId>,
    /// Which way.
    pub direction: Direction,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Which jobs. Filters that are none let everything through. By number, the newest first if nothing else is said.
#[derive(Clone, Debug)]
pub struct JobQuery {
    /// Of this app.
    pub app: Option<AppId>,
    /// In this state.
    pub state: Option<JobState>,
    /// Which way.
    pub direction: Direction,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl Default for JobQuery {
    fn default() -> Self {
        Self { app: None, state: None, direction: Direction::Descending, after: None, limit: 0 }
    }
}

/// Which requests. Filters that are none let everything through. By number, the newest first if nothing else is said.
#[derive(Clone, Debug)]
pub struct RequestQuery {
    /// Of this app.
    pub app: Option<AppId>,
    /// In this state.
    pub state: Option<State>,
    /// With this operation.
    pub operation: Option<Operation>,
    /// About this user or account.
    pub subject: Option<Subject>,
    /// Raised by this run.
    pub raised_by: Option<RequestId>,
    /// Only those in review.
    pub needs_review: bool,
    /// Only those that wait for any of these persons' approval; empty: all.
    pub awaiting: Vec<UserId>,
    /// Only those that somebody may see; none: all of them.
    pub visible: Option<Visible>,
    /// Which way.
    pub direction: Direction,
    /// From the `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl Default for RequestQuery {
    fn default() -> Self {
        Self {
            app: None,
            state: None,
            operation: None,
            subject: None,
            raised_by: None,
            needs_review: false,
            awaiting: Vec::new(),
            visible: None,
            direction: Direction::Descending,
            after: None,
            limit: 0,
        }
    }
}

/// How many requests an app has, and when the first one is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFigures {
    /// How many are in each state; every state is there.
    pub states: BTreeMap<State, u64>,
    /// How many are in review.
    pub in_review: u64,
    /// When the first request that could be claimed falls, or fell, due.
    pub first_due: Option<Timestamp>,
    /// How many wait for an approval.
    pub awaiting: u64,
    /// Since when the first of those waits.
    pub awaiting_since: Option<Timestamp>,
}

/// How many accounts an app has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFigures {
    /// How many are in each link state and status, those that are missing aside; none where there are none.
    pub accounts: BTreeMap<(LinkState, Status), u64>,
    /// How many of them are frozen.
    pub frozen: u64,
    /// How many are missing: the places of accounts that are yet to be made.
    pub missing: u64,
}
