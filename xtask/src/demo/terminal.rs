//! How the demo looks: numbered headings, the command as one would type it, its output as it comes (progress bars
//! included), and a table or two.

use anyhow::{Context, Result, bail};
use gatehouse_tests::{Gatehouse, typed};
use std::cell::Cell;
use std::io::Write as _;

/// Runs the demo's commands, one after the other.
#[derive(Debug)]
pub struct Terminal<'a> {
    host: &'a Gatehouse,
    heading: Cell<usize>,
}

impl<'a> Terminal<'a> {
    /// For commands against this host.
    pub fn new(host: &'a Gatehouse) -> Self {
        Self { host, heading: Cell::new(0) }
    }

    /// Begins the next part.
    pub fn heading(&self, text: &str) {
        self.heading.set(self.heading.get() + 1);
        println!("\n{}. {text}", self.heading.get());
    }

    /// Runs `gatehouse` with these arguments, separated by single spaces, and shows what it says.
    ///
    /// # Errors
    /// It fails.
    pub fn gatehouse(&self, arguments: &str) -> Result<()> {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let line = typed(&arguments);
        println!("\n$ {line}");
        std::io::stdout().flush().context("stdout")?;
        let status = self.host.command(&arguments).status().context("gatehouse cannot be started")?;
        if !status.success() {
            bail!("`{line}` ended with {status}; the host's log is {}", self.host.process().log_path().display());
        }
        Ok(())
    }

    /// Asks `gatehouse` for JSON without showing it: for checking, and for finding numbers to go on with.
    ///
    /// # Errors
    /// It fails.
    pub fn ask(&self, arguments: &str) -> Result<serde_json::Value> {
        self.host.cli_json(&arguments.split(' ').collect::<Vec<_>>())
    }
}

/// Prints rows in columns, the first row as the heading.
pub fn columns(rows: &[Vec<String>]) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
