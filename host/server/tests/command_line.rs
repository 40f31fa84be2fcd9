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
