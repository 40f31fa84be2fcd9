//! `gatehouse user import`: sends a file in parts, shows how far it is, and tells which rows were wrong. The parts are
//! a matter of progress alone: rows are numbered as in the file, and a manager may stand anywhere in it.

use super::import_file::{Rows, read};
use super::render::{line, table, text};
use super::{Outcome, Session, wait};
use crate::wire::{ImportError, ImportReport, RowOutcome, RowResult};
use anyhow::{Context, Result};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Rows in a part.
const PART: usize = 500;

/// Rows that are complained about one by one in a table; JSON has them all.
const SHOWN: usize = 50;

/// Characters of a value that are shown where it is complained about.
const VALUE: usize = 60;

/// How to import.
pub(super) struct How {
    pub(super) all_or_nothing: bool,
    pub(super) dry_run: bool,
    /// Where what came of each row is to be written.
    pub(super) report: Option<PathBuf>,
}

pub(super) fn run(session: &Session, file: &Path, how: &How) -> Result<Outcome> {
    let How { all_or_nothing, dry_run, report: to } = how;
    let rows = read(file)?;
    let mut report = if *all_or_nothing || *dry_run {
        // Only the host can say of all rows at once whether they are good.
        let all: Vec<_> = rows.rows.iter().collect();
        send(session, &rows, &all, if *all_or_nothing { "all_or_nothing" } else { "each" }, *dry_run)?
    } else {
        in_parts(session, &rows)?
    };
    let failed = report.failed > 0;
    let outcomes = std::mem::take(&mut report.outcomes);
    if let Some(to) = to {
        write_report(to, &outcomes, &report.errors).with_context(|| format!("the report {}", to.display()))?;
    }
    let json = serde_json::to_value(&report).context("the report")?;
    session.out.show(&json, |_| tell(&report, file, *all_or_nothing, *dry_run));
    if !failed {
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Failed)
}

fn in_parts(session: &Session, rows: &Rows) -> Result<ImportReport> {
    let progress = wait::Progress::new();
    let mut total = ImportReport { rows: rows.rows.len() as u64, nothing_written: true, ..ImportReport::default() };
    let mut later: Vec<&(u64, Vec<u8>)> = Vec::new();
    let mut done = 0;
    let mut last = None;
    // A file without rows is one part, too: its header may be wrong.
    let parts: Vec<&[(u64, Vec<u8>)]> = if rows.rows.is_empty() { vec![&[]] } else { rows.rows.chunks(PART).collect() };
    for part in parts {
        let once: Vec<_> = part.iter().filter(|(no, _)| !rows.twice.contains_key(no)).collect();
        let report = send(session, rows, &once, "each", false).with_context(|| interrupted(&total, last))?;
        if report.errors.iter().any(|error| error.row < rows.first) {
            // The header is wrong: no row means anything.
            return Ok(ImportReport { rows: total.rows, ..report });
        }
        last = part.last().map(|(no, _)| *no).or(last);
        total.errors.extend(part.iter().filter_map(|(no, _)| rows.twice(*no)));
        done += part.len() as u64;
        progress.count("rows imported", done, Some(rows.rows.len() as u64));
        let (managers, errors): (Vec<_>, Vec<_>) =
            report.errors.iter().cloned().partition(|error| error.column.as_deref() == Some("manager"));
        add(&mut total, &report, errors);
        later.extend(once.into_iter().filter(|(no, _)| managers.iter().any(|error| error.row == *no)));
    }
    // Rows whose manager came after them, in a part of its own: again, until nothing more comes of it.
    while !later.is_empty() {
        let before = later.len();
        let mut errors = Vec::new();
        for part in later.chunks(PART) {
            let report = send(session, rows, part, "each", false).with_context(|| {
                let first = later.first().map(|(no, _)| *no);
                format!("{}, but some from row {} on", interrupted(&total, last), first.unwrap_or_default())
            })?;
            add(&mut total, &report, Vec::new());
            errors.extend(report.errors);
        }
        later.retain(|(no, _)| errors.iter().any(|error| error.row == *no));
        if later.len() == before {
            total.errors.append(&mut errors);
            break;
        }
    }
    progress.end();
    total.errors.sort_by_key(|error| error.row);
    total.failed = total.errors.len() as u64;
    total.outcomes.retain(|outcome| outcome.result != RowResult::Failed);
    Ok(total)
}

/// A line for each row: what came of it, and what was wrong with it.
fn write_report(to: &Path, outcomes: &[RowOutcome], errors: &[ImportError]) -> Result<()> {
    let good = outcomes.iter().filter(|outcome| outcome.result != RowResult::Failed);
    let good = good.map(|of| (of.row, json!({"row": of.row, "result": of.result, "username": of.username})));
    let bad = errors.iter().map(|error| {
        let line = json!({"row": error.row, "result": RowResult::Failed, "column": error.column, "why": error.why});
        (error.row, line)
    });
    let mut lines: Vec<_> = good.chain(bad).collect();
    lines.sort_by_key(|(row, _)| *row);
    let mut text = String::new();
    for (_, line) in lines {
        writeln!(text, "{line}")?;
    }
    Ok(std::fs::write(to, text)?)
}

/// What has been done when an import comes to no end: up to which row, and what to do.
fn interrupted(total: &ImportReport, last: Option<u64>) -> String {
    let again = "importing the file again is safe: what is imported already stays as it is";
    match last {
        None => format!("the import was interrupted in its first rows; {again}"),
        Some(row) => format!(
            "the import was interrupted; {again}. Imported up to row {row} ({} made, {} changed, {} wrong so far)",
            total.created,
            total.updated,
            total.errors.len()
        ),
    }
}

fn add(total: &mut ImportReport, part: &ImportReport, errors: Vec<ImportError>) {
    total.created += part.created;
    total.updated += part.updated;
    total.unchanged += part.unchanged;
    total.nothing_written &= part.nothing_written;
    total.outcomes.extend(part.outcomes.iter().cloned());
    total.errors.extend(errors);
}

/// Sends some rows; the report's numbers are those of the file.
fn send(session: &Session, rows: &Rows, part: &[&(u64, Vec<u8>)], mode: &str, dry_run: bool) -> Result<ImportReport> {
    let mut body = rows.header.clone();
    for (_, row) in part {
        body.extend_from_slice(row);
        body.push(b'\n');
    }
    let path = format!("/api/v1/users/import?mode={mode}&dry_run={dry_run}&outcomes=true");
    let answer = session.client.upload(&path, rows.kind, body)?;
    let mut report: ImportReport = serde_json::from_value(answer).context("the host's report")?;
    let in_file = |row: u64| {
        let at = row.checked_sub(rows.first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| part.get(at)).map_or(row, |(no, _)| *no)
    };
    report.outcomes.iter_mut().for_each(|outcome| outcome.row = in_file(outcome.row));
    for error in &mut report.errors {
        error.row = in_file(error.row);
        // The host tells of another row by its own count.
        if error.column.as_deref() == Some("username")
            && let Some(twice) = rows.twice(error.row)
        {
            *error = twice;
        }
    }
    Ok(report)
}

fn tell(report: &ImportReport, file: &Path, all_or_nothing: bool, dry_run: bool) {
    if !report.errors.is_empty() {
        let row = |e: &ImportError| {
            vec![e.row.to_string(), cut(e.column.as_deref().unwrap_or_default()), with_values_cut(&e.why)]
        };
        table(&["ROW", "COLUMN", "WHAT IS WRONG"], report.errors.iter().take(SHOWN).map(row).collect());
        if report.errors.len() > SHOWN {
            line(&format!("… and {} more; --output json has all of them", report.errors.len() - SHOWN));
        }
        line("");
    }
    let name = text(&file.display().to_string().into());
    let counts = format!(
        "{} made, {} changed, {} as they were, {} wrong",
        report.created, report.updated, report.unchanged, report.failed
    );
    line(&match (all_or_nothing && report.failed > 0, dry_run) {
        (true, _) => {
            format!("{name}: nothing was imported, because {} of {} rows are wrong", report.failed, report.rows)
        }
        (false, true) => format!("{name}: {counts}; a dry run, nothing was imported"),
        (false, false) => format!("{name}: {counts}"),
    });
}

/// What is wrong, with the values in it cut: what was pasted into a wrong place can be as long as a book.
fn with_values_cut(why: &str) -> String {
    // Every other piece stands between two marks.
    let pieces = why.split('`').enumerate();
    let shown = pieces.map(|(at, piece)| if at % 2 == 1 { cut(piece) } else { piece.to_owned() });
    shown.collect::<Vec<_>>().join("`")
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_what_is_said_of_it_is_not() {
        let why = format!("`{}` is neither true nor false", "ü".repeat(3000));
        assert_eq!(with_values_cut(&why), format!("`{}…` is neither true nor false", "ü".repeat(VALUE)));
        let why = "there is no user `nobody`, neither in the directory nor among the rows that can be imported";
        assert_eq!(with_values_cut(why), why);
    }
}
