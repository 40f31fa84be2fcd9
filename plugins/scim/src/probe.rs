//! Checking a configuration: can the service be reached, does it accept the credential, and what will this connector
//! do with it?

use crate::client::Scim;
use crate::list::Ask;
use crate::options::{Paging, Pin};
use crate::provider::Provider;
use gatehouse_connector::{Failure, Finding};

/// Signs in by asking for one user, and reports what was learnt.
pub(crate) fn check(scim: &Scim<'_>) -> Result<Vec<Finding>, Failure> {
    let list = (Ask { count: 1, ..Ask::default() }).at_index(scim, 1)?;
    let provider = scim.provider()?;
    let users = list.total.map_or("it does not say how many users it has".to_owned(), |n| format!("it has {n} users"));
    let service = if provider.announced { "it says what it can do" } else { "it does not say what it can do" };
    Ok(vec![
        Finding::new("sign-in", format!("accepted; {users}")),
        Finding::new("service", format!("{service} (ServiceProviderConfig)")),
        Finding::new("update", update(scim, provider)),
        Finding::new("search", search(scim, provider)),
        Finding::new("paging", paging(scim, provider)),
        Finding::new("versions", versions(provider)),
    ])
}

fn update(scim: &Scim<'_>, provider: Provider) -> &'static str {
    match (scim.options.patch, provider.patch) {
        (Pin::No, _) => "PUT, as set",
        (Pin::Yes, _) => "PATCH, as set",
        (Pin::Auto, Some(true)) => "PATCH",
        (Pin::Auto, Some(false)) => "PUT: it does not take PATCH",
        (Pin::Auto, None) => "PATCH will be tried, then PUT",
    }
}

fn search(scim: &Scim<'_>, provider: Provider) -> &'static str {
    match (scim.options.filter, provider.filter) {
        (Pin::No, _) => "by looking through all users, as set",
        (Pin::Yes, _) => "by filter, as set",
        (Pin::Auto, Some(true)) => "by filter",
        (Pin::Auto, Some(false)) => "by looking through all users: it does not take filters",
        (Pin::Auto, None) => "a filter will be tried, then all users looked through",
    }
}

fn paging(scim: &Scim<'_>, provider: Provider) -> String {
    let how = match scim.options.paging {
        Paging::Index => "by index, as set",
        Paging::Cursor => "by cursor, as set",
        Paging::Auto if provider.cursor => "by cursor",
        Paging::Auto => "by index",
    };
    provider.max_results.map_or(how.to_owned(), |max| format!("{how}, at most {max} users at a time"))
}

fn versions(provider: Provider) -> &'static str {
    match provider.etag {
        Some(true) => "kept: a change is refused if the user has moved on",
        Some(false) => "not kept: a change may overwrite one made meanwhile",
        None => "used where users come with one",
    }
}
