//! Approvers are told by mail, through a mail server that is not ours (aiosmtpd), and what waits for them can be decided.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::{Running, artifacts, guest, skip};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use support::Scenario;
use tempfile::TempDir;

/// A mail server, and what it has taken.
struct Mailboxes {
    process: Running,
    mails: PathBuf,
    port: u16,
    _directory: TempDir,
}

impl Mailboxes {
    fn start(test: &str) -> Option<Self> {
        let Some(python) = artifacts::venv_python() else {
            skip(test, "no venv with Python: `cargo xtask test` makes it");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let mails = directory.path().join("mails.jsonl");
        let mut command = Command::new(python);
        command.arg(artifacts::peer("smtp_server.py")).arg(&mails);
        let process = Running::start("smtp_server.py", command, &directory.path().join("port")).unwrap();
        let port = || process.log().lines().next()?.trim().parse::<u16>().ok();
        let port = process.wait_until("its port", port).unwrap();
        Some(Self { process, mails, port, _directory: directory })
    }

    /// So many mails, once they are there.
    fn wait_for(&self, count: usize) -> Vec<Value> {
        let arrived = || {
            let text = fs::read_to_string(&self.mails).unwrap_or_default();
            let mails: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (mails.len() >= count).then_some(mails)
        };
        self.process.wait_until(&format!("mail no {count}"), arrived).unwrap()
    }
}

#[test]
fn an_approver_gets_a_mail_and_whoever_cannot_be_reached_keeps_nobody_waiting() {
    let test = "an_approver_gets_a_mail_and_whoever_cannot_be_reached_keeps_nobody_waiting";
    let Some(mailboxes) = Mailboxes::start(test) else { return };
    let toml = format!(
        "[notifications]\nsmtp_host = \"127.0.0.1\"\nsmtp_port = {}\nsmtp_encryption = \"none\"\n\
         mail_from = \"Gatehouse <gatehouse@example.com>\"\n",
        mailboxes.port
    );
    let s = Scenario::configured(&toml);
    s.run(&["connector", "install", guest("scim").unwrap().to_str().unwrap(), "--allow-unsigned"]);
    s.run(&["profile", "create", "staff"]);
    s.file("token.txt", "a-very-secret-token");
    let origin = "https://hr.example.com";
    let set = ["credential", "set", "hr", "--origin", origin, "--scheme", "bearer", "--secret-file", "token.txt"];
    s.run(&set);
    let base = "base_url=https://hr.example.com/v2";
    let app = ["app", "create", "hr", "--connector", "scim", "--set", base, "--credential", "token=hr"];
    s.run(&[&app[..], &["--profile", "staff"]].concat());
    // Nothing is to leave for the target: it is not there.
    s.run(&["app", "pause", "hr"]);
    for (name, mail) in [("ann", "ann@example.org"), ("ben", "refused@example.org")] {
        s.run(&["user", "create", name, "--email", mail]);
    }
    let steps = json!([{"approvers": {"users": ["ann", "ben"]}}]);
    // Nobody will ever look there who has an account.
    let guard = json!({"enabled": false});
    let config = json!({"approvals": [{"operations": ["Create"], "steps": steps}], "guard": guard});
    let config = s.file("config.json", &config.to_string());
    s.run(&["app", "configure", "hr", "--config", config.to_str().unwrap()]);
    s.run(&["user", "create", "subject", "--profile", "staff", "--email", "subject@example.org"]);
    let waiting = s.json(&["request", "list", "--app", "hr", "--state", "New"]);
    let id = match waiting["items"][0]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => {
            let made = s.json(&["request", "create", "hr", "create", "--user", "subject"]);
            made["id"].as_str().unwrap().to_owned()
        }
    };
    let mails = mailboxes.wait_for(1);
    assert_eq!((&mails[0]["from"], &mails[0]["to"]), (&json!("gatehouse@example.com"), &json!(["ann@example.org"])));
    let told = format!("{} {}", mails[0]["subject"], mails[0]["text"]);
    assert!(told.contains(&id) && told.contains("Create for subject in hr waits for your approval"), "{told}");
    assert!(!told.contains("subject@example.org"), "no value of an attribute is in it: {told}");
    let shown = s.run(&["request", "show", &id]);
    assert!(shown.contains("Approvals") && shown.contains("ann, ben"), "{shown}");
    s.run(&["request", "deny", &id, "--reason", "not this year"]);
    assert_eq!(s.json(&["request", "show", &id])["approval"], "Denied");
}
