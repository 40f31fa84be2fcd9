//! The `gatehouse` binary: reads the command line, and hands it on.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse_server::cli::run(gatehouse_server::cli::Cli::parse())
}
