//! Third-party servers to test against: a Python venv in `<target>/venv`, with what tests/requirements.txt pins. It
//! is made when it is missing, and made anew when the pins have changed.

use crate::step::{self, step};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is to be installed.
const REQUIREMENTS: &str = "tests/requirements.txt";
/// In a finished venv: what was installed.
const MARK: &str = "requirements.installed";
/// What a Python must be for the servers: recent enough, and able to make a venv with pip in it.
const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
/// The Debian packages that bring it.
const DEBIAN_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Sees to it that the servers are installed, and answers the executable of `scim2-server`.
///
/// # Errors
/// There is no usable Python, or the packages cannot be had; the text says what to do.
pub fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let venv = workspace.target("venv");
    let requirements = workspace.workspace_root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).with_context(|| requirements.display().to_string())?;
    let server = venv.join("bin/scim2-server");
    if !is_current(&venv, &wanted) || !server.is_file() {
        step("Installing third-party servers into a Python venv", || install(&venv, &requirements, &wanted))?;
    }
    if !server.is_file() {
        bail!("{REQUIREMENTS} brings no scim2-server: {} is not there", server.display());
    }
    Ok(server)
}

/// Whether the venv was finished with exactly these requirements, and its Python still runs.
fn is_current(venv: &Path, wanted: &str) -> bool {
    let same = fs::read_to_string(venv.join(MARK)).is_ok_and(|installed| installed == wanted);
    same && runs(&mut Command::new(venv.join("bin/python")), &["--version"])
}

fn install(venv: &Path, requirements: &Path, wanted: &str) -> Result<()> {
    let python = usable_python()?;
    step::run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(venv))?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    step::run(&mut pip)?;
    // Written last: a venv without it was not finished.
    fs::write(venv.join(MARK), wanted).context("marking the venv as finished")
}

/// A Python 3.10 or later with venv and ensurepip: the one that PYTHON names, or python3. Debian's is installed if
/// there is none and we may.
fn usable_python() -> Result<String> {
    let named = env::var("PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    if runs(&mut Command::new(&python), &["-c", PROBE]) {
        return Ok(python);
    }
    let packages = DEBIAN_PACKAGES.join(" ");
    if named.is_none() && is_root() && runs(&mut Command::new("apt-get"), &["--version"]) {
        println!("    {python} cannot make a venv: installing {packages} with apt-get");
        let apt = || {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
            command
        };
        step::run(apt().args(["update", "-q"]))?;
        step::run(apt().args(["install", "-q", "-y", "--no-install-recommends"]).args(DEBIAN_PACKAGES))?;
        if runs(&mut Command::new(&python), &["-c", PROBE]) {
            return Ok(python);
        }
    }
    bail!(
        "`{python}` is missing, older than 3.10, or without its venv module. On Debian or Ubuntu: `apt-get install \
         {packages}`. Another Python can be named in the environment variable PYTHON"
    )
}

fn runs(command: &mut Command, arguments: &[&str]) -> bool {
    let status = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    step::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_venv_counts_only_when_it_was_finished_with_the_same_pins() {
        let venv = tempfile::tempdir().unwrap();
        fs::create_dir(venv.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/true", venv.path().join("bin/python")).unwrap();
        assert!(!is_current(venv.path(), "a==1"), "not finished");
        fs::write(venv.path().join(MARK), "a==1").unwrap();
        assert!(is_current(venv.path(), "a==1"));
        assert!(!is_current(venv.path(), "a==2"), "another pin");
        fs::remove_file(venv.path().join("bin/python")).unwrap();
        assert!(!is_current(venv.path(), "a==1"), "its Python is gone");
    }
}
