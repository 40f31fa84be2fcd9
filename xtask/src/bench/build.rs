//! Builds what is measured: the product, the target and the measuring programs in the release profile, connectors and
//! plugin in that of guests. What belongs to the bench alone goes to a directory of its own below the target directory.

use crate::guests::{self, WASM_TARGET};
use crate::step::{self, step};
use crate::workspace::Workspace;
use anyhow::Result;
use std::env;
use std::path::PathBuf;
use std::process::Command;

/// What Extism's plugins are built for.
const PLUGIN_TARGET: &str = "wasm32-unknown-unknown";

/// Where the bench's own workspace is built, below the target directory: our side, and the peers with the engine that
/// they bring.
const OURS: &str = "bench-build";
const PEERS: &str = "bench-peers";
/// And the SCIM connector as it is not shipped.
const FOR_SIZE: &str = "bench-for-size";

/// Where things are once they are built.
pub struct Built {
    release: PathBuf,
    measuring: PathBuf,
    guests: PathBuf,
    connector: PathBuf,
    scim_for_size: PathBuf,
    /// The Extism plugin, and the program that measures it.
    extism: Option<(PathBuf, PathBuf)>,
}

/// What is needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needed {
    /// The measuring program and the connector it calls.
    pub host: bool,
    /// The peers.
    pub peers: bool,
    /// The product and its connectors.
    pub product: bool,
    /// The target.
    pub target: bool,
}

impl Built {
    /// Builds what is needed. A peer that cannot be built is left out, which is said: it brings an engine that may ask
    /// for another compiler than we have.
    ///
    /// # Errors
    /// Something of ours does not compile.
    pub fn all(workspace: &Workspace, needed: Needed) -> Result<Self> {
        let guest = |directory: &str, target: &str, name: &str| {
            workspace.target(directory).join(target).join("guest").join(format!("{name}.wasm"))
        };
        let mut built = Self {
            release: workspace.target("release"),
            measuring: workspace.target(OURS).join("release"),
            guests: workspace.target("guests"),
            connector: guest(OURS, WASM_TARGET, "bench_connector"),
            scim_for_size: guest(FOR_SIZE, WASM_TARGET, "gatehouse_scim"),
            extism: None,
        };
        if needed.product || needed.target {
            guests::build(workspace)?;
        }
        if needed.product {
            step("Building gatehouse", || {
                step::run(&mut workspace.cargo(&["build", "--release", "-p", "gatehouse-server"]))
            })?;
            let scim = ["build", "--profile", "guest", "--target", WASM_TARGET, "-p", "gatehouse-scim"];
            step("Building the SCIM connector for size", || {
                let mut cargo = workspace.cargo(&scim);
                cargo.env("CARGO_TARGET_DIR", workspace.target(FOR_SIZE)).env("CARGO_PROFILE_GUEST_OPT_LEVEL", "s");
                step::run(&mut cargo)
            })?;
        }
        if needed.target {
            let target = ["build", "--release", "-p", "gatehouse-tests", "--bin", "counting-target"];
            step("Building the target", || step::run(&mut workspace.cargo(&target)))?;
        }
        if needed.host {
            guests::ensure_wasm_target()?;
            step("Building the connector of the bench", || {
                let target = ["--profile", "guest", "--target", WASM_TARGET, "-p", "bench-connector"];
                step::run(bench(workspace, OURS).args(target))
            })?;
            step("Building the measuring program", || {
                step::run(bench(workspace, OURS).args(["--release", "-p", "bench-host", "-p", "bench-child"]))
            })?;
        }
        if needed.peers {
            match peers(workspace) {
                Ok(()) => {
                    let host = workspace.target(PEERS).join("release").join(executable("bench-extism-host"));
                    built.extism = Some((guest(PEERS, PLUGIN_TARGET, "bench_extism_plugin"), host));
                }
                Err(error) => println!("    LEFT OUT: the Extism plugin cannot be built: {error:#}"),
            }
        }
        Ok(built)
    }

    /// The measuring program, with as many arenas of the allocator as the product takes (`host/server/src/allocator.rs`).
    pub fn host(&self) -> Command {
        let mut command = Command::new(self.measuring.join(executable("bench-host")));
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        command.env("MALLOC_ARENA_MAX", processors.max(2).to_string());
        command
    }

    /// The child process that is measured.
    pub fn child(&self) -> PathBuf {
        self.measuring.join(executable("bench-child"))
    }

    /// The program that measures the Extism plugin, if it could be built.
    pub fn extism(&self) -> Option<Command> {
        let (plugin, host) = self.extism.as_ref()?;
        let mut command = Command::new(host);
        command.arg(plugin);
        Some(command)
    }

    /// A program of ours.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.release.join(executable(name))
    }

    /// The connector that does the bench's work.
    pub fn connector(&self) -> &PathBuf {
        &self.connector
    }

    /// The SCIM connector built for size: its version is a text among others, which can be altered. Built for speed,
    /// it is spread over the code.
    pub fn scim_for_size(&self) -> &PathBuf {
        &self.scim_for_size
    }

    /// The SCIM connector.
    pub fn scim(&self) -> PathBuf {
        self.guests.join("scim.wasm")
    }
}

fn executable(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

fn peers(workspace: &Workspace) -> Result<()> {
    step("Building the Extism plugin and its host", || {
        guests::ensure_target(PLUGIN_TARGET)?;
        let plugin = ["--profile", "guest", "--target", PLUGIN_TARGET, "-p", "bench-extism-plugin"];
        step::run(bench(workspace, PEERS).args(plugin))?;
        // Its wasmtime declares a newer Rust than it needs.
        let host = ["--release", "--ignore-rust-version", "-p", "bench-extism-host"];
        step::run(bench(workspace, PEERS).args(host))
    })
}

/// A build in the workspace of the bench. Its lock file follows what our own crates come to need.
fn bench(workspace: &Workspace, directory: &str) -> Command {
    let mut command = workspace.cargo(&["build", "--manifest-path", "bench/Cargo.toml"]);
    command.arg("--target-dir").arg(workspace.target(directory));
    command
}
