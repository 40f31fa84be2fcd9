//! Cursors of lists: opaque to whoever holds one, checked when it comes back. It never says what a list holds.

use gatehouse_core::ports::{ListPage, StoreError};

/// A list that is handed out in pages. A cursor of one is none of another.
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
    fn prefix(self) -> String {
        match self {
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
        }
    }

    /// The cursor behind the item with this number.
    pub fn cursor(self, number: u64) -> String {
        format!("{}{number:016x}", self.prefix())
    }

    /// The number of the last item that was handed out; none at the start.
    pub fn position(self, after: Option<&str>) -> Result<Option<u64>, StoreError> {
        let Some(text) = after else { return Ok(None) };
        let number = text.strip_prefix(&self.prefix()).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        // Written again it must be the same text: no sign, no capital letters, no missing zeros.
        match number.filter(|number| self.cursor(*number) == text) {
            Some(number) => Ok(Some(number)),
            None => Err(StoreError::BadCursor(text.to_owned())),
        }
    }

    /// A page of at most `limit` items (at least one), made of the numbered items that follow its start.
    pub fn page<T, E>(self, items: impl Iterator<Item = Result<(u64, T), E>>, limit: usize) -> Result<ListPage<T>, E> {
        page_by(items, limit, |number| self.cursor(*number))
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

/// The cursor behind the user whose name is kept so, in the list by username.
pub(crate) fn name_cursor(name: &str) -> String {
    name.bytes().fold("n".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The name that a cursor of the list by username stands behind; none at the start.
pub(crate) fn name_after(after: Option<&str>) -> Result<Option<String>, StoreError> {
    let Some(text) = after else { return Ok(None) };
    let digits = text.strip_prefix('n').unwrap_or_default().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let name = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().and_then(|name| String::from_utf8(name).ok());
    match name.filter(|name| !name.is_empty() && name_cursor(name) == text) {
        Some(name) => Ok(Some(name)),
        None => Err(StoreError::BadCursor(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
            assert_eq!(list.position(Some(&list.cursor(0x2a))).unwrap(), Some(0x2a), "{list:?}");
        }
        assert_eq!(List::Users.position(None).unwrap(), None);
        assert_eq!(name_after(Some(&name_cursor("zoë"))).unwrap().as_deref(), Some("zoë"));
        assert_eq!(name_after(None).unwrap(), None);
    }

    #[test]
    fn what_no_list_gave_is_no_cursor() {
        let of_another = List::Accounts.cursor(1);
        let of_another_log = List::Log(8).cursor(1);
        for text in ["", "u", "u1", "u+00000000000000a", "u00000000000000A1", "17", &of_another, &of_another_log] {
            assert!(matches!(List::Users.position(Some(text)), Err(StoreError::BadCursor(_))), "{text}");
        }
        for text in ["", "n", "n6", "n6A", "n+1", "nff", "zoë", "n6é", &List::Users.cursor(1)] {
            assert!(matches!(name_after(Some(text)), Err(StoreError::BadCursor(_))), "{text}");
        }
        assert!(matches!(List::Log(7).position(Some(&of_another_log)), Err(StoreError::BadCursor(_))));
    }
}
