//! Where a secret could stand: everything that a host answers, writes and keeps, gathered and searched.
#![allow(clippy::print_stdout, missing_docs)]

use crate::search::Needle;
use crate::support::Scenario;
use memchr::memmem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What was found in each place, by its name.
#[derive(Default)]
pub struct Places(BTreeMap<String, Vec<u8>>);

impl Places {
    pub fn add(&mut self, name: &str, mut bytes: Vec<u8>) {
        let place = self.0.entry(name.to_owned()).or_default();
        place.append(&mut bytes);
        place.push(b'\n');
    }

    /// Every GET of the API with every id there is, `/metrics`, and what the command line prints.
    pub fn gather(&mut self, s: &Scenario) {
        let http = s.host.http();
        let document = http.get("/api/v1/openapi.json").unwrap().expect_status(200).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let mut asked = 0;
        // A backup is no text: it is looked at as a file.
        let texts = paths.iter().filter(|(template, _)| *template != "/api/v1/backup");
        for (template, item) in texts.filter(|(_, item)| item["get"].is_object()) {
            for path in filled(s, template, &item["get"]["parameters"]) {
                let answer = http.get(&path).unwrap();
                assert_eq!(answer.status, 200, "GET {path}: {}", answer.text);
                self.add(template, answer.text.into_bytes());
                asked += 1;
            }
        }
        assert!(asked > 25, "{asked} GETs");
        self.command_line(s);
    }

    fn command_line(&mut self, s: &Scenario) {
        let mut commands: Vec<Vec<String>> =
            ["connector", "app", "user", "profile", "credential", "token", "request", "audit"]
                .map(|noun| vec![noun.to_owned(), "list".to_owned()])
                .into();
        for app in ids(s, "/api/v1/apps", "name") {
            commands.push(vec!["app".into(), "show".into(), app.clone()]);
            commands.push(vec!["account".into(), "list".into(), app]);
        }
        for id in ids(s, "/api/v1/requests", "id") {
            commands.push(vec!["request".into(), "show".into(), id.clone(), "--log".into()]);
            commands.push(vec!["request".into(), "staged".into(), id]);
        }
        for id in ids(s, "/api/v1/accounts", "id") {
            commands.push(vec!["account".into(), "show".into(), id]);
        }
        for command in commands {
            for format in ["table", "json"] {
                let arguments = [command.clone(), vec!["--output".into(), format.into()]].concat();
                let output = s.host.cli(&arguments).unwrap();
                self.add(
                    &format!("cli {} {}", command[0], command[1]),
                    [output.stdout, output.stderr].concat().into_bytes(),
                );
            }
        }
    }

    /// Every file below a directory.
    pub fn add_files(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                self.add_files(&entry.path());
            } else {
                self.add(&format!("file {}", entry.file_name().to_string_lossy()), fs::read(entry.path()).unwrap());
            }
        }
    }

    /// Places that show what may be shown are places that were really looked at.
    pub fn each_was_looked_at(&self, canary: &str) {
        let kinds = [
            "log, text",
            "log, JSON",
            "traces",
            "/metrics",
            "/api/v1/apps",
            "/api/v1/audit",
            "/api/v1/requests/{id}/log",
            "/api/v1/requests/{id}",
            "cli request show",
            "cli audit list",
            "cli app list",
            "file gatehouse.db",
        ];
        for kind in kinds {
            let of_kind: Vec<_> = self.0.iter().filter(|(name, _)| name.starts_with(kind)).collect();
            assert!(
                of_kind.iter().any(|(_, bytes)| memmem::find(bytes, canary.as_bytes()).is_some()),
                "{kind}: no canary"
            );
        }
        let code = self.0.iter().filter(|(name, _)| name.starts_with("file "));
        let known = b"Does what no connector may.";
        assert!(code.into_iter().any(|(_, bytes)| memmem::find(bytes, known).is_some()), "no compiled connector");
    }

    /// The twin of what follows: a secret that stood in any of these places, in any spelling, would be found.
    pub fn each_would_tell(&self, secrets: &[Needle]) {
        for (name, bytes) in &self.0 {
            let part = &bytes[..bytes.len().min(4_096)];
            let (before, after) = part.split_at(part.len() / 2);
            for secret in secrets {
                for (how, spelling) in secret.spellings() {
                    let planted = [before, spelling, after].concat();
                    assert!(secret.found_in(&planted).is_some(), "{} ({how}) planted in {name}", secret.name);
                }
            }
        }
    }

    pub fn none_tells(&self, secrets: &[Needle], among: impl Fn(&str) -> bool) {
        let mut found = BTreeSet::new();
        for (name, bytes) in self.0.iter().filter(|(name, _)| among(name)) {
            for secret in secrets {
                if let Some((how, at)) = secret.found_in(bytes) {
                    let around = &bytes[at.saturating_sub(160)..bytes.len().min(at + 60)];
                    found.insert(format!("{} ({how}) in {name}: …{}…", secret.name, String::from_utf8_lossy(around)));
                }
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    }

    pub fn report(&self, secrets: &[Needle]) {
        let bytes: usize = self.0.values().map(Vec::len).sum();
        let spellings: usize = secrets.iter().map(|secret| secret.spellings().len()).sum();
        println!("searched for {} secrets in {spellings} spellings:", secrets.len());
        self.0.iter().for_each(|(name, bytes)| println!("  {name}: {} bytes", bytes.len()));
        println!("found none in {} places, {bytes} bytes", self.0.len());
    }
}

/// A path with every id there is in the place of its parameter, and the longest page of a list.
fn filled(s: &Scenario, template: &str, parameters: &Value) -> Vec<String> {
    let of_query = parameters.as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "query");
    let named: Vec<&Value> = of_query.collect();
    let limit = if named.iter().any(|parameter| parameter["name"] == "limit") { "limit=1000" } else { "" };
    if named.iter().any(|parameter| parameter["required"] == true) {
        return ids(s, "/api/v1/apps", "name").iter().map(|app| format!("{template}?app={app}&{limit}")).collect();
    }
    let Some((before, after)) = template.split_once('{') else { return vec![format!("{template}?{limit}")] };
    let (_, after) = after.split_once('}').unwrap();
    let list = before.trim_end_matches('/');
    let name = match list.rsplit('/').next().unwrap() {
        "apps" | "profiles" => "name",
        "users" => "username",
        "connectors" => "digest",
        _ => "id",
    };
    let all = ids(s, list, name).into_iter();
    // Only reconciliations have rows; and a request that still moves streams for as long as it does.
    let runs = ids_where(s, list, name, |item| item["operation"] == "Reconcile");
    let fits = |id: &String| !after.ends_with("/staging") || runs.contains(id);
    all.filter(fits).map(|id| format!("{before}{id}{after}?{limit}")).collect()
}

fn ids(s: &Scenario, list: &str, name: &str) -> Vec<String> {
    ids_where(s, list, name, |_| true)
}

fn ids_where(s: &Scenario, list: &str, name: &str, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let list = s.host.http().get(&format!("{list}?limit=1000")).unwrap().expect_status(200).unwrap();
    let items = list["items"].as_array().unwrap();
    items.iter().filter(|item| wanted(item)).map(|item| item[name].as_str().unwrap().to_owned()).collect()
}
