//! Asking for a list of users and taking the answer apart (RFC 7644 section 3.4.2). It never decides whether a list
//! was all of it.

use crate::client::Scim;
use crate::error;
use crate::fields::Field;
use crate::resource::member;
use gatehouse_connector::json::Value as Json;
use gatehouse_connector::{Failure, Response, Url};

/// The answer to a request for a list.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// The users.
    pub resources: Vec<Json>,
    /// How many match in all, if the service says.
    pub total: Option<u64>,
    /// The index of the first, from 1, if the service says.
    pub start: Option<u64>,
    /// The cursor of the next page (RFC 9865).
    pub next_cursor: Option<String>,
}

/// What to ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ask<'a> {
    /// Which users.
    pub filter: Option<&'a str>,
    /// Which attributes; all if empty.
    pub fields: &'a [&'static Field],
    /// How many at most.
    pub count: u64,
}

impl Ask<'_> {
    /// The users from this index on (from 1).
    pub(crate) fn at_index(&self, scim: &Scim<'_>, start: u64) -> Result<List, Failure> {
        let url = scim.users().query("startIndex", &start.to_string()).query("count", &self.count.to_string());
        parse(&error::ok(scim.get(self.narrowed(url))?)?)
    }

    /// The users from this cursor on; from the beginning if it is empty (RFC 9865 section 2).
    pub(crate) fn at_cursor(&self, scim: &Scim<'_>, cursor: &str) -> Result<List, Failure> {
        let url = scim.users().query("cursor", cursor).query("count", &self.count.to_string());
        parse(&error::ok(scim.get(self.narrowed(url))?)?)
    }

    fn narrowed(&self, url: Url) -> Url {
        let url = self.filter.into_iter().fold(url, |url, filter| url.query("filter", filter));
        if self.fields.is_empty() {
            return url;
        }
        let mut paths: Vec<String> = ["id", "userName", "active", "meta"].map(str::to_owned).into();
        for field in self.fields {
            let path = field.path();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        url.query("attributes", &paths.join(","))
    }
}

/// Takes a list response apart (RFC 7644 section 3.4.2). `schemas` may be missing, `totalResults` too; without users
/// the list may be.
pub(crate) fn parse(response: &Response) -> Result<List, Failure> {
    let mut body = response.json()?;
    let number = |name| match member(&body, name)? {
        Json::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    };
    let (total, start) = (number("totalResults"), number("startIndex"));
    let next_cursor = member(&body, "nextCursor").and_then(Json::as_str).filter(|c| !c.is_empty()).map(str::to_owned);
    let key = crate::resource::key_of(&body, "Resources");
    let resources = match body.get_mut(&key).map(Json::take) {
        Some(Json::Array(resources)) => resources,
        None | Some(Json::Null) if total.is_some() => Vec::new(),
        _ => return Err(Failure::rejected("the answer is no SCIM list: check base_url")),
    };
    Ok(List { resources, total, start, next_cursor })
}
