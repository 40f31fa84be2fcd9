//! The tasks around the product: `cargo xtask demo|test|soak|bench|docs|guests|layers|ci`. They build, prepare, check and
//! show; what they are about is in the product's crates, and nothing of them is shipped.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task's whole purpose is to say what it does")]

mod bench;
mod ci;
mod demo;
mod docs;
mod guests;
mod layers;
mod servers;
mod soak;
mod step;
mod testing;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

/// Gatehouse's build, test and demo tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show an administrator's first hour: a sample target, a host, and the CLI from installing a connector to
    /// provisioning people.
    Demo {
        /// Exit after the last step, instead of staying up for exploring.
        #[arg(long)]
        once: bool,
    },
    /// Build everything, check the layers and run all tests, none of them skipped where CI=true.
    Test {
        /// Arguments for `cargo test`, after `--`: `cargo xtask test -- -p gatehouse-core name`.
        #[arg(last = true)]
        cargo: Vec<String>,
    },
    /// Measure what Gatehouse costs, beside bare wasmtime, native code, Extism, a child process and the disk.
    Bench(bench::Options),
    /// Load the host with people, reconciliations, kills and a target that goes wrong, and see that nothing is lost
    /// and nothing done twice.
    Soak(soak::SoakArgs),
    /// Build the connectors for wasm32-wasip2.
    Guests,
    /// Write the examples of the OpenAPI document and docs/api.md anew.
    Docs,
    /// Check that dependencies point the way they should, and that nothing is named where it has no business.
    Layers,
    /// Check formatting, lints, layers and dependency policy: all that CI does besides testing.
    Ci,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Demo { once } => demo::run(&workspace, *once),
        Task::Test { cargo } => testing::run(&workspace, cargo),
        Task::Bench(options) => bench::run(&workspace, options),
        Task::Soak(args) => soak::run(&workspace, args),
        Task::Guests => guests::build(&workspace).map(drop),
        Task::Docs => docs::run(&workspace),
        Task::Layers => layers::run(&workspace),
        Task::Ci => ci::run(&workspace),
    }
}
