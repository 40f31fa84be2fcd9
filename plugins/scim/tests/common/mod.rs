//! What the tests share: contexts, users, and a small SCIM service whose quirks can be switched on.
#![allow(clippy::unwrap_used, dead_code)]

use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::testing::{FakeTransport, context, empty, reply};
use gatehouse_connector::{Context, Request, Response, TransportError, Value};
use std::cell::{Cell, RefCell};

pub const BASE: &str = "https://scim.example/v2";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A context for the service, with further settings.
pub fn scim<'a>(transport: &'a FakeTransport<'a>, settings: &[(&'static str, Json)]) -> Context<'a> {
    let base = [("base_url", json!(BASE))];
    context(transport, base.into_iter().chain(settings.iter().cloned()))
}

/// A value without label.
pub fn text(text: &str) -> Vec<Value> {
    vec![Value::text(text)]
}

/// A list response.
pub fn list(resources: &[Json]) -> Response {
    reply(200, &json!({ "totalResults": resources.len(), "startIndex": 1, "Resources": resources }))
}

/// A SCIM error.
pub fn scim_error(status: u16, scim_type: Option<&str>) -> Response {
    let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "detail": "so it is" });
    if let Some(scim_type) = scim_type {
        body["scimType"] = json!(scim_type);
    }
    reply(status, &body)
}

/// What a service says it can do.
pub fn config(patch: bool, filter: bool) -> Response {
    reply(200, &json!({ "patch": { "supported": patch }, "filter": { "supported": filter } }))
}

/// The value of a query parameter, decoded as far as the tests need it.
pub fn parameter(request: &Request, name: &str) -> Option<String> {
    let query = request.url.path_and_query();
    let (_, query) = query.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.replace("%20", " ").replace("%22", "\"").replace("%2C", ",").replace("%3A", ":").replace("%40", "@"))
}

/// How a service departs from the standard.
#[derive(Clone, Copy, Default)]
pub struct Quirks {
    pub no_total: bool,
    pub total_is_of_the_page: bool,
    pub cap: Option<usize>,
    pub ignores_start: bool,
    pub ignores_count: bool,
    pub no_start_in_answer: bool,
    /// Says that it has more users than it ever returns.
    pub hidden: u64,
}

/// A service that lists users by index.
pub struct Directory {
    pub ids: RefCell<Vec<String>>,
    pub quirks: Quirks,
    pub config: Json,
    pub lists: Cell<u32>,
}

impl Directory {
    pub fn of(count: usize, quirks: Quirks) -> Self {
        let ids = RefCell::new((1..=count).map(|n| format!("id{n:04}")).collect());
        Self { ids, quirks, config: json!({ "patch": { "supported": true } }), lists: Cell::new(0) }
    }

    pub fn serve(&self, request: &Request) -> Result<Response, TransportError> {
        if request.url.path().ends_with("/ServiceProviderConfig") {
            return Ok(reply(200, &self.config));
        }
        if !request.url.path().ends_with("/Users") {
            return Ok(empty(404));
        }
        self.lists.set(self.lists.get() + 1);
        let number = |name| parameter(request, name).and_then(|n| n.parse::<usize>().ok());
        let ids = self.ids.borrow();
        let start = if self.quirks.ignores_start { 1 } else { number("startIndex").unwrap_or(1) };
        let count = if self.quirks.ignores_count { usize::MAX } else { number("count").unwrap_or(usize::MAX) };
        let count = self.quirks.cap.map_or(count, |cap| count.min(cap));
        let page: Vec<Json> = ids
            .iter()
            .skip(start - 1)
            .take(count)
            .map(|id| json!({ "id": id, "userName": format!("user-{id}"), "title": "Clerk" }))
            .collect();
        let mut body = json!({ "Resources": page });
        if self.quirks.total_is_of_the_page {
            body["totalResults"] = json!(page.len());
        } else if !self.quirks.no_total {
            body["totalResults"] = json!(ids.len() as u64 + self.quirks.hidden);
        }
        if !self.quirks.no_start_in_answer {
            body["startIndex"] = json!(start);
        }
        Ok(reply(200, &body))
    }
}
