//! docs/operations.md against the code: its table of metrics is the one in `gatehouse_core::metrics`.
#![allow(clippy::unwrap_used, missing_docs)]

use gatehouse_core::metrics::{ALL, Kind};
use std::fmt::Write as _;

#[test]
fn the_documented_metrics_are_those_in_the_code() {
    let mut table = String::from("| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n");
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help).unwrap();
    }
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let text = std::fs::read_to_string(document).unwrap();
    assert!(text.contains(&table), "the table of docs/operations.md is to be:\n{table}");
}
