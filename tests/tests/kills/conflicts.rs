//! Others change the same records between a call's end and the commit of what came of it: nothing of it is lost.

use crate::lane::{ACCOUNTS, Lane, template};
use crate::operations::{CYCLE, Operation, Person, ask, check, perform};
use gatehouse_tests::until;
use serde_json::json;

fn operation(name: &str) -> &'static Operation {
    CYCLE.iter().rfind(|operation| operation.name == name).unwrap()
}

fn hits(lane: &Lane, point: &str) -> u64 {
    lane.hits().into_iter().find(|(name, _)| name == point).unwrap().1
}

fn pauses(lane: &Lane, point: &str) {
    let said = format!("failpoint {point}:1: pauses");
    assert!(until(|| lane.host.process().log().contains(&said).then_some(())).is_some(), "{said}");
}

#[test]
fn what_came_of_a_call_is_kept_although_a_reconciliation_changed_the_record_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    template(directory.path());
    let mut lane = Lane::new(directory.path(), "conflicts", true);
    let mut person = Person::new(&mut lane, ACCOUNTS);
    perform(&mut lane, &mut person, operation("Create"), &[], &[]);
    let update = operation("Update");
    let asked = ask(&mut lane, &mut person, update, &["outcome.looked_up:1:pause-4000".to_owned()]);
    pauses(&lane, "outcome.looked_up");
    let key = lane.key();
    let run = lane.ask("/api/v1/apps/accounts/reconcile", &json!({}), &key)["id"].as_str().unwrap().to_owned();
    lane.settled(&run, &["Analyzed"]);
    let key = lane.key();
    lane.ask(&format!("/api/v1/requests/{run}/commit"), &json!({}), &key);
    assert_eq!(lane.settled(&run, &[])["state"], "Completed", "{}", lane.story(&run));
    check(&mut lane, &mut person, update, &asked);
    assert!(hits(&lane, "outcome.conflict") > 0, "the records were not changed in between");
}

#[test]
fn a_link_is_made_although_the_app_was_configured_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    template(directory.path());
    let mut lane = Lane::new(directory.path(), "conflicts", true);
    let mut person = Person::new(&mut lane, ACCOUNTS);
    perform(&mut lane, &mut person, operation("Create"), &[], &[]);
    let unlink = CYCLE.iter().find(|operation| operation.name == "Linking").unwrap();
    let asked = ask(&mut lane, &mut person, unlink, &["link.before_commit:1:pause-1500".to_owned()]);
    pauses(&lane, "link.before_commit");
    lane.configure(ACCOUNTS, |config| config["page_size"] = json!(7));
    check(&mut lane, &mut person, unlink, &asked);
    assert!(hits(&lane, "work.conflict") > 0, "the app was not changed in between");
    let app = lane.get("/api/v1/apps/accounts").unwrap();
    assert_eq!(app["config"]["page_size"], 7, "nor is the configuration lost");
}
