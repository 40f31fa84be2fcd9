//! What people type: `name=value` pairs, files, secrets.

use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A token, which from here on is in no text.
pub(super) fn token(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text.trim()))
}

/// Reads a token from a file.
pub(super) fn token_file(path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the token file {}", path.display()))?;
    Ok(SecretString::from(text.trim()))
}

/// Splits `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form NAME=VALUE")),
    }
}

/// That no name stands twice: it would not be clear which value is meant.
pub(super) fn each_once(flag: &str, pairs: &[(String, String)]) -> Result<()> {
    for (at, (name, _)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
            bail!("{flag} names `{name}` twice; name it once");
        }
    }
    Ok(())
}

/// How much of a list, where the verb has no default of its own.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Limit {
    /// At most so many [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    limit: Option<usize>,
}

impl Limit {
    pub(super) fn most(self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

/// A number of things, one at least.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{text}` is no number from 1 up")),
    }
}

/// Reads a file, and names it if that fails.
pub(super) fn file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Reads a file of JSON, and names it and the place in it if it is none.
pub(super) fn json_file(path: &Path) -> Result<serde_json::Value> {
    serde_json::from_slice(&file(path)?).with_context(|| format!("{} is no JSON", path.display()))
}

/// A secret, from a file or from standard input, without the line break at its end.
pub(super) fn secret(from_file: Option<&PathBuf>) -> Result<String> {
    let text = match from_file {
        Some(path) => String::from_utf8(file(path)?).with_context(|| format!("{} is no text", path.display()))?,
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("the secret cannot be read from standard input")?;
            text
        }
    };
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("the secret is empty");
    }
    Ok(secret.to_owned())
}
