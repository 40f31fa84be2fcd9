//! `gatehouse app`.

use super::client::escape;
use super::render::{facts, line, table, text, time};
use super::{Outcome, Session, counters, job, plan, values, wait};
use crate::wire;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use gatehouse_core::Origin;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Connects an app: a connector, its settings and credentials
    Create(Box<Create>),
    /// Lists apps
    List(values::Listing<wire::ByNameOrCreation>),
    /// Shows an app (its configuration: --output json, member `config`)
    Show {
        /// The app
        name: String,
    },
    /// Checks whether the app's target can be reached and signed in to
    Probe {
        /// The app
        name: String,
    },
    /// Calls nothing of the app until it is resumed
    Pause {
        /// The app
        name: String,
    },
    /// Lets a paused app go on
    Resume {
        /// The app
        name: String,
    },
    /// Changes an app
    Configure(Box<Configure>),
    /// Collects the app's accounts and compares them with what is known; changes nothing before it is committed
    Reconcile(Reconcile),
    /// Lets an app's requests go on that the guard against mass changes holds
    Release {
        /// The app
        name: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Withdraws an app's requests that the guard against mass changes holds
    Withdraw {
        /// The app
        name: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Shows what the app would receive for a user, rule by rule; nothing is called and nothing changed
    Preview(super::preview::Preview),
    /// Finds out what a user needs in the app, step by step, and has it done
    Provision(super::preview::Provision),
    /// Deletes an app with its accounts, requests and logs; the target is not touched
    Delete {
        /// The app
        name: String,
        /// Really
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What to call it: a small letter, then small letters, digits and `-`
    name: String,
    /// An installed connector: NAME, NAME@VERSION or digest
    #[arg(long)]
    connector: String,
    /// A setting of the connector (repeat for more)
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    set: Vec<(String, String)>,
    /// A credential for a slot of the connector (repeat for more)
    #[arg(long, value_name = "SLOT=NAME", value_parser = values::pair)]
    credential: Vec<(String, String)>,
    /// An origin whose addresses may be loopback, private or link-local (repeat for more)
    #[arg(long, value_name = "ORIGIN")]
    allow_private: Vec<String>,
    /// A profile whose users have access (repeat for more)
    #[arg(long)]
    profile: Vec<String>,
    /// A permission set whose users have access (repeat for more)
    #[arg(long)]
    permission_set: Vec<String>,
    /// A file of JSON with the provisioning configuration; what it leaves out is as the connector suggests
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Configure {
    /// The app
    name: String,
    /// A setting to set (repeat for more)
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    set: Vec<(String, String)>,
    /// A setting to go back to its default (repeat for more)
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// A credential for a slot; SLOT= takes it away (repeat for more)
    #[arg(long, value_name = "SLOT=NAME", value_parser = values::pair)]
    credential: Vec<(String, String)>,
    /// An origin whose addresses may be loopback, private or link-local (repeat for more)
    #[arg(long, value_name = "ORIGIN")]
    allow_private: Vec<String>,
    /// An origin whose addresses may no longer be (repeat for more)
    #[arg(long, value_name = "ORIGIN")]
    revoke_private: Vec<String>,
    /// A file of JSON with the whole provisioning configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A profile to give access to (repeat for more)
    #[arg(long, value_name = "PROFILE")]
    grant_profile: Vec<String>,
    /// A profile to take access from (repeat for more)
    #[arg(long, value_name = "PROFILE")]
    revoke_profile: Vec<String>,
    /// A permission set to give access to (repeat for more)
    #[arg(long, value_name = "NAME")]
    grant_permission_set: Vec<String>,
    /// A permission set to take access from (repeat for more)
    #[arg(long, value_name = "NAME")]
    revoke_permission_set: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// The app
    name: String,
    /// Do not wait for the plan
    #[arg(long)]
    no_wait: bool,
    /// Accounts you supply, one JSON object a line: nothing is collected, these are analysed
    #[arg(long, value_name = "FILE")]
    staged: Option<PathBuf>,
    /// The supplied accounts are all there are
    #[arg(long, requires = "staged")]
    complete: bool,
    /// Why, for the log
    #[arg(long)]
    reason: Option<String>,
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let path = |name: &str| format!("/api/v1/apps/{}", escape(name));
    let out = session.out;
    match verb {
        Verb::Create(create) => self::create(session, *create)?,
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/apps", &[])?;
            out.list(&list, &["NAME", "CONNECTOR", "REACHES", "PROFILES", "PAUSED"], row);
        }
        Verb::Show { name } => {
            let app = session.client.get(&path(&name))?;
            out.show(&app, show);
            if !out.is_json() {
                line("\nCounted");
                counters::tell(&session.client.get(&format!("{}/counters", path(&name)))?);
            }
        }
        Verb::Probe { name } => return probe(session, &name),
        Verb::Pause { name } => {
            let paused = session.client.post(&format!("{}/pause", path(&name)), json!({}))?;
            out.say(&paused, &format!("App {name} is paused."));
        }
        Verb::Resume { name } => {
            let resumed = session.client.post(&format!("{}/resume", path(&name)), json!({}))?;
            out.say(&resumed, &format!("App {name} goes on."));
        }
        Verb::Configure(configure) => self::configure(session, &configure)?,
        Verb::Reconcile(reconcile) => return self::reconcile(session, reconcile),
        Verb::Release { name, reason } => return job::decide_held(session, &name, "release", reason),
        Verb::Withdraw { name, reason } => return job::decide_held(session, &name, "withdraw", Some(reason)),
        Verb::Preview(preview) => return super::preview::preview(session, &preview),
        Verb::Provision(provision) => return super::preview::provision(session, &provision),
        Verb::Delete { name, yes } => {
            if !yes {
                bail!(
                    "deleting app `{name}` deletes its accounts, requests and logs here (its target is not touched); \
                     say --yes if you mean it"
                );
            }
            session.client.delete(&path(&name))?;
            out.say(&json!({"deleted": name}), &format!("Deleted app {name}. Its target is as it was."));
        }
    }
    Ok(Outcome::Done)
}

fn create(session: &Session, create: Create) -> Result<()> {
    values::each_once("--set", &create.set)?;
    values::each_once("--credential", &create.credential)?;
    let mut body = json!({
        "name": create.name,
        "connector": create.connector,
        "settings": settings(session, &create.connector, &create.set)?,
        "credentials": create.credential.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "private_origins": create.allow_private,
        "profiles": create.profile.into_iter().collect::<BTreeSet<_>>(),
        "permission_sets": create.permission_set.into_iter().collect::<BTreeSet<_>>(),
    });
    if let Some(file) = create.config {
        body["config"] = values::json_file(&file)?;
    }
    let made = session.client.post("/api/v1/apps", body)?;
    session.out.show(&made, |made| {
        line(&format!("Made app {}.\n", create.name));
        show(made);
    });
    Ok(())
}

/// What was typed, in the types that the connector declares. What does not fit stays text: the host says what would.
fn settings(session: &Session, connector: &str, typed: &[(String, String)]) -> Result<Json> {
    if typed.is_empty() {
        return Ok(json!({}));
    }
    let connector = session.client.get(&format!("/api/v1/connectors/{}", escape(connector)))?;
    let kind = |name: &str| {
        let settings = connector["description"]["settings"].as_array();
        settings.into_iter().flatten().find(|s| s["name"] == name).map(|s| text(&s["type"])).unwrap_or_default()
    };
    let value = |name: &str, typed: &str| match kind(name).as_str() {
        "boolean" => typed.parse::<bool>().map_or_else(|_| json!(typed), Json::Bool),
        "integer" => typed.parse::<i64>().map_or_else(|_| json!(typed), Json::from),
        _ => json!(typed),
    };
    Ok(typed.iter().map(|(name, typed)| (name.clone(), value(name, typed))).collect::<Map<_, _>>().into())
}

/// Reads the app, changes what was named, and writes it back only if nobody else has meanwhile.
fn configure(session: &Session, configure: &Configure) -> Result<()> {
    values::each_once("--set", &configure.set)?;
    values::each_once("--credential", &configure.credential)?;
    if let Some((name, _)) = configure.set.iter().find(|(name, _)| configure.unset.contains(name)) {
        bail!("`{name}` is both to be set and to be unset");
    }
    let path = format!("/api/v1/apps/{}", escape(&configure.name));
    let app = session.client.get(&path)?;
    let mut body = Map::new();
    let mut set = settings(session, &text(&app["connector"]["digest"]), &configure.set)?;
    for name in &configure.unset {
        set[name] = Json::Null;
    }
    body.insert("settings".to_owned(), set);
    let bound = |name: &String| if name.is_empty() { Json::Null } else { json!(name) };
    let credentials: Map<_, _> = configure.credential.iter().map(|(slot, name)| (slot.clone(), bound(name))).collect();
    body.insert("credentials".to_owned(), credentials.into());
    if !configure.allow_private.is_empty() || !configure.revoke_private.is_empty() {
        let origins =
            changed(&app["private_origins"], &origins(&configure.allow_private)?, &origins(&configure.revoke_private)?)
                .context("no app has that private origin")?;
        body.insert("private_origins".to_owned(), origins);
    }
    if !configure.grant_profile.is_empty() || !configure.revoke_profile.is_empty() {
        let profiles = changed(&app["profiles"], &configure.grant_profile, &configure.revoke_profile)
            .with_context(|| format!("app `{}` is not granted to that profile", configure.name))?;
        body.insert("profiles".to_owned(), profiles);
    }
    if !configure.grant_permission_set.is_empty() || !configure.revoke_permission_set.is_empty() {
        let (grant, revoke) = (&configure.grant_permission_set, &configure.revoke_permission_set);
        let sets = changed(&app["permission_sets"], grant, revoke)
            .with_context(|| format!("app `{}` is not granted to that permission set", configure.name))?;
        body.insert("permission_sets".to_owned(), sets);
    }
    if let Some(file) = &configure.config {
        body.insert("config".to_owned(), values::json_file(file)?);
    }
    let changed = session.client.patch(&path, body.into(), app["version"].as_u64())?;
    session.out.show(&changed, show);
    let access = |app: &Json| (app["profiles"].clone(), app["permission_sets"].clone());
    if access(&app) != access(&changed) {
        job::tell_of(session, &configure.name)?;
    }
    Ok(())
}

fn origins(typed: &[String]) -> Result<Vec<String>> {
    typed.iter().map(|text| Ok(text.parse::<Origin>()?.to_string())).collect()
}

/// A set of texts with some more and some less.
fn changed(before: &Json, add: &[String], remove: &[String]) -> Result<Json> {
    let mut set: BTreeSet<String> = before.as_array().into_iter().flatten().map(text).collect();
    set.extend(add.iter().cloned());
    for text in remove {
        if !set.remove(text) {
            bail!("`{text}` is not among {}", set.iter().cloned().collect::<Vec<_>>().join(", "));
        }
    }
    Ok(json!(set))
}

fn probe(session: &Session, name: &str) -> Result<Outcome> {
    let report = session.client.post(&format!("/api/v1/apps/{}/probe", escape(name)), json!({}))?;
    let ok = report["ok"] == true;
    session.out.show(&report, |report| {
        let findings = report["findings"].as_array().into_iter().flatten();
        let rows: Vec<_> = findings.map(|f| vec![text(&f["name"]), text(&f["detail"])]).collect();
        if !rows.is_empty() {
            table(&["LOOKED AT", "FOUND"], rows);
        }
        for denial in report["denials"].as_array().into_iter().flatten() {
            line(&format!(
                "refused at the gate ({}): {} {}: {}",
                text(&denial["rule"]),
                text(&denial["method"]),
                text(&denial["url"]),
                text(&denial["detail"])
            ));
        }
        if ok {
            line(&format!("App {name} reaches its target and can sign in."));
        }
    });
    if !ok {
        bail!("app `{name}` cannot use its target: {}", text(&report["error"]));
    }
    Ok(Outcome::Done)
}

fn reconcile(session: &Session, reconcile: Reconcile) -> Result<Outcome> {
    let mut body = json!({"reason": reconcile.reason, "complete": reconcile.complete});
    if let Some(file) = &reconcile.staged {
        body["staged"] = staged(file)?;
    }
    let asked = session.client.post(&format!("/api/v1/apps/{}/reconcile", escape(&reconcile.name)), body)?;
    if reconcile.no_wait {
        session.out.show(&asked, wait::tell);
        return Ok(Outcome::Done);
    }
    let (run, outcome) = wait::until_rest(session, &asked)?;
    if session.out.is_json() {
        session.out.show(&run, |_| {});
    } else {
        plan::tell(session, &run)?;
    }
    Ok(outcome)
}

/// Accounts from a file, one JSON object a line.
fn staged(file: &Path) -> Result<Json> {
    let bytes = values::file(file)?;
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    let parse = |(no, line): (usize, &[u8])| {
        serde_json::from_slice::<Json>(line).with_context(|| format!("{}, line {no}, is no JSON", file.display()))
    };
    Ok(Json::Array(lines.map(parse).collect::<Result<_>>()?))
}

fn row(app: &Json) -> Vec<String> {
    vec![
        text(&app["name"]),
        format!("{}@{}", text(&app["connector"]["name"]), text(&app["connector"]["version"])),
        text(&app["granted_origins"]),
        text(&app["profiles"]),
        text(&app["paused"]),
    ]
}

fn show(app: &Json) {
    let config = &app["config"];
    facts(&[
        ("name", text(&app["name"])),
        ("connector", format!("{}@{}", text(&app["connector"]["name"]), text(&app["connector"]["version"]))),
        ("settings", text(&app["settings"])),
        ("credentials", text(&app["credentials"])),
        ("reaches", text(&app["granted_origins"])),
        ("also privately", text(&app["private_origins"])),
        ("profiles", text(&app["profiles"])),
        ("permission sets", text(&app["permission_sets"])),
        ("operations", text(&config["operations"])),
        ("approval for", text(&config["approval_required"])),
        ("in scope", text(&config["scope"])),
        ("protected", text(&config["protected"])),
        ("paused", text(&app["paused"])),
        (
            "reconciled",
            match text(&app["last_reconcile"]["run"]) {
                _ if app["surveyed"] == false => "not yet: events make no account without consent".to_owned(),
                run if run.is_empty() => "never in full".to_owned(),
                run => format!("{} by {run}", time(&app["last_reconcile"]["at"])),
            },
        ),
    ]);
    let list = |name: &str, row: &dyn Fn(&Json) -> Vec<String>| -> Vec<Vec<String>> {
        config[name].as_array().map(|items| items.iter().map(row).collect()).unwrap_or_default()
    };
    line("\nMapping");
    let made_of = |m: &Json| text(if m["value"].is_null() { &m["expression"] } else { &m["value"] });
    let mapping = |m: &Json| vec![text(&m["attribute"]), made_of(m), text(&m["kind"])];
    table(&["ATTRIBUTE", "VALUE", "KIND"], list("mapping", &mapping));
    line("\nLinking, the strongest rule first");
    let linking = |l: &Json| vec![text(&l["account_attribute"]), text(&l["user_attribute"])];
    table(&["OF THE ACCOUNT", "OF THE USER"], list("linking", &linking));
}
