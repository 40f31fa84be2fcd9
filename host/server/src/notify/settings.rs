//! The table `notifications` of the configuration file. Secrets are in files of their own, and read when the host starts.

use super::{Channels, Encryption, Mail, MailConfig, Webhook};
use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// How people are told of approvals: the table `notifications` of the configuration file (docs/approvals.md).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    webhook_url: Option<String>,
    webhook_secret_file: Option<PathBuf>,
    smtp_host: Option<String>,
    smtp_port: Option<u16>,
    #[serde(default)]
    smtp_encryption: Encryption,
    smtp_username: Option<String>,
    smtp_password_file: Option<PathBuf>,
    mail_from: Option<String>,
    #[serde(default)]
    digest_minutes: u32,
}

impl Notifications {
    /// The channels that this names.
    ///
    /// # Errors
    /// One half of something is named without the other, a file cannot be read, or a value makes no sense.
    pub fn channels(&self) -> Result<Channels> {
        let webhook = match (&self.webhook_url, &self.webhook_secret_file) {
            (Some(url), Some(file)) => Some(Webhook::new(url, secret_of(file)?)?),
            (None, None) => None,
            _ => bail!("a webhook takes both its address and its secret: webhook_url and webhook_secret_file"),
        };
        let mail = match (&self.smtp_host, &self.mail_from) {
            (Some(host), Some(from)) => Some(self.mail(host, from)?),
            (None, None) => None,
            _ => bail!("mail takes both a server and a sender: smtp_host and mail_from"),
        };
        Ok(Channels { webhook, mail, digest: jiff::SignedDuration::from_mins(self.digest_minutes.into()) })
    }

    fn mail(&self, host: &str, from: &str) -> Result<Mail> {
        let credentials = match (&self.smtp_username, &self.smtp_password_file) {
            (Some(user), Some(file)) => Some((user.clone(), secret_of(file)?)),
            (None, None) => None,
            _ => bail!("the mail server takes both: smtp_username and smtp_password_file"),
        };
        Mail::new(MailConfig {
            host: host.to_owned(),
            port: self.smtp_port,
            encryption: self.smtp_encryption,
            credentials,
            from: from.to_owned(),
        })
    }
}

fn secret_of(file: &Path) -> Result<SecretString> {
    let text = fs::read_to_string(file).with_context(|| format!("the secret in {}", file.display()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(text: &str) -> Result<Channels, String> {
        let read: Notifications = toml::from_str(text).map_err(|error| error.to_string())?;
        read.channels().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn halves_and_mistakes_are_refused_and_said() {
        for (text, why) in [
            ("webhook_url = \"https://x\"", "both its address and its secret"),
            ("smtp_host = \"mail.example.com\"", "both a server and a sender"),
            ("smtp_host = \"m\"\nmail_from = \"nobody\"", "is no address"),
            ("smtp_host = \"m\"\nmail_from = \"a@b.org\"\nsmtp_encryption = \"none\"", "on this machine alone"),
            ("smtp_host = \"m\"\nmail_from = \"a@b.org\"\nsmtp_username = \"u\"", "smtp_password_file"),
            ("smtp_hots = \"m\"", "unknown field"),
        ] {
            let error = channels(text).err().unwrap_or_default();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn nothing_is_told_unless_it_is_asked_for() {
        let none = channels("").map(|channels| channels.webhook.is_none() && channels.mail.is_none());
        assert_eq!(none, Ok(true));
        let both = channels(
            "smtp_host = \"mail.example.com\"\nmail_from = \"Gatehouse <g@example.com>\"\ndigest_minutes = 15",
        );
        assert!(both.is_ok_and(|channels| channels.mail.is_some() && channels.digest.as_secs() == 900));
    }
}
