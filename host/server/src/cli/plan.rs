//! What a reconciliation has collected, found and plans, for people.

use super::render::{facts, line, table, text};
use super::request::{complain, path};
use super::{Outcome, Session, wait};
use anyhow::Result;
use serde_json::Value as Json;

/// Rows of a plan that are shown of themselves; `request staged` has them all.
const SHOWN: usize = 25;

/// `1 page`, `2 pages`.
fn counted(number: &Json, thing: &str) -> String {
    format!("{} {thing}{}", text(number), if *number == 1 { "" } else { "s" })
}

pub(super) fn tell_counts(run: &Json) {
    let complete = match &run["completeness"] {
        Json::String(_) => "complete".to_owned(),
        Json::Object(partial) => format!("not all: {}", text(&partial["partial"])),
        _ => "under way".to_owned(),
    };
    facts(&[
        (
            "collected",
            format!("{} in {}, {complete}", counted(&run["collected"], "account"), counted(&run["pages"], "page")),
        ),
        ("changed", text(&run["changed"])),
        ("situations", text(&run["situations"])),
        ("would raise", text(&run["planned"])),
        ("committed", format!("{} of {} rows", text(&run["committed"]), text(&run["rows"]))),
    ]);
}

pub(super) const STAGED: [&str; 8] =
    ["NO", "ACCOUNT", "USERNAME", "USER", "LINK STATE", "SITUATION", "DIFFERS IN", "RAISES"];

pub(super) fn staged(row: &Json) -> Vec<String> {
    let verdict = &row["verdict"];
    let (state, situation) = match (verdict.is_object(), text(&row["source"])) {
        (true, _) => (text(&verdict["link_state"]), text(&verdict["situation"])),
        (false, source) if source == "fault" => ("(unreadable)".to_owned(), text(&row["why"])),
        (false, _) if row["changed"] == false => ("(as known)".to_owned(), String::new()),
        (false, _) => (String::new(), String::new()),
    };
    vec![
        text(&row["no"]),
        text(&row["external_id"]),
        text(&row["username"]),
        text(&row["user_name"]),
        state,
        situation,
        text(&verdict["drift"]),
        text(&verdict["raises"]),
    ]
}

/// What a reconciliation found: counts, then the rows that are not simply confirmed.
pub(super) fn tell(session: &Session, run: &Json) -> Result<()> {
    wait::tell(run);
    tell_counts(&run["run"]);
    if run["state"] != "Analyzed" && run["state"] != "Completed" {
        complain(run, if run["state"] == "Failed" { Outcome::Failed } else { Outcome::Done });
        return Ok(());
    }
    let id = text(&run["id"]);
    let list = session.client.list(&path(&id, "staging"), usize::MAX)?;
    if list["items"].as_array().is_none_or(Vec::is_empty) && run["run"]["rows"].as_u64() > Some(0) {
        line("\nIts rows are gone: a later reconciliation of the app has completed.");
        return Ok(());
    }
    let differs = |row: &&Json| {
        let verdict = &row["verdict"];
        row["source"] == "fault"
            || (verdict.is_object() && (verdict["situation"] != "confirmed" || !verdict["raises"].is_null()))
    };
    let mut all: Vec<&Json> = list["items"].as_array().into_iter().flatten().filter(differs).collect();
    if all.is_empty() {
        line(&format!("\n{}", nothing_differs(&run["run"])));
        return Ok(());
    }
    all.sort_by_key(|row| (weight(row), row["no"].as_u64()));
    line("\nDifferences");
    table(&STAGED, all.iter().take(SHOWN).map(|row| staged(row)).collect());
    if all.len() > SHOWN {
        line(&format!("… and {} more: gatehouse request staged {id}", all.len() - SHOWN));
    }
    Ok(())
}

/// What matters first: rows that raise requests, then those that a person must decide.
fn weight(row: &Json) -> u8 {
    match &row["verdict"] {
        verdict if !verdict["raises"].is_null() => 0,
        verdict if verdict["link_state"] == "Duplicate" => 1,
        _ => 2,
    }
}

/// Nothing may be said of what was not collected.
fn nothing_differs(run: &Json) -> String {
    match run["completeness"].get("partial") {
        Some(why) => format!("Nothing differs in what was collected, which was not everything: {}", text(why)),
        None => "Nothing differs from what is known.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_that_raise_requests_come_first_then_duplicates() {
        let row = |no: u64, verdict: Json| json!({"no": no, "verdict": verdict});
        let mut rows = [
            row(0, json!({"link_state": "Orphaned", "raises": null})),
            row(1, json!({"link_state": "Duplicate", "raises": null})),
            row(2, json!({"link_state": "Linked", "raises": "Update"})),
            row(3, Json::Null),
            row(4, json!({"link_state": "Linked", "raises": "Create"})),
        ];
        rows.sort_by_key(|row| (weight(row), row["no"].as_u64()));
        assert_eq!(rows.map(|row| row["no"].as_u64()), [2, 4, 1, 0, 3].map(Some));
    }

    #[test]
    fn one_thing_is_no_things() {
        assert_eq!([0, 1, 2].map(|no| counted(&json!(no), "page")), ["0 pages", "1 page", "2 pages"]);
    }

    #[test]
    fn what_was_not_collected_is_not_said_to_be_the_same() {
        let partial = nothing_differs(&json!({"completeness": {"partial": "page 3 was refused"}}));
        assert_eq!(partial, "Nothing differs in what was collected, which was not everything: page 3 was refused");
        let complete = nothing_differs(&json!({"completeness": "complete"}));
        assert_eq!(complete, "Nothing differs from what is known.");
    }
}
