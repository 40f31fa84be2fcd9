//! Who is in the organisation and what is in the target when the demo starts: made from a table of cases, each with
//! the reason it is there. Everything that the demo expects is derived from the same table.

use gatehouse_tests::Scim2Server;
use serde_json::{Value, json};

/// The organisation's mail domain.
const DOMAIN: &str = "example.com";
/// One that means the same: mail to it reaches the same people.
pub const ALIAS_DOMAIN: &str = "corp.example";
/// The profile that gives access to the target.
pub const PROFILE: &str = "staff";
/// The target's own administrator, nobody's account.
pub const PROTECTED: &str = "target-admin";

const FIRST_NAMES: &[&str] = &[
    "Ada", "Bela", "Chidi", "Dana", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jana", "Kofi", "Lena", "Milan", "Nora",
    "Omar", "Petra", "Quentin", "Rosa", "Sami", "Tove", "Ugo", "Vera", "Wanda", "Yusuf",
];
const LAST_NAMES: &[&str] = &[
    "Abel", "Berg", "Costa", "Duarte", "Eklund", "Fischer", "Grau", "Horvat", "Ito", "Jensen", "Kowal", "Lund",
    "Moreau", "Novak", "Okafor", "Park", "Quist", "Rossi", "Silva", "Toth", "Ueda", "Vidal", "Weiss",
];

/// Why somebody, or an account, is in the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// One person, one account, the same username and mail.
    Exact,
    /// The usernames differ in case alone.
    Capitals,
    /// White space round the account's username.
    WhiteSpace,
    /// An old username, and a mail address in other letters.
    MailCapitals,
    /// An old username, and mail at the domain that means the same.
    MailAlias,
    /// A former family name in the target.
    Drifted,
    /// Somebody who has left, with an account that still works.
    LeaverActive,
    /// Somebody who has left, with an account that works no more.
    LeaverDone,
    /// Two accounts that both have one person's mail.
    OneMailTwice,
    /// One person's account, and a second one with that person's mail.
    SecondAccount,
    /// One account with the mail of two people.
    SharedAccount,
    /// An account of nobody here.
    Orphan,
    /// Somebody without an account.
    NoAccount,
    /// The target's own administrator.
    Protected,
}

/// How often each case is there.
const CASES: &[(Case, usize)] = &[
    (Case::Exact, 26),
    (Case::Capitals, 2),
    (Case::WhiteSpace, 2),
    (Case::MailCapitals, 2),
    (Case::MailAlias, 2),
    (Case::Drifted, 3),
    (Case::LeaverActive, 2),
    (Case::LeaverDone, 1),
    (Case::OneMailTwice, 2),
    (Case::SecondAccount, 2),
    (Case::SharedAccount, 1),
    (Case::Orphan, 8),
    (Case::NoAccount, 8),
    (Case::Protected, 1),
];

/// Somebody in the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What they are called in Gatehouse.
    pub username: String,
    /// Their mail.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Whether they are still here.
    pub active: bool,
}

/// An account in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAccount {
    /// What its owner signs in with.
    pub user_name: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Mail addresses, the preferred one first.
    pub emails: Vec<String>,
    /// Whether it can be used.
    pub active: bool,
}

/// A case, with the people and the accounts that make it up.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The case.
    pub case: Case,
    /// The people.
    pub people: Vec<Person>,
    /// The accounts.
    pub accounts: Vec<TargetAccount>,
}

impl TargetAccount {
    /// The account that a person should have.
    pub fn of(person: &Person) -> Self {
        Self {
            user_name: person.username.clone(),
            given_name: person.first_name.clone(),
            family_name: person.last_name.clone(),
            emails: vec![person.email.clone()],
            active: person.active,
        }
    }

    /// What the mapping makes of the names.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// As a SCIM user (RFC 7643 section 4.1).
    fn scim(&self) -> Value {
        let email = |(at, value): (usize, &String)| json!({"value": value, "type": if at == 0 { "work" } else { "other" }, "primary": at == 0});
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": self.user_name,
            "name": {"givenName": self.given_name, "familyName": self.family_name},
            "displayName": self.display_name(),
            "emails": self.emails.iter().enumerate().map(email).collect::<Vec<_>>(),
            "active": self.active,
        })
    }
}

/// All entries, the same in every run.
pub fn entries() -> Vec<Entry> {
    let mut number = 0;
    let mut entries = Vec::new();
    for (case, count) in CASES {
        for _ in 0..*count {
            entries.push(entry(*case, &mut number));
        }
    }
    entries
}

/// The people of all entries, as the file that `gatehouse user import` reads.
pub fn users_csv(entries: &[Entry]) -> String {
    let people = entries.iter().flat_map(|entry| &entry.people);
    let row =
        |p: &Person| format!("{},{},{},{},{PROFILE},{}\n", p.username, p.email, p.first_name, p.last_name, p.active);
    let rows: String = people.map(row).collect();
    format!("username,email,first_name,last_name,profile,active\n{rows}")
}

/// Makes the accounts of all entries in the target; how many there are.
///
/// # Errors
/// The target refuses one.
pub fn fill(target: &Scim2Server, entries: &[Entry]) -> anyhow::Result<usize> {
    let accounts: Vec<_> = entries.iter().flat_map(|entry| &entry.accounts).collect();
    accounts.iter().try_for_each(|account| target.create(&account.scim()).map(drop))?;
    Ok(accounts.len())
}

fn entry(case: Case, number: &mut usize) -> Entry {
    let mut one = next(number);
    let mut own = TargetAccount::of(&one);
    let old_name = format!("u{:04}", 1000 + *number);
    let (people, accounts) = match case {
        Case::Exact => (vec![one], vec![own]),
        Case::Capitals => (vec![one], vec![TargetAccount { user_name: own.user_name.to_uppercase(), ..own }]),
        Case::WhiteSpace => (vec![one], vec![TargetAccount { user_name: format!(" {} ", own.user_name), ..own }]),
        Case::MailCapitals => {
            own.emails[0] = own.emails[0].to_uppercase();
            (vec![one], vec![TargetAccount { user_name: old_name, ..own }])
        }
        Case::MailAlias => {
            own.emails[0] = own.emails[0].replace(DOMAIN, ALIAS_DOMAIN);
            (vec![one], vec![TargetAccount { user_name: old_name, ..own }])
        }
        Case::Drifted => (vec![one], vec![TargetAccount { family_name: format!("Former-{}", own.family_name), ..own }]),
        Case::LeaverActive => {
            one.active = false;
            (vec![one], vec![own])
        }
        Case::LeaverDone => {
            one.active = false;
            (vec![one], vec![TargetAccount { active: false, ..own }])
        }
        Case::OneMailTwice => {
            let other = TargetAccount { user_name: format!("{old_name}-old"), ..own.clone() };
            (vec![one], vec![TargetAccount { user_name: old_name, ..own }, other])
        }
        Case::SecondAccount => {
            let second = TargetAccount { user_name: format!("{old_name}-test"), ..own.clone() };
            (vec![one], vec![own, second])
        }
        Case::SharedAccount => {
            let colleague = next(number);
            own.emails.push(colleague.email.clone());
            (vec![one, colleague], vec![TargetAccount { user_name: "front-desk".to_owned(), ..own }])
        }
        Case::Orphan => (vec![], vec![foreign(own, &format!("contractor-{number}"))]),
        Case::NoAccount => (vec![one], vec![]),
        Case::Protected => (vec![], vec![foreign(own, PROTECTED)]),
    };
    Entry { case, people, accounts }
}

/// Somebody new.
fn next(number: &mut usize) -> Person {
    *number += 1;
    person(*number - 1)
}

/// An account that is nobody's here.
fn foreign(account: TargetAccount, user_name: &str) -> TargetAccount {
    TargetAccount { user_name: user_name.to_owned(), emails: vec![format!("{user_name}@elsewhere.example")], ..account }
}

/// The nth person: names that are unique while there are fewer than the product of both lists.
fn person(number: usize) -> Person {
    let first = FIRST_NAMES[number % FIRST_NAMES.len()];
    let last = LAST_NAMES[number % LAST_NAMES.len()];
    let username = format!("{first}.{last}").to_lowercase();
    let email = format!("{username}@{DOMAIN}");
    Person { username, email, first_name: first.to_owned(), last_name: last.to_owned(), active: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn people_and_accounts_have_names_of_their_own() {
        let entries = entries();
        let people: Vec<_> = entries.iter().flat_map(|entry| &entry.people).map(|p| &p.username).collect();
        assert_eq!(people.iter().collect::<BTreeSet<_>>().len(), people.len());
        let accounts = entries.iter().flat_map(|entry| &entry.accounts);
        let accounts: Vec<_> = accounts.map(|account| account.user_name.trim().to_lowercase()).collect();
        assert_eq!(accounts.iter().collect::<BTreeSet<_>>().len(), accounts.len());
        assert!(accounts.len() >= 50);
    }

    #[test]
    fn every_person_is_a_row_of_the_file() {
        let entries = entries();
        let csv = users_csv(&entries);
        assert_eq!(csv.lines().count(), 1 + entries.iter().map(|entry| entry.people.len()).sum::<usize>());
        assert!(csv.lines().all(|line| line.split(',').count() == 6));
        assert!(csv.contains("\nada.abel,ada.abel@example.com,Ada,Abel,staff,true\n"));
    }
}
