//! `cargo xtask ci`: what CI checks besides the tests. Every check runs, so that one run tells all that is wrong.

use crate::guests::{WASM_TARGET, ensure_wasm_target};
use crate::step::{self, step};
use crate::workspace::Workspace;
use crate::{layers, testing};
use anyhow::{Result, bail};
use std::process::{Command, Stdio};

type Run = fn(&Workspace) -> Result<()>;

/// Runs all checks.
///
/// # Errors
/// Any of them failed; they are named.
pub fn run(workspace: &Workspace) -> Result<()> {
    ensure_wasm_target()?;
    let checks: [(&str, Run); 6] = [
        ("Formatting", |w| step::run(&mut w.cargo(&["fmt", "--all", "--check"]))),
        ("Layers", layers::check),
        ("Licences, bans and sources of dependencies", dependency_policy),
        ("Lints", lint),
        ("Lints of the guests", lint_guests),
        ("The bench compiles", check_bench),
    ];
    let mut failed = Vec::new();
    for (what, check) in checks {
        if let Err(error) = step(what, || check(workspace)) {
            eprintln!("error: {error:#}");
            failed.push(what.to_lowercase());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("these checks failed: {}", failed.join(", ")) }
}

fn lint(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(&["clippy"]);
    command.args(workspace.native_selection()).arg("--all-targets").args(testing::FAILPOINTS);
    command.args(["--", "-D", "warnings"]);
    step::run(&mut command)
}

fn lint_guests(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(&["clippy", "--target", WASM_TARGET]);
    command.args(workspace.guests().iter().flat_map(|guest| ["-p", &guest.name]));
    step::run(command.args(["--", "-D", "warnings"]))
}

/// What measures is a workspace of its own, which nothing else builds. The peers are left out: they hang on nothing that
/// changes here.
fn check_bench(workspace: &Workspace) -> Result<()> {
    let mut command =
        workspace.cargo(&["check", "--manifest-path", "bench/Cargo.toml", "-p", "bench-host", "--locked"]);
    step::run(command.args(["--target-dir", "target/bench-check"]))
}

/// The whole of deny.toml, where cargo-deny is installed; its bans are among the layer checks anyway. Advisories are
/// left out: their database is no package of a registry.
fn dependency_policy(workspace: &Workspace) -> Result<()> {
    let mut version = Command::new("cargo-deny");
    let installed = version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("    skipped: cargo-deny is not installed (`cargo install cargo-deny`)");
        return Ok(());
    }
    step::run(&mut workspace.cargo(&["deny", "check", "licenses", "bans", "sources"]))
}
