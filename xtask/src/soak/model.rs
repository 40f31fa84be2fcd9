//! How everything must be in the end, and whether it is: the directory as the load left it, the target as the
//! directory says, every accepted request settled or in review, no write taken twice.

use gatehouse_tests::counting::{Log, Seen};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A person, as the directory must have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The number that the host gave.
    pub id: String,
    /// What they sign in with.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// Family name.
    pub last_name: String,
    /// Whether they work here.
    pub active: bool,
    /// Whether they may not sign in for the time being.
    pub frozen: bool,
}

/// A request that the host has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub id: String,
    /// What it does.
    pub operation: String,
    /// Whom it is about.
    pub user: String,
}

/// What all people are called by.
const FIRST_NAME: &str = "Soaked";

impl Person {
    /// Somebody new.
    pub fn new(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            email: format!("{username}@example.com"),
            last_name: "New".to_owned(),
            active: true,
            ..Self::default()
        }
    }

    /// Something about them changes.
    pub fn changes(&mut self, number: u32, name: bool) {
        if name {
            self.last_name = format!("Name{number}");
        } else {
            self.email = format!("{}.{number}@example.com", self.username);
        }
    }

    /// As the API takes a new user.
    pub fn as_new_user(&self, profile: &str) -> Value {
        json!({
            "username": self.username, "email": self.email, "first_name": FIRST_NAME, "last_name": self.last_name,
            "profile": profile,
        })
    }

    /// As the API takes a change.
    pub fn as_change(&self) -> Value {
        json!({"email": self.email, "last_name": self.last_name})
    }

    /// What of the user in the directory is not as it must be.
    fn differs(&self, user: &Value) -> Option<String> {
        let is = (&user["id"], &user["email"], &user["last_name"], &user["active"], &user["frozen"]);
        let must = json!([self.id, self.email, self.last_name, self.active, self.frozen]);
        (json!([is.0, is.1, is.2, is.3, is.4]) != must).then(|| format!("the directory has {user}, must be {must}"))
    }
}

/// Where the directory is not as the load left it.
pub fn directory_differences(people: &[Person], users: &[Value]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, &Value> =
        users.iter().filter_map(|user| Some((user["username"].as_str()?, user))).collect();
    let mut differences = Vec::new();
    for person in people {
        let found = by_name.remove(person.username.as_str());
        let difference = found.map_or_else(|| Some("lost from the directory".to_owned()), |user| person.differs(user));
        differences.extend(difference.map(|what| format!("{}: {what}", person.username)));
    }
    differences.extend(by_name.keys().map(|name| format!("{name}: in the directory twice, or nobody made them")));
    differences
}

/// Where the target is not as the directory says: each person exactly one account that is as mapped, nobody's account
/// none. Who is not active, or frozen, may have none.
pub fn target_differences(users: &[Value], accounts: &[Value]) -> Vec<String> {
    let mut of: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for account in accounts {
        of.entry(account["userName"].as_str().unwrap_or_default().to_lowercase()).or_default().push(account);
    }
    let mut differences = Vec::new();
    for user in users {
        let name = user["username"].as_str().unwrap_or_default();
        let works = user["active"] == true && user["frozen"] == false;
        match of.remove(&name.to_lowercase()).unwrap_or_default()[..] {
            [] if works => differences.push(format!("{name}: has no account")),
            [] => {}
            [account] => differences.extend(account_differs(user, works, account)),
            ref several => differences.push(format!("{name}: has {} accounts", several.len())),
        }
    }
    differences.extend(of.keys().map(|name| format!("{name}: is nobody's account")));
    differences
}

fn account_differs(user: &Value, works: bool, account: &Value) -> Option<String> {
    let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
    let must = json!({
        "externalId": text("id"),
        "active": works,
        "displayName": format!("{} {}", text("first_name"), text("last_name")),
        "givenName": text("first_name"),
        "familyName": text("last_name"),
        "email": text("email"),
    });
    let is = json!({
        "externalId": account["externalId"],
        "active": account["active"],
        "displayName": account["displayName"],
        "givenName": account["name"]["givenName"],
        "familyName": account["name"]["familyName"],
        "email": account["emails"][0]["value"],
    });
    (is != must).then(|| format!("{}: the target has {is}, must be {must}", text("username")))
}

/// What became of the accepted requests.
#[derive(Clone, Debug, Default)]
pub struct Fates {
    /// How many, by state.
    pub states: BTreeMap<String, usize>,
    /// How many are in review.
    pub in_review: usize,
    /// Why requests failed, with the numbers taken out, and how often.
    pub reasons: BTreeMap<String, usize>,
    /// Requests that are lost, not settled, or failed without a reason.
    pub violations: Vec<String>,
}

/// What became of the accepted requests, and of those that the host raised by itself.
pub fn fates(accepted: &[Accepted], requests: &[Value], is_settled: impl Fn(&Value) -> bool) -> Fates {
    let mut fates = Fates::default();
    let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
    for request in requests {
        by_id.insert(request["id"].as_str().unwrap_or_default(), request);
        let state = request["state"].as_str().unwrap_or_default();
        *fates.states.entry(state.to_owned()).or_default() += 1;
        fates.in_review += usize::from(request["needs_review"] == true);
        if !is_settled(request) {
            fates.violations.push(format!("{} is still {state}: {}", request["id"], request["error"]));
        }
        if state == "Failed" {
            match request["error"].as_str().filter(|why| !why.is_empty()) {
                Some(why) => *fates.reasons.entry(without_numbers(why)).or_default() += 1,
                None => fates.violations.push(format!("{} failed and does not say why", request["id"])),
            }
        }
    }
    for request in accepted {
        if !by_id.contains_key(request.id.as_str()) {
            let what = format!("{} ({} {}) was accepted and is lost", request.id, request.operation, request.user);
            fates.violations.push(what);
        }
    }
    fates
}

fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if c != '#' || !out.ends_with('#') {
            out.push(c);
        }
    }
    out
}

/// The writes that the target took, kept small: of a long soak there are many.
#[derive(Debug, Default)]
pub struct Writes {
    taken: Vec<Seen>,
    /// Requests that might have written, taken or not.
    pub sent: usize,
}

impl Writes {
    /// Takes what the target has seen.
    pub fn add(&mut self, log: Log) {
        self.sent += log.writes().count();
        let taken = log.0.into_iter().filter(Seen::is_taken);
        self.taken.extend(taken.map(|seen| Seen { headers: Vec::new(), query: String::new(), ..seen }));
    }

    /// How many were taken.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Writes that the target took twice. Nothing is excepted: a create for a marker whose account exists, or the
    /// same change again with none in between, is never right, because connectors read before they write and the
    /// host reads before it repeats.
    pub fn twice(&self) -> Vec<String> {
        let log = Log(self.taken.clone());
        let line = |(one, other): (&Seen, &Seen)| format!("taken twice: {} | {}", one.line(), other.line());
        log.taken_twice().into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Person {
        Person { id: "USR-000001".to_owned(), ..Person::new("ada") }
    }

    fn user() -> Value {
        let mut user = ada().as_new_user("staff");
        user["id"] = json!("USR-000001");
        user["active"] = json!(true);
        user["frozen"] = json!(false);
        user
    }

    fn account() -> Value {
        json!({
            "userName": "ADA", "externalId": "USR-000001", "active": true, "displayName": "Soaked New",
            "name": {"givenName": "Soaked", "familyName": "New"}, "emails": [{"value": "ada@example.com"}],
        })
    }

    #[test]
    fn a_directory_that_lost_or_changed_somebody_is_noticed_and_one_that_did_not_is_not() {
        assert!(directory_differences(&[ada()], &[user()]).is_empty());
        assert!(directory_differences(&[ada()], &[])[0].contains("lost"));
        let mut other = user();
        other["last_name"] = json!("Old");
        assert_eq!(directory_differences(&[ada()], &[other]).len(), 1);
        assert_eq!(directory_differences(&[], &[user()]).len(), 1);
    }

    #[test]
    fn a_target_that_is_as_the_directory_says_differs_nowhere() {
        assert!(target_differences(&[user()], &[account()]).is_empty());
        let mut left = user();
        left["active"] = json!(false);
        assert!(target_differences(&[left], &[]).is_empty(), "who has left needs no account");
    }

    #[test]
    fn missing_double_foreign_and_wrong_accounts_are_noticed() {
        assert!(target_differences(&[user()], &[])[0].contains("no account"));
        assert!(target_differences(&[user()], &[account(), account()])[0].contains("2 accounts"));
        assert!(target_differences(&[], &[account()])[0].contains("nobody's"));
        for (name, value) in [("active", json!(false)), ("externalId", json!("x")), ("displayName", json!("x"))] {
            let mut wrong = account();
            wrong[name] = value;
            assert_eq!(target_differences(&[user()], &[wrong]).len(), 1, "{name}");
        }
        let mut frozen = user();
        frozen["frozen"] = json!(true);
        assert_eq!(target_differences(&[frozen], &[account()]).len(), 1, "usable, and frozen");
    }

    #[test]
    fn lost_unsettled_and_unexplained_requests_are_violations_and_reasons_are_counted_without_their_numbers() {
        let accepted =
            |id: &str| Accepted { id: id.to_owned(), operation: "Update".to_owned(), user: "ada".to_owned() };
        let request = |id: &str, state: &str, error: Value| json!({"id": id, "state": state, "error": error, "needs_review": false});
        let settled = |request: &Value| request["state"] != "Committing";
        let good = [request("1", "Completed", Value::Null), request("2", "Failed", json!("HTTP 503 (8 tries)"))];
        let fates_of = |requests: &[Value]| fates(&[accepted("1")], requests, settled);
        let fates = fates_of(&good);
        assert!(fates.violations.is_empty(), "{:?}", fates.violations);
        assert_eq!(fates.reasons["HTTP # (# tries)"], 1);
        assert!(fates_of(&good[1..]).violations[0].contains("lost"));
        assert_eq!(fates_of(&[request("1", "Committing", Value::Null)]).violations.len(), 1);
        assert_eq!(fates_of(&[request("1", "Failed", Value::Null)]).violations.len(), 1);
    }
}
