//! Groups in the file, and which of them a user belongs to. It never says what belonging to one means.

use super::directory::Named;
use super::fault::{Outcome, damaged};
use super::record::{fetch, fetch_all};
use super::tables::{GROUPS, GROUPS_BY_USER, Record};
use gatehouse_core::ports::Versioned;
use gatehouse_core::{Group, UserId};
use redb::{ReadTransaction, Table, WriteTransaction};
use std::collections::BTreeSet;

pub(super) struct Groups<'t> {
    groups: Table<'t, &'static str, Record>,
    by_user: Table<'t, (u64, &'static str), ()>,
}

/// Changes that have been checked, and who belonged to the groups that are removed.
pub(super) struct GroupChanges {
    groups: Named<Group>,
    removed: Vec<Group>,
}

impl<'t> Groups<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self { groups: txn.open_table(GROUPS)?, by_user: txn.open_table(GROUPS_BY_USER)? })
    }

    pub fn check(&self, changes: Vec<Versioned<Group>>, removed: Vec<String>) -> Outcome<GroupChanges> {
        let groups = Named::check(&self.groups, |group: &Group| &group.name, (changes, removed))?;
        let removed =
            groups.removed.iter().map(|name| fetch(&self.groups, name.as_str())).collect::<Outcome<Vec<_>>>()?;
        Ok(GroupChanges { groups, removed: removed.into_iter().flatten().collect() })
    }

    pub fn apply(&mut self, changes: &GroupChanges) -> Outcome<()> {
        let nobody = BTreeSet::new();
        for group in &changes.removed {
            self.follow(&group.name, &group.members, &nobody)?;
        }
        for change in &changes.groups.written {
            let before = change.old.as_ref().map_or(&nobody, |group| &group.members);
            self.follow(&change.new.name, before, &change.new.members)?;
        }
        changes.groups.apply(&mut self.groups, |group| &group.name)
    }

    /// Has the index follow a change of who belongs to a group.
    fn follow(&mut self, name: &str, before: &BTreeSet<UserId>, after: &BTreeSet<UserId>) -> Outcome<()> {
        for user in before.difference(after) {
            self.by_user.remove((user.0, name))?;
        }
        for user in after.difference(before) {
            self.by_user.insert((user.0, name), ())?;
        }
        Ok(())
    }
}

pub(super) fn group(txn: &ReadTransaction, name: &str) -> Outcome<Option<Group>> {
    fetch(&txn.open_table(GROUPS)?, name)
}

pub(super) fn groups(txn: &ReadTransaction) -> Outcome<Vec<Group>> {
    fetch_all(&txn.open_table(GROUPS)?)
}

pub(super) fn groups_of_user(txn: &ReadTransaction, user: UserId) -> Outcome<Vec<Group>> {
    let (index, groups) = (txn.open_table(GROUPS_BY_USER)?, txn.open_table(GROUPS)?);
    let of_user = index.range((user.0, "")..(user.0.saturating_add(1), ""))?.map(|entry| {
        let key = entry?.0;
        let name = key.value().1;
        fetch(&groups, name)?.ok_or_else(|| damaged(&format!("an index names group `{name}`, which is not there")))
    });
    of_user.collect()
}
