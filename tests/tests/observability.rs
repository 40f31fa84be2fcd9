//! What operators see of a host: a request followed from the call to the connector's words, logs that are JSON whatever
//! is in them, traces as a collector gets them, metrics as Prometheus reads them.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::{Gatehouse, Running, artifacts, guest, skip, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::Scenario;
use tempfile::TempDir;
use ureq::http::Method;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A host with the hostile connector, which writes to its journal, and a user to make an account for.
struct Watched {
    s: Scenario,
}

impl Watched {
    fn start(configuration: &str, environment: &[(&str, &OsStr)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gatehouse.toml"), format!("log_format = \"json\"\n{configuration}")).unwrap();
        let host = Gatehouse::start_with(directory.path(), environment).unwrap();
        let s = Scenario::on(host, directory);
        s.run(&["connector", "install", guest("hostile").unwrap().to_str().unwrap(), "--allow-unsigned"]);
        s.run(&["profile", "create", "staff"]);
        s.run(&["user", "create", "ada", "--email", "ada@example.com", "--profile", "staff"]);
        s.run(&["app", "create", "hr", "--connector", "hostile", "--set", "behaviour=journal", "--profile", "staff"]);
        s.by_hand("hr");
        Self { s }
    }

    /// Asks for an account under a request id, in a trace, and waits for it.
    fn create(&self, request_id: &str) -> Value {
        let traceparent = format!("00-{TRACE}-{PARENT}-01");
        let headers = [("x-request-id", request_id), ("traceparent", traceparent.as_str())];
        let body = json!({"app": "hr", "operation": "Create", "user": "ada"});
        let answer = self.s.host.http().send(Method::POST, "/api/v1/requests", Some(&body), &headers).unwrap();
        assert_eq!(answer.request_id.as_deref(), Some(request_id), "the answer names the call");
        let asked = answer.expect_status(202).unwrap();
        assert_eq!(asked["request_id"], request_id);
        let id = asked["id"].as_str().unwrap();
        let settled = || {
            let shown = self.s.json(&["request", "show", id, "--log"]);
            ["Completed", "Failed"].contains(&shown["state"].as_str().unwrap()).then_some(shown)
        };
        let done = until(settled).unwrap();
        assert_eq!(done["state"], "Completed", "{done:#}");
        done
    }

    fn metrics(&self) -> String {
        self.s.host.http().get("/metrics").unwrap().text
    }
}

/// The log's lines: every one of them is a JSON object with the members that all have.
fn lines(log: &str) -> Vec<Value> {
    let read = |line: &str| -> Value { serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")) };
    let lines: Vec<Value> = log.lines().map(read).collect();
    for line in &lines {
        for member in ["timestamp", "level", "target", "message", "fields", "spans"] {
            assert!(!line[member].is_null(), "no {member} in {line}");
        }
    }
    lines
}

/// The span of this name that a line is in.
fn span<'a>(line: &'a Value, name: &str) -> &'a Value {
    let spans = line["spans"].as_array().unwrap();
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no span {name} in {line:#}"))
}

#[test]
fn a_request_is_followed_from_the_call_to_the_words_of_the_connector() {
    let w = Watched::start("", &[("GATEHOUSE_LOG", OsStr::new("debug"))]);
    let done = w.create("client-4711");
    let id = done["id"].as_str().unwrap();

    let said = done["log"].as_array().unwrap().iter().find(|line| line["message"] == "said").unwrap();
    assert_eq!(said["source"], "hostile");
    assert_eq!(said["fields"], json!([["key", "value"], ["request_id", "client-4711"]]));

    let log = lines(&w.s.host.process().log());
    let followed: Vec<&Value> = log.iter().filter(|line| line["request_id"] == "client-4711").collect();
    let answered = followed.iter().find(|line| line["message"] == "answered").unwrap();
    let http = span(answered, "http");
    assert_eq!((&http["http.request.method"], &http["http.route"]), (&json!("POST"), &json!("/api/v1/requests")));
    assert_eq!((&http["http.response.status_code"], &http["actor"]), (&json!(202), &json!("first")));
    let words = followed.iter().find(|line| line["target"] == "gatehouse::connector").unwrap();
    assert_eq!(
        (&words["message"], &words["request"], &words["trace_id"]),
        (&json!("said key=\"value\""), &json!(id), &json!(TRACE))
    );
    let request = span(words, "request");
    assert_eq!((&request["operation"], &request["app"]), (&json!("Create"), &json!("hr")));
    let call = span(words, "call");
    let described = ["call", "connector", "version", "attempt"].map(|name| call[name].clone());
    assert_eq!(described, [json!("commit"), json!("hostile"), json!("0.1.0"), json!(1)]);
    assert!(call["digest"].as_str().is_some_and(|digest| digest.len() >= 8), "{call}");
}

#[test]
fn a_request_id_that_could_do_harm_in_a_log_is_replaced() {
    let w = Watched::start("", &[]);
    for bad in ["a b", "{\"level\":\"ERROR\"}", "", &"x".repeat(65)] {
        let answer = w.s.host.http().send(Method::GET, "/healthz", None, &[("x-request-id", bad)]).unwrap();
        let made = answer.request_id.unwrap();
        assert!(made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    }
}

/// A collector that decodes what it gets with OpenTelemetry's own definitions.
struct Collector {
    _process: Running,
    spans: PathBuf,
    url: String,
    _directory: TempDir,
}

impl Collector {
    fn start(python: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spans = directory.path().join("spans.jsonl");
        let mut command = Command::new(python);
        command.arg(artifacts::peer("otlp_receiver.py")).arg(&spans);
        let process = Running::start("otlp_receiver.py", command, &directory.path().join("port")).unwrap();
        let port = || process.log().lines().next()?.trim().parse::<u16>().ok();
        let port = process.wait_until("its port", port).unwrap();
        Self { _process: process, spans, url: format!("http://127.0.0.1:{port}"), _directory: directory }
    }

    fn spans(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.spans).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn traces_reach_a_collector_as_one_story_and_the_last_ones_at_the_shutdown() {
    let Some(python) = artifacts::venv_python() else {
        return skip("traces_reach_a_collector_as_one_story_and_the_last_ones_at_the_shutdown", "no venv with Python");
    };
    let collector = Collector::start(&python);
    // So long a delay that nothing is sent before the end.
    let delay = ("OTEL_BSP_SCHEDULE_DELAY", OsStr::new("3600000"));
    let w = Watched::start(&format!("otlp_endpoint = \"{}\"", collector.url), &[delay]);
    let done = w.create("client-4711");
    let Scenario { host, directory, .. } = w.s;
    assert!(host.stop().unwrap().success());
    drop(directory);

    let spans = collector.spans();
    let of = |name: &str| {
        let found: Vec<&Value> = spans.iter().filter(|span| span["name"] == name && span["trace"] == TRACE).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:#?}");
        found[0]
    };
    let http = of("POST /api/v1/requests");
    assert_eq!((&http["parent"], &http["kind"]), (&json!(PARENT), &json!(2)), "the caller's trace goes on: {http:#}");
    assert_eq!((&http["path"], &http["type"]), (&json!("/v1/traces"), &json!("application/x-protobuf")));
    assert_eq!(http["resource"]["service.name"], "gatehouse");
    assert_eq!(http["attributes"]["request_id"], "client-4711");
    assert_eq!(http["attributes"]["http.response.status_code"], 202);
    let request = of("request");
    assert_eq!((&request["parent"], &request["attributes"]["request"]), (&http["id"], &done["id"]));
    let call = of("call");
    assert_eq!(call["parent"], request["id"]);
    let told = ["call", "app", "connector", "version", "result"].map(|name| call["attributes"][name].clone());
    assert_eq!(told, ["commit", "hr", "hostile", "0.1.0", "ok"].map(Value::from));
    assert_eq!((&call["attributes"]["attempt"], &call["attributes"]["write_left"]), (&json!(1), &json!(false)));
    assert_eq!(call["attributes"]["request_id"], Value::Null, "said once, in the spans around it");
}

#[test]
fn a_collector_that_is_gone_or_never_answers_holds_up_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let urls = [&silent, &gone].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    drop(gone);
    for url in urls {
        let delay = ("OTEL_BSP_SCHEDULE_DELAY", OsStr::new("50"));
        let w = Watched::start(&format!("otlp_endpoint = \"{url}\""), &[delay]);
        w.create("client-4711");
        let failures = || {
            let text = w.metrics();
            let line = text.lines().find(|line| line.starts_with("gatehouse_trace_export_failures_total "))?;
            line.rsplit(' ').next()?.parse::<f64>().ok().filter(|failures| *failures > 0.0)
        };
        assert!(until(failures).is_some(), "the batches that were not taken are counted");
        let warnings = w.s.host.process().log().matches("the collector takes no traces").count();
        assert_eq!(warnings, 1, "said once, not with every batch");
        let Scenario { host, directory, .. } = w.s;
        assert!(host.stop().unwrap().success());
        drop(directory);
    }
}

/// What Prometheus' own client library reads in a text.
fn parsed(python: &Path, text: &str) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(artifacts::peer("metrics_reader.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut json = String::new();
    child.stdout.take().unwrap().read_to_string(&mut json).unwrap();
    assert!(child.wait().unwrap().success(), "not readable:\n{text}");
    serde_json::from_str(&json).unwrap()
}

/// The rows of the table in docs/operations.md: type, labels and meaning of each metric.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = fs::read_to_string(file).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>());
    let metrics = cells.filter(|cells| ["counter", "gauge", "histogram"].contains(&cells[1].as_str()));
    let labels =
        |cell: &str| cell.split(", ").map(|l| l.trim_matches('`').to_owned()).filter(|l| !l.is_empty()).collect();
    metrics.map(|cells| (cells[0].clone(), (cells[1].clone(), labels(&cells[2]), cells[3].clone()))).collect()
}

#[test]
fn metrics_are_the_documented_ones_and_prometheus_reads_them() {
    let Some(python) = artifacts::venv_python() else {
        return skip("metrics_are_the_documented_ones_and_prometheus_reads_them", "no venv with Python");
    };
    let w = Watched::start("", &[]);
    w.create("client-4711");
    let families = parsed(&python, &w.metrics());

    let mut documented = documented();
    assert!(documented.len() > 20, "{documented:?}");
    for family in &families {
        let kind = family["type"].as_str().unwrap();
        let name = family["name"].as_str().unwrap();
        // The library leaves the suffix of counters to their samples.
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let row = documented.remove(&name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!((kind, family["help"].as_str().unwrap()), (row.0.as_str(), row.2.as_str()), "{name}");
        for sample in family["samples"].as_array().unwrap() {
            let labels = sample["labels"].as_object().unwrap().keys().filter(|name| *name != "le").cloned();
            assert_eq!(labels.collect::<BTreeSet<_>>(), row.1, "{name}");
        }
    }
    assert!(documented.is_empty(), "not shown: {documented:?}");

    let value = |name: &str, labels: &[(&str, &str)]| -> f64 {
        let samples = families.iter().flat_map(|family| family["samples"].as_array().unwrap());
        let fits = |sample: &&Value| sample["name"] == name && labels.iter().all(|(l, v)| sample["labels"][*l] == *v);
        samples.filter(fits).map(|sample| sample["value"].as_f64().unwrap()).sum()
    };
    assert_eq!(value("gatehouse_requests", &[("app", "hr"), ("state", "Completed")]), 1.0);
    assert_eq!(value("gatehouse_requests", &[("app", "hr"), ("state", "New")]), 0.0);
    assert_eq!(value("gatehouse_requests_settled_total", &[("operation", "Create"), ("outcome", "Completed")]), 1.0);
    assert_eq!(value("gatehouse_attempts_total", &[("app", "hr"), ("outcome", "applied")]), 1.0);
    assert_eq!(
        value("gatehouse_connector_call_duration_seconds_count", &[("connector", "hostile"), ("call", "commit")]),
        1.0
    );
    assert!(value("gatehouse_connector_call_memory_bytes_sum", &[("call", "commit")]) > 65_536.0);
    assert!(value("gatehouse_store_commit_batch_size_count", &[]) > 3.0);
    assert!(value("process_resident_memory_bytes", &[]) > 1e6);
    assert!(value("gatehouse_http_requests_total", &[("route", "/api/v1/requests"), ("status", "202")]) == 1.0);

    // What there is does not depend on what this process has seen.
    let Scenario { host, directory, .. } = w.s;
    host.stop().unwrap();
    let again = Gatehouse::start(directory.path()).unwrap();
    let text = again.http().get("/metrics").unwrap().text;
    assert!(text.contains("gatehouse_requests{app=\"hr\",state=\"Completed\"} 1\n"), "{text}");
}

#[test]
fn a_host_that_is_ready_says_what_it_looked_at() {
    let w = Watched::start("", &[]);
    let answer = w.s.host.http().get("/readyz").unwrap().expect_status(200).unwrap();
    assert_eq!(
        answer,
        json!({"ready": true, "checks": {"engine": null, "sandbox": null, "stopping": null, "store": null}})
    );
}
