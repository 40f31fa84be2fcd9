//! Pages of lists. Lists that the store keeps whole (apps, connectors, tokens: few) are sorted and cut here.

use super::ServiceError;
use crate::wire::{AskedSort, Page, Sort, SortKey};
use gatehouse_core::ports::{Direction, ListPage, StoreError};
use jiff::Timestamp;

/// Items on a page, unless the caller says otherwise.
const USUAL: usize = 100;

/// The most items on a page.
const MOST: usize = 1000;

/// Which part of a list.
#[derive(Clone, Debug)]
pub struct Paging<K> {
    /// The `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many, 1 to 1000; 100 if none.
    pub limit: Option<usize>,
    /// The order asked for; none: the usual one.
    pub sort: Option<Sort<K>>,
}

/// Where an item stands in a list that is cut here: by a moment, if it is sorted by one, and by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(Option<Timestamp>, String);

impl Place {
    /// By name.
    pub(crate) fn named(name: &str) -> Self {
        Self(None, name.to_owned())
    }

    /// By number.
    pub(crate) fn numbered(number: u64) -> Self {
        // Texts of one length come in the order of their numbers.
        Self(None, format!("{number:016x}"))
    }

    /// By a moment, and by name among those of one moment.
    pub(crate) fn dated(at: Timestamp, name: &str) -> Self {
        Self(Some(at), name.to_owned())
    }
}

/// What stands between the parts of a cursor. It may be part of a name too, which comes last.
const BETWEEN: char = '~';

impl<K: SortKey> Paging<K> {
    /// What was asked for.
    ///
    /// # Errors
    /// The list has no such order.
    pub fn asked(
        after: Option<String>,
        limit: Option<usize>,
        sort: Option<AskedSort<K>>,
    ) -> Result<Self, ServiceError> {
        let sort = sort.map(|AskedSort(sort)| sort).transpose().map_err(|why| ServiceError::invalid("sort", why))?;
        Ok(Self { after, limit, sort })
    }

    /// How many items.
    ///
    /// # Errors
    /// Too few or too many were asked for.
    pub fn size(&self) -> Result<usize, ServiceError> {
        match self.limit {
            None => Ok(USUAL),
            Some(limit @ 1..=MOST) => Ok(limit),
            Some(limit) => Err(ServiceError::invalid("limit", format!("{limit} is not from 1 to {MOST}"))),
        }
    }

    /// In which order.
    pub fn order(&self) -> Sort<K> {
        self.sort.unwrap_or(K::USUAL)
    }

    /// Which way.
    pub fn direction(&self) -> Direction {
        self.order().direction
    }

    /// Cuts a list in which items stand at these places, by what it is sorted by.
    pub(crate) fn cut<T>(&self, mut all: Vec<T>, place: impl Fn(&T, K) -> Place) -> Result<Page<T>, ServiceError> {
        let (size, Sort { key, direction }) = (self.size()?, self.order());
        let place = |item: &T| place(item, key);
        all.sort_by_cached_key(place);
        if direction == Direction::Descending {
            all.reverse();
        }
        let after = self.after.as_deref().map(|text| self.place(text)).transpose()?;
        let is_seen = |item: &T| match (&after, direction) {
            (None, _) => false,
            (Some(after), Direction::Ascending) => place(item) <= *after,
            (Some(after), Direction::Descending) => place(item) >= *after,
        };
        let mut following = all.into_iter().skip_while(is_seen);
        let items: Vec<T> = following.by_ref().take(size).collect();
        let next = items.last().filter(|_| following.next().is_some()).map(|last| self.cursor(&place(last)));
        Ok(Page { items, next })
    }

    fn cursor(&self, Place(at, name): &Place) -> String {
        let at = at.map(|at| at.to_string()).unwrap_or_default();
        format!("{}{BETWEEN}{at}{BETWEEN}{name}", self.order())
    }

    /// The place that a cursor of this list in this order stands behind.
    fn place(&self, cursor: &str) -> Result<Place, ServiceError> {
        let read = || {
            let mut parts = cursor.splitn(3, BETWEEN);
            let (sort, at, name) = (parts.next()?, parts.next()?, parts.next()?);
            let at = if at.is_empty() { None } else { Some(at.parse().ok()?) };
            (sort == self.order().to_string()).then(|| Place(at, name.to_owned()))
        };
        read().ok_or_else(|| ServiceError::Store(StoreError::BadCursor(cursor.to_owned())))
    }
}

impl<T> Page<T> {
    /// A store's page, item by item.
    pub(crate) fn of<S>(page: ListPage<S>, view: impl FnMut(S) -> T) -> Self {
        Self { items: page.items.into_iter().map(view).collect(), next: page.next }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    use crate::wire::ByNameOrCreation::{self, CreatedAt, Name};

    type Item = (&'static str, i64);

    fn place((name, at): &Item, key: ByNameOrCreation) -> Place {
        match key {
            Name => Place::named(name),
            CreatedAt => Place::dated(Timestamp::from_millisecond(*at).unwrap(), name),
        }
    }

    fn paging(sort: Option<Sort<ByNameOrCreation>>) -> Paging<ByNameOrCreation> {
        Paging { after: None, limit: Some(2), sort }
    }

    #[test]
    fn a_list_is_cut_without_loss_or_repetition_in_every_order() {
        let all: Vec<Item> = vec![("e", 7), ("a~b", 3), ("d", 3), ("b", 1500), ("c", 3)];
        for (sort, expected) in [
            (None, ["a~b", "b", "c", "d", "e"]),
            (Some((Name, Direction::Ascending)), ["a~b", "b", "c", "d", "e"]),
            (Some((Name, Direction::Descending)), ["e", "d", "c", "b", "a~b"]),
            (Some((CreatedAt, Direction::Ascending)), ["a~b", "c", "d", "e", "b"]),
            (Some((CreatedAt, Direction::Descending)), ["b", "e", "d", "c", "a~b"]),
        ] {
            let mut paging = paging(sort.map(|(key, direction)| Sort { key, direction }));
            let mut seen = Vec::new();
            loop {
                let page = paging.cut(all.clone(), place).unwrap();
                seen.extend(page.items.iter().map(|(name, _)| *name));
                let Some(next) = page.next else { break };
                paging.after = Some(next);
            }
            assert_eq!(seen, expected, "{sort:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let all: Vec<Item> = vec![("a", 1), ("b", 2), ("c", 3)];
        for (one, _) in ByNameOrCreation::ALL {
            let after = paging(Some(*one)).cut(all.clone(), place).unwrap().next;
            for (other, _) in ByNameOrCreation::ALL {
                let page = Paging { after: after.clone(), ..paging(Some(*other)) }.cut(all.clone(), place);
                assert_eq!(page.is_ok(), one == other, "{one} {other}");
            }
        }
        for after in ["", "a", "~~a", "name~a", "name~today~a", "created_at~~a"] {
            let page = Paging { after: Some(after.to_owned()), ..paging(None) }.cut(all.clone(), place);
            assert!(matches!(page, Err(ServiceError::Store(StoreError::BadCursor(_)))), "{after}");
        }
    }

    #[test]
    fn a_page_of_nothing_or_of_too_much_is_refused() {
        for limit in [0, 1001] {
            assert!(Paging { limit: Some(limit), ..paging(None) }.size().is_err(), "{limit}");
        }
        assert_eq!(Paging { limit: Some(1000), ..paging(None) }.size().unwrap(), 1000);
    }
}
