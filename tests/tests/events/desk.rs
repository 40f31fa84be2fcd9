//! An administrator who only uses the HTTP API.

use crate::support::Scenario;
use gatehouse_tests::{Http, until};
use serde_json::{Value, json};
use ureq::http::Method;

/// States in which nothing more happens to a request.
const SETTLED: [&str; 5] = ["Completed", "Failed", "Retried", "ManuallyCompleted", "Cancelled"];

/// The administrator, and the request raised last that they know of.
pub struct Desk {
    pub http: Http,
}

impl Desk {
    pub fn new(s: &Scenario) -> Self {
        Self { http: s.host.http() }
    }

    /// A call that must succeed.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.http.send(method.clone(), &format!("/api/v1{path}"), body, &[]).unwrap();
        assert!(answer.status < 300, "{method} {path} {body:?}: {} {}", answer.status, answer.text);
        answer.json().unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, Some(&body))
    }

    /// A call without a body.
    pub fn ask(&self, path: &str) -> Value {
        self.call(Method::POST, path, None)
    }

    pub fn patch(&self, path: &str, body: Value) -> Value {
        self.call(Method::PATCH, path, Some(&body))
    }

    /// All items of a list.
    pub fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{sign}limit=1000{after}"));
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }

    /// Changes the configuration of `hr`.
    pub fn configure(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.get("/apps/hr")["config"].clone();
        change(&mut config);
        self.patch("/apps/hr", json!({ "config": config }));
    }

    /// The number of the newest request.
    pub fn newest(&self) -> u64 {
        let newest = self.get("/requests?limit=1");
        newest["items"][0]["id"].as_str().map_or(0, |id| id.trim_start_matches("UPR-").parse().unwrap())
    }

    /// The requests raised after that one, in order, once all of them have come to their end.
    pub fn raised_since(&self, newest: u64) -> Vec<Value> {
        let number = |request: &Value| -> u64 { request["id"].as_str().unwrap()[4..].parse().unwrap() };
        let settled = || {
            let mut raised = self.all("/requests");
            raised.retain(|request| number(request) > newest);
            raised.reverse();
            raised.iter().all(|request| SETTLED.contains(&request["state"].as_str().unwrap())).then_some(raised)
        };
        until(settled).unwrap_or_else(|| panic!("some never come to their end: {:#?}", self.all("/requests")))
    }

    /// Waits until a job comes to rest.
    pub fn job_rests(&self, id: &str) -> Value {
        let rests = || {
            let job = self.get(&format!("/jobs/{id}"));
            (!["Counting", "Running"].contains(&job["state"].as_str().unwrap())).then_some(job)
        };
        until(rests).unwrap_or_else(|| panic!("it never rests: {:#}", self.get(&format!("/jobs/{id}"))))
    }

    /// The newest job, once it rests.
    pub fn last_job(&self) -> Value {
        let newest = self.get("/jobs?limit=1")["items"][0].clone();
        self.job_rests(newest["id"].as_str().unwrap())
    }
}
