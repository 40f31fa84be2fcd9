//! `cargo xtask layers`: proves from the resolved dependency graph and from the sources that dependencies point one
//! way and that nothing is named where it has no business (invariants 4 and 5 of ARCHITECTURE.md). Each rule is a
//! row of a table, each check one line of output.

mod bans;
mod graph;
mod sources;

use crate::step::{self, step};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::fs;

/// A rule that was checked, and what breaks it.
#[derive(Debug)]
pub struct Check {
    /// The rule, as a statement.
    pub rule: String,
    /// What breaks it; empty if it holds.
    pub violations: Vec<String>,
}

/// Checks all rules, as a step of its own.
///
/// # Errors
/// A rule is broken, or the tree cannot be read.
pub fn run(workspace: &Workspace) -> Result<()> {
    step("Checking the layers", || check(workspace))
}

/// Checks all rules, and prints a line for each.
///
/// # Errors
/// A rule is broken, or the tree cannot be read.
pub fn check(workspace: &Workspace) -> Result<()> {
    let policy = fs::read_to_string(workspace.workspace_root.join("deny.toml")).context("deny.toml")?;
    let mut checks = graph::check(workspace);
    checks.push(bans::check(workspace, &policy)?);
    checks.extend(sources::check(&files(workspace)?, &foreign_paths(workspace)));
    let mut broken = 0;
    for Check { rule, violations } in &checks {
        println!("{}: {rule}", if violations.is_empty() { "ok" } else { "BROKEN" });
        violations.iter().for_each(|violation| println!("    {violation}"));
        broken += usize::from(!violations.is_empty());
    }
    if broken > 0 { bail!("{broken} of {} rules are broken", checks.len()) } else { Ok(()) }
}

/// The files of the repository, those not yet committed included, as path and text. Files that are no text are left
/// out.
fn files(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(&workspace.workspace_root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let list = step::read(&mut git)?;
    let read = |path: &str| Some((path.to_owned(), fs::read_to_string(workspace.workspace_root.join(path)).ok()?));
    Ok(list.lines().filter_map(read).collect())
}

/// Paths of this machine, which belong in no file of the repository.
fn foreign_paths(workspace: &Workspace) -> Vec<String> {
    let parent = workspace.workspace_root.parent().map(|path| path.display().to_string());
    let home = std::env::var("HOME").ok();
    // `/` alone, or the folder for temporary files, which tests name as any program does, would be found everywhere.
    let temporary = std::env::temp_dir().display().to_string();
    let telling = |path: &String| path.len() > 3 && *path != temporary;
    parent.into_iter().chain(home).filter(telling).map(|path| format!("{path}/")).collect()
}
