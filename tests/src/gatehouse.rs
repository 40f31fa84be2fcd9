//! The real binary: `gatehouse serve` on a directory of its own and a free port of 127.0.0.1, and the CLI against it.
//! What is given to it and read from it is what any administrator sees; nothing reaches into its store.

use crate::process::{free_port, on_free_port};
use crate::{Http, Running, artifacts};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Where the first start leaves its token, below the host's directory: a restarted server says it no more.
const TOKEN_FILE: &str = "first-token";

/// A running host. It ends when this is dropped; what it has stored stays in its directory.
#[derive(Debug)]
pub struct Gatehouse {
    process: Running,
    bin: PathBuf,
    directory: PathBuf,
    url: String,
    token: String,
}

/// What a command of the CLI did.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command as a person would type it.
    pub command: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// Stdout, of a command that succeeded.
    ///
    /// # Errors
    /// It failed; the text has all of its output.
    pub fn success(self) -> Result<String> {
        if !self.status.success() {
            bail!("`{}` ended with {}:\n{}{}", self.command, self.status, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }

    /// Stderr, of a command that failed.
    ///
    /// # Errors
    /// It succeeded; the text has all of its output.
    pub fn failure(self) -> Result<String> {
        if self.status.success() {
            bail!("`{}` succeeded, and should have been refused:\n{}{}", self.command, self.stdout, self.stderr);
        }
        Ok(self.stderr)
    }
}

impl Gatehouse {
    /// Starts the host with its store and log in `directory`: a new store, or the one that an earlier host left
    /// there.
    ///
    /// # Errors
    /// The binary is not built, or does not get ready; the text quotes its log.
    pub fn start(directory: &Path) -> Result<Self> {
        Self::start_with(directory, &[])
    }

    /// Like [`start`](Self::start), with further environment variables.
    ///
    /// # Errors
    /// See there.
    pub fn start_with(directory: &Path, environment: &[(&str, &OsStr)]) -> Result<Self> {
        let bin = artifacts::gatehouse_bin()?;
        on_free_port(|port| Self::start_on(port, &bin, directory, environment))
    }

    fn start_on(port: u16, bin: &Path, directory: &Path, environment: &[(&str, &OsStr)]) -> Result<Self> {
        let mut host = Self::launch_on(port, bin, directory, environment)?;
        host.wait_until_ready()?;
        let token_file = directory.join(TOKEN_FILE);
        let token = fs::read_to_string(&token_file).with_context(|| format!("{}", token_file.display()))?;
        token.trim().clone_into(&mut host.token);
        Ok(host)
    }

    /// Starts the host on a directory that an earlier one left, and does not wait until it is ready: for one that may
    /// die before. Nobody else may take its port meanwhile.
    ///
    /// # Errors
    /// The binary is not built, or the directory is a new one.
    pub fn launch(directory: &Path, environment: &[(&str, &OsStr)]) -> Result<Self> {
        let bin = artifacts::gatehouse_bin()?;
        let mut host = Self::launch_on(free_port()?, &bin, directory, environment)?;
        let token = fs::read_to_string(directory.join(TOKEN_FILE)).context("the token of the first start")?;
        token.trim().clone_into(&mut host.token);
        Ok(host)
    }

    fn launch_on(port: u16, bin: &Path, directory: &Path, environment: &[(&str, &OsStr)]) -> Result<Self> {
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(bin);
        command.arg("serve").arg("--data").arg(directory.join("data"));
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let token_file = directory.join(TOKEN_FILE);
        if !token_file.exists() {
            command.arg("--print-token-to").arg(&token_file);
        }
        command.current_dir(directory).envs(environment.iter().copied());
        let process = Running::start("gatehouse serve", command, &directory.join(format!("gatehouse-{port}.log")))?;
        Ok(Self { process, bin: bin.to_owned(), directory: directory.to_owned(), url, token: String::new() })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It ends instead; the text quotes its log.
    pub fn wait_until_ready(&self) -> Result<()> {
        let http = Http::new(&self.url, None, "application/json");
        let ready = || http.get("/readyz").ok().filter(|answer| answer.status == 200).map(drop);
        self.process.wait_until("it is ready", ready)
    }

    /// Where it listens: scheme, host and port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token of its first start.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The process.
    pub fn process(&self) -> &Running {
        &self.process
    }

    /// Its HTTP API, with the token: paths begin with `/api/v1/`.
    pub fn http(&self) -> Http {
        Http::new(&self.url, Some(&self.token), "application/json")
    }

    /// Runs a command of the CLI, in its directory, with its URL and token in the environment.
    ///
    /// # Errors
    /// The process could not be started. A command that fails is an [`Output`].
    pub fn cli<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output> {
        let mut command = self.command(arguments);
        let output = command.output().with_context(|| format!("{} cannot be started", self.bin.display()))?;
        Ok(Output {
            command: typed(arguments),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command of the CLI that must succeed, with `--output json`, and reads what it says.
    ///
    /// # Errors
    /// It fails, or says no JSON.
    pub fn cli_json<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Value> {
        let mut with_output: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        with_output.extend([OsStr::new("--output"), OsStr::new("json")]);
        let text = self.cli(&with_output)?.success()?;
        serde_json::from_str(&text).with_context(|| format!("`{}` says no JSON: {text}", typed(&with_output)))
    }

    /// A command of the CLI, for those who want to see it run: in its directory, with URL and token in the
    /// environment.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.bin);
        command.args(arguments).current_dir(&self.directory);
        command.env("GATEHOUSE_SERVER", &self.url).env("GATEHOUSE_TOKEN", &self.token);
        command
    }

    /// Shuts it down in an orderly way.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(self) -> Result<ExitStatus> {
        self.process.terminate()
    }

    /// Ends it as a crash would.
    pub fn crash(self) {
        self.process.kill();
    }
}

/// The command line as a person would type it.
pub fn typed<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let text = argument.as_ref().to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            text.into_owned()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    });
    std::iter::once("gatehouse".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let arguments = ["user", "create", "o'neil", "--first-name", "Ann Marie", "--title", ""];
        let wanted = r"gatehouse user create 'o'\''neil' --first-name 'Ann Marie' --title ''";
        assert_eq!(typed(&arguments), wanted);
    }
}
