//! `gatehouse user-attribute`.

use super::client::escape;
use super::render::{facts, text};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Defines an attribute; what users have of it already must fit
    Create {
        /// What to call it
        name: String,
        /// What its values are: text, integer, boolean or date
        #[arg(long = "type", value_name = "TYPE", default_value = "text")]
        kind: String,
        /// One line about it
        #[arg(long, default_value = "")]
        description: String,
        /// A user can have several values
        #[arg(long)]
        multi_valued: bool,
        /// Every user has it
        #[arg(long)]
        required: bool,
        /// Its values are masked wherever they are shown
        #[arg(long)]
        sensitive: bool,
    },
    /// Lists the attributes that are defined
    List(values::Listing<wire::ByName>),
    /// Shows the definition of an attribute
    Show {
        /// What it is called
        name: String,
    },
    /// Changes the definition of an attribute; what is not named stays
    Change {
        /// What it is called
        name: String,
        /// One line about it
        #[arg(long)]
        description: Option<String>,
        /// Whether a user can have several values: true or false
        #[arg(long, value_name = "BOOL")]
        multi_valued: Option<bool>,
        /// Whether every user has it: true or false
        #[arg(long, value_name = "BOOL")]
        required: Option<bool>,
        /// Whether its values are masked: true or false
        #[arg(long, value_name = "BOOL")]
        sensitive: Option<bool>,
    },
    /// Removes the definition of an attribute; what users have of it stays, as free texts
    Delete {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    let path = |name: &str| format!("/api/v1/user-attributes/{}", escape(name));
    match verb {
        Verb::Create { name, kind, description, multi_valued, required, sensitive } => {
            let body = json!({
                "name": name,
                "type": kind,
                "description": description,
                "multi_valued": multi_valued,
                "required": required,
                "sensitive": sensitive,
            });
            let made = session.client.post("/api/v1/user-attributes", body)?;
            out.say(&made, &format!("Defined attribute {name}."));
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/user-attributes", &[])?;
            let names = ["name", "type", "multi_valued", "required", "sensitive", "description"];
            let row = |of: &Json| names.iter().map(|name| text(&of[*name])).collect();
            out.list(&list, &["NAME", "TYPE", "MULTI-VALUED", "REQUIRED", "SENSITIVE", "DESCRIPTION"], row);
        }
        Verb::Show { name } => out.show(&session.client.get(&path(&name))?, show),
        Verb::Change { name, description, multi_valued, required, sensitive } => {
            let mut body = Map::new();
            description.map(|description| body.insert("description".to_owned(), json!(description)));
            for (member, value) in [("multi_valued", multi_valued), ("required", required), ("sensitive", sensitive)] {
                value.map(|value| body.insert(member.to_owned(), json!(value)));
            }
            out.show(&session.client.patch(&path(&name), body.into(), None)?, show);
        }
        Verb::Delete { name } => {
            session.client.delete(&path(&name))?;
            let sentence = format!("Attribute {name} is free text from now on.");
            out.say(&json!({"deleted": name}), &sentence);
        }
    }
    Ok(Outcome::Done)
}

fn show(of: &Json) {
    facts(&[
        ("name", text(&of["name"])),
        ("type", text(&of["type"])),
        ("multi-valued", text(&of["multi_valued"])),
        ("required", text(&of["required"])),
        ("sensitive", text(&of["sensitive"])),
        ("description", text(&of["description"])),
    ]);
}
