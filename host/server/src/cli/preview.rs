//! `gatehouse app preview` and `gatehouse app provision`.

use super::client::escape;
use super::render::{line, table, text};
use super::{Outcome, Session, values, wait};
use anyhow::Result;
use clap::Args;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Preview {
    /// The app
    app: String,
    /// The user: username or number
    user: String,
    /// A file of JSON with a provisioning configuration to try; nothing of it is kept
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Provision {
    /// The app
    app: String,
    /// The user: username or number
    user: String,
    /// Only find out what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for the request
    #[arg(long)]
    no_wait: bool,
    /// Why, for the log
    #[arg(long)]
    reason: Option<String>,
}

pub(super) fn preview(session: &Session, preview: &Preview) -> Result<Outcome> {
    let mut body = json!({"user": preview.user});
    if let Some(file) = &preview.config {
        body["config"] = values::json_file(file)?;
    }
    let report = session.client.post(&format!("/api/v1/apps/{}/preview", escape(&preview.app)), body)?;
    session.out.show(&report, |report| {
        access(&report["access"]);
        for (title, part) in [("On create", "create"), ("On update", "update")] {
            line(&format!("\n{title}{}", username(&report[part])));
            mapped(&report[part]);
        }
        for problem in items(&report["problems"]) {
            line(&format!("\nproblem at {}: {}", text(&problem["at"]), text(&problem["why"])));
        }
    });
    Ok(Outcome::Done)
}

pub(super) fn provision(session: &Session, provision: &Provision) -> Result<Outcome> {
    let body = json!({"user": provision.user, "dry_run": provision.dry_run, "reason": provision.reason});
    let report = session.client.post(&format!("/api/v1/apps/{}/provision", escape(&provision.app)), body)?;
    session.out.show(&report, tell);
    let request = &report["request"];
    if request.is_null() || provision.no_wait {
        return Ok(Outcome::Done);
    }
    let (request, outcome) = wait::until_rest(session, request)?;
    if !session.out.is_json() {
        session.out.show(&request, wait::tell);
    }
    Ok(outcome)
}

fn tell(report: &Json) {
    let steps = items(&report["trace"]).map(|step| vec![text(&step["step"]), text(&step["found"])]);
    table(&["STEP", "FOUND"], steps.collect());
    if !report["mapping"].is_null() {
        line(&format!("\nMapping{}", username(&report["mapping"])));
        mapped(&report["mapping"]);
    }
    if !report["change"].is_null() {
        let change = serde_json::to_string_pretty(&report["change"]).unwrap_or_default();
        line(&format!("\nWhat {} sent\n{change}", if report["dry_run"] == true { "would be" } else { "is" }));
    }
}

fn access(access: &Json) {
    let granted = text(&access["granted_by"]);
    let granted = if granted.is_empty() { "nothing".to_owned() } else { granted };
    line(&format!("Access is given by {granted}."));
    let scope = text(&access["scope"]);
    let told = match access["in_scope"].as_bool() {
        _ if scope.is_empty() => "The app has no scope: everybody is in it.".to_owned(),
        Some(true) => format!("The user is in scope: {scope}"),
        Some(false) => format!("The user is not in scope: {scope}"),
        None => format!("Whether the user is in scope cannot be told: {scope}: {}", text(&access["why"])),
    };
    line(&told);
}

fn username(part: &Json) -> String {
    match text(&part["username"]) {
        name if name.is_empty() => String::new(),
        name => format!(", as {name}"),
    }
}

fn mapped(part: &Json) {
    let rows: Vec<_> = items(&part["rules"]).filter(|rule| rule["applies"] == true).map(rule).collect();
    if rows.is_empty() {
        line("(nothing is mapped)");
    } else {
        table(&["ATTRIBUTE", "VALUE", "MADE OF"], rows);
    }
    if !part["problem"].is_null() {
        line(&format!("Nothing would be sent: {}", text(&part["problem"])));
    }
}

fn rule(rule: &Json) -> Vec<String> {
    let value = |value: &Json| match text(&value["kind"]) {
        kind if kind.is_empty() => text(&value["text"]),
        kind => format!("{} ({kind})", text(&value["text"])),
    };
    let values: Vec<_> = items(&rule["values"]).map(value).collect();
    let shown = match (rule["problem"].is_null(), values.is_empty()) {
        (false, _) => "(fails)".to_owned(),
        (true, true) => "(none)".to_owned(),
        (true, false) => values.join(", "),
    };
    let made_of = text(&rule["made_of"]);
    let made_of = if rule["by_default"] == true { format!("the default; {made_of} gives none") } else { made_of };
    vec![text(&rule["attribute"]), shown, made_of]
}

fn items(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}
