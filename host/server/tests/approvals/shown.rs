//! What lists and the command line show of requests that wait.

use crate::common;
use crate::office::{Office, create, token};
use serde_json::{Value as Json, json};

#[test]
fn the_command_line_shows_and_decides_the_same() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann", "ben"]}, "quorum": 2}])));
    let folder = tempfile::tempdir().unwrap();
    let cli = |who: &str, arguments: &[&str]| {
        let mut command = common::gatehouse(folder.path(), arguments);
        command.env("GATEHOUSE_SERVER", office.host.url()).env("GATEHOUSE_TOKEN", token(who));
        let (code, stdout, stderr) = common::output(command);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout
    };
    let request = office.ask();
    let id = request["id"].as_str().unwrap();
    assert!(cli("ann", &["request", "list", "--waiting-for-me"]).contains(id));
    assert!(!cli("cat", &["request", "list", "--waiting-for-me"]).contains(id));
    cli("ann", &["request", "approve", id, "--reason", "she starts on Monday"]);
    let until = office.clock.in_seconds(3600);
    cli("ben", &["delegation", "create", "--to", "cat", "--until", &until]);
    assert!(cli("ben", &["delegation", "list"]).contains("cat"));
    cli("cat", &["request", "approve", id]);
    let shown = cli("ann", &["request", "show", id]);
    for text in ["Approvals", "2 of the named users", "approved", "she starts on Monday", "ben", "cat", "agrees"] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
    cli("ben", &["delegation", "delete", "DLG-000001"]);
    let at = office.clock.in_seconds(600);
    let made = cli("asker", &["request", "create", "hr", "create", "--user", "boss", "--at", &at]);
    assert!(made.contains("runs at"), "{made}");
    let later = office.clock.in_seconds(900);
    assert!(cli("asker", &["request", "reschedule", "UPR-000002", "--at", &later]).contains("runs at"));
}

#[test]
fn a_list_says_what_each_request_waits_for() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let (first, second) = (office.ask(), office.ask());
    let shown = |of: &Json| office.host.get(&format!("/requests/{}", of["id"].as_str().unwrap())).body;
    assert_eq!((&shown(&first)["waits_for"], &shown(&first)["behind"]), (&json!("approval"), &Json::Null));
    assert_eq!(shown(&second)["waits_for"], "approval", "what one can do something about comes first");
    let digest = json!({"digest": second["digest"]});
    let second_id = second["id"].as_str().unwrap();
    let agreed = office.by("ann", "POST", &format!("/requests/{second_id}/approve"), Some(&digest));
    assert_eq!(agreed.status, 202, "{agreed:?}");
    assert_eq!((&shown(&second)["waits_for"], &shown(&second)["behind"]), (&json!("request"), &first["id"]));
    let later = office.clock.in_seconds(600);
    let dated = json!({"app": "hr", "operation": "Create", "user": "boss", "run_at": later});
    let dated = office.by("asker", "POST", "/requests", Some(&dated)).body;
    assert_eq!(dated["waits_for"], "approval", "what one can do something about comes first: {dated}");
    let path = format!("/requests/{}/approve", dated["id"].as_str().unwrap());
    office.by("ann", "POST", &path, Some(&json!({"digest": dated["digest"]})));
    assert_eq!(shown(&dated)["waits_for"], "date");
    let folder = tempfile::tempdir().unwrap();
    let (_, listed, _) = office.host.cli(folder.path(), &["request", "list"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows[0].windows(2).any(|two| two == ["WAITS", "FOR"]), "{listed}");
    let of = |id: &Json| rows.iter().find(|row| row[0] == id.as_str().unwrap()).unwrap().clone();
    assert!(of(&first["id"]).contains(&"approval"), "{listed}");
    assert!(of(&second["id"]).contains(&first["id"].as_str().unwrap()), "{listed}");
    assert!(of(&dated["id"]).iter().any(|word| word.ends_with('Z')), "{listed}");
    let cancelled = json!({"reason": "no need"});
    office.by("asker", "POST", &format!("/requests/{}/cancel", first["id"].as_str().unwrap()), Some(&cancelled));
    assert_eq!((&shown(&first)["waits_for"], &shown(&second)["waits_for"]), (&Json::Null, &Json::Null));
    assert_eq!(office.host.post("/apps/hr/pause", &json!({})).status, 200);
    assert_eq!((&shown(&first)["waits_for"], &shown(&second)["waits_for"]), (&Json::Null, &json!("app")));
}
