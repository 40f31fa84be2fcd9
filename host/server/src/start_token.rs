//! The token that a host hands out when it starts: the first one of a new store, or one that was asked for because all
//! others are lost. It is handed out before it is good, so that none is ever good that nobody has seen.

use crate::config::{ServeConfig, write_private};
use crate::service::{FIRST_TOKEN, Services, TokenAsk};
use anyhow::{Context, Result, bail};
use gatehouse_core::Actor;
use std::io::{Write as _, stdout};
use std::path::Path;

/// Hands out a token, if this is a new store or one was asked for.
///
/// # Errors
/// It cannot be handed out, the name is taken, or the store is unavailable; there is no new token then.
pub(crate) async fn hand_out(services: &Services, config: &ServeConfig) -> Result<()> {
    let name = match &config.new_token {
        Some(name) => name,
        None if services.has_tokens().await? => return Ok(()),
        None => &FIRST_TOKEN.to_owned(),
    };
    let (made, changes) =
        services.prepare_token(&Actor::host(), TokenAsk { name: name.clone(), ..TokenAsk::default() }).await?;
    match &config.print_token_to {
        Some(file) => write(file, &made.token)?,
        None => writeln!(stdout(), "{name} token (shown once): {}", made.token)
            .and_then(|()| stdout().flush())
            .context("the token cannot be printed; --print-token-to writes it to a file instead")?,
    }
    // What was handed out stays where it is: a disk may refuse so late that the token is good all the same.
    let kept = services.store.commit(changes).await;
    kept.with_context(|| {
        format!("the store did not take the {name} token; the next start says whether it did after all")
    })
}

fn write(file: &Path, token: &str) -> Result<()> {
    if file.exists() {
        bail!("{} is there already, and no token is written over it: remove it, or name another file", file.display());
    }
    write_private(file, &format!("{token}\n"))
}
