//! What the command line shows of what targets and people have sent.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Host;
use serde_json::json;

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
