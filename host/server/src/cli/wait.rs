//! Waiting for requests, with progress: a bar on a terminal, a line per change elsewhere. It asks again and again,
//! which works through any proxy; the API also has a stream of events.

use super::client::escape;
use super::render::{facts, note, text, time};
use super::{Outcome, Session};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::Duration;

/// The wait between two looks, at first and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(500));

/// Looks after which somebody may have paused the app.
const PAUSED: u32 = 20;

/// States in which nothing more happens.
const SETTLED: [&str; 5] = ["Completed", "Failed", "Retried", "ManuallyCompleted", "Cancelled"];

/// How far something is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last: RefCell<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, last: RefCell::default() }
    }

    /// So many of so many.
    pub(super) fn count(&self, what: &str, done: u64, of: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        match of {
            Some(of) if of > 0 => {
                bar.set_length(of);
                bar.set_position(done);
                let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            _ => bar.set_style(ProgressStyle::default_spinner()),
        }
        bar.set_message(what.to_owned());
    }

    /// A line that stays, where there is no bar; each once.
    fn step(&self, text: String) {
        if self.bar.is_none() && *self.last.borrow() != text {
            note(&text);
            self.last.replace(text);
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Waits until nothing more happens to a request of itself: it is settled, or waits for a person.
pub(super) fn until_rest(session: &Session, asked: &Json) -> Result<(Json, Outcome)> {
    let progress = Progress::new();
    let id = text(&asked["id"]);
    let path = format!("/api/v1/requests/{}", escape(&id));
    let mut request = asked.clone();
    let (mut pause, most) = LOOK;
    for look in 1_u32.. {
        show(&progress, &request);
        if rests(&request) {
            break;
        }
        if look % PAUSED == 0 && is_paused(session, &request)? {
            progress.end();
            let app = text(&request["app"]);
            note(&format!("App {app} is paused, so {id} waits; `gatehouse app resume {app}` lets it go on."));
            return Ok((request, Outcome::Done));
        }
        pause = rest(pause, most);
        request = session.client.get(&path)?;
    }
    progress.end();
    let outcome = if request["state"] == "Failed" { Outcome::Failed } else { Outcome::Done };
    Ok((request, outcome))
}

/// Waits until a job has come to its end, or waits for consent.
pub(super) fn until_job_rests(session: &Session, asked: &Json) -> Result<Json> {
    let progress = Progress::new();
    let path = format!("/api/v1/jobs/{}", escape(&text(&asked["id"])));
    let mut job = asked.clone();
    let (mut pause, most) = LOOK;
    loop {
        let (state, done, total) = (text(&job["state"]), job["done"].as_u64().unwrap_or(0), job["total"].as_u64());
        progress.count(&format!("{} requests", text(&job["requests"])), done, total);
        progress.step(format!("{} {state}, {done} of {} looked at", text(&job["id"]), total.unwrap_or(0)));
        if !["Counting", "Running"].contains(&state.as_str()) {
            progress.end();
            return Ok(job);
        }
        pause = rest(pause, most);
        job = session.client.get(&path)?;
    }
}

/// Waits for the requests that a run has raised.
pub(super) fn until_children_rest(session: &Session, run: &Json) -> Result<(Json, Outcome)> {
    let progress = Progress::new();
    let path = format!("/api/v1/requests?raised_by={}", escape(&text(&run["id"])));
    let (mut pause, most) = LOOK;
    for look in 1_u32.. {
        let children = session.client.list(&path, usize::MAX)?;
        let all = children["items"].as_array().cloned().unwrap_or_default();
        let resting = all.iter().filter(|child| rests(child)).count();
        let waiting = awaiting_approval(&children);
        let done = resting.saturating_sub(waiting.len());
        progress.count("requests done", done as u64, Some(all.len() as u64));
        if !all.is_empty() {
            let wait = told_of_waiting(&waiting).map(|told| format!(", {told}")).unwrap_or_default();
            progress.step(format!("{done} of {} requests done{wait}", all.len()));
        }
        let paused = look % PAUSED == 0 && is_paused(session, run)?;
        if resting == all.len() || paused {
            progress.end();
            let failed = all.iter().any(|child| child["state"] == "Failed");
            return Ok((children, if failed { Outcome::Failed } else { Outcome::Done }));
        }
        pause = rest(pause, most);
    }
    Ok((Json::Null, Outcome::Failed))
}

/// The numbers of those requests that somebody has to approve: they rest, and are not done.
pub(super) fn awaiting_approval(requests: &Json) -> Vec<String> {
    let all = requests["items"].as_array().into_iter().flatten();
    all.filter(|one| rests(one) && waits_for_approval(one)).map(|one| text(&one["id"])).collect()
}

/// How many those are, and which; nothing if there are none.
pub(super) fn told_of_waiting(waiting: &[String]) -> Option<String> {
    match waiting {
        [] => None,
        [one] => Some(format!("1 waits for approval: {one}")),
        more => Some(format!("{} wait for approval: {}", more.len(), more.join(", "))),
    }
}

fn waits_for_approval(request: &Json) -> bool {
    request["approval"] == "Required" && !SETTLED.contains(&text(&request["state"]).as_str())
}

/// Waits, and says how long to wait the next time.
#[allow(clippy::disallowed_methods, reason = "the command line has nothing else to do meanwhile")]
fn rest(pause: Duration, most: Duration) -> Duration {
    std::thread::sleep(pause);
    (pause * 3 / 2).min(most)
}

fn is_paused(session: &Session, request: &Json) -> Result<bool> {
    let app = session.client.get(&format!("/api/v1/apps/{}", escape(&text(&request["app"]))))?;
    Ok(app["paused"] == true)
}

fn rests(request: &Json) -> bool {
    let state = text(&request["state"]);
    SETTLED.contains(&state.as_str()) || request["due"].is_null()
}

fn show(progress: &Progress, request: &Json) {
    let state = text(&request["state"]);
    let run = &request["run"];
    let count = |name: &str| run[name].as_u64().unwrap_or(0);
    match state.as_str() {
        "Collecting" if run.is_object() => {
            progress.count("accounts collected", count("collected"), run["estimate"].as_u64())
        }
        "Analyzing" => progress.count("rows analysed", count("analyzed"), Some(count("rows"))),
        "Committing" if run.is_object() => progress.count("rows committed", count("committed"), Some(count("rows"))),
        _ => progress.count(&state, 0, None),
    }
    let trouble = match text(&request["error"]) {
        why if why.is_empty() || request["due"].is_null() => String::new(),
        why => format!(", trying again at {}: {why}", time(&request["due"])),
    };
    progress.step(format!("{} {state}{trouble}", text(&request["id"])));
}

/// A request in a few facts.
pub(super) fn tell(request: &Json) {
    facts(&[
        ("id", text(&request["id"])),
        ("app", text(&request["app"])),
        ("operation", text(&request["operation"])),
        ("user", text(&request["user_name"])),
        ("account", text(&request["account"])),
        ("state", text(&request["state"])),
        ("approval", approval(request)),
        ("behind", text(&request["behind"])),
        ("held", text(&request["held"])),
        ("runs at", if request["awaits_date"] == true { time(&request["run_at"]) } else { String::new() }),
        ("error", text(&request["error"])),
        ("needs review", if request["needs_review"] == true { "yes".to_owned() } else { String::new() }),
        ("next", next(request)),
    ]);
}

/// What a request waits for, in a word or two; nothing if it waits for nothing.
pub(super) fn waits_for(request: &Json) -> String {
    match text(&request["waits_for"]).as_str() {
        "date" => time(&request["run_at"]),
        "guard" => "release (guard)".to_owned(),
        "app" => "app (paused)".to_owned(),
        "request" => text(&request["behind"]),
        other => other.to_owned(),
    }
}

fn approval(request: &Json) -> String {
    match text(&request["approval"]) {
        plain if plain == "NotRequired" => String::new(),
        other => other,
    }
}

/// What a person can do about it.
fn next(request: &Json) -> String {
    let id = text(&request["id"]);
    let waits = request["approval"] == "Required";
    let app = text(&request["app"]);
    match text(&request["state"]).as_str() {
        "New" if !request["held"].is_null() => format!("gatehouse app release {app}, or withdraw"),
        "Analyzed" if request["waits_for"] == "reconcile" => {
            format!("gatehouse app reconcile {app}: people, links or the configuration have changed since")
        }
        "New" | "Analyzed" if waits => format!("gatehouse request approve {id}, or deny"),
        "Analyzed" => format!("gatehouse request commit {id}"),
        "Failed" if request["needs_review"] == true => format!("gatehouse request show {id}; then settle {id}"),
        "Failed" => format!("gatehouse request show {id} --log; then retry {id}, or complete {id} --note …"),
        // Somebody says that they did it: nobody has looked.
        "ManuallyCompleted" if !is_known(request) => {
            format!("gatehouse app reconcile {app}: what the account is like now is not known")
        }
        _ => String::new(),
    }
}

/// Whether what came of the last write of a request is known.
fn is_known(request: &Json) -> bool {
    let last = request["attempts"].as_array().and_then(|attempts| attempts.last());
    let reads = ["Read", "Reconcile", "Linking"].contains(&text(&request["operation"]).as_str());
    reads || last.is_some_and(|attempt| attempt["outcome"] == "applied")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_that_waits_for_approval_is_told_from_one_that_is_done() {
        let requests = json!({"items": [
            {"id": "UPR-000001", "state": "New", "approval": "Required", "due": null},
            {"id": "UPR-000002", "state": "Completed", "approval": "Approved", "due": null},
            {"id": "UPR-000003", "state": "Cancelled", "approval": "Required", "due": null},
            {"id": "UPR-000004", "state": "Committing", "approval": "NotRequired", "due": "2026-01-01T00:00:00Z"},
        ]});
        let waiting = awaiting_approval(&requests);
        assert_eq!(told_of_waiting(&waiting).as_deref(), Some("1 waits for approval: UPR-000001"));
        assert_eq!(told_of_waiting(&[]), None);
    }
}
