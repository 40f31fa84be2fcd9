//! A connector that does what no connector may: the setting `behaviour` says what, `url` where to. Without it, or
//! with `benign`, it is as good as any. It never checks whether it succeeded: the host's report says.
//!
//! `describe` has no settings, so that its behaviour is a marker in the binary, which tests overwrite.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::unwrap_used)] // generated bindings; a test's guest may trap

mod describe;
mod dump;
mod http;
mod misdeeds;

wit_bindgen::generate!({ path: "../../../wit", world: "connector" });

use exports::gatehouse::connector::{analyzer, collector, committer, descriptor, probe};
use gatehouse::connector::{settings, types};
use types::{Account, Attribute, Failure, Status, Value};

struct Hostile;
export!(Hostile);

/// A setting, without the quotes of its JSON.
fn setting(name: &str) -> String {
    settings::get(name).unwrap_or_default().trim_matches('"').to_owned()
}

fn account(id: &str) -> Account {
    let value = Value { text: format!("{id}@example.com"), kind: None, primary: false };
    let attributes = vec![Attribute { name: "email".to_owned(), values: vec![value] }];
    Account { external_id: id.to_owned(), username: id.to_owned(), status: Status::Active, attributes, revision: None }
}

fn page(accounts: Vec<Account>) -> collector::Page {
    collector::Page { accounts, faults: Vec::new(), estimate: None, next: collector::Next::Complete }
}

impl descriptor::Guest for Hostile {
    fn describe() -> descriptor::Description {
        describe::describe()
    }
}

impl probe::Guest for Hostile {
    fn check() -> Result<Vec<probe::Finding>, Failure> {
        let found = |(name, detail): (&str, String)| probe::Finding { name: name.to_owned(), detail };
        match setting("behaviour").as_str() {
            "fetch" => Ok(vec![found(("fetched", http::fetch()?))]),
            "findings" => Ok(vec![found(("", "x".repeat(misdeeds::often(1 << 30))))]),
            "ambient" => Ok(misdeeds::ambient().into_iter().map(found).collect()),
            "dump" => Ok(vec![found(("dump", dump::all("check", "")))]),
            other => {
                misdeeds::misbehave(other);
                Ok(vec![found(("behaviour", other.to_owned()))])
            }
        }
    }
}

impl collector::Guest for Hostile {
    fn collect(
        filter: Option<String>,
        cursor: Option<String>,
        attributes: Vec<String>,
        limit: u32,
    ) -> Result<collector::Page, Failure> {
        match setting("behaviour").as_str() {
            "fetch" => http::fetch().map(|_| page(vec![account("1")])),
            "dump" => {
                let given = format!("{filter:?} {cursor:?} {attributes:?} {limit}");
                Ok(page(vec![dump::account("dumped", &dump::all("collect", &given))]))
            }
            "too-many-rows" => Ok(page((0..=limit).map(|n| account(&n.to_string())).collect())),
            "same-id-twice" => Ok(page(vec![account("1"), account("1")])),
            "empty-id" => Ok(page(vec![account("")])),
            "long-cursor" => {
                let next = collector::Next::More("x".repeat((64 << 10) + 1));
                Ok(collector::Page { next, ..page(Vec::new()) })
            }
            // A thousand times the same megabyte: little for the guest, a gigabyte for a host that copies it.
            "huge-list" => misdeeds::huge_list(),
            "huge-page" => Ok(page((0..limit).map(|n| misdeeds::large(&n.to_string(), 32 << 10)).collect())),
            "echo" => {
                let mut echo = account("echo");
                let texts = [filter, cursor, Some(attributes.join(",")), Some(limit.to_string())];
                let values = texts.into_iter().flatten().map(|text| Value { text, kind: None, primary: false });
                echo.attributes = vec![Attribute { name: "echo".to_owned(), values: values.collect() }];
                Ok(page(vec![echo]))
            }
            other => {
                misdeeds::misbehave(other);
                Ok(page((0..limit.min(3)).map(|n| account(&n.to_string())).collect()))
            }
        }
    }

    fn read(external_id: String) -> Result<Account, Failure> {
        if setting("behaviour") == "dump" {
            return Ok(dump::account(&external_id, &dump::all("read", &external_id)));
        }
        match external_id.as_str() {
            "gone" => Err(Failure::NotFound),
            "busy" => Err(Failure::Throttled(Some(7))),
            "large" => Ok(misdeeds::large_field(&setting("behaviour"), misdeeds::often(1 << 20))),
            id => Ok(account(id)),
        }
    }

    fn find(_attribute: String, value: String) -> Result<Vec<Account>, Failure> {
        match setting("behaviour").as_str() {
            "too-many-rows" => Ok((0..101).map(|n| account(&n.to_string())).collect()),
            "fetch" => http::fetch().map(|_| Vec::new()),
            _ => Ok(vec![account(&value)]),
        }
    }
}

impl analyzer::Guest for Hostile {
    fn analyze(batch: Vec<analyzer::Item>) -> Vec<analyzer::Verdict> {
        match setting("behaviour").as_str() {
            "fetch" => drop(http::fetch()),
            "dump" => drop(dump::all("analyze", &format!("{batch:?}"))),
            _ => {}
        }
        let few = usize::from(setting("behaviour") == "few-verdicts");
        let verdict = |_| analyzer::Verdict { judgement: analyzer::Judgement::Same, drift: Vec::new() };
        batch.iter().skip(few).map(verdict).collect()
    }
}

impl committer::Guest for Hostile {
    fn commit(command: committer::Command) -> Result<committer::Receipt, Failure> {
        match setting("behaviour").as_str() {
            "fetch" => drop(http::fetch()?),
            "dump" => {
                let dumped = dump::all("commit", &format!("{command:?}"));
                if setting("method") == "POST" {
                    return Err(Failure::Rejected(dumped));
                }
                panic!("{dumped}");
            }
            "write-then-trap" => {
                http::fetch()?;
                misdeeds::misbehave("trap");
            }
            other => misdeeds::misbehave(other),
        }
        let id = command.external_id.unwrap_or_else(|| "new".to_owned());
        Ok(committer::Receipt { account: Some(account(&id)), effect: committer::Effect::Applied })
    }
}
