//! Paging by cursor (RFC 9865). The service keeps the place; a page without a cursor for the next one is the last.

use super::place::{Cursor, Place};
use super::{at_the_end, page_size, read_all, selected};
use crate::client::Scim;
use crate::list::Ask;
use gatehouse_connector::{Failure, Next, Page, Query};

pub(super) fn collect(scim: &Scim<'_>, query: &Query, place: Cursor) -> Result<Page, Failure> {
    let size = page_size(scim, query, place.max);
    let fields = selected(scim, query);
    // The same count for every page: a service may refuse to change it under way (RFC 9865 section 2.1).
    let ask = Ask { filter: query.filter.as_deref(), fields: &fields, count: size };
    let list = ask.at_cursor(scim, &place.cursor)?;
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let rest = list.resources.get(index(place.skip)..).unwrap_or_default();
    let taken = &rest[..rest.len().min(index(size))];
    let (accounts, faults, count) = read_all(taken, query);
    let seen = place.seen + count;
    let next = match list.next_cursor {
        // The service returned more than it was asked for.
        _ if taken.len() < rest.len() => {
            let skip = place.skip + u64::try_from(taken.len()).unwrap_or_default();
            Next::More(Place::Cursor(Cursor { skip, seen, ..place }).text())
        }
        Some(next) if next == place.cursor => Next::Partial("the service keeps returning the same cursor".to_owned()),
        Some(cursor) => Next::More(Place::Cursor(Cursor { cursor, skip: 0, seen, ..place }).text()),
        None => at_the_end(seen, list.total),
    };
    Ok(Page { accounts, faults, estimate: list.total, next })
}
