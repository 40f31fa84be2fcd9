//! Webhooks, signed as Standard Webhooks says (standard-webhooks 1.0.0): HMAC-SHA256 over id, time and body. They go to
//! the one address that was configured, and follow no redirect.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;
use sha2::Sha256;
use std::time::Duration;

/// How long the receiver may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The shortest secret, in bytes: what the specification asks for.
const SHORTEST: usize = 24;

/// A receiver of webhooks.
#[derive(Debug)]
pub struct Webhook {
    url: String,
    secret: SecretString,
    agent: ureq::Agent,
}

impl Webhook {
    /// A receiver at this address, with this secret: `whsec_` and the base64 of 24 bytes or more.
    ///
    /// # Errors
    /// The address is none, or would send names across a network in the clear; or the secret is malformed.
    pub fn new(url: &str, secret: SecretString) -> Result<Self> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://").filter(|rest| is_local(rest)));
        if rest.is_none_or(str::is_empty) {
            bail!("webhook_url: it takes an https address (http on this machine alone)");
        }
        key(&secret)?;
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(ANSWER));
        Ok(Self { url: url.to_owned(), secret, agent: config.build().into() })
    }

    /// Sends a notice. It has arrived if the answer has a status of 2xx.
    ///
    /// # Errors
    /// It has not; the text says why.
    pub async fn send(&self, id: &str, now: Timestamp, content: Json) -> Result<(), String> {
        let body = content.to_string();
        let signature = signature(&self.secret, id, now, &body).map_err(|error| error.to_string())?;
        let request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_second().to_string())
            .header("webhook-signature", signature);
        let sent = tokio::task::spawn_blocking(move || request.send(body.as_bytes()).map(|answer| answer.status()));
        match sent.await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the receiver answered {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("sending it was broken off".to_owned()),
        }
    }
}

/// Whether what follows `http://` is this machine.
fn is_local(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn key(secret: &SecretString) -> Result<Vec<u8>> {
    let text = secret.expose_secret().trim();
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    let key = STANDARD.decode(encoded).ok().filter(|key| key.len() >= SHORTEST);
    key.with_context(|| format!("the webhook's secret is not `{PREFIX}` and the base64 of {SHORTEST} bytes or more"))
}

/// The signature of a webhook: `v1,` and the base64 of the HMAC-SHA256 over `id.seconds.body`.
///
/// # Errors
/// The secret is malformed.
pub fn signature(secret: &SecretString, id: &str, at: Timestamp, body: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)?).context("a key of any length will do")?;
    mac.update(format!("{id}.{}.{body}", at.as_second()).as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of standard-webhooks' own documentation and libraries.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_address_in_the_clear_is_taken_on_this_machine_alone() {
        let secret = || SecretString::from(format!("whsec_{}", STANDARD.encode([7; 32])));
        for url in ["https://chat.example.com/hook", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:8/"] {
            assert!(Webhook::new(url, secret()).is_ok(), "{url}");
        }
        for url in ["http://chat.example.com/", "http://127.0.0.1.example.com/", "ftp://x", "https://", "chat"] {
            assert!(Webhook::new(url, secret()).is_err(), "{url}");
        }
        assert!(Webhook::new("https://x", SecretString::from("whsec_c2hvcnQ=".to_owned())).is_err(), "too short");
    }
}
