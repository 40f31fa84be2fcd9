//! What a bench found, as text tables, as JSON and as pictures. It never judges: ratios are said, targets are not.

use super::machine::Machine;
use super::stats::{Series, digits, times};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// All that a bench found.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    quick: bool,
    sections: Vec<Section>,
}

/// One part of it.
#[derive(Debug, Serialize)]
pub struct Section {
    /// The word that `--only` knows it by.
    pub name: &'static str,
    /// One line.
    pub title: String,
    /// Tables, in order.
    pub tables: Vec<Table>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Measurements that are compared with one another.
#[derive(Debug, Serialize)]
pub struct Table {
    /// One line, with the unit.
    pub title: String,
    /// The lines, the one that the others are compared with first.
    pub rows: Vec<Row>,
    /// Whether they are compared at all.
    pub compared: bool,
}

/// One line of a table.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who or what.
    pub label: String,
    /// In the unit of the table.
    pub values: Series,
    /// More about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remark: String,
}

impl Row {
    /// A line without a remark.
    pub fn new(label: impl Into<String>, values: Series) -> Self {
        Self { label: label.into(), values, remark: String::new() }
    }

    /// With a remark.
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }
}

impl Table {
    /// The table as lines of aligned text: middle, middle half, ratio to the first line.
    pub fn text(&self) -> String {
        let base = self.rows.first().map_or(f64::NAN, |row| row.values.median());
        let mut lines =
            vec![["", "median", "middle half", if self.compared { "ratio" } else { "" }, ""].map(str::to_owned)];
        for row in &self.rows {
            let (median, (low, high)) = (row.values.median(), row.values.spread());
            let ratio = if self.compared { times(median, base) } else { String::new() };
            let half = format!("{} - {}", digits(low), digits(high));
            lines.push([row.label.clone(), digits(median), half, ratio, row.remark.clone()]);
        }
        format!("  {}\n{}", self.title, aligned(&lines))
    }
}

/// Columns: the first to the left, numbers to the right, the last as it is.
fn aligned(lines: &[[String; 5]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    for [label, median, half, ratio, remark] in lines {
        let [a, b, c, d] = widths;
        let line = format!("    {label:<a$}  {median:>b$}  {half:>c$}  {ratio:>d$}  {remark}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

impl Section {
    /// The section as text.
    pub fn text(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::text).collect();
        let notes: String = self.notes.iter().map(|note| format!("  * {note}\n")).collect();
        format!("{}: {}\n{}{notes}", self.name, self.title, tables.join("\n"))
    }
}

impl Report {
    /// A report of this machine.
    pub fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, sections: Vec::new() }
    }

    /// Adds a section, and prints it.
    pub fn add(&mut self, section: Section) {
        println!("\n{}", section.text());
        self.sections.push(section);
    }

    /// Writes it all: `bench.json`, `bench.txt`, and one picture for each section. The files written.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![
            (directory.join("bench.json"), serde_json::to_string_pretty(self).context("the report")?),
            (directory.join("bench.txt"), self.text()),
        ];
        for section in &self.sections {
            files.push((directory.join(format!("{}.svg", section.name)), picture(section)));
        }
        for (path, text) in &files {
            fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    fn text(&self) -> String {
        let sections: String = self.sections.iter().map(|section| format!("\n{}", section.text())).collect();
        let quick = if self.quick { "QUICK: too short to be quoted\n" } else { "" };
        format!("{}\n{quick}{sections}", self.machine.lines().join("\n"))
    }
}

const ROW: usize = 22;
const LABELS: usize = 300;
const BARS: usize = 420;

/// Bars, table by table: each as long as its share of the table's longest.
fn picture(section: &Section) -> String {
    let mut body = String::new();
    let mut y = ROW;
    let text = |body: &mut String, x: usize, y: usize, weight: &str, text: &str| {
        let _ = writeln!(body, r#"<text x="{x}" y="{y}" font-weight="{weight}">{}</text>"#, escaped(text));
    };
    text(&mut body, 8, y, "bold", &section.title);
    for table in &section.tables {
        y += ROW + ROW / 2;
        text(&mut body, 8, y, "bold", &table.title);
        let longest = table.rows.iter().map(|row| row.values.median()).fold(0.0, f64::max);
        for row in &table.rows {
            y += ROW;
            let median = row.values.median();
            let width = if longest > 0.0 { median / longest * BARS as f64 } else { 0.0 };
            text(&mut body, 24, y, "normal", &row.label);
            let _ = writeln!(
                body,
                r##"<rect x="{LABELS}" y="{}" width="{width:.1}" height="{}" fill="#4477aa"/>"##,
                y - ROW + 9,
                ROW - 8
            );
            text(&mut body, LABELS + BARS + 8, y, "normal", &digits(median));
        }
    }
    let (width, height) = (LABELS + BARS + 90, y + ROW);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
{body}</svg>
"##
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |label: &str, values: &[f64]| Row::new(label, values.iter().copied().collect());
        let rows = vec![row("native", &[1.0, 1.0, 2.0]), row("sandbox", &[3.0, 3.0, 3.0]).remark("fresh")];
        Table { title: "collect, µs".to_owned(), rows, compared: true }
    }

    #[test]
    fn a_table_says_middles_spreads_and_ratios_to_its_first_line() {
        let expected = "  collect, µs
             median  middle half  ratio
    native     1.00  1.00 - 1.50  1.00x
    sandbox    3.00  3.00 - 3.00  3.00x  fresh
";
        assert_eq!(table().text(), expected);
    }

    #[test]
    fn a_picture_has_a_bar_for_each_line_and_the_longest_is_full() {
        let section = Section { name: "calls", title: "a < b".to_owned(), tables: vec![table()], notes: Vec::new() };
        let picture = picture(&section);
        assert_eq!(picture.matches("<rect x=").count(), 2);
        assert!(picture.contains(r#"width="420.0""#) && picture.contains(r#"width="140.0""#), "{picture}");
        assert!(picture.contains("a &lt; b"));
    }
}
