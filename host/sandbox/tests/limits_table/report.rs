//! The table as people and as programs read it.

use crate::value_of;
use gatehouse_sandbox::{Limits, Unit};
use std::fmt::Write as _;
use std::path::Path;

/// A limit, and what was found out about it.
#[derive(Debug)]
pub struct Row {
    pub limit: &'static str,
    value: String,
    benign: String,
    refused: String,
    text: String,
}

impl Row {
    /// A row whose twins differ in an amount. The text must name the limit.
    pub fn new(limit: &'static str, limits: &Limits, benign: u64, refused: u64, text: String) -> Self {
        let unit = limits.table().into_iter().find(|row| row.name == limit).unwrap().unit;
        Self::told(limit, limits, amount(unit, benign), amount(unit, refused), text)
    }

    /// A row whose twins are told in words.
    pub fn told(limit: &'static str, limits: &Limits, benign: String, refused: String, text: String) -> Self {
        let named = text.contains(&format!("limit `{limit}` of ")) || text.contains("dropped ") || text.ends_with('…');
        assert!(named, "{limit} is not named in: {text}");
        let (value, usual) = (value_of(limits, limit), value_of(&Limits::default(), limit));
        let unit = limits.table().into_iter().find(|row| row.name == limit).unwrap().unit;
        let mut shown = amount(unit, value);
        if value != usual {
            let _ = write!(shown, " (usually {})", amount(unit, usual));
        }
        Self { limit, value: shown, benign, refused, text }
    }
}

fn amount(unit: Unit, value: u64) -> String {
    match unit {
        Unit::Bytes => format!("{value} B"),
        Unit::Milliseconds => format!("{value} ms"),
        Unit::Count => value.to_string(),
    }
}

/// Writes both reports next to the build; the one for people.
pub fn write(rows: &[Row]) -> String {
    let mut text = String::new();
    let header = ["limit", "value", "benign twin at", "refused at", "text of the refusal"];
    let cells = |row: &Row| {
        [row.limit.to_owned(), row.value.clone(), row.benign.clone(), row.refused.clone(), row.text.clone()]
    };
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..4).map(width).collect();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        let last: String = line[4].chars().take(160).collect();
        let _ = writeln!(text, "{last}");
    }
    let json: Vec<_> = rows
        .iter()
        .map(|row| {
            let Row { limit, value, benign, refused, text } = row;
            serde_json::json!({"limit": limit, "value": value, "benign": benign, "refused": refused, "text": text})
        })
        .collect();
    let target = Path::new(env!("CARGO_BIN_EXE_gatehouse-compile")).ancestors().nth(2).unwrap();
    let reports = target.join("reports");
    std::fs::create_dir_all(&reports).unwrap();
    std::fs::write(reports.join("limits.txt"), &text).unwrap();
    std::fs::write(reports.join("limits.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    text
}
