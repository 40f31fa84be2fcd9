//! The third-party SCIM server (`scim2-server` from PyPI) as a target: started on loopback with a bearer token, and
//! asked directly, so that a test sees what really is there and not what a connector says of it.

use crate::process::on_free_port;
use crate::{Http, Running, Target, artifacts};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// How many accounts are asked for at a time.
const PAGE: usize = 200;

/// A running `scim2-server`. It keeps its accounts in memory, and ends when this is dropped.
#[derive(Debug)]
pub struct Scim2Server {
    process: Running,
    http: Http,
    token: String,
}

impl Scim2Server {
    /// Starts one on a free port, with the bearer token `token`, logging to `directory`.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start(directory: &Path, token: &str) -> Result<Self> {
        let program = artifacts::scim2_server().context("scim2-server is not installed: `cargo xtask test` does it")?;
        on_free_port(|port| Self::start_on(port, &program, directory, token))
    }

    fn start_on(port: u16, program: &Path, directory: &Path, token: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--bearer-token", token]);
        let process = Running::start("scim2-server", command, &directory.join(format!("scim2-server-{port}.log")))?;
        let http = Http::new(format!("http://127.0.0.1:{port}/v2"), Some(token), "application/scim+json");
        // Its own configuration, with our token: another server on that port would not know the token.
        let ready = || http.get("/ServiceProviderConfig").ok().filter(|answer| answer.status == 200).map(drop);
        process.wait_until("its first answer", ready)?;
        Ok(Self { process, http, token: token.to_owned() })
    }

    /// For asking it anything.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The process.
    pub fn process(&self) -> &Running {
        &self.process
    }

    /// Makes an account, and answers the one it made.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn create(&self, user: &Value) -> Result<Value> {
        let answer = self.http.post("/Users", user)?;
        answer.expect_status(201).with_context(|| format!("making {user}"))
    }

    /// The account with this id; none if the server does not know it.
    ///
    /// # Errors
    /// The server answers otherwise.
    pub fn user(&self, id: &str) -> Result<Option<Value>> {
        let answer = self.http.get(&format!("/Users/{id}"))?;
        if answer.status == 404 { Ok(None) } else { answer.expect_status(200).map(Some) }
    }

    /// All accounts, by index pages (RFC 7644 section 3.4.2.4).
    ///
    /// # Errors
    /// The server does not answer, or with pages that do not add up.
    pub fn users(&self) -> Result<Vec<Value>> {
        let mut users: Vec<Value> = Vec::new();
        loop {
            let path = format!("/Users?startIndex={}&count={PAGE}", users.len() + 1);
            let mut page = self.http.get(&path)?.expect_status(200)?;
            let total = page["totalResults"].as_u64().context("a page without totalResults")?;
            let found = page["Resources"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let end = found.is_empty();
            users.extend(found);
            if users.len() as u64 == total {
                return Ok(users);
            }
            if end {
                bail!("the server says it has {total} accounts and shows {}", users.len());
            }
        }
    }
}

impl Target for Scim2Server {
    fn base_url(&self) -> &str {
        self.http.base()
    }

    fn token(&self) -> &str {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_third_party_server_takes_accounts_and_lists_them_all() {
        if artifacts::scim2_server().is_none() {
            return crate::skip("the_third_party_server_takes_accounts_and_lists_them_all", "no scim2-server");
        }
        let dir = tempfile::tempdir().unwrap();
        let server = Scim2Server::start(dir.path(), "a token").unwrap();
        let count = PAGE + 1;
        for number in 0..count {
            let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
            let made = server.create(&json!({"schemas": schemas, "userName": format!("u{number}")})).unwrap();
            assert!(server.user(made["id"].as_str().unwrap()).unwrap().is_some());
        }
        assert_eq!(server.users().unwrap().len(), count);
        assert!(server.user("nobody").unwrap().is_none());
    }

    #[test]
    fn the_third_party_server_refuses_another_token() {
        if artifacts::scim2_server().is_none() {
            return crate::skip("the_third_party_server_refuses_another_token", "no scim2-server");
        }
        let dir = tempfile::tempdir().unwrap();
        let server = Scim2Server::start(dir.path(), "a token").unwrap();
        let stranger = Http::new(server.base_url(), Some("another"), "application/scim+json");
        assert_eq!(stranger.get("/Users").unwrap().status, 401);
    }
}
