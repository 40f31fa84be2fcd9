//! The workspace as `cargo metadata` describes it: where it lies, where it builds to, which members are guests, and
//! who depends on whom.

use crate::step;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders whose packages are guests: built for Wasm.
const GUEST_FOLDERS: [&str; 2] = ["plugins", "tests/guests"];
/// The one of them whose packages are for Wasm alone, and have no tests of their own.
const TEST_GUESTS: &str = "tests/guests";

/// What `cargo metadata` says of the workspace.
#[derive(Debug, Default, Deserialize)]
pub struct Workspace {
    /// All packages, of the workspace and of its dependencies.
    pub packages: Vec<Package>,
    /// The ids of its members.
    pub workspace_members: Vec<String>,
    /// Where it lies.
    pub workspace_root: PathBuf,
    /// Where it builds to; CARGO_TARGET_DIR is taken into account.
    pub target_directory: PathBuf,
    /// Who depends on whom, versions and features decided.
    pub resolve: Resolve,
}

/// A package.
#[derive(Debug, Default, Deserialize)]
pub struct Package {
    /// Unique.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What it declares to depend on.
    pub dependencies: Vec<Declared>,
}

/// A dependency as it is declared in a manifest.
#[derive(Debug, Default, Deserialize)]
pub struct Declared {
    /// The package.
    pub name: String,
    /// `dev`, `build`, or none for a normal one.
    pub kind: Option<String>,
}

/// The resolved dependency graph.
#[derive(Debug, Default, Deserialize)]
pub struct Resolve {
    /// One for each package.
    pub nodes: Vec<Node>,
}

/// A package in the resolved graph.
#[derive(Debug, Default, Deserialize)]
pub struct Node {
    /// The package.
    pub id: String,
    /// What it depends on.
    pub deps: Vec<Edge>,
    /// The features it is built with.
    pub features: Vec<String>,
}

/// A dependency in the resolved graph.
#[derive(Debug, Default, Deserialize)]
pub struct Edge {
    /// The id of the package.
    pub pkg: String,
    /// The kinds of it.
    pub dep_kinds: Vec<EdgeKind>,
}

/// One kind of a dependency.
#[derive(Debug, Default, Deserialize)]
pub struct EdgeKind {
    /// `dev`, `build`, or none for a normal one.
    pub kind: Option<String>,
}

impl Workspace {
    /// Asks cargo about the workspace that this program belongs to.
    ///
    /// # Errors
    /// Cargo cannot answer: a manifest is broken, a dependency cannot be had.
    pub fn load() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let mut command = Command::new(cargo_program());
        command.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(manifest);
        let text = step::read(&mut command)?;
        serde_json::from_str(&text).context("what cargo metadata says")
    }

    /// A cargo command at the root of the workspace.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_program());
        // What `cargo run` said about xtask must not look like a changed environment to build scripts: they would
        // run again, and all that depends on them would be built again, each time.
        for (name, _) in env::vars_os().filter(|(name, _)| is_about_this_package(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.current_dir(&self.workspace_root).args(arguments);
        command
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The folder of a package, relative to the workspace's root.
    pub fn folder<'a>(&self, package: &'a Package) -> &'a Path {
        let folder = package.manifest_path.parent().unwrap_or(&package.manifest_path);
        folder.strip_prefix(&self.workspace_root).unwrap_or(folder)
    }

    /// The members that are built for Wasm: connectors, and guests of tests.
    pub fn guests(&self) -> Vec<&Package> {
        self.members().filter(|package| GUEST_FOLDERS.iter().any(|f| self.folder(package).starts_with(f))).collect()
    }

    /// `--workspace` and the exclusion of what has no native form: the selection that is tested and linted natively.
    pub fn native_selection(&self) -> Vec<String> {
        let excluded = self.members().filter(|package| self.folder(package).starts_with(TEST_GUESTS));
        let excluded = excluded.flat_map(|package| ["--exclude".to_owned(), package.name.clone()]);
        std::iter::once("--workspace".to_owned()).chain(excluded).collect()
    }

    /// A path below the target directory.
    pub fn target(&self, path: &str) -> PathBuf {
        self.target_directory.join(path)
    }

    /// The path of a binary of the dev profile.
    pub fn debug_binary(&self, name: &str) -> PathBuf {
        self.target("debug").join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }
}

/// Whether this is CI, where nothing may be skipped.
pub fn is_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Whether cargo sets this variable for the package that it builds or runs.
fn is_about_this_package(variable: &str) -> bool {
    let about = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "OUT_DIR"];
    about.iter().any(|prefix| variable.starts_with(prefix))
}

/// The cargo that runs us, or else the one in the path.
fn cargo_program() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
