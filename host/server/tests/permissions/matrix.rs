//! The permission matrix: every endpoint, called through the real routes by people with every set of permissions and
//! by tokens of every scope. `INSTA_UPDATE=always` writes it anew; read the difference.

use crate::common::Host;
use crate::people::Person;
use crate::standing::{sent_table, standing_table};
use gatehouse_core::Permissions;
use gatehouse_core::SystemPermission::{
    self, CustomizeApplication, DownloadPackages, ManageConnectedApps, ManageUsers, ModifyAllData, ViewSetup,
};
use gatehouse_core::access::{Action, Level, Scope};
use gatehouse_server::api::rules;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The sets of permissions that have a column of their own, by the letters of its head.
pub const COLUMNS: [(&str, &[SystemPermission]); 12] = [
    ("none", &[]),
    ("V", &[ViewSetup]),
    ("U", &[ManageUsers]),
    ("C", &[CustomizeApplication]),
    ("M", &[ModifyAllData]),
    ("VU", &[ViewSetup, ManageUsers]),
    ("VM", &[ViewSetup, ModifyAllData]),
    ("CM", &[CustomizeApplication, ModifyAllData]),
    ("CA", &[CustomizeApplication, ManageConnectedApps]),
    ("CAD", &[CustomizeApplication, ManageConnectedApps, DownloadPackages]),
    ("VUC", &[ViewSetup, ManageUsers, CustomizeApplication]),
    ("all", &SystemPermission::ALL),
];

/// One call that is made by everybody.
struct Call {
    method: &'static str,
    path: String,
    action: Action,
    /// The path with somebody's record in it, or one that is not there.
    url: String,
    body: Option<Json>,
}

/// The world in which everybody calls: user `bob` with a request that waits for an approval, a delegation and a token,
/// and user `carl` with an account.
fn world() -> (Host, String) {
    let host = Host::start().with_app();
    let config = json!({"config": {"approval_required": ["Create"]}});
    assert_eq!(host.call("PATCH", "/apps/hr", &[], Some(&config)).status, 200);
    host.person("bob", &[], None);
    let carl = host.person("carl", &[], None);
    host.account(1, carl.id);
    let delegation = json!({"user": "bob", "delegate": "carl", "until": "2999-01-01T00:00:00Z"});
    assert_eq!(host.post("/delegations", &delegation).status, 201);
    let made = host.post("/requests", &json!({"app": "hr", "operation": "Create", "user": "bob"}));
    assert_eq!(made.status, 202, "{made:?}");
    (host, made.body["id"].as_str().unwrap().to_owned())
}

fn calls(request: &str) -> Vec<Call> {
    let of = |(method, path, action): (&'static str, &str, Action)| {
        let url = match path {
            "/api/v1/users/{user}" if action == Action::ReadUser => path.replace("{user}", "bob"),
            _ if path.contains("/requests/") && action.level() == Level::Record => path.replace("{id}", request),
            _ if action == Action::ReadAccount => path.replace("{id}", "ACC-000001"),
            _ if path.contains("/delegations/") => path.replace("{id}", "DLG-000001"),
            _ if action == Action::RevokeToken => path.replace("{name}", "bob"),
            _ => path.replace("{id}", "ACC-000999").replace("{user}", "nobody-there").replace("{name}", "nothing"),
        };
        let url = if path.contains("/requests/") { url.replace("ACC-000999", "UPR-000999") } else { url };
        let url = if path.ends_with("/summary") { format!("{url}?app=nothing") } else { url };
        let body = match (method, action) {
            // What was sealed has another digest: whoever may decide is told so, and nothing changes.
            (_, Action::DecideRequest) if path.ends_with("approve") => Some(json!({"digest": "0".repeat(64)})),
            (_, Action::DecideRequest) => Some(json!({"reason": ""})),
            ("POST", Action::Delegate) => {
                Some(json!({"user": "bob", "delegate": "bob", "until": "2999-01-01T00:00:00Z"}))
            }
            ("PATCH", Action::Delegate) => Some(json!({"until": "2999-01-01T00:00:00Z"})),
            (_, Action::MakeToken) => Some(json!({"name": "", "user": "bob"})),
            ("GET" | "DELETE", _) => None,
            _ => Some(json!({"no such field": 1})),
        };
        Call { method, path: path.trim_start_matches("/api/v1").to_owned(), action, url, body }
    };
    rules().iter().map(of).collect()
}

/// Whether the call was let through: to the record, to all records of the list, or to where what was sent is looked at.
fn let_through(host: &Host, call: &Call, token: &str) -> bool {
    let path = call.url.trim_start_matches("/api/v1");
    let bearer = format!("Bearer {token}");
    // Nothing is at that version: what is let through changes nothing.
    let mut headers = vec![("authorization", bearer.as_str()), ("if-match", "\"999999\"")];
    if call.body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let body = call.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
    // The events of a request that waits go on and on; what HEAD is answered stands for GET (RFC 9110 section 9.3.2).
    let method = if path.ends_with("/events") { "HEAD" } else { call.method };
    let answer = host.send(method, &format!("/api/v1{path}"), &headers, &body);
    // The store of these hosts is in memory: there is no file to copy or compact.
    let works = answer.status < 500 || call.action.kind() == "Store";
    assert!(works && ![401, 405, 429].contains(&answer.status), "{} {path}: {answer:?}", call.method);
    let lists_all = |member: &str, value: &str| {
        let items = answer.body["items"].as_array();
        items.is_some_and(|items| items.iter().any(|item| item[member] == value))
    };
    match (call.action, call.path.as_str()) {
        _ if answer.status == 403 => false,
        (Action::ReadDelegation, "/delegations") => !answer.body["items"].as_array().unwrap().is_empty(),
        (Action::ReadRequest, "/requests") => lists_all("user_name", "bob"),
        (Action::ReadUser, "/users") => lists_all("username", "bob"),
        (Action::ReadAccount, "/accounts") => lists_all("user_name", "carl"),
        (Action::ReadToken, "/tokens") => lists_all("name", "bob"),
        (
            Action::ReadRequest
            | Action::DecideRequest
            | Action::ReadUser
            | Action::ReadAccount
            | Action::RevokeToken
            | Action::ReadDelegation
            | Action::Delegate,
            _,
        ) => {
            // Reconciliations alone stage rows; whoever may see that it is none may see it.
            answer.status != 404
        }
        _ => true,
    }
}

fn every_set() -> Vec<Permissions> {
    let sets = 0..1_usize << SystemPermission::ALL.len();
    let chosen = |bits: usize| {
        let all = SystemPermission::ALL.into_iter().enumerate();
        all.filter(|(no, _)| bits & (1 << no) != 0).map(|(_, permission)| permission).collect()
    };
    let mut all: Vec<Permissions> = sets.map(chosen).collect();
    all.sort_by_key(|set| (set.len(), set.clone()));
    all
}

/// The smallest sets among those that were enough; every larger one must have been enough as well.
pub fn smallest(call: &str, enough: &[Permissions]) -> Vec<Permissions> {
    let mut smallest: Vec<Permissions> = Vec::new();
    for set in enough {
        if !smallest.iter().any(|less| less.is_subset(set)) {
            smallest.push(set.clone());
        }
    }
    for set in every_set() {
        let should = smallest.iter().any(|less| less.is_subset(&set));
        assert_eq!(should, enough.contains(&set), "{call} with {set:?}");
    }
    smallest
}

pub fn letters(sets: &[Permissions]) -> String {
    let one = |set: &Permissions| set.iter().map(|permission| letter(*permission)).collect::<String>();
    match sets {
        [] => "(nobody)".to_owned(),
        [only] if only.is_empty() => "(anybody)".to_owned(),
        sets => sets.iter().map(one).collect::<Vec<_>>().join(" | "),
    }
}

fn letter(permission: SystemPermission) -> char {
    match permission {
        ViewSetup => 'V',
        ManageUsers => 'U',
        CustomizeApplication => 'C',
        ModifyAllData => 'M',
        ManageConnectedApps => 'A',
        DownloadPackages => 'D',
    }
}

const HEAD: &str = "\
Who may call what, found out by calling the real routes: each endpoint by somebody with each of the 64 sets of the six
system permissions. x: let through. Lists and records (marked *) are let through if somebody else's record is there.

V  View Setup             C  Customize Application      A  Manage Connected Apps
U  Manage Users           M  Modify All Data            D  Download Packages

inst is a token of the installation. The last column has the smallest sets that are enough, of all 64; every larger set
was found to be enough as well.
";

/// Somebody with each of the sets.
fn everybody(host: &Host) -> Vec<(Permissions, Person)> {
    let person = |(no, set): (usize, Permissions)| {
        let held: Vec<_> = set.iter().copied().collect();
        (set, host.person(&format!("person-{no}"), &held, None))
    };
    every_set().into_iter().enumerate().map(person).collect()
}

fn permissions_table(host: &Host, calls: &[Call], people: &[(Permissions, Person)]) -> String {
    let mut table = format!("{:<6} {:<36} ", "", "");
    for (name, _) in COLUMNS {
        write!(table, "{name:<5}").unwrap();
    }
    table.push_str("inst needs\n");
    for call in calls {
        let enough: Vec<Permissions> = people
            .iter()
            .filter(|(_, person)| let_through(host, call, &person.token))
            .map(|(set, _)| set.clone())
            .collect();
        let star = if call.action.level() == Level::Record { "*" } else { "" };
        write!(table, "{:<6} {:<36} ", call.method, format!("{}{star}", call.path)).unwrap();
        for (_, column) in COLUMNS {
            let column: Permissions = column.iter().copied().collect();
            write!(table, "{:<5}", if enough.contains(&column) { "x" } else { "." }).unwrap();
        }
        write!(table, "{:<5}", if let_through(host, call, &host.token) { "x" } else { "." }).unwrap();
        writeln!(table, "{}", letters(&smallest(&format!("{} {}", call.method, call.path), &enough))).unwrap();
    }
    table
}

fn scopes_table(host: &Host, calls: &[Call]) -> String {
    host.person("can-all", &SystemPermission::ALL, None);
    let token = |scope: Scope| host.token_of("can-all", &format!("can-all-{}", scope.name()), &[scope]);
    let tokens = Scope::ALL.map(|scope| (scope, token(scope)));
    let mut table = format!("{:<6} {:<36} ", "", "");
    for scope in Scope::ALL {
        write!(table, "{:<12}", scope.name()).unwrap();
    }
    table.truncate(table.trim_end().len());
    table.push('\n');
    for call in calls {
        let mut row = format!("{:<6} {:<36} ", call.method, call.path);
        for (_, token) in &tokens {
            write!(row, "{:<12}", if let_through(host, call, token) { "x" } else { "." }).unwrap();
        }
        writeln!(table, "{}", row.trim_end()).unwrap();
    }
    table
}

#[test]
fn the_permission_matrix_is_as_agreed() {
    let (host, request) = world();
    let calls = calls(&request);
    let people = everybody(&host);
    let permissions = permissions_table(&host, &calls, &people);
    let sent = sent_table(&host, &people);
    let scopes = scopes_table(&host, &calls);
    let standing = standing_table();
    let about = "What a token with one scope is good for, of somebody with every permission.";
    let matrix = format!("{HEAD}\n{permissions}\n{sent}\n{standing}\n{about}\n\n{scopes}");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => ".." }, {
        insta::assert_snapshot!("permission_matrix", matrix);
    });
}

#[test]
fn the_installation_is_let_through_everywhere() {
    let (host, request) = world();
    for call in calls(&request) {
        assert!(let_through(&host, &call, &host.token), "{} {}", call.method, call.path);
    }
}

#[test]
fn every_route_has_a_rule_and_every_rule_a_route() {
    let document = serde_json::to_value(gatehouse_server::api::openapi()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"].is_array() {
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let rules: BTreeSet<_> = rules().iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(rules, documented);
    let open: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|path| !rules.iter().any(|(_, p)| p == *path))
        .cloned()
        .collect();
    assert_eq!(open, ["/api/v1/openapi.json", "/healthz", "/metrics", "/readyz"], "routes that need no token");
}
