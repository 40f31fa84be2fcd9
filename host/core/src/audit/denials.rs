//! Floods of equal denials: the first one is a record at once, those that follow it within a minute are counted, and the
//! count is a record of its own when the minute is over. Pure: how many windows are open, and which, is handed in; the
//! store keeps them, in the commit that also says what came of the call. So the count is as durable as everything else,
//! and the counts of all records add up to what was denied.

use super::AuditRecord;
use crate::{Actor, AppId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// For how long equal denials are counted instead of written down.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// At most so many windows of an app are open at a time: a connector can make up as many origins as it likes. Beyond
/// that, origins are counted together.
pub const OPEN_AT_MOST: usize = 64;

/// In the place of an origin, for all that are counted together.
pub const OTHERS: &str = "(others)";

/// The fact that says how many denials a record stands for.
pub const COUNT: &str = "count";

/// Denials that are equal but for what is not worth telling apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denials {
    /// The app; none: of the API itself.
    pub app: Option<AppId>,
    /// The rule, the connector (or what else was denied something), and the origin.
    pub key: DenialKey,
    /// How many.
    pub count: u64,
    /// The record for the first of them, without a count.
    pub record: AuditRecord,
}

/// What makes denials of an app equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DenialKey {
    /// The rule that denied.
    pub rule: String,
    /// To whom.
    pub connector: String,
    /// Where they were going, or came from.
    pub origin: String,
}

impl DenialKey {
    /// The same, for all origins.
    fn others(&self) -> Self {
        Self { origin: OTHERS.to_owned(), ..self.clone() }
    }
}

/// A time in which equal denials are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The app.
    pub app: Option<AppId>,
    /// What is counted.
    pub key: DenialKey,
    /// The action of the denials that are counted.
    #[serde(default = "egress")]
    pub action: String,
    /// When it began: with the denial that was written down.
    pub since: Timestamp,
    /// When the last one was counted.
    pub last: Timestamp,
    /// How many have been counted since, and stand in no record yet.
    pub further: u64,
}

/// What was counted before windows said it.
fn egress() -> String {
    "egress.denied".to_owned()
}

/// Whether a time in which equal denials are counted is over, one that began then.
pub fn is_over(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) >= WINDOW || now < since
}

impl Window {
    /// Whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        is_over(self.since, now)
    }

    /// The record of what was counted, if anything was.
    pub fn close(&self) -> Option<AuditRecord> {
        if self.further == 0 {
            return None;
        }
        let action = format!("{}.further", self.action);
        let mut record = match self.app {
            Some(app) => AuditRecord::new(self.last, &Actor::host(), action, app.to_string())
                .with("rule", &self.key.rule)
                .with("connector", &self.key.connector)
                .with("origin", &self.key.origin),
            // Of the API itself: by whoever was denied something, to what they were denied.
            None => AuditRecord::new(self.last, &Actor(self.key.connector.clone()), action, &self.key.origin),
        };
        record.app = self.app;
        Some(record.with(COUNT, self.further).with("since", self.since))
    }
}

/// Under which key denials are counted, with so many windows of their app open and `known` saying which.
pub fn counted_as(denials: &Denials, open: usize, known: impl Fn(&DenialKey) -> bool) -> DenialKey {
    if known(&denials.key) || open < OPEN_AT_MOST { denials.key.clone() } else { denials.key.others() }
}

/// What becomes of denials: records for the trail, and the window that is open from then on.
pub fn coalesce(open: Option<Window>, denials: Denials, key: DenialKey) -> (Vec<AuditRecord>, Window) {
    let Denials { app, count, record, .. } = denials;
    let at = record.at;
    match open {
        Some(window) if !window.is_over(at) => {
            (Vec::new(), Window { last: at.max(window.last), further: window.further.saturating_add(count), ..window })
        }
        over => {
            let closed = over.as_ref().and_then(Window::close);
            let window = Window { app, key, action: record.action.clone(), since: at, last: at, further: 0 };
            (closed.into_iter().chain([record.with(COUNT, count)]).collect(), window)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn denials(second: i64, origin: &str, count: u64) -> Denials {
        let at = Timestamp::from_second(second).unwrap();
        let key = DenialKey { rule: "origin".to_owned(), connector: "scim".to_owned(), origin: origin.to_owned() };
        let record = AuditRecord::new(at, &Actor::host(), "egress.denied", "UPR-000001");
        Denials { app: Some(AppId(1)), key, count, record }
    }

    fn counts(records: &[AuditRecord]) -> Vec<(&str, &str)> {
        records.iter().map(|record| (record.action.as_str(), record.facts[COUNT].as_str())).collect()
    }

    #[test]
    fn a_flood_becomes_one_record_at_once_and_one_when_it_is_over() {
        let (mut open, mut all) = (None, Vec::new());
        for (second, count) in [(0, 1), (1, 500), (59, 2), (60, 3), (61, 1)] {
            let denied = denials(second, "https://a.example", count);
            let key = denied.key.clone();
            let (records, window) = coalesce(open.take(), denied, key);
            all.extend(records);
            open = Some(window);
        }
        assert_eq!(counts(&all), [("egress.denied", "1"), ("egress.denied.further", "502"), ("egress.denied", "3")]);
        let rest = open.unwrap().close().unwrap();
        assert_eq!(counts(&[rest]), [("egress.denied.further", "1")], "all 507 stand in a record");
    }

    #[test]
    fn what_is_counted_of_the_api_is_named_by_its_kind_and_by_who_was_refused() {
        let at = Timestamp::from_second(0).unwrap();
        let key = DenialKey { rule: "sign-in".into(), connector: "nobody".into(), origin: "client 192.0.2.1".into() };
        let record = AuditRecord::new(at, &Actor("nobody".to_owned()), "sign_in.refused", "client 192.0.2.1");
        let denied = Denials { app: None, key: key.clone(), count: 1, record };
        let (_, open) = coalesce(None, denied.clone(), key.clone());
        let (_, open) = coalesce(Some(open), denied, key);
        let record = open.close().unwrap();
        let told = (record.actor.0.as_str(), record.action.as_str(), record.subject.as_str());
        assert_eq!(told, ("nobody", "sign_in.refused.further", "client 192.0.2.1"));
        assert_eq!(record.facts[COUNT], "1");
    }

    #[test]
    fn a_window_of_before_windows_said_what_they_count_is_one_of_the_gate() {
        let old = r#"{"app":"APP-000001","key":{"rule":"r","connector":"c","origin":"o"},"since":"1970-01-01T00:00:00Z",
            "last":"1970-01-01T00:00:00Z","further":2}"#;
        let window: Window = serde_json::from_str(old).unwrap();
        assert_eq!(window.close().unwrap().action, "egress.denied.further");
    }

    #[test]
    fn a_window_in_which_nothing_was_counted_leaves_no_record() {
        let denied = denials(0, "https://a.example", 1);
        let key = denied.key.clone();
        let (_, window) = coalesce(None, denied, key);
        assert_eq!(window.close(), None);
        assert!(window.is_over(Timestamp::from_second(60).unwrap()));
        assert!(!window.is_over(Timestamp::from_second(59).unwrap()));
        assert!(window.is_over(Timestamp::from_second(-1).unwrap()), "a clock that was set back opens a new one");
    }

    #[test]
    fn made_up_origins_are_counted_together_once_there_are_too_many() {
        let denied = denials(0, "https://made-up.example", 1);
        assert_eq!(counted_as(&denied, OPEN_AT_MOST - 1, |_| false), denied.key);
        assert_eq!(counted_as(&denied, OPEN_AT_MOST, |_| true), denied.key, "one that is counted already goes on");
        assert_eq!(counted_as(&denied, OPEN_AT_MOST, |_| false).origin, OTHERS);
    }
}
