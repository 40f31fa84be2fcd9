//! Places for calls: so many in all, and no more than a share of them for one app, so that an app whose calls take
//! forever leaves the others theirs. It never breaks a call off.

use crate::Limits;
use crate::limits::LimitHit;
use gatehouse_core::AppId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// All places, and who has them.
pub(crate) struct Places {
    limits: Arc<Limits>,
    all: Arc<Semaphore>,
    apps: Mutex<HashMap<AppId, Weak<Semaphore>>>,
}

/// A place of a call: given back when it is dropped.
pub(crate) struct Place {
    _of_app: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
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
        let Ok(Ok(of_app)) = timeout_at(until, self.of(app).acquire_owned()).await else {
            return Err(full("concurrent_calls_per_app"));
        };
        match timeout_at(until, self.all.clone().acquire_owned()).await {
            Ok(Ok(of_all)) => Ok(Place { _of_app: of_app, _of_all: of_all }),
            _ => Err(full("concurrent_calls")),
        }
    }

    /// The places of an app; nothing is kept of one that has no calls.
    fn of(&self, app: AppId) -> Arc<Semaphore> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = apps.get(&app).and_then(Weak::upgrade) {
            return places;
        }
        apps.retain(|_, places| places.strong_count() > 0);
        let places = semaphore(self.limits.concurrent_calls_per_app);
        apps.insert(app, Arc::downgrade(&places));
        places
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
}
