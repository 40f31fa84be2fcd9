//! Connectors that do what no connector may, through the real binary: each fails its own request with a text that
//! names the limit or rule, while another app's request completes; what the gate refuses is recorded.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::{guest, until};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use support::Scenario;

/// A host with the hostile connector, and an app of it for each behaviour that is asked for.
struct Hostile {
    s: Scenario,
}

impl Hostile {
    fn start() -> Self {
        // Nobody wants to wait for half a minute of computing.
        let s = Scenario::configured("[limits]\ncpu_ms = 2000\n");
        s.run(&["connector", "install", guest("hostile").unwrap().to_str().unwrap(), "--allow-unsigned"]);
        s.run(&["profile", "create", "staff"]);
        s.run(&["user", "create", "ada", "--email", "ada@example.com", "--profile", "staff"]);
        Self { s }
    }

    fn app(&self, name: &str, settings: &[(&str, &str)], private: Option<&str>) {
        let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut arguments = vec!["app", "create", name, "--connector", "hostile"];
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        arguments.extend(private.iter().flat_map(|origin| ["--allow-private", origin]));
        self.s.run(&arguments);
    }

    /// Starts a reconciliation without waiting for it.
    fn reconcile(&self, app: &str) -> String {
        let run = self.s.json(&["app", "reconcile", app, "--no-wait"]);
        run["id"].as_str().unwrap().to_owned()
    }

    fn ended(&self, id: &str) -> Value {
        let shown = || self.s.json(&["request", "show", id]);
        let settled =
            |request: &Value| ["Failed", "Completed", "Analyzed"].contains(&request["state"].as_str().unwrap());
        until(|| Some(shown()).filter(settled)).unwrap()
    }

    /// The reconciliation of an app must fail, with a text that has all these words.
    fn must_fail(&self, id: &str, words: &[&str]) {
        let request = self.ended(id);
        assert_eq!(request["state"], "Failed", "{request:#}");
        let why = request["error"].as_str().unwrap().to_lowercase();
        for word in words {
            assert!(why.contains(word), "`{word}` is not in: {why}");
        }
    }

    /// What the gate refused for a request, from the audit trail.
    fn denials(&self, id: &str) -> Vec<String> {
        let list = self.s.json(&["audit", "list", "--limit", "500"]);
        let of_request = |record: &&Value| record["action"] == "egress.denied" && record["request"] == id;
        let rule = |record: &Value| record["facts"]["rule"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().filter(of_request).map(rule).collect()
    }
}

#[test]
fn each_exhausting_connector_fails_alone_with_the_limit_named() {
    let h = Hostile::start();
    h.app("good", &[("behaviour", "benign")], None);
    let cases: [(&str, &[&str]); 4] = [
        ("loop", &["limit `cpu_ms` of 2 s"]),
        ("grow-memory", &["limit `memory_bytes` of 256 mib"]),
        ("huge-list", &["limit `host_call_bytes` of 32 mib"]),
        ("trap", &["trap"]),
    ];
    for (behaviour, _) in cases {
        h.app(behaviour, &[("behaviour", behaviour)], None);
    }
    let runs: Vec<_> = cases.iter().map(|(behaviour, words)| (h.reconcile(behaviour), words)).collect();
    // Meanwhile another app's requests complete.
    for _ in 0..3 {
        let good = h.reconcile("good");
        assert_ne!(h.ended(&good)["state"], "Failed");
        h.s.try_run(&["request", "commit", &good]);
    }
    for (id, words) in runs {
        h.must_fail(&id, words);
    }
    assert_ne!(h.ended(&h.reconcile("good"))["state"], "Failed", "the host is as well as before");
}

/// A server that answers everything alike, and keeps what it was sent.
struct Listener {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut buffer = [0_u8; 4096];
                let read = stream.read(&mut buffer).unwrap_or(0);
                kept.lock().unwrap().push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, seen }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const REDIRECT: &str =
    "HTTP/1.1 302 Found\r\nlocation: http://example.com/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[test]
fn what_the_gate_refuses_is_recorded_and_reaches_nobody() {
    let h = Hostile::start();
    let target = Listener::start(EMPTY);
    let elsewhere = Listener::start(EMPTY);
    let redirecting = Listener::start(REDIRECT);
    let (url, other) = (target.origin(), elsewhere.origin());
    let by_name = format!("http://localhost:{}", target.address.port());

    // The allow that the denials are twins of: granted, a safe method, no header of the host's.
    h.app("honest", &[("behaviour", "fetch"), ("url", &url)], Some(&url));
    let honest = h.reconcile("honest");
    assert_ne!(h.ended(&honest)["state"], "Failed");
    // Its collect gets through; its analyze tries the same, and nothing leaves in that phase.
    assert_eq!(target.requests().len(), 1);
    assert_eq!(h.denials(&honest), ["no-egress-in-phase"]);

    let denied = |name: &str, settings: &[(&str, &str)], private: Option<&str>, rule: &str| {
        h.app(name, settings, private);
        let id = h.reconcile(name);
        assert_eq!(h.ended(&id)["state"], "Failed", "{name}");
        assert_eq!(h.denials(&id), [rule], "{name}: {}", h.s.log(&id));
    };
    let fetch = ("behaviour", "fetch");
    let denied_with = |name: &str, cure: &str| {
        let request = h.ended(&h.reconcile(name));
        let why = request["error"].as_str().unwrap();
        assert!(why.contains(cure), "{why}");
    };
    denied("no-grant", &[fetch, ("url", &by_name)], None, "private-address");
    denied("loopback", &[fetch, ("url", &url)], None, "private-address");
    denied_with("loopback", &format!("`gatehouse app configure loopback --allow-private {url}`"));
    denied("metadata", &[fetch, ("url", "http://169.254.169.254/latest/meta-data/")], None, "private-address");
    denied("writes", &[fetch, ("url", &url), ("method", "POST")], Some(&url), "method-in-phase");
    denied("signs-in", &[fetch, ("url", &url), ("header", "authorization: Bearer stolen")], Some(&url), "header");
    let redirect = redirecting.origin();
    denied("redirect", &[fetch, ("url", &redirect)], Some(&redirect), "redirect");
    denied("strays", &[fetch, ("url", &url), ("elsewhere", &other)], Some(&url), "origin-not-granted");

    assert_eq!(target.requests().len(), 1, "nothing else got through: {:#?}", target.requests());
    assert!(elsewhere.requests().is_empty());
    assert_eq!(redirecting.requests().len(), 1, "a redirect is not followed");
}

#[test]
fn a_credential_reaches_its_origin_and_never_the_connector() {
    let h = Hostile::start();
    let target = Listener::start(EMPTY);
    let url = target.origin();
    h.s.file("secret.txt", "s3cr3t-of-the-target");
    h.s.run(&["credential", "set", "key", "--origin", &url, "--scheme", "bearer", "--secret-file", "secret.txt"]);
    let set = format!("url={url}");
    h.s.run(&[
        "app",
        "create",
        "hr",
        "--connector",
        "hostile",
        "--set",
        "behaviour=fetch",
        "--set",
        &set,
        "--credential",
        "main=key",
        "--allow-private",
        &url,
    ]);
    let findings = h.s.json(&["app", "probe", "hr"]);
    assert!(target.requests()[0].to_lowercase().contains("authorization: bearer s3cr3t-of-the-target"));
    assert!(!findings.to_string().contains("s3cr3t"), "{findings:#}");
    assert_eq!(h.s.json(&["app", "show", "hr"])["credentials"], json!({"main": "key"}));
}
