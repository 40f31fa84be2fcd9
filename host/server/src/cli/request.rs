//! `gatehouse request`.

use super::client::{escape, query};
use super::render::{facts, line, note, rows, table, text, time};
use super::{Outcome, Session, approvals, plan, review, values, wait};
use crate::wire;
use anyhow::{Result, bail};
use clap::{ArgGroup, Subcommand};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Asks for an operation on somebody's account
    #[command(group = ArgGroup::new("whose").required(true))]
    Create {
        /// The app
        app: String,
        /// create, read, update, deactivate, activate, reactivate, freeze, unfreeze or delete
        operation: String,
        /// Whose account: username or number
        #[arg(long, group = "whose")]
        user: Option<String>,
        /// Which account: its number
        #[arg(long, value_name = "ID", group = "whose")]
        account: Option<String>,
        /// Why, for the log
        #[arg(long)]
        reason: Option<String>,
        /// The date to run at: 3d, 12h, 2026-12-31 (its beginning, in UTC) or 2026-12-31T18:00Z [default: at once]
        #[arg(long, value_name = "TIME", value_parser = values::until)]
        at: Option<Timestamp>,
        /// Do not wait for it
        #[arg(long)]
        no_wait: bool,
    },
    /// Lists requests, newest first
    List {
        /// Of this app
        #[arg(long)]
        app: Option<String>,
        /// In this state
        #[arg(long)]
        state: Option<String>,
        /// With this operation
        #[arg(long)]
        operation: Option<String>,
        /// About this user: username or number
        #[arg(long)]
        user: Option<String>,
        /// Raised by this reconciliation
        #[arg(long, value_name = "ID")]
        raised_by: Option<String>,
        /// Only those in review: a write left, and nobody knows what came of it
        #[arg(long)]
        needs_review: bool,
        /// Only those that you can approve or deny now
        #[arg(long)]
        waiting_for_me: bool,
        #[command(flatten)]
        order: values::Order<wire::ByIdNewestFirst>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = values::count)]
        limit: usize,
    },
    /// Shows a request
    Show {
        /// Its number, such as UPR-000001
        id: String,
        /// Also what happened to it, line by line
        #[arg(long)]
        log: bool,
    },
    /// Shows what a reconciliation has collected, and what it plans
    Staged {
        /// Its number
        id: String,
        #[command(flatten)]
        listing: values::Listing<wire::ByRow>,
    },
    /// Commits a reconciliation's plan: makes its links, raises its requests, and waits for them
    Commit {
        /// Its number
        id: String,
        /// Do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Agrees to what a request is to do, as it is shown now
    Approve {
        /// Its number
        id: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Refuses what a request is to do
    Deny {
        /// Its number
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Gives a request that waits for its date another one
    Reschedule {
        /// Its number
        id: String,
        /// The date: 3d, 12h, 2026-12-31 (its beginning, in UTC) or 2026-12-31T18:00Z
        #[arg(long, value_name = "TIME", value_parser = values::until)]
        at: Timestamp,
    },
    /// Takes a failed request up again, and waits for it; one in review looks at the target before it writes
    Retry {
        /// Its number
        id: String,
        /// Do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Says what came of the last write of a request in review
    #[command(group = ArgGroup::new("outcome").required(true))]
    Settle {
        /// Its number
        id: String,
        /// The change was made: the records become what it would have left
        #[arg(long, group = "outcome")]
        made: bool,
        /// The change was not made: another request makes it, and is waited for
        #[arg(long, group = "outcome")]
        not_made: bool,
        /// The id, in the target, of the account that was made
        #[arg(long, value_name = "ID", conflicts_with = "not_made")]
        external_id: Option<String>,
        /// How you know, for the audit trail
        #[arg(long)]
        reason: Option<String>,
        /// Do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Notes that a failed request was done by hand
    Complete {
        /// Its number
        id: String,
        /// What was done
        #[arg(long)]
        note: String,
    },
    /// Withdraws a request that has changed nothing yet
    Cancel {
        /// Its number
        id: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    match verb {
        Verb::Create { app, operation, user, account, reason, at, no_wait } => {
            let operation = spelled(&operation)?;
            let body = json!({"app": app, "operation": operation, "user": user, "account": account, "reason": reason});
            let mut body = body;
            at.into_iter().for_each(|at| body["run_at"] = at.to_string().into());
            let asked = session.client.post("/api/v1/requests", body)?;
            finish(session, &asked, no_wait)
        }
        Verb::List { app, state, operation, user, raised_by, needs_review, waiting_for_me, order, limit } => {
            let needs_review = needs_review.then(|| "true".to_owned());
            let filter = [
                ("app", app),
                ("state", state),
                ("operation", operation),
                ("user", user),
                ("raised_by", raised_by),
                ("needs_review", needs_review),
                ("awaiting", waiting_for_me.then(|| "me".to_owned())),
                order.asked(),
            ];
            let list = session.client.list(&format!("/api/v1/requests{}", query(&filter)), limit)?;
            session.out.list(&list, &LISTED, listed);
            Ok(Outcome::Done)
        }
        Verb::Show { id, log } => show(session, &id, log),
        Verb::Staged { id, listing } => {
            let list = listing.of(&session.client, &path(&id, "staging"), &[])?;
            session.out.list(&list, &plan::STAGED, plan::staged);
            Ok(Outcome::Done)
        }
        Verb::Commit { id, no_wait } => commit(session, &id, no_wait),
        Verb::Approve { id, reason } => approve(session, &id, reason),
        Verb::Reschedule { id, at } => {
            let path = format!("/api/v1/requests/{}", escape(&id));
            let moved = session.client.patch(&path, json!({"run_at": at}), None)?;
            session.out.show(&moved, wait::tell);
            Ok(Outcome::Done)
        }
        Verb::Deny { id, reason } => decide(session, &id, "deny", json!({"reason": reason})),
        Verb::Retry { id, no_wait } => {
            let clone = session.client.post(&path(&id, "retry"), json!({}))?;
            finish(session, &clone, no_wait)
        }
        Verb::Settle { id, made, external_id, reason, no_wait, .. } => {
            let outcome = if made { "made" } else { "not_made" };
            let body = json!({"outcome": outcome, "external_id": external_id, "reason": reason});
            let settled = session.client.post(&path(&id, "settle"), body)?;
            finish(session, &settled, no_wait)
        }
        Verb::Complete { id, note } => decide(session, &id, "complete", json!({"note": note})),
        Verb::Cancel { id, reason } => decide(session, &id, "cancel", json!({"reason": reason})),
    }
}

pub(super) fn path(id: &str, verb: &str) -> String {
    format!("/api/v1/requests/{}/{verb}", escape(id))
}

fn spelled(operation: &str) -> Result<String> {
    let all = gatehouse_core::Operation::ALL;
    match crate::wire::parse(operation, &all, "operation") {
        Ok(operation) => Ok(format!("{operation:?}")),
        Err(why) => bail!("{why}"),
    }
}

/// Waits for a request, unless that is not wanted, and shows it.
fn finish(session: &Session, asked: &Json, no_wait: bool) -> Result<Outcome> {
    let (request, outcome) = if no_wait { (asked.clone(), Outcome::Done) } else { wait::until_rest(session, asked)? };
    session.out.show(&request, wait::tell);
    complain(&request, outcome);
    Ok(outcome)
}

pub(super) fn complain(request: &Json, outcome: Outcome) {
    if outcome == Outcome::Failed {
        note(&format!("error: {} failed: {}", text(&request["id"]), text(&request["error"])));
    }
}

fn decide(session: &Session, id: &str, verb: &str, body: Json) -> Result<Outcome> {
    let decided = session.client.post(&path(id, verb), body)?;
    session.out.show(&decided, wait::tell);
    Ok(Outcome::Done)
}

/// Approves what is there now; had it changed since it was read, the digest would differ.
fn approve(session: &Session, id: &str, reason: Option<String>) -> Result<Outcome> {
    let request = session.client.get(&format!("/api/v1/requests/{}", escape(id)))?;
    if request["digest"].is_null() {
        bail!("{id} has no plan yet; there is nothing to approve before it is Analyzed");
    }
    if !session.out.is_json() {
        note(&format!(
            "Approving {}, digest {}:\n{:#}",
            text(&request["id"]),
            text(&request["digest"]),
            request["change"]
        ));
    }
    decide(session, id, "approve", json!({"digest": request["digest"], "reason": reason}))
}

fn commit(session: &Session, id: &str, no_wait: bool) -> Result<Outcome> {
    let asked = session.client.post(&path(id, "commit"), json!({}))?;
    if no_wait {
        return finish(session, &asked, true);
    }
    let (mut run, outcome) = wait::until_rest(session, &asked)?;
    if outcome == Outcome::Failed {
        session.out.show(&run, wait::tell);
        complain(&run, outcome);
        return Ok(outcome);
    }
    let (mut children, outcome) = wait::until_children_rest(session, &run)?;
    if session.out.is_json() {
        run["children"] = children["items"].take();
        session.out.show(&run, |_| {});
    } else {
        line(&format!(
            "{} {}: {} rows committed.",
            text(&run["id"]),
            text(&run["state"]),
            text(&run["run"]["committed"])
        ));
        line("\nRequests it raised");
        table(&LISTED, rows(&children, listed));
        if let Some(told) = wait::told_of_waiting(&wait::awaiting_approval(&children)) {
            line(&format!("\n{told}"));
        }
    }
    Ok(outcome)
}

const LISTED: [&str; 8] = ["ID", "APP", "OPERATION", "USER", "ACCOUNT", "STATE", "WAITS FOR", "ERROR"];

fn listed(request: &Json) -> Vec<String> {
    let column = |name: &str| text(&request[name]);
    let mut row: Vec<String> = ["id", "app", "operation", "user_name", "account", "state"].map(column).into();
    row.extend([wait::waits_for(request), column("error")]);
    row
}

fn show(session: &Session, id: &str, log: bool) -> Result<Outcome> {
    let mut request = session.client.get(&format!("/api/v1/requests/{}", escape(id)))?;
    if log {
        request["log"] = session.client.list(&path(id, "log"), usize::MAX)?["items"].take();
    }
    session.out.show(&request, |request| {
        wait::tell(request);
        details(request);
        approvals::tell(request);
        review::tell(request);
        let lines = request["log"].as_array().into_iter().flatten();
        let row = |l: &Json| vec![time(&l["at"]), text(&l["source"]), text(&l["level"]), message(l)];
        if log {
            line("");
            for entry in lines {
                line(&flat(&row(entry).join("  ")));
            }
        }
    });
    Ok(Outcome::Done)
}

/// One entry, one line, whatever is in it: a text with line breaks could pass for further entries.
fn flat(entry: &str) -> String {
    entry.replace('\n', "\\n")
}

fn message(entry: &Json) -> String {
    let fields = entry["fields"].as_array().into_iter().flatten();
    let fields: Vec<_> = fields.map(|pair| format!("{}={}", text(&pair[0]), text(&pair[1]))).collect();
    let message = text(&entry["message"]);
    if fields.is_empty() { message } else { format!("{message} ({})", fields.join(", ")) }
}

/// What raised it, if nobody asked for it by itself.
fn raised_by(request: &Json) -> String {
    let parts = ["raised_by", "event", "job"].map(|name| text(&request[name]));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn details(request: &Json) {
    let run = &request["run"];
    facts(&[
        ("digest", text(&request["digest"])),
        ("asked by", format!("{} at {}", text(&request["created_by"]), time(&request["created_at"]))),
        ("reason", text(&request["reason"])),
        ("takes up", text(&request["parent"])),
        ("supersedes", text(&request["supersedes"])),
        ("superseded by", text(&request["superseded_by"])),
        ("raised by", raised_by(request)),
        ("due", time(&request["due"])),
    ]);
    if run.is_object() {
        plan::tell_counts(run);
    } else {
        line(&format!("\nTo do\n{:#}", request["change"]));
    }
    let attempts: Vec<Vec<String>> = request["attempts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|a| vec![text(&a["step"]), time(&a["started_at"]), text(&a["outcome"]), text(&a["why"])])
        .collect();
    if !attempts.is_empty() {
        line("\nAttempts");
        table(&["STEP", "STARTED", "OUTCOME", "WHY"], attempts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_entry_of_a_log_can_pass_for_two() {
        let entry = json!({"message": "one\n2026-01-01T00:00:00Z  host  info  Requested → Completed", "fields": []});
        assert_eq!(flat(&message(&entry)), "one\\n2026-01-01T00:00:00Z  host  info  Requested → Completed");
    }
}
