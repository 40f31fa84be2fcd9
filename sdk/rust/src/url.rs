//! Addresses: a base that the administrator set, with path segments and query parameters added. Whatever is added is
//! percent-encoded, so an id can never turn into another path or query. It never resolves or normalises.

use std::fmt;

/// An absolute http or https URL, without credentials and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    base: String,
    query: String,
}

impl Url {
    /// Takes a URL apart far enough to add to it. A slash at the end of the path is dropped.
    ///
    /// # Errors
    /// Says why the text is not such a URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let scheme = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme));
        let Some(scheme) = scheme else { return Err(format!("`{text}` is not an http or https URL")) };
        let rest = &text[scheme.len()..];
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("`{text}` has white space in it"));
        }
        if rest.contains('#') {
            return Err(format!("`{text}` has a fragment"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err("the URL has a credential in it; set a named credential instead".to_owned());
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(format!("`{text}` names no host"));
        }
        Ok(Self { base: format!("{scheme}{}", rest.trim_end_matches('/')), query: query.to_owned() })
    }

    /// With one more path segment, percent-encoded.
    pub fn segment(mut self, segment: &str) -> Self {
        self.base.push('/');
        self.base.push_str(&percent_encode(segment));
        self
    }

    /// With one more query parameter, percent-encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(&percent_encode(name));
        self.query.push('=');
        self.query.push_str(&percent_encode(value));
        self
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.base.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Host and, if given, port.
    pub fn authority(&self) -> &str {
        self.after_scheme().split('/').next().unwrap_or_default()
    }

    /// The path, `/` at least.
    pub fn path(&self) -> &str {
        let rest = self.after_scheme();
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// The path, and the query if there is one.
    pub fn path_and_query(&self) -> String {
        if self.query.is_empty() { self.path().to_owned() } else { format!("{}?{}", self.path(), self.query) }
    }

    fn after_scheme(&self) -> &str {
        self.base.split_once("://").map_or("", |(_, rest)| rest)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986 section 2.3). A segment of dots alone is encoded
/// too, since it would otherwise mean another directory.
pub fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let dots = !text.is_empty() && text.bytes().all(|b| b == b'.');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !dots) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn segments_and_parameters_are_encoded() {
        let url = Url::parse("https://x.example:8443/scim/v2/").unwrap();
        let url = url.segment("Users").segment("a/b?c#d é").query("filter", "userName eq \"a&b\"");
        assert_eq!(
            url.to_string(),
            "https://x.example:8443/scim/v2/Users/a%2Fb%3Fc%23d%20%C3%A9?filter=userName%20eq%20%22a%26b%22"
        );
        assert_eq!(url.authority(), "x.example:8443");
        assert_eq!(url.scheme(), "https");
        assert!(url.path_and_query().starts_with("/scim/v2/Users/a%2Fb%3Fc%23d%20%C3%A9?filter="));
    }

    #[test]
    fn an_id_of_dots_does_not_climb_out_of_its_directory() {
        let url = Url::parse("http://x").unwrap();
        assert_eq!(url.clone().segment("..").to_string(), "http://x/%2E%2E");
        assert_eq!(url.segment("a..b").to_string(), "http://x/a..b");
    }

    #[test]
    fn a_base_may_bring_a_query_of_its_own() {
        let url = Url::parse("https://x/v2/?tenant=7").unwrap().segment("Users").query("count", "1");
        assert_eq!(url.to_string(), "https://x/v2/Users?tenant=7&count=1");
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for text in ["ftp://x", "x.example", "https://", "https://:80", "https://u:p@x", "https://x/#a", "http://x y"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
