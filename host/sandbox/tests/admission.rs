//! What is refused at the door, with what text, and that nothing is kept of it.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_core::Interface;
use gatehouse_core::ports::{AdmissionError, Connectors};
use gatehouse_sandbox::{CompileChild, Limits, Sandbox};
use support::{Setup, compile_child, config, hostile, hostile_described, sandbox};

async fn refused(component: &[u8], limits: Limits) -> AdmissionError {
    let sandbox = sandbox(limits);
    let error = sandbox.admit(component).await.unwrap_err();
    assert!(!sandbox.is_loaded(gatehouse_core::Digest::of(component)));
    error
}

async fn assert_refused(component: &[u8], case: &str, says: &[&str]) {
    let error = refused(component, Limits::default()).await;
    assert_eq!(error.case, case, "{error}");
    for text in says {
        assert!(error.message.contains(text), "`{text}` is missing in: {error}");
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_component_is_admitted_with_all_that_is_to_be_known_of_it() {
    let sandbox = sandbox(Limits::default());
    let component = hostile();
    let admission = sandbox.admit(&component).await.unwrap();
    let connector = &admission.connector;
    assert_eq!((connector.description.name.as_str(), connector.size), ("hostile", component.len() as u64));
    assert_eq!(connector.interfaces.len(), 5);
    assert!(connector.interfaces.contains(&Interface::Committer));
    assert!(connector.imports.iter().any(|import| import.starts_with("wasi:http/outgoing-handler@0.2")));
    assert_eq!(admission.warnings, Vec::<String>::new());
    assert!(sandbox.is_loaded(connector.digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_is_a_risk_to_tell() {
    let warnings = sandbox(Limits::default()).admit(&hostile_described(6)).await.unwrap().warnings;
    assert!(warnings[0].contains("POST to `/Users/.search`"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_named_for_what_it_is() {
    assert_refused(b"hello", "not-wasm", &["no WebAssembly", "\\0asm"]).await;
    assert_refused(b"", "not-wasm", &[]).await;
    assert_refused(b"(component)", "not-wasm", &["wasm-tools parse"]).await;
    assert_refused(b"\x7fELF....", "not-wasm", &["precompiled"]).await;
    assert_refused(&wat("(module)"), "core-module", &["core module", "wasm32-wasip2", "wasm-tools component new"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_too_large_is_not_even_parsed() {
    let error = refused(&hostile(), Limits { component_bytes: 1_000, ..Limits::default() }).await;
    assert_eq!(error.case, "too-large");
    assert!(error.message.contains("limit `component_bytes` of 1000 bytes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_component_is_refused_with_the_place() {
    let mut cut = hostile();
    cut.truncate(cut.len() / 2);
    assert_refused(&cut, "invalid", &["not valid at byte 0x"]).await;
    let mut noise = hostile();
    noise[2_000..2_100].fill(0xff);
    assert_refused(&noise, "invalid", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_webassembly_is_off_is_not_valid() {
    for (module, says) in [
        ("(memory i64 1)", "memory64"),
        ("(memory 1 1 shared)", "threads"),
        ("(memory 1) (memory 1)", "multi"),
        ("(type (struct))", "gc"),
        ("(tag)", "exceptions"),
        ("(func return_call 0)", "tail"),
    ] {
        assert_refused(&wat(&format!("(component (core module {module}))")), "invalid", &[says]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_another_world_is_named_as_such() {
    let command = r#"(component
        (core module $m (func (export "run") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $run (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $run)))"#;
    assert_refused(&wat(command), "wrong-world", &["another world", "`wasi:cli/run@0.2.0`"]).await;
    assert_refused(&wat("(component)"), "wrong-world", &["it exports nothing"]).await;
    let newer = r#"(component (instance $i) (export "gatehouse:connector/descriptor@0.9.0" (instance $i)))"#;
    assert_refused(&wat(newer), "wrong-world", &["descriptor@0.9.0", "speaks gatehouse:connector@0.1.0"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_descriptor_or_function_is_named_with_its_signature() {
    let no_descriptor = r#"(component (instance $i) (export "gatehouse:connector/unheard-of@0.1.0" (instance $i)))"#;
    assert_refused(&wat(no_descriptor), "missing-export", &["descriptor@0.1.0", "every connector has"]).await;
    let empty = r#"(component (instance $i) (export "gatehouse:connector/descriptor@0.1.0" (instance $i)))"#;
    let says = ["lacks the function `describe`", "`describe: func() -> description`"];
    assert_refused(&wat(empty), "missing-export", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_another_type_is_shown_as_wanted_and_as_found() {
    let text = r#"(component
        (core module $m
            (memory (export "mem") 1)
            (func (export "describe") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $describe (result string) (canon lift (core func $i "describe") (memory (core memory $i "mem"))))
        (instance $d (export "describe" (func $describe)))
        (export "gatehouse:connector/descriptor@0.1.0" (instance $d)))"#;
    let says = [
        "gatehouse:connector/descriptor@0.1.0",
        "`describe`",
        "wanted: `describe: func() -> description`",
        "found: `describe: func() -> string`",
    ];
    assert_refused(&wat(text), "export-type", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_import_is_named_beside_the_known_ones() {
    for import in ["acme:secrets/vault@1.0.0", "wasi:keyvalue/store@0.2.0", "wasi:http/incoming-handler@0.2.0", "run"] {
        let text = format!(r#"(component (import "{import}" (instance)))"#);
        assert_refused(&wat(&text), "unknown-import", &[import, "wasi:http/{types,outgoing-handler}@0.2"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_asks_for_too_much_at_its_start_is_refused_by_name_of_the_limit() {
    for (module, name) in [("(memory 10000)", "memory_bytes"), ("(table 200000 funcref)", "table_elements")] {
        assert_refused(&wat(&format!("(component (core module {module}))")), "limits", &[&format!("`{name}`")]).await;
    }
    let many = "(core module (memory 1))".repeat(9);
    assert_refused(&wat(&format!("(component {many})")), "limits", &["`memories` of 8"]).await;
    let many = "(core module)".repeat(65);
    assert_refused(&wat(&format!("(component {many})")), "limits", &["`core_instances` of 64"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_describe_that_traps_loops_or_grows_is_told_as_such() {
    assert_refused(&hostile_described(1), "describe", &["`describe` failed", "trapped", "unreachable"]).await;
    assert_refused(&hostile_described(3), "describe", &["limit `memory_bytes`"]).await;
    assert_refused(&hostile_described(4), "describe", &["two different answers"]).await;
    let error = refused(&hostile_described(2), Limits { describe_ms: 300, ..Limits::default() }).await;
    assert_eq!(error.case, "describe");
    assert!(error.message.contains("limit `describe_ms` of 300 ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_while_describing() {
    let admission = sandbox(Limits::default()).admit(&hostile_described(7)).await.unwrap();
    assert_eq!(admission.connector.description.summary, "ErrorCode::HttpRequestDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_description_is_named() {
    let says = [
        "name `Not A Name`",
        "version `one` is not semver",
        "attribute `email` is defined twice",
        "attribute `email`: its suggested mapping is no template",
        "searchable attribute `unheard-of` is not defined",
        "setting `behaviour`: its default 1 is not a text",
        "credential `main` is for setting `behaviour`, which is no url setting",
        "search path `/a/../b`",
    ];
    assert_refused(&hostile_described(5), "description", &says).await;
    assert_refused(&hostile_described(8), "description", &["default `not json` is not JSON"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admitted_component_is_loaded_from_the_cache_without_compiling() {
    let directory = tempfile::tempdir().unwrap();
    let component = hostile();
    let first = Sandbox::new(config(directory.path(), Limits::default())).unwrap();
    let digest = first.admit(&component).await.unwrap().connector.digest;
    let again = without_compiler(&directory);
    again.load(digest, &component).await.unwrap();
    assert!(again.check(&Setup::new(digest, "benign").0).await.result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_cache_entry_is_compiled_anew_and_never_run() {
    let directory = tempfile::tempdir().unwrap();
    let component = hostile();
    let first = Sandbox::new(config(directory.path(), Limits::default())).unwrap();
    let digest = first.admit(&component).await.unwrap().connector.digest;
    let entry = std::fs::read_dir(directory.path().join("code")).unwrap().next().unwrap().unwrap().path();
    let genuine = std::fs::read(&entry).unwrap();
    let mut tampered = genuine.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    std::fs::write(&entry, &tampered).unwrap();

    let error = without_compiler(&directory).load(digest, &component).await.unwrap_err();
    assert_eq!(error.case, "compile", "it would have to be compiled: {error}");
    let healed = Sandbox::new(config(directory.path(), Limits::default())).unwrap();
    healed.load(digest, &component).await.unwrap();
    assert!(healed.check(&Setup::new(digest, "benign").0).await.result.is_ok());
    assert_ne!(std::fs::read(&entry).unwrap(), tampered, "the entry was replaced");
    without_compiler(&directory).load(digest, &component).await.unwrap();
}

/// A sandbox over the same cache that cannot compile anything.
fn without_compiler(directory: &tempfile::TempDir) -> Sandbox {
    let child = CompileChild { program: "/nonexistent/compiler".into(), args: Vec::new() };
    Sandbox::new(gatehouse_sandbox::SandboxConfig {
        compile_child: child,
        ..config(directory.path(), Limits::default())
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_component_that_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(config(directory.path(), Limits::default())).unwrap();
    sandbox.admit(&hostile_described(5)).await.unwrap_err();
    assert_eq!(std::fs::read_dir(directory.path().join("code")).unwrap().count(), 0);
    sandbox.admit(&hostile_described(9)).await.unwrap();
    assert_eq!(std::fs::read_dir(directory.path().join("code")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_under_a_known_digest_is_not_loaded() {
    let sandbox = sandbox(Limits::default());
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    sandbox.unload(digest);
    let error = sandbox.load(digest, &hostile_described(9)).await.unwrap_err();
    assert!(error.case == "invalid" && error.message.contains("was changed"), "{error}");
    sandbox.load(digest, &hostile()).await.unwrap();
}

async fn compiled_with(limits: Limits, child: CompileChild) -> AdmissionError {
    let directory = tempfile::tempdir().unwrap();
    let config = gatehouse_sandbox::SandboxConfig { compile_child: child, ..config(directory.path(), limits) };
    Sandbox::new(config).unwrap().admit(&hostile()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiling_child_that_hangs_is_killed() {
    let child = CompileChild { program: "/bin/sh".into(), args: vec!["-c".into(), "while :; do :; done".into()] };
    let error = compiled_with(Limits { compile_wall_ms: 300, ..Limits::default() }, child).await;
    assert_eq!(error.case, "limits");
    assert!(error.message.contains("limit `compile_wall_ms` of 300 ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiling_child_is_bound_in_memory_and_in_output() {
    let error = compiled_with(Limits { compile_memory_bytes: 48 << 20, ..Limits::default() }, compile_child()).await;
    assert!(error.case == "limits" && error.message.contains("limit `compile_memory_bytes` of 48 MiB"), "{error}");
    let error = compiled_with(Limits { compile_output_bytes: 1_000, ..Limits::default() }, compile_child()).await;
    assert!(error.case == "limits" && error.message.contains("limit `compile_output_bytes`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiling_child_that_says_something_else_is_not_believed() {
    let child = CompileChild { program: "/bin/sh".into(), args: vec!["-c".into(), "cat; echo no".into()] };
    let error = compiled_with(Limits::default(), child).await;
    assert!(error.case == "compile" && error.message.contains("compiling process failed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiling_child_inherits_no_environment() {
    let script = "echo \"seen: $(env | grep -v '^PWD=\\|^SHLVL=\\|^_=')\" >&2; exit 3";
    let child = CompileChild { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
    let error = compiled_with(Limits::default(), child).await;
    assert!(error.message.ends_with("seen:"), "{error}");
}

/// A component whose `describe` gives a type of this definition, `$last`.
fn describing(types: &str) -> Vec<u8> {
    wat(&format!(
        r#"(component {types}
            (core module $m (memory (export "mem") 1) (func (export "describe") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $describe (result $last) (canon lift (core func $i "describe") (memory (core memory $i "mem"))))
            (instance $d (export "describe" (func $describe)))
            (export "gatehouse:connector/descriptor@0.1.0" (instance $d)))"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn types_nested_without_end_cost_their_admission_only() {
    let nested = |depth: u32| {
        let types: String = (1..=depth).map(|n| format!("(type $t{n} (list $t{}))\n", n - 1)).collect();
        describing(&format!("(type $t0 (list u8)) {types} (type $last (list $t{depth}))"))
    };
    assert_refused(&nested(5), "export-type", &["list<list<list<list<list<list<list<u8>>>>>>>"]).await;
    assert_refused(&nested(100_000), "invalid", &["nesting"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_small_to_write_and_huge_to_show_is_shown_in_part() {
    let pairs: String = (1..=18).map(|n| format!("(type $t{n} (tuple $t{0} $t{0}))\n", n - 1)).collect();
    let component = describing(&format!("(type $t0 (list u8)) {pairs} (type $last (list $t18))"));
    let error = refused(&component, Limits::default()).await;
    assert_eq!(error.case, "export-type");
    assert!(error.message.len() < 10_000 && error.message.contains('…'), "{}", error.message.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiling_child_that_ends_at_its_own_limit_is_told_by_name_of_it() {
    let killed = |signal: &str| {
        let script = format!("kill -s {signal} $$");
        let child = CompileChild { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
        compiled_with(Limits { compile_cpu_ms: 7_000, ..Limits::default() }, child)
    };
    for signal in ["XCPU", "KILL"] {
        let error = killed(signal).await;
        assert_eq!(error.case, "limits", "{error}");
        let text = "limit `compile_cpu_ms` of 7 s reached; the component is too complex";
        assert!(error.message.contains(text), "{error}");
    }
    let error = killed("TERM").await;
    assert!(error.case == "compile" && !error.message.contains("compile_cpu_ms"), "{error}");
}
