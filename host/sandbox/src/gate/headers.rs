//! Which headers may pass, each way. Outwards a guest that sets another one is refused, not corrected, so that
//! nobody believes it was sent; inwards the rest is left out.

use super::policy::Refusal;
use http::{HeaderMap, HeaderName};

/// What a guest may set. Everything that authenticates, routes, frames or overrides is the host's business, and so is
/// what would have an answer written in a way that cannot be searched for secrets (`accept-charset`, `range`).
const OUTWARD: [&str; 18] = [
    "accept",
    "accept-language",
    "cache-control",
    "consistencylevel",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "pragma",
    "prefer",
    "user-agent",
    "x-correlation-id",
    "x-request-id",
];

/// What a target may tell a guest, besides `x-…`, `…-version` and the rate limit headers.
const INWARD: [&str; 27] = [
    "age",
    "allow",
    "accept-patch",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
    "date",
    "deprecation",
    "etag",
    "expires",
    "idempotency-key",
    "last-modified",
    "link",
    "location",
    "preference-applied",
    "request-id",
    "retry-after",
    "server",
    "sunset",
    "total-count",
    "vary",
    "warning",
    "www-authenticate",
    "client-request-id",
];

/// Whether all headers of a request may leave.
pub(super) fn check_outward(headers: &HeaderMap) -> Result<(), Refusal> {
    for (name, value) in headers {
        // Only unencoded answers can be searched for secrets; asking for one is harmless.
        let identity = *name == http::header::ACCEPT_ENCODING && value.as_bytes() == b"identity";
        if !identity && !may_leave(name) {
            let detail = format!("the connector may not set `{name}`; the host adds credentials and routing itself");
            return Err(Refusal::new("header", detail));
        }
    }
    Ok(())
}

fn may_leave(name: &HeaderName) -> bool {
    let name = name.as_str();
    OUTWARD.contains(&name) || (name.ends_with("-version") && !name.starts_with("sec-"))
}

/// The headers of a response that the guest gets to see.
pub(super) fn keep_inward(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| may_enter(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn may_enter(name: &HeaderName) -> bool {
    let name = name.as_str();
    INWARD.contains(&name) || name.starts_with("x-") || name.starts_with("ratelimit") || name.ends_with("-version")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn one(name: &str, value: &str) -> HeaderMap {
        let name: HeaderName = name.parse().unwrap();
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn headers_about_the_content_may_leave() {
        for name in
            ["Accept", "Content-Type", "If-Match", "Prefer", "User-Agent", "OData-Version", "X-GitHub-Api-Version"]
        {
            assert_eq!(check_outward(&one(name, "x")), Ok(()), "{name}");
        }
        assert_eq!(check_outward(&one("Accept-Encoding", "identity")), Ok(()));
    }

    #[test]
    fn headers_that_authenticate_route_frame_or_override_may_not() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Host",
            "Connection",
            "Upgrade",
            "Transfer-Encoding",
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Original-URL",
            "Forwarded",
            "X-Api-Key",
            "Expect",
            "TE",
            "Accept-Charset",
            "Range",
            "Sec-WebSocket-Version",
        ] {
            assert_eq!(check_outward(&one(name, "x")).unwrap_err().rule, "header", "{name}");
        }
        assert_eq!(check_outward(&one("Accept-Encoding", "gzip")).unwrap_err().rule, "header");
    }

    #[test]
    fn answers_lose_cookies_and_framing_and_keep_the_rest() {
        for name in ["etag", "retry-after", "link", "www-authenticate", "x-total-count", "ratelimit-reset", "location"]
        {
            assert_eq!(keep_inward(&one(name, "x")).len(), 1, "{name}");
        }
        for name in ["set-cookie", "transfer-encoding", "connection", "proxy-authenticate", "authentication-info"] {
            assert_eq!(keep_inward(&one(name, "x")).len(), 0, "{name}");
        }
    }
}
