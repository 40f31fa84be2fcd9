//! How many accounts the events of the last hour or so have made and deactivated, app by app: what the guard against
//! mass changes weighs a further event by. Derived from the requests that are there, and kept up to date in memory; it
//! decides nothing.

use gatehouse_core::events::Tally;
use gatehouse_core::ports::{Store, StoreError};
use gatehouse_core::{App, AppId, Operation};
use gatehouse_engine::lately::{MOST, of_events, of_jobs, window};
use jiff::Timestamp;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

/// What events have raised lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    apps: HashMap<AppId, VecDeque<(Timestamp, Operation)>>,
}

impl Lately {
    /// What events and jobs of the app's window have done until now.
    pub async fn tally(&mut self, store: &dyn Store, app: &App, now: Timestamp) -> Result<Tally, StoreError> {
        let since = window(&app.config.guard, now);
        let mut tally = of_jobs(store, app.id, since).await?;
        let raised = match self.apps.entry(app.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(of_events(store, app.id, since).await?.into()),
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
