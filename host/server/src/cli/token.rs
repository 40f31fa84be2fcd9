//! `gatehouse token`.

use super::client::escape;
use super::render::{line, note, text, time};
use super::{Outcome, Session, values};
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a token, and prints it: this once
    Create {
        /// What to call it: the name that audit records will show
        name: String,
    },
    /// Lists tokens, without themselves
    List(values::Limit),
    /// Makes a token worthless, at once
    Revoke {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    match verb {
        Verb::Create { name } => {
            let made = session.client.post("/api/v1/tokens", json!({"name": name}))?;
            out.show(&made, |made| {
                note("Keep this token; it is not shown again.");
                line(&text(&made["token"]));
            });
        }
        Verb::List(limit) => {
            let list = session.client.list("/api/v1/tokens", limit.most())?;
            let row = |t: &Json| vec![text(&t["name"]), time(&t["created_at"]), time(&t["revoked_at"])];
            out.list(&list, &["NAME", "MADE", "REVOKED"], row);
        }
        Verb::Revoke { name } => {
            session.client.delete(&format!("/api/v1/tokens/{}", escape(&name)))?;
            out.say(&json!({"revoked": name}), &format!("Token {name} is worthless from now on."));
        }
    }
    Ok(Outcome::Done)
}
