//! Runs connectors. This is the only crate that names wasmtime, and no wasmtime type leaves it.
//!
//! It is meant to be read by a security reviewer, in this order: [`Limits`] (every bound), `engine` (what of
//! WebAssembly is there), `admission` (what a component must be before it runs), `compile` (machine code: made in a
//! child process, cached under a MAC), `state` and `call` (what a guest gets, for one call), `gate` (the only way out),
//! `protocol` (what it may not answer).

mod admission;
mod bindings;
mod call;
mod chores;
mod compile;
mod connectors;
mod crew;
mod engine;
mod failure;
mod gate;
mod journal;
mod limits;
mod meter;
mod notes;
mod places;
mod protocol;
mod rest;
mod state;
mod wire;

pub use compile::{CompileChild, compile_child};
pub use gate::{SHORTEST_SECRET, is_searchable};
pub use limits::{LimitRow, Limits, NoLimit, Unit};

use call::{Ready, Runner};
use compile::Compiler;
use engine::Ticker;
use gate::Network;
use gatehouse_core::Digest;
use secrecy::SecretBox;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

/// How the sandbox is set up.
pub struct SandboxConfig {
    /// A directory for compiled components. Made if it is missing; nobody else needs to read it.
    pub cache_dir: PathBuf,
    /// Authenticates what is in the cache. Whoever has it can make the host run any machine code.
    pub mac_key: SecretBox<[u8; 32]>,
    /// How to start the process that compiles.
    pub compile_child: CompileChild,
    /// The limits.
    pub limits: Limits,
    /// PEM files with certificate authorities to trust besides the system's.
    pub extra_ca_files: Vec<PathBuf>,
    /// Names of targets that are resolved from here instead of by the system, under the same rules. One without
    /// addresses is never answered, like one whose name servers are down.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// The sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The engine does not start with these limits.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The cache directory cannot be made.
    #[error("the cache directory `{0}` cannot be used")]
    Cache(PathBuf, #[source] std::io::Error),
    /// A certificate authority cannot be read.
    #[error("a certificate authority cannot be read")]
    Certificates(#[source] std::io::Error),
}

/// Admits connectors and calls them; see [`gatehouse_core::ports::Connectors`].
pub struct Sandbox {
    runner: Runner,
    compiler: Compiler,
    ready: RwLock<HashMap<Digest, Arc<Ready>>>,
    ticker: Ticker,
}

impl Sandbox {
    /// Sets the sandbox up: engine, clock, cache directory, certificate authorities.
    ///
    /// # Errors
    /// The engine does not start, or a directory or file cannot be used.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let limits = Arc::new(config.limits);
        let (engine, ticker) = engine::running(&limits).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let network = Network::new(&config.extra_ca_files, config.hosts, limits.clone());
        let network = Arc::new(network.map_err(SandboxError::Certificates)?);
        let compiler = Compiler::new(&engine, config.compile_child, config.cache_dir, config.mac_key, limits.clone())?;
        Ok(Self { runner: Runner::new(engine, limits, network)?, compiler, ready: RwLock::default(), ticker })
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.runner.limits
    }
}
