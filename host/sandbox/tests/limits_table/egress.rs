//! Limits at the gate: how much leaves, how much comes back, and how long that may take.

use crate::report::Row;
use crate::support::target::Target;
use crate::{Bench, Tried, tried, value_of};
use gatehouse_core::FailureKind;
use gatehouse_core::ports::Connectors;
use gatehouse_sandbox::Limits;

pub async fn rows() -> Vec<Row> {
    let target = Target::start().await;
    let mut rows = amounts(&target).await;
    rows.extend(sizes(&target).await);
    rows.extend(patience(&target).await);
    rows
}

/// One call that sends what the settings say to a path of the target.
async fn fetch(bench: &Bench, url: &str, settings: &[(&str, &str)]) -> Tried {
    let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
    let mut setup = bench.setup("fetch", 0).setting("url", url).grant(&origin, true);
    for (name, value) in settings {
        setup = setup.setting(name, value);
    }
    let report = bench.sandbox.commit(&setup.0, &command()).await;
    tried(report)
}

fn command() -> gatehouse_core::ports::CommitCommand {
    gatehouse_core::ports::CommitCommand {
        idempotency_key: "key".to_owned(),
        external_id: Some("1".to_owned()),
        expected_revision: None,
        step: gatehouse_core::CommitStep::SetStatus(gatehouse_core::schema::Status::Active),
    }
}

/// Sums of a call, with smaller limits than usual.
async fn amounts(target: &Target) -> Vec<Row> {
    let limits =
        Limits { requests: 20, request_total_bytes: 1 << 20, response_total_bytes: 1 << 20, ..Limits::default() };
    let bench = Bench::hostile(limits).await;
    let url = target.url("/ok");
    let times = async |n: u64| fetch(&bench, &url, &[("times", &n.to_string())]).await;
    let requests = bench.row("requests", 20, 21, times).await;
    // Four requests, or answers, of a quarter each; then with one byte more.
    let sent = async |n: u64| {
        let each = n.div_ceil(4).to_string();
        fetch(&bench, &url, &[("times", "4"), ("method", "POST"), ("body", "large"), ("n", &each)]).await
    };
    let sent = bench.row("request_total_bytes", 1 << 20, (1 << 20) + 4, sent).await;
    let answered =
        async |n: u64| fetch(&bench, &target.url(&format!("/bytes/{}", n.div_ceil(4))), &[("times", "4")]).await;
    let answered = bench.row("response_total_bytes", 1 << 20, (1 << 20) + 4, answered).await;
    vec![requests, sent, answered]
}

async fn sizes(target: &Target) -> Vec<Row> {
    let bench = Bench::hostile(Limits::default()).await;
    let limit = |name| value_of(&bench.limits, name);
    let url = target.url("/ok");
    let sent =
        async |n: u64| fetch(&bench, &url, &[("method", "POST"), ("body", "large"), ("n", &n.to_string())]).await;
    let most = limit("request_body_bytes");
    let body = bench.row("request_body_bytes", most, most + 1, sent).await;
    let most = limit("response_body_bytes");
    let answered = async |n: u64| fetch(&bench, &target.url(&format!("/bytes/{n}")), &[]).await;
    let answer = bench.row("response_body_bytes", most, most + 1, answered).await;
    let most = limit("header_bytes");
    let answered = async |n: u64| fetch(&bench, &target.url(&format!("/header-bytes/{n}")), &[]).await;
    let headers = bench.search("header_bytes", 2 * most, answered).await;
    // Outwards it is the same limit.
    let set = async |n: u64| fetch(&bench, &url, &[("header", "x-request-id: large"), ("n", &n.to_string())]).await;
    bench.search("header_bytes", 2 * most, set).await;
    vec![body, answer, headers]
}

/// Targets that are slow. They are no fault of the connector's: the call may be tried again, and the text says why.
async fn patience(target: &Target) -> Vec<Row> {
    let silent = Target::silent().await;
    let mut rows = Vec::new();
    for (limit, benign, hostile) in [
        ("resolve_ms", target.url("/ok").replace("127.0.0.1", "loopback.example"), "http://dead.example/".to_owned()),
        ("connect_ms", target.url("/ok"), silent.replace("http:", "https:")),
        ("response_ms", target.url("/pause/1000"), target.url("/silent")),
        ("between_bytes_ms", target.url("/drip/1000"), target.url("/drip/100000")),
    ] {
        // The benign twin takes half of it, or no time at all where a target cannot be made to dawdle.
        let short = 2_000;
        let mut limits = Limits::default();
        *match limit {
            "resolve_ms" => &mut limits.resolve_ms,
            "connect_ms" => &mut limits.connect_ms,
            "response_ms" => &mut limits.response_ms,
            _ => &mut limits.between_bytes_ms,
        } = short;
        let bench = Bench::hostile(limits.clone()).await;
        fetch(&bench, &benign, &[]).await.unwrap_or_else(|failure| panic!("{limit}: {failure}"));
        let started = std::time::Instant::now();
        let failure = fetch(&bench, &hostile, &[]).await.unwrap_err();
        let elapsed = format!("{} ms", started.elapsed().as_millis());
        assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
        let twin = if benign.ends_with("/1000") { "1000 ms" } else { "at once" };
        rows.push(Row::told(limit, &limits, twin.to_owned(), elapsed, failure.to_string()));
    }
    rows
}
