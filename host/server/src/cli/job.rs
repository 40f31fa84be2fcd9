//! `gatehouse job`, and the verbs of `gatehouse app` about what the guard against mass changes holds.

use super::client::{escape, query};
use super::render::{facts, note, text, time};
use super::{Outcome, Session, values, wait};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Lists jobs, newest first
    List {
        /// Of this app
        #[arg(long)]
        app: Option<String>,
        /// In this state: Counting, Held, Running, Completed or Cancelled
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        listing: values::Listing<wire::ByIdNewestFirst>,
    },
    /// Shows a job
    Show {
        /// Its number, such as JOB-000001
        id: String,
    },
    /// Waits until a job has come to its end, or waits for consent
    Wait {
        /// Its number
        id: String,
    },
    /// Lets a job go on that the guard against mass changes holds, and waits for it
    Approve {
        /// Its number
        id: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        /// Do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Calls a job off; what it has raised until then stays
    Cancel {
        /// Its number
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let path = |id: &str| format!("/api/v1/jobs/{}", escape(id));
    match verb {
        Verb::List { app, state, listing } => {
            let list = listing.of(&session.client, "/api/v1/jobs", &[("app", app), ("state", state)])?;
            session.out.list(&list, &["ID", "APP", "TASK", "STATE", "DONE", "REQUESTS", "WHY"], row);
            Ok(Outcome::Done)
        }
        Verb::Show { id } => {
            session.out.show(&session.client.get(&path(&id))?, show);
            Ok(Outcome::Done)
        }
        Verb::Wait { id } => wait_for(session, &session.client.get(&path(&id))?),
        Verb::Approve { id, reason, no_wait } => {
            let job = session.client.post(&format!("{}/approve", path(&id)), json!({ "reason": reason }))?;
            if no_wait {
                session.out.show(&job, show);
                return Ok(Outcome::Done);
            }
            wait_for(session, &job)
        }
        Verb::Cancel { id, reason } => {
            let job = session.client.post(&format!("{}/cancel", path(&id)), json!({ "reason": reason }))?;
            session.out.show(&job, show);
            Ok(Outcome::Done)
        }
    }
}

/// Lets the held requests of an app go on, or withdraws them, and waits for that.
pub(super) fn decide_held(session: &Session, app: &str, verb: &str, reason: Option<String>) -> Result<Outcome> {
    let path = format!("/api/v1/apps/{}/{verb}", escape(app));
    let job = session.client.post(&path, json!({ "reason": reason }))?;
    wait_for(session, &job)
}

/// Says which job follows from a change of what gives access to an app.
pub(super) fn tell_of(session: &Session, app: &str) -> Result<()> {
    let path = format!("/api/v1/jobs{}", query(&[("app", Some(app.to_owned()))]));
    let newest = session.client.list(&path, 1)?;
    if let Some(job) = newest["items"].get(0).filter(|job| job["task"] == "access") {
        let id = text(&job["id"]);
        note(&format!("{id} raises the requests that follow; `gatehouse job wait {id}` waits for it."));
    }
    Ok(())
}

fn wait_for(session: &Session, job: &Json) -> Result<Outcome> {
    let job = wait::until_job_rests(session, job)?;
    session.out.show(&job, show);
    let failed = job["failed"].as_u64().unwrap_or(0) > 0;
    Ok(if failed || job["state"] == "Cancelled" { Outcome::Failed } else { Outcome::Done })
}

fn row(job: &Json) -> Vec<String> {
    vec![
        text(&job["id"]),
        text(&job["app"]),
        text(&job["task"]),
        text(&job["state"]),
        format!("{} of {}", text(&job["done"]), text(&job["total"])),
        text(&job["requests"]),
        text(&job["held"]),
    ]
}

fn show(job: &Json) {
    let next = match text(&job["state"]).as_str() {
        "Held" => format!("gatehouse job approve {0}, or cancel {0} --reason …", text(&job["id"])),
        _ if job["failed"].as_u64().unwrap_or(0) > 0 => {
            format!("gatehouse request list --app {} --state Failed", text(&job["app"]))
        }
        _ => String::new(),
    };
    facts(&[
        ("id", text(&job["id"])),
        ("app", text(&job["app"])),
        ("task", text(&job["task"])),
        ("profiles", text(&job["profiles"])),
        ("permission sets", text(&job["permission_sets"])),
        ("state", text(&job["state"])),
        ("held", text(&job["held"])),
        ("would make", text(&job["creates"])),
        ("would deactivate", text(&job["deactivates"])),
        ("done", format!("{} of {}", text(&job["done"]), text(&job["total"]))),
        ("requests", text(&job["requests"])),
        ("failed", text(&job["failed"])),
        ("caused by", format!("{} at {}", text(&job["created_by"]), time(&job["created_at"]))),
        ("decided by", text(&job["decided_by"])),
        ("reason", text(&job["reason"])),
        ("next", next),
    ]);
}
