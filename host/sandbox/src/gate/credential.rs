//! The named credential: added to a request on its way out, and searched for in what comes back. This is the only
//! place that sees a secret; the guest never does.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatehouse_core::ports::CredentialBinding;
use gatehouse_core::{AuthScheme, Origin};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;
use secrecy::ExposeSecret;

/// Texts shorter than this are not searched for: they would be found in anything.
const SHORTEST: usize = 6;

/// A secret that no header can carry.
#[derive(Debug, thiserror::Error)]
#[error("credential `{0}` cannot be sent: its secret, or the name of its header, is not fit for a header")]
pub(super) struct Unsendable(String);

/// Adds the credentials of an origin.
pub(super) fn add(bindings: &[CredentialBinding], origin: &Origin, headers: &mut HeaderMap) -> Result<(), Unsendable> {
    for binding in bindings.iter().filter(|binding| binding.origin == *origin) {
        let (name, mut value) = header_of(binding).ok_or_else(|| Unsendable(binding.name.clone()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(())
}

fn header_of(binding: &CredentialBinding) -> Option<(HeaderName, HeaderValue)> {
    let secret = binding.secret.expose_secret();
    let (name, text) = match binding.scheme {
        AuthScheme::Bearer => (AUTHORIZATION, format!("Bearer {secret}")),
        AuthScheme::Basic => (AUTHORIZATION, format!("Basic {}", STANDARD.encode(secret))),
        AuthScheme::Header => (binding.header.as_deref()?.parse().ok()?, secret.to_owned()),
    };
    Some((name, HeaderValue::from_str(&text).ok()?))
}

/// What a response must not contain: the secrets of its origin, in the spellings in which a server may echo them.
pub(super) struct Needles(Vec<memmem::Finder<'static>>);

impl Needles {
    pub(super) fn of(bindings: &[CredentialBinding], origin: &Origin) -> Self {
        let mut spellings = Vec::new();
        for binding in bindings.iter().filter(|binding| binding.origin == *origin) {
            let secret = binding.secret.expose_secret();
            spellings.extend(spellings_of(secret));
            if binding.scheme == AuthScheme::Basic {
                spellings.extend([STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
                spellings.extend(secret.split_once(':').into_iter().flat_map(|(_, password)| spellings_of(password)));
            }
        }
        spellings.retain(|spelling| spelling.len() >= SHORTEST);
        spellings.sort();
        spellings.dedup();
        Self(spellings.iter().map(|spelling| memmem::Finder::new(spelling.as_bytes()).into_owned()).collect())
    }

    /// Whether some bytes contain a secret.
    pub(super) fn in_bytes(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|needle| needle.find(bytes).is_some())
    }

    /// Whether a header contains a secret.
    pub(super) fn in_headers(&self, headers: &HeaderMap) -> bool {
        headers.iter().any(|(name, value)| self.in_bytes(name.as_str().as_bytes()) || self.in_bytes(value.as_bytes()))
    }
}

/// As it is, as JSON writes it, and as a URL writes it.
fn spellings_of(secret: &str) -> [String; 3] {
    let json = serde_json::Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let url = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    [secret.to_owned(), json, url]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn binding(scheme: AuthScheme, secret: &str) -> CredentialBinding {
        let origin = "https://app.example".parse().unwrap();
        let header = (scheme == AuthScheme::Header).then(|| "x-api-key".to_owned());
        CredentialBinding { name: "main".into(), origin, scheme, header, secret: secret.into() }
    }

    fn sent(scheme: AuthScheme, secret: &str, origin: &str) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        add(&[binding(scheme, secret)], &origin.parse().unwrap(), &mut headers).unwrap();
        assert!(headers.values().all(HeaderValue::is_sensitive));
        headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn each_scheme_adds_its_header() {
        let pair = |a: &str, b: &str| vec![(a.to_owned(), b.to_owned())];
        let app = "https://app.example";
        assert_eq!(sent(AuthScheme::Bearer, "s3cret", app), pair("authorization", "Bearer s3cret"));
        assert_eq!(
            sent(AuthScheme::Basic, "Aladdin:open sesame", app),
            pair("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert_eq!(sent(AuthScheme::Header, "s3cret", app), pair("x-api-key", "s3cret"));
    }

    #[test]
    fn another_origin_gets_no_credential() {
        for origin in ["http://app.example", "https://app.example:8443", "https://other.example"] {
            assert_eq!(sent(AuthScheme::Bearer, "s3cret", origin), vec![], "{origin}");
        }
    }

    #[test]
    fn a_secret_that_would_break_out_of_its_header_is_not_sent() {
        let mut headers = HeaderMap::new();
        let binding = binding(AuthScheme::Bearer, "a\r\nx-evil: b");
        let origin = binding.origin.clone();
        assert!(add(&[binding], &origin, &mut headers).unwrap_err().to_string().contains("`main`"));
        assert!(headers.is_empty());
    }

    #[test]
    fn a_secret_is_found_in_every_usual_spelling() {
        let origin = "https://app.example".parse().unwrap();
        let basic = Needles::of(&[binding(AuthScheme::Basic, "joe:pass\"word/1")], &origin);
        for text in [
            "joe:pass\"word/1",
            "am9lOnBhc3Mid29yZC8x",
            "x pass\"word/1 y",
            r#"{"p":"pass\"word/1"}"#,
            "p=pass%22word%2F1&",
        ] {
            assert!(basic.in_bytes(text.as_bytes()), "{text}");
        }
        assert!(!basic.in_bytes(b"joe:password"));
    }

    #[test]
    fn the_secret_of_another_origin_is_not_looked_for() {
        let needles =
            Needles::of(&[binding(AuthScheme::Bearer, "s3cret-token")], &"https://other.example".parse().unwrap());
        assert!(!needles.in_bytes(b"s3cret-token"));
    }
}
