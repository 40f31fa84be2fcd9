//! A lane: one data directory that serves many kills in a row, its two connected apps, and a target for each. It
//! drives the host through its deaths as a careful client does: with an Idempotency-Key, again after a restart.

use crate::report::{Kill, Report};
use gatehouse_tests::counting::{CountingTarget, Options};
use gatehouse_tests::{Answer, Gatehouse, Target as _, until};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use tempfile::TempDir;

/// The app that operations on single accounts are done to.
pub const ACCOUNTS: &str = "accounts";
/// The app that is reconciled.
pub const RUNS: &str = "runs";
/// The app whose mapping has no marker.
pub const UNMARKED: &str = "unmarked";

/// What ended while something was asked of it.
#[derive(Debug)]
pub struct Gone;

pub struct Lane {
    pub accounts: CountingTarget,
    pub runs: CountingTarget,
    pub report: Report,
    /// What is being done, for complaints and for the report.
    pub doing: String,
    /// What the host was armed with for its next starts, one each.
    next_starts: Vec<String>,
    /// How many requests the targets had seen when the host was armed.
    armed_at: [u64; 2],
    pub host: Gatehouse,
    directory: TempDir,
    asked: u64,
    users: u64,
}

impl Lane {
    /// A lane on a copy of the template. `versions`: whether the targets have ETags.
    pub fn new(template: &Path, name: &str, versions: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(template, directory.path());
        let target = || CountingTarget::start_with(Options { versions, ..Options::default() }).unwrap();
        let (accounts, runs) = (target(), target());
        let host = start(directory.path(), "");
        let mut lane = Self {
            accounts,
            runs,
            report: Report::new(name),
            doing: "setting up".to_owned(),
            next_starts: Vec::new(),
            armed_at: [0; 2],
            host,
            directory,
            asked: 0,
            users: 0,
        };
        lane.connect();
        lane
    }

    fn connect(&mut self) {
        for (app, target) in [(ACCOUNTS, &self.accounts), (RUNS, &self.runs), (UNMARKED, &self.accounts)] {
            let http = self.host.http();
            let credential = json!({"origin": target.origin(), "scheme": "bearer", "secret": target.token()});
            let put = ureq_put(&http, &format!("/api/v1/credentials/{app}"), &credential);
            assert!(put.status < 300, "{}", put.text);
            let new = json!({
                "name": app, "connector": "scim", "settings": {"base_url": target.base_url()},
                "credentials": {"token": app}, "private_origins": [target.origin()], "profiles": [app],
            });
            let made = http.post("/api/v1/apps", &new).unwrap();
            assert_eq!(made.status, 201, "{}", made.text);
            self.configure(app, |config| {
                config["operations"].as_array_mut().unwrap().push(json!("Delete"));
                config["page_size"] = json!(4);
                config["follow_events"] = json!(false);
                config["retry"] = json!({"max_attempts": 5, "base_seconds": 0, "max_seconds": 1, "settle_seconds": 0});
                config["reconcile"]["max_vanished_percent"] = json!(100);
                if app == UNMARKED {
                    config["mapping"].as_array_mut().unwrap().retain(|rule| rule["attribute"] != "externalId");
                }
            });
        }
    }

    pub fn configure(&self, app: &str, change: impl FnOnce(&mut Value)) {
        let http = self.host.http();
        let path = format!("/api/v1/apps/{app}");
        let mut config = http.get(&path).unwrap().expect_status(200).unwrap()["config"].clone();
        change(&mut config);
        let body = json!({ "config": config });
        let changed = http.send("PATCH".parse().unwrap(), &path, Some(&body), &[]).unwrap();
        assert_eq!(changed.status, 200, "{}", changed.text);
    }

    /// A user of its own.
    pub fn new_user(&mut self, profile: &str) -> String {
        self.users += 1;
        let name = format!("{profile}{:05}", self.users);
        let user = json!({
            "username": name, "email": format!("{name}@example.com"), "first_name": "Given", "last_name": "Family",
            "profile": profile,
        });
        let made = self.host.http().post("/api/v1/users", &user).unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
        name
    }

    pub fn change_user(&self, user: &str, change: &Value) {
        let path = format!("/api/v1/users/{user}");
        let changed = self.host.http().send("PATCH".parse().unwrap(), &path, Some(change), &[]).unwrap();
        assert_eq!(changed.status, 200, "{}", changed.text);
    }

    /// Arms these failpoints and no others, and counts all from now on.
    pub fn arm(&mut self, armings: &[String]) {
        self.armed_at = [self.accounts.requests(), self.runs.requests()];
        let armed = ureq_put(&self.host.http(), "/failpoints", &json!(armings));
        assert_eq!(armed.status, 204, "{}: is the host built with its failpoints?", armed.text);
    }

    /// As `arm`, where the host may have died meanwhile.
    pub fn try_arm(&self, armings: &[String]) -> Result<(), Gone> {
        let body = json!(armings);
        let sent = self.host.http().send("PUT".parse().unwrap(), "/failpoints", Some(&body), &[]);
        sent.map(drop).map_err(|_| Gone)
    }

    /// What the next starts are armed with, one each.
    pub fn arm_next_starts(&mut self, armings: &[String]) {
        self.next_starts = armings.iter().rev().cloned().collect();
    }

    /// How often each failpoint has been reached since the host was armed.
    pub fn hits(&self) -> Vec<(String, u64)> {
        let listed = self.host.http().get("/failpoints").unwrap().expect_status(200).unwrap();
        let hits = |point: &Value| (point["name"].as_str().unwrap().to_owned(), point["hits"].as_u64().unwrap());
        listed.as_array().unwrap().iter().map(hits).collect()
    }

    /// A key for something that is asked once, however often the host dies meanwhile.
    pub fn key(&mut self) -> String {
        self.asked += 1;
        format!("key-{}", self.asked)
    }

    /// Does this until it is done, again after each death of the host.
    pub fn through_deaths<T>(&mut self, mut step: impl FnMut(&mut Self) -> Result<T, Gone>) -> T {
        for _ in 0..20 {
            match step(self) {
                Ok(value) => return value,
                Err(Gone) => self.bury_and_restart(),
            }
        }
        panic!("{}: the host dies again and again:\n{}", self.doing, self.tail());
    }

    /// Asks for something that makes a request: the request as it was answered.
    pub fn ask(&mut self, path: &str, body: &Value, key: &str) -> Value {
        self.through_deaths(|lane| {
            let answer = lane.post(path, body, key)?;
            assert!(matches!(answer.status, 200 | 202), "{}: {path} {body}: {}", lane.doing, answer.text);
            Ok(answer.json().unwrap())
        })
    }

    pub fn post(&self, path: &str, body: &Value, key: &str) -> Result<Answer, Gone> {
        let sent = self.host.http().send("POST".parse().unwrap(), path, Some(body), &[("idempotency-key", key)]);
        sent.map_err(|_| Gone)
    }

    pub fn get(&self, path: &str) -> Result<Value, Gone> {
        let answer = self.host.http().get(path).map_err(|_| Gone)?;
        Ok(answer.expect_status(200).unwrap_or_else(|error| panic!("{}: {path}: {error}", self.doing)))
    }

    /// The request once it is settled, or in a state of these.
    pub fn settled(&mut self, id: &str, or: &[&str]) -> Value {
        let path = format!("/api/v1/requests/{id}");
        self.through_deaths(|lane| {
            let found = until(|| match lane.get(&path) {
                Err(gone) => Some(Err(gone)),
                Ok(request) if is_settled(&request) || or.iter().any(|state| request["state"] == *state) => {
                    Some(Ok(request))
                }
                Ok(_) => lane.host.process().ended().map(|_| Err(Gone)),
            });
            found.unwrap_or_else(|| panic!("{}: {id} is never settled:\n{}", lane.doing, lane.story(id)))
        })
    }

    /// Waits for the death of a host that must die, and starts the next one.
    pub fn must_die(&mut self) {
        let ended = until(|| self.host.process().ended());
        assert!(ended.is_some(), "{}: the host reaches what it is to die at, and lives:\n{}", self.doing, self.tail());
        self.bury_and_restart();
    }

    /// The host has ended: by SIGKILL, at what it was armed with. The next one starts.
    fn bury_and_restart(&mut self) {
        loop {
            self.bury();
            let arming = self.next_starts.pop().unwrap_or_default();
            self.host = start(self.directory.path(), &arming);
            if self.host.process().ended().is_none() {
                return;
            }
        }
    }

    fn bury(&mut self) {
        let Some(status) = until(|| self.host.process().ended()) else {
            panic!("{}: the host answers no more, and lives:\n{}", self.doing, self.tail());
        };
        assert_eq!(status.signal(), Some(9), "{}: the host ended otherwise ({status}):\n{}", self.doing, self.tail());
        let log = self.host.process().log();
        let at = log.lines().rev().find_map(|line| line.strip_prefix("failpoint ")?.strip_suffix(": killed"));
        let at = at.unwrap_or_else(|| panic!("{}: killed, and nowhere:\n{log}", self.doing));
        let (point, nth) = at.split_once(':').unwrap();
        if point == "gate.after_write" && !self.doing.starts_with("Random") {
            self.has_arrived(nth.parse().unwrap());
        }
        self.report.kills.push(Kill { point: point.to_owned(), nth: nth.parse().unwrap(), doing: self.doing.clone() });
    }

    /// What left the host is given the time to arrive: that is what a settling delay is for, which the apps here do
    /// without.
    fn has_arrived(&self, nth: usize) {
        let targets = [&self.accounts, &self.runs];
        let taken = |at: usize| targets[at].log_since(self.armed_at[at]).taken().count();
        let arrived = until(|| (taken(0) >= nth || taken(1) >= nth).then_some(()));
        assert!(arrived.is_some(), "{}: killed after a write had left, and none arrived", self.doing);
    }

    /// A request, its log and what its target saw, for a complaint.
    pub fn story(&self, id: &str) -> String {
        let request = self.get(&format!("/api/v1/requests/{id}")).unwrap_or_default();
        let log = self.get(&format!("/api/v1/requests/{id}/log")).unwrap_or_default();
        let lines = log["items"].as_array().into_iter().flatten().map(|line| format!("  {}\n", line["message"]));
        let lines: String = lines.collect();
        let seen = if request["app"] == RUNS { self.runs.log() } else { self.accounts.log() };
        let story = seen.story();
        let last: Vec<&str> = story.lines().rev().take(30).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("{request:#}\n{lines}the target saw:\n{}\nthe host says:\n{}", last.join("\n"), self.tail())
    }

    fn tail(&self) -> String {
        let log = self.host.process().log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

pub fn is_settled(request: &Value) -> bool {
    let state = request["state"].as_str().unwrap_or_default();
    ["Completed", "Failed", "Retried", "ManuallyCompleted", "Cancelled"].contains(&state)
}

/// Makes a data directory with the connector in it, for lanes to copy.
pub fn template(directory: &Path) {
    let host = Gatehouse::start(directory).unwrap();
    let component = gatehouse_tests::guest("scim").unwrap();
    let installed = ["connector", "install", component.to_str().unwrap(), "--allow-unsigned"];
    host.cli(&installed).unwrap().success().unwrap();
    for profile in [ACCOUNTS, RUNS, UNMARKED] {
        host.cli(&["profile", "create", profile]).unwrap().success().unwrap();
    }
    host.stop().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, into) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &into);
        } else {
            fs::copy(&path, &into).unwrap();
        }
    }
}

/// Starts a host that is armed with this; it is ready, or has died.
fn start(directory: &Path, arming: &str) -> Gatehouse {
    loop {
        let host = start_once(directory, arming);
        let ended = host.process().ended();
        // Somebody else may have taken the port meanwhile.
        if ended.is_none_or(|status| status.signal() == Some(9)) {
            return host;
        }
    }
}

fn start_once(directory: &Path, arming: &str) -> Gatehouse {
    let mut environment = vec![("GATEHOUSE_BATCH", OsStr::new("4")), ("GATEHOUSE_LOG", OsStr::new("warn"))];
    if !arming.is_empty() {
        environment.push(("GATEHOUSE_FAILPOINT", OsStr::new(arming)));
    }
    let host = Gatehouse::launch(directory, &environment).unwrap();
    let ready = host.wait_until_ready();
    let died = host.process().ended().is_some_and(|status| status.signal() == Some(9));
    let port_taken = ready.as_ref().is_err_and(|error| format!("{error:#}").contains("in use by another program"));
    assert!(ready.is_ok() || died || port_taken, "the host does not start: {:?}", ready.err());
    host
}

fn ureq_put(http: &gatehouse_tests::Http, path: &str, body: &Value) -> Answer {
    http.send("PUT".parse().unwrap(), path, Some(body), &[]).unwrap()
}
