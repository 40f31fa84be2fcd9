//! `cargo xtask bench`: what Gatehouse costs, beside what it is compared with, in one run on one machine. It builds
//! release builds, measures in turns, and says middles, spreads and ratios; a figure by itself means nothing here.

mod build;
mod calls;
mod machine;
mod operations;
mod reconcile;
mod report;
mod startup;
mod stats;
mod target;

use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use build::{Built, Needed};
use clap::{Args, ValueEnum};
use machine::Machine;
use report::Report;
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

/// What to measure, and how long.
#[derive(Args)]
pub struct Options {
    /// Only these parts: calls, peers, reconcile, operations, startup
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// A short run that shows that everything works; its figures are not to be quoted
    #[arg(long)]
    quick: bool,
    /// Where figures and pictures go [default: <target>/bench]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A fresh sandboxed call beside bare wasmtime.
    #[value(alias = "a")]
    Calls,
    /// Collect and analyze by the account: native, sandbox, Extism, child process.
    #[value(alias = "b")]
    Peers,
    /// Whole reconciliations.
    #[value(alias = "c")]
    Reconcile,
    /// Durable operations, beside the disk.
    #[value(alias = "d")]
    Operations,
    /// From start to ready.
    #[value(alias = "e")]
    Startup,
}

/// How long and how often things are measured.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Rounds of single calls.
    rounds: usize,
    /// Length of a round of one contender.
    ms: u64,
    /// Sizes of reconciliations.
    accounts: [u32; 2],
    /// Reconciliations of each size and kind.
    runs: usize,
    /// Rounds of operations.
    operation_rounds: usize,
    /// Their length.
    operation_ms: u64,
    /// Connectors installed.
    connectors: [usize; 2],
    /// Starts of each kind.
    starts: usize,
}

const WHOLE: Length = Length {
    rounds: 31,
    ms: 50,
    accounts: [10_000, 100_000],
    runs: 3,
    operation_rounds: 7,
    operation_ms: 1_500,
    connectors: [1, 50],
    starts: 5,
};

const QUICK: Length = Length {
    rounds: 5,
    ms: 20,
    accounts: [500, 2_000],
    runs: 1,
    operation_rounds: 1,
    operation_ms: 300,
    connectors: [1, 3],
    starts: 1,
};

/// Builds, measures, prints and writes down.
///
/// # Errors
/// Something cannot be built, or does not do what it should.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let directory = options.out.clone().unwrap_or_else(|| workspace.target("bench"));
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let built = Built::all(
        workspace,
        Needed {
            host: [Part::Calls, Part::Peers, Part::Reconcile, Part::Operations].into_iter().any(wanted),
            peers: wanted(Part::Peers),
            product: wanted(Part::Startup),
            target: wanted(Part::Reconcile) || wanted(Part::Startup),
        },
    )?;
    // After the builds: what they leave in the load is on the machine, too.
    let machine = Machine::here(&directory, &workspace.workspace_root)?;
    println!("\n{}", machine.lines().join("\n"));
    let length = if options.quick { QUICK } else { WHOLE };
    let mut report = Report::new(machine, options.quick);
    for part in Part::value_variants().iter().copied().filter(|part| wanted(*part)) {
        report.add(match part {
            Part::Calls => calls::overhead(&built, length),
            Part::Peers => calls::peers(&built, length),
            Part::Reconcile => reconcile::measure(&built, length, &directory),
            Part::Operations => operations::measure(&built, length, &directory),
            Part::Startup => startup::measure(&built, length, &directory),
        }?);
    }
    let files = report.write(&directory)?;
    println!("\nWritten:");
    files.iter().for_each(|file| println!("  {}", file.display()));
    Ok(())
}

/// Says what is being measured: in place on a terminal, and nothing into a file.
fn progress(what: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[2K  … {what}\r");
        let _ = stderr.flush();
    }
}
