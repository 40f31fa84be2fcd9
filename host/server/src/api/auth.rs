//! Who calls: the bearer token (RFC 6750). Nothing behind this runs without a good one, and whoever tries too many
//! others has to wait.

use super::{Api, Problem};
use crate::service::{Caller, Failed, IfMatch};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use gatehouse_core::{AskedFrom, Correlation};
use std::net::{IpAddr, SocketAddr};

const MISSING: &str = "no token was sent. Set GATEHOUSE_TOKEN, or use --token or --token-file (over HTTP: \
    `Authorization: Bearer ghs_…`). The first token was printed when the host first started; if all are \
    lost, `gatehouse serve --new-token NAME` hands out another.";

const WRONG: &str = "this token is not, or no longer, a good one. See that it is whole (it begins with ghs_), that it \
    belongs to this host, that it has neither expired nor been revoked, and that its owner may sign in. Whoever has a \
    good token can make another with `gatehouse token create NAME`.";

pub(super) async fn authenticate(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(token) = bearer(request.headers()) else {
        return Err(Problem::unauthorised("Bearer realm=\"gatehouse\"", MISSING));
    };
    let Some(caller) = api.services.authenticate(token).await? else {
        return Err(refused(&api, client(&request), request.extensions().get()).await);
    };
    let if_match = if_match(request.headers());
    tracing::Span::current().record("actor", tracing::field::display(&caller.actor));
    let correlation = request.extensions().get().cloned();
    let address =
        request.extensions().get().map(|ConnectInfo(address): &ConnectInfo<SocketAddr>| address.ip().to_string());
    let from = AskedFrom { address, ..caller.from.unwrap_or_default() };
    let caller = Caller { if_match, correlation, from: Some(from), ..caller };
    api.services.signed_in(&caller).await;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The answer to a token that is not good.
async fn refused(api: &Api, client: Option<IpAddr>, call: Option<&Correlation>) -> Problem {
    match api.services.sign_in_failed(client, call).await {
        Failed::Noted => Problem::unauthorised("Bearer realm=\"gatehouse\", error=\"invalid_token\"", WRONG),
        Failed::Limited(seconds) => {
            let detail = format!(
                "too many tokens that are not good came from here, or from everywhere: wait {seconds} seconds. A good \
                 token is taken all the same."
            );
            Problem::too_many(seconds, detail)
        }
    }
}

/// Where the call comes from: the other end of the connection.
fn client(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// The scheme's name is written in any case (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// One strong ETag of ours, or `*` (RFC 9110 section 13.1.1). Whoever honours it refuses one that is none of ours.
fn if_match(headers: &HeaderMap) -> Option<IfMatch> {
    let text = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default().trim();
    let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    match version {
        _ if text == "*" => None,
        Some(version) => Some(IfMatch::Version(version)),
        None => Some(IfMatch::Foreign(text.to_owned())),
    }
}
