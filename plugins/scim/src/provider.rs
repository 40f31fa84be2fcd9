//! ServiceProviderConfig (RFC 7643 section 5, RFC 9865 section 4): what a service says it can do. What it does not
//! say is unknown, not absent.

use crate::client::Scim;
use crate::resource::{boolean_of, member};
use gatehouse_connector::Failure;
use gatehouse_connector::json::Value as Json;

/// What a service says it can do; none: it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Whether the service told anything at all.
    pub announced: bool,
    /// Takes PATCH.
    pub patch: Option<bool>,
    /// Takes filters.
    pub filter: Option<bool>,
    /// Keeps versions.
    pub etag: Option<bool>,
    /// Pages by cursor.
    pub cursor: bool,
    /// The most users it returns at once.
    pub max_results: Option<u32>,
}

/// Asks the service. One that has nothing to say about itself (no such address, no right to see it) is taken as it
/// comes; one that is down or does not accept the credential is a failure.
pub(crate) fn discover(scim: &Scim<'_>) -> Result<Provider, Failure> {
    let response = scim.get(scim.options.base.clone().segment("ServiceProviderConfig"))?;
    if !response.is_success() {
        let failure = response.failure();
        if failure.is_transient() || matches!(failure, Failure::Unauthenticated(_)) {
            return Err(failure);
        }
        scim.journal().info("the service does not say what it can do", &[("status", &response.status.to_string())]);
        return Ok(Provider::default());
    }
    Ok(response.json().map(|config| parse(&config)).unwrap_or_default())
}

fn parse(config: &Json) -> Provider {
    let supported = |name| member(config, name).and_then(|part| member(part, "supported")).and_then(boolean_of);
    let number = |part, name| {
        let number = member(config, part).and_then(|part| member(part, name))?.as_u64()?;
        u32::try_from(number).ok().filter(|n| *n > 0)
    };
    // Some services wrap the configuration into a list of one.
    if let Some([inner]) = member(config, "Resources").and_then(Json::as_array).map(Vec::as_slice) {
        return parse(inner);
    }
    let cursor = member(config, "pagination").and_then(|paging| member(paging, "cursor")).and_then(boolean_of);
    Provider {
        announced: true,
        patch: supported("patch"),
        filter: supported("filter"),
        etag: supported("etag"),
        cursor: cursor == Some(true),
        max_results: match (number("filter", "maxResults"), number("pagination", "maxPageSize")) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
    }
}
