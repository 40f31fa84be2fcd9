//! Calls that are refused, counted: how often sign-in fails, of each client and of all, and who is denied what. A
//! flood of them costs a record of the audit trail at its beginning and one at its end, and a bounded memory.

use super::caller::Recorded as _;
use super::{Caller, Denial, Services};
use gatehouse_core::ports::ChangeSet;
use gatehouse_core::{Actor, AuditRecord};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// For how long equal refusals are one.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Failed attempts that a client has in a window before it has to wait.
pub const ATTEMPTS_EACH: u64 = 20;

/// Failed attempts that all clients together have in a window.
pub const ATTEMPTS_IN_ALL: u64 = 1000;

/// Windows that are kept at a time. Each is some hundred bytes.
const MOST: usize = 10_000;

/// What is refused: equal ones are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Refused {
    /// Sign-in, of this client.
    SignIn(Option<IpAddr>),
    /// Sign-in of everybody whose own window is not kept.
    AnySignIn,
    /// Something that somebody may not do: who, what, and why not.
    Denied(Actor, String, String),
}

/// When it began, and how often it has come since.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Timestamp,
    count: u64,
}

/// Windows that are open, and how many attempts to sign in failed in the present one.
#[derive(Debug, Default)]
struct Open {
    windows: BTreeMap<Refused, Window>,
    /// When the oldest one ends: nothing is swept before.
    first_end: Option<Timestamp>,
    in_all: Option<Window>,
}

/// Refusals that are being counted.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Open>);

/// What became of an attempt to sign in that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may be tried again.
    Noted,
    /// It is to be tried again after so many seconds.
    Limited(u64),
}

impl Open {
    /// Counts one more: how many it is, and when its window began.
    fn count(&mut self, what: Refused, now: Timestamp) -> Window {
        let what = match what {
            Refused::SignIn(_) if self.windows.len() >= MOST && !self.windows.contains_key(&what) => Refused::AnySignIn,
            other => other,
        };
        let window = self.windows.entry(what).or_insert(Window { since: now, count: 0 });
        window.count += 1;
        let ends = end(*window);
        self.first_end = Some(self.first_end.map_or(ends, |first| first.min(ends)));
        *window
    }

    /// Takes out the windows that have ended.
    fn ended(&mut self, now: Timestamp) -> Vec<(Refused, Window)> {
        if self.first_end.is_none_or(|first| first > now) {
            return Vec::new();
        }
        let (ended, open) = std::mem::take(&mut self.windows).into_iter().partition(|(_, window)| end(*window) <= now);
        self.windows = open;
        self.first_end = self.windows.values().map(|window| end(*window)).min();
        Vec::from_iter::<BTreeMap<Refused, Window>>(ended)
    }

    fn in_all(&mut self, now: Timestamp) -> Window {
        let window = match self.in_all {
            Some(window) if end(window) > now => Window { count: window.count + 1, ..window },
            _ => Window { since: now, count: 1 },
        };
        self.in_all = Some(window);
        window
    }
}

fn end(window: Window) -> Timestamp {
    window.since.checked_add(WINDOW).unwrap_or(Timestamp::MAX)
}

impl Refusals {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt to sign in that failed; what is to be written down of it and of what has ended.
    fn failed(&self, client: Option<IpAddr>, now: Timestamp) -> (Failed, Vec<AuditRecord>) {
        let mut open = self.open();
        let mut records = records(open.ended(now), now);
        let in_all = open.in_all(now);
        let what =
            if in_all.count > ATTEMPTS_IN_ALL { Refused::AnySignIn } else { Refused::SignIn(client.map(network)) };
        let window = open.count(what.clone(), now);
        if window.count == 1 {
            records.push(record(&what, 1, now));
        }
        let full = if window.count > ATTEMPTS_EACH && what != Refused::AnySignIn { Some(window) } else { None };
        match full.or(Some(in_all).filter(|all| all.count > ATTEMPTS_IN_ALL)) {
            None => (Failed::Noted, records),
            Some(window) => {
                let wait = end(window).duration_since(now).as_secs().max(1);
                (Failed::Limited(wait.unsigned_abs()), records)
            }
        }
    }

    fn denied(&self, who: &Actor, call: &str, why: &str, now: Timestamp) -> Vec<AuditRecord> {
        let what = Refused::Denied(who.clone(), call.to_owned(), why.to_owned());
        let mut open = self.open();
        let mut records = records(open.ended(now), now);
        // With so many different ones, only their number is bounded by dropping them, not that they are written down.
        let counted = open.windows.len() < MOST || open.windows.contains_key(&what);
        if !counted || open.count(what.clone(), now).count == 1 {
            records.push(record(&what, 1, now));
        }
        records
    }
}

/// What came again in windows that have ended. The first of each has been written down when it came.
fn records(ended: Vec<(Refused, Window)>, now: Timestamp) -> Vec<AuditRecord> {
    let again = ended.into_iter().filter(|(_, window)| window.count > 1);
    again.map(|(what, window)| record(&what, window.count, now).with("since", window.since)).collect()
}

fn record(what: &Refused, times: u64, now: Timestamp) -> AuditRecord {
    let nobody = Actor("nobody".to_owned());
    let record = match what {
        Refused::SignIn(client) => {
            let client = client.map_or("an unknown client".to_owned(), |client| client.to_string());
            AuditRecord::new(now, &nobody, "sign_in.failed", format!("client {client}"))
        }
        Refused::AnySignIn => AuditRecord::new(now, &nobody, "sign_in.failed", "many clients"),
        Refused::Denied(who, call, why) => AuditRecord::new(now, who, "access.denied", call.clone()).with("why", why),
    };
    record.with("times", times)
}

/// Who has one IPv6 address has a network of them (RFC 4291 section 2.5.4): the first 64 bits are one client.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

impl Services {
    /// Notes that somebody tried to sign in and could not. A good token is never refused for what others tried.
    pub async fn sign_in_failed(&self, client: Option<IpAddr>) -> Failed {
        let (failed, records) = self.refusals.failed(client, self.now());
        self.write_down(records).await;
        failed
    }

    /// Notes that somebody was denied something.
    pub async fn note_denial(&self, caller: &Caller, call: &str, denial: &Denial) {
        let mut records = self.refusals.denied(&caller.actor, call, &denial.text, self.now());
        // Those of windows that have ended were asked for by other calls.
        if let Some(last) = records.last_mut().filter(|last| last.facts.get("why") == Some(&denial.text)) {
            caller.sign(last);
        }
        self.write_down(records).await;
    }

    /// Writes down how often refusals came again whose window has ended.
    pub async fn close_refusals(&self) {
        let now = self.now();
        let records = records(self.refusals.open().ended(now), now);
        self.write_down(records).await;
    }

    /// The call is refused whether or not that can be written down.
    async fn write_down(&self, audit: Vec<AuditRecord>) {
        if audit.is_empty() {
            return;
        }
        if let Err(error) = self.store.commit(ChangeSet { audit, ..ChangeSet::default() }).await {
            tracing::error!(%error, "a refusal could not be written down");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn client(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_client_that_fails_too_often_has_to_wait_and_another_has_not() {
        let refusals = Refusals::default();
        for _ in 0..ATTEMPTS_EACH {
            assert_eq!(refusals.failed(client(1), at(0)).0, Failed::Noted);
        }
        assert_eq!(refusals.failed(client(1), at(10)).0, Failed::Limited(50));
        assert_eq!(refusals.failed(client(2), at(10)).0, Failed::Noted);
        assert_eq!(refusals.failed(client(1), at(60)).0, Failed::Noted, "a window later");
    }

    #[test]
    fn all_together_have_to_wait_as_well() {
        let refusals = Refusals::default();
        let address = |no: u64| Some(IpAddr::from([10, 0, (no / 250) as u8, (no % 250) as u8]));
        for no in 0..ATTEMPTS_IN_ALL {
            assert_eq!(refusals.failed(address(no), at(0)).0, Failed::Noted, "{no}");
        }
        assert!(matches!(refusals.failed(address(2000), at(1)).0, Failed::Limited(59)));
        assert_eq!(refusals.failed(address(2000), at(61)).0, Failed::Noted);
    }

    #[test]
    fn a_flood_leaves_one_record_at_its_beginning_and_one_at_its_end() {
        let refusals = Refusals::default();
        let mut written = Vec::new();
        for second in [0, 1, 2, 3] {
            written.extend(refusals.failed(client(1), at(second)).1);
        }
        assert_eq!(written.len(), 1);
        let later = refusals.failed(client(1), at(100)).1;
        let times: Vec<_> = later.iter().map(|record| record.facts["times"].as_str()).collect();
        assert_eq!(times, ["4", "1"]);
        assert_eq!(later[0].subject, "client 192.0.2.1");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_however_many_clients_there_are() {
        let refusals = Refusals::default();
        let who = Actor("ada".to_owned());
        for no in 0..(2 * MOST) {
            refusals.denied(&who, &format!("GET /{no}"), "no", at(0));
        }
        assert_eq!(refusals.open().windows.len(), MOST);
    }

    #[test]
    fn equal_denials_are_counted_and_different_ones_are_not() {
        let refusals = Refusals::default();
        let denied = |who: &str, call: &str| refusals.denied(&Actor(who.to_owned()), call, "needs all", at(0)).len();
        assert_eq!(
            [denied("ada", "GET /a"), denied("ada", "GET /a"), denied("ada", "GET /b"), denied("bob", "GET /a")],
            [1, 0, 1, 1]
        );
    }
}
