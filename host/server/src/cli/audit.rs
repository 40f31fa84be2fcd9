//! `gatehouse audit`.

use super::render::{rows, table, text, time};
use super::{Outcome, Session};
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value as Json;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Lists what was done, decided and denied, newest first
    List {
        /// At most so many records
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let Verb::List { limit } = verb;
    let list = session.client.list("/api/v1/audit", limit.max(1))?;
    let row =
        |r: &Json| vec![time(&r["at"]), text(&r["actor"]), text(&r["action"]), text(&r["subject"]), text(&r["facts"])];
    session.out.show(&list, |list| table(&["WHEN", "WHO", "WHAT", "TO WHAT", "FACTS"], rows(list, row)));
    Ok(Outcome::Done)
}
