//! Sign-ins in the audit trail. A token comes with every call, so a sign-in is the first call with it from an address
//! for a while. Nobody is kept out over a record that cannot be written, and memory is bounded.

use super::{Caller, Services};
use gatehouse_core::ports::ChangeSet;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// For how long further calls belong to the same sign-in.
const LASTS: SignedDuration = SignedDuration::from_hours(12);

/// When it is tried again to write one down.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Sign-ins that are kept at a time. Where there are more, some are recorded more often.
const MOST: usize = 10_000;

/// A token's name, and from where.
type Key = (String, Option<String>);

/// Sign-ins that last, and until when.
#[derive(Debug, Default)]
pub(super) struct SignIns(Mutex<BTreeMap<Key, Timestamp>>);

impl SignIns {
    /// Whether a call begins one, which it does from now on no more.
    fn begins(&self, key: &Key, now: Timestamp) -> bool {
        let mut lasting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lasting.get(key).is_some_and(|until| *until > now) {
            return false;
        }
        if lasting.len() >= MOST {
            lasting.retain(|_, until| *until > now);
        }
        if lasting.len() >= MOST {
            lasting.clear();
        }
        lasting.insert(key.clone(), after(now, LASTS));
        true
    }

    /// It could not be written down.
    fn again(&self, key: Key, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, after(now, AGAIN));
    }

    /// A token is gone: another of its name is another.
    pub fn forget(&self, token: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _), _| name != token);
    }
}

fn after(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.checked_add(time).unwrap_or(Timestamp::MAX)
}

impl Services {
    /// Notes that somebody signed in, unless their last sign-in with this token from there lasts.
    pub async fn signed_in(&self, caller: &Caller) {
        let address = caller.from.as_ref().and_then(|from| from.address.clone());
        let (key, now) = ((caller.actor.0.clone(), address), self.now());
        if !self.sign_ins.begins(&key, now) {
            return;
        }
        let mut record = self.audit(caller, "sign_in", format!("token {}", caller.actor));
        record.person = caller.user;
        let changes = ChangeSet { audit: vec![record], ..ChangeSet::default() };
        if let Err(error) = self.store.commit(changes).await {
            tracing::error!(%error, actor = %caller.actor, "a sign-in could not be written down, which is tried again");
            self.sign_ins.again(key, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap_or_default()
    }

    fn key(token: &str, address: &str) -> Key {
        (token.to_owned(), Some(address.to_owned()))
    }

    #[test]
    fn one_lasts_for_half_a_day_for_a_token_and_an_address() {
        let sign_ins = SignIns::default();
        let here = key("ada", "192.0.2.1");
        assert!(sign_ins.begins(&here, at(0)));
        assert!(!sign_ins.begins(&here, at(12 * 3600 - 1)));
        assert!(sign_ins.begins(&key("ada", "192.0.2.2"), at(1)), "from elsewhere");
        assert!(sign_ins.begins(&key("bob", "192.0.2.1"), at(1)), "another token");
        assert!(sign_ins.begins(&here, at(12 * 3600)));
        sign_ins.forget("ada");
        assert!(sign_ins.begins(&here, at(12 * 3600 + 1)), "another token of that name");
    }

    #[test]
    fn one_that_could_not_be_written_down_is_tried_again_and_not_at_every_call() {
        let sign_ins = SignIns::default();
        let here = key("ada", "192.0.2.1");
        assert!(sign_ins.begins(&here, at(0)));
        sign_ins.again(here.clone(), at(0));
        assert!(!sign_ins.begins(&here, at(59)));
        assert!(sign_ins.begins(&here, at(60)));
    }

    #[test]
    fn memory_is_bounded_wherever_calls_come_from() {
        let sign_ins = SignIns::default();
        for no in 0..2 * MOST + 1 {
            sign_ins.begins(&key("ada", &no.to_string()), at(0));
        }
        assert!(sign_ins.0.lock().is_ok_and(|lasting| lasting.len() <= MOST));
    }
}
