//! Limits on what a guest takes while it runs: time, memory, tables, stack, handles, host calls, and places.

use crate::report::Row;
use crate::support::Setup;
use crate::support::tiny::Tiny;
use crate::{Bench, Tried, tried, value_of};
use gatehouse_core::ports::Connectors;
use gatehouse_core::{AppId, CallFailure, FailureKind};
use gatehouse_sandbox::Limits;
use std::time::{Duration, Instant};

pub async fn rows() -> Vec<Row> {
    let mut rows = times().await;
    rows.extend(memory_and_tables().await);
    rows.push(stack().await);
    rows.extend(host_calls().await);
    rows.push(places("concurrent_calls_per_app", 3, 16).await);
    rows.push(places("concurrent_calls", 16, 3).await);
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

/// Fills the places with calls that sleep: the last one there is room for begins, the next one does not.
async fn places(limit: &'static str, per_app: u64, all: u64) -> Row {
    // The support makes it eight in all; here it is what is said.
    let directory = tempfile::tempdir().unwrap();
    let all = all.min(8);
    let limits =
        Limits { concurrent_calls: all, concurrent_calls_per_app: per_app, call_ms: 600_000, ..Limits::default() };
    let sandbox = gatehouse_sandbox::Sandbox::new(crate::support::config(directory.path(), limits.clone())).unwrap();
    let digest = sandbox.admit(&crate::support::hostile()).await.unwrap().connector.digest;
    let call = |app: u64, behaviour: &str, patience: u64| {
        let mut setup = Setup::new(digest, behaviour).0;
        (setup.app, setup.timeout) = (AppId(app), Duration::from_millis(patience));
        setup
    };
    let room = value_of(&limits, limit);
    let apps = |n: u64| if limit == "concurrent_calls" { n } else { 1 };
    let endless: Vec<_> = (1..room).map(|n| call(apps(n), "sleep", 600_000)).collect();
    let mut endless: futures_util::stream::FuturesUnordered<_> =
        endless.iter().map(|context| sandbox.check(context)).collect();
    let attempts = async {
        let last = call(apps(room), "benign", 600_000);
        let passes: Tried = tried(sandbox.check(&last).await);
        assert!(passes.is_ok(), "{limit}: {passes:?}");
        let one = call(apps(room), "sleep", 600_000);
        let one = std::pin::pin!(sandbox.check(&one));
        let beyond = call(apps(room + 1), "benign", 300);
        let beyond = std::pin::pin!(sandbox.check(&beyond));
        tokio::select! {
            biased;
            report = one => panic!("it should go on: {report:?}"),
            report = beyond => report.result.unwrap_err(),
        }
    };
    let failure: CallFailure = tokio::select! {
        biased;
        failure = attempts => failure,
        Some(ended) = futures_util::StreamExt::next(&mut endless) => panic!("it should go on: {ended:?}"),
    };
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    Row::told(
        limit,
        &limits,
        format!("call {room}"),
        format!("call {} (waits, then fails)", room + 1),
        failure.to_string(),
    )
}
