//! Talking to one service: addresses, media types, what is known of it so far. A service is asked what it can do at
//! most once a call, and only when somebody needs to know.

use crate::options::Options;
use crate::provider::{self, Provider};
use gatehouse_connector::json::Value as Json;
use gatehouse_connector::{Context, Failure, Journal, Method, RequestBuilder, Response, Url};
use std::cell::OnceCell;

/// The media type of SCIM (RFC 7644 section 8.1); some services know only plain JSON.
const SCIM_JSON: &str = "application/scim+json";

/// A service, for one call.
pub(crate) struct Scim<'a> {
    context: &'a Context<'a>,
    /// What the administrator set.
    pub options: Options,
    provider: OnceCell<Provider>,
}

impl<'a> Scim<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Result<Self, Failure> {
        Ok(Self { context, options: Options::read(context.settings())?, provider: OnceCell::new() })
    }

    /// The journal of the call.
    pub(crate) fn journal(&self) -> &Journal<'a> {
        self.context.journal()
    }

    /// The address of all users.
    pub(crate) fn users(&self) -> Url {
        self.options.base.clone().segment("Users")
    }

    /// The address of one user.
    pub(crate) fn user(&self, id: &str) -> Url {
        self.users().segment(id)
    }

    /// What the service says it can do.
    pub(crate) fn provider(&self) -> Result<Provider, Failure> {
        if let Some(known) = self.provider.get() {
            return Ok(*known);
        }
        let found = provider::discover(self)?;
        Ok(*self.provider.get_or_init(|| found))
    }

    /// A request that reads.
    pub(crate) fn get(&self, url: Url) -> Result<Response, Failure> {
        accepting(self.context.get(url)).send()
    }

    /// A request that removes; of this version only, if one is given.
    pub(crate) fn delete(&self, url: Url, if_match: Option<&str>) -> Result<Response, Failure> {
        matching(accepting(self.context.delete(url)), if_match).send()
    }

    /// A request that writes; of this version only, if one is given. One that the service refuses for its media
    /// type changed nothing, and is sent again as plain JSON.
    pub(crate) fn write(
        &self,
        method: Method,
        url: Url,
        body: &Json,
        if_match: Option<&str>,
    ) -> Result<Response, Failure> {
        let request = |media_type| {
            let request = accepting(self.context.request(method, url.clone())).header("content-type", media_type);
            matching(request, if_match).json(body).send()
        };
        let response = request(SCIM_JSON)?;
        if response.status == 415 { request("application/json") } else { Ok(response) }
    }
}

fn accepting(request: RequestBuilder<'_>) -> RequestBuilder<'_> {
    request.header("accept", "application/scim+json, application/json;q=0.9")
}

fn matching<'a>(request: RequestBuilder<'a>, version: Option<&str>) -> RequestBuilder<'a> {
    match version {
        Some(version) if is_entity_tag(version) => request.header("if-match", version),
        _ => request,
    }
}

/// Whether a version can stand in If-Match (RFC 9110 section 8.8.3). Some services number their versions without
/// quotes, and choke on the header.
fn is_entity_tag(version: &str) -> bool {
    let opaque = version.strip_prefix("W/").unwrap_or(version);
    opaque.len() >= 2 && opaque.starts_with('"') && opaque.ends_with('"')
}
