//! What may leave, decided from the phase, the method and the address alone, before anything is resolved or sent.
//! Pure: it never touches the network.

use gatehouse_core::Origin;
use gatehouse_core::ports::{CallContext, EgressGrant};
use http::{Method, Uri};

/// A tunnel would carry what the gate cannot see; the others answer with the credential (RFC 9110, 9.3.8). In any
/// spelling, since not every server tells them apart.
const NEVER: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Query parameters by which a GET becomes a DELETE in frameworks that serve forms (WordPress, Rails, OData), without
/// case, with `_` for `-` and for what PHP turns into `_`.
const OVERRIDES: [&str; 6] =
    ["_method", "_http_method", "http_method_override", "x_http_method", "x_http_method_override", "x_method_override"];

/// What a call is for. It decides what may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Describe,
    Check,
    Collect,
    Read,
    Find,
    Analyze,
    Commit,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Check => "check",
            Self::Collect => "collect",
            Self::Read => "read",
            Self::Find => "find",
            Self::Analyze => "analyze",
            Self::Commit => "commit",
        }
    }
}

/// A request that may leave, as far as its address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The granted origin: what is connected to, whatever spelling the guest used.
    pub(crate) grant: EgressGrant,
    /// Path and query.
    pub(crate) path: String,
    /// Whether it may change the target.
    pub(crate) writes: bool,
}

/// A request that may not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The stable name of the rule.
    pub(crate) rule: &'static str,
    /// Why, for people.
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

/// The rules of one call.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    phase: Phase,
    grants: Vec<EgressGrant>,
    search_paths: Vec<String>,
    /// Origins and paths of the URL settings: search paths may be relative to them.
    bases: Vec<(Origin, String)>,
}

impl Policy {
    pub(crate) fn new(phase: Phase, context: &CallContext) -> Self {
        let bases = context.settings.values().filter_map(|json| base_of(json)).collect();
        Self { phase, grants: context.grants.clone(), search_paths: context.search_paths.clone(), bases }
    }

    /// Nothing may leave.
    pub(crate) fn closed(phase: Phase) -> Self {
        Self { phase, grants: Vec::new(), search_paths: Vec::new(), bases: Vec::new() }
    }

    /// Whether a request with this method may leave for this address.
    pub(crate) fn decide(&self, method: &Method, uri: &Uri) -> Result<Passage, Refusal> {
        if matches!(self.phase, Phase::Describe | Phase::Analyze) {
            return Err(Refusal::new("no-egress-in-phase", format!("nothing may leave during {}", self.phase.name())));
        }
        let grant = self.grant_for(uri)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let search = *method == Method::POST && self.is_search(&grant.origin, uri.path());
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        if NEVER.iter().any(|never| method.as_str().eq_ignore_ascii_case(never)) {
            return Err(Refusal::new("method-in-phase", format!("{method} is never let through")));
        }
        if let Some(name) = method_in_query(uri) {
            let detail = format!("`{name}` in the query asks the target to take {method} for another method");
            return Err(Refusal::new("method-in-phase", detail));
        }
        if !safe && !search && self.phase != Phase::Commit {
            let detail = format!(
                "{method} may write, which only `commit` may; during {} there are GET, HEAD, OPTIONS and POST to \
                 declared search paths",
                self.phase.name()
            );
            return Err(Refusal::new("method-in-phase", detail));
        }
        Ok(Passage { grant, path, writes: !safe && !search })
    }

    fn grant_for(&self, uri: &Uri) -> Result<EgressGrant, Refusal> {
        let refuse = |detail: String| Refusal::new("origin-not-granted", detail);
        let address =
            format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
        let origin: Origin = address.parse().map_err(|error| refuse(format!("{error}")))?;
        let grant = self.grants.iter().find(|grant| grant.origin == origin);
        grant.cloned().ok_or_else(|| {
            let granted: Vec<_> = self.grants.iter().map(|grant| grant.origin.to_string()).collect();
            let granted = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
            refuse(format!(
                "{origin} is not among the origins granted to this app, those of the addresses in its settings: {granted}"
            ))
        })
    }

    /// Whether POST to this path is declared as a search. Declared paths count from the root of the origin, or from
    /// the path of a URL setting of the same origin.
    fn is_search(&self, origin: &Origin, path: &str) -> bool {
        let below = self.bases.iter().filter(|(base, _)| base == origin);
        let rests = below.filter_map(|(_, base)| path.strip_prefix(base.as_str())).chain([path]);
        rests.into_iter().any(|rest| self.search_paths.iter().any(|pattern| matches_path(pattern, rest)))
    }
}

/// The name of a query parameter that overrides the method.
fn method_in_query(uri: &Uri) -> Option<&'static str> {
    // Some servers part parameters at `;`, too.
    let query = uri.query()?.replace(';', "&");
    let mut names = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| name.trim_start().to_ascii_lowercase().replace(['-', '.', ' ', '['], "_"));
    names.find_map(|name| OVERRIDES.into_iter().find(|known| *known == name))
}

fn base_of(json: &str) -> Option<(Origin, String)> {
    let text: String = serde_json::from_str(json).ok()?;
    let url = url::Url::parse(&text).ok()?;
    let path = url.path().trim_end_matches('/').to_owned();
    Some((text.parse().ok()?, path))
}

/// Segment by segment; `*` stands for one non-empty segment. Paths that a server might read otherwise than they are
/// written (dot segments, separators, anything encoded, perhaps twice) match nothing.
fn matches_path(pattern: &str, path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b';');
    if !path.bytes().all(plain) || path.contains("//") || !path.starts_with('/') {
        return false;
    }
    let wanted: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    let found: Vec<&str> = path[1..].split('/').collect();
    wanted.len() == found.len()
        && wanted
            .iter()
            .zip(&found)
            .all(|(want, have)| !matches!(*have, "." | "..") && (want == have || (*want == "*" && !have.is_empty())))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
