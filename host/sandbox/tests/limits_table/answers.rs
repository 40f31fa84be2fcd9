//! Limits on what a guest gives back: results, accounts, the journal.

use crate::report::Row;
use crate::support::tiny::Tiny;
use crate::{Bench, tried, value_of};
use gatehouse_core::ports::{Call, Connectors};
use gatehouse_sandbox::Limits;

pub async fn rows() -> Vec<Row> {
    let bench = Bench::hostile(Limits::default()).await;
    let mut rows = Vec::new();
    let most = value_of(&bench.limits, "returned_bytes");
    let findings = async |n: u64| tried(bench.check("findings", n).await);
    rows.push(bench.row("returned_bytes", most, most + 1, findings).await);
    for (limit, field) in [
        ("external_id_bytes", "external-id"),
        ("username_bytes", "username"),
        ("revision_bytes", "revision"),
        ("attribute_name_bytes", "attribute"),
        ("account_bytes", "account"),
    ] {
        let most = value_of(&bench.limits, limit);
        let attempt = async |n: u64| tried(bench.sandbox.read(&bench.setup(field, n).0, "large").await);
        rows.push(bench.row(limit, most, most + 1, attempt).await);
    }
    rows.extend(journal().await);
    rows
}

/// What does not fit is counted and said; it fails no call.
async fn journal() -> Vec<Row> {
    let limits = Limits::default();
    let lines = |length: &str| {
        format!(
            "(local $left i32) (local.set $left (call $n))
             (block $done (loop $next
                (br_if $done (i32.eqz (local.get $left)))
                (call $log (i32.const 1) (i32.const 8192) (i32.const {length}) (i32.const 0) (i32.const 0))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br $next)))"
        )
    };
    let last = |call: &Call| call.journal.last().unwrap().message.clone();
    let mut rows = Vec::new();
    // Lines of a kibibyte, as they are counted, fill the bytes before the lines.
    for (limit, length, most) in
        [("journal_lines", "1", limits.journal_lines), ("journal_bytes", "1023", limits.journal_bytes >> 10)]
    {
        let bench = Bench::new(limits.clone(), &Tiny::checking(&lines(length)).build()).await;
        let (benign, hostile) = (bench.check("", most).await.call, bench.check("", most + 1).await.call);
        assert_eq!(benign.journal.len() as u64, most, "{limit}");
        assert!(!last(&benign).contains("dropped") && last(&hostile).starts_with("dropped 1 lines"), "{limit}");
        let told = |lines: u64| format!("{lines} lines of {length} B");
        rows.push(Row::told(limit, &limits, told(most), told(most + 1), last(&hostile)));
    }
    let line = "(call $log (i32.const 1) (i32.const 8192) (call $n) (i32.const 0) (i32.const 0))";
    let bench = Bench::new(limits.clone(), &Tiny::checking(line).build()).await;
    let most = limits.journal_line_bytes;
    let (benign, hostile) = (last(&bench.check("", most).await.call), last(&bench.check("", most + 1).await.call));
    let length = |line: &str| line.chars().count() as u64;
    assert_eq!((length(&benign), length(&hostile)), (most, most + 1), "cut, and said so");
    assert!(hostile.ends_with('…') && !benign.ends_with('…'));
    let text = "the line ends in …".to_owned();
    rows.push(Row::new("journal_line_bytes", &limits, most, most + 1, text));
    rows
}
