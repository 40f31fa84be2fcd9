//! Finding users by what they are: each filter is an index, several are walked together, each from where the others
//! are. It never looks at a user whom a filter leaves out, except those of a prefix that other filters leave out.

use super::codes;
use super::fault::Outcome;
use super::record::{fetch_all, fetch_indexed};
use super::tables::{
    Record, USER_ATTRIBUTES, USERS, USERS_BY_MANAGER, USERS_BY_NAME, USERS_BY_PERMISSION_SET, USERS_BY_PROFILE,
    USERS_BY_STATUS,
};
use crate::change::username_key;
use crate::cursor::{self, List, page_by};
use gatehouse_core::ports::{ListPage, UserOrder, UserQuery};
use gatehouse_core::{User, UserAttribute};
use redb::{ReadOnlyTable, ReadTransaction};
use std::ops::Bound;

/// The users that one filter lets through, by number.
enum Postings {
    Named(ReadOnlyTable<(&'static str, u64), ()>, String),
    Manager(ReadOnlyTable<(u64, u64), ()>, u64),
    Status(ReadOnlyTable<(u8, u64), ()>, Vec<u8>),
}

impl Postings {
    /// The first one with this number or a higher one.
    fn seek(&self, from: u64) -> Outcome<Option<u64>> {
        match self {
            Self::Named(index, name) => {
                let first = index.range((name.as_str(), from)..=(name.as_str(), u64::MAX))?.next();
                Ok(first.transpose()?.map(|(key, _)| key.value().1))
            }
            Self::Manager(index, manager) => {
                let first = index.range((*manager, from)..=(*manager, u64::MAX))?.next();
                Ok(first.transpose()?.map(|(key, _)| key.value().1))
            }
            Self::Status(index, statuses) => {
                let mut first: Option<u64> = None;
                for status in statuses {
                    let next = index.range((*status, from)..=(*status, u64::MAX))?.next().transpose()?;
                    let next = next.map(|(key, _)| key.value().1);
                    first = [first, next].into_iter().flatten().min();
                }
                Ok(first)
            }
        }
    }

    fn has(&self, id: u64) -> Outcome<bool> {
        Ok(self.seek(id)? == Some(id))
    }
}

/// The first number from here on that all have: each is asked from where the one before it is.
fn in_all(postings: &[Postings], mut from: u64) -> Outcome<Option<u64>> {
    'again: loop {
        for one in postings {
            match one.seek(from)? {
                None => return Ok(None),
                Some(id) if id > from => {
                    from = id;
                    continue 'again;
                }
                Some(_) => {}
            }
        }
        return Ok(Some(from));
    }
}

fn postings(txn: &ReadTransaction, query: &UserQuery) -> Outcome<Vec<Postings>> {
    let mut all = Vec::new();
    if let Some(manager) = query.manager {
        all.push(Postings::Manager(txn.open_table(USERS_BY_MANAGER)?, manager.0));
    }
    if let Some(profile) = &query.profile {
        all.push(Postings::Named(txn.open_table(USERS_BY_PROFILE)?, profile.clone()));
    }
    if let Some(set) = &query.permission_set {
        all.push(Postings::Named(txn.open_table(USERS_BY_PERMISSION_SET)?, set.clone()));
    }
    if query.active.is_some() || query.frozen.is_some() {
        let statuses = codes::user_statuses(query.active, query.frozen);
        all.push(Postings::Status(txn.open_table(USERS_BY_STATUS)?, statuses));
    }
    Ok(all)
}

pub(super) fn find(txn: &ReadTransaction, query: &UserQuery) -> Outcome<ListPage<User>> {
    let (table, filters) = (txn.open_table(USERS)?, postings(txn, query)?);
    if query.order == UserOrder::Username || query.username_prefix.is_some() {
        return by_name(txn, query, &table, &filters);
    }
    let mut from = Some(List::FoundUsers.position(query.after.as_deref())?.map_or(0, |n| n.saturating_add(1)));
    if filters.is_empty() {
        let users = table.range(from.unwrap_or_default()..)?.map(|entry| {
            let (id, bytes) = entry?;
            Ok((id.value(), super::record::decode(bytes.value())?))
        });
        return List::FoundUsers.page(users, query.limit);
    }
    let mut next = || -> Outcome<Option<(u64, User)>> {
        let Some(found) = from.map(|from| in_all(&filters, from)).transpose()?.flatten() else { return Ok(None) };
        from = found.checked_add(1);
        Ok(Some((found, fetch_indexed(&table, found)?)))
    };
    List::FoundUsers.page(std::iter::from_fn(|| next().transpose()), query.limit)
}

fn by_name(
    txn: &ReadTransaction,
    query: &UserQuery,
    table: &ReadOnlyTable<u64, Record>,
    filters: &[Postings],
) -> Outcome<ListPage<User>> {
    let prefix = query.username_prefix.as_deref().map(username_key).unwrap_or_default();
    let after = cursor::name_after(query.after.as_deref())?.filter(|after| *after >= prefix);
    let from = after.as_deref().map_or(Bound::Included(prefix.as_str()), Bound::Excluded);
    let index = txn.open_table(USERS_BY_NAME)?;
    let mut names = index.range::<&str>((from, Bound::Unbounded))?;
    let mut next = || -> Outcome<Option<(String, User)>> {
        loop {
            let Some(entry) = names.next() else { return Ok(None) };
            let (name, id) = entry.map(|(name, id)| (name.value().to_owned(), id.value()))?;
            if !name.starts_with(&prefix) {
                return Ok(None);
            }
            let mut wanted = true;
            for filter in filters {
                wanted = wanted && filter.has(id)?;
            }
            if wanted {
                return Ok(Some((name, fetch_indexed(table, id)?)));
            }
        }
    };
    page_by(std::iter::from_fn(|| next().transpose()), query.limit, |name: &String| cursor::name_cursor(name))
}

pub(super) fn attributes(txn: &ReadTransaction) -> Outcome<Vec<UserAttribute>> {
    fetch_all(&txn.open_table(USER_ATTRIBUTES)?)
}
