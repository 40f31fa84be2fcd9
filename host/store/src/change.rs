//! The rules of a change set that need no look at what is kept: each record stands in it once, nothing contradicts
//! itself. It never reads or writes a store; both stores ask it, so that they refuse alike.

use gatehouse_core::approval::{Delegation, waited_for};
use gatehouse_core::ports::{ChangeSet, StoreError, Token, Versioned};
use gatehouse_core::sharing::SharingRule;
use gatehouse_core::{
    Account, App, Connector, Group, Job, PermissionSet, Profile, Request, User, UserAttribute, UserId,
};
use std::collections::BTreeSet;
use std::fmt::Display;

/// A record that counts its changes.
pub(crate) trait Kept {
    /// What it is called in errors.
    fn what(&self) -> String;
    fn version(&self) -> u64;
    fn set_version(&mut self, version: u64);
}

macro_rules! kept {
    ($($type:ty: $record:ident => $what:expr;)*) => {$(
        impl Kept for $type {
            fn what(&self) -> String {
                let $record = self;
                $what
            }
            fn version(&self) -> u64 {
                self.version
            }
            fn set_version(&mut self, version: u64) {
                self.version = version;
            }
        }
    )*};
}

kept! {
    User: user => format!("user {}", user.id);
    Profile: profile => format!("profile `{}`", profile.name);
    PermissionSet: set => format!("permission set `{}`", set.name);
    Group: group => format!("group `{}`", group.name);
    UserAttribute: attribute => format!("attribute `{}`", attribute.name);
    SharingRule: rule => format!("sharing rule `{}`", rule.name);
    App: app => format!("app {}", app.id);
    Token: token => format!("token `{}`", token.name);
    Delegation: delegation => format!("delegation {}", delegation.id);
    Account: account => format!("account {}", account.id);
    Request: request => format!("request {}", request.id);
    Job: job => format!("job {}", job.id);
}

/// A record that is to be written, and the one it replaces.
#[derive(Clone, Debug)]
pub(crate) struct Replacement<T> {
    pub old: Option<T>,
    pub new: T,
}

/// Checks the expected version against what is there, and counts the change.
pub(crate) fn replacement<T: Kept>(old: Option<T>, change: Versioned<T>) -> Result<Replacement<T>, StoreError> {
    let mut new = change.record;
    let found = old.as_ref().map(Kept::version);
    if change.expected.is_none() && found.is_some() {
        return Err(StoreError::Duplicate { what: new.what() });
    }
    if change.expected != found {
        return Err(StoreError::VersionConflict { what: new.what(), expected: change.expected, found });
    }
    new.set_version(found.unwrap_or(0) + 1);
    Ok(Replacement { old, new })
}

/// Whether a request waits for the approval of any of these.
pub(crate) fn waits_for(request: &Request, people: &[UserId]) -> bool {
    let waited_for = waited_for(request);
    people.iter().any(|user| waited_for.contains(user))
}

pub(crate) fn invalid(text: impl Display) -> StoreError {
    StoreError::Invalid(text.to_string())
}

/// Refuses to remove what users have.
pub(crate) fn in_use(what: &str, name: &str) -> StoreError {
    invalid(format!("{what} `{name}` is not to be removed while users have it"))
}

/// What usernames are compared by: users cannot differ in case alone.
pub(crate) fn username_key(username: &str) -> String {
    username.to_lowercase()
}

/// Refuses a change set that contradicts itself.
pub(crate) fn sound(changes: &ChangeSet) -> Result<(), StoreError> {
    once(changes.users.iter().map(|v| v.record.id), "user")?;
    let named = |name: &String| format!("`{name}`");
    let profiles = changes.profiles.iter().map(|v| &v.record.name);
    once(profiles.chain(&changes.remove_profiles).map(named), "profile")?;
    let sets = changes.permission_sets.iter().map(|v| &v.record.name);
    once(sets.chain(&changes.remove_permission_sets).map(named), "permission set")?;
    let groups = changes.groups.iter().map(|v| &v.record.name);
    once(groups.chain(&changes.remove_groups).map(named), "group")?;
    let attributes = changes.user_attributes.iter().map(|v| &v.record.name);
    once(attributes.chain(&changes.remove_user_attributes).map(named), "attribute")?;
    let rules = changes.sharing_rules.iter().map(|v| &v.record.name);
    once(rules.chain(&changes.remove_sharing_rules).map(named), "sharing rule")?;
    once(changes.connectors.iter().map(|(connector, _)| connector.digest), "connector")?;
    once(changes.apps.iter().map(|v| v.record.id).chain(changes.remove_apps.iter().copied()), "app")?;
    let credentials = changes.credentials.iter().map(|(record, _)| &record.name);
    once(credentials.chain(&changes.remove_credentials), "credential")?;
    once(changes.tokens.iter().map(|v| v.record.hash), "token")?;
    let accounts = changes.accounts.iter().map(|v| v.record.id);
    once(accounts.chain(changes.remove_accounts.iter().copied()), "account")?;
    once(changes.requests.iter().map(|v| v.record.id), "request")?;
    once(changes.jobs.iter().map(|v| v.record.id), "job")?;
    let delegations = changes.delegations.iter().map(|v| v.record.id);
    once(delegations.chain(changes.remove_delegations.iter().copied()), "delegation")?;
    once(changes.notices.iter().map(|notice| &notice.id).chain(&changes.remove_notices), "notice")?;
    let forgotten = changes.forget_answers.iter().map(|(_, key)| key);
    once(changes.idempotency.iter().map(|answer| &answer.key).chain(forgotten), "idempotency key")?;
    changes.accounts.iter().try_for_each(|v| account_is_sound(&v.record))?;
    let removed = |app| changes.remove_apps.contains(app);
    let accounts = changes.accounts.iter().map(|v| &v.record.app);
    let requests = changes.requests.iter().map(|v| &v.record.app);
    let jobs = changes.jobs.iter().map(|v| &v.record.app);
    match accounts.chain(requests).chain(jobs).find(|app| removed(app)) {
        Some(app) => Err(invalid(format!("{app} is removed by the change that writes into it"))),
        None => Ok(()),
    }
}

fn account_is_sound(account: &Account) -> Result<(), StoreError> {
    if account.external_id.is_none() && account.user.is_none() {
        return Err(invalid(format!("account {} has neither an external id nor a user", account.id)));
    }
    // The lists by link state are walked by situation.
    if account.link_state != account.situation.link_state() {
        return Err(invalid(format!("the link state of account {} is not that of its situation", account.id)));
    }
    Ok(())
}

fn once<K: Ord + Display>(keys: impl Iterator<Item = K>, what: &str) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if seen.contains(&key) {
            return Err(invalid(format!("{what} {key} stands twice in one change")));
        }
        seen.insert(key);
    }
    Ok(())
}

/// Connectors by name, then version in the order of its numbers (semver 2.0.0 section 11, without the order of
/// pre-releases); the digest decides between equals.
pub(crate) fn sort_connectors(connectors: &mut [Connector]) {
    connectors.sort_by_cached_key(|connector| {
        let version = &connector.description.version;
        let core = version.split(['-', '+']).next().unwrap_or_default();
        let numbers: Vec<u64> = core.split('.').map(|n| n.parse().unwrap_or(0)).collect();
        (connector.description.name.clone(), numbers, version.clone(), connector.digest)
    });
}
