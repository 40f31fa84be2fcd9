//! Users and profiles in the file. It never looks at accounts: who has access to what is decided elsewhere.

use super::fault::Outcome;
use super::record::{encode, fetch, fetch_all, fetch_indexed};
use super::tables::{PROFILES, Record, USERS, USERS_BY_NAME, USERS_BY_PROFILE};
use super::unique::unique;
use crate::change::{Replacement, replacement, username_key};
use crate::cursor::List;
use gatehouse_core::ports::{ListPage, Versioned};
use gatehouse_core::{Profile, User, UserId};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use std::collections::BTreeSet;

pub(super) struct Directory<'t> {
    users: Table<'t, u64, Record>,
    by_name: Table<'t, &'static str, u64>,
    by_profile: Table<'t, (&'static str, u64), ()>,
    profiles: Table<'t, &'static str, Record>,
}

/// Changes that have been checked.
pub(super) struct DirectoryChanges {
    users: Vec<Replacement<User>>,
    profiles: Vec<Replacement<Profile>>,
}

impl DirectoryChanges {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.profiles.is_empty()
    }

    /// The highest number used.
    pub fn highest_user(&self) -> Option<u64> {
        self.users.iter().map(|user| user.new.id.0).max()
    }
}

impl<'t> Directory<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            users: txn.open_table(USERS)?,
            by_name: txn.open_table(USERS_BY_NAME)?,
            by_profile: txn.open_table(USERS_BY_PROFILE)?,
            profiles: txn.open_table(PROFILES)?,
        })
    }

    pub fn check(&self, users: Vec<Versioned<User>>, profiles: Vec<Versioned<Profile>>) -> Outcome<DirectoryChanges> {
        let users = users
            .into_iter()
            .map(|user| Ok(replacement(fetch(&self.users, user.record.id.0)?, user)?))
            .collect::<Outcome<Vec<_>>>()?;
        let touched: BTreeSet<u64> = users.iter().map(|user| user.new.id.0).collect();
        unique(
            users.iter().map(|user| (username_key(&user.new.username), user.new.id.0)),
            &touched,
            |name| Ok(self.by_name.get(name.as_str())?.map(|id| id.value())),
            |name| format!("user `{name}`"),
        )?;
        let profiles = profiles
            .into_iter()
            .map(|profile| Ok(replacement(fetch(&self.profiles, profile.record.name.as_str())?, profile)?))
            .collect::<Outcome<Vec<_>>>()?;
        Ok(DirectoryChanges { users, profiles })
    }

    pub fn apply(&mut self, changes: DirectoryChanges) -> Outcome<()> {
        for Replacement { old, new } in &changes.users {
            let Some(old) = old else { continue };
            let name = username_key(&old.username);
            if name != username_key(&new.username) {
                self.by_name.remove(name.as_str())?;
            }
            if let Some(profile) = old.profile.as_deref().filter(|_| old.profile != new.profile) {
                self.by_profile.remove((profile, old.id.0))?;
            }
        }
        for Replacement { old, new } in &changes.users {
            let old = old.as_ref();
            self.users.insert(new.id.0, encode(new)?.as_slice())?;
            let name = username_key(&new.username);
            if old.is_none_or(|old| username_key(&old.username) != name) {
                self.by_name.insert(name.as_str(), new.id.0)?;
            }
            if let Some(profile) = new.profile.as_deref().filter(|_| old.is_none_or(|old| old.profile != new.profile)) {
                self.by_profile.insert((profile, new.id.0), ())?;
            }
        }
        for profile in changes.profiles {
            self.profiles.insert(profile.new.name.as_str(), encode(&profile.new)?.as_slice())?;
        }
        Ok(())
    }
}

pub(super) fn user(txn: &ReadTransaction, id: UserId) -> Outcome<Option<User>> {
    fetch(&txn.open_table(USERS)?, id.0)
}

pub(super) fn users_by_id(txn: &ReadTransaction, ids: &[UserId]) -> Outcome<Vec<Option<User>>> {
    let users = txn.open_table(USERS)?;
    ids.iter().map(|id| fetch(&users, id.0)).collect()
}

pub(super) fn user_by_username(txn: &ReadTransaction, username: &str) -> Outcome<Option<User>> {
    let id = txn.open_table(USERS_BY_NAME)?.get(username_key(username).as_str())?.map(|id| id.value());
    id.map(|id| fetch_indexed(&txn.open_table(USERS)?, id)).transpose()
}

pub(super) fn users(txn: &ReadTransaction, after: Option<&str>, limit: usize) -> Outcome<ListPage<User>> {
    let from = List::Users.position(after)?.map_or(0, |n| n.saturating_add(1));
    let table = txn.open_table(USERS)?;
    let users = table.range(from..)?.map(|entry| {
        let (id, bytes) = entry?;
        Ok((id.value(), super::record::decode(bytes.value())?))
    });
    List::Users.page(users, limit)
}

pub(super) fn users_of_profile(
    txn: &ReadTransaction,
    profile: &str,
    after: Option<&str>,
    limit: usize,
) -> Outcome<ListPage<User>> {
    let from = List::ProfileUsers.position(after)?.map_or(0, |n| n.saturating_add(1));
    let (index, table) = (txn.open_table(USERS_BY_PROFILE)?, txn.open_table(USERS)?);
    let users = index.range((profile, from)..=(profile, u64::MAX))?.map(|entry| {
        let id = entry?.0.value().1;
        Ok((id, fetch_indexed(&table, id)?))
    });
    List::ProfileUsers.page(users, limit)
}

pub(super) fn profile(txn: &ReadTransaction, name: &str) -> Outcome<Option<Profile>> {
    fetch(&txn.open_table(PROFILES)?, name)
}

pub(super) fn profiles(txn: &ReadTransaction) -> Outcome<Vec<Profile>> {
    fetch_all(&txn.open_table(PROFILES)?)
}
