//! The accounts of the target, in the order in which they were made, and their text as it is sent: lists of a
//! hundred thousand are copied together, not serialised. It takes whatever it is told to hold, duplicates included.

use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Rises from account to account, and is its id.
    number: u64,
    /// Rises with each change.
    version: u64,
    /// As it is sent.
    pub text: String,
}

impl Account {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub fn id(&self) -> String {
        id_of(self.number)
    }

    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    base: String,
    /// By number, which only rises.
    all: Vec<Account>,
    last: u64,
    by_user_name: HashMap<String, Vec<u64>>,
    by_external_id: HashMap<String, Vec<u64>>,
}

impl Accounts {
    /// None, of a target whose resources have this base URL.
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn all(&self) -> &[Account] {
        &self.all
    }

    pub fn get(&self, id: &str) -> Option<&Account> {
        self.at(id).map(|at| &self.all[at])
    }

    /// Those whose attribute (`id`, `userName` or `externalId`) equals the value; none if it is another attribute.
    pub fn find(&self, attribute: &str, value: &str) -> Option<Vec<&Account>> {
        let of = |numbers: Option<&Vec<u64>>| -> Vec<&Account> {
            let numbers = numbers.into_iter().flatten();
            numbers.filter_map(|number| self.get(&id_of(*number))).collect()
        };
        Some(match attribute.to_ascii_lowercase().as_str() {
            "id" => self.get(value).into_iter().collect(),
            "username" => of(self.by_user_name.get(&value.to_lowercase())),
            "externalid" => of(self.by_external_id.get(value)),
            _ => return None,
        })
    }

    /// Whether an account that would be in the way of this one exists.
    pub fn is_taken(&self, user: &Value, except: Option<&str>) -> bool {
        let taken = |attribute| {
            let value = user[attribute].as_str().filter(|value| !value.is_empty());
            let found = value.and_then(|value| self.find(attribute, value)).unwrap_or_default();
            found.iter().any(|account| Some(account.id().as_str()) != except)
        };
        taken("userName") || taken("externalId")
    }

    /// Makes an account, whatever there is already.
    pub fn add(&mut self, user: Value) -> &Account {
        self.last += 1;
        let number = self.last;
        self.index(number, &user);
        let text = self.text(number, 1, user);
        self.all.push(Account { number, version: 1, text });
        &self.all[self.all.len() - 1]
    }

    /// Puts another user into an account's place; none if there is no such account.
    pub fn replace(&mut self, id: &str, user: Value) -> Option<&Account> {
        let at = self.at(id)?;
        let (number, version, before) = (self.all[at].number, self.all[at].version + 1, self.all[at].json());
        self.unindex(number, &before);
        self.index(number, &user);
        let text = self.text(number, version, user);
        self.all[at] = Account { number, version, text };
        Some(&self.all[at])
    }

    /// Takes an account away; none if there is no such account.
    pub fn remove(&mut self, id: &str) -> Option<Account> {
        let account = self.all.remove(self.at(id)?);
        self.unindex(account.number, &account.json());
        Some(account)
    }

    fn at(&self, id: &str) -> Option<usize> {
        let number: u64 = id.parse().ok()?;
        self.all.binary_search_by_key(&number, |account| account.number).ok().filter(|_| id_of(number) == id)
    }

    fn text(&self, number: u64, version: u64, user: Value) -> String {
        let id = id_of(number);
        let mut user = match user {
            Value::Object(user) => user,
            _ => Map::new(),
        };
        let location = format!("{}/Users/{id}", self.base);
        let meta = json!({"resourceType": "User", "location": location, "version": format!("W/\"{version}\"")});
        user.insert("id".to_owned(), Value::from(id));
        user.insert("meta".to_owned(), meta);
        Value::Object(user).to_string()
    }

    fn index(&mut self, number: u64, user: &Value) {
        if let Some(name) = user["userName"].as_str() {
            self.by_user_name.entry(name.to_lowercase()).or_default().push(number);
        }
        if let Some(marker) = user["externalId"].as_str() {
            self.by_external_id.entry(marker.to_owned()).or_default().push(number);
        }
    }

    fn unindex(&mut self, number: u64, user: &Value) {
        let forget = |index: &mut HashMap<String, Vec<u64>>, key: Option<String>| {
            if let Some(key) = key
                && let Some(numbers) = index.get_mut(&key)
            {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    index.remove(&key);
                }
            }
        };
        forget(&mut self.by_user_name, user["userName"].as_str().map(str::to_lowercase));
        forget(&mut self.by_external_id, user["externalId"].as_str().map(str::to_owned));
    }
}

fn id_of(number: u64) -> String {
    format!("{number:08}")
}
