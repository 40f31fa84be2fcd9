//! Durable operations on accounts, beside what the disk can do.

use super::build::Built;
use super::report::{Row, Section, Table};
use super::stats::Series;
use super::{Length, progress};
use crate::step;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Round {
    in_flight: usize,
    operations_per_second: f64,
    commits: f64,
    claims: f64,
    commit_us: f64,
    syncs_per_second: f64,
}

/// Measures.
pub fn measure(built: &Built, length: Length, directory: &Path) -> Result<Section> {
    let store = tempfile::Builder::new().prefix("operations-").tempdir_in(directory).context("a directory")?;
    progress("operations one at a time and 64 at a time, and the disk's syncs, in turns");
    let mut command = built.host();
    command.arg("operations").arg("--connector").arg(built.connector()).arg("--directory").arg(store.path());
    command.args(["--rounds", &length.operation_rounds.to_string(), "--ms", &length.operation_ms.to_string()]);
    let rounds: Vec<Round> =
        serde_json::from_str(&step::read(&mut command)?).context("what the measuring program says")?;
    let of = |in_flight: usize, value: fn(&Round) -> f64| -> Series {
        rounds.iter().filter(|round| round.in_flight == in_flight).map(value).collect()
    };
    let syncs = rounds.iter().map(|round| round.syncs_per_second).collect();
    let row = |in_flight: usize| {
        let remark = format!(
            "{:.1} commits and {:.1} claims an operation, {:.0} µs a commit",
            of(in_flight, |round| round.commits).median(),
            of(in_flight, |round| round.claims).median(),
            of(in_flight, |round| round.commit_us).median(),
        );
        Row::new(format!("operations, {in_flight} in flight"), of(in_flight, |r| r.operations_per_second))
            .remark(remark)
    };
    let rows = vec![Row::new("fdatasync of 4 KiB", syncs), row(1), row(64)];
    Ok(Section {
        name: "operations",
        title: "durable account operations through the whole state machine, beside the disk".to_owned(),
        tables: vec![Table { title: "a second".to_owned(), rows, compared: true }],
        notes: vec![
            "an operation is a Deactivate or Activate from asking to Completed: planned, sealed, claimed, attempt started, \
             connector called in the sandbox, account and audit record written. The connector answers at once"
                .to_owned(),
        ],
    })
}
