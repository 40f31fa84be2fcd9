//! Places for calls: so many in all, and no more than a share of them for one app, so that an app whose calls take
//! forever leaves the others theirs; and what an app has computed lately, so that one that makes many short calls gives
//! way like one that makes a long one. It never breaks a call off.

use crate::Limits;
use crate::limits::LimitHit;
use crate::rest::Rest;
use gatehouse_core::AppId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

/// All places, and who has them.
pub(crate) struct Places {
    limits: Arc<Limits>,
    all: Arc<Semaphore>,
    apps: Mutex<HashMap<AppId, Arc<Share>>>,
}

/// An app's share: its places, its computing, and its pauses.
pub(crate) struct Share {
    places: Arc<Semaphore>,
    computing: Computing,
    rest: Rest,
    pause: Duration,
}

impl Share {
    /// A call of the app has ended, by itself or not.
    pub(crate) fn ended(&self, well: bool) {
        self.rest.ended(well, Instant::now(), self.pause);
    }
}

/// What an app has computed lately, all its calls together: what it computes is added, and a tenth of the time that
/// passes is taken off again.
pub(crate) struct Computing(Mutex<(Instant, Duration)>);

/// More than this, and an app's calls let those of others go first.
const SHORT: Duration = Duration::from_millis(20);

impl Computing {
    fn new() -> Self {
        Self(Mutex::new((Instant::now(), Duration::ZERO)))
    }

    /// Adds what a call has computed since it last said so.
    pub(crate) fn add(&self, computed: Duration) {
        self.at(Instant::now(), computed);
    }

    /// Whether it is so much that the app's calls are to let others go first.
    pub(crate) fn is_much(&self) -> bool {
        self.at(Instant::now(), Duration::ZERO) > SHORT
    }

    fn at(&self, now: Instant, computed: Duration) -> Duration {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = now.saturating_duration_since(lately.0) / 10;
        *lately = (now, lately.1.saturating_sub(rested) + computed);
        lately.1
    }
}

/// A place of a call: given back when it is dropped.
pub(crate) struct Place {
    share: Arc<Share>,
    _of_app: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Place {
    /// Its app's share.
    pub(crate) fn share(&self) -> Arc<Share> {
        self.share.clone()
    }

    /// What its app has computed lately.
    pub(crate) fn computing(&self) -> &Computing {
        &self.share.computing
    }
}

fn semaphore(places: u64) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((places as usize).clamp(1, Semaphore::MAX_PERMITS)))
}

impl Places {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self { all: semaphore(limits.concurrent_calls), limits, apps: Mutex::default() }
    }

    /// Waits for a place, the app's own calls first: who waits for those of its app takes nothing from others.
    pub(crate) async fn take(&self, app: AppId, until: Instant) -> Result<Place, LimitHit> {
        let advice = "no call has ended in time; this one never began";
        let full = |name| LimitHit::of(&self.limits, name, advice);
        let share = self.of(app);
        let Ok(Ok(of_app)) = timeout_at(until, share.places.clone().acquire_owned()).await else {
            return Err(full("concurrent_calls_per_app"));
        };
        let now = Instant::now();
        let Some(turn) = share.rest.begin(now, until, share.pause) else {
            let advice = "earlier calls of this app met limits or trapped; this one never began";
            return Err(LimitHit::of(&self.limits, "rest_ms", advice));
        };
        if turn > now {
            sleep_until(turn).await;
        }
        match timeout_at(until, self.all.clone().acquire_owned()).await {
            Ok(Ok(of_all)) => Ok(Place { share, _of_app: of_app, _of_all: of_all }),
            _ => Err(full("concurrent_calls")),
        }
    }

    /// The share of an app; nothing is kept of one that has no calls, has computed little, and does not pause.
    fn of(&self, app: AppId) -> Arc<Share> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = apps.get(&app) {
            return share.clone();
        }
        apps.retain(|_, share| {
            Arc::strong_count(share) > 1 || share.computing.is_much() || share.rest.is_on(Instant::now())
        });
        let places = semaphore(self.limits.concurrent_calls_per_app);
        let (rest, pause) = (Rest::new(Instant::now()), Duration::from_millis(self.limits.rest_ms));
        let share = Arc::new(Share { places, computing: Computing::new(), rest, pause });
        apps.insert(app, share.clone());
        share
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn places(all: u64, per_app: u64) -> Places {
        let limits = Limits { concurrent_calls: all, concurrent_calls_per_app: per_app, ..Limits::default() };
        Places::new(Arc::new(limits))
    }

    async fn refused(places: &Places, app: u64) -> String {
        places.take(AppId(app), Instant::now()).await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn an_app_at_its_share_waits_while_another_does_not() {
        let places = places(8, 2);
        let one = places.take(AppId(1), Instant::now()).await.ok().unwrap();
        let _two = places.take(AppId(1), Instant::now()).await.ok().unwrap();
        assert!(refused(&places, 1).await.contains("limit `concurrent_calls_per_app` of 2 reached"));
        assert!(places.take(AppId(2), Instant::now()).await.is_ok());
        drop(one);
        assert!(places.take(AppId(1), Instant::now()).await.is_ok());
    }

    #[tokio::test]
    async fn all_apps_together_have_so_many_and_nothing_is_kept_of_those_that_are_done() {
        let places = places(2, 2);
        let one = places.take(AppId(1), Instant::now()).await.ok().unwrap();
        let _two = places.take(AppId(2), Instant::now()).await.ok().unwrap();
        assert!(refused(&places, 3).await.contains("limit `concurrent_calls` of 2 reached"));
        drop(one);
        assert!(places.take(AppId(3), Instant::now()).await.is_ok());
        assert!(places.take(AppId(4), Instant::now()).await.is_ok());
        assert!(places.apps.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn an_app_that_computed_much_in_many_short_calls_gives_way_until_it_has_rested() {
        let places = places(8, 2);
        for _ in 0..5 {
            // Far more than the time that passes here takes off.
            places.take(AppId(1), Instant::now()).await.ok().unwrap().computing().add(SHORT * 1000);
        }
        let place = places.take(AppId(1), Instant::now()).await.ok().unwrap();
        assert!(place.computing().is_much());
        assert!(!places.take(AppId(2), Instant::now()).await.ok().unwrap().computing().is_much());
        assert_eq!(place.computing().at(Instant::now() + SHORT * 100_000, Duration::ZERO), Duration::ZERO);
    }
}
