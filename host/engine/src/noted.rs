//! Turns what the host noted of a call into lines of the request's log and into what the audit trail says: that the call
//! was made, and what it was denied. Denials stand in both: the administrator looks at the request, the reviewer at the
//! trail, where equal ones are counted. Nothing that a connector wrote gets into the record of a call.

use crate::telemetry;
use gatehouse_core::audit::Denials;
use gatehouse_core::audit::denials::DenialKey;
use gatehouse_core::ports::{CallReport, ChangeSet, Denial, JournalLine, TrailChange};
use gatehouse_core::{Actor, AppId, AuditRecord, CallFailure, Level, LogEntry, Origin, RequestId};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How many denials of one call stand in the request's log one by one.
const DENIALS_IN_FULL: usize = 32;

/// The field of a connector's line that names the API call it goes back to.
const REQUEST_ID: &str = "request_id";

/// For whom a call was made.
#[derive(Clone, Debug)]
pub(crate) struct Caller<'a> {
    pub app: AppId,
    pub request: Option<RequestId>,
    /// The `X-Request-Id` of the API call that asked for the request.
    pub request_id: Option<&'a str>,
    pub connector: &'a str,
    /// Which attempt of the request it belongs to; 0: none has begun, or there is no request.
    pub attempt: usize,
}

/// What a call leaves to be written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub log: Vec<LogEntry>,
    /// The records of the calls themselves.
    pub calls: Vec<AuditRecord>,
    /// Equal ones together.
    pub denials: Vec<Denials>,
}

impl Notes {
    pub fn of<T>(caller: &Caller<'_>, function: &str, report: &CallReport<T>, now: Timestamp) -> Self {
        let call = &report.call;
        let mut log: Vec<LogEntry> = call.journal.iter().map(|line| journal_line(caller, line, now)).collect();
        log.extend(call.denials.iter().take(DENIALS_IN_FULL).map(|denial| denial_line(denial, now)));
        // What may have changed the target is part of the story; how a write was lost most of all.
        log.extend(call.writes.iter().map(|write| {
            let answered = write.lost.is_none() && write.status.is_some_and(|status| status < 500);
            host_line(now, if answered { Level::Debug } else { Level::Warn }, write.to_string(), Vec::new())
        }));
        if call.requests > 0 {
            let fields = vec![
                ("requests".to_owned(), call.requests.to_string()),
                ("milliseconds".to_owned(), call.elapsed.as_millis().to_string()),
                ("peak_memory".to_owned(), call.peak_memory.to_string()),
            ];
            log.push(host_line(now, Level::Debug, format!("{function} ended"), fields));
        }
        let further = call.denials.len().saturating_sub(DENIALS_IN_FULL);
        if further > 0 {
            log.push(host_line(now, Level::Warn, format!("{further} more requests were refused at the gate"), vec![]));
        }
        let calls = vec![called(caller, function, report, now)];
        Self { log, calls, denials: denials(caller, &call.denials, now) }
    }

    pub fn append(&mut self, mut other: Self) {
        self.log.append(&mut other.log);
        self.calls.append(&mut other.calls);
        self.denials.append(&mut other.denials);
    }

    /// What is written down where nothing else is, with the log of this request if there is one.
    pub fn into_changes(self, request: Option<RequestId>) -> ChangeSet {
        let Self { log, calls, denials } = self;
        let log = request.map_or_else(Vec::new, |id| log.into_iter().map(|line| (id, line)).collect());
        let trail = TrailChange { denials, ..TrailChange::default() };
        ChangeSet { log, audit: calls, trail, ..ChangeSet::default() }
    }
}

pub(crate) fn host_line(
    at: Timestamp,
    level: Level,
    message: impl Into<String>,
    fields: Vec<(String, String)>,
) -> LogEntry {
    LogEntry { at, source: "host".to_owned(), level, message: message.into(), fields }
}

/// What the connector wrote. The request id is the host's to say, whatever the connector calls a field.
fn journal_line(caller: &Caller<'_>, line: &JournalLine, at: Timestamp) -> LogEntry {
    let own = line.fields.iter().filter(|(name, _)| name != REQUEST_ID).cloned();
    let request_id = caller.request_id.map(|id| (REQUEST_ID.to_owned(), id.to_owned()));
    LogEntry {
        at,
        source: caller.connector.to_owned(),
        level: line.level,
        message: line.message.clone(),
        fields: own.chain(request_id).collect(),
    }
}

fn denial_line(denial: &Denial, at: Timestamp) -> LogEntry {
    let message = format!("refused at the gate ({}): {}", denial.rule, denial.detail);
    let fields = vec![("method".to_owned(), denial.method.clone()), ("url".to_owned(), denial.url.clone())];
    host_line(at, Level::Warn, message, fields)
}

/// Denials of a call, equal ones together.
fn denials(caller: &Caller<'_>, of: &[Denial], at: Timestamp) -> Vec<Denials> {
    let mut equal: BTreeMap<DenialKey, Denials> = BTreeMap::new();
    for denial in of {
        let origin = denial.url.parse().map_or_else(|_| "(none)".to_owned(), |origin: Origin| origin.to_string());
        let key = DenialKey { rule: denial.rule.clone(), connector: caller.connector.to_owned(), origin };
        let new = || Denials { app: Some(caller.app), key: key.clone(), count: 0, record: record(caller, denial, at) };
        equal.entry(key.clone()).or_insert_with(new).count += 1;
    }
    equal.into_values().collect()
}

fn record(caller: &Caller<'_>, denial: &Denial, at: Timestamp) -> AuditRecord {
    begun(caller, "egress.denied", at)
        .with("rule", &denial.rule)
        .with("method", &denial.method)
        .with("url", &denial.url)
        .with("detail", &denial.detail)
}

/// That a call was made, what left for the target meanwhile, and what came of it.
fn called<T>(caller: &Caller<'_>, function: &str, report: &CallReport<T>, at: Timestamp) -> AuditRecord {
    let failure: Option<&CallFailure> = report.result.as_ref().err();
    let record = begun(caller, "connector.call", at)
        .with("function", function)
        .with("requests", report.call.requests)
        .with("write_left", report.call.write_left)
        .ending(telemetry::result(failure));
    if caller.attempt > 0 { record.with("attempt", caller.attempt) } else { record }
}

fn begun(caller: &Caller<'_>, action: &str, at: Timestamp) -> AuditRecord {
    let subject = caller.request.map_or_else(|| caller.app.to_string(), |request| request.to_string());
    let mut record = AuditRecord::new(at, &Actor::host(), action, subject).with("connector", caller.connector);
    record.app = Some(caller.app);
    record.request = caller.request;
    record.request_id = caller.request_id.map(str::to_owned);
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_core::FailureKind;
    use gatehouse_core::ports::Call;

    fn denials(count: usize) -> Call {
        let denial = Denial {
            rule: "origin-not-granted".to_owned(),
            method: "GET".to_owned(),
            url: "https://elsewhere.example/".to_owned(),
            detail: "the origin is not granted".to_owned(),
        };
        Call { denials: vec![denial; count], ..Call::default() }
    }

    fn noted(call: &Call) -> Notes {
        ending(call, Ok(()))
    }

    fn ending(call: &Call, result: Result<(), CallFailure>) -> Notes {
        let request = Some(RequestId(2));
        let caller = Caller { app: AppId(1), request, request_id: Some("call-1"), connector: "scim", attempt: 3 };
        Notes::of(&caller, "commit", &CallReport { result, call: call.clone() }, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_call_leaves_a_record_of_what_left_and_what_came_of_it_and_no_word_of_the_connectors() {
        let failure = CallFailure::new(FailureKind::Unavailable, "ada@example.com is not to be reached");
        let call = Call { requests: 2, write_left: true, ..Call::default() };
        let [record] = ending(&call, Err(failure)).calls.try_into().unwrap_or_else(|all| panic!("{all:?}"));
        assert_eq!((record.action.as_str(), record.outcome.as_deref()), ("connector.call", Some("unavailable")));
        assert_eq!((record.app, record.request), (Some(AppId(1)), Some(RequestId(2))));
        let facts: Vec<_> = record.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = ["attempt=3", "connector=scim", "function=commit", "requests=2", "write_left=true"];
        assert_eq!(facts, expected);
        assert_eq!(ending(&call, Ok(())).calls[0].outcome.as_deref(), Some("ok"));
    }

    #[test]
    fn a_denial_stands_in_the_log_and_in_the_audit_trail() {
        let notes = noted(&denials(1));
        assert_eq!((notes.log.len(), notes.denials.len()), (1, 1));
        let Denials { app, key, count, record } = &notes.denials[0];
        assert_eq!((*app, *count, key.origin.as_str()), (Some(AppId(1)), 1, "https://elsewhere.example"));
        assert_eq!((record.action.as_str(), record.subject.as_str()), ("egress.denied", "UPR-000002"));
        assert_eq!(
            (record.facts["rule"].as_str(), record.request_id.as_deref()),
            ("origin-not-granted", Some("call-1"))
        );
    }

    #[test]
    fn equal_denials_are_counted_and_others_told_apart() {
        let mut call = denials(DENIALS_IN_FULL + 500);
        call.denials[3].url = "https://another.example/".to_owned();
        call.denials[4].url = "https://elsewhere.example/further".to_owned();
        let notes = noted(&call);
        assert_eq!(notes.log.len(), DENIALS_IN_FULL + 1);
        assert_eq!(notes.denials.iter().map(|denials| denials.count).collect::<Vec<_>>(), [1, 531]);
    }

    #[test]
    fn a_line_of_a_connector_carries_the_request_id_and_only_the_hosts() {
        let fields = vec![("request_id".to_owned(), "forged".to_owned()), ("rows".to_owned(), "3".to_owned())];
        let line = JournalLine { level: Level::Info, message: "read".to_owned(), fields };
        let notes = noted(&Call { journal: vec![line], ..Call::default() });
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(notes.log[0].fields, [pair("rows", "3"), pair("request_id", "call-1")]);
    }

    #[test]
    fn a_call_without_anything_to_tell_leaves_only_that_it_was_made() {
        let notes = noted(&Call::default());
        assert!(notes.log.is_empty() && notes.denials.is_empty() && notes.calls.len() == 1);
    }
}
