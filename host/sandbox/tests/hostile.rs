//! Attacks on the sandbox itself: guests that keep the host busy, that no compiler would have made, or that answer in
//! ways the interface does not know. Each ends with a text that says why, and the next call is as good as any.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_core::ports::Connectors;
use gatehouse_core::{CallFailure, FailureKind};
use gatehouse_sandbox::Limits;
use support::tiny::Tiny;
use support::{Setup, hostile, sandbox};

fn short() -> Limits {
    Limits { cpu_ms: 100, memory_bytes: 512 << 20, ..Limits::default() }
}

/// Every one does the same without end, mostly in the host, and a hundred times of it is harmless.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_host_calls_and_storms_of_memory_end_at_the_computing_time() {
    let sandbox = sandbox(short());
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    for behaviour in [
        "flood-clock",
        "flood-random",
        "flood-bytes",
        "flood-settings",
        "flood-log",
        "flood-lines",
        "flood-progress",
        "flood-poll",
        "flood-fields",
        "flood-output",
        "copy-storm",
        "fill-storm",
    ] {
        let few = if behaviour.ends_with("storm") || behaviour == "flood-lines" { "1" } else { "100" };
        let benign = sandbox.check(&Setup::new(digest, behaviour).setting("n", few).0).await;
        let tolerable = benign.result.as_ref().err().map(|failure| failure.message.contains("`cpu_ms`"));
        // A storm of one is a second of computing where nothing is optimised; it is the floods that must pass.
        assert!(tolerable.is_none() || behaviour.ends_with("storm"), "{behaviour}: {benign:?}");
        let failure = sandbox.check(&Setup::new(digest, behaviour).0).await.result.unwrap_err();
        assert!(failure.message.contains("limit `cpu_ms` of 100 ms reached"), "{behaviour}: {failure}");
    }
    assert!(sandbox.check(&Setup::new(digest, "benign").0).await.result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_without_end_end_at_the_time_of_a_call_and_short_ones_pass() {
    let sandbox = sandbox(Limits { call_ms: 1_000, ..Limits::default() });
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    for behaviour in ["sleep", "poll-never"] {
        let failure = sandbox.check(&Setup::new(digest, behaviour).0).await.result.unwrap_err();
        assert!(failure.message.contains("limit `call_ms` of 1 s reached"), "{behaviour}: {failure}");
    }
    assert!(sandbox.check(&Setup::new(digest, "sleep").setting("n", "10").0).await.result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_call_one_another_without_end_end_at_the_stack() {
    let sandbox = sandbox(Limits::default());
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    for behaviour in ["recurse", "mutual"] {
        let failure = sandbox.check(&Setup::new(digest, behaviour).0).await.result.unwrap_err();
        assert!(failure.message.contains("limit `stack_bytes` of 512 KiB reached"), "{behaviour}: {failure}");
    }
}

async fn checked(tiny: Tiny, limits: Limits) -> Result<usize, CallFailure> {
    let sandbox = sandbox(limits);
    let digest = sandbox.admit(&tiny.build()).await.unwrap_or_else(|error| panic!("{error}")).connector.digest;
    sandbox.check(&Setup::new(digest, "").0).await.result.map(|findings| findings.len())
}

/// A result at 2048: discriminant, then address and number of findings.
fn answering(discriminant: u32, address: u32, length: u32) -> Tiny {
    Tiny::checking(&format!(
        "(i32.store (i32.const 2048) (i32.const {discriminant})) (i32.store (i32.const 2052) (i32.const {address}))
         (i32.store (i32.const 2056) (i32.const {length}))"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_well_formed_pass() {
    assert_eq!(checked(Tiny::default(), short()).await, Ok(0));
    // Two findings of four empty texts.
    assert_eq!(checked(answering(0, 8192, 2), short()).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_canonical_fail_their_call() {
    // A text of one byte that is no UTF-8, at 8300; its finding at 8192.
    let not_utf8 = "(i32.store8 (i32.const 8300) (i32.const 255)) (i32.store (i32.const 8192) (i32.const 8300))
        (i32.store (i32.const 8196) (i32.const 1))";
    let mut text = answering(0, 8192, 1);
    text.check = format!("{not_utf8} {}", text.check);
    for (what, tiny) in [
        ("no UTF-8", text),
        ("a discriminant that is none", answering(7, 8192, 1)),
        ("a failure that is none", answering(1, 99, 0)),
        ("a list beyond the memory", answering(0, 0x7fff_0000, 4)),
        ("a list that ends beyond the memory", answering(0, 131_000, 1_000)),
        ("a list that is not aligned", answering(0, 8193, 1)),
        ("a list without measure", answering(0, 8192, u32::MAX)),
        ("a result beyond the memory", Tiny { check: "i32.const -4".to_owned(), ..Tiny::default() }),
        ("a result that is not aligned", Tiny { check: "i32.const 2049".to_owned(), ..Tiny::default() }),
    ] {
        let failure = checked(tiny, short()).await.expect_err(what);
        let kind = matches!(failure.kind, FailureKind::Protocol | FailureKind::Trap | FailureKind::Limit);
        assert!(kind && !failure.message.is_empty(), "{what}: {failure}");
    }
}

/// What is asked of the guest in between: memory for a setting, and to tidy up.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_misbehaves_when_memory_is_asked_of_it_fails_its_call() {
    let with = |realloc: &str| Tiny { realloc: realloc.to_owned(), ..Tiny::checking("(drop (call $n))") };
    let called = async |tiny: Tiny| {
        let sandbox = sandbox(short());
        let digest = sandbox.admit(&tiny.build()).await.unwrap_or_else(|error| panic!("{error}")).connector.digest;
        sandbox.check(&Setup::new(digest, "").setting("n", "12").0).await.result.map(drop)
    };
    assert_eq!(called(with("i32.const 4096")).await, Ok(()));
    for (realloc, says) in [
        ("unreachable", "unreachable"),
        ("i32.const -1", "realloc"),
        ("i32.const 0x7ffffff0", "realloc"),
        ("(loop $l (br $l)) i32.const 4096", "`cpu_ms`"),
    ] {
        let failure = called(with(realloc)).await.expect_err(realloc);
        assert!(failure.message.contains(says), "{realloc}: {failure}");
    }
    // It asks for memory while it is asked for memory.
    let failure = called(with("(drop (call $n)) i32.const 4096")).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Trap | FailureKind::Protocol | FailureKind::Limit), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_loops_or_traps_where_it_should_tidy_up_or_begin_fails_its_call() {
    for (post_return, says) in [("(loop $l (br $l))", "`cpu_ms`"), ("unreachable", "unreachable")] {
        let tiny = Tiny { post_return: post_return.to_owned(), ..Tiny::default() };
        let failure = checked(tiny, short()).await.expect_err(post_return);
        assert!(failure.message.contains(says), "{failure}");
    }
    // The start function runs before `describe` is ever asked.
    let begins = |body: &str| Tiny::default().more(&format!("(func $s {body}) (start $s)")).build();
    let sandbox = sandbox(short());
    let refused = sandbox.admit(&begins("(loop $l (br $l))")).await.unwrap_err();
    // Where others keep the processors busy, the clock ends it first.
    let limit = refused.message.contains("limit `cpu_ms`") || refused.message.contains("limit `describe_ms`");
    assert!(refused.case == "describe" && limit, "{refused}");
    assert!(sandbox.admit(&begins("")).await.is_ok());
}

/// Components that are small to write and large to make: each is refused by name of the limit, and costs no more.
#[tokio::test(flavor = "multi_thread")]
async fn components_that_blow_up_are_refused_at_the_door() {
    let limits = Limits { compile_cpu_ms: 5_000, ..Limits::default() };
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let core = |text: String| Tiny::default().more(&text).build();
    let outer = |text: String| wat::parse_str(format!("(component {text})")).unwrap();
    for (what, component, says) in [
        ("functions", core(many(200_001, &|_| "(func)".into())), "`component_items`"),
        ("globals", core(many(200_001, &|_| "(global i32 (i32.const 0))".into())), "`component_items`"),
        ("imports", outer(many(2_000, &|n| format!("(import \"a{n}\" (func))"))), "imports"),
        (
            "exports",
            outer(many(2_000, &|n| format!("(instance $i{n}) (export \"a{n}\" (instance $i{n}))"))),
            "exceeds limit",
        ),
        ("a benign twin", core("(table 1 funcref)".into()), ""),
        ("a table", core("(table 4000000 funcref)".into()), "`table_elements`"),
        ("data", core(format!("(data \"{}\")", "x".repeat(33 << 20))), "`component_bytes`"),
    ] {
        let answer = sandbox(limits.clone()).admit(&component).await;
        match answer {
            Ok(_) => assert!(says.is_empty(), "{what} should be refused"),
            Err(refused) => {
                assert!(!says.is_empty() && refused.message.contains(says), "{what}: {refused}");
                assert!(refused.message.len() < 20_000, "{what}: {}", refused.message.len());
            }
        }
    }
}
