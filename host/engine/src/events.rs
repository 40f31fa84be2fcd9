//! Follows events of the directory: looks up what there is to know about a user in an app, asks the core what follows,
//! and opens the requests. What follows is for `gatehouse_core::events` to say; nothing is written here.

use crate::managers::name_managers;
use crate::requests::{Ask, NotOpened, account_of, dated, in_review, new_request, not_in_doubt, preferred};
use gatehouse_core::events::{
    About, Change, Lane, Raise, Raising, Tally, amiss, called_off, held_unsurveyed, not_again, raise,
};
use gatehouse_core::job::before_open;
use gatehouse_core::lifecycle::{Event, Moment, Raised, Transition, open, open_failed, step};
use gatehouse_core::planning::{Refused, plan_change};
use gatehouse_core::ports::{AccountQuery, ChangeSet, JobQuery, Store, StoreError};
use gatehouse_core::{
    Account, Actor, App, AppId, Connector, Correlation, Job, JobId, JobState, Operation, Request, RequestId, Subject,
    User, UserId,
};
use gatehouse_failpoints::fail_point;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Who caused an event, through what, and whether what it raises is held.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who.
    pub by: Actor,
    /// Which person of the directory that is.
    pub user: Option<UserId>,
    /// The API call by which they did.
    pub correlation: Option<Correlation>,
    /// The job through which requests are raised.
    pub job: Option<JobId>,
    /// Whether somebody has consented to all that follows.
    pub consented: bool,
    /// When.
    pub now: Timestamp,
}

/// What follows for one user in one app, decided and not opened yet.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The app.
    pub app: App,
    user: User,
    connector: Connector,
    lane: Lane,
    raising: Raising,
}

/// What was opened.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// To be committed with the event.
    pub changes: ChangeSet,
    /// Requests raised.
    pub raised: u64,
    /// Of those, how many failed at once, since they could not be planned.
    pub failed: u64,
}

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
    if change.before.is_some() && app.config.follow_events {
        // What nobody knows may have been made is taken for made: what takes it away again waits for that to be settled.
        let (creates, others): (Vec<_>, Vec<_>) =
            in_review(store, app.id, Subject::User(user.id)).await?.into_iter().partition(Request::makes_account);
        lane.open.splice(0..0, creates);
        lane.doubtful = others.into_iter().filter(|request| sets_status(request.operation)).collect();
    }
    fail_point!("events.lane_read");
    // After the lane: what a request of it does in between is done twice here, which comes to the same. The other way
    // round it would be missed, and a leaver's account stay as the request had left it.
    if change.before.is_some() {
        let mut accounts = store.accounts_of_users(app.id, &[user.id]).await?;
        lane.account = preferred(accounts.pop().unwrap_or_default());
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
    let Subject::User(id) = settled.request.record.subject else { return Ok(None) };
    let Some(connector) = store.connector(app.connector.digest).await? else { return Ok(None) };
    let (Some(mut user), Some(account)) = (store.user(id).await?, settled.accounts.last()) else { return Ok(None) };
    name_managers(store, &app.config, [&mut user]).await?;
    let mut lane = lane(store, app, id).await?;
    lane.open.retain(|open| open.id != settled.request.record.id);
    lane.open.extend(settled.raise.iter().cloned());
    lane.account = Some(account.record.clone());
    let raising = amiss(app, &user, &lane, &settled.request.record);
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
) -> Result<Option<String>, StoreError> {
    let Subject::User(id) = request.subject else { return Ok(None) };
    let Some(connector) = store.connector(app.connector.digest).await? else { return Ok(None) };
    let Some(mut user) = store.user(id).await? else { return Ok(None) };
    name_managers(store, &app.config, [&mut user]).await?;
    let account = account_of(store, app, id).await?;
    let about = About { app, user: &user, account: account.as_ref(), connector: &connector.description };
    Ok(not_again(about, request, looks_first))
}

/// Decides what is wanted all the same once a request is called off; none if nothing.
///
/// # Errors
/// The store is unavailable.
pub async fn decide_called_off(store: &dyn Store, app: &App, request: &Request) -> Result<Option<Decided>, StoreError> {
    let Subject::User(id) = request.subject else { return Ok(None) };
    let Some(connector) = store.connector(app.connector.digest).await? else { return Ok(None) };
    let Some(mut user) = store.user(id).await? else { return Ok(None) };
    name_managers(store, &app.config, [&mut user]).await?;
    let mut lane = lane(store, app, id).await?;
    lane.open.retain(|open| open.id != request.id);
    lane.account = account_of(store, app, id).await?;
    let raising = called_off(app, &user, &lane, request);
    Ok(Decided { app: app.clone(), user, connector, lane, raising }.unless_nothing())
}

/// A user's open requests in an app; the account is left out.
async fn lane(store: &dyn Store, app: &App, user: UserId) -> Result<Lane, StoreError> {
    let subject = Subject::User(user);
    let mut open = store.lane(app.id, subject).await?;
    open.retain(|request| is_of_account(request.operation));
    Ok(Lane { open, dated: dated(store, app.id, subject).await?, ..Lane::default() })
}

/// Whether it makes an account usable or unusable that is there before and after.
fn sets_status(operation: Operation) -> bool {
    !matches!(operation, Operation::Create | Operation::Delete | Operation::Update) && operation.writes()
}

/// Whether it is about the account itself: a Read changes nothing, and holds up what is behind it all the same.
fn is_of_account(operation: Operation) -> bool {
    operation.writes() || operation == Operation::Read
}

impl Decided {
    fn unless_nothing(self) -> Option<Self> {
        let nothing = self.raising.raise.is_empty() && self.raising.withdraw.is_empty();
        (!nothing).then_some(self)
    }

    /// Counts what the guard watches.
    pub fn count(&self, tally: &mut Tally) {
        self.raising.raise.iter().for_each(|raise| tally.add(raise.operation));
    }

    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.user.id
    }

    /// Withdraws and opens requests; `held` says why the guard against mass changes holds those it watches.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn open(mut self, store: &dyn Store, cause: &Cause, held: Option<&str>) -> Result<Followed, StoreError> {
        let mut followed = Followed::default();
        let withdraw = std::mem::take(&mut self.raising.withdraw);
        let withdrawn: Vec<(Request, String)> =
            withdraw.into_iter().filter_map(|(id, why)| Some((self.take(id)?, why))).collect();
        // By operation, what takes the place of what is withdrawn.
        let mut instead: BTreeMap<Operation, RequestId> = BTreeMap::new();
        for raise in std::mem::take(&mut self.raising.raise) {
            let before = withdrawn.iter().rev().find(|(request, _)| request.operation == raise.operation);
            let before = before.map(|(request, _)| request);
            let Some(transition) = self.transition(store, raise, before, cause, held).await? else { continue };
            let transition = transition.correlated(cause.correlation.as_ref());
            let request = transition.request.record.clone();
            instead.insert(request.operation, request.id);
            followed.raised += 1;
            followed.failed += u64::from(request.state.is_settled());
            followed.changes.append(transition.into_changes(None));
            self.lane.open.push(request);
        }
        for (request, why) in withdrawn {
            let by = cause.by.clone();
            let event = match instead.get(&request.operation) {
                Some(with) => Event::Supersede { by, with: *with, why: Some(why) },
                None => Event::Cancel { by, why },
            };
            // What was begun meanwhile is left to its end; the commit is refused then, and all of this done again.
            if let Ok(transition) = step(&request, event, &self.moment(cause)) {
                followed.changes.append(transition.into_changes(None));
            }
        }
        Ok(followed)
    }

    /// A request that is to be withdrawn.
    fn take(&mut self, id: RequestId) -> Option<Request> {
        let lists = [&mut self.lane.open, &mut self.lane.dated];
        lists.into_iter().find_map(|list| Some(list.remove(list.iter().position(|request| request.id == id)?)))
    }

    /// The request of one operation; none where the connector cannot do it at all.
    async fn transition(
        &self,
        store: &dyn Store,
        raise: Raise,
        before: Option<&Request>,
        cause: &Cause,
        held: Option<&str>,
    ) -> Result<Option<Transition>, StoreError> {
        let account = self.lane.leaves(&BTreeSet::new());
        let raised = Raised {
            by_event: Some(raise.event),
            by_job: cause.job,
            held: self.held(raise.operation, before.filter(|_| raise.again), cause, held),
            requested_by: cause.user,
            supersedes: before.map(|before| before.id),
            ..Raised::default()
        };
        let ask = Ask {
            operation: raise.operation,
            whose: crate::requests::Whose::User(self.user.id),
            by: cause.by.clone(),
            reason: None,
            raised,
        };
        let (user, account) = (Some(&self.user), account.as_ref());
        let planned = plan_change(ask.operation, user, account, &self.app, &self.connector.description);
        let why = match planned {
            Ok(change) => {
                let new = new_request(store, &self.app, ask.clone(), change, (user, account)).await;
                let transition = match new {
                    Ok(new) => open(new, cause.now),
                    Err(_) => return Ok(None),
                };
                match not_in_doubt(store, &transition).await {
                    Ok(()) => return Ok(Some(transition)),
                    Err(NotOpened::Store(error)) => return Err(error),
                    Err(why) => why.to_string(),
                }
            }
            Err(Refused::Unsupported { .. }) => return Ok(None),
            Err(why) => why.to_string(),
        };
        let change = gatehouse_core::Change::Unplanned;
        let new = new_request(store, &self.app, ask, change, (user, account)).await;
        Ok(new.ok().map(|new| open_failed(new, &why, cause.now)))
    }

    /// Why a request waits for somebody's consent: as the one did whose place it takes, whatever else is the reason.
    fn held(
        &self,
        operation: Operation,
        before: Option<&Request>,
        cause: &Cause,
        mass: Option<&str>,
    ) -> Option<String> {
        let mut watched = Tally::default();
        watched.add(operation);
        let mass = mass.filter(|_| watched != Tally::default()).map(str::to_owned);
        let unsurveyed = || held_unsurveyed(&self.app, &self.connector.description, operation);
        let as_before = || before.and_then(|before| before.held.clone());
        mass.or_else(|| unsurveyed().or_else(as_before).filter(|_| !cause.consented))
    }

    fn moment(&self, cause: &Cause) -> Moment {
        // Nothing is tried again here: chance has no part in it.
        Moment { now: cause.now, jitter: 0, retry: self.app.config.retry.clone() }
    }
}

/// Adds what followed elsewhere.
impl Followed {
    /// Adds what another change raised.
    pub fn append(&mut self, other: Self) {
        self.raised += other.raised;
        self.failed += other.failed;
        self.changes.append(other.changes);
    }

    /// The requests that are to be carried out.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.changes.requests.iter().map(|request| &request.record)
    }
}
