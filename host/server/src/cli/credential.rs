//! `gatehouse credential`.

use super::client::escape;
use super::render::{text, time};
use super::{Outcome, Session, values};
use crate::wire;
use anyhow::Result;
use clap::{ArgGroup, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Scheme {
    Bearer,
    Basic,
    Header,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a credential, or gives one another secret. It is kept encrypted, and never shown again
    #[command(group = ArgGroup::new("secret").required(true))]
    Set {
        /// What to call it
        name: String,
        /// The only origin it is ever sent to: scheme, host and port
        #[arg(long, value_name = "URL")]
        origin: String,
        /// How it is added to a request; for `basic` the secret is user:password
        #[arg(long, value_enum)]
        scheme: Scheme,
        /// The header, for scheme `header`
        #[arg(long)]
        header: Option<String>,
        /// A file with the secret
        #[arg(long, value_name = "FILE", group = "secret")]
        secret_file: Option<PathBuf>,
        /// Read the secret from standard input
        #[arg(long, group = "secret")]
        secret_stdin: bool,
    },
    /// Lists credentials, without their secrets
    List(values::Listing<wire::ByNameOrUpdate>),
    /// Deletes a credential that no app uses
    Delete {
        /// What it is called
        name: String,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result<Outcome> {
    let out = session.out;
    match verb {
        Verb::Set { name, origin, scheme, header, secret_file, .. } => {
            let scheme = match scheme {
                Scheme::Bearer => "bearer",
                Scheme::Basic => "basic",
                Scheme::Header => "header",
            };
            let secret = values::secret(secret_file.as_ref())?;
            let body = json!({"origin": origin, "scheme": scheme, "header": header, "secret": secret});
            let set = session.client.put(&format!("/api/v1/credentials/{}", escape(&name)), body)?;
            out.say(&set, &format!("Credential {name} is set, for {} alone.", text(&set["origin"])));
        }
        Verb::List(listing) => {
            let list = listing.of(&session.client, "/api/v1/credentials", &[])?;
            let row = |c: &Json| {
                vec![
                    text(&c["name"]),
                    text(&c["origin"]),
                    text(&c["scheme"]),
                    text(&c["header"]),
                    time(&c["updated_at"]),
                ]
            };
            out.list(&list, &["NAME", "ORIGIN", "SCHEME", "HEADER", "SET"], row);
        }
        Verb::Delete { name } => {
            session.client.delete(&format!("/api/v1/credentials/{}", escape(&name)))?;
            out.say(&json!({"deleted": name}), &format!("Deleted credential {name}."));
        }
    }
    Ok(Outcome::Done)
}
