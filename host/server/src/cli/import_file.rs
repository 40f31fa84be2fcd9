//! The file of `gatehouse user import`: its rows as they stand in it, and what is wrong with it as a whole. It never
//! says whether a row can be imported; the host does.

use super::values;
use crate::wire::ImportError;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

/// Rows of a file, ready to be sent in parts.
pub(super) struct Rows {
    pub(super) kind: &'static str,
    /// What stands before every part: the header of a CSV file.
    pub(super) header: Vec<u8>,
    /// How the host counts the first row of a part.
    pub(super) first: u64,
    /// Each row, and its number in the file.
    pub(super) rows: Vec<(u64, Vec<u8>)>,
    /// Rows about somebody whom an earlier row is about: their name, and the number of that row. The host sees one
    /// part at a time.
    pub(super) twice: HashMap<u64, (String, u64)>,
}

impl Rows {
    fn new(
        kind: &'static str,
        header: Vec<u8>,
        rows: Vec<(u64, Vec<u8>)>,
        name: impl Fn(&[u8]) -> Option<String>,
    ) -> Self {
        let mut first_of: HashMap<String, u64> = HashMap::new();
        let mut twice = HashMap::new();
        for (no, row) in &rows {
            let Some(name) = name(row).filter(|name| !name.is_empty()) else { continue };
            match first_of.entry(name.to_lowercase()) {
                Entry::Occupied(first) => drop(twice.insert(*no, (name, *first.get()))),
                Entry::Vacant(place) => drop(place.insert(*no)),
            }
        }
        let first = if header.is_empty() { 1 } else { 2 };
        Self { kind, header, first, rows, twice }
    }

    /// What is wrong with a row about somebody whom an earlier row is about.
    pub(super) fn twice(&self, no: u64) -> Option<ImportError> {
        let (name, first) = self.twice.get(&no)?;
        let why = format!("`{name}` is in row {first} already");
        Some(ImportError { row: no, column: Some("username".to_owned()), why })
    }
}

pub(super) fn read(file: &Path) -> Result<Rows> {
    let bytes = values::file(file)?;
    // Spreadsheets and editors put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => csv_rows(bytes).with_context(|| format!("{}", file.display())),
        Some("jsonl" | "ndjson") => Ok(json_rows(bytes)),
        _ => bail!("{} is neither a .csv nor a .jsonl file", file.display()),
    }
}

/// Rows as they stand in the file: cut where the reader sees the next one begin, not re-written.
fn csv_rows(bytes: &[u8]) -> Result<Rows> {
    if let Some(row) = open_quote(bytes) {
        bail!(
            "the quote that opens in row {row} is not closed; put quotes around a field with a quote in it, and two \
               quotes for that one"
        );
    }
    let cuts = cuts(bytes)?;
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
    let columns = fields(&header).unwrap_or_default();
    header.push(b'\n');
    let username = columns.iter().position(|column| column == "username");
    let name = |row: &[u8]| {
        let fields = fields(row).filter(|fields| fields.len() == columns.len())?;
        fields.get(username?).cloned()
    };
    Ok(Rows::new("text/csv", header, rows, name))
}

/// Where each row begins, in bytes.
fn cuts(bytes: &[u8]) -> Result<Vec<usize>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut cuts = Vec::new();
    while reader.read_byte_record(&mut record).context("it cannot be read as CSV")? {
        cuts.push(usize::try_from(record.position().context("a row without a place")?.byte())?);
    }
    Ok(cuts)
}

fn fields(row: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(row);
    let record = reader.records().next()?.ok()?;
    Some(record.iter().map(|field| field.trim().to_owned()).collect())
}

/// In which row a quote opens that is not closed (RFC 4180 section 2). The reader takes the rest of the file for the
/// field, and says nothing.
fn open_quote(bytes: &[u8]) -> Option<u64> {
    let (mut row, mut opened) = (1, 1);
    // Whether a quote is open, a field begins, or the byte before has closed a quote.
    let (mut open, mut begins, mut closed) = (false, true, false);
    for byte in bytes {
        let quote = *byte == b'"';
        if quote && begins {
            opened = row;
        }
        let closes = quote && open;
        // Two of them stand for one: the second opens again what the first has closed.
        open = !closes && (open || quote && (begins || closed));
        closed = closes;
        begins = !open && matches!(byte, b',' | b'\n' | b'\r');
        row += u64::from(*byte == b'\n');
    }
    open.then_some(opened)
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn json_rows(bytes: &[u8]) -> Rows {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let rows = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(no, line)| (no, line.to_vec())).collect();
    let name = |row: &[u8]| {
        let row: serde_json::Value = serde_json::from_slice(row).ok()?;
        Some(row.get("username")?.as_str()?.trim().to_owned())
    };
    Rows::new("application/jsonl", Vec::new(), rows, name)
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

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_its_row() {
        for (text, row) in [
            ("username,note\nann,\"a \"\"b\"\"\"\nbob,\"c\nd\"\ncid,5\" tall\neve,\"\"\n", None),
            ("username,note\nann,\"two\nlines\"\nbob,\"open\ncid,x\n", Some(4)),
            ("\"username\nann\n", Some(1)),
            ("username,note\nann,5\"\" tall\nbob,\"c\"d\"\n", None),
            ("username,note\nann,\"two\nlines \"\" and\nno end\n", Some(2)),
            ("username,note\nann,\"ends \"\"", Some(2)),
        ] {
            assert_eq!(open_quote(text.as_bytes()), row, "{text}");
        }
    }

    #[test]
    fn somebody_who_is_in_the_file_twice_is_told_with_both_rows() {
        let rows = csv_rows(b"email, username\n,ann\n,\"bob\nby\"\n, ANN \n,,\nann\n,ann\n").unwrap();
        let told = |no| rows.twice(no).map(|error| error.why);
        assert_eq!(told(5).as_deref(), Some("`ANN` is in row 2 already"));
        assert_eq!(told(8).as_deref(), Some("`ann` is in row 2 already"));
        assert_eq!(rows.twice.len(), 2, "rows that cannot be read are the host's to complain about");
        let rows = json_rows(b"{\"username\":\"ann\"}\n\n{\"username\":\"Ann\"}\n{}\n{}\nx\n");
        assert_eq!(rows.twice.keys().copied().collect::<Vec<_>>(), [3]);
    }
}
