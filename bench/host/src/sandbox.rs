//! The sandbox as the product sets it up, with this very program as its compiling child.

use anyhow::{Context as _, Result, anyhow};
use gatehouse_core::ports::{CallContext, Connectors as _};
use gatehouse_core::{AppId, Connector, Digest};
use gatehouse_sandbox::{CompileChild, Limits, Sandbox, SandboxConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The hidden first argument under which this program compiles.
pub const COMPILE: &str = "__compile";

/// A sandbox with its cache in this directory.
pub fn new(cache: &Path) -> Result<Sandbox> {
    let program = std::env::current_exe().context("the path of this program")?;
    let config = SandboxConfig {
        cache_dir: cache.join("compiled"),
        mac_key: Box::new([7; 32]).into(),
        compile_child: CompileChild { program, args: vec![COMPILE.into()] },
        limits: Limits::default(),
        extra_ca_files: Vec::new(),
        hosts: BTreeMap::new(),
    };
    Ok(Sandbox::new(config)?)
}

/// Admits a component; what was found out about it, and the component.
pub async fn admit(sandbox: &Sandbox, component: &Path) -> Result<(Connector, Vec<u8>)> {
    let bytes = std::fs::read(component).with_context(|| component.display().to_string())?;
    let admission = sandbox.admit(&bytes).await.map_err(|error| anyhow!("{}: {error}", component.display()))?;
    Ok((admission.connector, bytes))
}

/// Admits a component, and gives what it is called with: nothing granted, nothing set.
pub async fn load(sandbox: &Sandbox, component: &Path) -> Result<CallContext> {
    let (connector, _) = admit(sandbox, component).await?;
    Ok(context(connector.digest))
}

fn context(connector: Digest) -> CallContext {
    CallContext {
        connector,
        app: AppId(1),
        app_name: "bench".to_owned(),
        request: None,
        settings: BTreeMap::new(),
        grants: Vec::new(),
        credentials: Vec::new(),
        search_paths: Vec::new(),
        timeout: Duration::from_secs(60),
    }
}
