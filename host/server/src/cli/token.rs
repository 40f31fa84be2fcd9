//! `gatehouse token`.

use super::client::escape;
use super::render::{line, note, text, time};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a token, and prints it: this once
    Create {
        /// What to call it: the name that audit records will show
        name: String,
        /// Whose it is to be: username or number [default: one's own]
        #[arg(long)]
        user: Option<String>,
        /// What it is to be good for, with commas between: read, requests, users, apps, connectors,
        /// credentials, tokens, audit, admin [default: everything that its owner may do]
        #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
        scope: Vec<String>,
        /// How long it is to be good: 90d, 12h, a date, or a time such as 2030-01-31T12:00:00Z [default: for ever]
        #[arg(long, value_name = "WHEN", value_parser = values::until)]
        expires: Option<Timestamp>,
    },
    /// Lists tokens, without themselves
    List(values::Listing<wire::ByNameOrCreation>),
    /// Makes a token worthless, at once
    Revoke {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    match verb {
        Verb::Create { name, user, scope, expires } => {
            let body = json!({"name": name, "user": user, "scopes": scope, "expires_at": expires});
            let made = session.client.post("/api/v1/tokens", body)?;
            out.show(&made, |made| {
                note("Keep this token; it is not shown again.");
                line(&text(&made["token"]));
            });
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/tokens", &[])?;
            let row = |t: &Json| {
                let scopes = if t["scopes"] == json!([]) { "all".to_owned() } else { text(&t["scopes"]) };
                let owner = t["user"].as_str().unwrap_or("(installation)").to_owned();
                let times = ["created_at", "expires_at", "revoked_at"].map(|name| time(&t[name]));
                [vec![text(&t["name"]), owner, scopes], times.into()].concat()
            };
            out.list(&list, &["NAME", "USER", "SCOPES", "MADE", "EXPIRES", "REVOKED"], row);
        }
        Verb::Revoke { name } => {
            session.client.delete(&format!("/api/v1/tokens/{}", escape(&name)))?;
            out.say(&json!({"revoked": name}), &format!("Token {name} is worthless from now on."));
        }
    }
    Ok(Outcome::Done)
}
