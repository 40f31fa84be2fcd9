//! Connections: a thread each, requests one after the other, every one logged before anything is done and once more
//! when its answer has been sent. Here faults befall requests.

use super::faults::{Fault, RetryAfter};
use super::log::Reply;
use super::wire::{self, Answer, Asked, Extent};
use super::{BASE, Lie, Shared, control, locked, scim};
use std::collections::HashMap;
use std::io::BufReader;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// All open connections, so that they can be closed.
#[derive(Debug)]
pub(super) struct Connections {
    address: Option<SocketAddr>,
    closed: AtomicBool,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Connections {
    /// Closes all of them, and takes no more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for stream in locked(&self.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that waits for connections, so that it sees that there are to be no more.
        let _ = self.address.map(TcpStream::connect);
    }
}

/// Answers all who connect.
pub(super) fn listen(listener: TcpListener, shared: Arc<Shared>) -> Arc<Connections> {
    let address = listener.local_addr().ok();
    let connections = Arc::new(Connections { address, closed: AtomicBool::new(false), open: Mutex::default() });
    let registry = Arc::clone(&connections);
    std::thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            if registry.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            if let Ok(copy) = stream.try_clone() {
                locked(&registry.open).insert(number, copy);
            }
            let (shared, registry) = (Arc::clone(&shared), Arc::clone(&registry));
            std::thread::spawn(move || {
                connection(stream, &shared);
                if let Some(stream) = locked(&registry.open).remove(&number) {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            });
        }
    });
    connections
}

/// Answers the requests of a connection until it ends.
fn connection(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let Ok(answers) = stream.try_clone() else { return };
    let mut requests = BufReader::new(stream);
    while let Ok(Some(asked)) = wire::receive(&mut requests) {
        let goes_on = match asked.path.strip_prefix(control::PREFIX) {
            Some(command) => wire::send(&answers, &control::serve(shared, &asked, command), Extent::Whole).is_ok(),
            None => one(shared, &asked, &answers),
        };
        let last = asked.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if !goes_on || last {
            return;
        }
    }
}

/// Answers one request; whether the connection goes on.
fn one(shared: &Shared, asked: &Asked, stream: &TcpStream) -> bool {
    let path = asked.path.strip_prefix(BASE).unwrap_or(&asked.path);
    let at_ms = u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let number = locked(&shared.log).arrived(asked, path, at_ms);
    let faults = locked(&shared.faults).befalling(asked, path);
    let replied = |reply| locked(&shared.log).note(number, |seen| seen.reply = reply);
    let answer = match before(&faults) {
        Before::Drop => {
            replied(Reply::Withheld);
            return false;
        }
        Before::Refuse(answer) => answer,
        Before::Do if !asked.path.starts_with(BASE) => scim::error(404, None, "the base URL ends with /v2"),
        Before::Do => done(shared, asked, path, number, &faults),
    };
    let Some((answer, extent)) = after(&faults, asked, answer) else {
        replied(Reply::Withheld);
        return false;
    };
    let whole = extent == Extent::Whole;
    replied(if whole { Reply::Sent(answer.status) } else { Reply::Cut(answer.status) });
    wire::send(stream, &answer, extent).is_ok() && whole
}

/// Does what is asked for, and logs it while nobody else can do anything.
fn done(shared: &Shared, asked: &Asked, path: &str, number: u64, faults: &[Fault]) -> Answer {
    let options = locked(&shared.options).clone();
    if asked.header("authorization") != Some(&format!("Bearer {}", options.token)) {
        return scim::error(401, None, "the bearer token is not the one").with("www-authenticate", "Bearer");
    }
    let mut accounts = locked(&shared.accounts);
    let outcome = scim::serve(&mut accounts, &options, asked, path, &lie(faults));
    let (user_name, marker) = outcome.whose;
    locked(&shared.log).note(number, |seen| {
        seen.user_name = user_name;
        seen.marker = marker;
        seen.done = outcome.done;
    });
    outcome.answer
}

fn lie(faults: &[Fault]) -> Lie {
    let mut lie = Lie::default();
    for fault in faults {
        match fault {
            Fault::Total(more) => lie.total += more,
            Fault::ItemsPerPage(count) => lie.per_page = Some(*count),
            Fault::EmptyList => lie.empty = true,
            Fault::ForgetMarker => lie.forget_marker = true,
            _ => {}
        }
    }
    lie
}

/// What befalls a request before anything is done.
enum Before {
    Do,
    Drop,
    Refuse(Answer),
}

fn before(faults: &[Fault]) -> Before {
    for fault in faults {
        match fault {
            Fault::Delay(ms) => wait(*ms),
            Fault::DropBefore => return Before::Drop,
            Fault::Throttle(when) => return Before::Refuse(throttled(when)),
            Fault::FailBefore(status) => return Before::Refuse(scim::error(*status, None, "a fault, before")),
            _ => {}
        }
    }
    Before::Do
}

/// What becomes of an answer, and how far it is sent; none: not at all.
fn after(faults: &[Fault], asked: &Asked, mut answer: Answer) -> Option<(Answer, Extent)> {
    let mut extent = Extent::Whole;
    for fault in faults {
        match fault {
            Fault::DelayReply(ms) => wait(*ms),
            Fault::DropAfter => return None,
            Fault::FailAfter(status) => answer = scim::error(*status, None, "a fault, after"),
            Fault::Garbage => answer.body = "<html>{ this is no JSON".to_owned(),
            Fault::Reflect => answer = reflecting(asked, answer),
            Fault::CutHead => extent = Extent::HalfTheHead,
            Fault::CutBody => extent = Extent::HalfTheBody,
            Fault::Endless => extent = Extent::Endless,
            _ => {}
        }
    }
    Some((answer, extent))
}

fn reflecting(asked: &Asked, mut answer: Answer) -> Answer {
    let said: Vec<String> = asked.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    for (name, value) in &asked.headers {
        answer.headers.push((format!("x-echo-{name}"), value.clone()));
    }
    let mut body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["you_sent"] = said.into();
    answer.body = body.to_string();
    answer
}

fn throttled(when: &RetryAfter) -> Answer {
    let answer = scim::error(429, None, "too many requests");
    match when {
        RetryAfter::Unsaid => answer,
        RetryAfter::Seconds(seconds) => answer.with("retry-after", seconds.to_string()),
        RetryAfter::Date(seconds) => {
            #[allow(clippy::disallowed_methods, reason = "an HTTP date is of the world's clock")]
            let now = std::time::SystemTime::now();
            let date = now + Duration::from_secs(u64::from(*seconds));
            answer.with("retry-after", httpdate::fmt_http_date(date))
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a target that is slow on purpose has a thread for each connection")]
fn wait(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
