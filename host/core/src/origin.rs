//! Origins (RFC 6454): scheme, host and port, the unit in which access to the network is granted.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Scheme, host and port of an http or https address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: String,
    /// A name in small letters, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port, the scheme's own if none was written.
    pub port: u16,
}

/// A text has no origin that a connector could be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no http or https address: {why}")]
pub struct BadOrigin {
    text: String,
    why: String,
}

impl FromStr for Origin {
    type Err = BadOrigin;

    /// The origin of a URL; path and query are ignored, user names and passwords refused.
    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let bad = |why: &str| BadOrigin { text: text.to_owned(), why: why.to_owned() };
        let url = url::Url::parse(text).map_err(|e| bad(&e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("the scheme is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it carries a user name or password; make a credential of it instead"));
        }
        let host = url.host_str().ok_or_else(|| bad("it has no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| bad("it has no port"))?;
        Ok(Self { scheme: url.scheme().to_owned(), host: host.to_owned(), port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        let usual = matches!((self.scheme.as_str(), self.port), ("http", 80) | ("https", 443));
        if usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
