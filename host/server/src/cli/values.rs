//! What people type: `name=value` pairs, files, secrets.

use super::client::{Client, query};
use crate::wire::{Sort, SortKey};
use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value as Json;
use std::io::Read as _;
use std::marker::PhantomData;
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

/// In which order, by the keys that the list has.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Order<K: SortKey> {
    /// In which order; with - in front, the other way
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, value_parser = orders::<K>())]
    sort: Option<String>,
    #[arg(skip)]
    keys: PhantomData<K>,
}

impl<K: SortKey> Order<K> {
    /// The parameter that asks for it.
    pub(super) fn asked(&self) -> (&'static str, Option<String>) {
        ("sort", self.sort.clone())
    }
}

fn orders<K: SortKey>() -> PossibleValuesParser {
    Sort::<K>::words().collect::<Vec<_>>().into()
}

/// How much of a list, and in which order.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Listing<K: SortKey> {
    #[command(flatten)]
    order: Order<K>,
    #[command(flatten)]
    limit: Limit,
}

impl<K: SortKey> Listing<K> {
    /// That much of the list that is at this path, of what these filters let through.
    pub(super) fn of(&self, client: &Client, path: &str, filters: &[(&str, Option<String>)]) -> Result<Json> {
        let parameters = [filters, &[self.order.asked()]].concat();
        client.list(&format!("{path}{}", query(&parameters)), self.limit.most())
    }
}

/// A number of things, one at least.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{text}` is no number from 1 up")),
    }
}

/// A moment: the beginning of a day in UTC, or a time.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    given(text).ok_or_else(|| {
        format!("`{text}` is none of 2030-01-31 (its beginning, in UTC), 2030-01-31T18:00Z and 2030-01-31T18:00+02:00")
    })
}

fn given(text: &str) -> Option<Timestamp> {
    // A date is also read out of a time that says no zone, which nobody means.
    let plain = text.len() == "2030-01-31".len();
    let day = || text.parse::<Date>().ok().filter(|_| plain)?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day)
}

/// A moment to come: after so many days or hours, or the beginning of a day in UTC, or a time.
#[allow(clippy::disallowed_methods, reason = "what somebody types is counted from when they type it")]
pub(super) fn until(text: &str) -> Result<Timestamp, String> {
    let after = |unit: char, hours: i64| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count > 0)?;
        Timestamp::now().checked_add(SignedDuration::from_hours(count.checked_mul(hours)?)).ok()
    };
    let moment = after('d', 24).or_else(|| after('h', 1)).or_else(|| given(text));
    moment.ok_or_else(|| {
        format!("`{text}` is none of 90d, 12h, 2030-01-31 (its beginning, in UTC) and 2030-01-31T18:00Z")
    })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_moment_to_come_is_typed_in_many_ways() {
        let day = until("2030-01-31").unwrap();
        assert_eq!(day, until("2030-01-31T00:00:00Z").unwrap());
        assert!(until("90d").unwrap() > until("12h").unwrap());
        for text in ["", "d", "0d", "-1d", "tomorrow", "90", "2030-02-31", "2030-01-31T18:00"] {
            assert!(until(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_day_or_a_time_and_what_is_neither_is_answered_with_examples() {
        let day = moment("2026-12-31").unwrap();
        assert_eq!(day, moment("2026-12-31T00:00Z").unwrap());
        assert_eq!(day, moment("2026-12-31T02:00+02:00").unwrap());
        for text in ["", "12h", "31.12.2026", "2026-12-31T18:00", "2026-13-01"] {
            let why = moment(text).unwrap_err();
            assert!(why.contains(&format!("`{text}`")) && why.contains("2030-01-31T18:00Z"), "{why}");
        }
    }
}
