//! `gatehouse group`.

use super::client::escape;
use super::render::{facts, text};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a group
    Create {
        /// What to call it
        name: String,
        /// One line about it
        #[arg(long, default_value = "")]
        description: String,
        /// Who belongs to it: username or number (repeat for more)
        #[arg(long, value_name = "USER")]
        member: Vec<String>,
    },
    /// Lists groups
    List(values::Listing<wire::ByName>),
    /// Shows a group
    Show {
        /// What it is called
        name: String,
    },
    /// Changes what is said of a group
    Change {
        /// What it is called
        name: String,
        /// One line about it
        #[arg(long)]
        description: String,
    },
    /// Lists who belongs to a group
    Members {
        /// What it is called
        name: String,
        #[command(flatten)]
        listing: values::Listing<wire::ById>,
    },
    /// Adds users to a group: all of them, or none if one is nobody
    Add {
        /// What it is called
        name: String,
        /// Username or number
        #[arg(required = true)]
        user: Vec<String>,
    },
    /// Removes users from a group: all of them, or none if one is nobody
    Remove {
        /// What it is called
        name: String,
        /// Username or number
        #[arg(required = true)]
        user: Vec<String>,
    },
    /// Deletes a group; its users stay as they are
    Delete {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    let path = |name: &str| format!("/api/v1/groups/{}", escape(name));
    let members = |name: &str, body: Json| -> Result<()> {
        out.show(&session.client.post(&format!("{}/members", path(name)), body)?, show);
        Ok(())
    };
    match verb {
        Verb::Create { name, description, member } => {
            let body = json!({"name": name, "description": description, "members": member});
            let made = session.client.post("/api/v1/groups", body)?;
            out.say(&made, &format!("Made group {name}."));
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/groups", &[])?;
            let row = |of: &Json| vec![text(&of["name"]), text(&of["members"]), text(&of["description"])];
            out.list(&list, &["NAME", "MEMBERS", "DESCRIPTION"], row);
        }
        Verb::Show { name } => out.show(&session.client.get(&path(&name))?, show),
        Verb::Change { name, description } => {
            let body = json!({"description": description});
            out.show(&session.client.patch(&path(&name), body, None)?, show);
        }
        Verb::Members { name, listing } => {
            let list = listing.of(&session.client, &format!("{}/members", path(&name)), &[])?;
            out.list(&list, &["ID", "USERNAME"], |of| vec![text(&of["id"]), text(&of["username"])]);
        }
        Verb::Add { name, user } => members(&name, json!({"add": user}))?,
        Verb::Remove { name, user } => members(&name, json!({"remove": user}))?,
        Verb::Delete { name } => {
            session.client.delete(&path(&name))?;
            out.say(&json!({"deleted": name}), &format!("Deleted group {name}. Its users are as they were."));
        }
    }
    Ok(Outcome::Done)
}

fn show(of: &Json) {
    facts(&[("name", text(&of["name"])), ("description", text(&of["description"])), ("members", text(&of["members"]))]);
}
