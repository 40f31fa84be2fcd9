//! `gatehouse user`.

use super::client::escape;
use super::render::{facts, text, time};
use super::{Outcome, Session, import, values};
use crate::wire;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a user
    Create {
        /// Unique, ignoring case
        username: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Changes a user
    Change {
        /// Username or number
        user: String,
        #[command(flatten)]
        fields: Fields,
        /// A new username
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// A field to empty: email, first-name, last-name, profile, permission-sets, manager or a free attribute's name
        /// (repeat for more)
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
    },
    /// Shows a user
    Show {
        /// Username or number
        user: String,
    },
    /// Lists users
    List {
        /// Of this profile
        #[arg(long)]
        profile: Option<String>,
        /// Who have this permission set
        #[arg(long, value_name = "NAME")]
        permission_set: Option<String>,
        /// Who report to this user: username or number
        #[arg(long, value_name = "USER")]
        manager: Option<String>,
        /// Who work here (true), or do not (false)
        #[arg(long, value_name = "BOOL")]
        active: Option<bool>,
        /// Who are frozen (true), or are not (false)
        #[arg(long, value_name = "BOOL")]
        frozen: Option<bool>,
        /// Whose username begins so
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        #[command(flatten)]
        listing: values::Listing<wire::ByIdOrUsername>,
    },
    /// Marks a user as frozen (accounts follow by requests)
    Freeze {
        /// Username or number
        user: String,
    },
    /// Marks a user as no longer frozen
    Unfreeze {
        /// Username or number
        user: String,
    },
    /// Marks a user as having left (accounts follow by requests)
    Disable {
        /// Username or number
        user: String,
    },
    /// Marks a user as working here
    Enable {
        /// Username or number
        user: String,
    },
    /// Marks a user as working here again; every account of theirs follows, also where nothing has changed
    Reactivate {
        /// Username or number
        user: String,
    },
    /// Takes everything that is said of a user out of the directory and the audit trail, for good
    Erase {
        /// Username or number, of a user who has left
        user: String,
        /// Do it: nothing brings it back but a backup
        #[arg(long)]
        yes: bool,
    },
    /// Makes and changes users from a file; a user whom no row names is left alone
    #[command(after_help = "CSV: a header names the columns, in any order: username, email, first_name, last_name, \
        profile, permission_sets (between `;`), manager (a username), active and frozen (true or false), and \
        attr.NAME for free attributes (several values between `;` where one is defined to have several). An empty \
        field clears. JSON lines: objects with the same names, and `attributes`.")]
    Import {
        /// FILE.csv or FILE.jsonl
        file: PathBuf,
        /// Import nothing if a row is wrong
        #[arg(long)]
        all_or_nothing: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Writes what came of each row into a file, as JSON lines
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Fields {
    /// The address of work
    #[arg(long)]
    email: Option<String>,
    /// Given name
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,
    /// Family name
    #[arg(long, value_name = "NAME")]
    last_name: Option<String>,
    /// The profile: what gives access to apps
    #[arg(long)]
    profile: Option<String>,
    /// A permission set; all they are to have (repeat for more)
    #[arg(long, value_name = "NAME")]
    permission_set: Vec<String>,
    /// The manager's username
    #[arg(long, value_name = "USERNAME")]
    manager: Option<String>,
    /// A free attribute (repeat for more, or for more values of one)
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    attribute: Vec<(String, String)>,
}

impl Fields {
    /// As members of a JSON object: those that were typed.
    fn members(self) -> Map<String, Json> {
        let plain = [
            ("email", self.email),
            ("first_name", self.first_name),
            ("last_name", self.last_name),
            ("profile", self.profile),
            ("manager", self.manager),
        ];
        let mut members: Map<_, _> =
            plain.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
        if !self.permission_set.is_empty() {
            members.insert("permission_sets".to_owned(), json!(self.permission_set));
        }
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in self.attribute {
            attributes.entry(name).or_default().push(value);
        }
        if !attributes.is_empty() {
            members.insert("attributes".to_owned(), json!(attributes));
        }
        members
    }
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let path = |user: &str| format!("/api/v1/users/{}", escape(user));
    let flag = |user: &str, verb: &str| -> Result<()> {
        let changed = session.client.post(&format!("{}/{verb}", path(user)), json!({}))?;
        session.out.show(&changed, show);
        Ok(())
    };
    match verb {
        Verb::Create { username, fields } => {
            let mut body = fields.members();
            body.insert("username".to_owned(), json!(username));
            let made = session.client.post("/api/v1/users", body.into())?;
            session.out.show(&made, show);
        }
        Verb::Change { user, fields, rename, clear } => {
            can_be_cleared(session, &user, &clear)?;
            let body = change(fields, rename, clear);
            session.out.show(&session.client.patch(&path(&user), body, None)?, show);
        }
        Verb::Show { user } => session.out.show(&session.client.get(&path(&user))?, show),
        Verb::List { profile, permission_set, manager, active, frozen, prefix, listing } => {
            let filter = [
                ("profile", profile),
                ("permission_set", permission_set),
                ("manager", manager),
                ("active", active.map(|active| active.to_string())),
                ("frozen", frozen.map(|frozen| frozen.to_string())),
                ("username_prefix", prefix),
            ];
            let list = listing.of(&session.client, "/api/v1/users", &filter)?;
            let headers = ["ID", "USERNAME", "NAME", "EMAIL", "PROFILE", "ACTIVE", "FROZEN"];
            session.out.list(&list, &headers, row);
        }
        Verb::Freeze { user } => flag(&user, "freeze")?,
        Verb::Unfreeze { user } => flag(&user, "unfreeze")?,
        Verb::Disable { user } => flag(&user, "disable")?,
        Verb::Enable { user } => flag(&user, "enable")?,
        Verb::Reactivate { user } => flag(&user, "reactivate")?,
        Verb::Import { file, all_or_nothing, dry_run, report } => {
            let how = import::How { all_or_nothing, dry_run, report };
            return import::run(session, &file, &how);
        }
        Verb::Erase { user, yes } => erase(session, &user, yes)?,
    }
    Ok(Outcome::Done)
}

fn erase(session: &Session, user: &str, yes: bool) -> Result<()> {
    if !yes {
        bail!(
            "this takes everything that is said of `{user}` out of the directory and the audit trail, for good: say so \
             with --yes. Their accounts in apps, and backups, are not touched"
        );
    }
    let erased = session.client.post(&format!("/api/v1/users/{}/erase", escape(user)), json!({}))?;
    let sentence = format!(
        "{} says nothing of a person any more. `gatehouse compact` clears what is left of it in the file; their \
         accounts in apps stay linked to that number (`gatehouse account list --user {0}`).",
        text(&erased["id"])
    );
    session.out.say(&erased, &sentence);
    Ok(())
}

/// Fields of every user, as flags spell them.
const OWN: [&str; 6] = ["email", "first-name", "last-name", "profile", "permission-sets", "manager"];

/// Refuses to clear what is no field, nor a free attribute that the user has: it may be misspelt.
fn can_be_cleared(session: &Session, user: &str, clear: &[String]) -> Result<()> {
    let free: Vec<&String> = clear.iter().filter(|field| !OWN.contains(&field.replace('_', "-").as_str())).collect();
    if free.is_empty() {
        return Ok(());
    }
    let found = session.client.get(&format!("/api/v1/users/{}", escape(user)))?;
    let has = |name: &str| found["attributes"].get(name.strip_prefix("attr.").unwrap_or(name)).is_some();
    if let Some(field) = free.into_iter().find(|field| !has(field)) {
        let own = found["attributes"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let all: Vec<&str> = OWN.into_iter().chain(own).collect();
        bail!("user `{user}` has no field `{field}` to clear; there are {}", all.join(", "));
    }
    Ok(())
}

fn change(fields: Fields, rename: Option<String>, clear: Vec<String>) -> Json {
    let mut body = fields.members();
    if let Some(name) = rename {
        body.insert("username".to_owned(), json!(name));
    }
    let mut body = Json::Object(body);
    for field in clear {
        match field.replace('-', "_").as_str() {
            own @ ("email" | "first_name" | "last_name" | "profile" | "manager") => body[own] = Json::Null,
            "permission_sets" => body["permission_sets"] = json!([]),
            _ => body["attributes"][field.strip_prefix("attr.").unwrap_or(&field)] = Json::Null,
        }
    }
    body
}

fn row(user: &Json) -> Vec<String> {
    let name = [text(&user["first_name"]), text(&user["last_name"])].join(" ");
    vec![
        text(&user["id"]),
        text(&user["username"]),
        name.trim().to_owned(),
        text(&user["email"]),
        text(&user["profile"]),
        text(&user["active"]),
        text(&user["frozen"]),
    ]
}

fn show(user: &Json) {
    facts(&[
        ("id", text(&user["id"])),
        ("username", text(&user["username"])),
        ("email", text(&user["email"])),
        ("first name", text(&user["first_name"])),
        ("last name", text(&user["last_name"])),
        ("profile", text(&user["profile"])),
        ("permission sets", text(&user["permission_sets"])),
        ("manager", text(&user["manager"])),
        ("active", text(&user["active"])),
        ("frozen", text(&user["frozen"])),
        ("attributes", text(&user["attributes"])),
        ("changed", time(&user["updated_at"])),
    ]);
}
