//! The target that is reconciled: the counting target of the tests in its own process, built as fast as it gets,
//! without a log.

use super::build::Built;
use anyhow::{Context as _, Result};
use gatehouse_tests::Target as _;
use gatehouse_tests::counting::{CountingProcess, Options};
use std::path::Path;

/// A target. It ends when this is dropped.
pub struct Target(CountingProcess);

impl Target {
    /// Starts one with so many users.
    pub fn start(built: &Built, directory: &Path, users: u32) -> Result<Self> {
        let options = Options { log: false, ..Options::default() };
        let process = CountingProcess::start_program(&built.binary("counting-target"), directory, &options)?;
        process.seed(usize::try_from(users).context("too many users")?)?;
        Ok(Self(process))
    }

    /// Where it is.
    pub fn base_url(&self) -> &str {
        self.0.base_url()
    }

    /// What signs in to it.
    pub fn token(&self) -> &str {
        self.0.token()
    }
}
