//! Each rule of the protocol broken once, beside the answer that keeps it.
#![allow(clippy::unwrap_used)]

use super::*;
use guest::collector::Next;

fn value(text: &str, primary: bool) -> wit::Value {
    wit::Value { text: text.into(), kind: None, primary }
}

fn sample(id: &str) -> wit::Account {
    let attributes = vec![wit::Attribute { name: "email".into(), values: vec![value("a@b", true)] }];
    wit::Account {
        external_id: id.into(),
        username: "ann".into(),
        status: wit::Status::Active,
        attributes,
        revision: None,
    }
}

fn pages(accounts: Vec<wit::Account>, next: Next) -> Result<Page, CallFailure> {
    page(guest::collector::Page { accounts, faults: Vec::new(), estimate: None, next }, 2, &Limits::default())
}

fn refused(result: Result<Page, CallFailure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol, "{failure}");
    failure.message
}

#[test]
fn a_page_within_the_rules_is_taken() {
    let page = pages(vec![sample("1"), sample("2")], Next::More("x".repeat(64 << 10))).unwrap();
    assert_eq!(page.accounts.len(), 2);
    assert_eq!(page.accounts[0].first("email"), Some("a@b"));
}

#[test]
fn more_accounts_than_asked_for_are_refused() {
    let text = refused(pages(vec![sample("1"), sample("2"), sample("3")], Next::Complete));
    assert_eq!(text, "it gave 3 accounts where at most 2 were asked for");
}

#[test]
fn an_account_without_an_id_or_listed_twice_is_refused() {
    assert!(refused(pages(vec![sample("")], Next::Complete)).contains("empty external id"));
    assert!(refused(pages(vec![sample("1"), sample("1")], Next::Complete)).contains("`1` is listed twice"));
}

#[test]
fn an_attribute_that_stands_twice_or_has_two_primary_values_is_refused() {
    let mut twice = sample("1");
    twice.attributes.push(twice.attributes[0].clone());
    assert!(refused(pages(vec![twice], Next::Complete)).contains("lists attribute `email` twice"));
    let mut primaries = sample("1");
    primaries.attributes[0].values.push(value("c@d", true));
    assert!(refused(pages(vec![primaries], Next::Complete)).contains("several primary values"));
}

#[test]
fn a_cursor_without_measure_is_refused() {
    assert!(refused(pages(Vec::new(), Next::More("x".repeat((64 << 10) + 1)))).contains("cursor"));
}

#[test]
fn an_answer_with_too_much_text_names_the_limit() {
    let limits = Limits { returned_bytes: 20, ..Limits::default() };
    let mut budget = Budget::new(&limits);
    assert!(account(sample("1"), &mut budget).is_ok());
    let failure = account(sample("2"), &mut budget).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit);
    assert!(failure.message.contains("`returned_bytes` of 20 bytes"), "{failure}");
}

#[test]
fn what_people_get_to_see_is_cut_and_cannot_rewrite_their_terminal() {
    let limits = Limits { journal_line_bytes: 8, ..Limits::default() };
    let finding = |detail: &str| guest::probe::Finding { name: "server".into(), detail: detail.into() };
    let found = findings(vec![finding("short"), finding("\u{1b}[2J and much more")], &limits).unwrap();
    assert_eq!(found[0].detail, "short");
    assert_eq!(found[1].detail, "\u{fffd}[2J and…");
    let why = "\u{1b}[2J and much more".to_owned();
    let doubt = guest::analyzer::Judgement::Doubt(why.clone());
    let judged = verdicts(vec![guest::analyzer::Verdict { judgement: doubt, drift: Vec::new() }], 1, &limits).unwrap();
    assert_eq!(judged[0].judgement, gatehouse_core::ports::Judgement::Doubt("\u{fffd}[2J and…".to_owned()));
    let fault = guest::collector::Fault { external_id: None, why: why.clone() };
    let next = Next::Partial(why);
    let broken = guest::collector::Page { accounts: Vec::new(), faults: vec![fault], estimate: None, next };
    let taken = page(broken, 2, &limits).unwrap();
    assert_eq!(taken.faults[0].why, "\u{fffd}[2J and…");
    assert_eq!(taken.next, gatehouse_core::PageNext::Partial("\u{fffd}[2J and…".to_owned()));
}

#[test]
fn findings_are_so_many_and_no_more() {
    let finding = || guest::probe::Finding { name: String::new(), detail: String::new() };
    let many = |count: usize| findings(std::iter::repeat_with(finding).take(count).collect(), &Limits::default());
    assert_eq!(many(100).unwrap().len(), 100);
    assert_eq!(many(101).unwrap_err().message, "it gave 101 findings; 100 are allowed");
}

#[test]
fn there_is_one_verdict_for_each_item() {
    let verdict = || guest::analyzer::Verdict { judgement: guest::analyzer::Judgement::Same, drift: Vec::new() };
    assert_eq!(verdicts(vec![verdict()], 1, &Limits::default()).unwrap().len(), 1);
    let failure = verdicts(vec![verdict()], 2, &Limits::default()).unwrap_err();
    assert_eq!(failure.message, "it gave 1 verdicts on 2 items");
}

#[test]
fn only_a_removal_leaves_no_account_behind() {
    let bare = || guest::committer::Receipt { account: None, effect: guest::committer::Effect::Applied };
    assert!(receipt(bare(), true, &Limits::default()).unwrap().applied);
    assert!(receipt(bare(), false, &Limits::default()).is_err());
}
