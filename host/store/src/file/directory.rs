//! Users, profiles, permission sets and attributes' definitions in the file. It never looks at accounts: who has access to what is decided
//! elsewhere.

use super::codes;
use super::fault::Outcome;
use super::record::{decode, encode, fetch, fetch_all, fetch_indexed};
use super::tables::{
    PERMISSION_SETS, PROFILES, Record, USER_ATTRIBUTES, USERS, USERS_BY_MANAGER, USERS_BY_NAME,
    USERS_BY_PERMISSION_SET, USERS_BY_PROFILE, USERS_BY_STATUS,
};
use super::unique::unique;
use crate::change::{Kept, Replacement, in_use, replacement, username_key};
use crate::cursor::List;
use gatehouse_core::ports::{Direction, ListPage, Versioned};
use gatehouse_core::{PermissionSet, Profile, User, UserAttribute, UserId};
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

pub(super) struct Directory<'t> {
    users: Table<'t, u64, Record>,
    by_name: Table<'t, &'static str, u64>,
    by_profile: Table<'t, (&'static str, u64), ()>,
    by_permission_set: Table<'t, (&'static str, u64), ()>,
    by_manager: Table<'t, (u64, u64), ()>,
    by_status: Table<'t, (u8, u64), ()>,
    profiles: Table<'t, &'static str, Record>,
    permission_sets: Table<'t, &'static str, Record>,
    attributes: Table<'t, &'static str, Record>,
}

/// Changes that have been checked.
pub(super) struct DirectoryChanges {
    users: Vec<Replacement<User>>,
    profiles: Named<Profile>,
    permission_sets: Named<PermissionSet>,
    attributes: Named<UserAttribute>,
}

/// Records by name: those to write, and the names of those to remove.
pub(super) struct Named<T> {
    pub written: Vec<Replacement<T>>,
    pub removed: Vec<String>,
}

/// What a change set says about the directory.
pub(super) struct DirectoryPart {
    pub users: Vec<Versioned<User>>,
    pub profiles: (Vec<Versioned<Profile>>, Vec<String>),
    pub permission_sets: (Vec<Versioned<PermissionSet>>, Vec<String>),
    pub attributes: (Vec<Versioned<UserAttribute>>, Vec<String>),
}

impl DirectoryChanges {
    /// Whether they change who has what: a definition of an attribute does not.
    pub fn is_about_people(&self) -> bool {
        !(self.users.is_empty() && self.profiles.is_empty() && self.permission_sets.is_empty())
    }

    /// The highest number used.
    pub fn highest_user(&self) -> Option<u64> {
        self.users.iter().map(|user| user.new.id.0).max()
    }
}

impl<T> Named<T> {
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

impl<T: Kept + DeserializeOwned + Serialize> Named<T> {
    pub fn check(
        table: &Table<'_, &'static str, Record>,
        name: impl Fn(&T) -> &str,
        (written, removed): (Vec<Versioned<T>>, Vec<String>),
    ) -> Outcome<Self> {
        let written = written
            .into_iter()
            .map(|change| Ok(replacement(fetch(table, name(&change.record))?, change)?))
            .collect::<Outcome<_>>()?;
        Ok(Self { written, removed })
    }

    pub fn apply(&self, table: &mut Table<'_, &'static str, Record>, name: impl Fn(&T) -> &str) -> Outcome<()> {
        for name in &self.removed {
            table.remove(name.as_str())?;
        }
        for Replacement { new, .. } in &self.written {
            table.insert(name(new), encode(new)?.as_slice())?;
        }
        Ok(())
    }
}

impl<'t> Directory<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            users: txn.open_table(USERS)?,
            by_name: txn.open_table(USERS_BY_NAME)?,
            by_profile: txn.open_table(USERS_BY_PROFILE)?,
            by_permission_set: txn.open_table(USERS_BY_PERMISSION_SET)?,
            by_manager: txn.open_table(USERS_BY_MANAGER)?,
            by_status: txn.open_table(USERS_BY_STATUS)?,
            profiles: txn.open_table(PROFILES)?,
            permission_sets: txn.open_table(PERMISSION_SETS)?,
            attributes: txn.open_table(USER_ATTRIBUTES)?,
        })
    }

    pub fn check(&self, part: DirectoryPart) -> Outcome<DirectoryChanges> {
        let users = part
            .users
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
        let profiles = Named::check(&self.profiles, |profile: &Profile| &profile.name, part.profiles)?;
        let permission_sets =
            Named::check(&self.permission_sets, |set: &PermissionSet| &set.name, part.permission_sets)?;
        for name in &profiles.removed {
            let kept = users.iter().any(|user| user.new.profile.as_ref() == Some(name));
            unused(&self.by_profile, name, &touched, kept, "profile")?;
        }
        for name in &permission_sets.removed {
            let kept = users.iter().any(|user| user.new.permission_sets.contains(name));
            unused(&self.by_permission_set, name, &touched, kept, "permission set")?;
        }
        let attributes = Named::check(&self.attributes, |attribute: &UserAttribute| &attribute.name, part.attributes)?;
        Ok(DirectoryChanges { users, profiles, permission_sets, attributes })
    }

    pub fn apply(&mut self, changes: &DirectoryChanges) -> Outcome<()> {
        for Replacement { old, new } in &changes.users {
            let Some(old) = old else { continue };
            let name = username_key(&old.username);
            if name != username_key(&new.username) {
                self.by_name.remove(name.as_str())?;
            }
            if let Some(profile) = old.profile.as_deref().filter(|_| old.profile != new.profile) {
                self.by_profile.remove((profile, old.id.0))?;
            }
            for set in old.permission_sets.difference(&new.permission_sets) {
                self.by_permission_set.remove((set.as_str(), old.id.0))?;
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
            for set in
                new.permission_sets.iter().filter(|set| !old.is_some_and(|old| old.permission_sets.contains(*set)))
            {
                self.by_permission_set.insert((set.as_str(), new.id.0), ())?;
            }
            self.follow(old, new)?;
        }
        changes.profiles.apply(&mut self.profiles, |profile| &profile.name)?;
        changes.permission_sets.apply(&mut self.permission_sets, |set| &set.name)?;
        changes.attributes.apply(&mut self.attributes, |attribute| &attribute.name)
    }

    /// Has the indexes by manager and by status follow a change.
    fn follow(&mut self, old: Option<&User>, new: &User) -> Outcome<()> {
        let manager = |user: &User| Some((user.manager?.0, user.id.0));
        let status = |user: &User| (codes::user_status(user.active, user.frozen), user.id.0);
        if let Some(old) = old.filter(|old| old.manager != new.manager) {
            manager(old).map(|key| self.by_manager.remove(key)).transpose()?;
        }
        if let Some(key) = manager(new).filter(|_| old.is_none_or(|old| old.manager != new.manager)) {
            self.by_manager.insert(key, ())?;
        }
        if let Some(key) = old.map(status).filter(|key| *key != status(new)) {
            self.by_status.remove(key)?;
        }
        if old.map(status) != Some(status(new)) {
            self.by_status.insert(status(new), ())?;
        }
        Ok(())
    }

    /// Builds the indexes by manager and by status of a file that was written before there were any.
    pub fn index_people(&mut self) -> Outcome<()> {
        for entry in self.users.iter()? {
            let user: User = decode(entry?.1.value())?;
            self.by_status.insert((codes::user_status(user.active, user.frozen), user.id.0), ())?;
            if let Some(manager) = user.manager {
                self.by_manager.insert((manager.0, user.id.0), ())?;
            }
        }
        Ok(())
    }
}

/// Refuses to remove what users have once the change is made.
fn unused(
    index: &Table<'_, (&'static str, u64), ()>,
    name: &str,
    touched: &BTreeSet<u64>,
    kept: bool,
    what: &str,
) -> Outcome<()> {
    let mut had = false;
    for entry in index.range((name, 0)..=(name, u64::MAX))? {
        if !touched.contains(&entry?.0.value().1) {
            had = true;
            break;
        }
    }
    if had || kept { Err(in_use(what, name).into()) } else { Ok(()) }
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
    let Some(span) = List::Users.following(Direction::Ascending, after)? else { return Ok(ListPage::default()) };
    let table = txn.open_table(USERS)?;
    let users = table.range(span)?.map(|entry| {
        let (id, bytes) = entry?;
        Ok((id.value(), super::record::decode(bytes.value())?))
    });
    List::Users.page(Direction::Ascending, users, limit)
}

pub(super) fn users_of_profile(
    txn: &ReadTransaction,
    profile: &str,
    after: Option<&str>,
    limit: usize,
) -> Outcome<ListPage<User>> {
    users_by(txn, USERS_BY_PROFILE, List::ProfileUsers, profile, after, limit)
}

pub(super) fn users_of_permission_set(
    txn: &ReadTransaction,
    set: &str,
    after: Option<&str>,
    limit: usize,
) -> Outcome<ListPage<User>> {
    users_by(txn, USERS_BY_PERMISSION_SET, List::PermissionSetUsers, set, after, limit)
}

/// Those whose manager a user is.
pub(super) fn reports_of(txn: &ReadTransaction, manager: UserId) -> Outcome<Vec<UserId>> {
    let index = txn.open_table(USERS_BY_MANAGER)?;
    let found = index.range((manager.0, 0)..=(manager.0, u64::MAX))?;
    found.map(|entry| Ok(UserId(entry?.0.value().1))).collect()
}

fn users_by(
    txn: &ReadTransaction,
    index: TableDefinition<'static, (&'static str, u64), ()>,
    list: List,
    name: &str,
    after: Option<&str>,
    limit: usize,
) -> Outcome<ListPage<User>> {
    let Some(span) = list.following(Direction::Ascending, after)? else { return Ok(ListPage::default()) };
    let (low, high) = span.into_inner();
    let (index, table) = (txn.open_table(index)?, txn.open_table(USERS)?);
    let users = index.range((name, low)..=(name, high))?.map(|entry| {
        let id = entry?.0.value().1;
        Ok((id, fetch_indexed(&table, id)?))
    });
    list.page(Direction::Ascending, users, limit)
}

pub(super) fn profile(txn: &ReadTransaction, name: &str) -> Outcome<Option<Profile>> {
    fetch(&txn.open_table(PROFILES)?, name)
}

pub(super) fn profiles(txn: &ReadTransaction) -> Outcome<Vec<Profile>> {
    fetch_all(&txn.open_table(PROFILES)?)
}

pub(super) fn permission_set(txn: &ReadTransaction, name: &str) -> Outcome<Option<PermissionSet>> {
    fetch(&txn.open_table(PERMISSION_SETS)?, name)
}

pub(super) fn permission_sets(txn: &ReadTransaction) -> Outcome<Vec<PermissionSet>> {
    fetch_all(&txn.open_table(PERMISSION_SETS)?)
}
