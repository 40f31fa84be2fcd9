//! Every metric of the host: name, type, unit, meaning and labels, in one table. `/metrics` shows exactly these, and
//! docs/operations.md lists them. Names follow Prometheus (base units, `_total` for counters). No label ever holds the
//! name of a person, and every label has few values: apps, connectors, and words from fixed lists. It counts nothing.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// What it is called; ends with its unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// `seconds`, `bytes`; nothing for plain numbers.
    pub unit: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

use Kind::{Counter, Gauge, Histogram};

/// For calls of the API and commits of the store, in seconds.
const SHORT: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// For calls of connectors, which wait for a target, in seconds.
const LONG: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
const MIB: f64 = 1_048_576.0;
/// For the memory of a call, in bytes.
const MEMORY: &[f64] =
    &[MIB, 2.0 * MIB, 4.0 * MIB, 8.0 * MIB, 16.0 * MIB, 32.0 * MIB, 64.0 * MIB, 128.0 * MIB, 256.0 * MIB];
/// For how many changes share a commit.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, $unit:literal, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric =
                Metric { name: $name, kind: $kind, unit: $unit, labels: &[$($label),*], help: $help };
        )*

        /// All of them, in the order of the documentation.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = "gatehouse_build_info", Gauge, "", ["version"], "Which Gatehouse this is; always 1.";

    HTTP_REQUESTS = "gatehouse_http_requests_total", Counter, "", ["method", "route", "status"],
        "Calls of the HTTP API that were answered.";
    HTTP_SECONDS = "gatehouse_http_request_duration_seconds", Histogram(SHORT), "seconds", ["method", "route"],
        "How long calls of the HTTP API took.";

    REQUESTS = "gatehouse_requests", Gauge, "", ["app", "state"], "Provisioning requests there are, by state.";
    IN_REVIEW = "gatehouse_requests_in_review", Gauge, "", ["app"],
        "Requests whose outcome could not be proven and that a person has to look at.";
    APPROVALS = "gatehouse_approvals_waiting", Gauge, "", ["app"], "Provisioning requests that wait for an approval.";
    APPROVAL_AGE = "gatehouse_approvals_waiting_age_seconds", Gauge, "seconds", ["app"],
        "For how long the first of them has been waiting; 0 if none is.";
    ACCOUNTS = "gatehouse_accounts", Gauge, "", ["app", "link_state", "status"],
        "Accounts there are, those that are missing aside; none is shown where there are none.";
    ACCOUNTS_MISSING = "gatehouse_accounts_missing", Gauge, "", ["app"],
        "Users who have access and no account yet.";
    QUEUE_AGE = "gatehouse_queue_age_seconds", Gauge, "seconds", ["app"],
        "For how long the oldest request that could be worked on has been due; 0 if none is. Not of paused apps.";
    CLAIMS = "gatehouse_claims_in_flight", Gauge, "", [], "Requests that are being worked on.";
    REQUESTS_OPENED = "gatehouse_requests_opened_total", Counter, "", ["operation"],
        "Provisioning requests that were made.";
    REQUESTS_SETTLED = "gatehouse_requests_settled_total", Counter, "", ["operation", "outcome"],
        "Provisioning requests that came to an end: Completed, Failed, Retried, ManuallyCompleted or Cancelled.";
    ATTEMPTS = "gatehouse_attempts_total", Counter, "", ["app", "outcome"],
        "Attempts at a change, or at a single read, that ended: applied, already_applied, failed or unknown.";

    CALLS = "gatehouse_connector_calls_total", Counter, "", ["app", "connector", "call", "result"],
        "Calls of connectors that ended: ok, or the kind of failure.";
    CALL_SECONDS = "gatehouse_connector_call_duration_seconds", Histogram(LONG), "seconds", ["connector", "call"],
        "How long calls of connectors took, waiting for the target included.";
    CALL_MEMORY = "gatehouse_connector_call_memory_bytes", Histogram(MEMORY), "bytes", ["connector", "call"],
        "The most memory that calls of connectors had.";
    JOURNAL_DROPPED = "gatehouse_journal_lines_dropped_total", Counter, "", ["connector"],
        "Lines that connectors wrote beyond what a call may write.";
    GATE_DECISIONS = "gatehouse_gate_decisions_total", Counter, "", ["connector", "decision", "rule"],
        "HTTP requests of connectors that the egress gate allowed, or denied by a rule.";

    COMMIT_BATCH = "gatehouse_store_commit_batch_size", Histogram(BATCH), "", [],
        "Changes that became durable together.";
    COMMIT_SECONDS = "gatehouse_store_commit_duration_seconds", Histogram(SHORT), "seconds", [],
        "How long it took to make them durable.";
    COMMIT_FAILURES = "gatehouse_store_commit_failures_total", Counter, "", [],
        "Times that the store could not make changes durable.";

    ROWS_REMOVED = "gatehouse_staging_rows_removed_total", Counter, "", [],
        "Staging rows that were removed because a later reconciliation of the app has completed.";
    ANSWERS_FORGOTTEN = "gatehouse_idempotency_answers_removed_total", Counter, "", [],
        "Answers remembered for Idempotency-Keys that have had their time.";

    TRACE_FAILURES = "gatehouse_trace_export_failures_total", Counter, "", [],
        "Batches of spans that the OpenTelemetry collector did not take.";

    PROCESS_CPU = "process_cpu_seconds_total", Counter, "seconds", [], "Processor time of the host.";
    PROCESS_MEMORY = "process_resident_memory_bytes", Gauge, "bytes", [], "Memory of the host that is resident.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge, "bytes", [],
        "Address space of the host; large, since the sandbox keeps places for its calls.";
    PROCESS_FDS = "process_open_fds", Gauge, "", [], "Files and connections that the host has open.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, "", [], "How many it may have open.";
    PROCESS_THREADS = "process_threads", Gauge, "", [], "Threads of the host.";
    PROCESS_START = "process_start_time_seconds", Gauge, "seconds", [],
        "When the host was started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_conventions_and_are_given_once() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let stem = metric.name.strip_suffix("_total");
            assert_eq!(stem.is_some(), metric.kind == Counter, "{}", metric.name);
            assert!(stem.unwrap_or(metric.name).ends_with(metric.unit), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains('\\'), "{}", metric.name);
            assert!(["", "seconds", "bytes"].contains(&metric.unit), "{}", metric.name);
        }
    }

    #[test]
    fn no_label_could_hold_a_person() {
        let known = [
            "version",
            "method",
            "route",
            "status",
            "link_state",
            "app",
            "state",
            "operation",
            "outcome",
            "connector",
            "call",
            "result",
            "decision",
            "rule",
        ];
        for label in ALL.iter().flat_map(|metric| metric.labels) {
            assert!(known.contains(label), "{label}: is it bounded, and does it never name a person?");
        }
    }

    #[test]
    fn buckets_grow() {
        for metric in ALL {
            if let Histogram(bounds) = metric.kind {
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{}", metric.name);
            }
        }
    }
}
