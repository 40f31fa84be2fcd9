//! The counting target as a process: what the soak and the bench talk to, so that neither shares a processor's caches
//! or a crash with it.

use super::{Log, Options, Reply, Rule};
use crate::{Answer, Http, Running, Target, artifacts};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A counting target in a process of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct CountingProcess {
    process: Running,
    control: Http,
    base_url: String,
    token: String,
}

impl CountingProcess {
    /// Starts one on a free port, logging to `directory`.
    ///
    /// # Errors
    /// The binary is not built, or does not start.
    pub fn start(directory: &Path, options: &Options) -> Result<Self> {
        Self::start_program(&artifacts::counting_target_bin()?, directory, options)
    }

    /// Starts the one that was built there, such as one of the release profile.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_program(program: &Path, directory: &Path, options: &Options) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(serde_json::to_string(options).context("options")?);
        let log = directory.join("counting-target.log");
        // Of an earlier one; what it said of its address is no longer true.
        if log.exists() {
            std::fs::remove_file(&log).with_context(|| log.display().to_string())?;
        }
        let process = Running::start("counting-target", command, &log)?;
        let said = || process.log().lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let said = process.wait_until("its address", said)?;
        let base_url = said["base_url"].as_str().context("the address of the counting target")?.to_owned();
        let origin = base_url.trim_end_matches(super::BASE);
        let control = Http::new(format!("{origin}/_control"), Some(&options.token), "application/json");
        Ok(Self { process, control, base_url, token: options.token.clone() })
    }

    /// The process.
    pub fn process(&self) -> &Running {
        &self.process
    }

    /// All accounts, as they are.
    ///
    /// # Errors
    /// It does not answer.
    pub fn users(&self) -> Result<Vec<Value>> {
        let users = self.control.get("/users")?.expect_status(200)?;
        Ok(users.as_array().cloned().unwrap_or_default())
    }

    /// What it saw after the request with this number (0: all).
    ///
    /// # Errors
    /// It does not answer.
    pub fn log_since(&self, number: u64) -> Result<Log> {
        let log = self.control.get(&format!("/log?since={number}"))?.expect_status(200)?;
        serde_json::from_value(log).context("the log of the counting target")
    }

    /// Forgets the log; the numbers of requests go on.
    ///
    /// # Errors
    /// It does not answer.
    pub fn clear_log(&self) -> Result<()> {
        done(&self.control.delete("/log")?)
    }

    /// Takes the log up to the first request that is still being worked on: what is taken is forgotten there.
    ///
    /// # Errors
    /// It does not answer.
    pub fn take_log(&self) -> Result<Log> {
        let Log(mut seen) = self.log_since(0)?;
        seen.truncate(seen.iter().position(|seen| seen.reply == Reply::Pending).unwrap_or(seen.len()));
        if let Some(last) = seen.last() {
            done(&self.control.delete(&format!("/log?through={}", last.number))?)?;
        }
        Ok(Log(seen))
    }

    /// How many requests it saw.
    ///
    /// # Errors
    /// It does not answer.
    pub fn requests(&self) -> Result<u64> {
        self.count("requests")
    }

    /// How many requests have been befallen by the rules that are set.
    ///
    /// # Errors
    /// It does not answer.
    pub fn befell(&self) -> Result<u64> {
        self.count("befell")
    }

    fn count(&self, what: &str) -> Result<u64> {
        let counts = self.control.get("/counts")?.expect_status(200)?;
        counts[what].as_u64().with_context(|| format!("no {what} in {counts}"))
    }

    /// Makes users 1 to `count` as [`seeded`](super::seeded) describes them.
    ///
    /// # Errors
    /// It does not answer.
    pub fn seed(&self, count: usize) -> Result<()> {
        done(&self.control.post("/seed", &json!({ "count": count }))?)
    }

    /// Makes an account, as an administrator of the target would: its id.
    ///
    /// # Errors
    /// It does not answer.
    pub fn add(&self, user: &Value) -> Result<String> {
        let made = self.control.post("/users", user)?.expect_status(200)?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Sets a rule, behind those that are set.
    ///
    /// # Errors
    /// It does not answer.
    pub fn fault(&self, rule: &Rule) -> Result<()> {
        done(&self.control.post("/faults", &serde_json::to_value(rule).context("a rule")?)?)
    }

    /// Takes back all rules.
    ///
    /// # Errors
    /// It does not answer.
    pub fn clear_faults(&self) -> Result<()> {
        done(&self.control.delete("/faults")?)
    }
}

impl Target for CountingProcess {
    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn token(&self) -> &str {
        &self.token
    }
}

fn done(answer: &Answer) -> Result<()> {
    if answer.status != 204 {
        bail!("the counting target answers {}: {}", answer.status, answer.text);
    }
    Ok(())
}
