//! How many calls a token may make: a minute's worth at once, and then as many as the minutes bring. One token's calls
//! never take anything from another's. It counts calls, and never looks at what they ask.

use super::{Api, Problem};
use crate::service::Caller;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Calls of a token in a minute, unless the configuration says otherwise: a thousand a second.
pub(crate) const USUAL: u32 = 60_000;

const MINUTE: i128 = 60_000_000_000;

/// What each token has used up: until when, in nanoseconds since 1970, its calls so far would have lasted if they had
/// come one after the other (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug)]
pub(super) struct Rates {
    per_minute: u32,
    used_until: Mutex<HashMap<String, i128>>,
}

impl Rates {
    /// So many calls a minute; 0: as many as they like.
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, used_until: Mutex::default() }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// It is one too many: after how many seconds there is room for it. It was not counted.
    fn count(&self, token: &str, now: Timestamp) -> Result<(), u64> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let (now, each) = (now.as_nanosecond(), MINUTE / i128::from(self.per_minute));
        let mut used_until = self.used_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = used_until.get(token).map_or(now, |until| (*until).max(now)) + each;
        let over = until - now - MINUTE;
        if over > 0 {
            return Err(u64::try_from((over + 999_999_999) / 1_000_000_000).unwrap_or(1).max(1));
        }
        used_until.insert(token.to_owned(), until);
        Ok(())
    }
}

pub(super) async fn limit(State(api): State<Api>, request: Request, next: Next) -> Result<Response, Problem> {
    let token = request.extensions().get::<Caller>().map(|caller| caller.actor.to_string()).unwrap_or_default();
    match api.rates.count(&token, api.services.clock.now()) {
        Ok(()) => Ok(next.run(request).await),
        Err(seconds) => {
            let detail = format!(
                "this token may make no more calls for now: more than {} within a minute; try again in {seconds} s \
                 (`calls_per_minute` in the host's configuration)",
                api.rates.per_minute
            );
            let title = "Too many calls";
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-calls", title, detail).repeated_in(seconds))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_minutes_worth_of_calls_is_let_through_at_once_and_then_as_time_goes_by() {
        let rates = Rates::new(60);
        let through = (0..100).filter(|_| rates.count("a", at(0)).is_ok()).count();
        assert_eq!(through, 60);
        assert_eq!(rates.count("a", at(0)), Err(1));
        assert_eq!(rates.count("a", at(900)), Err(1), "refused calls use nothing up, and bring nothing");
        assert_eq!((rates.count("a", at(1000)), rates.count("a", at(1000))), (Ok(()), Err(1)));
        assert_eq!(rates.count("b", at(0)), Ok(()), "another token has its own");
        assert!((0..60).all(|_| rates.count("a", at(3_600_000)).is_ok()), "after an hour there is a minute's worth");
        assert_eq!(rates.count("a", at(3_600_000)), Err(1), "and no more than that");
    }

    #[test]
    fn a_slow_limit_says_how_long_to_wait_and_none_lets_everything_through() {
        let slow = Rates::new(2);
        assert_eq!((slow.count("a", at(0)), slow.count("a", at(0)), slow.count("a", at(0))), (Ok(()), Ok(()), Err(30)));
        let none = Rates::new(0);
        assert!((0..1000).all(|_| none.count("a", at(0)).is_ok()));
    }
}
