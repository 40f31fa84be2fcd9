//! Turns what the host noted of a call into lines of the request's log and into audit records. Denials stand in both:
//! the administrator looks at the request, the reviewer at the trail.

use gatehouse_core::ports::{Call, Denial, JournalLine};
use gatehouse_core::{Actor, AppId, AuditRecord, Level, LogEntry, RequestId};
use jiff::Timestamp;

/// How many denials of one call are written down one by one.
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
    pub audit: Vec<AuditRecord>,
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
        let mut audit: Vec<AuditRecord> =
            call.denials.iter().take(DENIALS_IN_FULL).map(|denial| denial_record(caller, denial, now)).collect();
        let further = call.denials.len().saturating_sub(DENIALS_IN_FULL);
        if further > 0 {
            log.push(host_line(now, Level::Warn, format!("{further} more requests were refused at the gate"), vec![]));
            audit.push(blank_denial(caller, now).with("further", further));
        }
        Self { log, audit }
    }

    pub fn append(&mut self, mut other: Self) {
        self.log.append(&mut other.log);
        self.audit.append(&mut other.audit);
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

fn denial_record(caller: &Caller<'_>, denial: &Denial, at: Timestamp) -> AuditRecord {
    blank_denial(caller, at)
        .with("rule", &denial.rule)
        .with("method", &denial.method)
        .with("url", &denial.url)
        .with("detail", &denial.detail)
}

fn blank_denial(caller: &Caller<'_>, at: Timestamp) -> AuditRecord {
    let subject = caller.request.map_or_else(|| caller.app.to_string(), |request| request.to_string());
    let mut record = AuditRecord::new(at, &Actor::host(), "egress.denied", subject).with("connector", caller.connector);
    record.app = Some(caller.app);
    record.request = caller.request;
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
        assert_eq!(notes.log.len(), 1);
        assert_eq!(notes.audit.len(), 1);
        assert_eq!(notes.audit[0].action, "egress.denied");
        assert_eq!(notes.audit[0].subject, "UPR-000002");
        assert_eq!(notes.audit[0].facts["rule"], "origin-not-granted");
    }

    #[test]
    fn a_flood_of_denials_is_counted_instead_of_written_down_one_by_one() {
        let notes = noted(&denials(DENIALS_IN_FULL + 500));
        assert_eq!(notes.audit.len(), DENIALS_IN_FULL + 1);
        assert_eq!(notes.audit[DENIALS_IN_FULL].facts["further"], "500");
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
        assert!(notes.log.is_empty() && notes.audit.is_empty());
    }
}
