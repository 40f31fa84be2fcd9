//! The gate from a guest's side: what leaves, what is refused, under which rule, and what the host notes of it. Each
//! refusal stands beside what is let through.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_core::ports::{Call, CallReport, CommitCommand, Connectors, Denial, Finding};
use gatehouse_core::{CallFailure, CommitStep, Digest, FailureKind};
use gatehouse_sandbox::{Limits, Sandbox};
use support::target::Target;
use support::{SECRET, Setup, hostile, sandbox};

struct Scene {
    sandbox: Sandbox,
    digest: Digest,
    target: Target,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let sandbox = sandbox(limits);
        let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
        Self { sandbox, digest, target: Target::start().await }
    }

    /// A fetch from the target, which is granted.
    fn fetch(&self, method: &str, path: &str) -> Setup {
        let setup = Setup::new(self.digest, "fetch").setting("method", method).setting("url", &self.target.url(path));
        setup.grant(&self.target.origin, true).credential(&self.target.origin)
    }

    async fn check(&self, setup: &Setup) -> CallReport<Vec<Finding>> {
        self.sandbox.check(&setup.0).await
    }

    async fn answer(&self, setup: &Setup) -> String {
        self.check(setup).await.result.unwrap().remove(0).detail
    }
}

fn command() -> CommitCommand {
    let step = CommitStep::SetStatus(Default::default());
    CommitCommand { idempotency_key: "k".into(), external_id: Some("1".into()), expected_revision: None, step }
}

/// The one denial of a call whose guest got nowhere.
fn denied<T: std::fmt::Debug>(report: CallReport<T>) -> (Denial, CallFailure, Call) {
    let failure = report.result.unwrap_err();
    assert_eq!(report.call.denials.len(), 1, "{:?}", report.call);
    let denial = report.call.denials[0].clone();
    assert!(failure.message.contains(&denial.rule), "the failure names the rule: {failure}");
    (denial, failure, report.call)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_request_leaves_with_the_credential_and_the_guest_never_sees_it() {
    let scene = Scene::new().await;
    let setup = scene.fetch("GET", "/Users?startIndex=1").setting("header", "accept: application/json");
    let answer = scene.answer(&setup).await;
    let asked = scene.target.asked().remove(0);
    assert_eq!(asked.line, "GET /Users?startIndex=1");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(asked.header("host").map(|host| format!("http://{host}")).as_deref(), Some(&*scene.target.origin));
    assert!(answer.starts_with("200\n") && answer.ends_with("\n\nok"), "{answer}");
    assert!(answer.contains("etag: \"1\"") && !answer.contains("set-cookie"), "{answer}");
    assert!(!answer.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_not_granted_is_refused_and_recorded() {
    let scene = Scene::new().await;
    let mut setup = scene.fetch("GET", "/Users?secret=query");
    setup.0.grants.clear();
    let (denial, failure, call) = denied(scene.check(&setup).await);
    assert_eq!((denial.rule.as_str(), denial.method.as_str()), ("origin-not-granted", "GET"));
    assert_eq!(denial.url, scene.target.url("/Users"), "without the query");
    assert_eq!(failure.kind, FailureKind::Denied);
    assert_eq!(call.requests, 0);
    assert!(scene.target.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_unless_it_was_allowed() {
    let scene = Scene::new().await;
    let port = scene.target.origin.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "loopback.example", "[::ffff:127.0.0.1]"] {
        let origin = format!("http://{host}:{port}");
        let setup = |allow| Setup::new(scene.digest, "fetch").setting("url", &origin).grant(&origin, allow);
        let (denial, failure, _) = denied(scene.check(&setup(false)).await);
        assert_eq!((denial.rule.as_str(), failure.kind), ("private-address", FailureKind::Denied), "{host}");
        assert!(denial.detail.contains("loopback"), "{}", denial.detail);
    }
    assert!(scene.target.asked().is_empty());
    for host in ["127.0.0.1", "loopback.example"] {
        let origin = format!("http://{host}:{port}");
        let setup = Setup::new(scene.digest, "fetch").setting("url", &origin).grant(&origin, true);
        assert!(scene.answer(&setup).await.starts_with("200"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_metadata_service_is_refused_even_where_private_addresses_are_allowed() {
    let scene = Scene::new().await;
    for allow_private in [false, true] {
        let origin = "http://metadata.example";
        let setup = Setup::new(scene.digest, "fetch").setting("url", origin).grant(origin, allow_private);
        let (denial, ..) = denied(scene.check(&setup).await);
        assert_eq!(denial.rule, "private-address");
        assert!(denial.detail.contains("169.254.169.254 (the metadata service of a cloud)"), "{}", denial.detail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_never_followed_and_a_location_of_something_new_is_no_redirect() {
    let scene = Scene::new().await;
    let (denial, ..) = denied(scene.check(&scene.fetch("GET", "/redirect")).await);
    assert_eq!(denial.rule, "redirect");
    assert_eq!(scene.target.asked().len(), 1);
    let answer = scene.answer(&scene.fetch("GET", "/created")).await;
    assert!(answer.starts_with("201") && answer.contains("location: /Users/1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_while_collecting_is_refused_and_the_same_write_in_a_commit_leaves() {
    let scene = Scene::new().await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let setup = scene.fetch(method, "/Users").setting("body", "{}");
        let (denial, _, call) = denied(scene.sandbox.collect(&setup.0, None, None, &[], 1).await);
        assert_eq!((denial.rule.as_str(), denial.method.as_str()), ("method-in-phase", method));
        assert!(!call.write_left && call.requests == 0);
        assert_eq!(denied(scene.check(&setup).await).0.rule, "method-in-phase");
    }
    assert!(scene.target.asked().is_empty());
    let report = scene.sandbox.commit(&scene.fetch("PATCH", "/Users/1").setting("body", "{1}").0, &command()).await;
    assert!(report.result.unwrap().applied);
    assert!(report.call.write_left && report.call.requests == 1);
    let asked = scene.target.asked().remove(0);
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("PATCH /Users/1", "{1}"));
    assert_eq!(asked.header("content-length"), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_search_may_be_posted_while_collecting_and_counts_as_no_write() {
    let scene = Scene::new().await;
    let setup = scene.fetch("POST", "/Users/.search").search_path("/Users/.search").setting("body", "{}");
    let report = scene.sandbox.collect(&setup.0, None, None, &[], 1).await;
    assert!(report.result.is_ok() && !report.call.write_left && report.call.requests == 1, "{report:?}");
    let commit = scene.sandbox.commit(&setup.0, &command()).await;
    assert!(commit.result.is_ok() && !commit.call.write_left);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_while_analysing() {
    let scene = Scene::new().await;
    let report = scene.sandbox.analyze(&scene.fetch("GET", "/").0, &[]).await;
    assert_eq!(report.result, Ok(Vec::new()), "the guest ignores the refusal");
    assert_eq!(report.call.denials[0].rule, "no-egress-in-phase");
    assert!(scene.target.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_after_a_commit_wrote_nothing_is_no_write() {
    let scene = Scene::new().await;
    let report = scene.sandbox.commit(&scene.fetch("GET", "/Users/1").0, &command()).await;
    assert!(report.result.is_ok() && !report.call.write_left && report.call.requests == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_sets_authorization_itself_is_refused_and_recorded() {
    let scene = Scene::new().await;
    for header in ["authorization: Bearer own", "cookie: a=b", "host: other.example", "x-http-method-override: DELETE"]
    {
        let (denial, ..) = denied(scene.check(&scene.fetch("GET", "/").setting("header", header)).await);
        assert_eq!(denial.rule, "header", "{header}");
        assert!(denial.detail.contains(header.split(':').next().unwrap()), "{}", denial.detail);
    }
    assert!(scene.target.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_left_before_a_trap_is_known_to_have_left() {
    let scene = Scene::new().await;
    let mut setup = scene.fetch("PUT", "/Users/1");
    setup = setup.setting("behaviour", "write-then-trap");
    let report = scene.sandbox.commit(&setup.0, &command()).await;
    assert_eq!(report.result.unwrap_err().kind, FailureKind::Trap);
    assert!(report.call.write_left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_an_answer_is_known_to_have_left() {
    let scene = Scene::with(Limits { response_ms: 200, ..Limits::default() }).await;
    let report = scene.sandbox.commit(&scene.fetch("PUT", "/silent").0, &command()).await;
    assert_eq!(report.result.unwrap_err().kind, FailureKind::Unavailable);
    assert!(report.call.write_left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_a_target_that_cannot_be_connected_has_not_left() {
    let scene = Scene::new().await;
    let origin = "http://127.0.0.1:1";
    let setup = Setup::new(scene.digest, "fetch").setting("method", "PUT").setting("url", origin).grant(origin, true);
    let report = scene.sandbox.commit(&setup.0, &command()).await;
    assert_eq!(report.result.unwrap_err().kind, FailureKind::Unavailable);
    assert!(!report.call.write_left && report.call.requests == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_contains_the_secret_never_reaches_the_guest() {
    let scene = Scene::new().await;
    for path in ["/reflect-header", "/reflect-body", "/reflect-in-pieces"] {
        let (denial, failure, _) = denied(scene.check(&scene.fetch("GET", path)).await);
        assert_eq!(denial.rule, "secret-reflected", "{path}");
        assert!(!format!("{failure} {denial:?}").contains(SECRET));
    }
    let mut setup = scene.fetch("GET", "/reflect-body");
    setup.0.credentials.clear();
    assert!(scene.answer(&setup).await.ends_with("you sent "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_searched_for_the_secret_is_refused() {
    let scene = Scene::new().await;
    assert_eq!(denied(scene.check(&scene.fetch("GET", "/gzip")).await).0.rule, "content-encoding");
    assert_eq!(scene.target.asked()[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_bounded_in_size_one_by_one_and_together() {
    let scene = Scene::with(Limits {
        response_body_bytes: 3 << 20,
        response_total_bytes: 5 << 20,
        journal_line_bytes: 4 << 20,
        ..Limits::default()
    })
    .await;
    assert!(scene.answer(&scene.fetch("GET", "/large").setting("times", "2")).await.len() > 2 << 20);
    for (path, times, name) in [
        ("/endless", "1", "response_body_bytes"),
        ("/large", "3", "response_total_bytes"),
        ("/large-header", "1", "header_bytes"),
    ] {
        let report = scene.check(&scene.fetch("GET", path).setting("times", times)).await;
        let failure = report.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
        assert!(failure.message.contains(name), "{failure}");
        assert_eq!(report.call.denials[0].rule, "response-too-large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_bodies_are_bounded_in_size() {
    let scene = Scene::with(Limits { request_body_bytes: 1_000, ..Limits::default() }).await;
    let setup = |length: usize| scene.fetch("PUT", "/").setting("body", &"x".repeat(length));
    assert!(scene.sandbox.commit(&setup(1_000).0, &command()).await.result.is_ok());
    let report = scene.sandbox.commit(&setup(1_001).0, &command()).await;
    let failure = report.result.unwrap_err();
    assert!(failure.kind == FailureKind::Limit && failure.message.contains("request_body_bytes"), "{failure}");
    assert!(!report.call.write_left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_make_so_many_requests_and_no_more() {
    let scene = Scene::with(Limits { requests: 5, ..Limits::default() }).await;
    assert_eq!(scene.check(&scene.fetch("GET", "/").setting("times", "5")).await.call.requests, 5);
    let report = scene.check(&scene.fetch("GET", "/").setting("times", "6")).await;
    let failure = report.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
    assert!(failure.message.contains("limit `requests` of 5"), "{failure}");
    assert_eq!((report.call.requests, report.call.denials[0].rule.as_str()), (5, "too-many-requests"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_begin_to_answer_is_given_up() {
    let scene = Scene::with(Limits { response_ms: 200, ..Limits::default() }).await;
    let failure = scene.check(&scene.fetch("GET", "/silent")).await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("HttpResponseTimeout"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_by_the_same_app_and_by_no_other() {
    let scene = Scene::new().await;
    let setup = scene.fetch("GET", "/").setting("times", "4");
    scene.answer(&setup).await;
    scene.answer(&setup).await;
    assert_eq!((scene.target.asked().len(), scene.target.connections()), (8, 1));
    let mut other = scene.fetch("GET", "/");
    other.0.app = gatehouse_core::AppId(2);
    scene.answer(&other).await;
    assert_eq!(scene.target.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_status_is_an_answer_like_any_other() {
    let scene = Scene::new().await;
    let answer = scene.answer(&scene.fetch("GET", "/missing")).await;
    assert!(answer.starts_with("404") && answer.ends_with("no such user"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_bodies_are_bounded_together() {
    let limits = Limits { request_body_bytes: 1_000, request_total_bytes: 2_500, ..Limits::default() };
    let scene = Scene::with(limits).await;
    let setup = |times: &str| scene.fetch("PUT", "/").setting("body", &"x".repeat(1_000)).setting("times", times);
    assert!(scene.sandbox.commit(&setup("2").0, &command()).await.result.is_ok());
    let report = scene.sandbox.commit(&setup("3").0, &command()).await;
    let failure = report.result.unwrap_err();
    assert!(failure.kind == FailureKind::Limit && failure.message.contains("request_total_bytes"), "{failure}");
    assert_eq!(report.call.requests, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_without_measure_is_not_even_taken() {
    let scene = Scene::new().await;
    let (denial, ..) = denied(scene.check(&scene.fetch(&"X".repeat(32), "/")).await);
    assert_eq!((denial.rule.as_str(), denial.method.len()), ("method-in-phase", 32));
    let report = scene.check(&scene.fetch(&"X".repeat(33), "/")).await;
    assert_eq!(report.result.unwrap_err().message, "method", "the guest learns it where it sets it");
    assert!(report.call.denials.is_empty() && report.call.requests == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_address_is_noted_in_part() {
    let scene = Scene::new().await;
    let mut setup = scene.fetch("GET", &format!("/{}", "x".repeat(10_000)));
    setup.0.grants.clear();
    let (denial, ..) = denied(scene.check(&setup).await);
    assert!(denial.url.len() < 2_100 && denial.url.ends_with("x…"), "{}", denial.url.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_overrides_the_method_is_refused_in_a_commit_too() {
    let scene = Scene::new().await;
    let report = scene.sandbox.commit(&scene.fetch("GET", "/Users/1?_method=DELETE").0, &command()).await;
    let (denial, _, call) = denied(report);
    assert_eq!(denial.rule, "method-in-phase");
    assert!(!call.write_left && scene.target.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_transfer_is_encoded_is_refused_and_a_chunked_one_passes() {
    let scene = Scene::new().await;
    for (coding, rule) in [("chunked", None), ("gzip, chunked", Some("content-encoding"))] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        let origin = support::target::canned(answer).await;
        let setup = Setup::new(scene.digest, "fetch").setting("url", &origin).grant(&origin, true);
        let report = scene.check(&setup).await;
        let found = report.call.denials.first().map(|denial| denial.rule.as_str());
        assert_eq!(found, rule, "{coding}: {report:?}");
        assert_eq!(report.result.is_ok(), rule.is_none());
    }
}
