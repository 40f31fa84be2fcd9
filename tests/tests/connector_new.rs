//! From nothing to an installed connector, as the SDK's README says.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;
use support::Scenario;

/// Cargo as an author would call it: none of what the cargo that runs this test says of itself.
fn cargo(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && text != "CARGO_HOME" {
            command.env_remove(&name);
        }
    }
    // Offline: everything it needs has been fetched for this repository.
    let output = command.args(arguments).arg("--offline").current_dir(directory).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "cargo {arguments:?}:\n{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn the_skeleton_passes_its_tests_builds_and_installs() {
    let s = Scenario::start();
    s.run(&["connector", "new", "my-app"]);
    let directory = s.directory.path().join("my-app");
    cargo(&directory, &["test"]);
    cargo(&directory, &["build", "--release", "--target", "wasm32-wasip2"]);
    let component = directory.join("target/wasm32-wasip2/release/connector.wasm");
    let component = component.to_str().unwrap();
    assert!(s.run(&["connector", "check", component]).contains("my-app"));
    s.run(&["connector", "install", component, "--allow-unsigned"]);
    assert!(s.run(&["connector", "list"]).contains("my-app"));
    let again = s.refused(&["connector", "new", "my-app"]);
    assert!(again.contains("not empty"), "{again}");
    let named = s.refused(&["connector", "new", "My App"]);
    assert!(named.contains("small letter"), "{named}");
}
