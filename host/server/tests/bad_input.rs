//! Bad input, and what the command line says to it: every text is kept, so that a change of one is looked at.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Host, component, gatehouse, output};
use gatehouse_server::serve::STORE;
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// Runs a command that must be refused, and keeps what it says. What differs from run to run is named instead.
fn refused(name: &str, told: (i32, String, String), changing: &[(&str, &str)]) {
    let (code, stdout, stderr) = told;
    let mut text = format!("exit {code}\n{stdout}{stderr}");
    for (from, to) in changing {
        text = text.replace(from, to);
    }
    assert!(code == 1 || code == 2, "{name}: {text}");
    insta::assert_snapshot!(name, text);
}

#[test]
fn components_that_are_no_connectors() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [(&str, &str); 7] = [
        ("not_wasm", "#!/bin/sh"),
        ("core_module", "(module)"),
        (
            "another_world",
            r#"(component
                (core module $m (func (export "run") (result i32) i32.const 0))
                (core instance $i (instantiate $m))
                (func $run (result (result)) (canon lift (core func $i "run")))
                (instance $run (export "run" (func $run)))
                (export "wasi:cli/run@0.2.0" (instance $run)))"#,
        ),
        (
            "missing_export",
            r#"(component (instance $i) (export "gatehouse:connector/descriptor@0.1.0" (instance $i)))"#,
        ),
        (
            "differently_typed_export",
            r#"(component
                (core module $m (memory (export "mem") 1) (func (export "describe") (result i32) i32.const 0))
                (core instance $i (instantiate $m))
                (func $describe (result string)
                    (canon lift (core func $i "describe") (memory (core memory $i "mem"))))
                (instance $d (export "describe" (func $describe)))
                (export "gatehouse:connector/descriptor@0.1.0" (instance $d)))"#,
        ),
        ("unknown_import", r#"(component (import "acme:secrets/vault@1.0.0" (instance)))"#),
        ("empty_component", "(component)"),
    ];
    for (name, text) in cases {
        let file = directory.path().join(format!("{name}.wasm"));
        let bytes = if text.starts_with('(') { wat::parse_str(text).unwrap() } else { text.as_bytes().to_vec() };
        fs::write(&file, bytes).unwrap();
        let arguments = ["connector", "check", &format!("{name}.wasm")];
        refused(name, output(gatehouse(directory.path(), &arguments)), &[]);
    }
    let arguments = ["connector", "check", "no-such-file.wasm"];
    refused("missing_file", output(gatehouse(directory.path(), &arguments)), &[]);
}

#[test]
fn what_administrators_get_wrong() {
    let host = Host::start().with_app();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let cli = |name: &str, arguments: &[&str]| refused(name, host.cli(at, arguments), &[]);
    fs::write(at.join("sample.wasm"), component("2.0.0")).unwrap();
    cli("unsigned_without_consent", &["connector", "install", "sample.wasm"]);
    fs::write(at.join("same.wasm"), component("1.0.0")).unwrap();
    cli("installed_twice", &["connector", "install", "same.wasm", "--allow-unsigned"]);
    cli("connector_in_use", &["connector", "uninstall", "sample"]);
    cli("unknown_connector", &["connector", "show", "sampel"]);

    let create = |name: &str, more: &[&str]| {
        let mut arguments = vec!["app", "create", "crm", "--connector", "sample"];
        arguments.extend_from_slice(more);
        cli(name, &arguments);
    };
    let url = "base_url=https://crm.example.com";
    create("setting_missing", &[]);
    create("setting_of_the_wrong_type", &["--set", url, "--set", "page_size=many", "--set", "patch=perhaps"]);
    create("setting_unknown", &["--set", url, "--set", "pagesize=10"]);
    create("setting_no_url", &["--set", "base_url=crm.example.com"]);
    create("origin_not_granted", &["--set", url, "--allow-private", "http://127.0.0.1:8080"]);
    create("credential_unknown", &["--set", url, "--credential", "token=crm"]);
    create("profile_unknown", &["--set", url, "--profile", "stuff"]);
    let mapping = json!({"mapping": [{"attribute": "email", "value": "{email}"}]});
    fs::write(at.join("config.json"), mapping.to_string()).unwrap();
    create("mapping_of_an_unknown_attribute", &["--set", url, "--config", "config.json"]);
    fs::write(at.join("config.json"), r#"{"mapping": [{"attribute": "emails", "value": "{email"}]}"#).unwrap();
    create("mapping_malformed", &["--set", url, "--config", "config.json"]);
    cli("app_name", &["app", "create", "CRM", "--connector", "sample", "--set", url]);
    cli("app_unknown", &["app", "show", "hrr"]);
    cli("app_delete_unsure", &["app", "delete", "hr"]);

    fs::write(at.join("secret"), "two\nlines\n").unwrap();
    let set = ["credential", "set", "hr", "--origin", "ftp://x", "--scheme", "basic", "--secret-file", "secret"];
    cli("credential_malformed", &set);
    cli("user_malformed", &["user", "create", "ada lovelace", "--email", "ada", "--manager", "nobody"]);
    host.post("/users", &json!({"username": "ada", "attributes": {"desk": ["4"]}}));
    cli("clear_unknown", &["user", "change", "ada", "--clear", "email", "--clear", "nonsense"]);
    assert_eq!(host.cli(at, &["user", "change", "ada", "--clear", "first-name", "--clear", "attr.desk"]).0, 0);
    assert_eq!(host.get("/users/ada").body["attributes"], json!({}));
    create("setting_twice", &["--set", url, "--set", "base_url=https://other.example.com"]);
    cli("note_empty", &["request", "complete", "UPR-000012", "--note", " "]);
    fs::write(at.join("config.json"), r#"{"page_size": -1}"#).unwrap();
    create("config_of_the_wrong_type", &["--set", url, "--config", "config.json"]);
    cli("operation_unknown", &["request", "create", "hr", "destroy", "--user", "ada"]);
    cli("request_malformed", &["request", "show", "twelve"]);
    cli("request_unknown", &["request", "show", "UPR-000012"]);
    cli("usage", &["request", "create", "hr", "freeze"]);
    cli("refused_in_json", &["user", "create", "ada lovelace", "--output", "json"]);
    cli("failed_in_json", &["user", "import", "no-such-file.csv", "--output", "json"]);
}

#[test]
fn rows_of_an_import_that_are_wrong() {
    let host = Host::start().with_app();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let rows = "username,email,profile,manager,active\nada,ada@example.com,staff,,true\nbob,bob,staff,,true\n\
                cyd,cyd@example.com,stuff,,\ndan,dan@example.com\neve,e@example.com,,nobody,\nfay,,,,perhaps\n";
    fs::write(at.join("people.csv"), rows).unwrap();
    let cli = |name: &str, arguments: &[&str]| refused(name, host.cli(at, arguments), &[]);
    cli("import_none", &["user", "import", "people.csv", "--all-or-nothing"]);
    assert_eq!(host.get("/users").body["items"], json!([]));
    cli("import_others", &["user", "import", "people.csv"]);
    assert_eq!(host.get("/users").body["items"].as_array().unwrap().len(), 1);
    fs::write(at.join("header.csv"), "username,mail\nada,x\n").unwrap();
    cli("import_header", &["user", "import", "header.csv"]);
    fs::write(at.join("header.csv"), format!("username,mail\n{}", "ada,x\n".repeat(1200))).unwrap();
    cli("import_header", &["user", "import", "header.csv"]);
    fs::write(at.join("header.csv"), "username,mail\n").unwrap();
    cli("import_header", &["user", "import", "header.csv"]);
    fs::write(at.join("quote.csv"), "username,attr.note\nada,fine\nbob,\"open\ncyd,lost\n").unwrap();
    cli("import_open_quote", &["user", "import", "quote.csv"]);
    fs::write(at.join("people.jsonl"), "{\"username\": \"gus\", \"active\": 1}\nnot json\n").unwrap();
    cli("import_json", &["user", "import", "people.jsonl"]);
}

#[test]
fn somebody_in_a_long_file_twice_is_told_whatever_is_between() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let between: String = (0..700).map(|no| format!("u{no},\n")).collect();
    let rows = format!("username,attr.note\nada,\"two\nlines\"\n{between}Ada,again\nbob,\n");
    fs::write(at.join("people.csv"), rows).unwrap();
    let cli = |name: &str, arguments: &[&str]| refused(name, host.cli(at, arguments), &[]);
    cli("import_twice_none", &["user", "import", "people.csv", "--all-or-nothing"]);
    cli("import_twice", &["user", "import", "people.csv"]);
    assert_eq!(host.get("/users/ada").body["attributes"]["note"], json!(["two\nlines"]));
    assert_eq!(host.get("/users/bob").status, 200);
}

#[test]
fn a_host_that_cannot_be_used() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let nobody = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string() };
    let with = |server: &str, token: &str| {
        let mut command = gatehouse(at, &["app", "list"]);
        command.env("GATEHOUSE_SERVER", server).env("GATEHOUSE_TOKEN", token);
        if token.is_empty() {
            command.env_remove("GATEHOUSE_TOKEN");
        }
        output(command)
    };
    refused("token_wrong", with(&host.url(), "ghs_wrong"), &[]);
    refused("token_missing", with(&host.url(), ""), &[]);
    refused("host_not_there", with(&format!("http://{nobody}"), "x"), &[(&nobody, "HOST:PORT")]);
    refused("host_malformed", with("localhost:7070", "x"), &[]);
}

#[test]
fn a_host_that_cannot_start() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let shown = at.display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let serve = |name: &str, data: &str, more: &[&str]| {
        let mut arguments = vec!["serve", "--data", data, "--listen", "127.0.0.1:0"];
        arguments.extend_from_slice(more);
        refused(name, output(gatehouse(at, &arguments)), &[(&shown, "DIR"), (&port, "PORT")]);
    };
    let command = gatehouse(at, &["serve", "--data", "taken", "--listen", &format!("127.0.0.1:{port}")]);
    refused("port_in_use", output(command), &[(&port, "PORT")]);
    assert!(at.join(format!("taken/{STORE}")).exists(), "the store was made; its first token was not");

    fs::write(at.join("bad.toml"), "lissten = \"127.0.0.1:1\"\n").unwrap();
    serve("config_unknown_key", "other", &["--config", "bad.toml"]);
    fs::create_dir(at.join("notastore")).unwrap();
    fs::write(at.join(format!("notastore/{STORE}")), "something else entirely").unwrap();
    let key = "00".repeat(32);
    fs::write(at.join("key"), &key).unwrap();
    serve("not_a_store", "notastore", &["--master-key-file", "key"]);
    serve("wrong_master_key", "taken", &["--master-key-file", "key"]);
    gatehouse_store::testing::pretend_format(&at.join(format!("taken/{STORE}")), 9).unwrap();
    serve("store_from_the_future", "taken", &[]);
    gatehouse_store::testing::pretend_format(&at.join(format!("taken/{STORE}")), 1).unwrap();
    fs::remove_file(at.join("taken/master.key")).unwrap();
    serve("master_key_missing", "taken", &[]);
    fs::create_dir(at.join("lost")).unwrap();
    fs::write(at.join("lost/master.key"), &key).unwrap();
    serve("store_missing", "lost", &[]);
    fs::write(at.join(format!("lost/{STORE}")), "").unwrap();
    serve("store_empty", "lost", &[]);
    assert_eq!(fs::read(at.join(format!("lost/{STORE}"))).unwrap(), b"", "nothing was made of it");
    fs::write(at.join("key"), "short").unwrap();
    serve("master_key_malformed", "taken", &["--master-key-file", "key"]);
    let mut command = gatehouse(at, &["serve", "--data", "taken", "--listen", "127.0.0.1:0"]);
    command.args(["--master-key-file", "key"]).env("GATEHOUSE_MASTER_KEY", "other");
    refused("master_key_malformed", output(command), &[(&shown, "DIR")]);
    let mut command = gatehouse(at, &["serve", "--data", "taken", "--listen", "127.0.0.1:0"]);
    command.env("GATEHOUSE_MASTER_KEY", "other").env("GATEHOUSE_MASTER_KEY_FILE", "key");
    refused("master_key_in_the_environment", output(command), &[]);
    serve("data_is_a_file", "key", &[]);
    refused("listen_malformed", output(gatehouse(at, &["serve", "--listen", "localhost"])), &[]);
}

#[test]
fn a_second_host_on_the_same_store() {
    let directory = tempfile::tempdir().unwrap();
    let at: &Path = directory.path();
    let held = gatehouse_store::RedbStore::open(&gatehouse_store::OpenOptions::new(
        at.join(STORE),
        gatehouse_store::MasterKey::new([7; 32]),
    ))
    .unwrap();
    fs::write(at.join("master.key"), "07".repeat(32)).unwrap();
    let told = output(gatehouse(at, &["serve", "--data", ".", "--listen", "127.0.0.1:0"]));
    refused("store_locked", told, &[]);
    drop(held);
}
