//! Saying what is being done: one short line when a step begins, one with its duration when it has ended.

use anyhow::{Context, Result, bail};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Runs `work`, between a line with `what` and one with the time it took.
///
/// # Errors
/// Those of `work`.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("==> {what}");
    // Lines of ours and of the children go to the same place, in the order in which they were written.
    std::io::stdout().flush().context("stdout")?;
    let started = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    println!("    {outcome} in {:.1} s", started.elapsed().as_secs_f64());
    result
}

/// Runs a command to its end, its output going where ours goes.
///
/// # Errors
/// It cannot be started, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let line = display(command);
    let status = command.status().with_context(|| format!("`{line}` cannot be started"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command to its end, and gives its stdout; its stderr goes where ours goes.
///
/// # Errors
/// It cannot be started, fails, or writes no UTF-8.
pub fn read(command: &mut Command) -> Result<String> {
    let line = display(command);
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("`{line}` cannot be started"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{line}`"))
}

/// The command as it would be typed.
fn display(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = program.file_name().into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
