//! The demo's last word: the target's own list, fetched from it directly, against the expected one, account by
//! account. Knows nothing of Gatehouse.

use super::expected::{Outcome, key};
use super::seed::TargetAccount;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One account of either list.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The account's username.
    pub user_name: String,
    /// What was expected to happen to it.
    pub fate: &'static str,
    /// What is not as expected; empty if all is.
    pub differences: Vec<String>,
}

/// Compares the lists: a line for each account that is in one of them.
pub fn compare(expected: &BTreeMap<String, Outcome>, listed: &[Value]) -> Vec<Line> {
    let found: Vec<TargetAccount> = listed.iter().map(account).collect();
    let mut lines: Vec<Line> = expected.values().map(|outcome| line(outcome, &found)).collect();
    let strange = found.iter().filter(|account| !expected.contains_key(&key(&account.user_name)));
    lines.extend(strange.map(|account| Line {
        user_name: account.user_name.clone(),
        fate: "unknown",
        differences: vec!["should not be there".to_owned()],
    }));
    lines
}

fn line(Outcome { account, fate }: &Outcome, found: &[TargetAccount]) -> Line {
    let same_name: Vec<_> = found.iter().filter(|other| key(&other.user_name) == key(&account.user_name)).collect();
    let differences = match same_name.as_slice() {
        [] => vec!["is not there".to_owned()],
        [other] => differences(account, other),
        more => vec![format!("is there {} times", more.len())],
    };
    Line { user_name: account.user_name.clone(), fate, differences }
}

fn differences(wanted: &TargetAccount, has: &TargetAccount) -> Vec<String> {
    let addresses = |a: &TargetAccount| a.emails.iter().map(|e| e.trim().to_lowercase()).collect::<BTreeSet<_>>();
    let fields = [
        ("active", wanted.active.to_string(), has.active.to_string()),
        ("given name", wanted.given_name.clone(), has.given_name.clone()),
        ("family name", wanted.family_name.clone(), has.family_name.clone()),
        ("emails", format!("{:?}", addresses(wanted)), format!("{:?}", addresses(has))),
    ];
    let differ = fields.into_iter().filter(|(_, wanted, has)| wanted != has);
    differ.map(|(field, wanted, has)| format!("{field} is {has} and should be {wanted}")).collect()
}

/// A SCIM user as far as it is compared. What is absent is taken as empty; `active` is true unless it says otherwise.
fn account(user: &Value) -> TargetAccount {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let emails = user["emails"].as_array().into_iter().flatten();
    TargetAccount {
        user_name: text(&user["userName"]),
        given_name: text(&user["name"]["givenName"]),
        family_name: text(&user["name"]["familyName"]),
        emails: emails.map(|email| text(&email["value"])).collect(),
        active: user["active"].as_bool().unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::seed;
    use super::*;
    use serde_json::json;

    fn ada() -> TargetAccount {
        TargetAccount {
            user_name: "ada".to_owned(),
            given_name: "Ada".to_owned(),
            family_name: "Abel".to_owned(),
            emails: vec!["ada@example.com".to_owned()],
            active: true,
        }
    }

    fn listed() -> Value {
        let name = json!({"givenName": "Ada", "familyName": "Abel"});
        json!({"userName": "Ada", "name": name, "emails": [{"value": "ADA@example.com"}], "active": true})
    }

    fn differences_of(listed: &[Value]) -> Vec<String> {
        let expected = BTreeMap::from([("ada".to_owned(), Outcome { account: ada(), fate: "as it was" })]);
        compare(&expected, listed).into_iter().flat_map(|line| line.differences).collect()
    }

    #[test]
    fn the_sample_target_takes_the_seed_and_shows_it_as_it_is() {
        if gatehouse_tests::scim2_server().is_none() {
            return gatehouse_tests::skip("the_sample_target_takes_the_seed_and_shows_it_as_it_is", "no scim2-server");
        }
        let directory = tempfile::tempdir().unwrap();
        let target = gatehouse_tests::Scim2Server::start(directory.path(), "sample").unwrap();
        let entries = seed::entries();
        let count = seed::fill(&target, &entries).unwrap();
        let accounts = entries.into_iter().flat_map(|entry| entry.accounts);
        let seeded: BTreeMap<_, _> =
            accounts.map(|account| (key(&account.user_name), Outcome { account, fate: "as it was" })).collect();
        let lines = compare(&seeded, &target.users().unwrap());
        assert_eq!(lines.len(), count);
        assert!(lines.iter().all(|line| line.differences.is_empty()), "{lines:#?}");
    }

    #[test]
    fn lists_that_agree_but_for_case_have_no_difference() {
        assert!(differences_of(&[listed()]).is_empty());
    }

    #[test]
    fn whatever_differs_is_named() {
        let mut other = listed();
        other["active"] = json!(false);
        assert_eq!(differences_of(&[other]), ["active is false and should be true"]);
        assert_eq!(differences_of(&[]), ["is not there"]);
        assert_eq!(differences_of(&[listed(), listed()]), ["is there 2 times"]);
        assert_eq!(differences_of(&[listed(), json!({"userName": "eve"})]), ["should not be there"]);
    }
}
