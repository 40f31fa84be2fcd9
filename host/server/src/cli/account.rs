//! `gatehouse account`.

use super::client::escape;
use super::render::{facts, line, table, text, time};
use super::{Outcome, Session, values, wait};
use crate::wire;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value as Json, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Lists an app's accounts
    List {
        /// The app
        app: String,
        /// Linked, Duplicate, Orphaned or Ignored
        #[arg(long, value_name = "STATE")]
        link_state: Option<String>,
        /// confirmed, found, ambiguous, already-linked, unassigned, missing, deleted, protected or excluded
        #[arg(long, value_name = "SITUATION")]
        situation: Option<String>,
        /// Of this user: username or number
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        listing: values::Listing<wire::ById>,
        /// Only count them, by link state and situation
        #[arg(long, conflicts_with_all = ["link_state", "situation", "user", "sort"])]
        summary: bool,
    },
    /// Shows an account
    Show {
        /// Its number, such as ACC-000001
        id: String,
    },
    /// Links an account to a user; no later analysis undoes it
    Link {
        /// Its number
        id: String,
        /// Username or number
        #[arg(long)]
        user: String,
    },
    /// Unlinks an account from its user
    Unlink {
        /// Its number
        id: String,
    },
    /// Leaves an account alone from now on
    Ignore {
        /// Its number
        id: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let changed = |id: &str, verb: &str, body: Json| -> Result<Outcome> {
        let asked = session.client.post(&format!("/api/v1/accounts/{}/{verb}", escape(id)), body)?;
        let (request, outcome) = wait::until_rest(session, &asked)?;
        session.out.show(&request, wait::tell);
        Ok(outcome)
    };
    match verb {
        Verb::List { app, summary: true, .. } => summary(session, &app)?,
        Verb::List { app, link_state, situation, user, listing, .. } => {
            let filter = [("app", Some(app)), ("link_state", link_state), ("situation", situation), ("user", user)];
            let list = listing.of(&session.client, "/api/v1/accounts", &filter)?;
            let headers = ["ID", "USERNAME", "USER", "STATUS", "LINK STATE", "SITUATION", "WHY"];
            session.out.list(&list, &headers, row);
        }
        Verb::Show { id } => {
            let shown = session.client.get(&format!("/api/v1/accounts/{}", escape(&id)))?;
            session.out.show(&shown, show);
        }
        Verb::Link { id, user } => return changed(&id, "link", json!({"user": user})),
        Verb::Unlink { id } => return changed(&id, "unlink", json!({})),
        Verb::Ignore { id } => return changed(&id, "ignore", json!({})),
    }
    Ok(Outcome::Done)
}

fn row(account: &Json) -> Vec<String> {
    vec![
        text(&account["id"]),
        text(&account["username"]),
        text(&account["user_name"]),
        status(account),
        text(&account["link_state"]),
        text(&account["situation"]),
        text(&account["why"]),
    ]
}

fn status(account: &Json) -> String {
    if account["situation"] == "missing" {
        return "(none)".to_owned();
    }
    let frozen = if account["frozen"] == true { ", frozen" } else { "" };
    format!("{}{frozen}", text(&account["status"]))
}

/// Every link state, also those that no account is in.
fn summary(session: &Session, app: &str) -> Result<()> {
    let summary = session.client.get(&format!("/api/v1/accounts/summary?app={}", escape(app)))?;
    session.out.show(&summary, |summary| {
        let mut rows = Vec::new();
        for (state, situations) in [
            ("Linked", &["confirmed", "found"][..]),
            ("Duplicate", &["ambiguous", "already-linked"]),
            ("Orphaned", &["unassigned", "missing", "deleted"]),
            ("Ignored", &["protected", "excluded"]),
        ] {
            for situation in situations {
                let count = summary["situations"][situation].as_u64().unwrap_or(0);
                if count > 0 {
                    rows.push(vec![state.to_owned(), (*situation).to_owned(), count.to_string()]);
                }
            }
        }
        table(&["LINK STATE", "SITUATION", "ACCOUNTS"], rows);
    });
    Ok(())
}

fn show(account: &Json) {
    facts(&[
        ("id", text(&account["id"])),
        ("app", text(&account["app"])),
        ("external id", text(&account["external_id"])),
        ("username", text(&account["username"])),
        ("user", text(&account["user_name"])),
        ("link state", format!("{} ({})", text(&account["link_state"]), text(&account["situation"]))),
        ("why", text(&account["why"])),
        ("known link", text(&account["is_known_link"])),
        ("status", status(account)),
        ("last seen", time(&account["last_seen"])),
        ("last run", text(&account["last_run"])),
    ]);
    let Some(attributes) = account["attributes"].as_object().filter(|attributes| !attributes.is_empty()) else {
        return;
    };
    line("");
    let value = |value: &Json| match text(&value["kind"]) {
        kind if kind.is_empty() => text(&value["text"]),
        kind => format!("{} ({kind})", text(&value["text"])),
    };
    let values = |list: &Json| {
        list.as_array().map(|list| list.iter().map(value).collect::<Vec<_>>().join(", ")).unwrap_or_default()
    };
    table(&["ATTRIBUTE", "VALUE"], attributes.iter().map(|(name, list)| vec![name.clone(), values(list)]).collect());
}
