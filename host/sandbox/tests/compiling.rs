//! The compiling child by itself: bound by the resource limits it is handed, before it looks at the component.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use support::tiny::heavy;

fn compile(limits: &str, component: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse-compile"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = [limits.as_bytes(), b"\n", component].concat();
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

#[test]
fn a_component_comes_back_as_machine_code() {
    let output = compile("{}", &heavy(1));
    assert!(output.status.success() && output.stdout.starts_with(b"gatehouse-compiled\n{\"imports\":"), "{output:?}");
}

#[test]
fn a_component_that_takes_too_long_is_killed_by_its_own_limit() {
    let output = compile(r#"{"compile_cpu_ms": 1000}"#, &heavy(600));
    let signal = output.status.signal().unwrap();
    assert!([9, 24].contains(&signal), "SIGKILL or SIGXCPU, not {signal}");
    assert!(output.stdout.is_empty());
}

#[test]
fn what_is_no_component_is_refused_and_not_a_crash() {
    let output = compile("{}", b"\0asm nonsense");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn limits_that_cannot_be_read_are_not_ignored() {
    for limits in ["", "no json", r#"{"unheard_of": 1}"#] {
        let output = compile(limits, &heavy(1));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty());
    }
}
