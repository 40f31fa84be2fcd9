//! `cargo xtask test`: prepares all that the tests need, runs them and a short soak, and closes with the skipped ones by name and the
//! totals over all test binaries. In CI nothing may be skipped.

use crate::soak::SoakArgs;
use crate::step::{self, step};
use crate::workspace::{Workspace, is_ci};
use crate::{guests, layers, servers, soak};
use anyhow::{Context, Result, bail};
use gatehouse_tests::artifacts;
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The host under test can be killed at named places (host/failpoints): in builds for tests alone.
pub const FAILPOINTS: &[&str] = &["--features", "gatehouse-server/failpoints"];

/// What became of the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Totals {
    /// Counts a line of a test binary's output, if it is its result: libtest's ignored tests are skipped ones.
    fn count(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number = |what: &str| {
            let parts = result.split([';', '.']).map(str::trim);
            parts.filter_map(|part| part.strip_suffix(what)?.trim().parse::<usize>().ok()).next().unwrap_or(0)
        };
        self.passed += number("passed");
        self.failed += number("failed");
        self.skipped += number("ignored");
    }

    /// Counts a test that is none of cargo's.
    fn add(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("error: {error:#}");
                self.failed += 1;
            }
        }
    }

    /// Tests that reported a skip and returned have been counted as passed.
    fn move_skipped(&mut self, count: usize) {
        self.passed = self.passed.saturating_sub(count);
        self.skipped += count;
    }
}

/// Runs the tests, with `extra` arguments for `cargo test`.
///
/// # Errors
/// Something could not be prepared, a test failed, none ran, or one was skipped in CI.
pub fn run(workspace: &Workspace, extra: &[String]) -> Result<()> {
    let started = Instant::now();
    layers::run(workspace)?;
    let guests = guests::build(workspace)?;
    let server = third_party_server(workspace)?;
    let selection = if selects_packages(extra) { Vec::new() } else { workspace.native_selection() };
    step("Building the gatehouse binary and the tests", || build(workspace, &selection))?;

    let skips = workspace.target("skipped-tests.txt");
    fs::write(&skips, "").with_context(|| skips.display().to_string())?;
    let mut command = workspace.cargo(&["test", "--no-fail-fast"]);
    command.args(&selection).args(extra);
    // Otherwise the tests of the server would put a host without them into its place.
    if !selection.is_empty() || extra.iter().any(|argument| argument.contains("gatehouse-server")) {
        command.args(FAILPOINTS);
    }
    command.env(artifacts::BIN_VARIABLE, workspace.debug_binary("gatehouse"));
    command.env(artifacts::GUESTS_VARIABLE, guests).env(artifacts::SKIPS_VARIABLE, &skips);
    if let Some(server) = server {
        command.env(artifacts::SCIM2_SERVER_VARIABLE, server);
    }
    let (mut totals, success) = step("Running the tests", || count_tests(&mut command))?;
    let skipped = skipped_tests(&skips)?;
    totals.move_skipped(skipped.len());
    if extra.is_empty() {
        totals.add(soak::soak(workspace, &SoakArgs::for_tests()));
    }
    close(totals, &skipped, started);
    verdict(totals, success, is_ci())
}

/// The third-party server. A developer without Python can do without, and sees what is skipped; CI cannot.
fn third_party_server(workspace: &Workspace) -> Result<Option<PathBuf>> {
    match servers::ensure(workspace) {
        Ok(server) => Ok(Some(server)),
        Err(error) if is_ci() => Err(error),
        Err(error) => {
            println!("    tests against third-party servers will be skipped: {error:#}");
            Ok(None)
        }
    }
}

/// Builds the binary. Where all is tested it is built together with the tests, so that the dependencies are
/// compiled once, with one set of features.
fn build(workspace: &Workspace, selection: &[String]) -> Result<()> {
    let mut command = workspace.cargo(&["build"]);
    if selection.is_empty() {
        command.args(["-p", "gatehouse-server"]);
    } else {
        command.args(selection).arg("--all-targets");
    }
    command.args(FAILPOINTS);
    step::run(&mut command)
}

fn selects_packages(extra: &[String]) -> bool {
    let own = extra.iter().take_while(|argument| *argument != "--");
    own.into_iter().any(|a| a.starts_with("-p") || a.starts_with("--package") || a == "--workspace")
}

/// Runs `cargo test`, passes its output on, and counts: the totals, and whether cargo is content.
fn count_tests(command: &mut Command) -> Result<(Totals, bool)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo test")?;
    let output = child.stdout.take().context("the output of cargo test")?;
    let mut totals = Totals::default();
    for line in BufReader::new(output).split(b'\n') {
        // A test may print anything at all.
        let line = line.context("the output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        totals.count(&line);
    }
    Ok((totals, child.wait().context("cargo test")?.success()))
}

fn skipped_tests(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut skipped: Vec<String> = text.lines().map(str::to_owned).collect();
    skipped.sort();
    skipped.dedup();
    Ok(skipped)
}

/// The closing lines; the totals are the very last.
fn close(totals: Totals, skipped: &[String], started: Instant) {
    for test in skipped {
        println!("skipped: {test}");
    }
    println!("cargo xtask test took {:.1} s", started.elapsed().as_secs_f64());
    println!("{totals}");
}

fn verdict(totals: Totals, success: bool, ci: bool) -> Result<()> {
    if totals.failed > 0 {
        bail!("{} tests failed", totals.failed);
    }
    if !success {
        bail!("cargo test did not get to its end");
    }
    if totals.passed + totals.skipped == 0 {
        bail!("no test was run");
    }
    if ci && totals.skipped > 0 {
        bail!("{} tests were skipped, and none may be with CI=true", totals.skipped);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s
test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";

    fn totals() -> Totals {
        let mut totals = Totals::default();
        OUTPUT.lines().for_each(|line| totals.count(line));
        totals
    }

    #[test]
    fn results_of_all_test_binaries_are_added_up() {
        assert_eq!(totals(), Totals { passed: 12, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_test_that_reported_a_skip_did_not_pass() {
        let mut totals = totals();
        totals.move_skipped(2);
        assert_eq!(totals.to_string(), "10 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn a_test_that_is_none_of_cargos_counts_as_one() {
        let mut totals = totals();
        totals.add(Ok(()));
        totals.add(Err(anyhow::anyhow!("lost")));
        assert_eq!(totals, Totals { passed: 13, failed: 3, skipped: 1 });
    }

    #[test]
    fn a_skip_is_an_error_in_ci_and_only_there() {
        let totals = Totals { passed: 1, failed: 0, skipped: 1 };
        assert!(verdict(totals, true, false).is_ok());
        assert!(verdict(totals, true, true).is_err());
    }

    #[test]
    fn no_test_at_all_or_a_build_that_fails_is_no_success() {
        assert!(verdict(Totals::default(), true, false).is_err());
        assert!(verdict(Totals { passed: 3, ..Totals::default() }, false, false).is_err());
        assert!(verdict(Totals { passed: 3, ..Totals::default() }, true, true).is_ok());
    }

    #[test]
    fn packages_named_by_the_caller_take_the_place_of_the_whole_workspace() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(selects_packages(&args("-p gatehouse-core name")));
        assert!(!selects_packages(&args("name")));
        assert!(!selects_packages(&args("name -- -p")), "that one is for the test binary");
    }
}
