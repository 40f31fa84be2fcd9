//! Reconciliations, killed in every phase: several pages, absent accounts, several batches, the plan's approval, rows
//! committed with the child requests they raise, and the children's own calls.

use crate::lane::{Lane, RUNS};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Accounts that stay around: three pages.
const AROUND: usize = 10;

/// Where a page that is in flight is lost, and is to be fetched again.
const LOSES_THE_PAGE: &[&str] = &["call.after", "collect.after_page", "collect.before_commit", "store.before_commit"];

/// The people of the app that is reconciled, oldest first.
#[derive(Default)]
pub struct People {
    around: VecDeque<String>,
    runs: u32,
}

/// What a run came by.
pub struct Ran {
    pub hits: Vec<(String, u64)>,
}

impl People {
    /// One joins, one changes, one leaves, and one account of the target is nobody's: so that a run has something to
    /// do in each of its phases.
    fn move_on(&mut self, lane: &mut Lane) {
        self.runs += 1;
        while self.around.len() < AROUND {
            let user = lane.new_user(RUNS);
            self.around.push_back(user);
        }
        let user = lane.new_user(RUNS);
        self.around.push_back(user);
        let in_target = |user: &String| !lane.runs.users_named(user).is_empty();
        if let Some(user) = self.around.iter().skip(1).find(|user| in_target(user)) {
            lane.change_user(user, &json!({"last_name": format!("Run{}", self.runs)}));
        }
        if self.around.len() > AROUND {
            let gone = self.around.pop_front().unwrap();
            lane.change_user(&gone, &json!({"profile": null}));
            for account in lane.runs.users_named(&gone) {
                lane.runs.remove(account["id"].as_str().unwrap());
            }
        }
    }

    /// One run from its beginning to the end of its children, killed at `armings` and what follows at `next_starts`.
    pub fn run(&mut self, lane: &mut Lane, armings: &[String], next_starts: &[String]) -> Ran {
        self.move_on(lane);
        lane.doing = format!("Reconcile {} {}", self.runs, armings.join(","));
        let deaths = lane.report.kills.len() + usize::from(!armings.is_empty()) + next_starts.len();
        let (since, in_target) = (lane.runs.requests(), lane.runs.users().len());
        lane.arm_next_starts(next_starts);
        lane.arm(armings);
        let key = lane.key();
        let id = lane.ask("/api/v1/apps/runs/reconcile", &json!({}), &key)["id"].as_str().unwrap().to_owned();
        let analyzed = lane.settled(&id, &["Analyzed"]);
        let story = lane.story(&id);
        assert_eq!(analyzed["state"], "Analyzed", "{}: {story}", lane.doing);
        let key = lane.key();
        lane.ask(&format!("/api/v1/requests/{id}/commit"), &json!({}), &key);
        let mut children = finish(lane, &id);
        while lane.report.kills.len() < deaths {
            lane.must_die();
            children = finish(lane, &id);
        }
        let hits = lane.hits();
        check_pages(lane, since, armings);
        check_run(lane, &id, in_target, &children);
        self.check_accounts(lane);
        let log = lane.runs.log_since(since);
        lane.report.writes_taken += log.taken().count() as u64;
        lane.report.settled += 1 + children.len() as u64;
        Ran { hits }
    }

    /// Everybody around has one account in the target, linked and as it should be; nobody else has one.
    fn check_accounts(&self, lane: &Lane) {
        for user in &self.around {
            let at_target = lane.runs.users_named(user);
            assert_eq!(
                at_target.len(),
                1,
                "{}: accounts of {user} in the target\n{}",
                lane.doing,
                lane.runs.log().story()
            );
            let list = lane.get(&format!("/api/v1/accounts?app={RUNS}&user={user}")).unwrap();
            assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{}: {user}: {list:#}", lane.doing);
            let record = &list["items"][0];
            assert_eq!(record["external_id"], at_target[0]["id"], "{}: {record:#}", lane.doing);
            assert_eq!(record["situation"], "confirmed", "{}: {record:#}", lane.doing);
            let wanted = lane.get(&format!("/api/v1/users/{user}")).unwrap();
            assert_eq!(at_target[0]["name"]["familyName"], wanted["last_name"], "{}: {user}", lane.doing);
        }
        assert_eq!(lane.runs.users().len(), self.around.len(), "{}: accounts in the target", lane.doing);
    }
}

/// Waits for the run and for all it has raised.
fn finish(lane: &mut Lane, id: &str) -> Vec<Value> {
    let run = lane.settled(id, &[]);
    assert_eq!(run["state"], "Completed", "{}: {}", lane.doing, lane.story(id));
    let path = format!("/api/v1/requests?raised_by={id}");
    let children = lane.through_deaths(|lane| lane.get(&path));
    let children: Vec<Value> = children["items"].as_array().unwrap().clone();
    let ids: Vec<String> = children.iter().map(|child| child["id"].as_str().unwrap().to_owned()).collect();
    ids.iter().map(|child| lane.settled(child, &[])).collect()
}

fn check_run(lane: &Lane, id: &str, in_target: usize, children: &[Value]) {
    let run = lane.get(&format!("/api/v1/requests/{id}")).unwrap();
    let story = || format!("{}: {}", lane.doing, lane.story(id));
    assert_eq!(run["run"]["collected"], json!(in_target), "rows that were collected: {}", story());
    assert_eq!(run["run"]["completeness"], "complete", "{}", story());
    assert_eq!(run["run"]["committed"], run["run"]["rows"], "{}", story());
    assert_eq!(run["run"]["raised"], json!(children.len()), "child requests, each raised once: {}", story());
    assert!(!children.is_empty(), "the run has something to do: {}", story());
    for child in children {
        assert_eq!(child["state"], "Completed", "{}", lane.story(child["id"].as_str().unwrap()));
    }
}

/// No stored page is fetched again; the one that was in flight when the host died is, where the death lost it.
fn check_pages(lane: &mut Lane, since: u64, armings: &[String]) {
    let counts = lane.runs.log_since(since).page_counts();
    let again: usize = counts.values().map(|count| count - 1).sum();
    let lost = armings.iter().filter(|arming| LOSES_THE_PAGE.iter().any(|point| arming.starts_with(point))).count();
    assert!(again <= lost, "{}: pages fetched again: {counts:?}", lane.doing);
    lane.report.pages += counts.values().sum::<usize>() as u64;
    lane.report.pages_refetched += again as u64;
    lane.report.most_refetched_per_kill = lane.report.most_refetched_per_kill.max(again as u64);
    lane.report.stored_pages_refetched += again.saturating_sub(lost) as u64;
}

/// The failpoints that a run and its children come by when nothing goes wrong, and how often at least.
pub const REACHES: &[(&str, u64)] = &[
    ("api.before_commit", 1),
    ("api.after_commit", 1),
    ("person.before_commit", 1),
    ("person.after_commit", 1),
    ("claim.before", 1),
    ("claim.after", 2),
    ("attempt.before_commit", 2),
    ("attempt.after_commit", 2),
    ("call.before", 6),
    ("call.after", 6),
    ("gate.before_write", 2),
    ("gate.after_reply", 2),
    ("outcome.before_commit", 2),
    ("outcome.looked_up", 2),
    ("outcome.after_commit", 2),
    ("collect.before_page", 3),
    ("collect.after_page", 3),
    ("collect.before_commit", 3),
    ("collect.after_commit", 3),
    ("compare.before_commit", 1),
    ("compare.after_commit", 1),
    ("absent.before_commit", 1),
    ("absent.after_commit", 1),
    ("analyze.before_commit", 3),
    ("analyze.after_commit", 3),
    ("seal.before_commit", 1),
    ("seal.after_commit", 1),
    ("rows.before_commit", 3),
    ("rows.after_commit", 3),
    ("store.before_commit", 18),
    ("store.after_commit", 18),
];

/// Counts what a run comes by, and compares that with the table, both ways.
pub fn counted(people: &mut People, lane: &mut Lane) {
    let ran = people.run(lane, &[], &[]);
    let mut unreached = Vec::new();
    for (point, count) in ran.hits {
        let least = REACHES.iter().find(|(reached, _)| *reached == point).map(|(_, least)| *least);
        match least {
            Some(least) => assert!(count >= least, "a run comes by {point} {count} times, and should {least} times"),
            None if point == "gate.after_write" => {}
            None => {
                assert_eq!(count, 0, "a run comes by {point}, which is not in the table");
                unreached.push(point);
            }
        }
    }
    lane.report.unreached.insert("Reconcile".to_owned(), unreached);
}
