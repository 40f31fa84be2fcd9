//! How many accounts the events of the last hour or so have made and deactivated, app by app: what the guard against
//! mass changes weighs a further event by. Derived from the requests that are there, and kept up to date in memory; it
//! decides nothing.

use gatehouse_core::events::{GuardPolicy, Tally};
use gatehouse_core::ports::{RequestQuery, Store, StoreError};
use gatehouse_core::{App, AppId, Operation};
use jiff::{SignedDuration, Timestamp};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

/// The most that is remembered of an app: more are a mass in any window.
const MOST: usize = 10_000;

/// What events have raised lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    apps: HashMap<AppId, VecDeque<(Timestamp, Operation)>>,
}

impl Lately {
    /// What events of the app's window have raised until now.
    pub async fn tally(&mut self, store: &dyn Store, app: &App, now: Timestamp) -> Result<Tally, StoreError> {
        let since = window(&app.config.guard, now);
        let mut tally = Tally::default();
        let raised = match self.apps.entry(app.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(raised_since(store, app.id, since).await?),
        };
        raised.iter().filter(|(at, _)| *at >= since).for_each(|(_, operation)| tally.add(*operation));
        Ok(tally)
    }

    /// Notes what an event has raised, once that is durable.
    pub fn note(&mut self, app: AppId, operation: Operation, now: Timestamp) {
        let Some(raised) = self.apps.get_mut(&app) else { return };
        raised.push_back((now, operation));
        if raised.len() > MOST {
            raised.pop_front();
        }
    }
}

fn window(guard: &GuardPolicy, now: Timestamp) -> Timestamp {
    let minutes = SignedDuration::from_mins(i64::from(guard.window_minutes));
    now.checked_sub(minutes).unwrap_or(Timestamp::MIN)
}

/// What events have raised since then, the oldest first; those of jobs and those that are held aside, to which somebody
/// consents by themselves.
async fn raised_since(
    store: &dyn Store,
    app: AppId,
    since: Timestamp,
) -> Result<VecDeque<(Timestamp, Operation)>, StoreError> {
    let mut found = Vec::new();
    for operation in [Operation::Create, Operation::Deactivate] {
        let mut query =
            RequestQuery { app: Some(app), operation: Some(operation), limit: 500, ..RequestQuery::default() };
        'pages: while found.len() < MOST {
            let page = store.requests(&query).await?;
            for request in page.items {
                if request.created_at < since {
                    break 'pages;
                }
                if request.event.is_some() && request.job.is_none() && request.held.is_none() {
                    found.push((request.created_at, operation));
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    Ok(found.into())
}
