//! Collecting, page by page, by index or by cursor. What an earlier page found out travels in the cursor; nothing
//! else survives a call. Whether the whole was complete is judged with care: a user that is missing from a complete
//! collection may lose an account.

mod by_cursor;
mod by_index;
mod place;

use crate::client::Scim;
use crate::fields::{self, Field};
use crate::options::Paging;
use crate::resource::{account_of, id_of};
use gatehouse_connector::json::Value as Json;
use gatehouse_connector::{Account, Failure, Fault, Next, Page, Query};
use place::Place;
use std::collections::HashSet;

/// Collects one page.
pub(crate) fn collect(scim: &Scim<'_>, query: &Query) -> Result<Page, Failure> {
    let place = match &query.cursor {
        Some(cursor) => Place::parse(cursor)?,
        None => first_place(scim)?,
    };
    let page = match place {
        Place::Index(place) => by_index::collect(scim, query, place),
        Place::Cursor(place) => by_cursor::collect(scim, query, place),
    }?;
    let done = u64::try_from(page.accounts.len() + page.faults.len()).unwrap_or_default();
    scim.journal().progress(done, page.estimate);
    Ok(page)
}

fn first_place(scim: &Scim<'_>) -> Result<Place, Failure> {
    let provider = scim.provider()?;
    let cursor = match scim.options.paging {
        Paging::Auto => provider.cursor,
        Paging::Index => false,
        Paging::Cursor => true,
    };
    let max = provider.max_results;
    Ok(if cursor { Place::Cursor(place::Cursor::first(max)) } else { Place::Index(place::Index::first(max)) })
}

/// How many users to take in a page: what the host wants, the administrator allows and the service returns.
fn page_size(scim: &Scim<'_>, query: &Query, max: Option<u32>) -> u64 {
    let limit = query.limit.max(1);
    let limit = scim.options.page_size.map_or(limit, |size| limit.min(size));
    u64::from(max.map_or(limit, |max| limit.min(max)))
}

fn selected(scim: &Scim<'_>, query: &Query) -> Vec<&'static Field> {
    if scim.options.select_attributes && !query.attributes.is_empty() {
        return fields::selected(&query.attributes);
    }
    Vec::new()
}

/// The users as accounts and faults, each id once, and how many they were.
fn read_all(resources: &[Json], query: &Query) -> (Vec<Account>, Vec<Fault>, u64) {
    let fields = fields::selected(&query.attributes);
    let mut seen = HashSet::new();
    let (mut accounts, mut faults) = (Vec::with_capacity(resources.len()), Vec::new());
    for resource in resources {
        if id_of(resource).is_some_and(|id| !seen.insert(id)) {
            continue;
        }
        match account_of(resource, &fields) {
            Ok(account) => accounts.push(account),
            Err(fault) => faults.push(fault),
        }
    }
    let count = u64::try_from(accounts.len() + faults.len()).unwrap_or_default();
    (accounts, faults, count)
}

/// What follows the last page: complete, unless the service says that it has more users than it returned.
fn at_the_end(seen: u64, total: Option<u64>) -> Next {
    match total {
        Some(total) if seen < total => {
            Next::Partial(format!("the service says it has {total} users, and returned {seen}"))
        }
        _ => Next::Complete,
    }
}
