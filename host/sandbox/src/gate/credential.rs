//! The named credential: added to a request on its way out, and searched for in what comes back. This is the only
//! place that sees a secret; the guest never does.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use gatehouse_core::ports::CredentialBinding;
use gatehouse_core::{AuthScheme, Origin};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;
use secrecy::ExposeSecret;

/// Secrets shorter than this are not searched for, in bytes: they would be found in anything.
pub const SHORTEST_SECRET: usize = 6;
/// The longest HTML entity that is undone, in bytes, its semicolon included (`#x0002B;`).
const LONGEST_ENTITY: usize = 8;
/// Headers that route and frame a request. No credential is sent in one, whatever the connector declares.
const FRAMING: [&str; 10] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

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
    let sendable = !FRAMING.contains(&name.as_str());
    Some((name, HeaderValue::from_str(&text).ok().filter(|_| sendable)?))
}

/// What no response may contain: the secrets of the call, whichever origin they are for, in the spellings in which a
/// server may echo them. Against a target that wants the connector to know its secret nothing helps: it was told the
/// secret, and can write it as it likes.
pub(super) struct Needles {
    spellings: Vec<memmem::Finder<'static>>,
    /// Whether some server would escape some of it.
    escapable: bool,
}

impl Needles {
    pub(super) fn of(bindings: &[CredentialBinding]) -> Self {
        let mut spellings = Vec::new();
        for binding in bindings {
            let secret = binding.secret.expose_secret();
            spellings.extend(spellings_of(secret));
            if binding.scheme == AuthScheme::Basic {
                spellings.extend([STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
                spellings.extend(spellings_of(secret_part(secret)));
            }
        }
        spellings.retain(|spelling| spelling.len() >= SHORTEST_SECRET);
        spellings.sort();
        spellings.dedup();
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let escapable = spellings.iter().any(|spelling| !spelling.bytes().all(unreserved));
        let finder = |spelling: &String| memmem::Finder::new(spelling.as_bytes()).into_owned();
        Self { spellings: spellings.iter().map(finder).collect(), escapable }
    }

    /// Whether some bytes contain a secret.
    pub(super) fn in_bytes(&self, bytes: &[u8]) -> bool {
        let found = |text: &[u8]| self.spellings.iter().any(|needle| needle.find(text).is_some());
        found(bytes) || (self.escapable && unescaped(bytes).is_some_and(|text| found(&text)))
    }

    /// Whether a header contains a secret.
    pub(super) fn in_headers(&self, headers: &HeaderMap) -> bool {
        headers.iter().any(|(name, value)| self.in_bytes(name.as_str().as_bytes()) || self.in_bytes(value.as_bytes()))
    }
}

/// Whether answers can be searched for a secret: whoever lets one in that cannot be should refuse it.
pub fn is_searchable(scheme: AuthScheme, secret: &str) -> bool {
    let part = if scheme == AuthScheme::Basic { secret_part(secret) } else { secret };
    part.len() >= SHORTEST_SECRET
}

/// What is secret of `user:password`: the password, or the user name where that is the API key and the password a
/// filler. A user name beside a real password is none: it may well stand in the very accounts that are collected.
fn secret_part(pair: &str) -> &str {
    match pair.split_once(':') {
        Some((user, password)) if password.len() < SHORTEST_SECRET => user,
        Some((_, password)) => password,
        None => pair,
    }
}

/// As it is, as JSON and forms write it, in hexadecimal, from back to front, and in base64 wherever in a longer text it
/// may stand. Other ways of escaping are undone in the answer.
fn spellings_of(secret: &str) -> Vec<String> {
    if secret.len() < SHORTEST_SECRET {
        return Vec::new();
    }
    let json = serde_json::Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let url = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let hex = hex::encode(secret);
    let mut spellings =
        vec![secret.to_owned(), json, url, hex.to_ascii_uppercase(), hex, secret.chars().rev().collect()];
    for before in 0..3 {
        spellings.extend(within_base64(secret, before));
    }
    spellings
}

/// What base64 makes of a secret with so many bytes before it (0 to 2 are all there are), with the usual alphabet and
/// that of URLs: the characters that depend on nothing but the secret.
fn within_base64(secret: &str, before: usize) -> [String; 2] {
    let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)].map(|text| text[first..end].to_owned())
}

/// A text with the escapes of URLs, JSON and HTML undone; none if it has none.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let next = |text: &[u8]| memchr::memchr3(b'%', b'\\', b'&', text);
    next(bytes)?;
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = next(rest) {
        plain.extend_from_slice(&rest[..at]);
        let (byte, length) = escape(&rest[at..]).unwrap_or((rest[at], 1));
        plain.push(byte);
        rest = &rest[at + length..];
    }
    plain.extend_from_slice(rest);
    Some(plain)
}

/// The byte that an escape stands for, and the length of the escape.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let number = |digits: &[u8], radix| u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    match text {
        [b'%', _, _, ..] => Some((number(&text[1..3], 16)?, 3)),
        [b'\\', b'u', b'0', b'0', _, _, ..] => Some((number(&text[4..6], 16)?, 6)),
        [b'\\', byte @ (b'/' | b'\\' | b'"' | b'\''), ..] => Some((*byte, 2)),
        [b'&', entity @ ..] => {
            let end = entity.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
            let byte = match &entity[..end] {
                b"amp" => b'&',
                b"lt" => b'<',
                b"gt" => b'>',
                b"quot" => b'"',
                b"apos" => b'\'',
                [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
                [b'#', digits @ ..] => number(digits, 10)?,
                _ => return None,
            };
            Some((byte, end + 2))
        }
        _ => None,
    }
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
        let basic = Needles::of(&[binding(AuthScheme::Basic, "joe:pass\"word/1")]);
        for text in [
            "joe:pass\"word/1",
            "am9lOnBhc3Mid29yZC8x",
            "x pass\"word/1 y",
            r#"{"p":"pass\"word/1"}"#,
            "p=pass%22word%2F1&",
            "p=pass%22word%2f1",
            r#"{"p":"pass\"word\/1"}"#,
            r#"{"p":"pass\u0022word/1"}"#,
            "<b>pass&quot;word/1</b> <b>pass&#34;word&#x2f;1</b>",
            "authorization: Basic am9lOnBhc3Mid29yZC8x",
        ] {
            assert!(basic.in_bytes(text.as_bytes()), "{text}");
        }
        assert!(!basic.in_bytes(b"joe:password"));
    }

    #[test]
    fn a_secret_is_found_in_hexadecimal_reversed_and_in_base64_at_every_place() {
        let secret = "s3cret>>token??";
        let needles = Needles::of(&[binding(AuthScheme::Bearer, secret)]);
        for before in ["", "a", "ab", "abc", "authorization: Bearer "] {
            for after in ["", "x", "xy", "xyz"] {
                let text = format!("{before}{secret}{after}");
                assert!(needles.in_bytes(STANDARD.encode(&text).as_bytes()), "{text}");
                assert!(needles.in_bytes(URL_SAFE_NO_PAD.encode(&text).as_bytes()), "{text}");
                assert!(needles.in_bytes(hex::encode(&text).as_bytes()), "{text}");
                assert!(needles.in_bytes(hex::encode_upper(&text).as_bytes()), "{text}");
            }
        }
        assert!(needles.in_bytes(secret.chars().rev().collect::<String>().as_bytes()));
        for other in ["s3cret>>token!!", "s3cret"] {
            assert!(!needles.in_bytes(STANDARD.encode(other).as_bytes()), "{other}");
            assert!(!needles.in_bytes(hex::encode(other).as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_text_that_only_resembles_the_secret_passes() {
        let needles = Needles::of(&[binding(AuthScheme::Bearer, "a+b/c=d&e")]);
        for text in ["a+b/c=d", "a%2Bb%2Fc%3D%", "a\\u002", "\\", "%", "&", "&#x2B;&#99999;&nbsp;", "%zz", ""] {
            assert!(!needles.in_bytes(text.as_bytes()), "{text}");
        }
        for text in ["a%2bb/c%3dd&amp;e", r"a\u002Bb\/c\u003dd\u0026e", "a&#43;b/c&#x3D;d&e"] {
            assert!(needles.in_bytes(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn an_api_key_sent_as_a_user_name_is_a_secret_and_a_user_name_beside_a_password_is_not() {
        for pair in ["key-of-the-api:", "key-of-the-api:x", "key-of-the-api"] {
            assert!(Needles::of(&[binding(AuthScheme::Basic, pair)]).in_bytes(b"{key-of-the-api}"), "{pair}");
        }
        let needles = Needles::of(&[binding(AuthScheme::Basic, "service@app.example:password")]);
        assert!(!needles.in_bytes(br#"{"userName":"service@app.example"}"#));
    }

    #[test]
    fn a_secret_that_cannot_be_searched_for_is_known_as_such() {
        for (scheme, secret, wanted) in [
            (AuthScheme::Bearer, "12345", false),
            (AuthScheme::Bearer, "123456", true),
            (AuthScheme::Header, "12345", false),
            (AuthScheme::Basic, "user:12345", false),
            (AuthScheme::Basic, "user:123456", true),
            (AuthScheme::Basic, "api-key:x", true),
        ] {
            assert_eq!(is_searchable(scheme, secret), wanted, "{secret}");
            assert_eq!(Needles::of(&[binding(scheme, secret)]).in_bytes(secret_part(secret).as_bytes()), wanted);
        }
    }

    #[test]
    fn the_secret_of_another_origin_is_looked_for_too() {
        let mut other = binding(AuthScheme::Bearer, "s3cret-of-the-other");
        other.origin = "https://other.example".parse().unwrap();
        let needles = Needles::of(&[binding(AuthScheme::Bearer, "s3cret-token"), other]);
        assert!(needles.in_bytes(b"s3cret-token") && needles.in_bytes(b"s3cret-of-the-other"));
        assert!(!needles.in_bytes(b"s3cret-of-nobody"));
    }

    #[test]
    fn no_secret_is_sent_in_a_header_that_routes_or_frames() {
        for name in ["Host", "content-length", "Transfer-Encoding", "accept-encoding"] {
            let binding = CredentialBinding { header: Some(name.to_owned()), ..binding(AuthScheme::Header, "s3cret") };
            let mut headers = HeaderMap::new();
            let origin = binding.origin.clone();
            assert!(add(&[binding], &origin, &mut headers).is_err() && headers.is_empty(), "{name}");
        }
    }
}
