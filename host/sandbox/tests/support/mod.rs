//! What the tests of the sandbox share: a sandbox over a temporary cache, contexts, guests and their variants, and a
//! target on loopback that answers as it is told.
#![allow(dead_code)] // each test uses its part

pub mod target;
pub mod tiny;

use gatehouse_core::ports::{CallContext, CredentialBinding, EgressGrant};
use gatehouse_core::{AppId, AuthScheme, Digest};
use gatehouse_sandbox::{CompileChild, Limits, Sandbox, SandboxConfig};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The secret of [`Setup::credential`].
pub const SECRET: &str = "s3cret-token-of-the-tests";

pub fn compile_child() -> CompileChild {
    CompileChild { program: env!("CARGO_BIN_EXE_gatehouse-compile").into(), args: Vec::new() }
}

pub fn config(cache: &Path, limits: Limits) -> SandboxConfig {
    SandboxConfig {
        cache_dir: cache.join("code"),
        mac_key: Box::new([7; 32]).into(),
        compile_child: compile_child(),
        limits,
        extra_ca_files: Vec::new(),
        hosts: BTreeMap::from([
            ("dead.example".to_owned(), Vec::new()),
            ("metadata.example".to_owned(), vec![IpAddr::from([169, 254, 169, 254])]),
            ("tls.example".to_owned(), vec![IpAddr::from([127, 0, 0, 1])]),
            ("other.example".to_owned(), vec![IpAddr::from([127, 0, 0, 1])]),
            ("loopback.example".to_owned(), vec![IpAddr::from([127, 0, 0, 1])]),
        ]),
    }
}

/// One cache for all tests of a process, so that each guest is compiled once; the sandboxes are their own.
pub fn sandbox(limits: Limits) -> Sandbox {
    static CACHE: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let cache = CACHE.get_or_init(|| tempfile::tempdir().unwrap());
    Sandbox::new(config(cache.path(), Limits { concurrent_calls: 8, ..limits })).unwrap()
}

/// The guest that does as its settings say.
pub fn hostile() -> Vec<u8> {
    let target = Path::new(env!("CARGO_BIN_EXE_gatehouse-compile")).ancestors().nth(2).unwrap();
    let built = [
        std::env::var_os("GATEHOUSE_GUESTS").map(|folder| PathBuf::from(folder).join("hostile.wasm")),
        Some(target.join("guests/hostile.wasm")),
        Some(target.join("wasm32-wasip2/guest/gatehouse_hostile.wasm")),
    ];
    let found = built.into_iter().flatten().find(|path| path.is_file());
    let path = found.expect("the guest `hostile` is not built; run `cargo xtask guests`");
    std::fs::read(path).unwrap()
}

/// The guest with another behaviour of `describe`.
pub fn hostile_described(number: u8) -> Vec<u8> {
    let mut bytes = hostile();
    let marker = b"describe-marker=00";
    let found: Vec<_> = (0..bytes.len() - marker.len()).filter(|at| bytes[*at..].starts_with(marker)).collect();
    assert_eq!(found.len(), 1, "the marker of `describe` stands once in the guest");
    bytes[found[0] + 16..][..2].copy_from_slice(format!("{number:02}").as_bytes());
    bytes
}

/// A context under construction.
pub struct Setup(pub CallContext);

impl Setup {
    pub fn new(digest: Digest, behaviour: &str) -> Self {
        Self(CallContext {
            connector: digest,
            app: AppId(1),
            app_name: "test".to_owned(),
            request: None,
            settings: BTreeMap::new(),
            grants: Vec::new(),
            credentials: Vec::new(),
            search_paths: Vec::new(),
            timeout: Duration::from_secs(600),
        })
        .setting("behaviour", behaviour)
    }

    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.0.settings.insert(name.to_owned(), format!("\"{value}\""));
        self
    }

    pub fn grant(mut self, origin: &str, allow_private: bool) -> Self {
        self.0.grants.push(EgressGrant { origin: origin.parse().unwrap(), allow_private });
        self
    }

    pub fn credential(mut self, origin: &str) -> Self {
        self.0.credentials.push(CredentialBinding {
            name: "main".to_owned(),
            origin: origin.parse().unwrap(),
            scheme: AuthScheme::Bearer,
            header: None,
            secret: SECRET.into(),
        });
        self
    }

    pub fn search_path(mut self, path: &str) -> Self {
        self.0.search_paths.push(path.to_owned());
        self
    }
}
