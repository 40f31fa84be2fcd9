//! `gatehouse backup`, `gatehouse restore` and `gatehouse compact`.

use super::{Outcome, Session};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs::File;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write, which must not be there yet
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// A file that `gatehouse backup` wrote
    file: PathBuf,
    /// Replace everything in the host by what is in the file
    #[arg(long)]
    yes: bool,
    /// Take a backup of another installation, too
    #[arg(long)]
    from_another_installation: bool,
}

pub(super) fn backup(args: &BackupArgs, session: &Session) -> Result<Outcome> {
    let named = || format!("the backup {}", args.file.display());
    if args.file.exists() {
        bail!("{} is there already: a backup never overwrites a file", args.file.display());
    }
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut partial =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(std::path::Path::new("."))).with_context(named)?;
    let bytes = session.client.download("/api/v1/backup", partial.as_file_mut()).with_context(named)?;
    partial.as_file().sync_all().with_context(named)?;
    partial.persist_noclobber(&args.file).with_context(named)?;
    session.out.say(
        &serde_json::json!({"file": args.file, "bytes": bytes}),
        &format!(
            "{} holds the store as it is now ({bytes} bytes). Keep the master key, too: without it the backup cannot \
             be restored.",
            args.file.display()
        ),
    );
    Ok(Outcome::Done)
}

pub(super) fn compact(session: &Session) -> Result<Outcome> {
    let done = session.client.post("/api/v1/compact", serde_json::json!({}))?;
    let bytes = |name: &str| done[name].as_u64().unwrap_or_default();
    session
        .out
        .say(&done, &format!("The store's file has {} bytes; before it had {}.", bytes("after"), bytes("before")));
    Ok(Outcome::Done)
}

pub(super) fn restore(args: &RestoreArgs, session: &Session) -> Result<Outcome> {
    if !args.yes {
        bail!(
            "this replaces everything in the host by what is in {}: say so with --yes. What was done since the backup \
             is not undone in the apps, and forgotten here",
            args.file.display()
        );
    }
    let named = || format!("the backup {}", args.file.display());
    let file = File::open(&args.file).with_context(named)?;
    // A directory can be opened, and only not be read.
    if file.metadata().with_context(named)?.is_dir() {
        bail!("{} is a directory; a backup is a file that `gatehouse backup` wrote", args.file.display());
    }
    let path = format!("/api/v1/restore?from_another_installation={}", args.from_another_installation);
    let restored = session.client.upload_file(&path, file)?;
    session.out.say(
        &restored,
        &format!(
            "The store is as it was at {}, its tokens with it. Reconcile every app: what was done since is in the \
             apps, and not here.",
            restored["made_at"].as_str().unwrap_or_default()
        ),
    );
    Ok(Outcome::Done)
}
