//! `gatehouse connector`.

use super::client::escape;
use super::render::{Output, facts, line, note, table, text, time};
use super::{Outcome, Session, skeleton, values};
use crate::serve::sandbox_for_checks;
use crate::wire;
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use gatehouse_core::ports::Connectors as _;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Writes the skeleton of a new connector: source, a test, and the SDK (needs no host)
    New {
        /// What to call it: a small letter, then small letters, digits and `-`
        name: String,
        /// Where to write it [default: a new directory NAME here]
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// Checks a component as installing would, and describes it (needs no host)
    Check {
        /// The component
        file: PathBuf,
    },
    /// Installs a connector
    Install {
        /// The component
        file: PathBuf,
        /// Consent to running this very component although nobody signed it; recorded with your token's name
        #[arg(long)]
        allow_unsigned: bool,
    },
    /// Lists installed connectors
    List(values::Listing<wire::ByNameOrInstallation>),
    /// Shows an installed connector: its operations, settings, credentials and attributes
    Show {
        /// NAME, NAME@VERSION or digest
        connector: String,
    },
    /// Uninstalls a connector that no app runs on
    Uninstall {
        /// NAME, NAME@VERSION or digest
        connector: String,
    },
}

pub(super) fn run(verb: Verb, out: Output, session: impl FnOnce() -> Result<Session>) -> Result<Outcome> {
    match verb {
        Verb::New { name, path } => skeleton::write(&name, path, out)?,
        Verb::Check { file } => check(&file, out)?,
        Verb::Install { file, allow_unsigned } => install(&session()?, &file, allow_unsigned)?,
        Verb::List(listing) => {
            let list = listing.of(&session()?.client, "/api/v1/connectors", &[])?;
            out.list(&list, &["NAME", "VERSION", "DIGEST", "SUMMARY"], row);
        }
        Verb::Show { connector } => {
            let shown = session()?.client.get(&format!("/api/v1/connectors/{}", escape(&connector)))?;
            out.show(&shown, describe);
        }
        Verb::Uninstall { connector } => {
            session()?.client.delete(&format!("/api/v1/connectors/{}", escape(&connector)))?;
            out.say(&json!({"uninstalled": connector}), &format!("Uninstalled connector {connector}."));
        }
    }
    Ok(Outcome::Done)
}

fn row(connector: &Json) -> Vec<String> {
    let description = &connector["description"];
    let digest = text(&connector["digest"]);
    let short = digest.get(..12).unwrap_or(&digest).to_owned();
    vec![text(&description["name"]), text(&description["version"]), short, text(&description["summary"])]
}

fn install(session: &Session, file: &Path, allow_unsigned: bool) -> Result<()> {
    let component = values::file(file)?;
    let path = format!("/api/v1/connectors?allow_unsigned={allow_unsigned}");
    let installed = session
        .client
        .upload(&path, "application/wasm", component)
        .map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let name = format!("{}@{}", text(&installed["description"]["name"]), text(&installed["description"]["version"]));
    let sentence = format!("Installed connector {name}, digest {}.", text(&installed["digest"]));
    session.out.say(&installed, &sentence);
    Ok(())
}

/// The same admission as the host's, in this process: with a sandbox of its own that leaves nothing behind.
fn check(file: &Path, out: Output) -> Result<()> {
    let component = values::file(file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let (sandbox, _cache) = sandbox_for_checks()?;
    let admission = runtime
        .block_on(sandbox.admit(&component))
        .map_err(|error| anyhow!("{} is not fit to be a connector ({}): {error}", file.display(), error.case))?;
    let view = crate::wire::ConnectorView::from(&admission.connector);
    let report = json!({"connector": view, "warnings": admission.warnings});
    out.show(&report, |report| {
        describe(&report["connector"]);
        for warning in report["warnings"].as_array().into_iter().flatten() {
            note(&format!("warning: {}", text(warning)));
        }
    });
    Ok(())
}

fn describe(connector: &Json) {
    let description = &connector["description"];
    facts(&[
        ("name", text(&description["name"])),
        ("version", text(&description["version"])),
        ("summary", text(&description["summary"])),
        ("digest", text(&connector["digest"])),
        ("size", format!("{} bytes", text(&connector["size"]))),
        ("operations", text(&connector["operations"])),
        ("searchable", text(&description["searchable"])),
        ("search paths", text(&description["search_paths"])),
        ("installed", installed(connector)),
    ]);
    line("\nSettings");
    let setting = |s: &Json| {
        vec![text(&s["name"]), text(&s["type"]), text(&s["required"]), text(&s["default"]), text(&s["description"])]
    };
    table(&["NAME", "TYPE", "REQUIRED", "DEFAULT", "WHAT"], of(&description["settings"], setting));
    line("\nCredentials");
    let slot = |c: &Json| {
        vec![text(&c["name"]), text(&c["schemes"]), text(&c["required"]), text(&c["setting"]), text(&c["description"])]
    };
    table(&["SLOT", "SCHEMES", "REQUIRED", "FOR", "WHAT"], of(&description["credentials"], slot));
    line("\nAttributes");
    let attribute = |a: &Json| {
        let values = if a["multi_valued"] == true { "several" } else { "one" };
        vec![
            text(&a["name"]),
            text(&a["type"]),
            values.to_owned(),
            text(&a["mutability"]),
            text(&a["required"]),
            text(&a["suggested"]),
        ]
    };
    let headers = ["NAME", "TYPE", "VALUES", "MUTABILITY", "REQUIRED", "SUGGESTED MAPPING"];
    table(&headers, of(&description["attributes"], attribute));
}

fn installed(connector: &Json) -> String {
    match text(&connector["installed_by"]) {
        by if by.is_empty() => String::new(),
        by => format!("{} by {by}", time(&connector["installed_at"])),
    }
}

fn of(list: &Json, row: impl Fn(&Json) -> Vec<String>) -> Vec<Vec<String>> {
    list.as_array().map(|items| items.iter().map(row).collect()).unwrap_or_default()
}
