//! People with permissions and tokens, in a host's store.

use crate::common::engine::{account_of, with_accounts};
use crate::common::{Answer, Host};
use gatehouse_core::access::Scope;
use gatehouse_core::ports::{ChangeSet, Store as _, Versioned};
use gatehouse_core::{Actor, Group, Permissions, Profile, SystemPermission, User, UserId};
use gatehouse_server::service::Caller;
use gatehouse_server::wire::NewToken;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    pub token: String,
}

impl Host {
    /// A user with a profile of their own that carries these permissions, and a token.
    pub fn person(&self, name: &str, permissions: &[SystemPermission], manager: Option<&Person>) -> Person {
        let id = self.user(name, permissions, manager);
        let token = self.token_of(name, name, &[]);
        Person { id, name: name.to_owned(), token }
    }

    fn user(&self, name: &str, permissions: &[SystemPermission], manager: Option<&Person>) -> UserId {
        let id = UserId(self.store.allocate(gatehouse_core::ports::Sequence::User, 1));
        let permissions: Permissions = permissions.iter().copied().collect();
        let profile = Profile { name: format!("of {name}"), description: String::new(), permissions, version: 0 };
        let user = User {
            id,
            username: name.to_owned(),
            email: None,
            first_name: None,
            last_name: None,
            manager: manager.map(|manager| manager.id),
            manager_username: None,
            erased_at: None,
            profile: Some(profile.name.clone()),
            permission_sets: BTreeSet::new(),
            active: true,
            frozen: false,
            attributes: Default::default(),
            version: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let changes = ChangeSet {
            users: vec![Versioned::new(user)],
            profiles: vec![Versioned::new(profile)],
            ..ChangeSet::default()
        };
        self.wait(self.store.commit(changes)).unwrap();
        id
    }

    /// A token of this name for a user.
    pub fn token_of(&self, user: &str, name: &str, scopes: &[Scope]) -> String {
        let scopes = scopes.iter().copied().collect();
        let new = NewToken { name: name.to_owned(), user: Some(user.to_owned()), scopes, expires_at: None };
        self.wait(self.services.create_token(&Caller::new(Actor::host()), new)).unwrap().token
    }

    /// An account of a user in the app with number 1.
    pub fn account(&self, id: u64, user: UserId) {
        with_accounts(self, [account_of(id, Some(user))]);
    }

    pub fn group(&self, name: &str, members: &[&Person]) {
        let members = members.iter().map(|person| person.id).collect();
        let group = Group { name: name.to_owned(), description: String::new(), members, version: 0 };
        self.wait(self.store.commit(ChangeSet { groups: vec![Versioned::new(group)], ..ChangeSet::default() }))
            .unwrap();
    }

    /// Calls with somebody's token.
    pub fn call_as(&self, token: &str, method: &str, path: &str, body: Option<&Json>) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.send(method, &format!("/api/v1{path}"), &headers, &bytes)
    }

    pub fn get_as(&self, person: &Person, path: &str) -> Answer {
        self.call_as(&person.token, "GET", path, None)
    }

    pub fn post_as(&self, person: &Person, path: &str, body: &Json) -> Answer {
        self.call_as(&person.token, "POST", path, Some(body))
    }

    /// What the audit trail holds of an action, newest first.
    pub fn audited(&self, action: &str) -> Vec<Json> {
        let all = self.get("/audit?limit=1000").body["items"].as_array().unwrap().clone();
        all.into_iter().filter(|record| record["action"] == action).collect()
    }
}
