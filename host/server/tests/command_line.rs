//! What the command line shows of what targets and people have sent.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Host, gatehouse, output};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;

#[test]
fn names_and_errors_cannot_steer_the_terminal_of_who_reads_them() {
    let host = Host::start().with_app();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let name = "Eve\u{1b}[2J\u{202e}\u{200b}";
    let made = host.post("/users", &json!({"username": "eve", "attributes": {"nick": [name]}}));
    assert_eq!(made.status, 201, "{made:?}");
    std::fs::write(at.join("people.csv"), "username,profile\nfay,st\u{1b}[2Jff\n").unwrap();
    for arguments in
        [&["user", "show", "eve"][..], &["user", "import", "people.csv"], &["user", "show", "ev\u{1b}[2J\u{202e}"]]
    {
        let (_, stdout, stderr) = host.cli(at, arguments);
        let told = format!("{stdout}{stderr}");
        assert!(told.contains("\\u{1b}[2J"), "{arguments:?}: {told:?}");
        assert!(!told.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{arguments:?}: {told:?}");
    }
    let (_, json, _) = host.cli(at, &["user", "show", "eve", "--output", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["attributes"]["nick"][0], name, "programs get it as it is");
}

#[test]
fn a_list_that_stops_before_its_end_says_so() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    let rows: String = (0..1203).map(|no| format!("u{no}\n")).collect();
    assert_eq!(host.upload("/users/import", "text/csv", format!("username\n{rows}").as_bytes()).status, 200);
    let shown = |arguments: &[&str]| {
        let (code, stdout, stderr) = host.cli(directory.path(), arguments);
        assert_eq!(code, 0, "{stderr}");
        (stdout.lines().count() - 1, stderr)
    };
    assert_eq!(shown(&["user", "list"]), (1203, String::new()));
    assert_eq!(shown(&["user", "list", "--limit", "1203"]), (1203, String::new()));
    let more = |shown| format!("… more follow; raise --limit (these are {shown})\n");
    assert_eq!(shown(&["user", "list", "--limit", "1100"]), (1100, more(1100)));
    assert_eq!(shown(&["audit", "list"]), (50, more(50)));
    assert_eq!(shown(&["audit", "list", "--limit", "5000"]).1, "");
    let (_, json, _) = host.cli(directory.path(), &["user", "list", "--limit", "2", "--output", "json"]);
    let page: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(page["items"].as_array().unwrap().len() == 2 && page["next"].is_string(), "{page}");
    assert_eq!(host.cli(directory.path(), &["user", "list", "--limit", "0"]).0, 2);
}

/// Answers one import of so many rows, and is gone before the next.
fn host_that_goes_away(listener: &TcpListener, rows: u64) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
    let report = json!({"rows": rows, "created": rows - 1, "updated": 1, "unchanged": 0, "failed": 0, "errors": [],
        "nothing_written": false})
    .to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    write!(reader.get_mut(), "{head}\r\ncontent-length: {}\r\n\r\n{report}", report.len()).unwrap();
}

#[test]
fn an_interrupted_import_says_how_far_it_got_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let rows: String = (0..600).map(|no| format!("u{no}\n")).collect();
    std::fs::write(directory.path().join("people.csv"), format!("username\n{rows}")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let host = std::thread::spawn(move || host_that_goes_away(&listener, 500));
    let mut command = gatehouse(directory.path(), &["user", "import", "people.csv"]);
    command.env("GATEHOUSE_SERVER", format!("http://{address}")).env("GATEHOUSE_TOKEN", "x");
    let (code, _, stderr) = output(command);
    host.join().unwrap();
    assert_eq!(code, 1, "{stderr}");
    for said in ["Imported up to row 501 (499 made, 1 changed, 0 wrong so far)", "again is safe", "cannot be reached"] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

/// A file that is far larger than what a connection takes in before somebody reads from it.
fn large(directory: &Path) {
    std::fs::write(directory.join("large"), vec![b'x'; 20 << 20]).unwrap();
}

#[test]
fn an_upload_that_is_refused_before_it_is_read_says_why() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    large(directory.path());
    for arguments in [
        &["restore", "large", "--yes"][..],
        &["restore", "large", "--yes", "--from-another-installation"],
        &["connector", "install", "large", "--allow-unsigned"],
    ] {
        let mut command = gatehouse(directory.path(), arguments);
        command.env("GATEHOUSE_SERVER", host.url()).env("GATEHOUSE_TOKEN", "ghs_bad");
        let (code, _, stderr) = output(command);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("this token is not, or no longer, a good one"), "{arguments:?}: {stderr}");
    }
    std::fs::File::create(directory.path().join("endless")).unwrap().set_len(300 << 20).unwrap();
    let (code, _, stderr) = host.cli(directory.path(), &["connector", "install", "endless", "--allow-unsigned"]);
    assert!(code == 1 && stderr.contains("larger than this call takes"), "{stderr}");
}

#[test]
fn who_sends_a_body_without_asking_gets_to_read_the_refusal_too() {
    let host = Host::start();
    for _ in 0..10 {
        let body = vec![b'x'; 20 << 20];
        let refused = host.send("POST", "/api/v1/restore", &[("authorization", "Bearer ghs_bad")], &body);
        assert_eq!((refused.status, refused.case()), (401, "unauthorised"));
        let bearer = format!("Bearer {}", host.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let refused = host.send("POST", "/api/v1/users", &headers, &body);
        assert_eq!((refused.status, refused.case()), (413, "too-large"));
    }
}

#[test]
fn what_is_no_backup_or_no_token_is_said_so() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let (code, _, stderr) = host.cli(directory.path(), arguments);
        assert_eq!(code, 1, "{stderr}");
        stderr
    };
    let told = refused(&["restore", ".", "--yes"]);
    assert!(told.contains("is a directory"), "{told}");
    let told = refused(&["app", "list", "--token", "ghs_ä"]);
    assert!(told.contains("characters in it that no token has") && !told.contains('ä'), "{told}");
}

#[test]
fn a_usage_line_names_what_the_verb_takes_and_not_what_is_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = gatehouse(directory.path(), &["user", "erase"]);
    command.env("GATEHOUSE_SERVER", "http://127.0.0.1:1").env("GATEHOUSE_TOKEN", "t");
    let (code, _, stderr) = output(command);
    assert!(code == 2 && stderr.contains("Usage: gatehouse user erase <USER>"), "{code}: {stderr}");
}

#[test]
fn a_token_file_that_is_typed_goes_before_a_token_in_the_environment() {
    let host = Host::start();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("good"), format!("{}\n", host.token)).unwrap();
    std::fs::write(at.join("bad"), "ghs_bad\n").unwrap();
    let list = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = gatehouse(at, &["app", "list"]);
        command.args(arguments).env("GATEHOUSE_SERVER", host.url()).envs(environment.iter().copied());
        output(command)
    };
    assert_eq!(list(&["--token-file", "good"], &[("GATEHOUSE_TOKEN", "ghs_bad")]).0, 0);
    assert_eq!(list(&["--token-file", "bad"], &[("GATEHOUSE_TOKEN", &host.token)]).0, 1);
    assert_eq!(list(&["--token", &host.token], &[("GATEHOUSE_TOKEN_FILE", "bad")]).0, 0);
    assert_eq!(list(&[], &[("GATEHOUSE_TOKEN", &host.token), ("GATEHOUSE_TOKEN_FILE", "bad")]).0, 0);
    let (code, _, stderr) = list(&["--token", &host.token, "--token-file", "good"], &[]);
    assert!(code == 2 && stderr.contains("give one of them") && !stderr.contains(&host.token), "{stderr}");
    let mut command = gatehouse(at, &["--token-file", "good", "app", "list"]);
    command.env("GATEHOUSE_SERVER", host.url()).env("GATEHOUSE_TOKEN", "ghs_bad");
    assert_eq!(output(command).0, 0, "also before the noun");
}
