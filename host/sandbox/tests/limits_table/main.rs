//! Every limit of the table, met: a benign twin that goes as far as it may, a hostile one that goes one further, and
//! the text that it gets for it. Prints the table with the measured points of refusal, and writes it to
//! `target/reports/limits.{txt,json}`. A limit without a case here fails the test.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod answers;
mod component;
mod computing;
mod egress;
mod report;
#[path = "../support/mod.rs"]
mod support;

use gatehouse_core::ports::{CallReport, Connectors, Finding};
use gatehouse_core::{CallFailure, Digest};
use gatehouse_sandbox::{Limits, Sandbox};
use report::Row;
use std::collections::BTreeSet;
use support::{Setup, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_refuses_what_goes_beyond_it_and_lets_pass_what_does_not() {
    let mut rows = Vec::new();
    // One after the other, so that processor times are those of the row.
    rows.extend(component::rows().await);
    rows.extend(computing::rows().await);
    rows.extend(answers::rows().await);
    rows.extend(egress::rows().await);
    let table = Limits::default().table();
    rows.sort_by_key(|row| table.iter().position(|limit| limit.name == row.limit));
    println!("{}", report::write(&rows));
    let tried: BTreeSet<&str> = rows.iter().map(|row| row.limit).collect();
    let all: BTreeSet<&str> = table.iter().map(|row| row.name).collect();
    assert_eq!(tried, all, "each limit has a case, and each case is of a limit");
}

/// The value in force of a limit.
pub fn value_of(limits: &Limits, name: &str) -> u64 {
    limits.table().into_iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no limit `{name}`")).value
}

/// A sandbox with one component admitted.
pub struct Bench {
    pub sandbox: Sandbox,
    pub digest: Digest,
    pub limits: Limits,
}

impl Bench {
    pub async fn new(limits: Limits, component: &[u8]) -> Self {
        // Limits are met again and again here; the pause after that has a case of its own.
        let sandbox = sandbox(Limits { rest_ms: 1, ..limits.clone() });
        let digest = sandbox.admit(component).await.unwrap_or_else(|error| panic!("{error}")).connector.digest;
        Self { sandbox, digest, limits }
    }

    pub async fn hostile(limits: Limits) -> Self {
        Self::new(limits, &support::hostile()).await
    }

    pub fn setup(&self, behaviour: &str, n: u64) -> Setup {
        Setup::new(self.digest, behaviour).setting("n", &n.to_string())
    }

    pub async fn check(&self, behaviour: &str, n: u64) -> CallReport<Vec<Finding>> {
        self.sandbox.check(&self.setup(behaviour, n).0).await
    }

    /// Tries one amount that must pass and one that must not: the row of a limit.
    pub async fn row(
        &self,
        limit: &'static str,
        passes: u64,
        refused: u64,
        attempt: impl AsyncFn(u64) -> Tried,
    ) -> Row {
        if let Err(failure) = attempt(passes).await {
            panic!("{limit}: {passes} should pass: {failure}");
        }
        let text = attempt(refused).await.expect_err(&format!("{limit}: {refused} should be refused"));
        Row::new(limit, &self.limits, passes, refused, text.to_string())
    }

    /// Finds the very amount that is refused, by halving, and takes it for the row.
    pub async fn search(&self, limit: &'static str, top: u64, attempt: impl AsyncFn(u64) -> Tried) -> Row {
        let (mut passes, mut refused) = (0, top);
        while refused - passes > 1 {
            let middle = passes + (refused - passes) / 2;
            match attempt(middle).await {
                Ok(()) => passes = middle,
                Err(_) => refused = middle,
            }
        }
        self.row(limit, passes, refused, attempt).await
    }
}

/// What came of an attempt.
pub type Tried = Result<(), CallFailure>;

/// The result of a call, whatever it gave.
pub fn tried<T>(report: CallReport<T>) -> Tried {
    report.result.map(drop)
}
