//! Paging by index (RFC 7644 section 3.4.2.4). Lists move while they are read: a user removed from an earlier page
//! shifts all later ones to the left, and one of them would be passed over in silence. So each page asks for the last
//! user of the page before (its *anchor*) again. Found in its place, nothing has moved; found elsewhere, the page
//! goes on behind it; not found, the place is lost, and the collection is partial in the end. Whatever a service does
//! with count and startIndex (caps the one, ignores the other), the anchor tells.

use super::place::{Index, Place};
use super::{at_the_end, page_size, read_all, selected};
use crate::client::Scim;
use crate::list::{Ask, List};
use crate::resource::id_of;
use gatehouse_connector::json::Value as Json;
use gatehouse_connector::{Failure, Next, Page, Query};

/// Users not taken before, and what is known of them.
struct Fresh {
    /// The users, in the service's order.
    users: Vec<Json>,
    /// The index of the first of them.
    start: u64,
    /// How many users match in all, if the service says.
    total: Option<u64>,
    /// Whether the service returned as many as it was asked for, and said that this was all there is: some services
    /// say how many are in the page where the whole belongs.
    suspicious: bool,
}

pub(super) fn collect(scim: &Scim<'_>, query: &Query, mut place: Index) -> Result<Page, Failure> {
    let size = page_size(scim, query, place.max);
    let fields = selected(scim, query);
    let overlap = u64::from(place.anchor.is_some());
    // The anchor takes a seat of its own, where the service has one to spare.
    let count = place.max.map_or(size + overlap, |max| (size + overlap).min(u64::from(max)));
    let ask = Ask { filter: query.filter.as_deref(), fields: &fields, count };
    let anchor = place.anchor.clone();
    let mut fresh = behind_the_anchor(scim, &ask, &mut place)?;
    let more_is_said = |fresh: &Fresh| fresh.total.is_none_or(|total| total >= fresh.start);
    if fresh.users.is_empty() && overlap == 1 && !place.lost && more_is_said(&fresh) {
        // Only the anchor came: is the service one that returns a single user, or is this the end?
        fresh = of_list(ask.at_index(scim, fresh.start)?, fresh.start, &ask);
        if anchor.is_some_and(|anchor| position(&fresh, &anchor).is_some()) {
            // It does not listen to startIndex: this is all it ever returns.
            fresh.users.clear();
        }
    }
    Ok(page_of(fresh, query, size, place))
}

/// Asks for the anchor and what follows it.
fn behind_the_anchor(scim: &Scim<'_>, ask: &Ask<'_>, place: &mut Index) -> Result<Fresh, Failure> {
    let here = of_list(ask.at_index(scim, place.start)?, place.start, ask);
    let Some(anchor) = place.anchor.take() else { return Ok(here) };
    let (fresh, at) = if let Some(at) = position(&here, &anchor) {
        (here, at)
    } else {
        // Shifted to the left, by a page at most.
        let back = place.start.saturating_sub(ask.count.saturating_sub(1)).max(1);
        let there = of_list(ask.at_index(scim, back)?, back, ask);
        let Some(at) = position(&there, &anchor) else {
            place.lost = true;
            return Ok(here);
        };
        (there, at)
    };
    let index = fresh.start + u64::try_from(at).unwrap_or_default();
    place.moved |= index != place.start;
    let users = fresh.users.into_iter().skip(at + 1).collect();
    Ok(Fresh { users, start: index + 1, ..fresh })
}

fn of_list(list: List, asked: u64, ask: &Ask<'_>) -> Fresh {
    let returned = u64::try_from(list.resources.len()).unwrap_or_default();
    let suspicious = returned >= ask.count && list.total == Some(returned);
    let start = list.start.filter(|start| *start > 0).unwrap_or(asked);
    Fresh { users: list.resources, start, total: list.total, suspicious }
}

fn position(fresh: &Fresh, anchor: &str) -> Option<usize> {
    fresh.users.iter().position(|user| id_of(user).as_deref() == Some(anchor))
}

fn page_of(fresh: Fresh, query: &Query, size: u64, place: Index) -> Page {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let taken = &fresh.users[..fresh.users.len().min(size)];
    let (accounts, faults, count) = read_all(taken, query);
    let next = Index {
        start: fresh.start + u64::try_from(taken.len()).unwrap_or_default(),
        anchor: None,
        seen: place.seen + count,
        ..place
    };
    let at_end = taken.is_empty()
        || (taken.len() == fresh.users.len() && !fresh.suspicious && fresh.total.is_some_and(|t| next.start > t));
    let next = if at_end { end(&next, fresh.total) } else { Next::More(Place::Index(anchored(next, taken)).text()) };
    Page { accounts, faults, estimate: fresh.total, next }
}

/// The place of the next page, anchored to the last user of this one if that has an id.
fn anchored(next: Index, taken: &[Json]) -> Index {
    match taken.last().and_then(id_of) {
        Some(id) => Index { start: next.start - 1, anchor: Some(id), ..next },
        None => next,
    }
}

fn end(place: &Index, total: Option<u64>) -> Next {
    if place.lost {
        return Next::Partial("users moved from page to page while they were collected".to_owned());
    }
    // Of a list that has moved, users were taken that are gone by now, and new ones left out: only the index counts.
    let taken = if place.moved { place.start - 1 } else { place.seen };
    at_the_end(taken, total)
}
