//! Limits on what a guest takes while it runs: time, memory, tables, stack, handles, host calls, and places.

use crate::report::Row;
use crate::support::Setup;
use crate::support::tiny::Tiny;
use crate::{Bench, tried, value_of};
use gatehouse_core::ports::Connectors;
use gatehouse_core::{CallFailure, FailureKind};
use gatehouse_sandbox::Limits;
use std::time::{Duration, Instant};

pub async fn rows() -> Vec<Row> {
    let mut rows = times().await;
    rows.extend(memory_and_tables().await);
    rows.push(stack().await);
    rows.extend(host_calls().await);
    rows.push(rest().await);
    rows.push(places("concurrent_calls_per_app", 1, 8).await);
    rows.push(places("concurrent_calls", 8, 1).await);
    rows
}

/// So much smaller than usual, since nobody wants to wait; the benign twins take half of it.
const SHORT: u64 = 1_000;

async fn times() -> Vec<Row> {
    let limits = Limits { call_ms: SHORT, cpu_ms: SHORT, describe_ms: SHORT, ..Limits::default() };
    let bench = Bench::hostile(limits.clone()).await;
    let told = |limit, behaviour: &str, elapsed: Duration, text: String| {
        let (benign, refused) = (format!("{behaviour} {} ms", SHORT / 2), format!("{} ms", elapsed.as_millis()));
        Row::told(limit, &limits, benign, refused, text)
    };
    let mut rows = Vec::new();
    for (limit, behaviour, forever) in [("call_ms", "sleep", 3_600_000), ("cpu_ms", "spin", 3_600_000)] {
        // Only the limit that is meant is short: a machine that is busy stretches the other one.
        let own = match limit {
            "call_ms" => Limits { cpu_ms: 30_000, ..limits.clone() },
            _ => Limits { call_ms: 120_000, ..limits.clone() },
        };
        let bench = Bench::hostile(own).await;
        tried(bench.check(behaviour, SHORT / 2).await).unwrap();
        let report = bench.check(behaviour, forever).await;
        rows.push(told(limit, behaviour, report.call.elapsed, report.result.unwrap_err().to_string()));
    }
    let slow = |ms: &str| crate::support::hostile_described(ms.parse().unwrap());
    bench.sandbox.admit(&slow("10")).await.unwrap();
    let started = Instant::now();
    let refused = bench.sandbox.admit(&slow("11")).await.unwrap_err();
    rows.push(told("describe_ms", "sleep", started.elapsed(), refused.message));
    rows
}

async fn memory_and_tables() -> Vec<Row> {
    let limits = Limits::default();
    let grows = "(if (i32.eq (memory.grow (i32.sub (call $n) (i32.const 2))) (i32.const -1)) (then unreachable))";
    let bench = Bench::new(limits.clone(), &Tiny::checking(grows).build()).await;
    let pages = value_of(&limits, "memory_bytes") >> 16;
    let attempt = async |bytes: u64| tried(bench.check("", bytes >> 16).await);
    let memory = bench.row("memory_bytes", pages << 16, (pages + 1) << 16, attempt).await;

    let table = "(table $t 0 funcref)";
    let grows = "(if (i32.eq (table.grow $t (ref.null func) (call $n)) (i32.const -1)) (then unreachable))";
    let bench = Bench::new(limits.clone(), &Tiny::checking(grows).more(table).build()).await;
    let attempt = async |elements: u64| tried(bench.check("", elements).await);
    let elements = bench.search("table_elements", 2 * value_of(&limits, "table_elements"), attempt).await;
    vec![memory, elements]
}

/// The depth is measured; that it goes with the limit shows that it is the stack which ends it.
async fn stack() -> Row {
    let recurse = "(func $r (param $n i32) (result i64)
        (if (result i64) (i32.eqz (local.get $n)) (then (i64.const 1))
            (else (i64.add (call $r (i32.sub (local.get $n) (i32.const 1))) (i64.extend_i32_u (local.get $n))))))";
    let component = Tiny::checking("(drop (call $r (call $n)))").more(recurse).build();
    let deepest = async |stack_bytes: u64| {
        let bench = Bench::new(Limits { stack_bytes, ..Limits::default() }, &component).await;
        let attempt = async |depth: u64| tried(bench.check("", depth).await);
        let (mut passes, mut refused) = (0, 1 << 20);
        while refused - passes > 1 {
            let middle = passes + (refused - passes) / 2;
            if attempt(middle).await.is_ok() { passes = middle } else { refused = middle }
        }
        (refused, attempt(refused).await.unwrap_err().to_string())
    };
    let usual = Limits::default().stack_bytes;
    let ((depth, text), (half, _)) = (deepest(usual).await, deepest(usual / 2).await);
    let frame = (usual / 2) / (depth - half);
    assert!((usual / depth).abs_diff(frame) <= 2, "{depth} calls in {usual} bytes, and {half} in half of that");
    let told = |depth: u64| format!("{depth} calls deep ({} B)", depth * frame);
    Row::told("stack_bytes", &Limits::default(), told(depth - 1), told(depth), text)
}

async fn host_calls() -> Vec<Row> {
    let bench = Bench::hostile(Limits::default()).await;
    let of = async |behaviour: &str, n: u64| tried(bench.check(behaviour, n).await);
    let mut rows = Vec::new();
    rows.push(bench.search("handles", 4_000, async |n| of("handles", n).await).await);
    rows.push(bench.row("random_bytes", 64 << 10, (64 << 10) + 1, async |n| of("random", n).await).await);
    rows.push(bench.search("host_call_bytes", 64 << 20, async |n| of("huge-line", n).await).await);
    rows
}

/// A call that ended well lets the next one begin at once; one that met a limit lets it wait, which this one cannot.
async fn rest() -> Row {
    let limits = Limits { rest_ms: 60_000, ..Limits::default() };
    let sandbox = crate::support::sandbox(limits.clone());
    let digest = sandbox.admit(&crate::support::hostile()).await.unwrap().connector.digest;
    let mut benign = Setup::new(digest, "benign");
    benign.0.timeout = Duration::from_secs(10);
    for _ in 0..2 {
        tried(sandbox.check(&benign.0).await).unwrap_or_else(|failure| panic!("rest_ms: {failure}"));
    }
    sandbox.check(&Setup::new(digest, "handles").0).await.result.unwrap_err();
    let mut other = Setup::new(digest, "benign");
    other.0.app = gatehouse_core::AppId(2);
    assert_ne!(other.0.app, benign.0.app);
    tried(sandbox.check(&other.0).await).unwrap_or_else(|failure| panic!("rest_ms: {failure}"));
    let failure = sandbox.check(&benign.0).await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    let told = |what: &str| what.to_owned();
    Row::told("rest_ms", &limits, told("after a good call"), told("after a limit, within"), failure.to_string())
}

/// The one place that there is has a call that sleeps; the next one waits, and then fails.
async fn places(limit: &'static str, per_app: u64, all: u64) -> Row {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { concurrent_calls: all, concurrent_calls_per_app: per_app, ..Limits::default() };
    let config = crate::support::config(directory.path(), limits.clone());
    let sandbox = gatehouse_sandbox::Sandbox::new(config).unwrap();
    let digest = sandbox.admit(&crate::support::hostile()).await.unwrap().connector.digest;
    let sleeping = Setup::new(digest, "sleep");
    let mut beyond = Setup::new(digest, "benign");
    beyond.0.timeout = Duration::from_millis(300);
    tried(sandbox.check(&Setup::new(digest, "benign").0).await).unwrap_or_else(|failure| panic!("{limit}: {failure}"));
    let mut sleeping = std::pin::pin!(sandbox.check(&sleeping.0));
    tokio::select! {
        biased;
        report = &mut sleeping => panic!("it sleeps: {report:?}"),
        () = std::future::ready(()) => {}
    }
    let failure: CallFailure = sandbox.check(&beyond.0).await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    Row::told(limit, &limits, "call 1".to_owned(), "call 2 (waits, then fails)".to_owned(), failure.to_string())
}
