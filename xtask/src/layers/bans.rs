//! The bans of deny.toml, checked against the resolved graph: they hold wherever cargo runs, cargo-deny installed or
//! not. Licences and sources are left to cargo-deny.

use super::Check;
use crate::workspace::{Node, Workspace};
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
    /// Those that may depend on it all the same, as others chose for us.
    #[serde(default)]
    wrappers: Vec<String>,
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
    let found = bans.iter().filter(|ban| is_there(workspace, ban));
    let violations = found.map(|ban| format!("{}: {}", ban.package, ban.reason)).collect();
    let names: Vec<_> = bans.iter().map(|ban| ban.package.as_str()).collect();
    Ok(Check { rule: format!("nothing depends on a package that deny.toml bans: {}", names.join(", ")), violations })
}

/// Whether a banned package is there for anybody's sake but theirs who may depend on it.
fn is_there(workspace: &Workspace, ban: &Ban) -> bool {
    let banned: Vec<_> = workspace.packages.iter().filter(|package| package.name == ban.package).collect();
    let may = |node: &&Node| {
        let name = workspace.packages.iter().find(|package| package.id == node.id).map(|package| &package.name);
        name.is_some_and(|name| ban.wrappers.contains(name))
    };
    let depends = |node: &&Node| node.deps.iter().any(|edge| banned.iter().any(|package| package.id == edge.pkg));
    let dependents: Vec<_> = workspace.resolve.nodes.iter().filter(depends).collect();
    !banned.is_empty() && (dependents.is_empty() || !dependents.iter().all(may))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::workspace::Package;
    use serde_json::json;

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
    fn what_one_package_may_depend_on_no_other_may() {
        let policy = "[bans]\ndeny = [{ crate = \"chrono\", reason = \"jiff\", wrappers = [\"cedar\"] }]";
        let depending = |who: &str| -> Workspace {
            let package = |name: &str| json!({"id": name, "name": name, "manifest_path": "", "dependencies": []});
            let edges = json!([{"pkg": "chrono", "dep_kinds": []}]);
            serde_json::from_value(json!({
                "packages": [package("chrono"), package(who)], "workspace_members": [], "workspace_root": "/",
                "target_directory": "/", "resolve": {"nodes": [{"id": who, "deps": edges, "features": []}]},
            }))
            .unwrap()
        };
        assert!(check(&depending("cedar"), policy).unwrap().violations.is_empty());
        assert_eq!(check(&depending("other"), policy).unwrap().violations, ["chrono: jiff"]);
    }

    #[test]
    fn a_policy_without_bans_is_an_error() {
        assert!(check(&with("rustls"), "[bans]\ndeny = []").is_err());
    }
}
