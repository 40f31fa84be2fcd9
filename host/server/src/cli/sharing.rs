//! `gatehouse sharing`.

use super::client::escape;
use super::render::{facts, text, time};
use super::{Outcome, Session, values};
use crate::wire::{self, parse};
use anyhow::{Result, anyhow};
use clap::{ArgGroup, Subcommand};
use gatehouse_core::Operation;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a rule by which others see requests, or decide about them
    #[command(group = ArgGroup::new("audience").required(true))]
    Create {
        /// What to call it
        name: String,
        /// Requests of this app [default: of every app]
        #[arg(long)]
        app: Option<String>,
        /// Requests with these operations, with commas between them [default: with every one]
        #[arg(long, value_name = "OPERATION", value_delimiter = ',')]
        operation: Vec<String>,
        /// Requests about this user: username or number
        #[arg(long, value_name = "USER", conflicts_with = "owner_group")]
        owner: Option<String>,
        /// Requests about members of this group
        #[arg(long, value_name = "GROUP")]
        owner_group: Option<String>,
        /// Share with this user: username or number
        #[arg(long, value_name = "USER", group = "audience")]
        to: Option<String>,
        /// Share with the members of this group
        #[arg(long, value_name = "GROUP", group = "audience")]
        to_group: Option<String>,
        /// Share with the manager of whoever a request is about
        #[arg(long, group = "audience")]
        to_managers: bool,
        /// Not only to be seen: to be approved or denied as well
        #[arg(long)]
        approve: bool,
        /// One line about it
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Lists sharing rules
    List(values::Listing<wire::ByNameOrCreation>),
    /// Shows a sharing rule
    Show {
        /// What it is called
        name: String,
    },
    /// Deletes a sharing rule: what it shared is not seen any more, at once
    Delete {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    match verb {
        Verb::Create {
            name,
            app,
            operation: operations,
            owner,
            owner_group,
            to,
            to_group,
            to_managers,
            approve,
            description,
        } => {
            let operation = |word: &String| parse(word, &Operation::ALL, "operation").map_err(|why| anyhow!(why));
            let operations = operations.iter().map(operation).collect::<Result<Vec<Operation>>>()?;
            let body = json!({
                "name": name, "app": app, "operations": operations, "owner_user": owner, "owner_group": owner_group,
                "to_user": to, "to_group": to_group, "to_managers": to_managers, "description": description,
                "access": if approve { "approve" } else { "read" },
            });
            let made = session.client.post("/api/v1/sharing-rules", body)?;
            out.say(&made, &format!("Made sharing rule {name}: {}.", sentence(&made)));
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/sharing-rules", &[])?;
            out.list(&list, &["NAME", "WHAT"], |rule| vec![text(&rule["name"]), sentence(rule)]);
        }
        Verb::Show { name } => {
            let shown = session.client.get(&format!("/api/v1/sharing-rules/{}", escape(&name)))?;
            out.show(&shown, |rule| {
                facts(&[
                    ("name", text(&rule["name"])),
                    ("description", text(&rule["description"])),
                    ("what", sentence(rule)),
                    ("made", time(&rule["created_at"])),
                ]);
            });
        }
        Verb::Delete { name } => {
            session.client.delete(&format!("/api/v1/sharing-rules/{}", escape(&name)))?;
            out.say(&json!({"deleted": name}), &format!("Deleted sharing rule {name}."));
        }
    }
    Ok(Outcome::Done)
}

/// "managers approve Create of hr about members of staff".
fn sentence(rule: &Json) -> String {
    let who = match (&rule["to_user"], &rule["to_group"]) {
        (Json::String(user), _) => user.clone(),
        (_, Json::String(group)) => format!("members of {group}"),
        _ => "managers".to_owned(),
    };
    let verb = match (rule["access"] == "approve", rule["to_user"].is_string()) {
        (true, true) => "sees and approves",
        (false, true) => "sees",
        (true, false) => "see and approve",
        (false, false) => "see",
    };
    let operations = match text(&rule["operations"]) {
        none if none.is_empty() => "requests".to_owned(),
        some => format!("{some} requests"),
    };
    let app = rule["app"].as_str().map(|app| format!(" of {app}")).unwrap_or_default();
    let about = match (&rule["owner_user"], &rule["owner_group"]) {
        (Json::String(user), _) => format!(" about {user}"),
        (_, Json::String(group)) => format!(" about members of {group}"),
        _ if rule["to_managers"] == true => " about their people".to_owned(),
        _ => String::new(),
    };
    let theirs =
        if rule["to_managers"] == true && !about.contains("their people") { ", if they are theirs" } else { "" };
    format!("{who} {verb} {operations}{app}{about}{theirs}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_a_sentence() {
        let managers = json!({"to_managers": true, "access": "approve", "operations": ["Create"], "app": "hr"});
        assert_eq!(sentence(&managers), "managers see and approve Create requests of hr about their people");
        let group = json!({"to_group": "desk", "access": "read", "operations": [], "owner_group": "staff"});
        assert_eq!(sentence(&group), "members of desk see requests about members of staff");
        let user = json!({"to_user": "ada", "access": "read", "operations": []});
        assert_eq!(sentence(&user), "ada sees requests");
        let decides = json!({"to_user": "ada", "access": "approve", "operations": ["Create"]});
        assert_eq!(sentence(&decides), "ada sees and approves Create requests");
    }
}
