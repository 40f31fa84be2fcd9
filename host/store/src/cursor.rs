//! Cursors of lists: opaque to whoever holds one, checked when it comes back. It never says what a list holds.

use gatehouse_core::ports::{Direction, ListPage, StoreError};
use std::ops::RangeInclusive;

/// A list that is handed out in pages. A cursor of one is none of another, nor of the same one the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Users,
    /// Users by what they are, in the order of their numbers.
    FoundUsers,
    ProfileUsers,
    PermissionSetUsers,
    Accounts,
    Requests,
    /// The log of the request with this number.
    Log(u64),
    Audit,
    Jobs,
    Delegations,
}

impl List {
    fn prefix(self, direction: Direction) -> String {
        let list = match self {
            Self::Users => "u".to_owned(),
            Self::FoundUsers => "f".to_owned(),
            Self::ProfileUsers => "p".to_owned(),
            Self::PermissionSetUsers => "s".to_owned(),
            Self::Accounts => "a".to_owned(),
            Self::Requests => "r".to_owned(),
            Self::Log(request) => format!("l{request:x}-"),
            Self::Audit => "t".to_owned(),
            Self::Jobs => "j".to_owned(),
            Self::Delegations => "d".to_owned(),
        };
        list + mark(direction)
    }

    /// The cursor behind the item with this number.
    fn cursor(self, direction: Direction, number: u64) -> String {
        format!("{}{number:016x}", self.prefix(direction))
    }

    /// The number of the last item that was handed out; none at the start.
    fn position(self, direction: Direction, after: Option<&str>) -> Result<Option<u64>, StoreError> {
        let Some(text) = after else { return Ok(None) };
        let digits = text.strip_prefix(&self.prefix(direction));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        // Written again it must be the same text: no sign, no capital letters, no missing zeros.
        match number.filter(|number| self.cursor(direction, *number) == text) {
            Some(number) => Ok(Some(number)),
            None => Err(StoreError::BadCursor(text.to_owned())),
        }
    }

    /// The numbers that can follow a cursor; none if nothing does.
    pub fn following(
        self,
        direction: Direction,
        after: Option<&str>,
    ) -> Result<Option<RangeInclusive<u64>>, StoreError> {
        let Some(last) = self.position(direction, after)? else { return Ok(Some(0..=u64::MAX)) };
        Ok(match direction {
            Direction::Ascending => last.checked_add(1).map(|first| first..=u64::MAX),
            Direction::Descending => last.checked_sub(1).map(|first| 0..=first),
        })
    }

    /// A page of at most `limit` items (at least one), made of the numbered items that follow its start.
    pub fn page<T, E>(
        self,
        direction: Direction,
        items: impl Iterator<Item = Result<(u64, T), E>>,
        limit: usize,
    ) -> Result<ListPage<T>, E> {
        page_by(items, limit, |number| self.cursor(direction, *number))
    }
}

/// A page of at most `limit` items (at least one), and the cursor of its last one.
pub(crate) fn page_by<K, T, E>(
    items: impl Iterator<Item = Result<(K, T), E>>,
    limit: usize,
    cursor: impl Fn(&K) -> String,
) -> Result<ListPage<T>, E> {
    let limit = limit.max(1);
    let mut page = Vec::new();
    let mut last = None;
    for item in items {
        let (key, item) = item?;
        if page.len() == limit {
            return Ok(ListPage { items: page, next: last.as_ref().map(cursor) });
        }
        page.push(item);
        last = Some(key);
    }
    Ok(ListPage { items: page, next: None })
}

/// What cursors of a list are told apart by from those of the same list the other way.
fn mark(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "",
        Direction::Descending => "-",
    }
}

/// The cursor behind the user whose name is kept so, in the list by username.
pub(crate) fn name_cursor(direction: Direction, name: &str) -> String {
    name.bytes().fold(format!("n{}", mark(direction)), |text, byte| format!("{text}{byte:02x}"))
}

/// The name that a cursor of the list by username stands behind; none at the start.
pub(crate) fn name_after(direction: Direction, after: Option<&str>) -> Result<Option<String>, StoreError> {
    let Some(text) = after else { return Ok(None) };
    let digits = text.strip_prefix('n').and_then(|text| text.strip_prefix(mark(direction)));
    let digits = digits.unwrap_or_default().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let name = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().and_then(|name| String::from_utf8(name).ok());
    match name.filter(|name| !name.is_empty() && name_cursor(direction, name) == text) {
        Some(name) => Ok(Some(name)),
        None => Err(StoreError::BadCursor(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOTH: [Direction; 2] = [Direction::Ascending, Direction::Descending];

    #[test]
    fn a_cursor_comes_back_as_its_number() {
        let users = [List::Users, List::ProfileUsers, List::PermissionSetUsers];
        for list in users.into_iter().chain([
            List::Accounts,
            List::Requests,
            List::Log(7),
            List::Audit,
            List::Jobs,
            List::Delegations,
        ]) {
            for way in BOTH {
                assert_eq!(list.position(way, Some(&list.cursor(way, 0x2a))).unwrap(), Some(0x2a), "{list:?} {way:?}");
            }
        }
        for way in BOTH {
            assert_eq!(List::Users.position(way, None).unwrap(), None);
            assert_eq!(name_after(way, Some(&name_cursor(way, "zoë"))).unwrap().as_deref(), Some("zoë"));
            assert_eq!(name_after(way, None).unwrap(), None);
        }
    }

    #[test]
    fn what_follows_a_cursor_ends_where_numbers_do() {
        let after = |way, number| List::Jobs.following(way, Some(&List::Jobs.cursor(way, number))).unwrap();
        assert_eq!(after(Direction::Ascending, 7), Some(8..=u64::MAX));
        assert_eq!(after(Direction::Ascending, u64::MAX), None);
        assert_eq!(after(Direction::Descending, 7), Some(0..=6));
        assert_eq!(after(Direction::Descending, 0), None);
    }

    #[test]
    fn what_no_list_gave_is_no_cursor() {
        use Direction::{Ascending, Descending};
        let of_another = List::Accounts.cursor(Ascending, 1);
        let of_another_log = List::Log(8).cursor(Ascending, 1);
        let other_way = List::Users.cursor(Descending, 1);
        for text in
            ["", "u", "u1", "u+00000000000000a", "u00000000000000A1", "17", &of_another, &of_another_log, &other_way]
        {
            assert!(matches!(List::Users.position(Ascending, Some(text)), Err(StoreError::BadCursor(_))), "{text}");
        }
        let names_other_way = name_cursor(Descending, "ann");
        for text in
            ["", "n", "n6", "n6A", "n+1", "nff", "zoë", "n6é", &List::Users.cursor(Ascending, 1), &names_other_way]
        {
            assert!(matches!(name_after(Ascending, Some(text)), Err(StoreError::BadCursor(_))), "{text}");
        }
        for text in [List::Users.cursor(Ascending, 1), name_cursor(Ascending, "ann")] {
            assert!(matches!(List::Users.position(Descending, Some(&text)), Err(StoreError::BadCursor(_))), "{text}");
            assert!(matches!(name_after(Descending, Some(&text)), Err(StoreError::BadCursor(_))), "{text}");
        }
        assert!(matches!(List::Log(7).position(Ascending, Some(&of_another_log)), Err(StoreError::BadCursor(_))));
    }
}
