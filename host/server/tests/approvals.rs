//! Approvals as people meet them: over the HTTP API, each with a token of their own, by a clock that moves when told to.
//! (Who may see what is another matter, and no part of this.)
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Admitting, Answer, Host, ManualClock};
use gatehouse_core::ports::{ChangeSet, Clock, Sequence, Token, Versioned};
use gatehouse_core::sharing::{Access, Audience, Owner, SharingRule};
use gatehouse_core::{Group, PermissionSet, SystemPermission, User, UserId};
use gatehouse_engine::{Engine, EngineConfig};
use gatehouse_server::service::hash_of;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A host with app `hr`, and people with tokens: `subject` (whose manager is `boss`), `asker`, `ann`, `ben`, `cat`, and
/// `admin`, who alone has Manage Users.
struct Office {
    host: Host,
    clock: Arc<ManualClock>,
    people: BTreeMap<String, UserId>,
}

impl Office {
    /// Everybody sees what is asked for, and may try to decide: who may, is for the steps to say.
    fn open(approvals: &Json) -> Self {
        let office = Self::where_nobody_sees(approvals);
        let members = office.people.values().copied().collect();
        let group = Group { name: "office".to_owned(), description: String::new(), members, version: 0 };
        let rule = SharingRule {
            name: "office".to_owned(),
            description: String::new(),
            app: None,
            operations: Default::default(),
            owner: Owner::Anybody,
            audience: Audience::Group("office".to_owned()),
            access: Access::Approve,
            version: 0,
            created_at: office.clock.now(),
        };
        let (groups, sharing_rules) = (vec![Versioned::new(group)], vec![Versioned::new(rule)]);
        office.commit(ChangeSet { groups, sharing_rules, ..ChangeSet::default() });
        office
    }

    fn where_nobody_sees(approvals: &Json) -> Self {
        let clock = ManualClock::starting();
        let host = Host::start_by(clock.clone()).with_app().looked_at();
        let mut office = Self { host, clock, people: BTreeMap::new() };
        for name in ["boss", "subject", "asker", "ann", "ben", "cat", "admin"] {
            office.hire(name);
        }
        let set = PermissionSet {
            name: "managers".to_owned(),
            description: String::new(),
            permissions: [SystemPermission::ManageUsers, SystemPermission::ViewSetup].into(),
            version: 0,
        };
        office.commit(ChangeSet { permission_sets: vec![Versioned::new(set)], ..ChangeSet::default() });
        // Whoever asks for requests must be let.
        for name in ["admin", "asker"] {
            office.change_person(name, |user| user.permission_sets = ["managers".to_owned()].into());
        }
        let boss = office.people["boss"];
        office.change_person("subject", |user| user.manager = Some(boss));
        office.configure(approvals);
        office
    }

    fn hire(&mut self, name: &str) {
        // Straight into the store: that somebody is new raises no request then.
        let id = UserId(self.host.store().allocate(Sequence::User, 1));
        let user = User {
            id,
            username: name.to_owned(),
            email: Some(format!("{name}@example.com")),
            first_name: Some(name.to_owned()),
            last_name: None,
            manager: None,
            manager_username: None,
            erased_at: None,
            profile: Some("staff".to_owned()),
            permission_sets: Default::default(),
            active: true,
            frozen: false,
            attributes: BTreeMap::new(),
            version: 0,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        };
        self.commit(ChangeSet { users: vec![Versioned::new(user)], ..ChangeSet::default() });
        let token = Token {
            hash: hash_of(&token(name)),
            name: format!("{name}-token"),
            user: Some(id),
            scopes: Default::default(),
            expires_at: None,
            created_at: self.clock.now(),
            revoked_at: None,
            version: 0,
        };
        self.commit(ChangeSet { tokens: vec![Versioned::new(token)], ..ChangeSet::default() });
        self.people.insert(name.to_owned(), id);
    }

    fn commit(&self, changes: ChangeSet) {
        self.host.wait(self.host.store().commit(changes)).unwrap();
    }

    fn change_person(&self, name: &str, change: impl FnOnce(&mut gatehouse_core::User)) {
        let mut user = self.host.wait(self.host.store().user(self.people[name])).unwrap().unwrap();
        let version = user.version;
        change(&mut user);
        self.commit(ChangeSet { users: vec![Versioned::replacing(version, user)], ..ChangeSet::default() });
    }

    fn configure(&self, approvals: &Json) {
        let config = json!({"config": {"approvals": approvals}});
        let done = self.host.call("PATCH", "/apps/hr", &[], Some(&config));
        assert_eq!(done.status, 200, "{done:?}");
    }

    fn by(&self, name: &str, method: &str, path: &str, body: Option<&Json>) -> Answer {
        self.host.call_by(&token(name), method, path, &[], body)
    }

    /// A Create for `subject`, asked for by `asker`.
    fn ask(&self) -> Json {
        let body = json!({"app": "hr", "operation": "Create", "user": "subject"});
        let asked = self.by("asker", "POST", "/requests", Some(&body));
        assert_eq!(asked.status, 202, "{asked:?}");
        asked.body
    }

    fn show(&self, request: &Json) -> Json {
        self.host.get(&format!("/requests/{}", request["id"].as_str().unwrap())).body
    }

    fn approve(&self, name: &str, request: &Json) -> Answer {
        let path = format!("/requests/{}/approve", request["id"].as_str().unwrap());
        self.by(name, "POST", &path, Some(&json!({"digest": request["digest"], "reason": "fine"})))
    }

    fn delegate(&self, from: &str, to: &str, begins: i64, ends: i64) -> Answer {
        let (from_time, until) = (self.clock.in_seconds(begins), self.clock.in_seconds(ends));
        let body = json!({"user": from, "delegate": to, "from": from_time, "until": until});
        self.host.post("/delegations", &body)
    }

    fn waiting_for(&self, name: &str) -> Vec<String> {
        let list = self.by(name, "GET", "/requests?awaiting=me", None);
        assert_eq!(list.status, 200, "{list:?}");
        list.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    /// An engine of this very store and clock, at work until the request is settled.
    fn work_until_settled(&self, request: &Json) -> Json {
        let config = EngineConfig { poll: Duration::from_millis(5), ..EngineConfig::new("test") };
        let engine = Engine::new(self.host.store(), Arc::new(Admitting), self.clock.clone(), config).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        self.host.wait(async {
            let running = tokio::spawn(async move { engine.run(async { drop(stopped.await) }).await });
            let id = request["id"].as_str().unwrap().parse().unwrap();
            let store = self.host.store();
            let settled = async {
                while !store.request(id).await.unwrap().unwrap().state.is_settled() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(common::GENEROUS, settled).await.unwrap();
            stop.send(()).unwrap();
            running.await.unwrap();
        });
        self.show(request)
    }
}

/// The token of a person.
fn token(name: &str) -> String {
    format!("ghs_{name}_{name}_{name}")
}

fn create(steps: &Json) -> Json {
    json!([{"operations": ["Create"], "steps": steps}])
}

fn refused(answer: &Answer, case: &str, text: &str) {
    assert_eq!(answer.case(), case, "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(text), "{detail}");
}

#[test]
fn steps_are_shown_with_who_when_and_why_and_the_request_runs_after_the_last() {
    let office = Office::open(&create(&json!([{"approvers": "manager"}, {"approvers": {"users": ["ann", "ben"]}}])));
    let request = office.ask();
    assert_eq!((&request["state"], &request["approval"]), (&json!("New"), &json!("Required")));
    assert_eq!(request["approvals"][0]["approvers"][0]["name"], "boss");
    assert_eq!(
        (&request["approvals"][0]["state"], &request["approvals"][1]["state"]),
        (&json!("open"), &json!("later"))
    );
    assert_eq!(office.waiting_for("boss"), [request["id"].as_str().unwrap()]);
    assert!(office.waiting_for("ann").is_empty(), "not yet");
    refused(&office.approve("ann", &request), "not-an-approver", "it waits for the user's manager");
    let once = office.approve("boss", &request);
    assert_eq!((once.status, &once.body["state"]), (200, &json!("New")), "{once:?}");
    office.clock.advance(60);
    let done = office.approve("ben", &request);
    assert_eq!(
        (done.status, &done.body["state"], &done.body["approval"]),
        (202, &json!("Requested"), &json!("Approved"))
    );
    let vote = &done.body["approvals"][1]["votes"][0];
    assert_eq!(
        (&vote["person"]["name"], &vote["reason"], &vote["agrees"]),
        (&json!("ben"), &json!("fine"), &json!(true))
    );
    assert_eq!(vote["at"], office.clock.now().to_string());
    assert!(office.waiting_for("ann").is_empty() && office.waiting_for("boss").is_empty());
}

#[test]
fn nobody_approves_what_they_asked_for_or_their_own_account() {
    let everybody = json!({"users": ["asker", "subject", "ann"]});
    let office = Office::open(&create(&json!([{"approvers": everybody}])));
    let request = office.ask();
    let names: Vec<&str> =
        request["approvals"][0]["approvers"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann"]);
    refused(&office.approve("asker", &request), "not-an-approver", "nobody decides about their own request");
    refused(&office.approve("subject", &request), "forbidden", "nobody decides about their own");
    assert_eq!(office.delegate("asker", "ben", 0, 3600).status, 201);
    refused(&office.approve("ben", &request), "not-an-approver", "cannot decide in their place either");
    assert_eq!(office.delegate("ann", "asker", 0, 3600).status, 201);
    refused(&office.approve("asker", &request), "not-an-approver", "nobody decides about their own request");
    assert!(office.waiting_for("asker").is_empty(), "what one cannot decide is not waiting for one");
    let deny = json!({"reason": "I changed my mind"});
    let path = format!("/requests/{}/deny", request["id"].as_str().unwrap());
    refused(&office.by("asker", "POST", &path, Some(&deny)), "not-an-approver", "their own request");
    assert_eq!(office.approve("ann", &request).status, 202);
}

#[test]
fn an_approval_after_the_change_has_become_another_is_refused() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let request = office.ask();
    let mut stale = request.clone();
    stale["digest"] = json!("0".repeat(64));
    refused(&office.approve("ann", &stale), "wrong-state", "look at it again");
    // For a date, the change is planned anew on the day: the approval of what was seen before is worth nothing then.
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let run_at = office.clock.in_seconds(3600);
    let body = json!({"app": "hr", "operation": "Create", "user": "subject", "run_at": run_at});
    let dated = office.by("asker", "POST", "/requests", Some(&body)).body;
    assert_eq!(
        (&dated["state"], &dated["run_at"], &dated["awaits_date"]),
        (&json!("New"), &json!(run_at), &json!(true))
    );
    assert_eq!(office.approve("ann", &dated).body["approval"], "Approved");
    office.change_person("subject", |user| user.email = Some("another@example.com".to_owned()));
    office.clock.advance(3600);
    let ended = office.work_until_settled(&dated);
    assert_eq!(ended["state"], "Cancelled");
    let anew = office.host.get(&format!("/requests/{}", ended["superseded_by"].as_str().unwrap())).body;
    assert_eq!(
        (&anew["supersedes"], &anew["state"], &anew["approval"]),
        (&dated["id"], &json!("New"), &json!("Required"))
    );
    refused(&office.approve("ann", &dated), "wrong-state", "does not wait for an approval");
    let with_old = json!({"id": anew["id"], "digest": dated["digest"]});
    refused(&office.approve("ann", &with_old), "wrong-state", "is not what was approved");
    assert_eq!(office.waiting_for("ann"), [anew["id"].as_str().unwrap()]);
    assert_eq!(office.approve("ann", &anew).status, 202);
}

#[test]
fn a_delegate_decides_while_the_delegation_holds_and_is_refused_once_it_has_ended() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann"]}}])));
    let request = office.ask();
    let made = office.delegate("ann", "ben", 0, 3600);
    assert_eq!((made.status, &made.body["holds"]), (201, &json!(true)), "{made:?}");
    assert_eq!(office.waiting_for("ben"), [request["id"].as_str().unwrap()]);
    office.clock.advance(3600);
    refused(&office.approve("ben", &request), "not-an-approver", "no longer does");
    assert!(office.waiting_for("ben").is_empty());
    let path = format!("/delegations/{}", made.body["id"].as_str().unwrap());
    let longer = json!({"until": office.clock.in_seconds(60)});
    assert_eq!(office.host.call("PATCH", &path, &[], Some(&longer)).body["holds"], true);
    let done = office.approve("ben", &request);
    let vote = &done.body["approvals"][0]["votes"][0];
    assert_eq!((&vote["person"]["name"], &vote["instead_of"]["name"]), (&json!("ben"), &json!("ann")), "{done:?}");
    let other = office.ask_for("cat");
    assert_eq!(office.host.call("DELETE", &path, &[], None).status, 204);
    refused(&office.approve("ben", &other), "not-an-approver", "is not asked");
    assert_eq!(office.host.get(&path).case(), "not-found");
}

impl Office {
    fn ask_for(&self, user: &str) -> Json {
        let body = json!({"app": "hr", "operation": "Create", "user": user});
        let asked = self.by("asker", "POST", "/requests", Some(&body));
        assert_eq!(asked.status, 202, "{asked:?}");
        asked.body
    }
}

#[test]
fn one_person_counts_once_however_often_and_as_whomever_they_vote() {
    let office = Office::open(&create(&json!([{"approvers": {"users": ["ann", "ben", "cat"]}, "quorum": 2}])));
    let request = office.ask();
    assert_eq!(office.approve("ann", &request).body["state"], "New");
    refused(&office.approve("ann", &request), "not-an-approver", "counts once");
    assert_eq!(office.delegate("ben", "ann", 0, 3600).status, 201);
    refused(&office.approve("ann", &request), "not-an-approver", "counts once");
    assert_eq!(office.delegate("ann", "boss", 0, 3600).status, 201);
    refused(&office.approve("boss", &request), "not-an-approver", "counted already");
    assert_eq!(office.show(&request)["state"], "New");
    assert_eq!(office.approve("cat", &request).body["approval"], "Approved");
}

#[test]
fn a_deadline_that_passed_while_no_host_ran_escalates_and_then_denies() {
    let escalate = json!({"escalate": {"to": {"users": ["cat"]}, "deadline_seconds": 7200}});
    let step = json!({"approvers": {"users": ["ann"]}, "deadline_seconds": 3600, "on_deadline": escalate});
    let office = Office::open(&create(&json!([step])));
    let request = office.ask();
    assert_eq!(request["approvals"][0]["deadline"], office.clock.in_seconds(3600));
    // Nobody was there to act on it. It is over all the same.
    office.clock.advance(5000);
    refused(&office.approve("ann", &request), "not-an-approver", "the time to decide is over");
    let other = office.ask_for("boss");
    assert_eq!(office.approve("ann", &other).status, 202);
    // A host starts, and hands the first one on; it still runs when the second deadline passes.
    office.work_a_turn();
    let escalated = office.show(&request);
    let step = &escalated["approvals"][0];
    assert_eq!((&step["escalated"], &step["approvers"][0]["name"]), (&json!(true), &json!("cat")), "{escalated:#}");
    assert_eq!(office.waiting_for("cat"), [request["id"].as_str().unwrap()]);
    refused(&office.approve("ann", &request), "not-an-approver", "is not asked");
    office.clock.advance(7200);
    let denied = office.work_until_settled(&request);
    assert_eq!((&denied["state"], &denied["approval"]), (&json!("Cancelled"), &json!("Denied")));
    assert_eq!(denied["approvals"][0]["state"], "denied");
    let log = office.host.get(&format!("/requests/{}/log", request["id"].as_str().unwrap())).text;
    assert!(log.contains("others are asked") && log.contains("nobody decided until"), "{log}");
}

impl Office {
    /// An engine that starts, does what the clock has brought, and stops.
    fn work_a_turn(&self) {
        let config = EngineConfig { poll: Duration::from_millis(5), ..EngineConfig::new("turn") };
        let engine = Engine::new(self.host.store(), Arc::new(Admitting), self.clock.clone(), config).unwrap();
        let (store, now) = (self.host.store(), self.clock.now());
        self.host.wait(async {
            let handled = async {
                while !store.alarms(now, None, 9).await.unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(common::GENEROUS, engine.run(handled)).await.unwrap();
        });
    }
}

#[test]
fn whoever_cannot_be_found_is_replaced_by_whoever_manages_users_and_that_is_said() {
    let office = Office::open(&create(&json!([{"approvers": "manager"}])));
    let request = office.ask_for("boss");
    let step = &request["approvals"][0];
    assert_eq!(step["approvers"][0]["name"], "admin");
    assert!(step["why"].as_str().unwrap().contains("`boss` has no manager"), "{step}");
    let log = office.host.get(&format!("/requests/{}/log", request["id"].as_str().unwrap())).text;
    assert!(log.contains("has no manager"), "{log}");
    assert_eq!(office.approve("admin", &request).status, 202);
}

#[test]
fn the_old_setting_is_one_step_for_whoever_may_manage_requests() {
    let office = Office::where_nobody_sees(&json!([]));
    let config = json!({"config": {"approval_required": ["Create"]}});
    assert_eq!(office.host.call("PATCH", "/apps/hr", &[], Some(&config)).status, 200);
    let request = office.ask();
    assert_eq!(request["approvals"][0]["approvers"][0]["name"], "admin");
    refused(&office.approve("ann", &request), "not-found", "there is no request");
    office.change_person("admin", |user| user.permission_sets.clear());
    refused(&office.approve("admin", &request), "not-an-approver", "has lost the permission");
    let path = format!("/requests/{}/approve", request["id"].as_str().unwrap());
    let done = office.host.post(&path, &json!({"digest": request["digest"]}));
    let vote = &done.body["approvals"][0]["votes"][0];
    assert_eq!((done.status, &vote["person"], &vote["by"]), (202, &Json::Null, &json!("first")), "named as such");
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_with_its_place() {
    let office = Office::open(&json!([]));
    let wrong = |steps: Json, pointer: &str, text: &str| {
        let config = json!({"config": {"approvals": create(&steps)}});
        let answer = office.host.call("PATCH", "/apps/hr", &[], Some(&config));
        assert_eq!(answer.status, 422, "{answer:?}");
        let errors = answer.body["errors"].as_array().unwrap();
        let at = errors.iter().find(|error| error["pointer"] == pointer);
        assert!(at.is_some_and(|error| error["detail"].as_str().unwrap().contains(text)), "{answer:?}");
    };
    let manager = json!({"approvers": "manager"});
    let users = json!({"approvers": {"users": ["nobody"]}});
    wrong(json!([manager, users]), "/config/approvals/0/steps/1/approvers", "no user `nobody`");
    let group = json!({"approvers": {"group": "security"}});
    wrong(json!([group]), "/config/approvals/0/steps/0/approvers", "no group `security`");
    wrong(json!([{"approvers": "manager", "quorum": 2}]), "/config/approvals/0/steps/0/quorum", "not between 1 and 1");
    wrong(json!([{"approvers": "chance"}]), "/config/approvals/0/steps/0/approvers", "chance");
    wrong(json!([]), "/config/approvals/0/steps", "name whom to ask");
}

#[test]
fn delegations_that_make_no_sense_are_refused() {
    let office = Office::open(&json!([]));
    refused(&office.delegate("ann", "ann", 0, 10), "invalid", "for themselves");
    refused(&office.delegate("ann", "ben", 10, 10), "invalid", "is not after");
    refused(&office.delegate("ann", "ben", -20, -10), "invalid", "is over");
    office.change_person("ben", |user| user.active = false);
    refused(&office.delegate("ann", "ben", 0, 10), "invalid", "could decide nothing");
    assert_eq!(office.host.get("/requests?awaiting=me").case(), "invalid", "the installation is no person");
}

#[test]
fn a_date_can_be_given_changed_and_withdrawn_until_it_comes() {
    let office = Office::open(&json!([]));
    let ask = |run_at: String| {
        let body = json!({"app": "hr", "operation": "Create", "user": "subject", "run_at": run_at});
        office.by("asker", "POST", "/requests", Some(&body))
    };
    refused(&ask(office.clock.in_seconds(0)), "invalid", "is past");
    let dated = ask(office.clock.in_seconds(60)).body;
    assert_eq!(
        (&dated["state"], &dated["due"], &dated["awaits_date"]),
        (&json!("Requested"), &Json::Null, &json!(true))
    );
    let path = format!("/requests/{}", dated["id"].as_str().unwrap());
    let later = json!({"run_at": office.clock.in_seconds(3600)});
    let moved = office.host.call("PATCH", &path, &[], Some(&later));
    assert_eq!((moved.status, &moved.body["run_at"]), (200, &later["run_at"]), "{moved:?}");
    let past = json!({"run_at": office.clock.in_seconds(-1)});
    refused(&office.host.call("PATCH", &path, &[], Some(&past)), "invalid", "is past");
    let seen = office.host.call("PATCH", &path, &[("if-match", "\"1\"")], Some(&later));
    assert_eq!(seen.case(), "changed");
    let cancelled = office.host.post(&format!("{path}/cancel"), &json!({"reason": "she stays"}));
    assert_eq!(cancelled.body["state"], "Cancelled");
    refused(&office.host.call("PATCH", &path, &[], Some(&later)), "wrong-state", "waits for no date");
    let at_once = office.ask_for("ann");
    let path = format!("/requests/{}", at_once["id"].as_str().unwrap());
    refused(&office.host.call("PATCH", &path, &[], Some(&later)), "wrong-state", "waits for no date");
}

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
    assert_eq!(dated["waits_for"], "date", "{dated}");
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
}

#[test]
fn the_manager_of_somebody_who_is_made_is_asked_about_their_first_account() {
    let office = Office::open(&create(&json!([{"approvers": "manager"}])));
    let newcomer = json!({"username": "new", "email": "new@example.com", "profile": "staff", "manager": "boss"});
    assert_eq!(office.host.post("/users", &newcomer).status, 201);
    let request = office.host.get("/requests?user=new").body["items"][0].clone();
    assert_eq!((&request["operation"], &request["event"]), (&json!("Create"), &json!("create_user")));
    assert_eq!(request["approvals"][0]["approvers"][0]["name"], "boss", "{request}");
    assert_eq!(office.waiting_for("boss"), [request["id"].as_str().unwrap()]);
}

#[test]
fn nobody_gets_a_vote_by_making_a_token_for_whoever_has_it() {
    let office = Office::open(&json!([]));
    let token = json!({"name": "for-ann", "user": "ann"});
    let refused = office.by("asker", "POST", "/tokens", Some(&token));
    assert_eq!(refused.case(), "forbidden", "managing people is not enough: {refused:?}");
    office.change_person("asker", |user| user.permission_sets.insert("all".to_owned()).then_some(()).unwrap());
    let all = PermissionSet {
        name: "all".to_owned(),
        description: String::new(),
        permissions: SystemPermission::ALL.into(),
        version: 0,
    };
    office.commit(ChangeSet { permission_sets: vec![Versioned::new(all)], ..ChangeSet::default() });
    assert_eq!(office.by("asker", "POST", "/tokens", Some(&token)).status, 201, "who may change everything may");
}
