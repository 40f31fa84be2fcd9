//! The story of a write whose outcome was not known, as people read it: what was sent, how its answer was lost, what
//! reading the target showed, and what is left to do. It only arranges what the API says.

use super::render::{line, table, text, time};
use serde_json::Value as Json;

/// The story, if there is one; and what to do, if the request is in review.
pub(super) fn tell(request: &Json) {
    let attempts: Vec<&Json> = request["attempts"].as_array().into_iter().flatten().collect();
    let doubtful = |attempt: &&Json| attempt["outcome"] == "unknown" || !none(&attempt["readings"]);
    if !attempts.iter().any(doubtful) {
        return;
    }
    line("\nWhat happened");
    for (no, attempt) in (1..).zip(&attempts) {
        told(no, attempt).into_iter().for_each(|said| line(&said));
    }
    let last = attempts.last().and_then(|attempt| attempt["readings"].as_array()?.last());
    let found = last.and_then(|reading| reading["found"].as_array()).filter(|found| !found.is_empty());
    if let Some(found) = found {
        line("\nAccounts that the last look found");
        table(&["EXTERNAL ID", "USERNAME", "STATUS", "OUR MARKER"], found.iter().map(candidate).collect());
    }
    if request["needs_review"] == true {
        line("\nWhat to do");
        what_to_do(request, found.map(Vec::as_slice).unwrap_or_default()).into_iter().for_each(|said| line(&said));
    }
}

fn none(list: &Json) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// One attempt, in the order in which things happened.
fn told(no: u32, attempt: &Json) -> Vec<String> {
    let mut said = vec![format!("  {}  attempt {no} began", time(&attempt["started_at"]))];
    let writes = attempt["writes"].as_array().into_iter().flatten();
    said.extend(writes.map(|write| {
        let answer = match (&write["lost"], &write["status"]) {
            (Json::String(lost), _) => lost.clone(),
            (_, Json::Number(status)) => format!("answered with {status}"),
            _ => "no answer came before the call ended".to_owned(),
        };
        format!("  {}  {} {} left; {answer}", time(&write["at"]), text(&write["method"]), text(&write["url"]))
    }));
    match text(&attempt["outcome"]).as_str() {
        "unknown" => {
            said.push(format!("  {}  the outcome is unknown: {}", time(&attempt["finished_at"]), text(&attempt["why"])))
        }
        "failed" => said.push(format!("  {}  {}", time(&attempt["finished_at"]), text(&attempt["why"]))),
        _ => {}
    }
    let readings = attempt["readings"].as_array().into_iter().flatten();
    said.extend(readings.map(|reading| {
        let showed = match text(&reading["showed"]).as_str() {
            "made" => "the change was made",
            "not_made" => "the change was not made",
            "gone" => "there is nothing left to change",
            _ => "it cannot be told whether the change was made",
        };
        let (asked, why) = (text(&reading["asked"]), text(&reading["why"]));
        format!("  {}  the target was asked for {asked}: {showed}, since {why}", time(&reading["at"]))
    }));
    said
}

fn candidate(account: &Json) -> Vec<String> {
    let marked = match &account["marked"] {
        Json::Bool(true) => "yes",
        Json::Bool(false) => "no",
        _ => "",
    };
    vec![text(&account["external_id"]), text(&account["username"]), text(&account["status"]), marked.to_owned()]
}

/// The commands that settle it, each with what it says.
fn what_to_do(request: &Json, found: &[Json]) -> Vec<String> {
    let id = text(&request["id"]);
    let step = usize::try_from(request["steps_done"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
    let creates = request["change"]["account"]["steps"].get(step).is_some_and(|step| !step["create"].is_null());
    let account = match (creates, found) {
        (false, _) => String::new(),
        (true, [one]) => format!(" --external-id {}", text(&one["external_id"])),
        (true, _) => " --external-id ID".to_owned(),
    };
    vec![
        "  Look at the account in the target itself. Then, if the change".to_owned(),
        format!("    was made:              gatehouse request settle {id} --made{account}"),
        format!("    was not made:          gatehouse request settle {id} --not-made"),
        format!("    can be read now:       gatehouse request retry {id}   (looks before it writes)"),
        format!("    is of no matter now:   gatehouse request complete {id} --note …"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lost_create_is_told_in_order_with_the_commands_that_settle_it() {
        let at = "2026-01-01T00:00:00Z";
        let attempt = json!({
            "started_at": at, "finished_at": at, "outcome": "unknown", "why": "no answer came",
            "writes": [{"method": "POST", "url": "https://hr/Users", "at": at, "status": null, "lost": "cut off"}],
            "readings": [{"at": at, "asked": "accounts with username `ada`", "showed": "unclear", "why": "so"}],
        });
        let said = told(1, &attempt).join("\n");
        let order = ["attempt 1 began", "POST https://hr/Users left; cut off", "no answer came", "cannot be told"];
        let places: Vec<_> = order.iter().map(|part| said.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{said}");

        let request = json!({"id": "UPR-000001", "steps_done": 0, "change": {"account": {"steps": [{"create": {}}]}}});
        let one = what_to_do(&request, &[json!({"external_id": "x1"})]).join("\n");
        assert!(one.contains("settle UPR-000001 --made --external-id x1"), "{one}");
        let several = what_to_do(&request, &[json!({}), json!({})]).join("\n");
        assert!(several.contains("--made --external-id ID"), "{several}");
        let update = json!({"id": "UPR-000002", "steps_done": 0, "change": {"account": {"steps": [{"update": {}}]}}});
        assert!(!what_to_do(&update, &[]).join("\n").contains("--external-id"));
    }
}
