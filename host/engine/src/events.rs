//! Follows events of the directory: what follows is decided (`deciding`), and here its requests are opened, and those it
//! contradicts withdrawn. What follows is for `gatehouse_core::events` to say; nothing is written here.

mod deciding;

pub use deciding::{Apps, decide_called_off, decide_for_user, decide_settled, out_of_date};
pub(crate) use deciding::{decide, decide_amiss};

use crate::requests::{Ask, NotOpened, new_request, not_in_doubt};
use gatehouse_core::events::{Lane, Raise, Raising, Tally, held_unsurveyed};
use gatehouse_core::lifecycle::{Event, Moment, Raised, Transition, open, open_failed, step};
use gatehouse_core::planning::{Refused, plan_change};
use gatehouse_core::ports::{ChangeSet, Store, StoreError};
use gatehouse_core::{Actor, App, Connector, Correlation, JobId, Operation, Request, RequestId, User, UserId};
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

impl Decided {
    pub(super) fn unless_nothing(self) -> Option<Self> {
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
