//! What the scenarios share: a host, a real SCIM server and an administrator who knows nothing but `--help`.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use gatehouse_tests::{Gatehouse, Output, Scim2Server, Target, guest, scim2_server, skip};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A host on a directory of its own.
pub struct Scenario {
    pub host: Gatehouse,
    help: RefCell<BTreeMap<String, String>>,
    pub directory: TempDir,
}

impl Scenario {
    pub fn start() -> Self {
        Self::configured("")
    }

    /// With a `gatehouse.toml`.
    pub fn configured(toml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gatehouse.toml"), toml).unwrap();
        let host = Gatehouse::start(directory.path()).unwrap();
        Self::on(host, directory)
    }

    /// On a host that was started otherwise.
    pub fn on(host: Gatehouse, directory: TempDir) -> Self {
        Self { host, help: RefCell::default(), directory }
    }

    /// The same after a crash of the host, and its restart.
    pub fn crashed_and_restarted(self) -> Self {
        let Self { host, help, directory } = self;
        host.crash();
        let host = Gatehouse::start(directory.path()).unwrap();
        Self { host, help, directory }
    }

    /// Writes a file into the scenario's directory, which is where the CLI runs.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What `--help` says of a command.
    fn help(&self, words: &[&str]) -> String {
        let key = words.join(" ");
        if let Some(text) = self.help.borrow().get(&key) {
            return text.clone();
        }
        let mut asked = words.to_vec();
        asked.push("--help");
        let text = self.host.cli(&asked).unwrap().success().unwrap();
        self.help.borrow_mut().insert(key, text.clone());
        text
    }

    /// Every word and every option of a command must be in the help, found from the top.
    fn must_be_in_help(&self, arguments: &[&str]) {
        let verbs: Vec<&str> = arguments.iter().take(2).copied().collect();
        for depth in 0..verbs.len() {
            let help = self.help(&verbs[..depth]);
            let listed = help.lines().any(|line| line.trim_start().split(' ').next() == Some(verbs[depth]));
            assert!(
                listed,
                "`gatehouse {} --help` does not list `{}`:\n{help}",
                verbs[..depth].join(" "),
                verbs[depth]
            );
        }
        let help = self.help(&verbs);
        for option in arguments.iter().filter(|argument| argument.starts_with("--")) {
            let named = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == *option);
            assert!(named, "`gatehouse {} --help` does not name {option}:\n{help}", verbs.join(" "));
        }
    }

    /// Runs a command that its help tells of; it must succeed. Its table.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.must_be_in_help(arguments);
        self.host.cli(arguments).unwrap().success().unwrap()
    }

    /// Like `run`, and reads the JSON that it says.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.must_be_in_help(arguments);
        self.host.cli_json(arguments).unwrap()
    }

    /// Runs a command whatever comes of it.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.host.cli(arguments).unwrap()
    }

    /// Runs a command that must be refused: what it says.
    pub fn refused(&self, arguments: &[&str]) -> String {
        self.host.cli(arguments).unwrap().failure().unwrap()
    }

    /// A command of the CLI that is fed from standard input.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.must_be_in_help(arguments);
        self.host.command(arguments)
    }

    /// Installs the SCIM connector, and connects `hr` to a server: its users have profile `staff`.
    pub fn connect_scim(&self, server: &impl Target) {
        let origin = server.origin();
        self.file("token.txt", server.token());
        self.run(&["connector", "install", guest("scim").unwrap().to_str().unwrap(), "--allow-unsigned"]);
        self.run(&["profile", "create", "staff"]);
        self.run(&[
            "credential",
            "set",
            "hr-token",
            "--origin",
            origin,
            "--scheme",
            "bearer",
            "--secret-file",
            "token.txt",
        ]);
        let base_url = format!("base_url={}", server.base_url());
        self.run(&[
            "app",
            "create",
            "hr",
            "--connector",
            "scim",
            "--set",
            &base_url,
            "--credential",
            "token=hr-token",
            "--allow-private",
            origin,
            "--profile",
            "staff",
        ]);
    }

    /// Connects `hr` as [`connect_scim`](Self::connect_scim) does, and reconciles it: from then on events make accounts.
    pub fn connect_scim_and_reconcile(&self, server: &impl Target) {
        self.connect_scim(server);
        self.reconcile("hr");
    }

    /// Reconciles an app, and commits the plan.
    pub fn reconcile(&self, app: &str) {
        let run = self.json(&["app", "reconcile", app]);
        self.run(&["request", "commit", run["id"].as_str().unwrap()]);
    }

    /// Connects `hr` as [`connect_scim`](Self::connect_scim) does, for what is asked for by hand alone.
    pub fn connect_scim_by_hand(&self, server: &impl Target) {
        self.connect_scim(server);
        self.by_hand("hr");
    }

    /// Has events of the directory raise nothing in an app.
    pub fn by_hand(&self, app: &str) {
        let http = self.host.http();
        let path = format!("/api/v1/apps/{app}");
        let mut config = http.get(&path).unwrap().expect_status(200).unwrap()["config"].clone();
        config["follow_events"] = json!(false);
        let changed = http.send("PATCH".parse().unwrap(), &path, Some(&json!({ "config": config })), &[]).unwrap();
        assert_eq!(changed.status, 200, "{}", changed.text);
    }

    /// Asks for an operation on a user's account and waits for its end.
    pub fn request(&self, operation: &str, user: &str) -> Value {
        let request = self.json(&["request", "create", "hr", operation, "--user", user]);
        assert_eq!(request["state"], "Completed", "{operation} {user}: {request:#}");
        request
    }

    /// The one account of a user in `hr`.
    pub fn account_of(&self, user: &str) -> Value {
        let list = self.json(&["account", "list", "hr", "--user", user]);
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{user} has {list:#}");
        items[0].clone()
    }

    /// A request's log as text, a line for each entry, its fields behind it.
    pub fn log(&self, id: &str) -> String {
        let shown = self.json(&["request", "show", id, "--log"]);
        let lines = shown["log"].as_array().unwrap_or_else(|| panic!("no log in {shown:#}"));
        lines.iter().map(|line| format!("{} {}\n", line["message"].as_str().unwrap(), line["fields"])).collect()
    }
}

/// A real server, or the skipping of a test by name.
pub fn scim_server(test: &str, directory: &TempDir) -> Option<Scim2Server> {
    if scim2_server().is_none() {
        skip(test, "scim2-server (PyPI) is not installed: `cargo xtask test` installs it");
        return None;
    }
    Some(Scim2Server::start(directory.path(), "a-very-secret-token").unwrap())
}

/// A SCIM user as an administrator of the target would have made it.
pub fn scim_user(username: &str, mail: &str, given: &str, family: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": username,
        "name": {"givenName": given, "familyName": family},
        "displayName": format!("{given} {family}"),
        "emails": [{"value": mail, "type": "work", "primary": true}],
        "active": true,
    })
}

/// The account of this name at the server; none if there is none.
pub fn at_target(server: &Scim2Server, username: &str) -> Option<Value> {
    server.users().unwrap().into_iter().find(|user| user["userName"] == username)
}
