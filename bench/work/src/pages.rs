//! Accounts, made from their number; pages of them; and one page of SCIM JSON.

use gatehouse_connector::json::{self, Value as Json};
use gatehouse_connector::{Account, Attributes, Failure, Item, Page, Status, Value};

/// The filter that asks for a page parsed from JSON.
pub const PARSE: &str = "parse";

/// A page of 100 users as a SCIM service sends it (RFC 7644 section 3.4.2), made when this was built.
static PAGE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.json"));

const FIRST: [&str; 8] = ["Ada", "Bela", "Chidi", "Dana", "Emil", "Fatima", "Goran", "Hana"];
const LAST: [&str; 8] = ["Abel", "Berg", "Costa", "Duarte", "Eklund", "Fischer", "Grau", "Horvat"];

/// The account of this number.
pub fn account_of(number: u32) -> Account {
    let first = FIRST[number as usize % FIRST.len()];
    let last = LAST[(number / 8) as usize % LAST.len()];
    let username = username(number);
    let attributes = Attributes::from([
        ("externalId".to_owned(), vec![Value::text(format!("{number}"))]),
        ("displayName".to_owned(), vec![Value::text(format!("{first} {last}"))]),
        ("name.givenName".to_owned(), vec![Value::text(first)]),
        ("name.familyName".to_owned(), vec![Value::text(last)]),
        ("emails".to_owned(), vec![Value::of_kind(format!("{username}@example.com"), "work", true)]),
    ]);
    Account {
        external_id: format!("acc-{number:08}"),
        username,
        status: Status::Active,
        attributes,
        revision: Some(format!("W/\"{number}\"")),
    }
}

/// What the owner of the account of this number signs in with.
pub fn username(number: u32) -> String {
    format!("user{number:08}")
}

/// Which account this is.
pub fn number_of(external_id: &str) -> Option<u32> {
    external_id.strip_prefix("acc-")?.parse().ok()
}

/// A page of made-up accounts.
pub fn page(from: u32, count: u32) -> Page {
    Page::more((from..from.saturating_add(count)).map(account_of).collect(), from.saturating_add(count).to_string())
}

/// A batch to be judged: every tenth account has another name than it should.
pub fn items(count: u32) -> Vec<Item> {
    let item = |number| {
        let account = account_of(number);
        let mut desired = account.attributes.clone();
        if number % 10 == 0 {
            desired.insert("name.familyName".to_owned(), vec![Value::text("Married")]);
        }
        Item { user: Some(account.username.clone()), account, desired }
    };
    (0..count).map(item).collect()
}

/// The page that [`PARSE`] parses.
pub fn page_text() -> &'static str {
    PAGE
}

/// The page of SCIM JSON as accounts.
pub fn parsed() -> Result<Page, Failure> {
    let body: Json = json::from_str(PAGE).map_err(|error| Failure::rejected(error.to_string()))?;
    let users = body["Resources"].as_array().ok_or_else(|| Failure::rejected("no list"))?;
    let accounts: Option<Vec<Account>> = users.iter().map(account_in).collect();
    Ok(Page::more(accounts.ok_or_else(|| Failure::rejected("a record without an id"))?, "1"))
}

fn account_in(user: &Json) -> Option<Account> {
    let text = |value: &Json| value.as_str().map(Value::text).into_iter().collect::<Vec<_>>();
    let email = |value: &Json| {
        let kind = value["type"].as_str().map(str::to_owned);
        Some(Value { text: value["value"].as_str()?.to_owned(), kind, primary: value["primary"] == true })
    };
    let emails = user["emails"].as_array().map(|emails| emails.iter().filter_map(email).collect());
    let attributes = Attributes::from([
        ("externalId".to_owned(), text(&user["externalId"])),
        ("displayName".to_owned(), text(&user["displayName"])),
        ("name.givenName".to_owned(), text(&user["name"]["givenName"])),
        ("name.familyName".to_owned(), text(&user["name"]["familyName"])),
        ("emails".to_owned(), emails.unwrap_or_default()),
    ]);
    Some(Account {
        external_id: user["id"].as_str()?.to_owned(),
        username: user["userName"].as_str()?.to_owned(),
        status: if user["active"] == false { Status::Deactivated } else { Status::Active },
        attributes,
        revision: user["meta"]["version"].as_str().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_connector::Next;

    #[test]
    fn the_parsed_page_holds_the_accounts_that_are_made_from_their_numbers() {
        let page = parsed().unwrap();
        assert_eq!(page.accounts.len(), 100);
        for (number, account) in (0..).zip(&page.accounts) {
            assert_eq!(*account, account_of(number));
        }
    }

    #[test]
    fn pages_follow_one_another_without_gap_or_overlap() {
        let (one, two) = (page(0, 3), page(3, 2));
        assert_eq!(one.next, Next::More("3".to_owned()));
        let numbers: Vec<_> = one.accounts.iter().chain(&two.accounts).map(|a| number_of(&a.external_id)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4].map(Some));
    }

    #[test]
    fn every_tenth_account_is_not_as_it_should_be() {
        let verdicts = crate::analyze(&items(20));
        let drifted: Vec<_> = (0..20).filter(|at| !verdicts[*at].drift.is_empty()).collect();
        assert_eq!(drifted, [0, 10]);
        assert_eq!(verdicts[0].drift, ["name.familyName"]);
    }
}
