//! Whole reconciliations of two sizes, in the sandbox and natively in turns, each in a process of its own on a store of
//! its own.

use super::build::Built;
use super::report::{Row, Section, Table};
use super::stats::{Series, digits, times};
use super::target::Target;
use super::{Length, progress};
use crate::step;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What the measuring program prints.
#[derive(Deserialize)]
struct Outcome {
    first: Vec<Phase>,
    second: Vec<Phase>,
    rss_before_kib: u64,
    peak_kib: u64,
    store_bytes: u64,
}

#[derive(Deserialize)]
struct Phase {
    name: String,
    seconds: f64,
    processor: f64,
    calling: f64,
    committing: f64,
    commits: u64,
}

impl Outcome {
    fn total(&self) -> f64 {
        self.first.iter().map(|phase| phase.seconds).sum()
    }

    fn processor(&self) -> f64 {
        self.first.iter().map(|phase| phase.processor).sum()
    }
}

/// Who, and how many accounts.
type Case = (bool, u32);

/// Measures.
pub fn measure(built: &Built, length: Length, directory: &Path) -> Result<Section> {
    let mut found: BTreeMap<Case, Vec<Outcome>> = BTreeMap::new();
    for accounts in length.accounts {
        let target = Target::start(built, directory, accounts)?;
        for round in 1..=length.runs {
            for native in [false, true] {
                let who = if native { "natively" } else { "in the sandbox" };
                progress(&format!("{accounts} accounts {who}: run {round} of {}", length.runs));
                let outcome = run(built, &target, directory, native, accounts)?;
                found.entry((native, accounts)).or_default().push(outcome);
            }
        }
    }
    let mut tables = Vec::new();
    for accounts in length.accounts {
        tables.push(phases(&found[&(false, accounts)], accounts));
        tables.push(totals(&found, accounts, Outcome::total, "elapsed"));
        tables.push(totals(&found, accounts, Outcome::processor, "of the host's processor time"));
    }
    tables.extend(length.accounts.map(|accounts| memory(&found, accounts)));
    Ok(Section {
        name: "reconcile",
        title: "whole reconciliations from a fast local SCIM target".to_owned(),
        tables,
        notes: notes(&found, length.accounts),
    })
}

fn run(built: &Built, target: &Target, directory: &Path, native: bool, accounts: u32) -> Result<Outcome> {
    let store = tempfile::Builder::new().prefix("reconcile-").tempdir_in(directory).context("a directory")?;
    let mut command = built.host();
    command.arg("reconcile").arg("--connector").arg(built.scim()).arg("--directory").arg(store.path());
    command.args(["--target", target.base_url(), "--token", target.token(), "--accounts", &accounts.to_string()]);
    if native {
        command.arg("--native");
    }
    serde_json::from_str(&step::read(&mut command)?).context("what the measuring program says")
}

fn per_account(seconds: f64, accounts: u32) -> f64 {
    seconds * 1e6 / f64::from(accounts)
}

/// Phase by phase, with where the time went.
fn phases(outcomes: &[Outcome], accounts: u32) -> Table {
    let mut rows = Vec::new();
    for (run, prefix) in [(0, "first run"), (1, "unchanged")] {
        let of = |outcome: &'_ Outcome| if run == 0 { outcome.first.len() } else { outcome.second.len() };
        for at in 0..outcomes.first().map_or(0, of) {
            let phases: Vec<&Phase> =
                outcomes.iter().filter_map(|o| if run == 0 { o.first.get(at) } else { o.second.get(at) }).collect();
            let Some(one) = phases.first() else { continue };
            let series = |of: fn(&Phase) -> f64| -> Series {
                phases.iter().map(|phase| per_account(of(phase), accounts)).collect()
            };
            let remark = format!(
                "processor {}; calls {}, commits {} ({} of them)",
                digits(series(|phase| phase.processor).median()),
                digits(series(|phase| phase.calling).median()),
                digits(series(|phase| phase.committing).median()),
                one.commits
            );
            rows.push(Row::new(format!("{prefix}: {}", one.name), series(|phase| phase.seconds)).remark(remark));
        }
    }
    Table { title: format!("{accounts} accounts, by phase, in the sandbox: µs an account"), rows, compared: false }
}

/// The whole first run, in the sandbox and natively: elapsed, or processor time of the host.
fn totals(found: &BTreeMap<Case, Vec<Outcome>>, accounts: u32, of: fn(&Outcome) -> f64, what: &str) -> Table {
    let row = |native, label: &str| Row::new(label, total(found, native, accounts, of));
    let rows = vec![row(true, "native connector"), row(false, "sandboxed connector")];
    Table { title: format!("{accounts} accounts, the whole first run: µs an account, {what}"), rows, compared: true }
}

fn total(found: &BTreeMap<Case, Vec<Outcome>>, native: bool, accounts: u32, of: fn(&Outcome) -> f64) -> Series {
    let outcomes = found.get(&(native, accounts)).map(Vec::as_slice).unwrap_or_default();
    outcomes.iter().map(|outcome| per_account(of(outcome), accounts)).collect()
}

fn memory(found: &BTreeMap<Case, Vec<Outcome>>, accounts: u32) -> Table {
    let outcomes = found.get(&(false, accounts)).map(Vec::as_slice).unwrap_or_default();
    let mib = |of: fn(&Outcome) -> f64| -> Series { outcomes.iter().map(of).collect() };
    let rows = vec![
        Row::new("before the run", mib(|outcome| outcome.rss_before_kib as f64 / 1024.0)),
        Row::new("peak (VmHWM)", mib(|outcome| outcome.peak_kib as f64 / 1024.0)),
        Row::new("the store's file", mib(|outcome| outcome.store_bytes as f64 / 1024.0 / 1024.0)),
    ];
    Table { title: format!("{accounts} accounts, memory of the host: MiB"), rows, compared: false }
}

/// The figures that the design names.
fn notes(found: &BTreeMap<Case, Vec<Outcome>>, accounts: [u32; 2]) -> Vec<String> {
    let elapsed = |native, accounts| total(found, native, accounts, Outcome::total).median();
    let busy = |native, accounts| total(found, native, accounts, Outcome::processor).median();
    let [small, large] = accounts;
    vec![
        format!(
            "cost per account, {large} to {small}: {} elapsed, {} of processor time (design: within 1.3x up to 1,000,000)",
            times(elapsed(false, large), elapsed(false, small)),
            times(busy(false, large), busy(false, small))
        ),
        format!(
            "speed in the sandbox to native, {large} accounts: {} elapsed, {} by processor time (design: 0.8 or more)",
            digits(elapsed(true, large) / elapsed(false, large)),
            digits(busy(true, large) / busy(false, large))
        ),
        "the host is store, engine and connector as `serve` wires them, without the HTTP API; target and host share the \
         machine's processors"
            .to_owned(),
    ]
}
