//! `gatehouse delegation`.

use super::client::escape;
use super::render::{facts, text, time};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Has somebody approve and deny in another's place for a time
    Create {
        /// Who is away: username or number [default: you]
        #[arg(long)]
        user: Option<String>,
        /// Who decides in their place: username or number
        #[arg(long, value_name = "USER")]
        to: String,
        /// From when on: 2026-12-24 (its beginning, in UTC) or 2026-12-24T18:00Z [default: now]
        #[arg(long, value_name = "TIME", value_parser = values::moment)]
        from: Option<Timestamp>,
        /// Until when: 14d, 12h, 2027-01-07 (its beginning, in UTC) or 2027-01-07T18:00Z
        #[arg(long, value_name = "TIME", value_parser = values::until)]
        until: Timestamp,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lists delegations, those that are over included
    List(values::Listing<wire::ById>),
    /// Ends a delegation at once
    Delete {
        /// Its number, such as DLG-000001
        id: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    match verb {
        Verb::Create { user, to, from, until, reason } => {
            let mut body = json!({"delegate": to, "until": until, "reason": reason});
            for (name, value) in [("user", user), ("from", from.map(|from| from.to_string()))] {
                value.into_iter().for_each(|value| body[name] = value.into());
            }
            let made = session.client.post("/api/v1/delegations", body)?;
            out.show(&made, tell);
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/delegations", &[])?;
            let row = |d: &Json| {
                let holds = if d["holds"] == true { "yes" } else { "no" };
                let (from, until) = (time(&d["from"]), time(&d["until"]));
                vec![text(&d["id"]), name(&d["user"]), name(&d["delegate"]), from, until, holds.to_owned()]
            };
            out.list(&list, &["ID", "AWAY", "DECIDES", "FROM", "UNTIL", "HOLDS"], row);
        }
        Verb::Delete { id } => {
            session.client.delete(&format!("/api/v1/delegations/{}", escape(&id)))?;
            out.say(&json!({"deleted": id}), &format!("Delegation {id} has ended."));
        }
    }
    Ok(Outcome::Done)
}

/// Somebody of the directory, by name where there is one.
pub(super) fn name(person: &Json) -> String {
    match text(&person["name"]) {
        name if name.is_empty() => text(&person["user"]),
        name => name,
    }
}

fn tell(delegation: &Json) {
    facts(&[
        ("id", text(&delegation["id"])),
        ("away", name(&delegation["user"])),
        ("decides", name(&delegation["delegate"])),
        ("from", time(&delegation["from"])),
        ("until", time(&delegation["until"])),
        ("reason", text(&delegation["reason"])),
    ]);
}
