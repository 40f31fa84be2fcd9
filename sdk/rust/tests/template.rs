//! The skeleton that `gatehouse connector new` writes: it compiles, and its own tests pass. Not copied into it.

#[path = "../../template/src/lib.rs"]
mod skeleton;

use gatehouse_connector::{AttributeDefinition, Connector, Schema};

const ROOT: &str = include_str!("../../../Cargo.toml");
const SKELETON: &str = include_str!("../../template/Cargo.toml.in");

/// The versions that a manifest names for its dependencies, with the names.
fn versions(manifest: &str) -> Vec<(&str, &str)> {
    manifest
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" = ")?;
            let rest = rest.strip_prefix("{ version = ").unwrap_or(rest);
            let version = rest.strip_prefix('"')?.split('"').next()?;
            version.starts_with(|c: char| c.is_ascii_digit()).then_some((name, version))
        })
        .collect()
}

#[test]
fn the_manifests_that_are_copied_name_the_versions_of_the_workspace() {
    let workspace = versions(ROOT);
    for manifest in [include_str!("../Cargo.toml"), include_str!("../../schema/Cargo.toml")] {
        for found in versions(manifest) {
            assert!(workspace.contains(&found), "{found:?} is not what the workspace names");
        }
    }
}

#[test]
fn the_skeleton_describes_a_connector_that_holds_together() {
    let description = skeleton::App::describe();
    let schema = Schema::new(description.attributes).unwrap_or_default();
    assert!(schema.names().eq(["email", "name"]));
    assert!(description.searchable.iter().all(|name| schema.get(name).is_some()));
    assert!(schema.iter().all(|definition: &AttributeDefinition| definition.suggested.is_some()));
    assert_eq!(description.credentials[0].setting, description.settings[0].name);
    assert!(
        SKELETON.contains("path = \"gatehouse-sdk/sdk/rust\""),
        "the SDK is copied in the shape of this repository"
    );
}
