//! Connectors that loop, grow, flood, recurse and trap: each fails its own call with a text that names the limit,
//! and nothing else notices.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_core::ports::{CallReport, Connectors, Finding};
use gatehouse_core::{CallFailure, Digest, FailureKind, PageNext};
use gatehouse_sandbox::{Limits, Sandbox};
use std::time::Duration;
use support::{Setup, hostile, sandbox};

async fn admitted(limits: Limits) -> (Sandbox, Digest) {
    let sandbox = sandbox(limits);
    let admission = sandbox.admit(&hostile()).await.unwrap();
    (sandbox, admission.connector.digest)
}

async fn check(sandbox: &Sandbox, digest: Digest, behaviour: &str) -> CallReport<Vec<Finding>> {
    sandbox.check(&Setup::new(digest, behaviour).0).await
}

async fn failure(limits: Limits, behaviour: &str) -> CallFailure {
    let (sandbox, digest) = admitted(limits).await;
    let failure = check(&sandbox, digest, behaviour).await.result.unwrap_err();
    let after = check(&sandbox, digest, "benign").await;
    assert!(after.result.is_ok(), "the next call is as good as any: {after:?}");
    failure
}

fn assert_limit(failure: &CallFailure, name: &str, value: &str) {
    assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
    assert!(failure.message.contains(&format!("limit `{name}` of {value} reached; ")), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_benign_connector_answers_and_leaves_notes() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    let report = check(&sandbox, digest, "benign").await;
    assert_eq!(report.result.unwrap()[0].detail, "benign");
    assert!(report.call.peak_memory > 0 && report.call.elapsed > Duration::ZERO);
    assert!(!report.call.write_left && report.call.requests == 0 && report.call.denials.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_at_the_computing_time() {
    let failure = failure(Limits { cpu_ms: 300, ..Limits::default() }, "loop").await;
    assert_limit(&failure, "cpu_ms", "300 ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_wait_in_the_host_ends_at_the_time_of_a_call() {
    let failure = failure(Limits { call_ms: 300, ..Limits::default() }, "sleep").await;
    assert_limit(&failure, "call_ms", "300 ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_timeout_of_the_caller_goes_before_the_limit() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    for behaviour in ["sleep", "loop"] {
        let mut setup = Setup::new(digest, behaviour);
        setup.0.timeout = Duration::from_millis(200);
        assert_limit(&sandbox.check(&setup.0).await.result.unwrap_err(), "timeout", "200 ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_grown_without_end_ends_at_the_limit() {
    let failure = failure(Limits { memory_bytes: 64 << 20, ..Limits::default() }, "grow-memory").await;
    assert_limit(&failure, "memory_bytes", "64 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_a_panic_and_an_exit_are_told_apart_and_placed() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    for (behaviour, says) in [("trap", "unreachable"), ("panic", "unreachable"), ("exit", "exit code 1")] {
        let report = check(&sandbox, digest, behaviour).await;
        let failure = report.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Trap, "{failure}");
        assert!(failure.message.contains(says), "{failure}");
        assert!(failure.message.contains(" in "), "the place is named: {failure}");
        if behaviour == "panic" {
            let said: Vec<_> = report.call.journal.iter().map(|line| line.message.as_str()).collect();
            assert!(said.iter().any(|line| line.contains("I panic")), "{said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recursion_without_end_ends_at_the_stack() {
    assert_limit(&failure(Limits::default(), "recurse").await, "stack_bytes", "512 KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_made_without_end_end_at_the_handles() {
    for behaviour in ["handles", "resources"] {
        assert_limit(&failure(Limits::default(), behaviour).await, "handles", "1000");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_returned_as_a_list_is_refused_by_name_of_the_limit() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    let setup = Setup::new(digest, "huge-list");
    let failure = sandbox.collect(&setup.0, None, None, &[], 2_000).await.result.unwrap_err();
    assert_limit(&failure, "host_call_bytes", "32 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_argument_of_a_host_function_is_refused_by_name_of_the_limit() {
    assert_limit(&failure(Limits::default(), "huge-line").await, "host_call_bytes", "32 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_without_measure_are_not_made() {
    assert_limit(&failure(Limits::default(), "random").await, "random_bytes", "64 KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooded_journal_says_how_much_it_dropped() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    for behaviour in ["flood", "flood-stdout"] {
        let report = check(&sandbox, digest, behaviour).await;
        assert!(report.result.is_ok(), "{report:?}");
        assert_eq!(report.call.journal.len(), 501);
        let last = &report.call.journal[500].message;
        assert!(last.starts_with("dropped 99500 lines"), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderate_journal_is_kept_whole() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    let journal = check(&sandbox, digest, "journal").await.call.journal;
    let lines: Vec<_> = journal.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, ["said", "to stdout", "to stderr", "progress: 3 of 4"]);
    assert_eq!(journal[0].fields, [("key".to_owned(), "value".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_calls_go_on_while_one_loops() {
    let (sandbox, digest) = admitted(Limits { cpu_ms: 2_000, ..Limits::default() }).await;
    let looping = Setup::new(digest, "loop");
    let looping = sandbox.check(&looping.0);
    let working = async {
        for _ in 0..20 {
            check(&sandbox, digest, "benign").await.result.unwrap();
        }
    };
    tokio::pin!(looping);
    tokio::select! {
        report = &mut looping => panic!("the loop ended first: {report:?}"),
        () = working => {}
    }
    assert_limit(&looping.await.result.unwrap_err(), "cpu_ms", "2 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_there_is_room_for_wait_their_turn() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    let setup = Setup::new(digest, "benign");
    let calls = (0..40).map(|_| sandbox.check(&setup.0));
    for report in futures_util::future::join_all(calls).await {
        report.result.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_the_protocol_fail_the_call() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    for (behaviour, says) in [
        ("too-many-rows", "it gave 4 accounts where at most 3 were asked for"),
        ("same-id-twice", "account `1` is listed twice"),
        ("empty-id", "empty external id"),
        ("long-cursor", "its cursor has 65537 bytes"),
    ] {
        let failure = sandbox.collect(&Setup::new(digest, behaviour).0, None, None, &[], 3).await.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Protocol, "{failure}");
        assert!(failure.message.contains(says), "{failure}");
    }
    let failure = sandbox.find(&Setup::new(digest, "too-many-rows").0, "email", "x").await.result.unwrap_err();
    assert!(failure.message.contains("it gave 101 accounts"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_reaches_the_guest_and_what_it_says_comes_back() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    let context = Setup::new(digest, "echo").0;
    let page = sandbox.collect(&context, Some("f"), Some("c"), &["a".into(), "b".into()], 9).await.result.unwrap();
    let echo: Vec<_> = page.accounts[0].attributes["echo"].iter().map(|value| value.text.as_str()).collect();
    assert_eq!((echo, page.next), (vec!["f", "c", "a,b", "9"], PageNext::Complete));
    assert_eq!(sandbox.read(&context, "7").await.result.unwrap().external_id, "7");
    assert_eq!(sandbox.read(&context, "gone").await.result.unwrap_err().kind, FailureKind::NotFound);
    let busy = sandbox.read(&context, "busy").await.result.unwrap_err();
    assert_eq!((busy.kind, busy.retry_after), (FailureKind::Throttled, Some(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_host_can_be_seen_or_touched() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    let report = check(&sandbox, digest, "ambient").await;
    for finding in report.result.unwrap() {
        match finding.name.as_str() {
            "env" => assert_eq!(finding.detail, "[]"),
            "args" => assert_eq!(finding.detail, "[]"),
            "preopens" | "stdin" => assert_eq!(finding.detail, "0", "{}", finding.name),
            name => assert!(finding.detail.starts_with("Err("), "{name}: {}", finding.detail),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_not_loaded_cannot_be_called() {
    let (sandbox, digest) = admitted(Limits::default()).await;
    assert!(sandbox.is_loaded(digest));
    sandbox.unload(digest);
    assert!(!sandbox.is_loaded(digest));
    let failure = check(&sandbox, digest, "benign").await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Host, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_address_space_for_a_pool_calls_are_made_without_one() {
    // A million memories of 4 GiB each are more than any processor can address.
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { concurrent_calls: 1_000_000, ..Limits::default() };
    let sandbox = Sandbox::new(support::config(directory.path(), limits)).unwrap();
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    assert!(check(&sandbox, digest, "benign").await.result.is_ok());
    assert_limit(&check(&sandbox, digest, "grow-memory").await.result.unwrap_err(), "memory_bytes", "256 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_place_in_its_time_never_begins() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { concurrent_calls: 1, ..Limits::default() };
    let sandbox = Sandbox::new(support::config(directory.path(), limits)).unwrap();
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    let sleeping = Setup::new(digest, "sleep");
    let mut waiting = Setup::new(digest, "benign");
    waiting.0.timeout = Duration::from_millis(100);
    {
        let mut sleeping = std::pin::pin!(sandbox.check(&sleeping.0));
        tokio::select! {
            biased;
            report = &mut sleeping => panic!("it has the only place, and sleeps: {report:?}"),
            () = std::future::ready(()) => {}
        }
        let failure = sandbox.check(&waiting.0).await.result.unwrap_err();
        assert!(failure.is_transient(), "{failure}");
        assert!(failure.message.contains("limit `concurrent_calls` of 1 reached; "), "{failure}");
    }
    assert!(check(&sandbox, digest, "benign").await.result.is_ok(), "the place is free again");
}
