//! `gatehouse user import`: sends a file in parts, shows how far it is, and tells which rows were wrong. The parts are
//! a matter of progress alone: rows are numbered as in the file, and a manager may stand anywhere in it.

use super::render::{line, table, text};
use super::{Outcome, Session, values, wait};
use crate::wire::{ImportError, ImportReport};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Rows in a part.
const PART: usize = 500;

/// Rows that are complained about one by one in a table; JSON has them all.
const SHOWN: usize = 50;

/// Rows of a file, ready to be sent in parts.
struct Rows {
    kind: &'static str,
    /// What stands before every part: the header of a CSV file.
    header: Vec<u8>,
    /// How the host counts the first row of a part.
    first: u64,
    /// Each row, and its number in the file.
    rows: Vec<(u64, Vec<u8>)>,
}

pub(super) fn run(session: &Session, file: &Path, all_or_nothing: bool, dry_run: bool) -> Result<Outcome> {
    let rows = read(file)?;
    let report = if all_or_nothing || dry_run {
        // Only the host can say of all rows at once whether they are good.
        let all: Vec<_> = rows.rows.iter().collect();
        send(session, &rows, &all, if all_or_nothing { "all_or_nothing" } else { "each" }, dry_run)?
    } else {
        in_parts(session, &rows)?
    };
    let failed = report.failed > 0;
    let json = serde_json::to_value(&report).context("the report")?;
    session.out.show(&json, |_| tell(&report, file, all_or_nothing, dry_run));
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
    for part in rows.rows.chunks(PART) {
        let part: Vec<_> = part.iter().collect();
        let report = send(session, rows, &part, "each", false).with_context(|| interrupted(&total, last))?;
        last = part.last().map(|(no, _)| *no).or(last);
        done += part.len() as u64;
        progress.count("rows imported", done, Some(rows.rows.len() as u64));
        let (managers, errors): (Vec<_>, Vec<_>) =
            report.errors.iter().cloned().partition(|error| error.column.as_deref() == Some("manager"));
        add(&mut total, &report, errors);
        later.extend(part.into_iter().filter(|(no, _)| managers.iter().any(|error| error.row == *no)));
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
    Ok(total)
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
    total.errors.extend(errors);
}

/// Sends some rows; the report's numbers are those of the file.
fn send(session: &Session, rows: &Rows, part: &[&(u64, Vec<u8>)], mode: &str, dry_run: bool) -> Result<ImportReport> {
    let mut body = rows.header.clone();
    for (_, row) in part {
        body.extend_from_slice(row);
        body.push(b'\n');
    }
    let path = format!("/api/v1/users/import?mode={mode}&dry_run={dry_run}");
    let answer = session.client.upload(&path, rows.kind, body)?;
    let mut report: ImportReport = serde_json::from_value(answer).context("the host's report")?;
    for error in &mut report.errors {
        let at = error.row.checked_sub(rows.first).and_then(|at| usize::try_from(at).ok());
        error.row = at.and_then(|at| part.get(at)).map_or(error.row, |(no, _)| *no);
    }
    Ok(report)
}

fn read(file: &Path) -> Result<Rows> {
    let bytes = values::file(file)?;
    match file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => csv_rows(&bytes).with_context(|| format!("{}", file.display())),
        Some("jsonl" | "ndjson") => Ok(json_rows(&bytes)),
        _ => bail!("{} is neither a .csv nor a .jsonl file", file.display()),
    }
}

/// Rows as they stand in the file: cut where the reader sees the next one begin, not re-written.
fn csv_rows(bytes: &[u8]) -> Result<Rows> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut cuts = Vec::new();
    while reader.read_byte_record(&mut record).context("it cannot be read as CSV")? {
        cuts.push(usize::try_from(record.position().context("a row without a place")?.byte())?);
    }
    let ends = cuts.iter().skip(1).copied().chain(std::iter::once(bytes.len()));
    let mut line = 1;
    let mut rows = Vec::with_capacity(cuts.len());
    for (from, to) in cuts.iter().copied().zip(ends) {
        // Blank lines before a row are skipped with it, and counted.
        let row = bytes[from..to].trim_ascii_start();
        let begins = to - row.len();
        line += breaks(&bytes[from..begins]);
        rows.push((line, row.trim_ascii_end().to_vec()));
        line += breaks(&bytes[begins..to]);
    }
    if rows.is_empty() {
        bail!("the file is empty; its first row names the columns");
    }
    let mut header = rows.remove(0).1;
    header.push(b'\n');
    Ok(Rows { kind: "text/csv", header, first: 2, rows })
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn json_rows(bytes: &[u8]) -> Rows {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let rows = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(no, line)| (no, line.to_vec())).collect();
    Rows { kind: "application/jsonl", header: Vec::new(), first: 1, rows }
}

fn tell(report: &ImportReport, file: &Path, all_or_nothing: bool, dry_run: bool) {
    if !report.errors.is_empty() {
        let row = |e: &ImportError| vec![e.row.to_string(), e.column.clone().unwrap_or_default(), e.why.clone()];
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_cut_where_they_begin_also_with_line_breaks_and_blank_lines_in_between() {
        let rows = csv_rows(b"username,attr.note\nann,\"two\nlines\"\n\nbob,\n").unwrap();
        assert_eq!(rows.header, b"username,attr.note\n");
        let told: Vec<_> = rows.rows.iter().map(|(no, row)| (*no, String::from_utf8_lossy(row).into_owned())).collect();
        assert_eq!(told, [(2, "ann,\"two\nlines\"".to_owned()), (5, "bob,".to_owned())]);
    }

    #[test]
    fn an_empty_file_is_refused() {
        assert!(csv_rows(b"").is_err());
    }
}
