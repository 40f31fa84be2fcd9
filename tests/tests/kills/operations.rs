//! The operations on single accounts, in an order in which one account can go through all of them, and what must be
//! true after each: of the request, of the account's record, and of the target.

use crate::lane::{ACCOUNTS, Lane, UNMARKED};
use gatehouse_tests::counting::{Fault, Rule};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How an operation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A request by its name.
    Request,
    /// A change of the account's link.
    Link(&'static str),
}

/// An operation and the account after it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub name: &'static str,
    how: How,
    /// Writes that the target must have taken for it, no more and no less.
    writes: usize,
    active: bool,
    frozen: bool,
    linked: bool,
}

const fn request(name: &'static str, writes: usize, active: bool) -> Operation {
    Operation { name, how: How::Request, writes, active, frozen: false, linked: true }
}

/// Create first, Delete last; the same name twice where a later one needs it.
pub const CYCLE: &[Operation] = &[
    request("Create", 1, true),
    request("Read", 0, true),
    request("Update", 1, true),
    Operation { frozen: true, ..request("Freeze", 1, false) },
    request("Unfreeze", 1, true),
    Operation { how: How::Link("unlink"), linked: false, ..request("Linking", 0, true) },
    Operation { how: How::Link("link"), ..request("Linking", 0, true) },
    request("Deactivate", 1, false),
    request("Activate", 1, true),
    request("Deactivate", 1, false),
    request("Reactivate", 2, true),
    request("Delete", 1, false),
];

impl Operation {
    pub fn writes(&self) -> bool {
        self.writes > 0
    }

    /// The failpoints it comes by when nothing goes wrong. What is not listed it must not come by.
    pub fn reaches(&self) -> Vec<&'static str> {
        let mut points = vec![
            "api.before_commit",
            "api.after_commit",
            "claim.before",
            "claim.after",
            "store.before_commit",
            "store.after_commit",
        ];
        match self.how {
            How::Link(_) => points.extend(["link.before_commit", "link.after_commit"]),
            How::Request => points.extend([
                "attempt.before_commit",
                "attempt.after_commit",
                "call.before",
                "call.after",
                "outcome.before_commit",
                "outcome.looked_up",
                "outcome.after_commit",
            ]),
        }
        if self.writes() {
            // `gate.after_write` lies between them, and is only come by when it is armed.
            points.extend(["gate.before_write", "gate.after_reply"]);
        }
        points
    }
}

/// Somebody whose account goes through the cycle.
pub struct Person {
    pub user: String,
    pub app: &'static str,
    account: Option<String>,
    changes: u32,
}

impl Person {
    pub fn new(lane: &mut Lane, app: &'static str) -> Self {
        Self { user: lane.new_user(app), app, account: None, changes: 0 }
    }
}

/// An operation that has been asked for.
pub struct Asked {
    pub id: String,
    /// Requests the target had seen before.
    pub since: u64,
}

/// What has to be there for an operation to make sense.
pub fn prepare(lane: &mut Lane, person: &mut Person, operation: &Operation) -> (String, Value) {
    lane.doing = format!("{} {}", operation.name, person.user);
    if matches!(operation.name, "Update" | "Reactivate") {
        person.changes += 1;
        lane.change_user(&person.user, &json!({"last_name": format!("Family{}", person.changes)}));
    }
    match operation.how {
        How::Request => {
            let body = json!({"app": person.app, "operation": operation.name, "user": person.user});
            ("/api/v1/requests".to_owned(), body)
        }
        How::Link(verb) => {
            let account = person.account.as_deref().unwrap();
            let body = if verb == "link" { json!({"user": person.user}) } else { json!({}) };
            (format!("/api/v1/accounts/{account}/{verb}"), body)
        }
    }
}

/// Asks for an operation, through the deaths that are armed.
pub fn ask(lane: &mut Lane, person: &mut Person, operation: &Operation, armings: &[String]) -> Asked {
    let (path, body) = prepare(lane, person, operation);
    let since = lane.accounts.requests();
    lane.arm(armings);
    let key = lane.key();
    let request = lane.ask(&path, &body, &key);
    Asked { id: request["id"].as_str().unwrap().to_owned(), since }
}

/// Has an operation done, with the host dying at `armings`, its next ones at `next_starts`, one each.
pub fn perform(
    lane: &mut Lane,
    person: &mut Person,
    operation: &Operation,
    armings: &[String],
    next_starts: &[String],
) {
    let deaths = lane.report.kills.len() + usize::from(!armings.is_empty()) + next_starts.len();
    lane.arm_next_starts(next_starts);
    let asked = ask(lane, person, operation, armings);
    lane.settled(&asked.id, &[]);
    while lane.report.kills.len() < deaths {
        lane.must_die();
    }
    check(lane, person, operation, &asked);
}

/// What must be true once an operation is settled, whatever happened on the way.
pub fn check(lane: &mut Lane, person: &mut Person, operation: &Operation, asked: &Asked) {
    let request = lane.settled(&asked.id, &[]);
    let story = || format!("{}:\n{}", lane.doing, lane.story(&asked.id));
    assert_eq!(request["state"], "Completed", "{}", story());
    for attempt in request["attempts"].as_array().unwrap() {
        let known = attempt["outcome"].as_str().is_some_and(|outcome| outcome != "unknown");
        assert!(known, "an attempt without an end: {}", story());
    }
    let log = lane.accounts.log_since(asked.since);
    let taken = log.taken().filter(|seen| seen.user_name.as_deref() == Some(&person.user)).count();
    assert_eq!(taken, operation.writes, "writes that the target took: {}", story());
    account_agrees(lane, person, operation, &story);
    lane.report.settled += 1;
    lane.report.writes_taken += taken as u64;
}

/// The account's record and the target's account say the same, and what the operation was to bring about.
fn account_agrees(lane: &Lane, person: &mut Person, operation: &Operation, story: &impl Fn() -> String) {
    let path = format!("/api/v1/accounts?app={}&user={}", person.app, person.user);
    let at_target = lane.accounts.users_named(&person.user);
    let record = match person.account.as_deref().filter(|_| !operation.linked) {
        // It is nobody's, and found by its number alone.
        Some(id) => lane.get(&format!("/api/v1/accounts/{id}")).unwrap(),
        None => {
            let list = lane.get(&path).unwrap();
            assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list:#}\n{}", story());
            list["items"][0].clone()
        }
    };
    person.account = record["id"].as_str().map(str::to_owned);
    if operation.name == "Delete" {
        assert_eq!((&record["status"], at_target.len()), (&json!("Deleted"), 0), "{}", story());
        return;
    }
    assert_eq!(at_target.len(), 1, "accounts of this name in the target: {}", story());
    let user = &at_target[0];
    assert_eq!(record["external_id"], user["id"], "{}", story());
    assert_eq!(user["active"], operation.active, "{}", story());
    assert_eq!(record["frozen"], operation.frozen, "{}", story());
    let active = if operation.active || operation.frozen { "Active" } else { "Deactivated" };
    assert_eq!(record["status"], active, "{}", story());
    assert_eq!(record["link_state"] == "Linked", operation.linked, "{}", story());
    if operation.writes() {
        assert_eq!(user["name"]["familyName"], record["last_name"], "{}", story());
    }
}

/// The whole cycle for somebody new, each operation killed at its nth coming by `point` if it comes by so often.
pub fn cycle_killed_at(lane: &mut Lane, point: &str, nth: u64) {
    let mut person = Person::new(lane, ACCOUNTS);
    for operation in CYCLE {
        // The engine looks for work all the time: only what is found there after a start is for sure this request.
        if point == "claim.before" {
            let (stored, then) = (["api.after_commit:1".to_owned()], ["claim.before:1".to_owned()]);
            perform(lane, &mut person, operation, &stored, &then);
            continue;
        }
        let reached = operation.reaches().contains(&point) || (point == "gate.after_write" && operation.writes());
        let commits = operation.reaches().iter().filter(|point| point.ends_with("before_commit")).count() as u64;
        // Each transition is a commit of the store, and so is the claim.
        let times = if point.starts_with("store.") { commits } else { 1 };
        let armings = if reached && nth <= times { vec![format!("{point}:{nth}")] } else { Vec::new() };
        if point == "gate.after_write" {
            // Longer than the host waits there: it dies before there is an answer.
            lane.accounts.fault(Rule::once(Fault::DelayReply(3000)).on("write", "/Users"));
        }
        perform(lane, &mut person, operation, &armings, &[]);
        lane.accounts.clear_faults();
    }
}

/// The whole cycle for somebody new, each write killed at `first` and its recovery at `then`.
pub fn cycle_killed_again(lane: &mut Lane, first: &str, then: &str) {
    let mut person = Person::new(lane, ACCOUNTS);
    for operation in CYCLE {
        let (armings, next) = (vec![format!("{first}:1")], vec![format!("{then}:1")]);
        let both = if operation.writes() { (armings, next) } else { (Vec::new(), Vec::new()) };
        perform(lane, &mut person, operation, &both.0, &both.1);
    }
}

/// Counts what each operation comes by, and compares that with the table, both ways.
pub fn cycle_counted(lane: &mut Lane) {
    let mut person = Person::new(lane, ACCOUNTS);
    for operation in CYCLE {
        perform(lane, &mut person, operation, &[], &[]);
        let hits = lane.hits();
        let expected = operation.reaches();
        let mut unreached = Vec::new();
        for (point, count) in hits {
            let reaches = expected.contains(&point.as_str());
            assert_eq!(count > 0, reaches, "{} comes by {point} {count} times", operation.name);
            if !reaches && point != "gate.after_write" {
                unreached.push(point);
            }
        }
        lane.report.unreached.insert(operation.name.to_owned(), unreached);
    }
}

/// The whole cycle with an approval of each operation, killed at `point` of the approval.
pub fn cycle_approved(lane: &mut Lane, point: &str) {
    let every: Vec<&str> = CYCLE.iter().map(|operation| operation.name).collect();
    let every: std::collections::BTreeSet<&str> = every.into_iter().collect();
    lane.configure(ACCOUNTS, |config| config["approval_required"] = json!(every));
    let mut person = Person::new(lane, ACCOUNTS);
    for operation in CYCLE {
        let asked = ask(lane, &mut person, operation, &[]);
        let request = lane.get(&format!("/api/v1/requests/{}", asked.id)).unwrap();
        assert_eq!(request["approval"], "Required", "{request:#}");
        decide(lane, &asked.id, "approve", &json!({"digest": request["digest"]}), point);
        check(lane, &mut person, operation, &asked);
    }
    lane.configure(ACCOUNTS, |config| config["approval_required"] = json!([]));
}

/// A person decides, and the host dies at `point` of that.
fn decide(lane: &mut Lane, id: &str, verb: &str, body: &Value, point: &str) -> Value {
    let deaths = lane.report.kills.len() + 1;
    lane.arm(&[format!("{point}:1")]);
    let key = lane.key();
    let answer = lane.ask(&format!("/api/v1/requests/{id}/{verb}"), body, &key);
    assert_eq!(lane.report.kills.len(), deaths, "{verb} dies at {point}");
    answer
}

/// Denied, cancelled, retried, completed by hand: each decision is made once, whatever happens.
pub fn decisions(lane: &mut Lane, point: &str) {
    let create = &CYCLE[0];
    lane.configure(ACCOUNTS, |config| config["approval_required"] = json!(["Create"]));
    for (verb, body) in [("deny", json!({"reason": "no"})), ("cancel", json!({}))] {
        let mut person = Person::new(lane, ACCOUNTS);
        let asked = ask(lane, &mut person, create, &[]);
        lane.doing = format!("{verb} {}", person.user);
        decide(lane, &asked.id, verb, &body, point);
        assert_eq!(lane.settled(&asked.id, &[])["state"], "Cancelled", "{}", lane.story(&asked.id));
        assert!(lane.accounts.users_named(&person.user).is_empty());
        lane.report.settled += 1;
    }
    lane.configure(ACCOUNTS, |config| config["approval_required"] = json!([]));
    for (verb, body, after) in
        [("retry", json!({}), "Retried"), ("complete", json!({"note": "done"}), "ManuallyCompleted")]
    {
        let mut person = Person::new(lane, ACCOUNTS);
        lane.accounts.fault(Rule::once(Fault::FailBefore(403)).on("POST", "/Users"));
        let asked = ask(lane, &mut person, create, &[]);
        assert_eq!(lane.settled(&asked.id, &[])["state"], "Failed", "{}", lane.story(&asked.id));
        lane.accounts.clear_faults();
        lane.doing = format!("{verb} {}", person.user);
        let answer = decide(lane, &asked.id, verb, &body, point);
        assert_eq!(lane.settled(&asked.id, &[])["state"], after, "{}", lane.story(&asked.id));
        if verb == "retry" {
            let clone = Asked { id: answer["id"].as_str().unwrap().to_owned(), since: asked.since };
            check(lane, &mut person, create, &clone);
        } else {
            assert!(lane.accounts.users_named(&person.user).is_empty());
        }
        lane.report.settled += 1;
    }
}

/// A host that is told to stop while a call is under way, and killed at `point` of that.
pub fn shutdown(lane: &mut Lane, point: &str) {
    let mut person = Person::new(lane, ACCOUNTS);
    for operation in CYCLE {
        if !operation.writes() {
            perform(lane, &mut person, operation, &[], &[]);
            continue;
        }
        lane.accounts.fault(Rule::once(Fault::DelayReply(300)).on("write", "/Users"));
        let deaths = lane.report.kills.len() + 1;
        let asked = ask(lane, &mut person, operation, &[format!("{point}:1")]);
        lane.settled(&asked.id, &["Committing"]);
        lane.host.process().ask_to_end();
        while lane.report.kills.len() < deaths {
            lane.must_die();
        }
        lane.accounts.clear_faults();
        check(lane, &mut person, operation, &asked);
    }
}

/// The store is compacted in the middle of somebody's cycle, and the host killed meanwhile.
pub fn compaction(lane: &mut Lane, point: &str) {
    let mut person = Person::new(lane, ACCOUNTS);
    for operation in CYCLE {
        lane.doing = format!("compact {point}");
        let deaths = lane.report.kills.len() + 1;
        lane.arm(&[format!("{point}:1")]);
        let key = lane.key();
        let answered = lane.post("/api/v1/compact", &json!({}), &key).map(|answer| answer.text);
        assert!(answered.is_err(), "{}: {answered:?}", lane.doing);
        while lane.report.kills.len() < deaths {
            lane.must_die();
        }
        perform(lane, &mut person, operation, &[], &[]);
    }
}

/// An Unfreeze of an account that is deactivated besides: nothing is left to call for.
pub fn concluded(lane: &mut Lane, point: &str) {
    let mut person = Person::new(lane, ACCOUNTS);
    let of: BTreeMap<&str, &Operation> = CYCLE.iter().map(|operation| (operation.name, operation)).collect();
    perform(lane, &mut person, of["Create"], &[], &[]);
    perform(lane, &mut person, of["Freeze"], &[], &[]);
    perform(lane, &mut person, &Operation { active: false, frozen: true, ..*of["Update"] }, &[], &[]);
    let asked = ask(lane, &mut person, of["Deactivate"], &[]);
    assert_eq!(lane.settled(&asked.id, &[])["state"], "Completed", "{}", lane.story(&asked.id));
    let before = lane.accounts.requests();
    let unfreeze = Operation { writes: 0, active: false, ..*of["Unfreeze"] };
    perform(lane, &mut person, &unfreeze, &[format!("{point}:1")], &[]);
    assert_eq!(lane.accounts.requests(), before, "the target is asked nothing");
}

/// A Create without a marker: what reading cannot prove to be ours goes to review, with the true reason.
pub fn unmarked(lane: &mut Lane, point: &str, arrives: bool) {
    let mut person = Person::new(lane, UNMARKED);
    let create = &CYCLE[0];
    let deaths = lane.report.kills.len() + 1;
    let asked = ask(lane, &mut person, create, &[format!("{point}:1")]);
    let request = lane.settled(&asked.id, &[]);
    assert_eq!(lane.report.kills.len(), deaths, "{point}");
    if !arrives {
        return check(lane, &mut person, create, &asked);
    }
    let story = lane.story(&asked.id);
    assert_eq!((&request["state"], &request["needs_review"]), (&json!("Failed"), &json!(true)), "{story}");
    let at_target = lane.accounts.users_named(&person.user);
    assert_eq!(at_target.len(), 1, "{story}");
    let why = request["error"].as_str().unwrap();
    let id = at_target[0]["id"].as_str().unwrap();
    assert!(why.contains("no answer came") && why.contains(&person.user) && why.contains(id), "{why}\n{story}");
    assert!(!story.contains("was not made"), "a write that arrived is never said not to have been made: {story}");
    lane.report.settled += 1;
    lane.report.writes_taken += 1;
    let same = why.replace(&person.user, "NAME").replace(id, "ID");
    lane.report.in_review.push(same);
    match point {
        "gate.after_write" => made(lane, &asked.id, id, "person.before_commit"),
        "gate.after_reply" => made(lane, &asked.id, id, "person.after_commit"),
        _ => {}
    }
}

/// Somebody looks at what is in review, and says that it was made; that is said once, whenever the host dies.
fn made(lane: &mut Lane, request: &str, external_id: &str, point: &str) {
    lane.doing = "settle in review".to_owned();
    let body = json!({"outcome": "made", "external_id": external_id, "reason": "seen there"});
    decide(lane, request, "settle", &body, point);
    let settled = lane.settled(request, &[]);
    assert_eq!(settled["state"], "ManuallyCompleted", "{}", lane.story(request));
    let account = settled["account"].as_str().unwrap();
    let record = lane.get(&format!("/api/v1/accounts/{account}")).unwrap();
    assert_eq!(record["external_id"], external_id, "{}", lane.story(request));
    assert_eq!(record["link_state"], "Linked", "{}", lane.story(request));
}
