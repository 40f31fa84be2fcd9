//! The load: people come, change, leave and return, their accounts follow by requests, and reconciliations run in
//! between. Each worker has people of its own, so that it knows at any time how the directory must look.

use super::host::{Host, Stop, locked, pause};
use super::model::{Accepted, Person};
use anyhow::{Context, Result, bail};
use fastrand::Rng;
use gatehouse_tests::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The profile that gives access to the app.
pub const PROFILE: &str = "staff";
/// The app.
pub const APP: &str = "hr";
/// Requests that a worker may have under way before it waits for the oldest.
const UNDER_WAY: usize = 4;
/// How long a request may take to settle, outages included, before the worker gives up waiting (it is looked at again
/// in the end).
const PATIENCE: Duration = Duration::from_secs(90);

/// What the load has done so far.
#[derive(Debug, Default)]
pub struct Done {
    /// Requests that the host has accepted.
    pub accepted: Mutex<Vec<Accepted>>,
    /// Calls that the host refused, by what and why.
    pub refused: Mutex<BTreeMap<String, u64>>,
    /// What went wrong with the load itself; each one is a violation.
    pub troubles: Mutex<Vec<String>>,
}

impl Done {
    /// How many requests have been accepted.
    pub fn count(&self) -> usize {
        locked(&self.accepted).len()
    }

    /// Notes that something went wrong.
    pub fn trouble(&self, what: &str, error: &anyhow::Error) {
        locked(&self.troubles).push(format!("{what}: {error:#}"));
    }
}

/// One worker.
#[derive(Debug)]
pub struct Worker<'a> {
    name: String,
    host: &'a Host,
    done: &'a Done,
    rng: Rng,
    most_people: usize,
    people: Vec<Person>,
    under_way: VecDeque<String>,
    keys: u64,
}

impl<'a> Worker<'a> {
    /// A worker with this number, for at most so many people.
    pub fn new(number: usize, seed: u64, most_people: usize, host: &'a Host, done: &'a Done) -> Self {
        let rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(number as u64 + 1));
        let (people, under_way) = (Vec::new(), VecDeque::new());
        Self { name: format!("w{number}"), host, done, rng, most_people, people, under_way, keys: 0 }
    }

    /// Works until told to stop, an action each `pace` at most; the people as they must be in the directory.
    pub fn run(mut self, stop: &Stop, pace: Duration) -> Vec<Person> {
        while !stop.is_over() {
            let began = Instant::now();
            if let Err(error) = self.act(stop) {
                self.done.trouble(&self.name, &error);
                break;
            }
            stop.wait(pace.saturating_sub(began.elapsed()));
        }
        self.people
    }

    /// One thing that happens to somebody.
    fn act(&mut self, stop: &Stop) -> Result<()> {
        let few = self.people.len() < 3 || (self.people.len() < self.most_people && self.rng.u8(..10) < 4);
        if few {
            self.joins()?
        } else {
            self.goes_on()?
        }
        let wait = self.rng.bool() || self.under_way.len() > UNDER_WAY;
        match self.under_way.pop_front() {
            Some(oldest) if wait => self.see_to(&oldest, stop),
            Some(oldest) => {
                self.under_way.push_front(oldest);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn joins(&mut self) -> Result<()> {
        let username = format!("{}-{:04}", self.name, self.people.len());
        let person = Person::new(&username);
        let made = self.post("/api/v1/users", &person.as_new_user(PROFILE))?;
        let made = made.with_context(|| format!("{username} was refused"))?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        self.people.push(Person { id, ..person });
        self.request("Create", &username)
    }

    fn goes_on(&mut self) -> Result<()> {
        let at = self.rng.usize(..self.people.len());
        let username = self.people[at].username.clone();
        match (self.people[at].active, self.rng.u8(..20)) {
            (_, 0..=9) => {
                self.people[at].changes(self.rng.u32(..1_000_000), self.rng.bool());
                let change = self.people[at].as_change();
                let answer = self.host.call(&Method::PATCH, &user_path(&username), Some(&change), None)?;
                answer.expect_status(200).with_context(|| format!("changing {username}"))?;
                self.request("Update", &username)
            }
            (true, 10..=12) => self.flag(at, "disable", "Deactivate"),
            (false, 10..=16) => {
                let operation = if self.rng.bool() { "Activate" } else { "Reactivate" };
                self.flag(at, "enable", operation)
            }
            (true, 13..=16) if self.people[at].frozen => self.flag(at, "unfreeze", "Unfreeze"),
            (true, 13..=14) => self.flag(at, "freeze", "Freeze"),
            (_, 17) => self.request("Create", &username),
            _ => self.request("Read", &username),
        }
    }

    fn flag(&mut self, at: usize, verb: &str, operation: &str) -> Result<()> {
        let username = self.people[at].username.clone();
        let answer = self.post(&format!("{}/{verb}", user_path(&username)), &json!({}))?;
        answer.with_context(|| format!("{verb} of {username} was refused"))?;
        let person = &mut self.people[at];
        match verb {
            "disable" => person.active = false,
            "enable" => person.active = true,
            "freeze" => person.frozen = true,
            _ => person.frozen = false,
        }
        self.request(operation, &username)
    }

    /// Asks for an operation. That it is refused is no trouble: the account may not be there yet.
    fn request(&mut self, operation: &str, username: &str) -> Result<()> {
        let body = json!({"app": APP, "operation": operation, "user": username});
        if let Some(made) = self.post("/api/v1/requests", &body)? {
            let id = made["id"].as_str().unwrap_or_default().to_owned();
            self.accepted(&id, operation, username);
            self.under_way.push_back(id);
        }
        Ok(())
    }

    fn accepted(&self, id: &str, operation: &str, username: &str) {
        let accepted = Accepted { id: id.to_owned(), operation: operation.to_owned(), user: username.to_owned() };
        locked(&self.done.accepted).push(accepted);
    }

    /// POST with a key of its own; none if it is refused.
    fn post(&mut self, path: &str, body: &Value) -> Result<Option<Value>> {
        self.keys += 1;
        let key = format!("{}-{}", self.name, self.keys);
        let answer = self.host.call(&Method::POST, path, Some(body), Some(&key))?;
        if answer.status < 300 {
            return answer.json().map(Some);
        }
        if !matches!(answer.status, 404 | 409 | 422) {
            bail!("POST {path} {body} is answered with {}: {}", answer.status, answer.text);
        }
        let what = body["operation"].as_str().unwrap_or(path);
        let title = answer.json()?["title"].as_str().unwrap_or_default().to_owned();
        *locked(&self.done.refused).entry(format!("{what}: {title}")).or_default() += 1;
        Ok(None)
    }

    /// Waits for a request, and takes up again some of those that failed.
    fn see_to(&mut self, id: &str, stop: &Stop) -> Result<()> {
        let Some(request) = settled(self.host, id, stop)? else { return Ok(()) };
        let failed = request["state"] == "Failed" && request["needs_review"] == false;
        if failed
            && self.rng.bool()
            && let Some(again) = self.post(&format!("/api/v1/requests/{id}/retry"), &json!({}))?
        {
            let user = request["user_name"].as_str().unwrap_or_default();
            self.accepted(again["id"].as_str().unwrap_or_default(), "retried", user);
        }
        Ok(())
    }
}

/// The request once it is settled; none if that takes too long, or it is time to stop.
fn settled(host: &Host, id: &str, stop: &Stop) -> Result<Option<Value>> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE && !stop.is_over() {
        let request = host.get(&format!("/api/v1/requests/{id}"))?;
        if is_settled(&request) {
            return Ok(Some(request));
        }
        pause(Duration::from_millis(100));
    }
    Ok(None)
}

/// Whether a request has come to an end.
pub fn is_settled(request: &Value) -> bool {
    const SETTLED: [&str; 5] = ["Completed", "Failed", "Retried", "ManuallyCompleted", "Cancelled"];
    request["state"].as_str().is_some_and(|state| SETTLED.contains(&state))
}

/// Reconciles again and again.
pub fn reconcile_now_and_then(host: &Host, done: &Done, stop: &Stop, every: Duration) {
    let mut number = 0;
    while !stop.wait(every) {
        number += 1;
        match reconcile(host, &format!("reconcile-{number}")) {
            Ok(Some(id)) => {
                let accepted = Accepted { id: id.clone(), operation: "Reconcile".to_owned(), user: String::new() };
                locked(&done.accepted).push(accepted);
                if let Err(error) = settled(host, &id, stop) {
                    done.trouble("reconcile", &error);
                }
            }
            // One is running already.
            Ok(None) => {}
            Err(error) => done.trouble("reconcile", &error),
        }
    }
}

/// Asks for a reconciliation: its number, or none if it is refused because one is running.
///
/// # Errors
/// The host does not answer, or otherwise.
pub fn reconcile(host: &Host, key: &str) -> Result<Option<String>> {
    let path = format!("/api/v1/apps/{APP}/reconcile");
    let answer = host.call(&Method::POST, &path, Some(&json!({})), Some(key))?;
    if answer.status == 409 {
        return Ok(None);
    }
    let made = answer.expect_status(202)?;
    Ok(Some(made["id"].as_str().context("a reconciliation without a number")?.to_owned()))
}

fn user_path(username: &str) -> String {
    format!("/api/v1/users/{username}")
}
