//! What was done in an app within the window of the guard against mass changes, and without anybody's consent: what a
//! further event or job is weighed with. It decides nothing.

use gatehouse_core::events::{GuardPolicy, Tally};
use gatehouse_core::ports::{JobQuery, RequestQuery, Store, StoreError};
use gatehouse_core::{AppId, JobState, Operation};
use jiff::{SignedDuration, Timestamp};

/// The most that is remembered of an app's events: more are a mass in any window.
pub const MOST: usize = 10_000;

/// When the window began.
pub fn window(guard: &GuardPolicy, now: Timestamp) -> Timestamp {
    let minutes = SignedDuration::from_mins(i64::from(guard.window_minutes));
    now.checked_sub(minutes).unwrap_or(Timestamp::MIN)
}

/// What jobs have been counted to do since then.
///
/// # Errors
/// The store is unavailable.
pub async fn of_jobs(store: &dyn Store, app: AppId, since: Timestamp) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    for state in [JobState::Running, JobState::Completed] {
        let mut query = JobQuery { app: Some(app), state: Some(state), limit: 100, ..JobQuery::default() };
        loop {
            let page = store.jobs(&query).await?;
            let of_window = page.items.iter().take_while(|job| job.created_at >= since);
            of_window.clone().filter(|job| job.went_unheld()).for_each(|job| tally.append(job.tally));
            let whole = of_window.count() == page.items.len();
            match page.next {
                Some(next) if whole => query.after = Some(next),
                _ => break,
            }
        }
    }
    Ok(tally)
}

/// What single events have raised since then, the oldest first; what jobs raise aside, and what is or was held.
///
/// # Errors
/// The store is unavailable.
pub async fn of_events(
    store: &dyn Store,
    app: AppId,
    since: Timestamp,
) -> Result<Vec<(Timestamp, Operation)>, StoreError> {
    let mut found = Vec::new();
    for operation in [Operation::Create, Operation::Activate, Operation::Reactivate, Operation::Deactivate] {
        let mut query =
            RequestQuery { app: Some(app), operation: Some(operation), limit: 500, ..RequestQuery::default() };
        'pages: while found.len() < MOST {
            let page = store.requests(&query).await?;
            for request in page.items {
                if request.created_at < since {
                    break 'pages;
                }
                let weighs = request.held.is_none() && !request.released;
                if request.event.is_some() && request.job.is_none() && weighs {
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
    Ok(found)
}
