//! What to look for: a secret in all the spellings in which it may stand somewhere.
#![allow(missing_docs)]

use memchr::memmem;

/// A secret, and how it may be written.
pub struct Needle {
    pub name: String,
    spellings: Vec<(String, Vec<u8>)>,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let joined = chunk.iter().fold(0_u32, |joined, byte| joined << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(alphabet[(joined >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

pub fn standard_base64(bytes: &[u8]) -> String {
    base64(bytes, STANDARD)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn percent(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Needle {
    pub fn text(name: &str, secret: &str) -> Self {
        let mut needle = Self::bytes(name, secret.as_bytes());
        let json = Value::from(secret).to_string();
        needle.add("JSON", &json.as_bytes()[1..json.len() - 1]);
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        needle.add("percent", percent(secret.as_bytes(), unreserved).as_bytes());
        needle.add("percent, all of it", percent(secret.as_bytes(), |_| false).as_bytes());
        needle
    }

    pub fn bytes(name: &str, secret: &[u8]) -> Self {
        let mut needle = Self { name: name.to_owned(), spellings: Vec::new() };
        needle.add("raw", secret);
        needle.add("hex", hex(secret).as_bytes());
        needle.add("HEX", hex(secret).to_uppercase().as_bytes());
        needle.add("reversed", &secret.iter().rev().copied().collect::<Vec<u8>>());
        for before in 0..3_usize {
            let padded = [&[0; 2][..before], secret].concat();
            let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
            needle.add(&format!("base64 at {before}"), &base64(&padded, STANDARD).as_bytes()[from..to]);
            needle.add(&format!("base64url at {before}"), &base64(&padded, FOR_URLS).as_bytes()[from..to]);
        }
        needle
    }

    fn add(&mut self, how: &str, bytes: &[u8]) {
        self.spellings.push((how.to_owned(), bytes.to_vec()));
    }

    pub fn spellings(&self) -> &[(String, Vec<u8>)] {
        &self.spellings
    }

    /// How it stands there, if it does, and where.
    pub fn found_in(&self, bytes: &[u8]) -> Option<(&str, usize)> {
        self.spellings.iter().find_map(|(how, spelling)| Some((how.as_str(), memmem::find(bytes, spelling)?)))
    }
}

use serde_json::Value;

#[test]
fn a_secret_is_found_in_whatever_is_made_of_a_text_around_it() {
    let secret = "s3cr3t/\"x\"+y=z";
    let needle = Needle::text("secret", secret);
    for before in ["", "a", "ab", "abc"] {
        let text = format!("{before}{secret}!");
        for (how, made) in [
            ("raw", text.clone()),
            ("base64", standard_base64(text.as_bytes())),
            ("base64url", base64(text.as_bytes(), FOR_URLS)),
            ("hex", hex(text.as_bytes())),
            ("JSON", Value::from(text.as_str()).to_string()),
            ("percent", percent(text.as_bytes(), |byte| byte.is_ascii_alphanumeric())),
            ("reversed", text.chars().rev().collect()),
        ] {
            assert!(needle.found_in(made.as_bytes()).is_some(), "{how} of {text}: {made}");
        }
    }
    assert_eq!(needle.found_in(b"s3cr3t/x+y=z"), None);
    assert_eq!(standard_base64(b"Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ");
}
