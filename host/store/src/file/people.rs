//! Finding users by what they are: each filter is an index, several are walked together, each from where the others
//! are. It never looks at a user whom a filter leaves out, except those of a prefix that other filters leave out.

use super::codes;
use super::fault::Outcome;
use super::merge::{rank, walk};
use super::record::{fetch_all, fetch_indexed};
use super::tables::{
    Record, USER_ATTRIBUTES, USERS, USERS_BY_MANAGER, USERS_BY_NAME, USERS_BY_PERMISSION_SET, USERS_BY_PROFILE,
    USERS_BY_STATUS,
};
use crate::change::username_key;
use crate::cursor::{self, List, page_by};
use gatehouse_core::ports::{Direction, ListPage, UserOrder, UserQuery};
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
    /// The one that comes first of those with this number or a later one, the way the list goes.
    fn seek(&self, at: u64, way: Direction) -> Outcome<Option<u64>> {
        let (low, high) = match way {
            Direction::Ascending => (at, u64::MAX),
            Direction::Descending => (0, at),
        };
        match self {
            Self::Named(index, name) => {
                let first = walk(index.range((name.as_str(), low)..=(name.as_str(), high))?, way).next();
                Ok(first.transpose()?.map(|(key, _)| key.value().1))
            }
            Self::Manager(index, manager) => {
                let first = walk(index.range((*manager, low)..=(*manager, high))?, way).next();
                Ok(first.transpose()?.map(|(key, _)| key.value().1))
            }
            Self::Status(index, statuses) => {
                let mut first: Option<u64> = None;
                for status in statuses {
                    let next = walk(index.range((*status, low)..=(*status, high))?, way).next().transpose()?;
                    let next = next.map(|(key, _)| key.value().1);
                    first = [first, next].into_iter().flatten().min_by_key(|id| rank(way, *id));
                }
                Ok(first)
            }
        }
    }

    fn has(&self, id: u64) -> Outcome<bool> {
        Ok(self.seek(id, Direction::Ascending)? == Some(id))
    }
}

/// The first number from here on that all have: each is asked from where the one before it is.
fn in_all(postings: &[Postings], mut at: u64, way: Direction) -> Outcome<Option<u64>> {
    'again: loop {
        for one in postings {
            match one.seek(at, way)? {
                None => return Ok(None),
                Some(id) if id != at => {
                    at = id;
                    continue 'again;
                }
                Some(_) => {}
            }
        }
        return Ok(Some(at));
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
    let way = query.direction;
    let Some(span) = List::FoundUsers.following(way, query.after.as_deref())? else { return Ok(ListPage::default()) };
    if filters.is_empty() {
        let users = walk(table.range(span)?, way).map(|entry| {
            let (id, bytes) = entry?;
            Ok((id.value(), super::record::decode(bytes.value())?))
        });
        return List::FoundUsers.page(way, users, query.limit);
    }
    let mut from = Some(match way {
        Direction::Ascending => *span.start(),
        Direction::Descending => *span.end(),
    });
    let mut next = || -> Outcome<Option<(u64, User)>> {
        let found = from.map(|from| in_all(&filters, from, way)).transpose()?.flatten();
        let Some(found) = found else { return Ok(None) };
        from = match way {
            Direction::Ascending => found.checked_add(1),
            Direction::Descending => found.checked_sub(1),
        };
        Ok(Some((found, fetch_indexed(&table, found)?)))
    };
    List::FoundUsers.page(way, std::iter::from_fn(|| next().transpose()), query.limit)
}

fn by_name(
    txn: &ReadTransaction,
    query: &UserQuery,
    table: &ReadOnlyTable<u64, Record>,
    filters: &[Postings],
) -> Outcome<ListPage<User>> {
    let way = query.direction;
    let prefix = query.username_prefix.as_deref().map(username_key).unwrap_or_default();
    let after = cursor::name_after(way, query.after.as_deref())?;
    let (mut low, mut high) = (prefix.clone(), behind(&prefix));
    if let Some(after) = after {
        match way {
            // The shortest text behind it is the one with the lowest byte more.
            Direction::Ascending => low = low.max(after + "\0"),
            Direction::Descending => high = Some(high.map_or(after.clone(), |high| high.min(after))),
        }
    }
    let end = high.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    if high.as_ref().is_some_and(|high| low >= *high) {
        return Ok(ListPage::default());
    }
    let index = txn.open_table(USERS_BY_NAME)?;
    let mut names = walk(index.range::<&str>((Bound::Included(low.as_str()), end))?, way);
    let mut next = || -> Outcome<Option<(String, User)>> {
        loop {
            let Some(entry) = names.next() else { return Ok(None) };
            let (name, id) = entry.map(|(name, id)| (name.value().to_owned(), id.value()))?;
            let mut wanted = true;
            for filter in filters {
                wanted = wanted && filter.has(id)?;
            }
            if wanted {
                return Ok(Some((name, fetch_indexed(table, id)?)));
            }
        }
    };
    let cursor = |name: &String| cursor::name_cursor(way, name);
    page_by(std::iter::from_fn(|| next().transpose()), query.limit, cursor)
}

/// The lowest text behind all those that begin like this; none if there is none behind them.
fn behind(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

pub(super) fn attributes(txn: &ReadTransaction) -> Outcome<Vec<UserAttribute>> {
    fetch_all(&txn.open_table(USER_ATTRIBUTES)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_prefix_begins_otherwise() {
        for (prefix, wanted) in [
            ("", None),
            ("a", Some("b")),
            ("zoë", Some("zoì")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(behind(prefix).as_deref(), wanted, "{prefix}");
        }
    }
}
