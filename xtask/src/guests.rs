//! Builds the guests (connectors, and hostile ones for tests) for wasm32-wasip2 and lays them out under short names
//! in `<target>/guests`. Adds the Wasm target to the toolchain if it is missing and rustup is there.

use crate::step::{self, step};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What guests are built for.
pub const WASM_TARGET: &str = "wasm32-wasip2";

/// A line of `cargo build --message-format=json`: of all that is in it, what tells a built component.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds all guests, and answers the directory they lie in.
///
/// # Errors
/// The Wasm target is missing and cannot be added, or a guest does not compile.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    ensure_wasm_target()?;
    let directory = workspace.target("guests");
    step(&format!("Building the connectors for {WASM_TARGET}"), || build_into(workspace, &directory))?;
    Ok(directory)
}

fn build_into(workspace: &Workspace, directory: &Path) -> Result<()> {
    // Those of a guest that is no more must not be found by a test.
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => bail!("{}: {error}", directory.display()),
        _ => fs::create_dir_all(directory).with_context(|| directory.display().to_string())?,
    }
    let guests = workspace.guests();
    let mut command = workspace.cargo(&["build", "--profile", "guest", "--target", WASM_TARGET]);
    command.arg("--message-format=json-render-diagnostics");
    command.args(guests.iter().flat_map(|guest| ["-p", &guest.name]));
    let messages = step::read(&mut command)?;
    let components = components(&messages)?;
    for guest in guests {
        let built = components.iter().find(|(package, _)| *package == guest.id);
        let (_, file) = built.with_context(|| format!("{} built no .wasm: it needs a cdylib", guest.name))?;
        let name = format!("{}.wasm", short_name(&guest.name));
        let size = fs::copy(file, directory.join(&name)).with_context(|| format!("copying {}", file.display()))?;
        println!("    {name}: {}", size_text(size));
    }
    Ok(())
}

/// The package id and the file of each component that cargo says it has built.
fn components(messages: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut components = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).context("what cargo build says")?;
        if message.reason != "compiler-artifact" {
            continue;
        }
        let wasm = message.filenames.into_iter().find(|file| file.extension().is_some_and(|e| e == "wasm"));
        components.extend(wasm.map(|file| (message.package_id, file)));
    }
    Ok(components)
}

/// `scim` for `gatehouse-scim`.
fn short_name(package: &str) -> &str {
    package.strip_prefix("gatehouse-").unwrap_or(package)
}

fn size_text(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// Sees to it that the toolchain can build connectors.
///
/// # Errors
/// See [`ensure_target`].
pub fn ensure_wasm_target() -> Result<()> {
    ensure_target(WASM_TARGET)
}

/// Sees to it that the toolchain can build for a target.
///
/// # Errors
/// It cannot, and there is no rustup to change that; the text says what to do.
pub fn ensure_target(target: &str) -> Result<()> {
    let sysroot = step::read(Command::new("rustc").args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    step(&format!("Adding the {target} target to the toolchain"), || {
        step::run(Command::new("rustup").args(["target", "add", target])).with_context(|| {
            format!(
                "the Rust toolchain in {} has no {target} target. With rustup: `rustup target add {target}`; with a \
                 distribution's Rust: install its package of the {target} standard library",
                sysroot.trim()
            )
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_component_is_found_among_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"serde","filenames":["/t/libserde.rlib"]}
{"reason":"compiler-artifact","package_id":"scim","filenames":["/t/scim.wasm","/t/libscim.rlib"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(components(messages).unwrap(), [("scim".to_owned(), PathBuf::from("/t/scim.wasm"))]);
    }

    #[test]
    fn guests_lose_the_prefix_of_their_crate() {
        assert_eq!(short_name("gatehouse-scim"), "scim");
        assert_eq!(short_name("hostile"), "hostile");
    }
}
