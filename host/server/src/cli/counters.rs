//! `gatehouse counters`, and what `gatehouse app show` says of them.

use super::render::{facts, text, time};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use serde_json::Value as Json;

pub(super) fn run(listing: values::Listing<wire::ByApp>, session: &Session) -> Result<Outcome> {
    let list = listing.of(&session.client, "/api/v1/counters", &[])?;
    let headers =
        ["APP", "LINKED", "DUPLICATE", "ORPHANED", "IGNORED", "MISSING", "OPEN", "FAILED", "APPROVALS", "REVIEW"];
    session.out.list(&list, &headers, row);
    Ok(Outcome::Done)
}

fn count(value: &Json) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn row(counters: &Json) -> Vec<String> {
    let linked = |state: &str| {
        let standings = counters["accounts"]["by_status"].as_array().into_iter().flatten();
        standings.filter(|of| of["link_state"] == state).map(|of| count(&of["count"])).sum::<u64>().to_string()
    };
    let requests = &counters["requests"];
    let open = ["New", "Requested", "Collecting", "Collected", "Analyzing", "Analyzed", "Committing"];
    vec![
        text(&counters["app"]),
        linked("Linked"),
        linked("Duplicate"),
        linked("Orphaned"),
        linked("Ignored"),
        text(&counters["accounts"]["missing"]),
        open.iter().map(|state| count(&requests["states"][*state])).sum::<u64>().to_string(),
        text(&requests["states"]["Failed"]),
        text(&requests["awaiting_approval"]),
        text(&requests["in_review"]),
    ]
}

/// Of one app, in words.
pub(super) fn tell(counters: &Json) {
    let standings = counters["accounts"]["by_status"].as_array().into_iter().flatten();
    let standings = standings.map(|of| format!("{} {} {}", of["count"], text(&of["link_state"]), text(&of["status"])));
    let states = counters["requests"]["states"].as_object().into_iter().flatten();
    let states = states.filter(|(_, of)| count(of) > 0).map(|(state, of)| format!("{of} {state}"));
    let waiting = match count(&counters["requests"]["awaiting_approval"]) {
        0 => "0".to_owned(),
        waiting => format!("{waiting}, since {}", time(&counters["requests"]["awaiting_approval_since"])),
    };
    facts(&[
        ("accounts", standings.collect::<Vec<_>>().join(", ")),
        ("frozen", text(&counters["accounts"]["frozen"])),
        ("missing", text(&counters["accounts"]["missing"])),
        ("requests", states.collect::<Vec<_>>().join(", ")),
        ("in review", text(&counters["requests"]["in_review"])),
        ("awaiting approval", waiting),
    ]);
}
