//! `gatehouse audit`.

use super::render::{text, time};
use super::{Outcome, Session, values};
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value as Json;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Lists what was done, decided and denied, newest first
    List {
        /// At most so many records
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = values::count)]
        limit: usize,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let Verb::List { limit } = verb;
    let list = session.client.list("/api/v1/audit", limit)?;
    let row =
        |r: &Json| vec![time(&r["at"]), text(&r["actor"]), text(&r["action"]), text(&r["subject"]), text(&r["facts"])];
    session.out.list(&list, &["WHEN", "WHO", "WHAT", "TO WHAT", "FACTS"], row);
    Ok(Outcome::Done)
}
