//! `gatehouse audit`. Two of its verbs do without a host: `verify` on a closed store, and on an exported file.

use super::client::query;
use super::render::{facts, line, note, text, time};
use super::{Outcome, Output, Session, values};
use crate::config::key_file;
use crate::wire::{self, TrailVerdictView};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use gatehouse_core::AuditHead;
use gatehouse_core::audit::Verdict;
use gatehouse_core::audit::export::ExportVerifier;
use gatehouse_store::verify_closed;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Lists what was done, decided and denied, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        order: values::Order<wire::BySequence>,
        /// At most so many records
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = values::count)]
        limit: usize,
    },
    /// Signs the end of the trail: keep it elsewhere, to find out later whether the end was cut off
    Head {
        /// The file to write it to, which must not be there yet [default: it is printed]
        file: Option<PathBuf>,
    },
    /// Says whether the trail is as it was written, or names the first bad record (then the exit code is 1)
    Verify(VerifyArgs),
    /// Writes the trail as JSON lines, oldest first; `verify --export` verifies such a file by itself
    Export {
        /// The file to write, which must not be there yet [default: standard output]
        file: Option<PathBuf>,
        /// Not before this moment: 2026-01-31 (its beginning, in UTC) or 2026-01-31T18:00Z
        #[arg(long, value_name = "TIME", value_parser = values::moment)]
        since: Option<Timestamp>,
        /// Before this moment
        #[arg(long, value_name = "TIME", value_parser = values::moment)]
        until: Option<Timestamp>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// By this actor: the name of a token or user, or gatehouse
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Whose action begins like this: user. or user.create
    #[arg(long, value_name = "PREFIX")]
    action: Option<String>,
    /// About this app: its name; its number, such as APP-000001, if it has been deleted
    #[arg(long)]
    app: Option<String>,
    /// Of this request
    #[arg(long, value_name = "NUMBER")]
    request: Option<String>,
    /// About this user: username or number
    #[arg(long)]
    user: Option<String>,
    /// Not before this moment: 2026-01-31 (its beginning, in UTC) or 2026-01-31T18:00Z
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    since: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// A head that was taken of the trail before, as `audit head` writes it (repeat for more)
    #[arg(long, value_name = "FILE")]
    head: Vec<PathBuf>,
    /// A store that no host has open, instead of the host's: only read, and only with its master key
    #[arg(long, value_name = "FILE", requires = "master_key_file", conflicts_with = "export")]
    store: Option<PathBuf>,
    /// The file with that store's master key
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// A file that `audit export` wrote, instead of the host's store
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

pub(super) fn run(verb: Verb, out: Output, session: impl Fn() -> Result<Session>) -> Result<Outcome> {
    match verb {
        Verb::List { filter, order, limit } => list(filter, &order, limit, &session()?),
        Verb::Head { file } => head(file.as_deref(), &session()?),
        Verb::Verify(args) => verify(&args, out, session),
        Verb::Export { file, since, until } => export(file.as_deref(), since, until, &session()?),
    }
}

fn moment(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn list(filter: Filter, order: &values::Order<wire::BySequence>, limit: usize, session: &Session) -> Result<Outcome> {
    let Filter { actor, action, app, request, user, since, until } = filter;
    let filter = query(&[
        ("actor", actor),
        ("action", action),
        ("app", app),
        ("request", request),
        ("user", user),
        ("since", moment(since)),
        ("until", moment(until)),
        order.asked(),
    ]);
    let list = session.client.list(&format!("/api/v1/audit{filter}"), limit)?;
    session.out.list(&list, &["NO", "WHEN", "WHO", "WHAT", "TO WHAT", "FACTS"], row);
    Ok(Outcome::Done)
}

fn row(record: &Json) -> Vec<String> {
    let changes = record["changes"].as_object().into_iter().flatten();
    let changes = changes.map(|(name, changed)| format!("{name}: {} → {}", changed["before"], changed["after"]));
    let told = [text(&record["facts"]), text(&record["outcome"])].into_iter().chain(changes);
    let told: Vec<String> = told.filter(|text| !text.is_empty()).collect();
    vec![
        text(&record["sequence"]),
        time(&record["at"]),
        text(&record["actor"]),
        text(&record["action"]),
        text(&record["subject"]),
        told.join("; "),
    ]
}

fn new_file(path: &Path) -> Result<File> {
    let made = File::options().write(true).create_new(true).open(path);
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow!("{} is there already, and nothing is overwritten", path.display()),
        _ => anyhow!("{} cannot be made: {error}", path.display()),
    })
}

fn head(file: Option<&Path>, session: &Session) -> Result<Outcome> {
    let head = session.client.get("/api/v1/audit/head")?;
    match file {
        None => session.out.show(&head, |head| {
            let fact = |name: &'static str| (name, text(&head[name]));
            facts(&["chain", "sequence", "hash", "at", "public_key", "signature"].map(fact));
        }),
        Some(path) => {
            let written = new_file(path)?.write_all(format!("{head:#}\n").as_bytes());
            written.with_context(|| format!("{} cannot be written", path.display()))?;
            let sentence = format!("{} holds the head after record {}.", path.display(), head["sequence"]);
            session.out.say(&json!({"file": path, "sequence": head["sequence"]}), &sentence);
        }
    }
    Ok(Outcome::Done)
}

fn export(
    file: Option<&Path>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    session: &Session,
) -> Result<Outcome> {
    let path = format!("/api/v1/audit/export{}", query(&[("since", moment(since)), ("until", moment(until))]));
    match file {
        None => drop(session.client.download(&path, &mut std::io::stdout())?),
        Some(file) => {
            let bytes = session.client.download(&path, &mut new_file(file)?)?;
            let sentence = format!("{} holds the audit trail ({bytes} bytes).", file.display());
            session.out.say(&json!({"file": file, "bytes": bytes}), &sentence);
        }
    }
    Ok(Outcome::Done)
}

fn verify(args: &VerifyArgs, out: Output, session: impl Fn() -> Result<Session>) -> Result<Outcome> {
    let heads = args.head.iter().map(|file| read_head(file)).collect::<Result<Vec<_>>>()?;
    let verdict = match (&args.store, &args.export) {
        (Some(store), _) => {
            let key = args.master_key_file.as_deref().context("--store takes --master-key-file")?;
            if !store.is_file() {
                bail!("{} is no file: --store takes a store, such as gatehouse-data/gatehouse.db", store.display());
            }
            view(verify_closed(store, &key_file(key)?, heads).map_err(|error| anyhow!("{error}"))?)?
        }
        (None, Some(file)) => view(verify_export(file, heads)?)?,
        (None, None) => session()?.client.post("/api/v1/audit/verify", json!({"heads": heads}))?,
    };
    out.show(&verdict, show);
    Ok(if verdict["valid"] == true { Outcome::Done } else { Outcome::Failed })
}

fn view(verdict: Verdict) -> Result<Json> {
    Ok(serde_json::to_value(TrailVerdictView::from(verdict))?)
}

fn read_head(file: &Path) -> Result<AuditHead> {
    let head = values::json_file(file)?;
    serde_json::from_value(head).with_context(|| format!("{} is no head that `audit head` wrote", file.display()))
}

fn verify_export(path: &Path, heads: Vec<AuditHead>) -> Result<Verdict> {
    let named = || format!("{} cannot be read", path.display());
    let mut lines = BufReader::new(File::open(path).with_context(named)?).lines();
    let first = lines.next().transpose().with_context(named)?.unwrap_or_default();
    let mut verifier =
        ExportVerifier::new(&first, heads).map_err(|why| anyhow!("{} is no export: {why}", path.display()))?;
    for text in lines {
        verifier.push(&text.with_context(named)?);
    }
    Ok(verifier.finish())
}

fn show(verdict: &Json) {
    let findings = verdict["findings"].as_array().map_or(&[][..], Vec::as_slice);
    for finding in findings {
        line(&format!("{} at record {}: {}", text(&finding["breach"]), finding["sequence"], text(&finding["why"])));
    }
    for unchecked in verdict["notes"].as_array().into_iter().flatten() {
        note(&format!("note: {}", text(unchecked)));
    }
    let count = |name: &str| verdict[name].as_u64().unwrap_or_default();
    let mut told = format!("{} records", count("records"));
    for (name, what) in [("erased", "erased with people"), ("dropped", "dropped before them, as the checkpoint says")] {
        if count(name) > 0 {
            told = format!("{told}, {} {what}", count(name));
        }
    }
    match findings.is_empty() {
        true => line(&format!("The audit trail is as it was written: {told}.")),
        false => line(&format!("The audit trail is not as it was written ({told}).")),
    }
}
