//! `gatehouse whoami`.

use super::render::{facts, text, time};
use super::{Outcome, Session};
use anyhow::Result;
use serde_json::Value as Json;

pub(super) fn run(session: &Session) -> Result<Outcome> {
    let me = session.client.get("/api/v1/whoami")?;
    session.out.show(&me, |me| {
        let user = match &me["user"] {
            Json::String(user) => user.clone(),
            _ => "(nobody: the installation, which may do everything)".to_owned(),
        };
        facts(&[
            ("user", user),
            ("token", text(&me["token"])),
            ("permissions", or(text(&me["permissions"]), "none")),
            ("scopes", or(text(&me["scopes"]), "all")),
            ("expires", or(time(&me["expires_at"]), "never")),
        ]);
    });
    Ok(Outcome::Done)
}

fn or(text: String, if_empty: &str) -> String {
    if text.is_empty() { if_empty.to_owned() } else { text }
}
