//! The rest of the permission matrix: what people without permissions reach by who they are to a record, and calls that
//! take more, or less, by what is sent with them.

use crate::common::{Answer, Host};
use crate::matrix::{COLUMNS, letters, smallest};
use crate::people::Person;
use gatehouse_core::Permissions;
use gatehouse_core::SystemPermission::{ManageConnectedApps, ManageUsers, ModifyAllData, ViewSetup};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

const STANDING: &str = "\
Who reaches what by who they are to it. x: let through, -: refused (403), .: not there (404). Only admin and inst have
any permission. UPR-000001 is about bob and UPR-000002 about admin; both wait for whoever manages requests. UPR-000003
is about carl, and a step of it asks ann alone.

bob       whom the records are about       ann       whom a step asks
mia       manages bob and carl; a rule     ben       stands in for ann
          has managers approve about bob   admin     has View Setup and Manage Users
reader    all is shared with, to read      inst      a token of the installation
approver  all is shared with, to approve
";

const SENT: &str = "\
What takes more, or less, by what is sent. {me} is whoever calls. boss has View Setup and Manage Connected Apps, bob
and carl have nothing; `of root` carries Modify All Data.
";

const LATER: &str = "2999-01-01T00:00:00Z";
const PAST: &str = "2000-01-01T00:00:00Z";

/// Everybody whose standing differs, and what stands.
fn company() -> (Host, Vec<Person>) {
    let host = Host::start().with_app();
    let configure = |config: Json| {
        assert_eq!(host.call("PATCH", "/apps/hr", &[], Some(&json!({"config": config}))).status, 200);
    };
    let named = |name: &str| host.person(name, &[], None);
    let mia = named("mia");
    let mut people = vec![named("stranger"), host.person("bob", &[], Some(&mia)), mia.clone()];
    people.extend(["reader", "approver", "ann", "ben"].map(named));
    people.push(host.person("admin", &[ViewSetup, ManageUsers], None));
    host.person("carl", &[], Some(&mia));
    // So that somebody is left to be asked about the admin.
    host.person("other-admin", &[ViewSetup, ManageUsers], None);
    for rule in [
        json!({"name": "see", "to_user": "reader", "access": "read"}),
        json!({"name": "decide", "to_user": "approver", "access": "approve"}),
        json!({"name": "managers", "to_managers": true, "owner_user": "bob", "access": "approve"}),
    ] {
        assert_eq!(host.post("/sharing-rules", &rule).status, 201);
    }
    let raise = |user: &str| {
        let made = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": user}));
        assert_eq!(made.status, 202, "{made:?}");
    };
    configure(json!({"approval_required": ["Create"]}));
    raise("bob");
    raise("admin");
    let steps = json!([{"approvers": {"users": ["ann"]}}]);
    configure(json!({"approvals": [{"operations": ["Create"], "steps": steps}]}));
    raise("carl");
    let delegation = json!({"user": "ann", "delegate": "ben", "until": LATER});
    assert_eq!(host.post("/delegations", &delegation).status, 201);
    host.account(900, people[1].id);
    (host, people)
}

fn mark(answer: &Answer) -> char {
    assert!(answer.status < 500 && ![401, 405, 429].contains(&answer.status), "{answer:?}");
    match answer.status {
        403 => '-',
        404 => '.',
        _ => 'x',
    }
}

/// What everybody calls. What is let through changes nothing that a later one is about.
fn reached(host: &Host) -> Vec<(&'static str, String, Option<Json>)> {
    let mut rows = Vec::new();
    for request in ["UPR-000001", "UPR-000002", "UPR-000003"] {
        let path = format!("/requests/{request}");
        let digest = host.get(&path).body["digest"].clone();
        rows.extend(["", "/log"].map(|part| ("GET", format!("{path}{part}"), None)));
        rows.push(("POST", format!("{path}/retry"), None));
        rows.push(("POST", format!("{path}/approve"), Some(json!({"digest": digest}))));
    }
    rows.push(("GET", "/users/bob".to_owned(), None));
    rows.push(("GET", "/accounts/ACC-000900".to_owned(), None));
    rows.push(("POST", "/accounts/ACC-000900/unlink".to_owned(), Some(json!({"no such field": 1}))));
    rows.push(("GET", "/delegations/DLG-000001".to_owned(), None));
    rows.push(("PATCH", "/delegations/DLG-000001".to_owned(), Some(json!({"until": PAST}))));
    rows.push(("DELETE", "/tokens/bob".to_owned(), None));
    rows
}

/// What somebody may do to each, in a world of their own.
pub fn standing_table() -> String {
    let mut rows: Vec<String> = Vec::new();
    let mut head = format!("{:<6} {:<32} ", "", "");
    let names: Vec<String> = company().1.into_iter().map(|person| person.name).chain(["inst".to_owned()]).collect();
    for (no, name) in names.iter().enumerate() {
        write!(head, "{name:<9}").unwrap();
        let (host, people) = company();
        let token = people.get(no).map_or(&host.token, |person| &person.token);
        for (row, (method, path, body)) in reached(&host).iter().enumerate() {
            if no == 0 {
                rows.push(format!("{method:<6} {path:<32} "));
            }
            write!(rows[row], "{:<9}", mark(&host.call_as(token, method, path, body.as_ref()))).unwrap();
        }
    }
    let rows: Vec<_> = [head].iter().chain(&rows).map(|row| row.trim_end().to_owned()).collect();
    format!("{STANDING}\n{}\n", rows.join("\n"))
}

/// A call with something in it, and what makes good what it did.
type Sent = (&'static str, &'static str, Json, Option<(&'static str, &'static str, Json)>);

fn sent() -> Vec<Sent> {
    let app = |access: &str| json!({"name": "", "connector": "sample", "settings": {}, access: ["staff"]});
    let delegation = |delegate: &str| json!({"user": "bob", "delegate": delegate, "until": PAST});
    let back = |change: Json| Some(("PATCH", "/users/bob", change));
    vec![
        ("POST", "/apps", app("profiles"), None),
        ("POST", "/apps", app("permission_sets"), None),
        ("PATCH", "/apps/hr", json!({"profiles": ["nobody-there"]}), None),
        ("PATCH", "/apps/hr", json!({"permission_sets": ["nobody-there"]}), None),
        ("POST", "/apps/hr/preview", json!({"user": "bob"}), None),
        ("POST", "/apps/hr/preview", json!({"user": "{me}"}), None),
        (
            "POST",
            "/profiles",
            json!({"name": "made", "permissions": ["modify_all_data"]}),
            Some(("DELETE", "/profiles/made", Json::Null)),
        ),
        (
            "POST",
            "/permission-sets",
            json!({"name": "made", "permissions": ["view_setup", "download_packages"]}),
            Some(("DELETE", "/permission-sets/made", Json::Null)),
        ),
        ("PATCH", "/users/bob", json!({"profile": "of root"}), back(json!({"profile": "of bob"}))),
        ("PATCH", "/users/bob", json!({"profile": "of carl"}), back(json!({"profile": "of bob"}))),
        ("PATCH", "/users/{me}", json!({"profile": "of carl"}), None),
        ("PATCH", "/users/bob", json!({"manager": "{me}"}), None),
        ("POST", "/groups", json!({"name": "made", "members": ["{me}"]}), None),
        ("POST", "/tokens", json!({"name": "", "user": "{me}"}), None),
        ("POST", "/tokens", json!({"name": "", "user": "boss"}), None),
        ("POST", "/delegations", json!({"delegate": "bob", "until": PAST}), None),
        ("POST", "/delegations", delegation("carl"), None),
        ("POST", "/delegations", delegation("{me}"), None),
        ("DELETE", "/tokens/spare", Json::Null, None),
    ]
}

fn is_done(host: &Host, by: &Person, sent: &Sent) -> bool {
    let (method, path, body, undo) = sent;
    let fill = |text: &str| text.replace("{me}", &by.name);
    let bearer = format!("Bearer {}", by.token);
    let mut headers = vec![("authorization", bearer.as_str())];
    match *method {
        // Nothing is at that version: what is let through takes nothing away.
        "DELETE" => headers.push(("if-match", "\"999999\"")),
        _ => headers.push(("content-type", "application/json")),
    }
    let body = if body.is_null() { String::new() } else { fill(&body.to_string()) };
    let answer = host.send(method, &format!("/api/v1{}", fill(path)), &headers, body.as_bytes());
    let done = mark(&answer) == 'x';
    if let (true, Some((method, path, body))) = (done, undo) {
        let undone = host.call(method, path, &[], Some(body).filter(|body| !body.is_null()));
        assert!((200..300).contains(&undone.status), "{method} {path}: {undone:?}");
    }
    done
}

/// What is needed for calls with these bodies, of people with each of the sets.
pub fn sent_table(host: &Host, people: &[(Permissions, Person)]) -> String {
    host.person("boss", &[ViewSetup, ManageConnectedApps], None);
    host.person("root", &[ModifyAllData], None);
    assert_eq!(host.post("/tokens", &json!({"name": "spare"})).status, 201);
    let mut table = format!("{SENT}\n{:<6} {:<18} ", "", "");
    for (name, _) in COLUMNS {
        write!(table, "{name:<5}").unwrap();
    }
    table.push_str("needs\n");
    for sent in &sent() {
        let enough: Vec<_> =
            people.iter().filter(|(_, person)| is_done(host, person, sent)).map(|(set, _)| set.clone()).collect();
        write!(table, "{:<6} {:<18} ", sent.0, sent.1).unwrap();
        for (_, column) in COLUMNS {
            let column: Permissions = column.iter().copied().collect();
            write!(table, "{:<5}", if enough.contains(&column) { "x" } else { "." }).unwrap();
        }
        let needs = letters(&smallest(&format!("{} {}", sent.0, sent.1), &enough));
        let body = if sent.2.is_null() { "(a token of the installation)".to_owned() } else { sent.2.to_string() };
        writeln!(table, "{needs}\n       {body}").unwrap();
    }
    table
}
