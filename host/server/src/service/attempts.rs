//! Calls that are refused, counted: how often sign-in fails, of each client and of all, and who is denied what. A
//! flood of them costs a record of the audit trail at its beginning and one at its end, and a bounded memory.

use super::caller::Recorded as _;
use super::refused::Gathered;
use super::{Caller, Denial, Services};
use gatehouse_core::audit::{Denials, denials::DenialKey};
use gatehouse_core::ports::{ChangeSet, TrailChange};
use gatehouse_core::{Actor, AskedFrom, AuditRecord, Correlation};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// For how long attempts are counted together.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Failed attempts that a client has in a window before it has to wait.
pub const ATTEMPTS_EACH: u64 = 20;

/// Failed attempts that all clients together have in a window.
pub const ATTEMPTS_IN_ALL: u64 = 1000;

/// Windows that are kept at a time. Each is some hundred bytes.
const MOST: usize = 10_000;

/// Whose attempts to sign in are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// Those of this client.
    Client(Option<IpAddr>),
    /// Those of everybody whose own window is not kept.
    Anybody,
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
    windows: BTreeMap<Whose, Window>,
    /// When the oldest one ends: nothing is swept before.
    first_end: Option<Timestamp>,
    in_all: Option<Window>,
}

/// Refusals that are being counted.
#[derive(Debug, Default)]
pub struct Refusals {
    /// By which clients have to wait.
    attempts: Mutex<Open>,
    /// For the audit trail.
    gathered: Gathered,
}

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
    fn count(&mut self, whose: Whose, now: Timestamp) -> Window {
        let whose =
            if self.windows.len() >= MOST && !self.windows.contains_key(&whose) { Whose::Anybody } else { whose };
        let window = self.windows.entry(whose).or_insert(Window { since: now, count: 0 });
        window.count += 1;
        let ends = end(*window);
        self.first_end = Some(self.first_end.map_or(ends, |first| first.min(ends)));
        *window
    }

    /// Drops the windows that have ended.
    fn sweep(&mut self, now: Timestamp) {
        if self.first_end.is_some_and(|first| first <= now) {
            self.windows.retain(|_, window| end(*window) > now);
            self.first_end = self.windows.values().map(|window| end(*window)).min();
        }
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
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt to sign in that failed, of `each` that a client has in a window; 0: as many as it likes.
    fn failed(&self, client: Option<IpAddr>, each: u64, now: Timestamp) -> Failed {
        if each == 0 {
            return Failed::Noted;
        }
        let mut open = self.open();
        open.sweep(now);
        let in_all = open.in_all(now);
        let whose = if in_all.count > ATTEMPTS_IN_ALL { Whose::Anybody } else { Whose::Client(client.map(network)) };
        let window = open.count(whose, now);
        let full = if window.count > each && whose != Whose::Anybody { Some(window) } else { None };
        match full.or(Some(in_all).filter(|all| all.count > ATTEMPTS_IN_ALL)) {
            None => Failed::Noted,
            Some(window) => {
                let wait = end(window).duration_since(now).as_secs().max(1);
                Failed::Limited(wait.unsigned_abs())
            }
        }
    }
}

/// One refusal, equal to others by who was refused what.
fn refusal(rule: &str, record: AuditRecord) -> Denials {
    let key = DenialKey { rule: rule.to_owned(), connector: record.actor.0.clone(), origin: record.subject.clone() };
    Denials { app: None, key, count: 1, record }
}

fn refused_sign_in(client: Option<IpAddr>, call: Option<&Correlation>, now: Timestamp) -> AuditRecord {
    let network = client.map(network).map_or("an unknown client".to_owned(), |client| client.to_string());
    let nobody = Actor("nobody".to_owned());
    let mut record = AuditRecord::new(now, &nobody, "sign_in.refused", format!("client {network}"));
    let address = client.map(|client| client.to_string());
    record.asked(Some(&AskedFrom { address, token: None }), call);
    record
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
    pub async fn sign_in_failed(&self, client: Option<IpAddr>, call: Option<&Correlation>) -> Failed {
        let now = self.now();
        self.note_refusal(refusal("sign-in", refused_sign_in(client, call, now))).await;
        self.refusals.failed(client, self.failed_sign_ins, now)
    }

    /// Notes that somebody was denied something.
    pub async fn note_denial(&self, caller: &Caller, call: &str, denial: &Denial) {
        let mut record =
            AuditRecord::new(self.now(), &caller.actor, "permission.denied", call).with("why", &denial.text);
        caller.sign(&mut record);
        self.note_refusal(refusal("permission", record)).await;
    }

    /// Commits how many equal refusals have come since the last time. The store closes its windows in its time.
    pub async fn count_refusals(&self) {
        self.write_down(self.refusals.gathered.take()).await;
    }

    async fn note_refusal(&self, refused: Denials) {
        self.write_down(self.refusals.gathered.add(refused)).await;
    }

    /// The call is refused whether or not that can be written down yet.
    async fn write_down(&self, denials: Vec<Denials>) {
        if denials.is_empty() {
            return;
        }
        let trail = TrailChange { denials: denials.clone(), ..TrailChange::default() };
        if let Err(error) = self.store.commit(ChangeSet { trail, ..ChangeSet::default() }).await {
            tracing::error!(%error, "refusals could not be written down, which is tried again");
            self.refusals.gathered.put_back(denials);
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
            assert_eq!(refusals.failed(client(1), ATTEMPTS_EACH, at(0)), Failed::Noted);
        }
        assert_eq!(refusals.failed(client(1), ATTEMPTS_EACH, at(10)), Failed::Limited(50));
        assert_eq!(refusals.failed(client(2), ATTEMPTS_EACH, at(10)), Failed::Noted);
        assert_eq!(refusals.failed(client(1), ATTEMPTS_EACH, at(60)), Failed::Noted, "a window later");
    }

    #[test]
    fn all_together_have_to_wait_as_well() {
        let refusals = Refusals::default();
        let address = |no: u64| Some(IpAddr::from([10, 0, (no / 250) as u8, (no % 250) as u8]));
        for no in 0..ATTEMPTS_IN_ALL {
            assert_eq!(refusals.failed(address(no), ATTEMPTS_EACH, at(0)), Failed::Noted, "{no}");
        }
        assert!(matches!(refusals.failed(address(2000), ATTEMPTS_EACH, at(1)), Failed::Limited(59)));
        assert_eq!(refusals.failed(address(2000), ATTEMPTS_EACH, at(61)), Failed::Noted);
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
        let mut open = Open::default();
        for no in 0..2 * MOST {
            open.count(Whose::Client(Some(IpAddr::from(u32::try_from(no).unwrap().to_be_bytes()))), at(0));
        }
        assert_eq!(open.windows.len(), MOST + 1);
        open.sweep(at(60));
        assert_eq!(open.windows.len(), 0);
    }

    #[test]
    fn a_refused_sign_in_says_from_where_and_by_which_call() {
        let call = Correlation { request_id: "call-1".to_owned(), traceparent: None };
        let record = refused_sign_in(Some("2001:db8:1:2::9".parse().unwrap()), Some(&call), at(0));
        assert_eq!(record.subject, "client 2001:db8:1:2::", "those of a network are counted together");
        assert_eq!(record.from.unwrap().address.as_deref(), Some("2001:db8:1:2::9"));
        assert_eq!(record.request_id.as_deref(), Some("call-1"));
    }
}
