//! What people and programs see: tables, lists of facts, JSON. Whatever people see goes through [`visible`], because
//! names and errors come from targets, which are not trusted with a terminal. Never a decision, never a call.
#![allow(clippy::print_stdout, clippy::print_stderr)] // the one place that prints

use super::client::Refusal;
use crate::text::visible;
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use console::Term;
use serde_json::{Value as Json, json};
use std::io::Write as _;

/// The widest cell of a list, in characters: longer texts are cut, and `show` has them whole.
const WIDEST: usize = 100;

/// Columns whose texts are never cut: half a reason is none. On a terminal they are wrapped.
const WHOLE: [&str; 7] = ["ERROR", "WHY", "WHAT", "WHAT IS WRONG", "FACTS", "FOUND", "SITUATION"];

/// The narrowest that such a column becomes, in characters.
const NARROWEST: u16 = 24;

/// Where output goes, and how it looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// The API's answer as it is, or else what `table` makes of it.
    pub(super) fn show(self, answer: &Json, table: impl FnOnce(&Json)) {
        if self.json { raw(&format!("{answer:#}")) } else { table(answer) }
    }

    /// A list as the API gives it, or a row of each item; and that there is more of it, if there is.
    pub(super) fn list(self, list: &Json, headers: &[&str], row: impl Fn(&Json) -> Vec<String>) {
        self.show(list, |list| table(headers, rows(list, row)));
        if !list["next"].is_null() {
            let shown = list["items"].as_array().map_or(0, Vec::len);
            note(&format!("… more follow; raise --limit (these are {shown})"));
        }
    }

    /// A sentence for people; nothing for programs, who get `answer`.
    pub(super) fn say(self, answer: &Json, sentence: &str) {
        self.show(answer, |_| line(sentence));
    }
}

/// A reader that has gone away is no reason to panic. For JSON alone: it escapes in its own way, or is read by programs.
fn raw(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line for people.
pub(super) fn line(text: &str) {
    raw(&visible(text));
}

/// A line beside the output: progress, hints, errors.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(text));
}

/// What went wrong: where, what, and what to do. To programs, with the problem that the host answered with, if it did.
pub(super) fn complain(error: &anyhow::Error, json: bool) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let told = causes.join(": ");
    if !json {
        return note(&format!("error: {told}"));
    }
    let mut problem = error.downcast_ref::<Refusal>().map_or_else(|| json!({}), |refusal| refusal.problem.clone());
    problem["detail"] = told.into();
    let _ = writeln!(std::io::stderr(), "{:#}", json!({"error": problem}));
}

/// A list as a table.
pub(super) fn table(headers: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return line("(none)");
    }
    line(&laid_out(headers, rows, Term::stdout().size_checked().map(|(_, width)| width)));
}

/// A table in so many columns of a terminal; as wide as it comes where there is none.
fn laid_out(headers: &[&str], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headers.iter().copied());
    let mut widest = vec![0; headers.len()];
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(at, cell)| cell_text(cell, headers.get(at).is_some_and(|name| WHOLE.contains(name))))
            .collect();
        for (most, cell) in widest.iter_mut().zip(&cells) {
            *most = cell.chars().count().max(*most);
        }
        table.add_row(cells);
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        table.set_constraints(headers.iter().zip(widest).map(|(name, widest)| {
            if WHOLE.contains(name) && widest > usize::from(NARROWEST) {
                ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST))
            } else {
                ColumnConstraint::ContentWidth
            }
        }));
    }
    // Columns alone are told apart: what is copied from a table is what stands in it.
    let lines = table.lines().map(|row| row.strip_prefix(' ').unwrap_or(&row).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn cell_text(cell: &str, whole: bool) -> String {
    // Spelled out before it is measured, so that the columns stay in line.
    let flat = visible(cell).replace('\n', " ");
    if whole || flat.chars().count() <= WIDEST {
        return flat;
    }
    flat.chars().take(WIDEST - 1).chain(std::iter::once('…')).collect()
}

/// Facts, one a line, those that are there.
pub(super) fn facts(facts: &[(&str, String)]) {
    let there: Vec<_> = facts.iter().filter(|(_, fact)| !fact.is_empty()).collect();
    let width = there.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, fact) in there {
        let indented = fact.replace('\n', &format!("\n{}", " ".repeat(width + 2)));
        line(&format!("{name:width$}  {indented}"));
    }
}

/// A value as text: nothing for null, lists with commas.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Json::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(", ")
        }
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
    }
}

/// A time without its fractions of a second.
pub(super) fn time(value: &Json) -> String {
    let text = text(value);
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

/// The items of a list, each as a row of these members.
pub(super) fn rows(list: &Json, row: impl Fn(&Json) -> Vec<String>) -> Vec<Vec<String>> {
    list["items"].as_array().map(|items| items.iter().map(row).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_whole_and_wrapped_on_a_terminal() {
        let why = "because ".repeat(30).trim_end().to_owned();
        let rows = || vec![vec!["UPR-000001".to_owned(), "x".repeat(150), why.clone()]];
        let piped = laid_out(&["ID", "NAME", "WHY"], rows(), None);
        assert!(piped.contains(&why) && !piped.contains(&"x".repeat(150)), "{piped}");
        let rows = || vec![vec!["UPR-000001".to_owned(), "Ada".to_owned(), why.clone()]];
        let shown = laid_out(&["ID", "NAME", "WHY"], rows(), Some(60));
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
        assert_eq!(shown.matches("because").count(), 30, "{shown}");
        assert!(shown.contains("UPR-000001"), "{shown}");
        let narrow = laid_out(&["ID", "NAME", "WHY"], rows(), Some(10));
        assert!(narrow.contains("UPR-000001") && narrow.matches("because").count() == 30, "{narrow}");
    }
}
