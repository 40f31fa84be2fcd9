//! What `cargo xtask bench` measures with: single calls (`calls`), whole reconciliations (`reconcile`), durable account
//! operations (`operations`). It prints JSON; what to make of it is for xtask to say.

mod bare;
mod calls;
mod native;
mod observed;
mod operations;
mod reconcile;
mod sandbox;
mod world;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Takes orders for rounds of single calls on stdin.
    Calls {
        /// The component.
        #[arg(long)]
        connector: PathBuf,
        /// The program that speaks JSON lines.
        #[arg(long)]
        child: PathBuf,
    },
    /// Reconciles an app twice.
    Reconcile(reconcile::Reconcile),
    /// Carries out operations on accounts.
    Operations(operations::Operations),
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(sandbox::COMPILE) {
        return gatehouse_sandbox::compile_child();
    }
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Calls { connector, child } => calls::run(&connector, &child),
        Verb::Reconcile(what) => reconcile::run(&what),
        Verb::Operations(what) => operations::run(&what),
    }
}
