//! The rules about phase, method and address, each with its opposite.
#![allow(clippy::unwrap_used)]

use super::*;

fn policy(phase: Phase) -> Policy {
    let grants = ["https://app.example", "http://10.0.0.1:8080"]
        .map(|origin| EgressGrant { origin: origin.parse().unwrap(), allow_private: false });
    let base = ("https://app.example".parse().unwrap(), "/scim/v2".to_owned());
    let search_paths = vec!["/Users/.search".to_owned(), "/tenants/*/query".to_owned()];
    Policy { phase, grants: grants.to_vec(), search_paths, bases: vec![base] }
}

fn rule(phase: Phase, method: &str, uri: &str) -> Option<&'static str> {
    let method = method.parse().unwrap();
    policy(phase).decide(&method, &uri.parse().unwrap()).err().map(|refusal| refusal.rule)
}

#[test]
fn nothing_leaves_while_describing_or_analysing() {
    for phase in [Phase::Describe, Phase::Analyze] {
        assert_eq!(rule(phase, "GET", "https://app.example/"), Some("no-egress-in-phase"));
    }
    assert_eq!(rule(Phase::Check, "GET", "https://app.example/"), None);
}

#[test]
fn only_a_commit_may_write() {
    for phase in [Phase::Check, Phase::Collect, Phase::Read, Phase::Find] {
        for safe in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(rule(phase, safe, "https://app.example/Users"), None);
        }
        for write in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "get"] {
            assert_eq!(rule(phase, write, "https://app.example/Users"), Some("method-in-phase"), "{write}");
        }
    }
    for write in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(rule(Phase::Commit, write, "https://app.example/Users"), None);
    }
}

#[test]
fn tunnels_and_traces_never_leave() {
    for method in ["CONNECT", "TRACE", "TRACK", "trace", "Connect"] {
        assert_eq!(rule(Phase::Commit, method, "https://app.example/"), Some("method-in-phase"));
    }
}

#[test]
fn a_query_that_makes_another_method_of_a_safe_one_never_leaves() {
    for query in [
        "_method=DELETE",
        "a=b&_METHOD=delete",
        "a=b;_method=DELETE",
        "%5fmethod=DELETE",
        ".method=DELETE",
        "+_method=DELETE",
        "_method",
        "X-HTTP-Method-Override=PUT",
        "x-http-method=PUT",
    ] {
        let uri = format!("https://app.example/Users/1?{query}");
        for phase in [Phase::Collect, Phase::Commit] {
            assert_eq!(rule(phase, "GET", &uri), Some("method-in-phase"), "{query}");
        }
    }
    for query in ["method=list", "filter=a%20eq%20%22_method%22", "payment_method=card", "startIndex=1&count=2", ""] {
        assert_eq!(rule(Phase::Collect, "GET", &format!("https://app.example/Users?{query}")), None, "{query}");
    }
}

#[test]
fn a_declared_search_may_be_posted_and_is_no_write() {
    for path in ["/Users/.search", "/scim/v2/Users/.search", "/tenants/7/query", "/scim/v2/tenants/7/query?x=1"] {
        let uri = format!("https://app.example{path}").parse().unwrap();
        let passage = policy(Phase::Collect).decide(&Method::POST, &uri).unwrap();
        assert!(!passage.writes, "{path}");
    }
}

#[test]
fn what_only_looks_like_a_declared_search_may_not_be_posted() {
    for path in [
        "/Users",
        "/Users/.search/",
        "/Users/.search/1",
        "/x/Users/.search",
        "/tenants//query",
        "/tenants/a/b/query",
        "/tenants/../query",
        "/tenants/a%2Fb/query",
        "/tenants/%2e%2e/query",
        "/tenants/a;x/query",
        "/tenants/a%252fb/query",
        "/tenants/a%00/query",
        "/tenants/\u{e4}/query",
        "/scim/v2",
        "/scim/v2Users/.search",
    ] {
        let uri = format!("https://app.example{path}");
        assert_eq!(rule(Phase::Collect, "POST", &uri), Some("method-in-phase"), "{path}");
    }
    assert_eq!(rule(Phase::Collect, "PUT", "https://app.example/Users/.search"), Some("method-in-phase"));
}

#[test]
fn an_origin_is_granted_by_scheme_host_and_port_together() {
    for granted in ["https://app.example/", "https://APP.example:443/x", "http://10.0.0.1:8080/"] {
        assert_eq!(rule(Phase::Check, "GET", granted), None, "{granted}");
    }
    for other in [
        "http://app.example/",
        "https://app.example:444/",
        "https://app.example.evil/",
        "https://xapp.example/",
        "https://app.example@evil.example/",
        "https://user@app.example/",
        "http://10.0.0.1/",
        "https://127.0.0.1/",
    ] {
        assert_eq!(rule(Phase::Check, "GET", other), Some("origin-not-granted"), "{other}");
    }
}

#[test]
fn another_spelling_of_a_granted_address_connects_to_the_granted_one() {
    let uri = "http://0x0a000001:8080/users?a=b".parse().unwrap();
    let passage = policy(Phase::Check).decide(&Method::GET, &uri).unwrap();
    assert_eq!(passage.grant.origin.host, "10.0.0.1");
    assert_eq!(passage.path, "/users?a=b");
}
