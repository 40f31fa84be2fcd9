//! Looks up what there is to know about a user in an app, and asks the core what follows. What follows is for
//! `gatehouse_core::events` to say; nothing is opened here.

use super::Decided;
use crate::managers::name_managers;
use crate::requests::{account_of, dated, in_review, in_state, preferred};
use gatehouse_core::events::{About, Change, Lane, NotAgain, amiss, called_off, not_again, raise};
use gatehouse_core::job::before_open;
use gatehouse_core::lifecycle::Transition;
use gatehouse_core::ports::{AccountQuery, JobQuery, Store, StoreError};
use gatehouse_core::{Account, App, AppId, Connector, Job, JobState, Operation, Request, State, Subject, User, UserId};
use gatehouse_failpoints::fail_point;
use std::collections::BTreeMap;

/// Decides what a change of a user raises, app by app. `before` is none for a user who is made.
///
/// # Errors
/// The store is unavailable.
pub async fn decide_for_user(
    store: &dyn Store,
    apps: &Apps,
    before: Option<&User>,
    user: &User,
    reactivated: bool,
) -> Result<Vec<Decided>, StoreError> {
    let mut accounts: BTreeMap<AppId, Vec<Account>> = BTreeMap::new();
    // Nobody who is made just now has accounts.
    if before.is_some() {
        let query = AccountQuery { user: Some(user.id), ..AccountQuery::default() };
        for account in crate::known::all_accounts(store, query).await? {
            accounts.entry(account.app).or_default().push(account);
        }
    }
    let mut decided = Vec::new();
    for (app, connector) in &apps.0 {
        let of_app = accounts.remove(&app.id).unwrap_or_default();
        let granted = app.grants(user) || before.is_some_and(|before| app.grants(before));
        if granted || !of_app.is_empty() {
            // A job about a grant that they get or lose no longer goes through them.
            let moved = before
                .is_some_and(|before| before.profile != user.profile || before.permission_sets != user.permission_sets);
            let app_before = if moved { before_open_jobs(store, app).await? } else { app.clone() };
            let change = Change { app_before: &app_before, app, before, user, reactivated };
            decided.extend(decide(store, connector, &change).await?);
        }
    }
    Ok(decided)
}

/// The app as it was before the jobs about it that are not done.
async fn before_open_jobs(store: &dyn Store, app: &App) -> Result<App, StoreError> {
    let mut jobs: Vec<Job> = Vec::new();
    for state in [JobState::Counting, JobState::Held, JobState::Running] {
        let mut query = JobQuery { app: Some(app.id), state: Some(state), limit: 100, ..JobQuery::default() };
        loop {
            let page = store.jobs(&query).await?;
            jobs.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(before_open(&jobs, app))
}

/// Apps with their connectors, looked up once for many users.
#[derive(Clone, Debug, Default)]
pub struct Apps(Vec<(App, Connector)>);

impl Apps {
    /// All apps.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn all(store: &dyn Store) -> Result<Self, StoreError> {
        let mut apps = Vec::new();
        for app in store.apps().await? {
            // A connector with apps is not uninstalled.
            if let Some(connector) = store.connector(app.connector.digest).await? {
                apps.push((app, connector));
            }
        }
        Ok(Self(apps))
    }
}

/// Decides what a change raises for a user; none if nothing.
pub(crate) async fn decide(
    store: &dyn Store,
    connector: &Connector,
    change: &Change<'_>,
) -> Result<Option<Decided>, StoreError> {
    let (app, mut user, mut before) = (change.app, change.user.clone(), change.before.cloned());
    name_managers(store, &app.config, before.iter_mut().chain([&mut user])).await?;
    let change = &Change { user: &user, before: before.as_ref(), ..*change };
    let mut lane = match change.before {
        Some(_) => lane(store, app, user.id).await?,
        None => Lane::default(),
    };
    fail_point!("events.lane_read");
    // After the lane: what a request of it does in between is done twice here, which comes to the same. The other way
    // round it would be missed, and a leaver's account stay as the request had left it.
    if change.before.is_some() {
        let mut accounts = store.accounts_of_users(app.id, &[user.id]).await?;
        lane.account = preferred(accounts.pop().unwrap_or_default());
    }
    if change.before.is_some() && app.config.follow_events {
        let subject = Subject::User(user.id);
        // What nobody knows may have been made is taken for made: what takes it away again waits for that to be settled.
        let (creates, others): (Vec<_>, Vec<_>) =
            in_review(store, app.id, subject).await?.into_iter().partition(Request::makes_account);
        lane.open.splice(0..0, creates);
        lane.doubt(others);
        let by_hand = in_state(store, app.id, subject, State::ManuallyCompleted).await?;
        lane.doubt(by_hand.into_iter().rev());
    }
    let raising = raise(change, &lane);
    if raising.doubted {
        let doubtful = std::mem::take(&mut lane.doubtful);
        lane.open.splice(0..0, doubtful);
    }
    Ok(Decided { app: app.clone(), user: user.clone(), connector: connector.clone(), lane, raising }.unless_nothing())
}

/// Decides what there is to do about an account that somebody turns out to have, by what the settling of a request in
/// review leaves; none if nothing.
///
/// # Errors
/// The store is unavailable.
pub async fn decide_settled(store: &dyn Store, app: &App, settled: &Transition) -> Result<Option<Decided>, StoreError> {
    let Some(account) = settled.accounts.last() else { return Ok(None) };
    decide_amiss(store, app, &settled.request.record, &settled.raise, &account.record).await
}

/// As [`decide_settled`], by the account that a request leaves, and the requests that take its place.
///
/// # Errors
/// The store is unavailable.
pub(crate) async fn decide_amiss(
    store: &dyn Store,
    app: &App,
    request: &Request,
    instead: &[Request],
    account: &Account,
) -> Result<Option<Decided>, StoreError> {
    let Some((user, connector)) = parties(store, app, account.user).await? else { return Ok(None) };
    let mut lane = lane(store, app, user.id).await?;
    lane.open.retain(|open| open.id != request.id);
    lane.open.extend(instead.iter().cloned());
    lane.account = Some(account.clone());
    let raising = amiss(app, &user, &lane, request);
    Ok(Decided { app: app.clone(), user, connector, lane, raising }.unless_nothing())
}

/// Why a request is not to be done again, by what the directory says now.
///
/// # Errors
/// The store is unavailable.
pub async fn out_of_date(
    store: &dyn Store,
    app: &App,
    request: &Request,
    looks_first: bool,
) -> Result<Option<NotAgain>, StoreError> {
    let Some((user, connector)) = parties(store, app, request.subject.person()).await? else { return Ok(None) };
    let account = account_of(store, app, user.id).await?;
    let about = About { app, user: &user, account: account.as_ref(), connector: &connector.description };
    Ok(not_again(about, request, looks_first))
}

/// Decides what is wanted all the same once a request is called off; none if nothing.
///
/// # Errors
/// The store is unavailable.
pub async fn decide_called_off(store: &dyn Store, app: &App, request: &Request) -> Result<Option<Decided>, StoreError> {
    let Some((user, connector)) = parties(store, app, request.subject.person()).await? else { return Ok(None) };
    let mut lane = lane(store, app, user.id).await?;
    lane.open.retain(|open| open.id != request.id);
    lane.account = account_of(store, app, user.id).await?;
    let raising = called_off(app, &user, &lane, request);
    Ok(Decided { app: app.clone(), user, connector, lane, raising }.unless_nothing())
}

/// A user, with what the app's configuration asks of their manager, and the app's connector.
async fn parties(store: &dyn Store, app: &App, user: Option<UserId>) -> Result<Option<(User, Connector)>, StoreError> {
    let Some(connector) = store.connector(app.connector.digest).await? else { return Ok(None) };
    let user = match user {
        Some(id) => store.user(id).await?,
        None => None,
    };
    let Some(mut user) = user else { return Ok(None) };
    name_managers(store, &app.config, [&mut user]).await?;
    Ok(Some((user, connector)))
}

/// A user's open requests in an app; the account is left out.
async fn lane(store: &dyn Store, app: &App, user: UserId) -> Result<Lane, StoreError> {
    let subject = Subject::User(user);
    let mut open = store.lane(app.id, subject).await?;
    open.retain(|request| is_of_account(request.operation));
    Ok(Lane { open, dated: dated(store, app.id, subject).await?, ..Lane::default() })
}

/// Whether it is about the account itself: a Read changes nothing, and holds up what is behind it all the same.
fn is_of_account(operation: Operation) -> bool {
    operation.writes() || operation == Operation::Read
}
