//! The `gatehouse` binary: reads the command line, and hands it on.

use gatehouse_server::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    run(Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit()))
}
