//! The bans of deny.toml, checked against the resolved graph: they hold wherever cargo runs, cargo-deny installed or
//! not. Licences and sources are left to cargo-deny.

use super::Check;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde::Deserialize;

#[derive(Deserialize)]
struct Policy {
    bans: Bans,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

/// Checks that no package is banned by `policy`, the text of deny.toml.
///
/// # Errors
/// The text is no such file, or bans nothing.
pub fn check(workspace: &Workspace, policy: &str) -> Result<Check> {
    let policy: Policy = toml::from_str(policy).context("deny.toml")?;
    let bans = policy.bans.deny;
    if bans.is_empty() {
        bail!("deny.toml bans nothing");
    }
    let found = bans.iter().filter(|ban| workspace.packages.iter().any(|package| package.name == ban.package));
    let violations = found.map(|ban| format!("{}: {}", ban.package, ban.reason)).collect();
    let names: Vec<_> = bans.iter().map(|ban| ban.package.as_str()).collect();
    Ok(Check { rule: format!("nothing depends on a package that deny.toml bans: {}", names.join(", ")), violations })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::workspace::Package;

    const POLICY: &str = "[bans]\ndeny = [{ crate = \"openssl-sys\", reason = \"rustls is ours\" }]";

    fn with(name: &str) -> Workspace {
        let package = Package { name: name.to_owned(), ..Package::default() };
        Workspace { packages: vec![package], ..Workspace::default() }
    }

    #[test]
    fn a_banned_package_is_reported_with_the_reason_and_another_is_not() {
        assert_eq!(check(&with("openssl-sys"), POLICY).unwrap().violations, ["openssl-sys: rustls is ours"]);
        assert!(check(&with("rustls"), POLICY).unwrap().violations.is_empty());
    }

    #[test]
    fn a_policy_without_bans_is_an_error() {
        assert!(check(&with("rustls"), "[bans]\ndeny = []").is_err());
    }
}
