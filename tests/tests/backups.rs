//! Backups and restores through the real binary: what was done since a backup is not done again, calls under way end,
//! and a host that is killed meanwhile starts with the old state or the new one. What does not belong is refused:
//! `host/server/tests/serving.rs`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use gatehouse_tests::counting::{CountingTarget, Fault, Rule};
use gatehouse_tests::{Gatehouse, Target, guest, until};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use support::Scenario;

/// A host with `hr`, and `asks`, whose requests wait for an approval; both on one target that takes duplicates.
fn scene() -> (Scenario, CountingTarget) {
    let (s, target) = (Scenario::start(), CountingTarget::start().unwrap());
    s.run(&["connector", "install", guest("scim").unwrap().to_str().unwrap(), "--allow-unsigned"]);
    s.run(&["profile", "create", "staff"]);
    s.file("token.txt", target.token());
    let (origin, base) = (target.origin().to_owned(), format!("base_url={}", target.base_url()));
    let set = ["--origin", &origin, "--scheme", "bearer", "--secret-file", "token.txt"];
    s.run(&[&["credential", "set", "token"], &set[..]].concat());
    for (name, approval) in [("hr", json!([])), ("asks", json!(["Create"]))] {
        let settings = ["--set", &base, "--credential", "token=token", "--allow-private", &origin];
        s.run(&[&["app", "create", name, "--connector", "scim", "--profile", "staff"], &settings[..]].concat());
        let mut config = s.json(&["app", "show", name])["config"].clone();
        config["retry"]["settle_seconds"] = json!(1);
        config["retry"]["base_seconds"] = json!(1);
        config["approval_required"] = approval;
        config["follow_events"] = json!(false);
        s.file("config.json", &config.to_string());
        s.run(&["app", "configure", name, "--config", "config.json"]);
    }
    (s, target)
}

fn run(host: &Gatehouse, arguments: &[&str]) {
    host.cli(arguments).unwrap().success().unwrap();
}

fn person(s: &Scenario, name: &str) {
    let email = format!("{name}@example.com");
    s.run(&["user", "create", name, "--email", &email, "--first-name", "Given", "--profile", "staff"]);
}

fn ask(s: &Scenario, app: &str, operation: &str, user: &str) -> String {
    let body = json!({"app": app, "operation": operation, "user": user});
    let asked = s.host.http().post("/api/v1/requests", &body).unwrap().expect_status(202).unwrap();
    asked["id"].as_str().unwrap().to_owned()
}

fn request(s: &Scenario, id: &str) -> Value {
    s.host.http().get(&format!("/api/v1/requests/{id}")).unwrap().json().unwrap()
}

fn in_state(s: &Scenario, id: &str, state: &str) -> Value {
    let look = || Some(request(s, id)).filter(|request| request["state"] == state);
    until(look).unwrap_or_else(|| panic!("{id} does not become {state}: {}", s.log(id)))
}

/// The writes that the target saw since its log was cleared, but for those about somebody.
fn writes(target: &CountingTarget, but: &str) -> Vec<String> {
    let log = target.log();
    log.writes().map(|seen| seen.line()).filter(|line| but.is_empty() || !line.contains(but)).collect()
}

#[test]
fn what_was_done_since_a_backup_is_not_done_again_and_what_was_not_is_done() {
    let (s, target) = scene();
    for name in ["bob", "cat", "dan", "eve", "fay"] {
        person(&s, name);
    }
    for name in ["dan", "eve"] {
        in_state(&s, &ask(&s, "hr", "Create", name), "Completed");
    }
    s.run(&["app", "pause", "hr"]);
    s.run(&["user", "change", "dan", "--first-name", "Changed"]);
    let (bob, fay) = (ask(&s, "hr", "Create", "bob"), ask(&s, "hr", "Create", "fay"));
    let (dan, eve) = (ask(&s, "hr", "Update", "dan"), ask(&s, "hr", "Deactivate", "eve"));
    let cat = ask(&s, "asks", "Create", "cat");
    run(&s.host, &["backup", "monday"]);

    // Fay's does not succeed before the restore; the others are done, one of them after an approval.
    target.fault(Rule::always(Fault::FailBefore(503)).on("POST", "/Users").containing("fay@example.com"));
    s.run(&["request", "approve", &cat]);
    s.run(&["app", "resume", "hr"]);
    for id in [&bob, &dan, &eve, &cat] {
        in_state(&s, id, "Completed");
    }
    target.clear_faults();
    target.clear_log();

    run(&s.host, &["restore", "monday", "--yes"]);
    let cancelled = in_state(&s, &cat, "Cancelled");
    assert!(s.log(&cat).contains("look at the target, and ask again"), "{cancelled}");
    s.run(&["app", "resume", "hr"]);
    for id in [&bob, &dan, &eve, &fay] {
        in_state(&s, id, "Completed");
        assert!(s.log(id).contains("a backup was restored, and this may have been done since"), "{}", s.log(id));
    }
    assert_eq!(writes(&target, "(fay)"), Vec::<String>::new(), "{}", target.log().story());
    for name in ["bob", "cat", "dan", "eve", "fay"] {
        assert_eq!(target.users_named(name).len(), 1, "{name}: {}", target.log().story());
    }
    assert_eq!(target.users_named("dan")[0]["name"]["givenName"], "Changed");
    assert_eq!(target.users_named("eve")[0]["active"], false);
}

#[test]
fn a_call_under_way_ends_with_a_restore_and_its_write_is_not_repeated() {
    let (s, target) = scene();
    person(&s, "gus");
    s.run(&["app", "pause", "hr"]);
    let gus = ask(&s, "hr", "Create", "gus");
    run(&s.host, &["backup", "monday"]);
    target.fault(Rule::once(Fault::DelayReply(5_000)).on("POST", "/Users"));
    s.run(&["app", "resume", "hr"]);
    until(|| (target.users_named("gus").len() == 1).then_some(())).expect("the write arrives");
    run(&s.host, &["restore", "monday", "--yes"]);
    s.run(&["app", "resume", "hr"]);
    in_state(&s, &gus, "Completed");
    assert_eq!(target.users_named("gus").len(), 1, "{}", target.log().story());
    assert_eq!(writes(&target, "").len(), 1, "{}", target.log().story());
}

/// Kills the host so long after a command was given to it, and starts it again.
fn killed(host: Gatehouse, directory: &Path, arguments: &[&str], after: Duration) -> Gatehouse {
    let mut command = host.command(arguments);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    host.crash();
    let _ = child.wait();
    Gatehouse::start(directory).unwrap()
}

fn profiles(host: &Gatehouse) -> Vec<String> {
    let listed = host.cli_json(&["profile", "list"]).unwrap();
    let items = listed["items"].as_array().or(listed.as_array()).unwrap();
    items.iter().map(|profile| profile["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_host_that_is_killed_during_a_backup_or_a_restore_starts_with_the_old_state_or_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut host = Gatehouse::start(directory.path()).unwrap();
    run(&host, &["profile", "create", "old"]);
    // Enough that it takes a while.
    let rows: String = (0..5_000).map(|n| format!("user{n},user{n}@example.com,old\n")).collect();
    std::fs::write(directory.path().join("users.csv"), format!("username,email,profile\n{rows}")).unwrap();
    run(&host, &["user", "import", "users.csv"]);
    run(&host, &["backup", "old.gatehouse"]);
    run(&host, &["profile", "create", "new"]);
    let timed = |arguments: &[&str]| {
        let started = Instant::now();
        run(&host, arguments);
        started.elapsed()
    };
    // From before it begins to after its end.
    let whole = [timed(&["backup", "new.gatehouse"]), timed(&["restore", "new.gatehouse", "--yes"])];
    let names = |is_new: bool| if is_new { vec!["new", "old"] } else { vec!["old"] };
    let (mut is_new, mut outcomes) = (true, Vec::new());
    for round in 0..16 {
        let after = whole[round % 2] * (round / 2) as u32 / 6;
        if round % 2 == 0 {
            let file = format!("{round}.gatehouse");
            host = killed(host, directory.path(), &["backup", &file], after);
            let whole = directory.path().join(&file).exists();
            if whole {
                run(&host, &["restore", &file, "--yes"]);
            }
            outcomes.push(format!("backup killed after {after:.0?}: {}", if whole { "whole" } else { "none" }));
        } else {
            let to = if is_new { "old.gatehouse" } else { "new.gatehouse" };
            host = killed(host, directory.path(), &["restore", to, "--yes"], after);
            let now_new = profiles(&host).len() == 2;
            outcomes
                .push(format!("restore killed after {after:.0?}: {}", if now_new == is_new { "old" } else { "new" }));
            is_new = now_new;
        }
        let mut found = profiles(&host);
        found.sort();
        assert_eq!(found, names(is_new), "{outcomes:#?}");
        let left: Vec<_> = std::fs::read_dir(directory.path().join("data")).unwrap().flatten().collect();
        let left: Vec<_> = left.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
        let stray = left.iter().find(|name| name.starts_with("transit-") || name.contains(".restoring"));
        assert_eq!(stray, None, "{outcomes:#?}");
    }
    println!("{}", outcomes.join("\n"));
    run(&host, &["restore", "new.gatehouse", "--yes"]);
    assert_eq!(profiles(&host).len(), 2, "it goes on from there");
}
