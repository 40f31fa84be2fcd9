//! An office whose people ask for accounts and approve them, each with a token of their own, by a clock that moves when
//! told to.

use crate::common::{self, Admitting, Answer, Host, ManualClock};
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
pub struct Office {
    pub host: Host,
    pub clock: Arc<ManualClock>,
    pub people: BTreeMap<String, UserId>,
}

impl Office {
    /// Everybody sees what is asked for, and may try to decide: who may, is for the steps to say.
    pub fn open(approvals: &Json) -> Self {
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

    pub fn where_nobody_sees(approvals: &Json) -> Self {
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

    pub fn hire(&mut self, name: &str) {
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

    pub fn commit(&self, changes: ChangeSet) {
        self.host.wait(self.host.store().commit(changes)).unwrap();
    }

    pub fn change_person(&self, name: &str, change: impl FnOnce(&mut gatehouse_core::User)) {
        let mut user = self.host.wait(self.host.store().user(self.people[name])).unwrap().unwrap();
        let version = user.version;
        change(&mut user);
        self.commit(ChangeSet { users: vec![Versioned::replacing(version, user)], ..ChangeSet::default() });
    }

    pub fn configure(&self, approvals: &Json) {
        let config = json!({"config": {"approvals": approvals}});
        let done = self.host.call("PATCH", "/apps/hr", &[], Some(&config));
        assert_eq!(done.status, 200, "{done:?}");
    }

    pub fn by(&self, name: &str, method: &str, path: &str, body: Option<&Json>) -> Answer {
        self.host.call_by(&token(name), method, path, &[], body)
    }

    /// A Create for `subject`, asked for by `asker`.
    pub fn ask(&self) -> Json {
        self.ask_for("subject")
    }

    pub fn show(&self, request: &Json) -> Json {
        self.host.get(&format!("/requests/{}", request["id"].as_str().unwrap())).body
    }

    pub fn approve(&self, name: &str, request: &Json) -> Answer {
        let path = format!("/requests/{}/approve", request["id"].as_str().unwrap());
        self.by(name, "POST", &path, Some(&json!({"digest": request["digest"], "reason": "fine"})))
    }

    pub fn delegate(&self, from: &str, to: &str, begins: i64, ends: i64) -> Answer {
        let (from_time, until) = (self.clock.in_seconds(begins), self.clock.in_seconds(ends));
        let body = json!({"user": from, "delegate": to, "from": from_time, "until": until});
        self.host.post("/delegations", &body)
    }

    pub fn waiting_for(&self, name: &str) -> Vec<String> {
        let list = self.by(name, "GET", "/requests?awaiting=me", None);
        assert_eq!(list.status, 200, "{list:?}");
        list.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    /// An engine of this very store and clock, at work until the request is settled.
    pub fn work_until_settled(&self, request: &Json) -> Json {
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

    /// An engine that starts, does what the clock has brought, and stops.
    pub fn work_a_turn(&self) {
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

    pub fn ask_for(&self, user: &str) -> Json {
        let body = json!({"app": "hr", "operation": "Create", "user": user});
        let asked = self.by("asker", "POST", "/requests", Some(&body));
        assert_eq!(asked.status, 202, "{asked:?}");
        asked.body
    }
}

/// The token of a person.
pub fn token(name: &str) -> String {
    format!("ghs_{name}_{name}_{name}")
}

pub fn create(steps: &Json) -> Json {
    json!([{"operations": ["Create"], "steps": steps}])
}

pub fn refused(answer: &Answer, case: &str, text: &str) {
    assert_eq!(answer.case(), case, "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(text), "{detail}");
}
