//! No secret and no sensitive attribute in anything that a host writes, answers or keeps: for a connector that dumps
//! everything it can see, and a target that reflects everything it receives, in every way that servers do.
//! What is not looked at: `/proc/<pid>` of the host itself, which only its own user can read, and where its environment
//! is.
#![allow(clippy::unwrap_used)]

#[path = "secrets/mirror.rs"]
mod mirror;
#[path = "secrets/places.rs"]
mod places;
#[path = "secrets/search.rs"]
mod search;
mod support;

use gatehouse_tests::{Gatehouse, guest, until};
use mirror::{Mirror, Sink};
use places::Places;
use search::Needle;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use support::Scenario;
use ureq::http::Method;

/// Name, scheme, header, secret, and what the target gets to see of it. All of them can stand in a header.
const CREDENTIALS: [(&str, &str, Option<&str>, &str); 3] = [
    ("bearer", "bearer", None, "tok+\"Bq7Lw2Rk9Tn4xV5\"/a=b&c"),
    ("basic", "basic", None, "svc@app.example:p\"Ws8Hd3Jf6Gm1zQ2\"/%d=e+f"),
    ("header", "header", Some("x-api-key"), "key/\"Yc4Nb8Vx2Zl7kP9\"+g=h<i>"),
];

/// Of each secret the part that no escaping changes.
const CORES: [&str; 3] = ["Bq7Lw2Rk9Tn4xV5", "Ws8Hd3Jf6Gm1zQ2", "Yc4Nb8Vx2Zl7kP9"];

const MASTER_KEY: &str = "8f3c1e5a7b9d2046f1e3d5c7b9a80214365870a9bccddeef102132435465768a";

/// The value of a sensitive attribute: in the directory and in the accounts, and nowhere that people read logs.
const PIN: &str = "Hg6Tz1Rw5\"Mp3/Kd8";

/// What may be seen, and is: a place in which it is not found was not looked at.
const CANARY: &str = "canary-call-7f21";

#[test]
fn no_secret_is_anywhere_in_what_a_host_writes_answers_or_keeps() {
    let (mirror, sink) = (Mirror::start(), Sink::start());
    let directory = tempfile::tempdir().unwrap();
    let mut places = Places::default();
    let s = Scenario::on(start(directory.path(), "text", &sink), directory);
    prepare(&s, &mirror);
    provoke(&s);
    places.gather(&s);
    let token = s.host.token().to_owned();
    places.add("log, text, TRACE", s.host.process().log().into_bytes());
    let Scenario { host, directory, .. } = s;
    assert!(host.stop().unwrap().success());

    let s = Scenario::on(start(directory.path(), "json", &sink), directory);
    provoke(&s);
    places.gather(&s);
    places.add("log, JSON, TRACE", s.host.process().log().into_bytes());
    let backup = s.directory.path().join("backup");
    s.host.cli(&["backup", backup.to_str().unwrap()]).unwrap().success().unwrap();
    places.add("backup", std::fs::read(&backup).unwrap());
    let directory = s.directory.path().to_owned();
    let Scenario { host, directory: kept, .. } = s;
    assert!(host.stop().unwrap().success());
    places.add("traces (OTLP)", sink.received());
    places.add_files(&directory.join("data"));
    drop(kept);

    for (_, _, _, secret) in CREDENTIALS {
        assert!(mirror.saw(secret), "the target never got the secret to reflect");
    }
    assert!(mirror.saw(PIN), "the connector never got the sensitive value to dump");
    let secrets: Vec<Needle> = needles(&token);
    places.each_was_looked_at(CANARY);
    places.each_would_tell(&secrets);
    places.none_tells(&secrets, |_| true);
    let read_by_people = |place: &str| {
        let kinds = ["log", "traces", "/metrics", "/api/v1/audit", "/api/v1/requests", "cli request", "cli audit"];
        kinds.iter().any(|kind| place.starts_with(kind))
    };
    places.none_tells(&[Needle::text("sensitive attribute", PIN)], read_by_people);
    places.report(&secrets);
}

fn start(directory: &Path, format: &str, sink: &Sink) -> Gatehouse {
    // What the connector says of what it sees is not cut.
    let limits = "[limits]\njournal_line_bytes = 262144\njournal_bytes = 4194304\n";
    let configuration = format!("log_format = \"{format}\"\notlp_endpoint = \"{}\"\n{limits}", sink.url());
    fs::write(directory.join("gatehouse.toml"), configuration).unwrap();
    let environment =
        [("GATEHOUSE_LOG", "trace"), ("GATEHOUSE_MASTER_KEY", MASTER_KEY), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    Gatehouse::start_with(directory, &environment.map(|(name, value)| (name, OsStr::new(value)))).unwrap()
}

fn needles(token: &str) -> Vec<Needle> {
    let mut needles = vec![
        Needle::text("API token", token),
        Needle::text("API token without its prefix", &token[4..]),
        Needle::text("master key", MASTER_KEY),
    ];
    let bytes = (0..32).map(|at| u8::from_str_radix(&MASTER_KEY[at * 2..at * 2 + 2], 16).unwrap());
    needles.push(Needle::bytes("master key, raw", &bytes.collect::<Vec<u8>>()));
    for ((name, scheme, _, secret), core) in CREDENTIALS.into_iter().zip(CORES) {
        needles.push(Needle::text(&format!("{name} credential"), secret));
        needles.push(Needle::text(&format!("{name} credential's core"), core));
        if scheme == "basic" {
            let (_, password) = secret.split_once(':').unwrap();
            needles.push(Needle::text("basic password", password));
        }
    }
    needles
}

/// An app for each scheme that looks at everything while it reads, and one that also writes.
fn prepare(s: &Scenario, mirror: &Mirror) {
    s.run(&["connector", "install", guest("hostile").unwrap().to_str().unwrap(), "--allow-unsigned"]);
    s.run(&["profile", "create", "staff"]);
    let badge = format!("badge={PIN}");
    s.run(&["user", "create", "ada", "--email", "ada@example.com", "--profile", "staff", "--attribute", &badge]);
    for (name, scheme, header, secret) in CREDENTIALS {
        s.file("secret.txt", secret);
        let url = mirror.url();
        let mut set =
            vec!["credential", "set", name, "--origin", &url, "--scheme", scheme, "--secret-file", "secret.txt"];
        set.extend(header.iter().flat_map(|header| ["--header", header]));
        s.run(&set);
        app(s, &format!("{CANARY}-{name}"), name, &url, "GET");
    }
    fs::remove_file(s.directory.path().join("secret.txt")).unwrap();
    app(s, &format!("{CANARY}-writes"), "bearer", &mirror.url(), "POST");
}

fn app(s: &Scenario, name: &str, credential: &str, url: &str, method: &str) {
    let mut settings = vec![
        "behaviour=dump".to_owned(),
        format!("url={url}"),
        format!("elsewhere={}", mirror::PATHS.join(",")),
        format!("body={CANARY}"),
    ];
    if method != "GET" {
        settings.push(format!("method={method}"));
    }
    let bound = format!("main={credential}");
    let mut arguments = vec!["app", "create", name, "--connector", "hostile", "--profile", "staff"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    arguments.extend(["--credential", &bound, "--allow-private", url]);
    s.run(&arguments);
    let mut config = s.json(&["app", "show", name])["config"].take();
    config["mapping"].as_array_mut().unwrap().push(json!({"attribute": "pin", "value": "{badge}"}));
    config["follow_events"] = json!(false);
    config["retry"] = json!({"max_attempts": 1, "base_seconds": 1, "max_seconds": 1, "settle_seconds": 1});
    let file = s.file("config.json", &config.to_string());
    s.run(&["app", "configure", name, "--config", file.to_str().unwrap()]);
}

/// Has every app do everything it can.
fn provoke(s: &Scenario) {
    let names: Vec<String> =
        CREDENTIALS.iter().map(|(name, ..)| *name).chain(["writes"]).map(|name| format!("{CANARY}-{name}")).collect();
    for name in &names {
        let _refused = s.try_run(&["app", "probe", name]);
        let run = s.json(&["app", "reconcile", name, "--no-wait"]);
        let run = settled(s, run["id"].as_str().unwrap());
        if run["state"] == "Analyzed" {
            s.try_run(&["request", "commit", run["id"].as_str().unwrap()]);
        }
        let body = json!({"app": name, "operation": "Create", "user": "ada"});
        let answer = s.host.http().send(Method::POST, "/api/v1/requests", Some(&body), &[("x-request-id", CANARY)]);
        let asked = answer.unwrap();
        if asked.status == 202 {
            settled(s, asked.json().unwrap()["id"].as_str().unwrap());
        }
    }
}

fn settled(s: &Scenario, id: &str) -> Value {
    let rests = || {
        let request = s.json(&["request", "show", id]);
        (request["due"].is_null() || request["state"] == "Failed").then_some(request)
    };
    until(rests).unwrap()
}
