//! Changes of users with what follows from them: the requests that an event raises are part of the commit that makes
//! the change. What follows is for the core to say.

use super::Recorded as _;
use super::{Caller, ServiceError, Services};
use gatehouse_core::events::{Tally, held};
use gatehouse_core::ports::{ChangeSet, StoreError};
use gatehouse_core::{AppId, User};
use gatehouse_engine::events::{Apps, Cause, Decided, Followed, decide_for_user};
use gatehouse_engine::name_managers_among;
use std::collections::BTreeMap;

/// How often a change is offered to the store again after requests of its users have moved on.
const OFFERS: u32 = 8;

/// A user before and after.
pub(super) struct UserEvent {
    /// None: made just now.
    pub before: Option<User>,
    pub after: User,
    /// Whether every mapped attribute is to be asserted again.
    pub reactivated: bool,
}

impl Services {
    /// Commits a change of users together with the requests that it raises.
    pub(super) async fn commit_events(
        &self,
        caller: &Caller,
        changes: ChangeSet,
        events: &[UserEvent],
    ) -> Result<(), ServiceError> {
        for offer in 1.. {
            // What is looked at here is not to be overtaken by another change, nor what the guard counts.
            let _raising = self.raising.lock().await;
            let mut lately = self.lately.lock().await;
            let mut whole = changes.clone();
            let followed = self.followed(caller, events, &mut lately).await?;
            let raised: Vec<_> = followed.requests().filter(|r| r.version == 0 && r.held.is_none()).cloned().collect();
            let moved = !followed.changes.requests.is_empty();
            whole.append(followed.changes);
            whole.audit.iter_mut().for_each(|record| caller.sign(record));
            match self.store.commit(whole).await {
                Err(StoreError::VersionConflict { .. }) if moved && offer < OFFERS => continue,
                done => done?,
            }
            raised.iter().for_each(|request| lately.note(request.app, request.operation, request.created_at));
            if moved {
                self.background.wake();
            }
            break;
        }
        Ok(())
    }

    /// The caller, as the cause of what follows.
    pub(super) fn cause(&self, caller: &Caller) -> Cause {
        let (by, correlation) = (caller.actor.clone(), caller.correlation.clone());
        Cause { by, user: caller.user, correlation, job: None, consented: false, now: self.now() }
    }

    async fn followed(
        &self,
        caller: &Caller,
        events: &[UserEvent],
        lately: &mut super::guard::Lately,
    ) -> Result<Followed, ServiceError> {
        let store = self.store.as_ref();
        let apps = Apps::all(store).await?;
        let mut decided: Vec<Decided> = Vec::new();
        let mut users: Vec<User> = events.iter().map(|event| event.after.clone()).collect();
        name_managers_among(&mut users);
        for (UserEvent { before, reactivated, .. }, after) in events.iter().zip(&users) {
            decided.extend(decide_for_user(store, &apps, before.as_ref(), after, *reactivated).await?);
        }
        let held = self.held(&decided, lately).await?;
        let cause = self.cause(caller);
        let mut followed = Followed::default();
        for one in decided {
            let held = held.get(&one.app.id).map(String::as_str);
            followed.append(one.open(store, &cause, held).await?);
        }
        Ok(followed)
    }

    /// Why the guard holds what is to follow, for each app where it does.
    async fn held(
        &self,
        decided: &[Decided],
        lately: &mut super::guard::Lately,
    ) -> Result<BTreeMap<AppId, String>, ServiceError> {
        let mut tallies: BTreeMap<AppId, Tally> = BTreeMap::new();
        for one in decided {
            one.count(tallies.entry(one.app.id).or_default());
        }
        let mut reasons = BTreeMap::new();
        for (id, now) in tallies.into_iter().filter(|(_, tally)| *tally != Tally::default()) {
            let Some(one) = decided.iter().find(|one| one.app.id == id) else { continue };
            let before = lately.tally(self.store.as_ref(), &one.app, self.now()).await?;
            let linked = gatehouse_engine::linked(self.store.as_ref(), &one.app).await?;
            reasons.extend(held(now, before, linked, &one.app.config.guard).map(|why| (id, why)));
        }
        Ok(reasons)
    }
}
