//! What all targets have in common: an address and a token.

/// A SCIM service that connectors can be pointed at.
pub trait Target {
    /// What connectors call it: the base URL of its SCIM resources.
    fn base_url(&self) -> &str;

    /// The bearer token it takes.
    fn token(&self) -> &str;

    /// Its scheme, host and port.
    fn origin(&self) -> &str {
        let base = self.base_url();
        let host = base.find("://").map_or(0, |at| at + 3);
        base[host..].find('/').map_or(base, |end| &base[..host + end])
    }
}
