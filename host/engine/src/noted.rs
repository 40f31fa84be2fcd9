//! Turns what the host noted of a call into lines of the request's log and into denials for the audit trail. Denials
//! stand in both: the administrator looks at the request, the reviewer at the trail, where equal ones are counted.

use gatehouse_core::audit::Denials;
use gatehouse_core::audit::denials::DenialKey;
use gatehouse_core::ports::{Call, Denial, JournalLine};
use gatehouse_core::{Actor, AppId, AuditRecord, Level, LogEntry, Origin, RequestId};
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
}

/// What a call leaves to be written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub log: Vec<LogEntry>,
    /// Equal ones together.
    pub denials: Vec<Denials>,
}

impl Notes {
    pub fn of(caller: &Caller<'_>, function: &str, call: &Call, now: Timestamp) -> Self {
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
        Self { log, denials: denials(caller, &call.denials, now) }
    }

    pub fn append(&mut self, mut other: Self) {
        self.log.append(&mut other.log);
        self.denials.append(&mut other.denials);
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
    let subject = caller.request.map_or_else(|| caller.app.to_string(), |request| request.to_string());
    let mut record = AuditRecord::new(at, &Actor::host(), "egress.denied", subject)
        .with("connector", caller.connector)
        .with("rule", &denial.rule)
        .with("method", &denial.method)
        .with("url", &denial.url)
        .with("detail", &denial.detail);
    record.app = Some(caller.app);
    record.request = caller.request;
    record.request_id = caller.request_id.map(str::to_owned);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let caller =
            Caller { app: AppId(1), request: Some(RequestId(2)), request_id: Some("call-1"), connector: "scim" };
        Notes::of(&caller, "commit", call, Timestamp::UNIX_EPOCH)
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
    fn a_call_without_anything_to_tell_leaves_no_notes() {
        let notes = noted(&Call::default());
        assert!(notes.log.is_empty() && notes.denials.is_empty());
    }
}
