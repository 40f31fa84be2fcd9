//! Where the things under test are: from the environment, or else in the target directory that this very program
//! was built into. Never builds or downloads any of them; `cargo xtask test` does.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};

/// Names the `gatehouse` binary.
pub const BIN_VARIABLE: &str = "GATEHOUSE_BIN";
/// Names the `counting-target` binary.
pub const COUNTING_TARGET_VARIABLE: &str = "GATEHOUSE_COUNTING_TARGET";
/// Names the directory of built connectors, `scim.wasm` and its like.
pub const GUESTS_VARIABLE: &str = "GATEHOUSE_GUESTS";
/// Names the executable of the third-party SCIM server.
pub const SCIM2_SERVER_VARIABLE: &str = "GATEHOUSE_SCIM2_SERVER";
/// Names the file that skipped tests are reported in, see [`skip`](crate::skip).
pub const SKIPS_VARIABLE: &str = "GATEHOUSE_SKIPS";

/// The `gatehouse` binary.
///
/// # Errors
/// It has not been built.
pub fn gatehouse_bin() -> Result<PathBuf> {
    existing(BIN_VARIABLE, &format!("debug/gatehouse{}", env::consts::EXE_SUFFIX))
}

/// The `counting-target` binary.
///
/// # Errors
/// It has not been built.
pub fn counting_target_bin() -> Result<PathBuf> {
    existing(COUNTING_TARGET_VARIABLE, &format!("debug/counting-target{}", env::consts::EXE_SUFFIX))
}

/// The component of a connector, by the short name of its crate: `guest("scim")`.
///
/// # Errors
/// It has not been built.
pub fn guest(name: &str) -> Result<PathBuf> {
    let file = existing(GUESTS_VARIABLE, "guests")?.join(format!("{name}.wasm"));
    if !file.is_file() {
        bail!("{} is not there: `cargo xtask guests` builds it", file.display());
    }
    Ok(file)
}

/// The executable of `scim2-server`; none if it has not been installed, which a test may answer with
/// [`skip`](crate::skip).
pub fn scim2_server() -> Option<PathBuf> {
    existing(SCIM2_SERVER_VARIABLE, "venv/bin/scim2-server").ok()
}

/// The Python that the third-party servers run in, with the packages that read what the host exports; none if they have
/// not been installed.
pub fn venv_python() -> Option<PathBuf> {
    let python = scim2_server()?.with_file_name("python");
    python.exists().then_some(python)
}

/// A program for that Python, by its name in `tests/peers`.
pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// A folder for what tests report, beside the binary under test.
///
/// # Errors
/// It cannot be made.
pub fn reports() -> Result<PathBuf> {
    let folder = target_directory()?.join("reports");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// The path that the variable names, or else this one below the target directory.
fn existing(variable: &str, below_target: &str) -> Result<PathBuf> {
    let (path, source) = match env::var_os(variable) {
        Some(path) => (PathBuf::from(path), format!("named by {variable}")),
        None => (target_directory()?.join(below_target), format!("{variable} is not set")),
    };
    if !path.exists() {
        bail!("{} is not there ({source}): `cargo xtask test` makes it", path.display());
    }
    Ok(path)
}

/// The target directory of this program: tests are in `<target>/<profile>/deps`, binaries in `<target>/<profile>`.
fn target_directory() -> Result<PathBuf> {
    let exe = env::current_exe().context("this program's own path")?;
    target_directory_of(&exe).with_context(|| format!("{} is in no target directory of cargo", exe.display()))
}

fn target_directory_of(exe: &Path) -> Option<PathBuf> {
    let directory = exe.parent()?;
    let profile = if directory.ends_with("deps") { directory.parent()? } else { directory };
    profile.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_found_from_a_test_and_from_a_binary() {
        let target = Some(PathBuf::from("/t"));
        assert_eq!(target_directory_of(Path::new("/t/debug/deps/scenarios-0123")), target);
        assert_eq!(target_directory_of(Path::new("/t/debug/xtask")), target);
        assert_eq!(target_directory_of(Path::new("/xtask")), None);
    }

    #[test]
    fn a_guest_that_was_never_built_is_named_with_the_command_that_builds_it() {
        let error = guest("no-such-connector").map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("cargo xtask")), "the text says what to do");
    }
}
