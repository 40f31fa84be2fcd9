//! What an administrator does in the demo, command by command, and what is checked on the way.

use super::compare::compare;
use super::expected::{self, Changes};
use super::seed::{ALIAS_DOMAIN, Entry, PROFILE, PROTECTED};
use super::terminal::{Terminal, columns};
use anyhow::{Context, Result, bail};
use gatehouse_tests::{Scim2Server, Target as _, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The connected app's name.
const APP: &str = "directory";

/// The app's provisioning configuration: what the demo's administrator has written down.
pub fn configuration() -> Value {
    let same_mail = json!({"case": true, "whitespace": true, "mail_aliases": {ALIAS_DOMAIN: "example.com"}});
    json!({
        "mapping": [
            {"attribute": "externalId", "value": "{id}", "only_on_create": true},
            {"attribute": "name.givenName", "value": "{first_name}"},
            {"attribute": "name.familyName", "value": "{last_name}"},
            {"attribute": "displayName", "value": "{first_name} {last_name}"},
            {"attribute": "emails", "value": "{email}", "kind": "work", "primary": true},
        ],
        "linking": [
            {"account_attribute": "username", "user_attribute": "username"},
            {"account_attribute": "emails", "user_attribute": "email", "normalise": same_mail},
        ],
        "protected": [PROTECTED],
        "page_size": 20,
    })
}

/// The same, with an approval before accounts are made.
pub fn with_approvals() -> Value {
    let mut configuration = configuration();
    configuration["approval_required"] = json!(["Create"]);
    configuration
}

/// Plays the whole script.
///
/// # Errors
/// A command fails, or something is not as the seed says it must be.
pub fn play(terminal: &Terminal<'_>, target: &Scim2Server, entries: &[Entry]) -> Result<()> {
    let changes = Changes::pick(entries).context("too few people in the seed")?;
    prepare(terminal, target)?;
    reconcile(terminal, entries)?;
    change_people(terminal, &changes)?;
    hire(terminal, &changes)?;
    terminal.heading("Does the target agree? Its own list, asked directly, against the expected one");
    agree(target, entries, &changes)
}

/// Connector, credential, people, app.
fn prepare(terminal: &Terminal<'_>, target: &Scim2Server) -> Result<()> {
    let base_url = target.base_url();
    let origin = target.origin();
    terminal.heading("Check and install the connector");
    terminal.gatehouse("connector check scim.wasm")?;
    terminal.gatehouse("connector install scim.wasm --allow-unsigned")?;
    terminal.gatehouse("connector list")?;
    terminal.heading("Import the people of the organisation");
    terminal.gatehouse(&format!("profile create {PROFILE}"))?;
    terminal.gatehouse("user import users.csv")?;
    terminal.heading("Connect the target: a credential bound to its origin, an app that uses it");
    terminal.gatehouse(&format!(
        "credential set {APP}-token --origin {origin} --scheme bearer --secret-file target-token"
    ))?;
    terminal.gatehouse(&format!(
        "app create {APP} --connector scim --set base_url={base_url} --credential token={APP}-token \
         --allow-private {origin} --profile {PROFILE} --config app.json"
    ))?;
    terminal.gatehouse(&format!("app probe {APP}"))
}

/// The reconciliation: its plan is checked against the seed before it is committed.
fn reconcile(terminal: &Terminal<'_>, entries: &[Entry]) -> Result<()> {
    terminal.heading("Reconcile: collect the target's accounts and analyse them; nothing is changed yet");
    terminal.gatehouse(&format!("app reconcile {APP}"))?;
    let runs = terminal.ask(&format!("request list --app {APP} --operation reconcile"))?;
    let run = items(&runs)?.first().and_then(|run| run["id"].as_str()).context("there is no run to be seen")?;
    terminal.gatehouse(&format!("request staged {run}"))?;
    let analyzed = terminal.ask(&format!("request show {run}"))?;
    check_counts("situation", &expected::situations(entries), &counts(&analyzed["run"]["situations"])?)?;

    terminal.heading("Commit the plan: links are made, what is missing is created by requests of its own");
    terminal.gatehouse(&format!("request commit {run}"))?;
    terminal.gatehouse(&format!("account list {APP} --summary"))?;
    terminal.gatehouse(&format!("account list {APP} --link-state Duplicate"))?;
    let children = terminal.ask(&format!("request list --raised-by {run}"))?;
    let mut raised = BTreeMap::new();
    for operation in items(&children)?.iter().filter_map(|child| child["operation"].as_str()) {
        *raised.entry(operation.to_owned()).or_default() += 1;
    }
    check_counts("operation raised", &expected::raised(entries), &raised)
}

/// One person renamed, one frozen, one gone: their accounts follow by themselves.
fn change_people(terminal: &Terminal<'_>, changes: &Changes) -> Result<()> {
    let (renamed, frozen, leaver) =
        (&changes.renamed.username, &changes.frozen.username, &changes.deactivated.username);
    terminal.heading("One person marries, one is frozen, one leaves: events raise the requests");
    terminal.gatehouse(&format!("user change {renamed} --last-name {}", changes.new_last_name))?;
    terminal.gatehouse(&format!("user freeze {frozen}"))?;
    terminal.gatehouse(&format!("user disable {leaver}"))?;
    for (person, operation) in [(renamed, "Update"), (frozen, "Freeze"), (leaver, "Deactivate")] {
        settled(terminal, person, operation)?;
    }
    terminal.gatehouse(&format!("request list --app {APP} --limit 3"))?;
    terminal.gatehouse(&format!("account list {APP} --user {frozen}"))
}

/// Somebody is hired, and the account waits for an approval.
fn hire(terminal: &Terminal<'_>, changes: &Changes) -> Result<()> {
    let hired = &changes.hired;
    terminal.heading("Somebody is hired; from now on accounts are made once somebody agrees");
    terminal.gatehouse(&format!("app configure {APP} --config approvals.json"))?;
    let (username, email) = (&hired.username, &hired.email);
    let names = format!("--first-name {} --last-name {}", hired.first_name, hired.last_name);
    terminal.gatehouse(&format!("user create {username} --email {email} {names} --profile {PROFILE}"))?;
    let waiting = terminal.ask(&format!("request list --app {APP} --user {username}"))?;
    let request = items(&waiting)?.first().context("nothing was raised for who was hired")?;
    if (&request["operation"], &request["state"]) != (&json!("Create"), &json!("New")) {
        bail!("{} should wait for approval, and is {}", request["id"], request["state"]);
    }
    let id = request["id"].as_str().context("a request without a number")?;
    terminal.gatehouse(&format!("request show {id}"))?;
    terminal.gatehouse(&format!("request approve {id}"))?;
    settled(terminal, username, "Create")?;
    terminal.gatehouse(&format!("account list {APP} --user {username}"))
}

/// Waits until the newest request about a person, which is to be of this operation, has completed.
fn settled(terminal: &Terminal<'_>, person: &str, operation: &str) -> Result<()> {
    let newest = || -> Option<Value> {
        let list = terminal.ask(&format!("request list --app {APP} --user {person} --limit 1")).ok()?;
        let request = items(&list).ok()?.first()?.clone();
        ["Completed", "Failed", "Cancelled"].contains(&request["state"].as_str()?).then_some(request)
    };
    let request = until(newest).with_context(|| format!("the request about {person} does not come to its end"))?;
    if (&request["operation"], &request["state"]) != (&json!(operation), &json!("Completed")) {
        bail!("{person} should have got a {operation} by now, and not {request:#}");
    }
    Ok(())
}

/// The last step: the target's own list, account by account.
fn agree(target: &Scim2Server, entries: &[Entry], changes: &Changes) -> Result<()> {
    let lines = compare(&expected::target(entries, changes), &target.users()?);
    let header = vec!["account".to_owned(), "expected".to_owned(), "found".to_owned()];
    let row = |line: &super::compare::Line| {
        let found = if line.differences.is_empty() { "ok".to_owned() } else { line.differences.join("; ") };
        vec![line.user_name.clone(), line.fate.to_owned(), found]
    };
    columns(&std::iter::once(header).chain(lines.iter().map(row)).collect::<Vec<_>>());
    let wrong = lines.iter().filter(|line| !line.differences.is_empty()).count();
    if wrong > 0 {
        bail!("{wrong} of {} accounts are not as expected", lines.len());
    }
    println!("\nAll {} accounts of the target are as expected.", lines.len());
    Ok(())
}

/// Shows what was found next to what the seed makes of it.
fn check_counts(what: &str, expected: &BTreeMap<&'static str, usize>, found: &BTreeMap<String, usize>) -> Result<()> {
    let names: BTreeSet<&str> = expected.keys().copied().chain(found.keys().map(String::as_str)).collect();
    let mut rows = vec![[what, "expected from the seed", "found"].map(str::to_owned).to_vec()];
    let mut same = true;
    for name in names {
        let expected = expected.get(name).copied().unwrap_or(0);
        let found = found.get(name).copied().unwrap_or(0);
        let state = if what == "situation" { format!("{}/", expected::link_state(name)) } else { String::new() };
        rows.push(vec![format!("{state}{name}"), expected.to_string(), found.to_string()]);
        same &= expected == found;
    }
    println!();
    columns(&rows);
    if same { Ok(()) } else { bail!("what was found is not what was seeded") }
}

/// The counts of a JSON object, by name.
fn counts(object: &Value) -> Result<BTreeMap<String, usize>> {
    serde_json::from_value(object.clone()).with_context(|| format!("these are no counts: {object}"))
}

/// The items of a list, bare or as a page.
fn items(list: &Value) -> Result<&Vec<Value>> {
    list.as_array().or_else(|| list["items"].as_array()).with_context(|| format!("this is no list: {list}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ends_the_demo(found: &Value) -> bool {
        let expected = BTreeMap::from([("found", 2)]);
        check_counts("situation", &expected, &counts(found).unwrap()).is_err()
    }

    #[test]
    fn counts_that_differ_in_either_direction_end_the_demo() {
        assert!(!ends_the_demo(&json!({"found": 2, "missing": 0})));
        assert!(ends_the_demo(&json!({"found": 1})));
        assert!(ends_the_demo(&json!({"found": 2, "missing": 1})));
        assert!(counts(&Value::Null).is_err());
    }
}
