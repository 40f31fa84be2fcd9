//! `gatehouse profile`.

use super::client::escape;
use super::render::{facts, text};
use super::{Outcome, Session, values};
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a profile
    Create {
        /// What to call it
        name: String,
        /// One line about it
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Lists profiles
    List(values::Limit),
    /// Shows a profile
    Show {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    match verb {
        Verb::Create { name, description } => {
            let made = session.client.post("/api/v1/profiles", json!({"name": name, "description": description}))?;
            out.say(&made, &format!("Made profile {name}."));
        }
        Verb::List(limit) => {
            let list = session.client.list("/api/v1/profiles", limit.most())?;
            let row = |p: &Json| vec![text(&p["name"]), text(&p["description"])];
            out.list(&list, &["NAME", "DESCRIPTION"], row);
        }
        Verb::Show { name } => {
            let shown = session.client.get(&format!("/api/v1/profiles/{}", escape(&name)))?;
            out.show(&shown, |p| facts(&[("name", text(&p["name"])), ("description", text(&p["description"]))]));
        }
    }
    Ok(Outcome::Done)
}
