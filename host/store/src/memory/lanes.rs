//! Lanes and claims of the model: the first unsettled request of a lane, and who works on it.

use super::Kept;
use gatehouse_core::ports::{Claim, ClaimLimits, Fence, StoreError};
use gatehouse_core::{AppId, Request, RequestId, Subject};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The claim on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneClaim {
    pub fence: Fence,
    pub lease_until: Timestamp,
}

impl Kept {
    /// The lane of a request that is there.
    pub fn lane(&self, id: RequestId) -> Option<(AppId, Subject)> {
        self.requests.get(&id).map(|request| (request.app, request.subject))
    }

    /// Whether the fence is that of the present claim.
    pub fn holds(&self, fence: Fence) -> bool {
        let claim = self.lane(fence.request).and_then(|lane| self.claims.get(&lane));
        claim.is_some_and(|claim| claim.fence == fence)
    }

    /// The first request of each lane: unsettled, and waiting for no date.
    fn heads(&self) -> impl Iterator<Item = &Request> {
        let mut heads = BTreeMap::new();
        for request in self.requests.values().filter(|request| request.is_in_lane()) {
            heads.entry((request.app, request.subject)).or_insert(request);
        }
        heads.into_values()
    }

    /// Nothing goes in front of what may have been begun.
    pub fn may_join(&self, request: &Request) -> Result<(), StoreError> {
        let lane = (request.app, request.subject);
        let first = self.heads().find(|head| (head.app, head.subject) == lane);
        let begun = first.is_some_and(|first| first.id > request.id && first.has_begun());
        if begun || self.claims.contains_key(&lane) {
            return Err(StoreError::LaneBusy { request: request.id });
        }
        Ok(())
    }

    pub fn claim(&mut self, now: Timestamp, lease: SignedDuration, limits: &ClaimLimits) -> Vec<Claim> {
        let free = |request: &&Request| {
            let claim = self.claims.get(&(request.app, request.subject));
            claim.is_none_or(|claim| claim.lease_until <= now)
        };
        let due = self.heads().filter(|request| request.due.is_some_and(|due| due <= now)).filter(free);
        let mut due: Vec<Request> = due.filter(|request| !limits.skip_apps.contains(&request.app)).cloned().collect();
        due.sort_by_key(|request| (request.due, request.id));
        let mut left = limits.per_app.clone();
        due.retain(|request| match left.get_mut(&request.app) {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        });
        due.truncate(limits.count);
        let lease_until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        due.into_iter().map(|request| self.take(request, lease_until)).collect()
    }

    fn take(&mut self, request: Request, lease_until: Timestamp) -> Claim {
        self.token += 1;
        let fence = Fence { request: request.id, token: self.token };
        self.claims.insert((request.app, request.subject), LaneClaim { fence, lease_until });
        Claim { request, fence, lease_until }
    }

    pub fn release(&mut self, fence: Fence) {
        if self.holds(fence) {
            self.lane(fence.request).and_then(|lane| self.claims.remove(&lane));
        }
    }

    pub fn extend(&mut self, fence: Fence, until: Timestamp) {
        let lane = self.lane(fence.request);
        if let Some(claim) = lane.and_then(|lane| self.claims.get_mut(&lane)) {
            claim.lease_until = until;
        }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.unclaimed().filter_map(|request| request.due).min()
    }

    pub fn first_due_of(&self, app: AppId) -> Option<Timestamp> {
        self.unclaimed().filter(|request| request.app == app).filter_map(|request| request.due).min()
    }

    fn unclaimed(&self) -> impl Iterator<Item = &Request> {
        self.heads().filter(|request| !self.claims.contains_key(&(request.app, request.subject)))
    }
}
