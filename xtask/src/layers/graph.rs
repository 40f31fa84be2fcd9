//! Rules about who depends on whom, checked against what `cargo metadata` resolves: the union of all features and
//! platforms, so that a rule that holds here holds in every build.

use super::Check;
use crate::workspace::{Edge, Node, Package, Workspace};
use std::collections::{BTreeMap, VecDeque};

/// A member, and what it must not reach, by whatever path, dev-dependencies aside. A `*` at the end of a name stands
/// for any rest.
struct Unreachable {
    member: &'static str,
    targets: &'static [&'static str],
}

const RUNTIMES: &[&str] = &["tokio", "wasmtime*", "redb", "hyper*", "axum*", "ureq", "rustls"];
const HOST: &[&str] = &[
    "gatehouse-core",
    "gatehouse-engine",
    "gatehouse-policy",
    "gatehouse-sandbox",
    "gatehouse-server",
    "gatehouse-store",
];

const UNREACHABLE: &[Unreachable] = &[
    Unreachable { member: "gatehouse-core", targets: RUNTIMES },
    Unreachable { member: "gatehouse-policy", targets: RUNTIMES },
    Unreachable { member: "gatehouse-schema", targets: RUNTIMES },
    Unreachable { member: "gatehouse-schema", targets: HOST },
    Unreachable { member: "gatehouse-connector", targets: HOST },
    Unreachable { member: "gatehouse-scim", targets: HOST },
    Unreachable {
        member: "gatehouse-core",
        targets: &["gatehouse-engine", "gatehouse-policy", "gatehouse-sandbox", "gatehouse-store"],
    },
    Unreachable {
        member: "gatehouse-policy",
        targets: &["gatehouse-engine", "gatehouse-sandbox", "gatehouse-server", "gatehouse-store"],
    },
    Unreachable { member: "gatehouse-store", targets: &["gatehouse-engine", "gatehouse-sandbox", "gatehouse-server"] },
    Unreachable { member: "gatehouse-sandbox", targets: &["gatehouse-engine", "gatehouse-store", "gatehouse-server"] },
    Unreachable { member: "gatehouse-engine", targets: &["gatehouse-sandbox", "gatehouse-store", "gatehouse-server"] },
    Unreachable { member: "gatehouse-engine", targets: &["wasmtime*", "redb", "cedar-policy*"] },
];

/// Packages that only one member may depend on directly, in whatever kind.
const OWNED: &[(&str, &str)] =
    &[("wasmtime*", "gatehouse-sandbox"), ("redb", "gatehouse-store"), ("cedar-policy*", "gatehouse-policy")];

/// Features that must be off in the resolved build.
const OFF: &[(&str, &str)] = &[
    ("wasmtime-wasi-http", "default-send-request"),
    // Places for tests to kill the host at: never in a build that somebody runs.
    ("gatehouse-failpoints", "armed"),
    ("gatehouse-server", "failpoints"),
];

/// Checks all of them.
pub fn check(workspace: &Workspace) -> Vec<Check> {
    let graph = Graph::of(workspace);
    let unreachable = UNREACHABLE.iter().map(|rule| graph.unreachable(rule));
    let owned = OWNED.iter().map(|(owned, owner)| graph.owned(owned, owner));
    let off = OFF.iter().map(|(package, feature)| graph.off(package, feature));
    unreachable.chain(owned).chain(off).collect()
}

struct Graph<'a> {
    workspace: &'a Workspace,
    names: BTreeMap<&'a str, &'a str>,
    nodes: BTreeMap<&'a str, &'a Node>,
}

impl<'a> Graph<'a> {
    fn of(workspace: &'a Workspace) -> Self {
        let names = workspace.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let nodes = workspace.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        Self { workspace, names, nodes }
    }

    fn member(&self, name: &str) -> Option<&'a Package> {
        self.workspace.members().find(|package| package.name == name)
    }

    fn name(&self, id: &'a str) -> &'a str {
        self.names.get(id).copied().unwrap_or(id)
    }

    fn unreachable(&self, Unreachable { member, targets }: &Unreachable) -> Check {
        let rule = format!("{member} depends on none of {}", targets.join(", "));
        let Some(package) = self.member(member) else { return missing(rule, member) };
        let found = self.paths_from(&package.id).into_iter();
        let forbidden = |path: &Vec<&str>| path.last().is_some_and(|end| targets.iter().any(|t| matches(t, end)));
        let violations = found.filter(forbidden).map(|path| path.join(" -> ")).collect();
        Check { rule, violations }
    }

    /// A shortest path of names to each package that is reached without dev-dependencies.
    fn paths_from(&self, start: &'a str) -> Vec<Vec<&'a str>> {
        let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::from([(start, vec![self.name(start)])]);
        let mut queue = VecDeque::from([start]);
        while let Some(id) = queue.pop_front() {
            let edges = self.nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
            for Edge { pkg, dep_kinds } in edges {
                let only_dev = dep_kinds.iter().all(|kind| kind.kind.as_deref() == Some("dev"));
                if only_dev || paths.contains_key(pkg.as_str()) {
                    continue;
                }
                let mut path = paths[id].clone();
                path.push(self.name(pkg));
                paths.insert(pkg, path);
                queue.push_back(pkg);
            }
        }
        paths.remove(start);
        paths.into_values().collect()
    }

    fn owned(&self, owned: &str, owner: &str) -> Check {
        let rule = format!("only {owner} depends on {owned} directly");
        let others = self.workspace.members().filter(|package| package.name != owner);
        let uses = others.flat_map(|package| package.dependencies.iter().map(move |declared| (package, declared)));
        let violations = uses.filter(|(_, declared)| matches(owned, &declared.name)).map(|(package, declared)| {
            let kind = declared.kind.as_deref().unwrap_or("normal");
            format!("{} declares {} ({kind})", package.name, declared.name)
        });
        let violations = violations.collect();
        if self.member(owner).is_none() { missing(rule, owner) } else { Check { rule, violations } }
    }

    fn off(&self, package: &str, feature: &str) -> Check {
        let rule = format!("the feature {feature} of {package} is off");
        let nodes: Vec<_> = self.nodes.values().filter(|node| self.name(&node.id) == package).collect();
        if nodes.is_empty() {
            return missing(rule, package);
        }
        let on = nodes.iter().filter(|node| node.features.iter().any(|f| f == feature));
        Check { rule, violations: on.map(|node| format!("{} has it on", node.id)).collect() }
    }
}

/// A rule about something that is not there checks nothing, which must not look like success.
fn missing(rule: String, what: &str) -> Check {
    Check { rule, violations: vec![format!("there is no {what}: the rule must follow its new name")] }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    /// A made-up dependency: name and kind.
    type Dependency = (&'static str, Option<&'static str>);
    /// A made-up package: name and dependencies.
    type Made = (&'static str, &'static [Dependency]);

    /// A made-up workspace. Those in `members` are members.
    fn workspace(packages: &[Made], members: &[&str]) -> Workspace {
        let declared = |deps: &[Dependency]| -> Vec<Value> {
            deps.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect()
        };
        let edges = |deps: &[Dependency]| -> Vec<Value> {
            deps.iter().map(|(name, kind)| json!({"pkg": name, "dep_kinds": [{"kind": kind}]})).collect()
        };
        let all = packages.iter();
        let listed: Vec<_> = all
            .clone()
            .map(|(id, deps)| json!({"id": id, "name": id, "manifest_path": "", "dependencies": declared(deps)}))
            .collect();
        let nodes: Vec<_> = all.map(|(id, deps)| json!({"id": id, "deps": edges(deps), "features": []})).collect();
        let metadata = json!({
            "packages": listed, "workspace_members": members, "workspace_root": "/", "target_directory": "/",
            "resolve": {"nodes": nodes},
        });
        serde_json::from_value(metadata).unwrap()
    }

    fn core_reaches(packages: &[Made]) -> Vec<String> {
        let workspace = workspace(packages, &["gatehouse-core"]);
        Graph::of(&workspace).unreachable(&Unreachable { member: "gatehouse-core", targets: RUNTIMES }).violations
    }

    #[test]
    fn a_runtime_reached_through_another_package_is_reported_with_the_path() {
        let found =
            core_reaches(&[("gatehouse-core", &[("middle", None)]), ("middle", &[("tokio", None)]), ("tokio", &[])]);
        assert_eq!(found, ["gatehouse-core -> middle -> tokio"]);
    }

    #[test]
    fn a_build_dependency_counts_and_a_dev_dependency_does_not() {
        let build = core_reaches(&[("gatehouse-core", &[("wasmtime-wasi", Some("build"))]), ("wasmtime-wasi", &[])]);
        assert_eq!(build, ["gatehouse-core -> wasmtime-wasi"]);
        let dev = core_reaches(&[("gatehouse-core", &[("tokio", Some("dev"))]), ("tokio", &[])]);
        assert!(dev.is_empty(), "{dev:?}");
    }

    #[test]
    fn a_name_that_only_resembles_is_allowed() {
        let found = core_reaches(&[("gatehouse-core", &[("tokio-like", None)]), ("tokio-like", &[])]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_member_that_names_what_another_owns_is_reported_whatever_the_kind() {
        let packages: &[Made] = &[
            ("gatehouse-sandbox", &[("wasmtime", None)]),
            ("gatehouse-server", &[("wasmtime-wasi", Some("dev"))]),
            ("outsider", &[("wasmtime", None)]),
        ];
        let workspace = workspace(packages, &["gatehouse-sandbox", "gatehouse-server"]);
        let check = Graph::of(&workspace).owned("wasmtime*", "gatehouse-sandbox");
        assert_eq!(check.violations, ["gatehouse-server declares wasmtime-wasi (dev)"]);
    }

    #[test]
    fn a_feature_that_is_on_is_reported() {
        let mut workspace = workspace(&[("wasmtime-wasi-http", &[])], &[]);
        assert!(Graph::of(&workspace).off("wasmtime-wasi-http", "default-send-request").violations.is_empty());
        workspace.resolve.nodes[0].features.push("default-send-request".to_owned());
        assert_eq!(Graph::of(&workspace).off("wasmtime-wasi-http", "default-send-request").violations.len(), 1);
    }

    #[test]
    fn failpoints_in_what_is_built_by_default_are_reported() {
        let mut workspace = workspace(&[("gatehouse-failpoints", &[])], &[]);
        let rule = "the feature armed of gatehouse-failpoints is off";
        let violations = |workspace: &Workspace| {
            let found = check(workspace).into_iter().find(|check| check.rule == rule);
            found.map(|check| check.violations)
        };
        assert_eq!(violations(&workspace), Some(Vec::new()));
        workspace.resolve.nodes[0].features.push("armed".to_owned());
        assert_eq!(violations(&workspace).map(|found| found.len()), Some(1));
    }

    #[test]
    fn a_rule_about_something_that_is_gone_is_broken() {
        let workspace = workspace(&[], &[]);
        assert!(check(&workspace).iter().all(|check| !check.violations.is_empty()));
    }
}
