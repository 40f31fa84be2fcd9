//! Follows events of the directory: looks up what there is to know about a user in an app, asks the core what follows,
//! and opens the requests. What follows is for `gatehouse_core::events` to say; nothing is written here.

use crate::managers::name_managers;
use crate::requests::{Ask, NotOpened, new_request, not_in_doubt, preferred};
use gatehouse_core::events::{Change, Lane, Raise, Raising, Tally, raise};
use gatehouse_core::job::Task;
use gatehouse_core::lifecycle::{Event, Moment, Raised, Transition, open, open_failed, step};
use gatehouse_core::planning::{Refused, plan_change};
use gatehouse_core::ports::{AccountQuery, ChangeSet, JobQuery, RequestQuery, Store, StoreError};
use gatehouse_core::{
    Account, Actor, App, AppId, Connector, Correlation, Job, JobId, JobState, Operation, Request, Subject, User, UserId,
};
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
            // Whoever gets or loses a grant is no longer gone through by a job about that grant: what they had is what
            // was theirs before it.
            let moved = before
                .is_some_and(|before| before.profile != user.profile || before.permission_sets != user.permission_sets);
            let app_before = if moved { before_open_jobs(store, app).await? } else { app.clone() };
            let change = Change { app_before: &app_before, app, before, user, reactivated };
            decided.extend(decide(store, connector, &change, of_app).await?);
        }
    }
    Ok(decided)
}

/// The app as it was before the oldest job about who has access to it that is not done.
async fn before_open_jobs(store: &dyn Store, app: &App) -> Result<App, StoreError> {
    let mut oldest: Option<Job> = None;
    for state in [JobState::Counting, JobState::Held, JobState::Running] {
        let mut query = JobQuery { app: Some(app.id), state: Some(state), limit: 100, ..JobQuery::default() };
        loop {
            let page = store.jobs(&query).await?;
            let about_access = page.items.into_iter().filter(|job| matches!(job.task, Task::Access { .. }));
            oldest = oldest.into_iter().chain(about_access).min_by_key(|job| job.id);
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    match oldest.map(|job| job.task) {
        Some(Task::Access { before, .. }) => Ok(before.on(app)),
        _ => Ok(app.clone()),
    }
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

/// Decides what a change raises for a user whose accounts in the app are these; none if nothing.
pub(crate) async fn decide(
    store: &dyn Store,
    connector: &Connector,
    change: &Change<'_>,
    accounts: Vec<Account>,
) -> Result<Option<Decided>, StoreError> {
    let (app, mut user, mut before) = (change.app, change.user.clone(), change.before.cloned());
    name_managers(store, &app.config, before.iter_mut().chain([&mut user])).await?;
    let change = &Change { user: &user, before: before.as_ref(), ..*change };
    let open = match change.before {
        Some(_) => store.lane(app.id, Subject::User(user.id)).await?,
        None => Vec::new(),
    };
    let mut open: Vec<Request> = open.into_iter().filter(|request| is_of_account(request.operation)).collect();
    if change.before.is_some() && change.app.config.follow_events {
        // What nobody knows may have been made is taken for made: what takes it away again waits for that to be settled.
        open.splice(0..0, in_review(store, app.id, user.id).await?);
    }
    let lane = Lane { account: preferred(accounts), open };
    let raising = raise(change, &lane);
    let nothing = raising.raise.is_empty() && raising.withdraw.is_empty();
    let decided = || Decided { app: app.clone(), user: user.clone(), connector: connector.clone(), lane, raising };
    Ok((!nothing).then(decided))
}

/// Whether it is about the account itself: a Read changes nothing, and holds up what is behind it all the same.
fn is_of_account(operation: Operation) -> bool {
    operation.writes() || operation == Operation::Read
}

/// The user's Creates in review.
async fn in_review(store: &dyn Store, app: AppId, user: UserId) -> Result<Vec<Request>, StoreError> {
    let query = RequestQuery {
        app: Some(app),
        subject: Some(Subject::User(user)),
        needs_review: true,
        limit: 10,
        ..RequestQuery::default()
    };
    let mut found = store.requests(&query).await?.items;
    found.retain(Request::makes_account);
    Ok(found)
}

impl Decided {
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
        for (id, why) in std::mem::take(&mut self.raising.withdraw) {
            let Some(at) = self.lane.open.iter().position(|open| open.id == id) else { continue };
            let request = self.lane.open.remove(at);
            let event = Event::Cancel { by: cause.by.clone(), why };
            // What was begun meanwhile is left to its end; the commit is refused then, and all of this done again.
            if let Ok(transition) = step(&request, event, &self.moment(cause)) {
                followed.changes.append(transition.into_changes(None));
            }
        }
        for raise in std::mem::take(&mut self.raising.raise) {
            let Some(transition) = self.transition(store, raise, cause, held).await? else { continue };
            let transition = transition.correlated(cause.correlation.as_ref());
            let request = transition.request.record.clone();
            followed.raised += 1;
            followed.failed += u64::from(request.state.is_settled());
            followed.changes.append(transition.into_changes(None));
            self.lane.open.push(request);
        }
        Ok(followed)
    }

    /// The request of one operation; none where the connector cannot do it at all.
    async fn transition(
        &self,
        store: &dyn Store,
        raise: Raise,
        cause: &Cause,
        held: Option<&str>,
    ) -> Result<Option<Transition>, StoreError> {
        let account = self.lane.leaves(&BTreeSet::new());
        let mut watched = Tally::default();
        watched.add(raise.operation);
        let held = held.filter(|_| watched != Tally::default());
        let raised = Raised {
            by_event: Some(raise.event),
            by_job: cause.job,
            held: held.map(str::to_owned),
            requested_by: cause.user,
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
