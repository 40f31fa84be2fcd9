//! Whose agreement a request takes, and what they said, as people read it.

use super::delegation::name;
use super::render::{line, table, text, time};
use serde_json::Value as Json;

/// The approvals of a request, step by step; nothing if it takes none.
pub(super) fn tell(request: &Json) {
    let steps: Vec<&Json> = request["approvals"].as_array().into_iter().flatten().collect();
    if steps.is_empty() {
        return;
    }
    line("\nApprovals");
    let rows = steps.iter().zip(1..).map(|(step, no)| row(no, step)).collect();
    table(&["STEP", "ASKED", "WHO", "STATE", "UNTIL"], rows);
    for (step, no) in steps.iter().zip(1..) {
        if let Some(why) = step["why"].as_str() {
            line(&format!("Step {no}: {why}"));
        }
    }
    let votes: Vec<Vec<String>> = steps.iter().zip(1..).flat_map(|(step, no)| votes(no, step)).collect();
    if !votes.is_empty() {
        line("\nVotes");
        table(&["STEP", "AT", "BY", "IN THE PLACE OF", "VOTE", "WHY"], votes);
    }
}

fn row(no: usize, step: &Json) -> Vec<String> {
    let who: Vec<String> = step["approvers"].as_array().into_iter().flatten().map(name).collect();
    let asked = match step["escalated"] == true {
        true => format!("{} (escalated)", text(&step["asked"])),
        false => text(&step["asked"]),
    };
    vec![no.to_string(), asked, who.join(", "), text(&step["state"]), time(&step["deadline"])]
}

fn votes(no: usize, step: &Json) -> Vec<Vec<String>> {
    let row = |vote: &Json| {
        let by = match vote["person"].is_null() {
            true => format!("{} (the installation)", text(&vote["by"])),
            false => name(&vote["person"]),
        };
        let said = match (vote["agrees"] == true, vote["lapsed"] == true) {
            (true, false) => "agrees",
            (true, true) => "agreed, lapsed",
            (false, _) => "refuses",
        };
        vec![no.to_string(), time(&vote["at"]), by, name(&vote["instead_of"]), said.to_owned(), text(&vote["reason"])]
    };
    step["votes"].as_array().into_iter().flatten().map(row).collect()
}
