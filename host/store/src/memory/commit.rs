//! What a change set does to the model: everything is checked, then everything is written.

use super::Kept;
use crate::change::{Kept as Record, in_use, invalid, replacement, sound, username_key};
use gatehouse_core::approval::Delegation;
use gatehouse_core::ports::Token;
use gatehouse_core::ports::{ChangeSet, Sequence, StoreError, Versioned};
use gatehouse_core::sharing::SharingRule;
use gatehouse_core::{
    Account, App, AppId, Group, Job, PermissionSet, Profile, Request, RequestId, User, UserAttribute, UserId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Records that have been checked, with their new versions.
struct Checked {
    users: Vec<User>,
    profiles: Vec<Profile>,
    permission_sets: Vec<PermissionSet>,
    groups: Vec<Group>,
    user_attributes: Vec<UserAttribute>,
    sharing_rules: Vec<SharingRule>,
    apps: Vec<App>,
    tokens: Vec<Token>,
    accounts: Vec<Account>,
    requests: Vec<Request>,
    jobs: Vec<Job>,
    delegations: Vec<Delegation>,
}

impl Kept {
    pub fn commit(&mut self, mut changes: ChangeSet) -> Result<(), StoreError> {
        sound(&changes)?;
        if let Some(fence) = changes.fence.filter(|fence| !self.holds(*fence)) {
            return Err(StoreError::Fenced { request: fence.request });
        }
        let checked = self.check(&mut changes)?;
        self.write(checked, changes);
        Ok(())
    }

    fn check(&self, changes: &mut ChangeSet) -> Result<Checked, StoreError> {
        let users = versions(std::mem::take(&mut changes.users), |user| self.users.get(&user.id))?;
        let name = |user: &User| Some(username_key(&user.username));
        distinct(&self.users, users.iter().map(|user| (user.id, user)), &[], name, "user")?;
        let profiles = versions(std::mem::take(&mut changes.profiles), |profile| self.profiles.get(&profile.name))?;
        let sets = std::mem::take(&mut changes.permission_sets);
        let permission_sets = versions(sets, |set| self.permission_sets.get(&set.name))?;
        self.check_removed(&users, changes)?;
        let attributes = std::mem::take(&mut changes.user_attributes);
        let user_attributes = versions(attributes, |attribute| self.user_attributes.get(&attribute.name))?;
        let groups = versions(std::mem::take(&mut changes.groups), |group| self.groups.get(&group.name))?;
        let delegations = std::mem::take(&mut changes.delegations);
        let delegations = versions(delegations, |delegation| self.delegations.get(&delegation.id))?;
        let rules = std::mem::take(&mut changes.sharing_rules);
        let sharing_rules = versions(rules, |rule| self.sharing_rules.get(&rule.name))?;
        for (connector, _) in &changes.connectors {
            let gone = changes.remove_connectors.contains(&connector.digest);
            if self.connectors.contains_key(&connector.digest) && !gone {
                return Err(StoreError::Duplicate { what: format!("connector {}", connector.digest) });
            }
        }
        let apps = versions(std::mem::take(&mut changes.apps), |app| self.apps.get(&app.id))?;
        let name = |app: &App| Some(app.name.clone());
        distinct(&self.apps, apps.iter().map(|app| (app.id, app)), &changes.remove_apps, name, "app")?;
        let tokens = versions(std::mem::take(&mut changes.tokens), |token| self.tokens.get(&token.hash))?;
        let name = |token: &Token| Some(token.name.clone());
        distinct(&self.tokens, tokens.iter().map(|token| (token.hash, token)), &[], name, "token")?;
        let accounts = versions(std::mem::take(&mut changes.accounts), |account| self.accounts.get(&account.id))?;
        let external_id = |account: &Account| Some((account.app, account.external_id.clone()?));
        let written = accounts.iter().map(|account| (account.id, account));
        distinct(&self.accounts, written, &changes.remove_accounts, external_id, "account")?;
        let requests = versions(std::mem::take(&mut changes.requests), |request| self.requests.get(&request.id))?;
        self.check_requests(&requests, changes)?;
        let there = |app: &AppId| self.apps.contains_key(app) || apps.iter().any(|new| new.id == *app);
        let jobs = versions(std::mem::take(&mut changes.jobs), |job| self.jobs.get(&job.id))?;
        let written = accounts.iter().map(|account| account.app).chain(requests.iter().map(|request| request.app));
        let written = written.chain(jobs.iter().map(|job| job.app));
        if let Some(app) = written.into_iter().find(|app| !there(app)) {
            return Err(invalid(format!("app {app} is not there")));
        }
        if let Some(answer) = changes.idempotency.iter().find(|answer| self.idempotency.contains_key(&answer.key)) {
            return Err(StoreError::Duplicate { what: format!("the answer for idempotency key `{}`", answer.key) });
        }
        Ok(Checked {
            users,
            profiles,
            permission_sets,
            groups,
            sharing_rules,
            apps,
            tokens,
            accounts,
            requests,
            jobs,
            user_attributes,
            delegations,
        })
    }

    /// What users have once the change is made is not to be removed.
    fn check_removed(&self, written: &[User], changes: &ChangeSet) -> Result<(), StoreError> {
        let rewritten = |id: &UserId| written.iter().any(|user| user.id == *id);
        let after = || self.users.values().filter(|user| !rewritten(&user.id)).chain(written);
        for name in &changes.remove_profiles {
            if after().any(|user| user.profile.as_ref() == Some(name)) {
                return Err(in_use("profile", name));
            }
        }
        for name in &changes.remove_permission_sets {
            if after().any(|user| user.permission_sets.contains(name)) {
                return Err(in_use("permission set", name));
            }
        }
        Ok(())
    }

    fn check_requests(&self, requests: &[Request], changes: &ChangeSet) -> Result<(), StoreError> {
        for request in requests {
            if self.requests.get(&request.id).is_some_and(|old| old.awaits_date) && request.is_in_lane() {
                self.may_join(request)?;
            }
            if self.lane(request.id).is_some_and(|lane| lane != (request.app, request.subject)) {
                return Err(invalid(format!("request {} cannot change its app or its subject", request.id)));
            }
        }
        let rows = changes.staging.iter().map(|(id, _)| *id).chain(changes.truncate_staging.iter().map(|(id, _)| *id));
        let stays = |id: &RequestId| self.lane(*id).is_some_and(|(app, _)| !changes.remove_apps.contains(&app));
        let there = |id: &RequestId| stays(id) || requests.iter().any(|request| request.id == *id);
        match rows.chain(changes.log.iter().map(|(id, _)| *id)).find(|id| !there(id)) {
            Some(id) => Err(invalid(format!("request {id} is not there"))),
            None => Ok(()),
        }
    }

    fn write(&mut self, checked: Checked, changes: ChangeSet) {
        let removed = !changes.remove_profiles.is_empty() || !changes.remove_permission_sets.is_empty();
        let written = !checked.users.is_empty() || !checked.profiles.is_empty() || !checked.permission_sets.is_empty();
        if written || removed {
            self.epoch += 1;
        }
        self.use_numbers(&checked);
        changes.remove_profiles.iter().for_each(|name| drop(self.profiles.remove(name)));
        changes.remove_permission_sets.iter().for_each(|name| drop(self.permission_sets.remove(name)));
        changes.remove_groups.iter().for_each(|name| drop(self.groups.remove(name)));
        changes.remove_user_attributes.iter().for_each(|name| drop(self.user_attributes.remove(name)));
        changes.remove_delegations.iter().for_each(|id| drop(self.delegations.remove(id)));
        self.delegations.extend(checked.delegations.into_iter().map(|delegation| (delegation.id, delegation)));
        changes.remove_notices.iter().for_each(|id| drop(self.notices.remove(id)));
        self.notices.extend(changes.notices.into_iter().map(|notice| (notice.id.clone(), notice)));
        self.notices.retain(|_, notice| notice.due().is_some());
        changes.remove_sharing_rules.iter().for_each(|name| drop(self.sharing_rules.remove(name)));
        changes.remove_connectors.iter().for_each(|digest| drop(self.connectors.remove(digest)));
        changes.remove_credentials.iter().for_each(|name| drop(self.credentials.remove(name)));
        changes.remove_accounts.iter().for_each(|id| drop(self.accounts.remove(id)));
        self.users.extend(checked.users.into_iter().map(|user| (user.id, user)));
        self.profiles.extend(checked.profiles.into_iter().map(|profile| (profile.name.clone(), profile)));
        self.permission_sets.extend(checked.permission_sets.into_iter().map(|set| (set.name.clone(), set)));
        self.groups.extend(checked.groups.into_iter().map(|group| (group.name.clone(), group)));
        self.user_attributes.extend(checked.user_attributes.into_iter().map(|of| (of.name.clone(), of)));
        self.sharing_rules.extend(checked.sharing_rules.into_iter().map(|rule| (rule.name.clone(), rule)));
        self.connectors.extend(changes.connectors.into_iter().map(|(c, component)| (c.digest, (c, component))));
        self.apps.extend(checked.apps.into_iter().map(|app| (app.id, app)));
        self.credentials.extend(changes.credentials.into_iter().map(|(c, secret)| (c.name.clone(), (c, secret))));
        self.tokens.extend(checked.tokens.into_iter().map(|token| (token.hash, token)));
        self.accounts.extend(checked.accounts.into_iter().map(|account| (account.id, account)));
        match (changes.fence, changes.keep_claim) {
            (Some(fence), None) => self.release(fence),
            (Some(fence), Some(until)) => self.extend(fence, until),
            (None, _) => {}
        }
        self.requests.extend(checked.requests.into_iter().map(|request| (request.id, request)));
        self.jobs.extend(checked.jobs.into_iter().map(|job| (job.id, job)));
        for (run, from) in changes.truncate_staging {
            self.staging.retain(|(of, no), _| *of != run || *no < from);
        }
        self.staging.extend(changes.staging.into_iter().map(|(run, row)| ((run, row.no), row)));
        for (id, entry) in changes.log {
            self.log.entry(id).or_default().push(entry);
        }
        self.trail.record(changes.trail, changes.audit);
        for (at, key) in changes.forget_answers {
            if self.idempotency.get(&key).is_some_and(|(found, _)| *found == at) {
                self.idempotency.remove(&key);
            }
        }
        self.idempotency.extend(changes.idempotency.into_iter().map(|kept| (kept.key, (kept.at, kept.answer))));
        changes.remove_apps.into_iter().for_each(|app| self.remove_app(app));
    }

    fn use_numbers(&mut self, checked: &Checked) {
        let highest = [
            (Sequence::User, checked.users.iter().map(|user| user.id.0).max()),
            (Sequence::App, checked.apps.iter().map(|app| app.id.0).max()),
            (Sequence::Account, checked.accounts.iter().map(|account| account.id.0).max()),
            (Sequence::Request, checked.requests.iter().map(|request| request.id.0).max()),
            (Sequence::Job, checked.jobs.iter().map(|job| job.id.0).max()),
            (Sequence::Delegation, checked.delegations.iter().map(|delegation| delegation.id.0).max()),
        ];
        for (sequence, number) in highest.into_iter().filter_map(|(sequence, number)| Some((sequence, number?))) {
            let last = self.numbers.entry(sequence).or_default();
            *last = number.max(*last);
        }
    }

    fn remove_app(&mut self, app: AppId) {
        self.apps.remove(&app);
        self.accounts.retain(|_, account| account.app != app);
        self.requests.retain(|_, request| request.app != app);
        self.jobs.retain(|_, job| job.app != app);
        let requests = &self.requests;
        self.staging.retain(|(run, _), _| requests.contains_key(run));
        self.log.retain(|request, _| requests.contains_key(request));
        self.notices.retain(|_, notice| notice.app != app);
        self.claims.retain(|(of, _), _| *of != app);
    }
}

/// The records with their new versions.
fn versions<'k, T: Record + Clone + 'k>(
    changes: Vec<Versioned<T>>,
    stored: impl Fn(&T) -> Option<&'k T>,
) -> Result<Vec<T>, StoreError> {
    changes.into_iter().map(|change| Ok(replacement(stored(&change.record).cloned(), change)?.new)).collect()
}

/// Checks that keys are unique in what would be kept after the change.
fn distinct<'a, I: Ord + Copy + 'a, T: Record + 'a, K: Ord>(
    stored: &'a BTreeMap<I, T>,
    written: impl Iterator<Item = (I, &'a T)>,
    removed: &[I],
    key: impl Fn(&T) -> Option<K>,
    what: &str,
) -> Result<(), StoreError> {
    let written: BTreeMap<I, &T> = written.collect();
    let stays = |id: &I| !written.contains_key(id) && !removed.contains(id);
    let mut taken: BTreeSet<K> = stored.iter().filter(|(id, _)| stays(id)).filter_map(|(_, t)| key(t)).collect();
    for record in written.values() {
        if !key(record).is_none_or(|key| taken.insert(key)) {
            return Err(StoreError::Duplicate { what: format!("{what} like {}", record.what()) });
        }
    }
    Ok(())
}
