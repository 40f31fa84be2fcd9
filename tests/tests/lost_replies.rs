//! Replies that are lost after the write, and writes that never arrive: what the host concludes of them, each held
//! against what the target itself knows. And what cannot be proven, settled by a person through the CLI.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // the table is what the test is for

mod support;

use gatehouse_tests::counting::{CountingTarget, Fault, Rule};
use gatehouse_tests::{Target, guest, until};
use serde_json::{Value, json};
use std::fmt::Write as _;
use support::Scenario;

const TOKEN_FILE: &str = "token.txt";

/// A host with the SCIM connector and the profile `staff`.
fn host() -> Scenario {
    let s = Scenario::start();
    s.run(&["connector", "install", guest("scim").unwrap().to_str().unwrap(), "--allow-unsigned"]);
    s.run(&["profile", "create", "staff"]);
    s
}

/// Connects an app of this name to a target of its own that takes duplicates; with or without a marker.
fn connect(s: &Scenario, name: &str, marked: bool) -> CountingTarget {
    let target = CountingTarget::start().unwrap();
    s.file(TOKEN_FILE, target.token());
    let (credential, base) = (format!("{name}-token"), format!("base_url={}", target.base_url()));
    let origin = target.origin().to_owned();
    let set = ["--origin", &origin, "--scheme", "bearer", "--secret-file", TOKEN_FILE];
    s.run(&[&["credential", "set", &credential], &set[..]].concat());
    let (bound, private) = (format!("token={credential}"), ["--allow-private", &origin, "--profile", "staff"]);
    let app = ["app", "create", name, "--connector", "scim", "--set", &base, "--credential", &bound];
    s.run(&[&app[..], &private[..]].concat());
    let mut config = s.json(&["app", "show", name])["config"].clone();
    config["operations"].as_array_mut().unwrap().push(json!("Delete"));
    config["concurrency"] = json!(16);
    config["follow_events"] = json!(false);
    config["retry"]["settle_seconds"] = json!(1);
    config["retry"]["base_seconds"] = json!(1);
    if !marked {
        config["mapping"].as_array_mut().unwrap().retain(|rule| rule["attribute"] != "externalId");
    }
    s.file("config.json", &config.to_string());
    s.run(&["app", "configure", name, "--config", "config.json"]);
    target
}

fn ask(s: &Scenario, app: &str, operation: &str, user: &str) -> String {
    let body = json!({"app": app, "operation": operation, "user": user});
    let asked = s.host.http().post("/api/v1/requests", &body).unwrap().expect_status(202).unwrap();
    asked["id"].as_str().unwrap().to_owned()
}

/// Waits until a request is done, or has failed.
fn settled(s: &Scenario, id: &str) -> Value {
    let http = s.host.http();
    let look = || {
        let request = http.get(&format!("/api/v1/requests/{id}")).ok()?.json().ok()?;
        (request["state"] == "Completed" || request["state"] == "Failed").then_some(request)
    };
    until(look).unwrap_or_else(|| panic!("{id} does not come to its end: {}", s.log(id)))
}

/// What happens to the write of a case.
#[derive(Clone, Copy)]
struct Happening {
    name: &'static str,
    what: &'static str,
    /// Whether the target did what was asked.
    done: bool,
    fault: fn() -> Fault,
}

const HAPPENINGS: [Happening; 6] = [
    Happening { name: "cut", what: "done, connection cut", done: true, fault: || Fault::DropAfter },
    Happening { name: "503", what: "done, answered 503", done: true, fault: || Fault::FailAfter(503) },
    Happening { name: "body", what: "done, answer cut", done: true, fault: || Fault::CutBody },
    Happening { name: "noise", what: "done, answer unreadable", done: true, fault: || Fault::Garbage },
    Happening { name: "lost", what: "not done, connection cut", done: false, fault: || Fault::DropBefore },
    Happening { name: "down", what: "not done, answered 503", done: false, fault: || Fault::FailBefore(503) },
];

/// How an app tells that an account is ours.
#[derive(Clone, Copy, PartialEq)]
enum Marker {
    Mapped,
    None,
    Forgotten,
}

const OPERATIONS: [&str; 5] = ["Create", "Update", "Deactivate", "Freeze", "Delete"];

struct Case {
    operation: &'static str,
    marker: Marker,
    happening: Happening,
    user: String,
    request: String,
}

impl Case {
    fn app(&self) -> &'static str {
        match self.marker {
            Marker::Mapped => "marked",
            Marker::None => "unmarked",
            Marker::Forgotten => "forgetful",
        }
    }

    /// What is right: nothing is done twice, everything that can be known is known, and nothing else is concluded.
    fn expected(&self) -> &'static str {
        // The head of an answer whose body makes no sense still says where the new account is.
        let told = self.happening.name == "noise";
        let proof = self.operation != "Create" || self.marker == Marker::Mapped || told;
        match (self.happening.done, proof) {
            (true, true) => "made",
            (true, false) => "review",
            (false, _) => "not made, made again",
        }
    }
}

fn concluded(request: &Value) -> String {
    let attempts = request["attempts"].as_array().unwrap();
    match (request["state"].as_str().unwrap(), request["needs_review"].as_bool().unwrap(), attempts.len()) {
        ("Completed", false, 1) => "made".to_owned(),
        ("Completed", false, 2) if attempts[0]["outcome"] == "failed" => "not made, made again".to_owned(),
        ("Failed", true, 1) => "review".to_owned(),
        other => format!("{other:?}"),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (marker, label) in [(Marker::Mapped, "m"), (Marker::None, "u"), (Marker::Forgotten, "f")] {
        let all = OPERATIONS.into_iter().filter(|operation| marker != Marker::Forgotten || *operation == "Create");
        for (operation, happening) in all.flat_map(|operation| HAPPENINGS.map(|happening| (operation, happening))) {
            let user = format!("{label}-{}-{}", operation.to_lowercase(), happening.name);
            cases.push(Case { operation, marker, happening, user, request: String::new() });
        }
    }
    cases
}

/// The account's state at the target, as far as the operation is about it.
fn is_as_wanted(target: &CountingTarget, case: &Case) -> bool {
    let found = target.users_named(&case.user);
    match (case.operation, found.as_slice()) {
        ("Delete", []) | ("Create", [_]) => true,
        ("Update", [one]) => one["name"]["givenName"] == "Changed",
        ("Deactivate" | "Freeze", [one]) => one["active"] == false,
        _ => false,
    }
}

#[test]
fn of_every_lost_reply_what_is_concluded_is_right() {
    let s = host();
    let targets = [connect(&s, "marked", true), connect(&s, "unmarked", false), connect(&s, "forgetful", true)];
    targets[2].fault(Rule::always(Fault::ForgetMarker).on("POST", "/Users"));
    let target = |case: &Case| &targets[case.marker as usize];
    let mut cases = cases();
    let mut csv = "username,email,first_name,last_name,profile\n".to_owned();
    cases.iter().for_each(|case| writeln!(csv, "{0},{0}@example.com,Given,Family,staff", case.user).unwrap());
    s.file("users.csv", &csv);
    s.run(&["user", "import", "users.csv"]);

    let existing = cases.iter().filter(|case| case.operation != "Create");
    let made: Vec<String> = existing.map(|case| ask(&s, case.app(), "Create", &case.user)).collect();
    made.iter().for_each(|id| assert_eq!(settled(&s, id)["state"], "Completed"));
    s.file("users.csv", &csv.replace(",Given,", ",Changed,"));
    s.run(&["user", "import", "users.csv"]);
    targets.iter().for_each(CountingTarget::clear_log);
    for case in &mut cases {
        let rule = Rule::once((case.happening.fault)());
        let rule = match case.operation {
            "Create" => rule.on("POST", "/Users").containing(&format!("\"{}\"", case.user)),
            _ => {
                let id = target(case).users_named(&case.user)[0]["id"].as_str().unwrap().to_owned();
                rule.on("write", &format!("/Users/{id}"))
            }
        };
        target(case).fault(rule);
        case.request = ask(&s, case.app(), case.operation, &case.user);
    }

    let mut table =
        format!("{:10} | {:9} | {:24} | {:20} | right\n", "operation", "marker", "what happened", "concluded");
    let mut wrong = Vec::new();
    for case in &cases {
        let request = settled(&s, &case.request);
        let taken = target(case).log().taken().filter(|seen| seen.user_name.as_deref() == Some(&case.user)).count();
        let concluded = concluded(&request);
        let right = concluded == case.expected() && taken == 1 && is_as_wanted(target(case), case);
        let marker = ["mapped", "none", "forgotten"][case.marker as usize];
        let (operation, what) = (case.operation, case.happening.what);
        let verdict = if right { "yes" } else { "NO" };
        writeln!(table, "{operation:10} | {marker:9} | {what:24} | {concluded:20} | {verdict}").unwrap();
        if !right {
            wrong.push(format!("{} ({taken} writes taken): {request:#}\n{}", case.user, s.log(&case.request)));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
    assert_eq!(cases.len(), 66);
    for target in &targets {
        assert!(target.log().taken_twice().is_empty(), "{}", target.log().story());
    }
    let in_review = s.json(&["request", "list", "--needs-review"])["items"].as_array().unwrap().len();
    assert_eq!(in_review, cases.iter().filter(|case| case.expected() == "review").count());
}

/// A user, and the number of the create for it, which has come to rest.
fn create(s: &Scenario, app: &str, user: &str) -> Value {
    s.run(&["user", "create", user, "--email", &format!("{user}@example.com"), "--profile", "staff"]);
    settled(s, &ask(s, app, "Create", user))
}

fn refused(s: &Scenario, arguments: &[&str], why: &str) {
    let said = s.refused(arguments);
    assert!(said.contains(why), "{arguments:?}: {said}");
}

#[test]
fn what_was_made_is_settled_with_the_account_that_somebody_found_and_no_other() {
    let s = host();
    let target = connect(&s, "hr", false);
    assert_eq!(create(&s, "hr", "bob")["state"], "Completed");
    target.fault(Rule::once(Fault::DropAfter).on("POST", "/Users"));
    let request = create(&s, "hr", "ada");
    let id = request["id"].as_str().unwrap();
    assert_eq!((&request["state"], &request["needs_review"]), (&json!("Failed"), &json!(true)), "{request:#}");
    let account = |user: &str| target.users_named(user)[0]["id"].as_str().unwrap().to_owned();
    let (ada, bob) = (account("ada"), account("bob"));

    let listed = s.run(&["request", "list", "--needs-review"]);
    assert!(listed.contains(id) && listed.contains("no attribute is mapped that would mark it as ours"), "{listed}");
    let story = s.run(&["request", "show", id]);
    println!("{story}");
    let sent = format!("POST {}/Users left; the connection ended without a whole answer", target.base_url());
    let what_to_do = format!("gatehouse request settle {id} --made --external-id {ada}");
    let asked = "the target was asked for accounts with username `ada`".to_owned();
    let told = [&sent, &asked, &ada, &what_to_do];
    told.iter().for_each(|part| assert!(story.contains(part.as_str()), "no `{part}` in\n{story}"));

    refused(&s, &["request", "create", "hr", "create", "--user", "ada"], "settle that one first");
    refused(&s, &["request", "settle", id, "--made"], "say which account was made");
    refused(&s, &["request", "settle", id, "--made", "--external-id", "nobody"], "no account with that id");
    refused(&s, &["request", "settle", id, "--made", "--external-id", &bob], "linked to USR-");
    assert_eq!(s.json(&["request", "show", id])["state"], "Failed", "nothing was settled");

    let made = s.json(&["request", "settle", id, "--made", "--external-id", &ada, "--reason", "seen in its console"]);
    assert_eq!((&made["state"], &made["needs_review"]), (&json!("ManuallyCompleted"), &json!(false)), "{made:#}");
    let linked = s.account_of("ada");
    assert_eq!((&linked["external_id"], &linked["situation"]), (&json!(ada), &json!("confirmed")), "{linked:#}");
    refused(&s, &["request", "settle", id, "--not-made"], "it has been settled already");
    refused(&s, &["request", "retry", id], "Failed");
    assert!(s.run(&["audit", "list"]).contains("seen in its console"));
    assert_eq!(s.run(&["request", "list", "--needs-review"]).trim(), "(none)");

    // It is the user's account from now on, as if the reply had come.
    s.run(&["user", "change", "ada", "--first-name", "Augusta"]);
    s.request("update", "ada");
    assert_eq!(target.users_named("ada")[0]["name"]["givenName"], "Augusta");
    assert_eq!(target.users().len(), 2, "{}", target.log().story());
}

#[test]
fn somebody_elses_account_of_that_name_is_never_taken_for_ours() {
    for name in ["ada", "ADA"] {
        let s = host();
        let target = connect(&s, "hr", true);
        let theirs = target.add(json!({"userName": name, "externalId": "emp-7", "active": true}));
        target.fault(Rule::once(Fault::DropBefore).on("POST", "/Users"));
        let request = create(&s, "hr", "ada");
        let id = request["id"].as_str().unwrap();
        assert_eq!(request["needs_review"], true, "{request:#}");
        assert!(request["error"].as_str().unwrap().contains("does not carry our marker"), "{request:#}");
        assert_eq!(s.json(&["account", "list", "hr"])["items"], json!([]));
        refused(&s, &["request", "settle", id, "--made", "--external-id", &theirs], "marked as another's");

        let done = s.json(&["request", "settle", id, "--not-made", "--reason", "emp-7 is another Ada"]);
        assert_eq!((&done["state"], &done["parent"]), (&json!("Completed"), &json!(id)), "{done:#}");
        let ours = s.account_of("ada")["external_id"].as_str().unwrap().to_owned();
        assert_ne!(ours, theirs);
        let marked = target.users().into_iter().filter(|user| user["externalId"] != "emp-7").collect::<Vec<_>>();
        assert_eq!((marked.len(), &marked[0]["id"]), (1, &json!(ours)), "made once: {}", target.log().story());
    }
}

#[test]
fn several_accounts_that_may_be_ours_are_shown_and_a_retry_looks_before_it_writes() {
    let s = host();
    let target = connect(&s, "hr", true);
    s.run(&["user", "create", "ada", "--email", "ada@example.com", "--profile", "staff"]);
    let marker = s.json(&["user", "show", "ada"])["id"].clone();
    let copies = ["ada", "ada.old"].map(|name| target.add(json!({"userName": name, "externalId": marker})));
    target.fault(Rule::once(Fault::DropBefore).on("POST", "/Users"));
    let request = settled(&s, &ask(&s, "hr", "Create", "ada"));
    let id = request["id"].as_str().unwrap();
    assert!(request["error"].as_str().unwrap().contains("2 accounts carry our marker"), "{request:#}");
    let story = s.run(&["request", "show", id]);
    copies.iter().for_each(|copy| assert!(story.contains(copy), "{story}"));
    assert!(story.contains("--made --external-id ID"), "{story}");

    // Somebody cleans up in the target. The retry finds the one that is left, and writes nothing.
    assert!(target.remove(&copies[1]));
    target.clear_log();
    let retried = s.json(&["request", "retry", id]);
    assert_eq!(retried["state"], "Completed", "{retried:#}");
    assert_eq!(target.log().writes().count(), 0, "{}", target.log().story());
    assert_eq!(s.account_of("ada")["external_id"], json!(copies[0]));
}
