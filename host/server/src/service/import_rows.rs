//! Rows of an import, read from CSV (RFC 4180) or JSON lines. A row that cannot be read is an error with its row and
//! column, and harms no other row. It never looks at what is stored.

use crate::wire::{ImportError, Object, UserChange};
use gatehouse_core::nearest;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header that names the columns.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// One row: a user by name, and what is said of them. What is not said stays as it is.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// As a spreadsheet counts.
    pub(super) no: u64,
    /// By whom it is known.
    pub(super) username: String,
    /// What it says of them.
    pub(super) change: UserChange,
}

/// A row, or why there is none.
pub(super) type Read = Result<Row, ImportError>;

/// Columns with a meaning of their own; free attributes are `attr.<name>`.
const COLUMNS: [&str; 9] =
    ["username", "email", "first_name", "last_name", "profile", "permission_sets", "manager", "active", "frozen"];

/// What spreadsheets write between fields where a comma is part of numbers.
const SEPARATORS: [(char, &str); 2] = [(';', "semicolons"), ('\t', "tabs")];

/// What free attributes' columns begin with.
const FREE: &str = "attr.";

pub(super) fn read(format: Format, bytes: &[u8]) -> Result<Vec<Read>, ImportError> {
    // Spreadsheets and editors put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match format {
        Format::Csv => csv_rows(bytes),
        Format::JsonLines => Ok(json_rows(bytes)),
    }
}

fn error(row: u64, column: Option<&str>, why: impl Into<String>) -> ImportError {
    ImportError { row, column: column.map(str::to_owned), why: why.into() }
}

/// Spreadsheets write the encoding of their system unless they are told otherwise.
fn not_utf_8(row: u64, column: Option<&str>) -> ImportError {
    let what = if column.is_some() { "the field" } else { "the header" };
    let why = format!("{what} is not UTF-8; save the file as `CSV UTF-8`, or convert it (iconv -f latin1 -t utf-8)");
    error(row, column, why)
}

/// # Errors
/// The header is wrong: then no row means anything.
fn csv_rows(bytes: &[u8]) -> Result<Vec<Read>, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.byte_headers().map_err(|e| error(1, None, format!("the header cannot be read: {e}")))?;
    let header = csv::StringRecord::from_byte_record(header.clone()).map_err(|_| not_utf_8(1, None))?;
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let [only] = header.as_slice()
        && let Some((separator, called)) = SEPARATORS.iter().find(|(separator, _)| only.contains(*separator))
    {
        let why = format!(
            "the file looks separated by {called}: save it as CSV with commas, or put commas in the place of `{}`",
            separator.escape_default()
        );
        return Err(error(1, None, why));
    }
    check_header(&header)?;
    let rows = (2_u64..).zip(reader.byte_records()).map(|(no, record)| {
        let record = record.map_err(|e| error(no, None, e.to_string()))?;
        csv_row(no, &header, &record)
    });
    Ok(rows.collect())
}

fn check_header(header: &[String]) -> Result<(), ImportError> {
    for (at, name) in header.iter().enumerate() {
        let known = COLUMNS.contains(&name.as_str()) || name.strip_prefix(FREE).is_some_and(|free| !free.is_empty());
        if !known {
            let hint = match nearest(name, COLUMNS).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}, and `attr.<name>` for free attributes", COLUMNS.join(", ")),
            };
            return Err(error(1, Some(name), format!("there is no column `{name}`; {hint}")));
        }
        if header[..at].contains(name) {
            return Err(error(1, Some(name), format!("column `{name}` stands twice")));
        }
    }
    if header.iter().any(|name| name == "username") {
        return Ok(());
    }
    Err(error(1, Some("username"), "the header has no column `username`, by which users are known"))
}

fn csv_row(no: u64, header: &[String], record: &csv::ByteRecord) -> Read {
    if record.len() != header.len() {
        let column = header.get(record.len()).map(String::as_str);
        let why = format!(
            "the row has {} fields, and the header names {}{}",
            record.len(),
            header.len(),
            if record.len() > header.len() { "; put quotes around a field with a comma in it" } else { "" }
        );
        return Err(error(no, column, why));
    }
    let mut row = Row { no, username: String::new(), change: UserChange::default() };
    for (column, cell) in header.iter().zip(record) {
        let cell = std::str::from_utf8(cell).map_err(|_| not_utf_8(no, Some(column)))?.trim();
        put(&mut row, column, cell).map_err(|why| error(no, Some(column), why))?;
    }
    named(row)
}

/// An empty field clears what it stands for: the column is there, so it is meant.
fn put(row: &mut Row, column: &str, cell: &str) -> Result<(), String> {
    let text = Some(cell.to_owned()).filter(|cell| !cell.is_empty());
    match column {
        "username" => row.username = cell.to_owned(),
        "email" => row.change.email = Some(text),
        "first_name" => row.change.first_name = Some(text),
        "last_name" => row.change.last_name = Some(text),
        "profile" => row.change.profile = Some(text),
        "manager" => row.change.manager = Some(text),
        "permission_sets" => row.change.permission_sets = Some(parts(cell).collect()),
        "active" => row.change.active = truth(cell)?,
        "frozen" => row.change.frozen = truth(cell)?,
        free => {
            let name = free.strip_prefix(FREE).unwrap_or(free).to_owned();
            row.change.attributes.insert(name, text.map(|text| vec![text]));
        }
    }
    Ok(())
}

/// The several values of one field.
pub(super) fn parts(cell: &str) -> impl Iterator<Item = String> {
    cell.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)
}

fn truth(cell: &str) -> Result<Option<bool>, String> {
    match cell.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "yes" | "1" => Ok(Some(true)),
        "false" | "no" | "0" => Ok(Some(false)),
        _ => Err(format!("`{cell}` is neither true nor false")),
    }
}

fn named(row: Row) -> Read {
    if row.username.trim().is_empty() {
        return Err(error(row.no, Some("username"), "it is empty, and users are known by it"));
    }
    Ok(row)
}

fn json_rows(bytes: &[u8]) -> Vec<Read> {
    let lines = (1_u64..).zip(bytes.split(|byte| *byte == b'\n'));
    let filled = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    filled.map(|(no, line)| json_row(no, line)).collect()
}

fn json_row(no: u64, line: &[u8]) -> Read {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let Object(mut change): Object<UserChange> =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|bad| {
            let path = bad.path().to_string();
            let column = (path != ".").then_some(path);
            let reason = crate::api::json_reason(bad.inner());
            let why = if bad.inner().is_data() { reason } else { "the line is no JSON object".to_owned() };
            ImportError { row: no, column, why }
        })?;
    deserializer.end().map_err(|_| error(no, None, "there is something after the object"))?;
    let username = change.username.take().unwrap_or_default().trim().to_owned();
    named(Row { no, username, change })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line_of_json() {
        let read = |text: &str| read(Format::JsonLines, text.as_bytes()).unwrap().remove(0);
        assert_eq!(read("\u{feff}{\"username\": \"ann\"}").unwrap().username, "ann");
        assert!(read("{\"username\": \"ann\"\u{feff}}").is_err(), "nor is it anywhere else");
    }

    fn check(csv: &str, expected: &[&str]) {
        let rows = match read(Format::Csv, csv.as_bytes()) {
            Ok(rows) => rows,
            Err(error) => vec![Err(error)],
        };
        let told: Vec<String> = rows
            .into_iter()
            .map(|row| match row {
                Ok(row) => format!("{} {}", row.no, row.username),
                Err(e) => format!("{} {}: {}", e.row, e.column.unwrap_or_default(), e.why),
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn good_rows_are_read_around_bad_ones() {
        check(
            "username,email,active\nann,ann@example.com,true\nbob,bob@example.com\ncid,c@example.com,perhaps\n,d@example.com,no\neve,e@example.com,yes\n",
            &[
                "2 ann",
                "3 active: the row has 2 fields, and the header names 3",
                "4 active: `perhaps` is neither true nor false",
                "5 username: it is empty, and users are known by it",
                "6 eve",
            ],
        );
    }

    #[test]
    fn a_header_nobody_understands_is_refused_before_any_row() {
        check("username,emial\nann,x\n", &["1 emial: there is no column `emial`; did you mean `email`?"]);
        check("email\nx\n", &["1 username: the header has no column `username`, by which users are known"]);
        check("username,username\na,a\n", &["1 username: column `username` stands twice"]);
    }

    #[test]
    fn what_spreadsheets_write_otherwise_is_said_with_what_to_do() {
        let semicolons =
            "the file looks separated by semicolons: save it as CSV with commas, or put commas in the place of `;`";
        check("username;email\nann;a@example.com\n", &[&format!("1 : {semicolons}")]);
        let rows = |bytes: &[u8]| read(Format::Csv, bytes);
        let tabs = rows(b"username\temail\n").unwrap_err();
        assert!(tabs.why.contains("separated by tabs"), "{tabs:?}");
        let header = rows(b"username,attr.b\xfcro\nann,x\n").unwrap_err();
        assert!(header.row == 1 && header.why.contains("the header is not UTF-8; save"), "{header:?}");
        let latin = rows(b"username,last_name\nann,Lee\nbob,M\xfcller\n").unwrap();
        assert_eq!(latin[0].as_ref().unwrap().username, "ann");
        let bad = latin[1].as_ref().unwrap_err();
        assert_eq!((bad.row, bad.column.as_deref()), (3, Some("last_name")));
        assert!(bad.why.contains("save the file as `CSV UTF-8`"), "{bad:?}");
        check("\u{feff}username,email\nann,\n", &["2 ann"]);
    }

    #[test]
    fn a_column_that_is_there_and_empty_clears_and_one_that_is_not_there_does_not() {
        let rows = read(Format::Csv, "username,email,attr.desk\nann,,\n".as_bytes()).unwrap();
        let row = rows[0].as_ref().unwrap();
        assert_eq!(row.change.email, Some(None));
        assert_eq!(row.change.first_name, None);
        assert_eq!(row.change.attributes["desk"], None);
    }

    #[test]
    fn permission_sets_stand_in_one_field_and_an_empty_one_takes_them_all() {
        let csv = "username,permission_sets,frozen\nann,vpn; mail ;,true\nbob,,\n";
        let rows = read(Format::Csv, csv.as_bytes()).unwrap();
        let of = |at: usize| rows[at].as_ref().unwrap().change.clone();
        let sets = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!((of(0).permission_sets, of(0).frozen), (sets(&["mail", "vpn"]), Some(true)));
        assert_eq!((of(1).permission_sets, of(1).frozen), (sets(&[]), None));
    }

    #[test]
    fn json_lines_name_the_field_that_is_wrong() {
        let rows = read(
            Format::JsonLines,
            b"{\"username\":\"ann\"}\n\n{\"username\":\"bob\",\"active\":\"x\"}\n{\"usrname\":1}",
        );
        let rows = rows.unwrap();
        assert_eq!(rows[0].as_ref().unwrap().username, "ann");
        let bad = rows[1].as_ref().unwrap_err();
        assert_eq!((bad.row, bad.column.as_deref()), (3, Some("active")));
        assert_eq!(rows[2].as_ref().unwrap_err().row, 4);
    }

    #[test]
    fn a_line_that_is_no_object_is_no_row() {
        for line in ["[\"j9\"]", "\"j9\"", "9", "null"] {
            let rows = read(Format::JsonLines, line.as_bytes()).unwrap();
            let bad = rows[0].as_ref().unwrap_err();
            assert!(bad.why.contains("expected an object"), "{line}: {bad:?}");
        }
    }
}
