//! Limits on what a component is, and on what it takes to compile it.

use crate::report::Row;
use crate::support::tiny::{Tiny, heavy, leb};
use crate::support::{compile_child, config, hostile};
use crate::{Bench, value_of};
use gatehouse_core::ports::{AdmissionError, Connectors};
use gatehouse_core::{CallFailure, Digest, FailureKind};
use gatehouse_sandbox::{CompileChild, Limits, Sandbox, SandboxConfig};
use std::time::Instant;

pub async fn rows() -> Vec<Row> {
    let mut rows = vec![size().await];
    rows.extend(parts().await);
    rows.push(items().await);
    rows.push(output().await);
    rows.push(processor_time().await);
    rows.push(wall_time().await);
    rows.push(memory().await);
    rows.push(one_at_a_time().await);
    rows
}

/// Admits with a cache of its own, so that everything is compiled.
async fn admit(component: &[u8], limits: &Limits, child: CompileChild) -> Result<Digest, AdmissionError> {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { concurrent_calls: 2, ..limits.clone() };
    let config = SandboxConfig { compile_child: child, ..config(directory.path(), limits) };
    Ok(Sandbox::new(config).unwrap().admit(component).await?.connector.digest)
}

/// A refusal at the door, in the shape of one of a call.
fn as_failure(refused: AdmissionError) -> CallFailure {
    CallFailure::new(FailureKind::Limit, refused.message)
}

/// Adds a section: its number, then its length in five bytes, then what is in it.
fn section(component: &mut Vec<u8>, number: u8, content: &[u8]) {
    component.push(number);
    let mut length = content.len() as u32;
    for last in [false, false, false, false, true] {
        component.push((length & 0x7f) as u8 | if last { 0 } else { 0x80 });
        length >>= 7;
    }
    component.extend_from_slice(content);
}

async fn size() -> Row {
    let limits = Limits::default();
    let bench = Bench::new(limits.clone(), &Tiny::default().build()).await;
    let attempt = async |bytes: u64| {
        let mut component = Tiny::default().build();
        let mut padding = vec![0; bytes as usize - component.len() - 6];
        padding[..2].copy_from_slice(b"\x01p");
        section(&mut component, 0, &padding);
        assert_eq!(component.len() as u64, bytes);
        bench.sandbox.admit(&component).await.map(drop).map_err(as_failure)
    };
    let most = limits.component_bytes;
    bench.row("component_bytes", most, most + 1, attempt).await
}

/// A tiny connector with further instances of a further module.
fn with_instances(module: &str, modules: u64, instances: u64) -> Vec<u8> {
    let mut component = Tiny::default().build();
    let payloads = wasmparser::Parser::new(0).parse_all(&component);
    let is_module = |payload: &wasmparser::Payload<'_>| matches!(payload, wasmparser::Payload::ModuleSection { .. });
    let before = payloads.map(Result::unwrap).filter(is_module).count() as u8;
    let module = wat::parse_str(module).unwrap();
    (0..modules).for_each(|_| section(&mut component, 1, &module));
    for n in 0..instances {
        // One instance, made of a module, without arguments.
        section(&mut component, 2, &[1, 0, before + (n % modules) as u8, 0]);
    }
    component
}

/// Instances, memories and tables: declared once and instantiated often, and declared often.
async fn parts() -> Vec<Row> {
    let limits = Limits::default();
    let bench = Bench::new(limits.clone(), &Tiny::default().build()).await;
    let mut rows = Vec::new();
    for (limit, module) in
        [("core_instances", "(module)"), ("memories", "(module (memory 1))"), ("tables", "(module (table 1 funcref))")]
    {
        let tried = async |component: Vec<u8>| {
            let digest = bench.sandbox.admit(&component).await.map_err(as_failure)?.connector.digest;
            let context = crate::support::Setup::new(digest, "").0;
            bench.sandbox.check(&context).await.result.map(drop)
        };
        let often = async |n: u64| tried(with_instances(module, 1, n)).await;
        let found = bench.search(limit, 2 * value_of(&limits, limit), often).await;
        bench
            .search(limit, 2 * value_of(&limits, limit), async |n: u64| {
                tried(with_instances(module, n.max(1), n)).await
            })
            .await;
        rows.push(found);
    }
    rows
}

/// So many types in one section: counted before they are read.
async fn items() -> Row {
    let limits = Limits { component_items: 10_000, ..Limits::default() };
    let bench = Bench::new(limits.clone(), &Tiny::default().build()).await;
    let attempt = async |types: u64| {
        let mut component = Tiny::default().build();
        let mut content = leb(types as usize);
        // Each a type of its own: a list of bytes.
        (0..types).for_each(|_| content.extend([0x70, 0x7d]));
        section(&mut component, 7, &content);
        bench.sandbox.admit(&component).await.map(drop).map_err(as_failure)
    };
    bench.search("component_items", 2 * limits.component_items, attempt).await
}

/// What the compiler hands back for a component is known from the cache: exactly so much is let through.
async fn output() -> Row {
    let component = Tiny::default().build();
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(config(directory.path(), Limits { concurrent_calls: 2, ..Limits::default() })).unwrap();
    sandbox.admit(&component).await.unwrap();
    let entry = std::fs::read_dir(directory.path().join("code")).unwrap().next().unwrap().unwrap();
    // The MAC is the host's.
    let handed_back = entry.metadata().unwrap().len() - 32;
    let exact = |bytes| Limits { compile_output_bytes: bytes, ..Limits::default() };
    admit(&component, &exact(handed_back), compile_child()).await.unwrap();
    let refused = admit(&component, &exact(handed_back - 1), compile_child()).await.unwrap_err();
    let limits = exact(handed_back);
    Row::new("compile_output_bytes", &limits, handed_back, handed_back + 1, refused.message)
}

/// Processor time of children that have ended, in milliseconds (`/proc/self/stat`, fields 16 and 17).
fn of_children() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    10 * (ticks(13) + ticks(14))
}

async fn processor_time() -> Row {
    let limits = Limits { compile_cpu_ms: 1_000, ..Limits::default() };
    let (few, many) = (10, 600);
    let before = of_children();
    admit(&heavy(few), &limits, compile_child()).await.unwrap();
    let benign = of_children() - before;
    let refused = admit(&heavy(many), &limits, compile_child()).await.unwrap_err();
    let hostile = of_children() - before - benign;
    let told = |functions, ms| format!("{functions} long functions: {ms} ms");
    Row::told("compile_cpu_ms", &limits, told(few, benign), told(many, hostile), refused.message)
}

fn sh(script: &str) -> CompileChild {
    CompileChild { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
}

/// The compiler, after a script has had its way.
fn after(script: &str) -> CompileChild {
    sh(&format!("{script}; exec {}", compile_child().program.display()))
}

async fn wall_time() -> Row {
    let component = Tiny::default().build();
    let limits = Limits { compile_wall_ms: 1_000, ..Limits::default() };
    let usual = Limits::default();
    admit(&component, &usual, after("sleep 0.3")).await.unwrap();
    let started = Instant::now();
    let refused = admit(&component, &limits, after("sleep 3600")).await.unwrap_err();
    let elapsed = format!("{} ms", started.elapsed().as_millis());
    Row::told("compile_wall_ms", &limits, "a child that is slow".to_owned(), elapsed, refused.message)
}

async fn memory() -> Row {
    let mib = 1 << 20;
    let within = |bytes| Limits { compile_memory_bytes: bytes, ..Limits::default() };
    let component = hostile();
    let (mut refused, mut text) = (0, String::new());
    for bytes in [64 * mib, 128 * mib, 256 * mib, 512 * mib, 1024 * mib, 2048 * mib] {
        match admit(&component, &within(bytes), compile_child()).await {
            Ok(_) => {
                assert!(refused > 0, "even {bytes} bytes are enough");
                let told = |bytes| format!("the same component, allowed {bytes} B");
                return Row::told("compile_memory_bytes", &within(refused), told(bytes), told(refused), text);
            }
            Err(error) => (refused, text) = (bytes, error.message),
        }
    }
    panic!("never enough: {text}")
}

/// The second one waits for the first: with one place no two children are ever there together, with two there are.
async fn one_at_a_time() -> Row {
    let both = async |places: u64| {
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join("there").display().to_string();
        let script = format!(
            "mkdir {lock} || {{ echo together >&2; exit 3; }}; sleep 0.5; rmdir {lock}; echo alone >&2; exit 3"
        );
        let limits = Limits { concurrent_compilations: places, concurrent_calls: 2, ..Limits::default() };
        let config = SandboxConfig { compile_child: sh(&script), ..config(directory.path(), limits) };
        let sandbox = Sandbox::new(config).unwrap();
        let (one, other) = (Tiny::default().build(), heavy(1));
        let (one, other) = futures_util::future::join(sandbox.admit(&one), sandbox.admit(&other)).await;
        format!("{} {}", one.unwrap_err(), other.unwrap_err())
    };
    assert!(both(2).await.contains("together"));
    let text = both(1).await;
    assert!(!text.contains("together") && text.matches("alone").count() == 2, "{text}");
    let limits = Limits::default();
    let text = "limit `concurrent_compilations` of 1: the second waits until the first has ended".to_owned();
    Row::told("concurrent_compilations", &limits, "1 at a time".to_owned(), "2 (the second waits)".to_owned(), text)
}
