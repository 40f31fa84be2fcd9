//! Components whose `describe` misbehaves, and what `connector check` says of them.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_tests::guest;
use std::fs;
use support::Scenario;

/// The hostile connector with another marker in its binary, which its `describe` goes by.
fn told_of(s: &Scenario, misdeed: &str) -> String {
    let mut component = fs::read(guest("hostile").unwrap()).unwrap();
    let marker = b"describe-marker=";
    let at = component.windows(marker.len()).position(|window| window == marker).unwrap() + marker.len();
    component[at..at + 2].copy_from_slice(misdeed.as_bytes());
    fs::write(s.directory.path().join("hostile.wasm"), component).unwrap();
    let told = s.refused(&["connector", "check", "hostile.wasm"]);
    // Which number a function has changes with every line of the guest.
    match told.split_once("executed in function ") {
        Some((before, after)) => {
            format!("{before}executed in function N{}", after.trim_start_matches(char::is_numeric))
        }
        None => told,
    }
}

#[test]
fn a_describe_that_traps_is_told_from_one_that_loops_and_one_that_is_wrong() {
    let s = Scenario::start();
    insta::assert_snapshot!("describe_traps", told_of(&s, "01"));
    insta::assert_snapshot!("describe_loops", told_of(&s, "02"));
    insta::assert_snapshot!("describe_grows_memory", told_of(&s, "03"));
    insta::assert_snapshot!("describe_answers_differently_each_time", told_of(&s, "04"));
    insta::assert_snapshot!("description_is_wrong_all_over", told_of(&s, "05"));
}
