//! Finding users by the value of an attribute: with a filter where the service takes one, by looking through all of
//! them where it does not. Whatever the service returns is compared again here: some ignore filters.

use crate::client::Scim;
use crate::fields::{self, Place};
use crate::list::Ask;
use crate::options::Pin;
use crate::resource::whole_account_of;
use crate::{collect, filter};
use gatehouse_connector::{Account, Failure, Next, Query};

/// The most accounts that are returned.
const MOST_FOUND: usize = 100;
/// The most users that are asked for at a time.
const PAGE: u32 = 100;
/// The most pages that are looked through where there is no filter.
const MOST_PAGES: usize = 200;

/// Finds users by `username` or by an attribute.
pub(crate) fn find(scim: &Scim<'_>, attribute: &str, value: &str) -> Result<Vec<Account>, Failure> {
    let path = path_of(attribute)?;
    let found = match scim.options.filter {
        Pin::No => None,
        Pin::Yes | Pin::Auto => with_filter(scim, attribute, &path, value)?,
    };
    match found {
        Some(found) => Ok(found),
        None => by_looking(scim, attribute, value),
    }
}

fn path_of(attribute: &str) -> Result<String, Failure> {
    if attribute == "username" {
        return Ok("userName".to_owned());
    }
    let field = fields::by_name(attribute).ok_or_else(|| Failure::invalid(attribute, "there is no such attribute"))?;
    Ok(match field.place {
        Place::Each(list, key) => format!("{list}.{key}"),
        Place::EnterpriseReference(_) => format!("{}.value", field.path()),
        _ => field.path(),
    })
}

/// None if the service does not take filters, or ignores them.
fn with_filter(scim: &Scim<'_>, attribute: &str, path: &str, value: &str) -> Result<Option<Vec<Account>>, Failure> {
    let filter = filter::equals(path, value);
    let ask = Ask { filter: Some(&filter), count: u64::from(PAGE), ..Ask::default() };
    let list = match ask.at_index(scim, 1) {
        Ok(list) => list,
        Err(failure) if may_mean_no_filter(&failure) && scim.options.filter == Pin::Auto => {
            return if scim.provider()?.filter == Some(true) { Err(failure) } else { Ok(None) };
        }
        Err(failure) => return Err(failure),
    };
    let mut found = Vec::new();
    for user in &list.resources {
        match whole_account_of(user) {
            Ok(account) if has(&account, attribute, value) => found.push(account),
            Ok(_) => return Ok(None),
            Err(fault) => scim.journal().warn("a user makes no sense", &[("why", &fault.why)]),
        }
    }
    found.truncate(MOST_FOUND);
    Ok(Some(found))
}

fn may_mean_no_filter(failure: &Failure) -> bool {
    matches!(failure, Failure::Invalid { .. } | Failure::Unsupported(_) | Failure::Forbidden(_) | Failure::Rejected(_))
}

fn by_looking(scim: &Scim<'_>, attribute: &str, value: &str) -> Result<Vec<Account>, Failure> {
    let mut query = Query { limit: PAGE, ..Query::default() };
    let mut found: Vec<Account> = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = collect::collect(scim, &query)?;
        found.extend(page.accounts.into_iter().filter(|account| has(account, attribute, value)));
        match page.next {
            Next::More(cursor) if found.len() < MOST_FOUND => query.cursor = Some(cursor),
            Next::Partial(why) if found.is_empty() => {
                return Err(Failure::Unavailable(format!("the users could not be looked through: {why}")));
            }
            _ => {
                found.truncate(MOST_FOUND);
                return Ok(found);
            }
        }
    }
    Err(Failure::unsupported("the service takes no filter, and has too many users to look through them"))
}

/// Whether an account has this value, in the sense of its attribute.
fn has(account: &Account, attribute: &str, value: &str) -> bool {
    let same = |text: &str, exact: bool| {
        let (text, value) = (text.trim(), value.trim());
        if exact { text == value } else { text.to_lowercase() == value.to_lowercase() }
    };
    if attribute == "username" {
        return same(&account.username, false);
    }
    let exact = fields::by_name(attribute).is_some_and(|field| field.definition().case_exact);
    account.attributes.get(attribute).is_some_and(|values| values.iter().any(|v| same(&v.text, exact)))
}
