//! `cargo xtask docs`: writes docs/api.md anew from the OpenAPI document. The test that holds the two together is the
//! one that writes; this only lets it.

use crate::step;
use crate::workspace::Workspace;
use anyhow::Result;

/// Writes the reference.
///
/// # Errors
/// The server does not build.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(&["test", "-q", "-p", "gatehouse-server", "--test", "reference"]);
    step::run(command.env("GATEHOUSE_WRITE_DOCS", "1"))
}
