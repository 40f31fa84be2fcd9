//! A host that is killed goes on from what is stored.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::{Gatehouse, until};
use serde_json::json;
use support::{Scenario, scim_server, scim_user};
use tempfile::tempdir;

#[test]
fn a_host_killed_while_it_collects_goes_on_at_the_next_page() {
    let directory = tempdir().unwrap();
    let name = "a_host_killed_while_it_collects_goes_on_at_the_next_page";
    let Some(server) = scim_server(name, &directory) else { return };
    for n in 0..120 {
        server.create(&scim_user(&format!("u{n}"), &format!("u{n}@example.com"), "U", "Ser")).unwrap();
    }
    let mut s = Scenario::start();
    s.connect_scim_by_hand(&server);
    let mut config = s.json(&["app", "show", "hr"])["config"].clone();
    config["page_size"] = json!(2);
    s.file("config.json", &config.to_string());
    s.run(&["app", "configure", "hr", "--config", "config.json"]);
    let run = s.json(&["app", "reconcile", "hr", "--no-wait"]);
    let id = run["id"].as_str().unwrap().to_owned();
    let pages = |host: &Gatehouse| {
        let request = host.http().get(&format!("/api/v1/requests/{id}")).unwrap().expect_status(200).unwrap();
        (request["run"]["pages"].as_u64().unwrap(), request["state"].as_str().unwrap().to_owned())
    };
    let before = until(|| Some(pages(&s.host)).filter(|(pages, _)| *pages >= 3)).unwrap();
    let old = std::mem::replace(&mut s.host, Gatehouse::start(tempdir().unwrap().path()).unwrap());
    old.crash();
    s.host = Gatehouse::start(s.directory.path()).unwrap();
    let (first, _) = pages(&s.host);
    assert!(first >= before.0, "pages that were stored are still there");
    let done = until(|| Some(pages(&s.host)).filter(|(_, state)| state == "Analyzed")).unwrap();
    assert_eq!(done.0, 60, "no stored page is fetched again");
    let rows = s.json(&["request", "show", &id]);
    assert_eq!(rows["run"]["collected"], 120);
}

#[test]
fn a_host_told_to_stop_stops_and_keeps_everything() {
    let mut s = Scenario::start();
    s.run(&["profile", "create", "staff"]);
    s.run(&["user", "create", "ada", "--profile", "staff"]);
    let old = std::mem::replace(&mut s.host, Gatehouse::start(tempdir().unwrap().path()).unwrap());
    assert!(old.stop().unwrap().success());
    s.host = Gatehouse::start(s.directory.path()).unwrap();
    assert_eq!(s.json(&["user", "show", "ada"])["profile"], "staff");
}
