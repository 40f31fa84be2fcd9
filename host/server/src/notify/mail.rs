//! Mail over SMTP (RFC 5321), by the server of the organisation. It is encrypted, unless the server is on this machine.

use anyhow::{Context, Result, bail};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message, SmtpTransport, Transport as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// How long the server may take for one command.
const ANSWER: Duration = Duration::from_secs(20);

/// How the way to the server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// TLS from the first byte on (RFC 8314 section 3.3).
    Tls,
    /// STARTTLS, without which nothing is sent (RFC 3207).
    #[default]
    Starttls,
    /// Not at all: for a server on this machine.
    None,
}

/// The server that mail is handed to.
#[derive(Debug)]
pub struct MailConfig {
    /// Its name.
    pub host: String,
    /// Its port, if it is not the usual one.
    pub port: Option<u16>,
    /// How the way to it is protected.
    pub encryption: Encryption,
    /// User name and password, if it asks for them.
    pub credentials: Option<(String, SecretString)>,
    /// Whom mail is from: an address, or `Gatehouse <gatehouse@example.com>`.
    pub from: String,
}

/// A way to people's mailboxes.
#[derive(Debug)]
pub struct Mail {
    transport: SmtpTransport,
    from: Mailbox,
}

impl Mail {
    /// The way over this server.
    ///
    /// # Errors
    /// The sender is no address, or mail would cross a network in the clear.
    pub fn new(config: MailConfig) -> Result<Self> {
        let from = config.from.parse().with_context(|| format!("mail_from: `{}` is no address", config.from))?;
        let local = config.host == "localhost" || config.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let builder = match config.encryption {
            Encryption::Tls => SmtpTransport::relay(&config.host),
            Encryption::Starttls => SmtpTransport::starttls_relay(&config.host),
            Encryption::None if local => Ok(SmtpTransport::builder_dangerous(&config.host)),
            Encryption::None => bail!("smtp_encryption: `none` is for a server on this machine alone"),
        };
        let mut builder = builder.with_context(|| format!("smtp_host `{}`", config.host))?.timeout(Some(ANSWER));
        if let Some(port) = config.port {
            builder = builder.port(port);
        }
        if let Some((user, password)) = config.credentials {
            builder = builder.credentials(Credentials::new(user, password.expose_secret().to_owned()));
        }
        Ok(Self { transport: builder.build(), from })
    }

    /// Hands a mail to the server.
    ///
    /// # Errors
    /// It is not taken; the text says why.
    pub async fn send(&self, to: &str, subject: &str, body: String) -> Result<(), String> {
        let to: Mailbox = match to.parse() {
            Ok(to) => to,
            Err(error) => {
                // No later attempt would get there.
                tracing::warn!(%error, "a user's email is no address that mail can be sent to");
                return Ok(());
            }
        };
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| error.to_string())?;
        let transport = self.transport.clone();
        let sent = tokio::task::spawn_blocking(move || transport.send(&message));
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("sending it was broken off".to_owned()),
        }
    }
}
