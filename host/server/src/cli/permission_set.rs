//! `gatehouse permission-set`.

use super::client::escape;
use super::render::{facts, text};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a permission set
    Create {
        /// What to call it
        name: String,
        /// One line about it
        #[arg(long, default_value = "")]
        description: String,
        /// What its users may do in Gatehouse: view_setup, manage_users, customize_application, modify_all_data,
        /// manage_connected_apps or download_packages (repeat for more)
        #[arg(long, value_name = "PERMISSION")]
        permission: Vec<String>,
    },
    /// Lists permission sets
    List(values::Listing<wire::ByName>),
    /// Shows a permission set
    Show {
        /// What it is called
        name: String,
    },
    /// Changes a permission set; what is not named stays
    Change {
        /// What it is called
        name: String,
        /// One line about it
        #[arg(long)]
        description: Option<String>,
        /// All that its users may do in Gatehouse (repeat for more)
        #[arg(long, value_name = "PERMISSION", conflicts_with = "no_permissions")]
        permission: Vec<String>,
        /// Its users may do nothing in Gatehouse
        #[arg(long)]
        no_permissions: bool,
    },
    /// Deletes a permission set that no user has and no app is granted to
    Delete {
        /// What it is called
        name: String,
    },
    /// Gives users a permission set (accounts follow by requests)
    Assign {
        /// What it is called
        name: String,
        /// Username or number
        #[arg(required = true)]
        user: Vec<String>,
    },
    /// Takes a permission set from users (accounts follow by requests)
    Unassign {
        /// What it is called
        name: String,
        /// Username or number
        #[arg(required = true)]
        user: Vec<String>,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    let path = |name: &str| format!("/api/v1/permission-sets/{}", escape(name));
    match verb {
        Verb::Create { name, description, permission } => {
            let body = json!({"name": name, "description": description, "permissions": permission});
            let made = session.client.post("/api/v1/permission-sets", body)?;
            out.say(&made, &format!("Made permission set {name}."));
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/permission-sets", &[])?;
            let row = |of: &Json| vec![text(&of["name"]), text(&of["permissions"]), text(&of["description"])];
            out.list(&list, &["NAME", "PERMISSIONS", "DESCRIPTION"], row);
        }
        Verb::Show { name } => out.show(&session.client.get(&path(&name))?, show),
        Verb::Change { name, description, permission, no_permissions } => {
            let mut body = Map::new();
            description.map(|description| body.insert("description".to_owned(), json!(description)));
            if no_permissions || !permission.is_empty() {
                body.insert("permissions".to_owned(), json!(permission));
            }
            out.show(&session.client.patch(&path(&name), body.into(), None)?, show);
        }
        Verb::Delete { name } => {
            session.client.delete(&path(&name))?;
            out.say(&json!({"deleted": name}), &format!("Deleted permission set {name}."));
        }
        Verb::Assign { name, user } => {
            for user in &user {
                let path = format!("/api/v1/users/{}/permission-sets/{}", escape(user), escape(&name));
                let changed = session.client.post(&path, json!({}))?;
                out.say(&changed, &format!("User {user} has permission set {name}."));
            }
        }
        Verb::Unassign { name, user } => {
            for user in &user {
                let path = format!("/api/v1/users/{}/permission-sets/{}", escape(user), escape(&name));
                session.client.delete(&path)?;
                out.say(
                    &json!({"user": user, "unassigned": name}),
                    &format!("User {user} has permission set {name} no more."),
                );
            }
        }
    }
    Ok(Outcome::Done)
}

fn show(of: &Json) {
    facts(&[
        ("name", text(&of["name"])),
        ("description", text(&of["description"])),
        ("permissions", text(&of["permissions"])),
    ]);
}
