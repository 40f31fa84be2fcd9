//! `cargo xtask demo`: a sample target (a third-party SCIM server), a host with an empty store, and an
//! administrator's first hour through the CLI. Nothing of it is in the product, and nothing of it stays behind.

mod compare;
mod expected;
mod script;
mod seed;
mod terminal;

use crate::step::{self, step};
use crate::workspace::Workspace;
use crate::{guests, servers};
use anyhow::{Context, Result};
use gatehouse_tests::{Gatehouse, Scim2Server, Target as _, stop_all_on_interrupt};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use terminal::Terminal;

pub use terminal::columns;

/// The token of the sample target, which lives on loopback for as long as the demo.
const TARGET_TOKEN: &str = "sample-target-token-5f1d";

/// Exit code of a program that Ctrl-C has interrupted.
const INTERRUPTED: i32 = 130;

/// Builds what is needed, starts everything, plays the script; then stays up until Ctrl-C, unless `once`.
///
/// # Errors
/// Something cannot be prepared, a command fails, or the outcome is not as expected.
pub fn run(workspace: &Workspace, once: bool) -> Result<()> {
    let guests = guests::build(workspace)?;
    servers::ensure(workspace)?;
    step("Building the gatehouse binary", || step::run(&mut workspace.cargo(&["build", "-p", "gatehouse-server"])))?;

    let directory = tempfile::Builder::new().prefix("gatehouse-demo-").tempdir().context("a temporary directory")?;
    let exploring = stop_on_interrupt(directory.path())?;
    let outcome = show(directory.path(), &guests, |host| {
        if !once {
            exploring.store(true, Ordering::Relaxed);
            stay_up(workspace, host, directory.path());
        }
    });
    if outcome.is_err() {
        eprintln!("\nFiles and logs of this demo are kept in {}.", directory.keep().display());
    }
    outcome
}

/// Starts target and host, plays the script, then does what is to be done at its end.
fn show(directory: &Path, guests: &Path, at_the_end: impl Fn(&Gatehouse)) -> Result<()> {
    let entries = seed::entries();
    let target = step("Starting a sample SCIM target and filling it", || {
        let target = Scim2Server::start(directory, TARGET_TOKEN)?;
        println!("    {} accounts at {}", seed::fill(&target, &entries)?, target.base_url());
        Ok(target)
    })?;
    write_files(directory, guests, &entries)?;
    let host = step("Starting gatehouse on an empty store", || Gatehouse::start(directory))?;
    println!("    {} in {}", host.url(), directory.display());
    script::play(&Terminal::new(&host), &target, &entries)?;
    at_the_end(&host);
    host.stop().map(drop)
}

/// On Ctrl-C everything ends and the directory goes; that is a success once the script is through.
fn stop_on_interrupt(directory: &Path) -> Result<Arc<AtomicBool>> {
    let exploring = Arc::new(AtomicBool::new(false));
    let (through, directory) = (Arc::clone(&exploring), directory.to_owned());
    stop_all_on_interrupt(move || {
        // Best effort: it is a temporary directory, and the program is about to end.
        let _ = fs::remove_dir_all(&directory);
        if through.load(Ordering::Relaxed) { 0 } else { INTERRUPTED }
    })?;
    Ok(exploring)
}

/// The files that the commands of the script name.
fn write_files(directory: &Path, guests: &Path, entries: &[seed::Entry]) -> Result<()> {
    let write = |name: &str, text: String| {
        fs::write(directory.join(name), text).with_context(|| format!("{name} in {}", directory.display()))
    };
    write("users.csv", seed::users_csv(entries))?;
    write("app.json", format!("{:#}\n", script::configuration()))?;
    write("approvals.json", format!("{:#}\n", script::with_approvals()))?;
    write("target-token", TARGET_TOKEN.to_owned())?;
    fs::copy(guests.join("scim.wasm"), directory.join("scim.wasm")).context("scim.wasm")?;
    Ok(())
}

/// Says how to go on by hand, and waits for Ctrl-C, whose handler ends the program.
fn stay_up(workspace: &Workspace, host: &Gatehouse, directory: &Path) {
    println!("\nEverything stays up for exploring, until Ctrl-C. In another terminal:\n");
    println!("  export GATEHOUSE_SERVER={} GATEHOUSE_TOKEN={}", host.url(), host.token());
    println!("  {} account list directory", workspace.debug_binary("gatehouse").display());
    println!("\nFiles and logs are in {}.", directory.display());
    loop {
        std::thread::park();
    }
}
