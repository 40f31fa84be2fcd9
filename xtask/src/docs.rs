//! `cargo xtask docs`: writes the examples of the OpenAPI document anew from calls, and then docs/api.md from the document.
//! The tests that hold them together are the ones that write; this only lets them.

use crate::step;
use crate::workspace::Workspace;
use anyhow::Result;

/// The tests that write, each with what names it among those of its file. The examples are in the document that the
/// reference is made of, so they come first: the server is built anew with them.
const WRITING: [(&str, &str); 2] = [("examples", "the_examples_are"), ("reference", "the_reference_is")];

/// Writes both.
///
/// # Errors
/// The server does not build, or does not do a call of which there is to be an example.
pub fn run(workspace: &Workspace) -> Result<()> {
    for (file, test) in WRITING {
        let mut command = workspace.cargo(&["test", "-q", "-p", "gatehouse-server", "--test", file, test]);
        step::run(command.env("GATEHOUSE_WRITE_DOCS", "1"))?;
    }
    Ok(())
}
