//! The queue: which request of which lane may be worked on, and who does. A lane is an app and a subject; its requests
//! run in the order of their numbers, one at a time. It never looks at what a request does.
//!
//! `READY` holds the first unsettled request of each lane that has a due date and no claim, so that neither the
//! lanes waiting behind it nor those waiting for a person are ever walked.

use super::fault::Outcome;
use super::merge::Merge;
use super::record::{encode, fetch};
use super::registry::app_ids;
use super::tables::{APPS, CLAIMS, LANES, Lane, READY, Record};
use gatehouse_core::ports::ClaimLimits;
use gatehouse_core::{AppId, RequestId};
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Queue<'t> {
    lanes: Table<'t, (u64, u8, u64, u64), Option<i128>>,
    ready: Table<'t, (u64, i128, u64), (u8, u64)>,
    claims: Table<'t, Lane, Record>,
}

/// The claim on a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClaimRecord {
    pub request: RequestId,
    pub token: u64,
    /// The run of the host that has it: for whoever looks into the file.
    pub incarnation: String,
    pub lease_until: Timestamp,
}

/// A request that may be claimed: due date, number, lane. In this order they are handed out.
type Candidate = (i128, u64, Lane);

impl<'t> Queue<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self { lanes: txn.open_table(LANES)?, ready: txn.open_table(READY)?, claims: txn.open_table(CLAIMS)? })
    }

    /// Whether the lane is claimed for this request with this token.
    pub fn is_claimed(&self, lane: Lane, request: RequestId, token: u64) -> Outcome<bool> {
        let claim: Option<ClaimRecord> = fetch(&self.claims, lane)?;
        Ok(claim.is_some_and(|claim| claim.request == request && claim.token == token))
    }

    /// The first request of a lane.
    pub fn first(&self, lane: Lane) -> Outcome<Option<u64>> {
        Ok(self.head(lane)?.map(|(id, _)| id))
    }

    /// Whether anybody has claimed the lane, be it that the lease is over.
    pub fn has_claim(&self, lane: Lane) -> Outcome<bool> {
        Ok(self.claims.get(lane)?.is_some())
    }

    /// Makes changes to lanes, and brings `READY` up to date with what they have become.
    pub fn change(&mut self, lanes: &BTreeSet<Lane>, work: impl FnOnce(&mut Self) -> Outcome<()>) -> Outcome<()> {
        let before = lanes.iter().map(|lane| self.ready_entry(*lane)).collect::<Outcome<Vec<_>>>()?;
        work(self)?;
        for (lane, before) in lanes.iter().zip(before) {
            let after = self.ready_entry(*lane)?;
            if before == after {
                continue;
            }
            if let Some((due, id, (app, ..))) = before {
                self.ready.remove((app, due, id))?;
            }
            if let Some((due, id, (app, kind, number))) = after {
                self.ready.insert((app, due, id), (kind, number))?;
            }
        }
        Ok(())
    }

    /// Notes when a request falls due, or that it has no place in its lane (any more, or yet). Inside [`Self::change`].
    pub fn set(&mut self, lane: Lane, request: RequestId, absent: bool, due: Option<Timestamp>) -> Outcome<()> {
        let key = (lane.0, lane.1, lane.2, request.0);
        if absent {
            self.lanes.remove(key)?;
        } else {
            self.lanes.insert(key, due.map(Timestamp::as_nanosecond))?;
        }
        Ok(())
    }

    /// Has a claim go on until then.
    pub fn extend(&mut self, lane: Lane, until: Timestamp) -> Outcome<()> {
        if let Some(claim) = fetch::<_, ClaimRecord>(&self.claims, lane)? {
            let claim = ClaimRecord { lease_until: until, ..claim };
            self.claims.insert(lane, encode(&claim)?.as_slice())?;
        }
        Ok(())
    }

    /// Gives a lane free. Inside [`Self::change`].
    pub fn unclaim(&mut self, lane: Lane) -> Outcome<()> {
        self.claims.remove(lane)?;
        Ok(())
    }

    /// Removes an app's lanes with everything in them.
    pub fn remove_app(&mut self, app: AppId) -> Outcome<()> {
        let app = app.0;
        self.lanes.retain_in((app, 0, 0, 0)..=(app, u8::MAX, u64::MAX, u64::MAX), |_, _| false)?;
        self.ready.retain_in((app, i128::MIN, 0)..=(app, i128::MAX, u64::MAX), |_, _| false)?;
        self.claims.retain_in((app, 0, 0)..=(app, u8::MAX, u64::MAX), |_, _| false)?;
        Ok(())
    }

    /// Gives every claim back: the file was locked, so whoever held one is gone.
    pub fn clear_claims(&mut self) -> Outcome<()> {
        let lanes = self.claims.iter()?.map(|entry| Ok(entry?.0.value())).collect::<Outcome<BTreeSet<Lane>>>()?;
        self.change(&lanes, |queue| lanes.iter().try_for_each(|lane| queue.unclaim(*lane)))
    }

    /// Claims what is due, with tokens from `token` on: the requests and their tokens.
    pub fn claim(
        &mut self,
        apps: &[u64],
        now: Timestamp,
        lease_until: Timestamp,
        incarnation: &str,
        limits: &ClaimLimits,
        token: u64,
    ) -> Outcome<Vec<(RequestId, u64)>> {
        let chosen = self.choose(apps, now, limits)?;
        let lanes = chosen.iter().map(|(_, _, lane)| *lane).collect();
        let claims: Vec<_> = chosen.iter().zip(token..).map(|((_, id, _), token)| (RequestId(*id), token)).collect();
        self.change(&lanes, |queue| {
            for ((_, _, lane), (request, token)) in chosen.iter().zip(&claims) {
                let incarnation = incarnation.to_owned();
                let claim = ClaimRecord { request: *request, token: *token, incarnation, lease_until };
                queue.claims.insert(*lane, encode(&claim)?.as_slice())?;
            }
            Ok(())
        })?;
        Ok(claims)
    }

    fn choose(&self, apps: &[u64], now: Timestamp, limits: &ClaimLimits) -> Outcome<Vec<Candidate>> {
        let now_ns = now.as_nanosecond();
        let allowed = |app: u64| match limits.per_app.get(&AppId(app)) {
            _ if limits.skip_apps.contains(&AppId(app)) => 0,
            Some(limit) => *limit,
            None => usize::MAX,
        };
        // Each app's range on its own: what is skipped costs nothing, however much of it is due.
        let ready = apps.iter().filter(|app| allowed(**app) > 0).map(|app| {
            let range = self.ready.range((*app, i128::MIN, 0)..=(*app, now_ns, u64::MAX))?;
            let candidates = range.map(|entry| {
                let (key, lane) = entry?;
                let ((app, due, id), (kind, number)) = (key.value(), lane.value());
                Ok((due, id, (app, kind, number)))
            });
            Ok(Box::new(candidates) as Box<dyn Iterator<Item = Outcome<Candidate>>>)
        });
        let expired = Ok(Box::new(self.expired(now)?.into_iter().map(Ok)) as Box<_>);
        let mut candidates = Merge::new(ready.chain([expired]))?;
        let mut per_app = BTreeMap::<u64, usize>::new();
        let mut chosen = Vec::new();
        while chosen.len() < limits.count {
            let Some(candidate) = candidates.next().transpose()? else { break };
            let (_, _, (app, ..)) = candidate;
            let taken = per_app.entry(app).or_default();
            if *taken < allowed(app) {
                *taken += 1;
                chosen.push(candidate);
            }
        }
        Ok(chosen)
    }

    /// Lanes whose claim has run out and whose first request is due. Walks all claims: they are as few as the calls
    /// under way.
    fn expired(&self, now: Timestamp) -> Outcome<Vec<Candidate>> {
        let mut expired = Vec::new();
        for entry in self.claims.iter()? {
            let (lane, claim) = entry?;
            let claim: ClaimRecord = super::record::decode(claim.value())?;
            if claim.lease_until > now {
                continue;
            }
            if let Some((id, Some(due))) = self.head(lane.value())?.filter(|(_, due)| *due <= Some(now.as_nanosecond()))
            {
                expired.push((due, id, lane.value()));
            }
        }
        expired.sort_unstable();
        Ok(expired)
    }

    /// The first unsettled request of a lane, and when it falls due.
    fn head(&self, lane: Lane) -> Outcome<Option<(u64, Option<i128>)>> {
        let (app, kind, number) = lane;
        let mut range = self.lanes.range((app, kind, number, 0)..=(app, kind, number, u64::MAX))?;
        let Some(entry) = range.next() else { return Ok(None) };
        let (key, due) = entry?;
        Ok(Some((key.value().3, due.value())))
    }

    /// What `READY` holds of a lane.
    fn ready_entry(&self, lane: Lane) -> Outcome<Option<Candidate>> {
        if self.claims.get(lane)?.is_some() {
            return Ok(None);
        }
        Ok(self.head(lane)?.and_then(|(id, due)| Some((due?, id, lane))))
    }
}

/// Whether a claim would find anything.
pub(super) fn may_claim(txn: &ReadTransaction, now: Timestamp, limits: &ClaimLimits) -> Outcome<bool> {
    let ready = txn.open_table(READY)?;
    for app in app_ids(&txn.open_table(APPS)?)? {
        let id = AppId(app);
        if limits.skip_apps.contains(&id) || limits.per_app.get(&id) == Some(&0) {
            continue;
        }
        if ready.range((app, i128::MIN, 0)..=(app, now.as_nanosecond(), u64::MAX))?.next().is_some() {
            return Ok(true);
        }
    }
    for entry in txn.open_table(CLAIMS)?.iter()? {
        let claim: ClaimRecord = super::record::decode(entry?.1.value())?;
        if claim.lease_until <= now {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When the first request that could be claimed falls due.
pub(super) fn next_due(txn: &ReadTransaction) -> Outcome<Option<Timestamp>> {
    let ready = txn.open_table(READY)?;
    let mut earliest = None;
    for app in app_ids(&txn.open_table(APPS)?)? {
        let mut range = ready.range((app, i128::MIN, 0)..=(app, i128::MAX, u64::MAX))?;
        let Some(entry) = range.next() else { continue };
        let due = entry?.0.value().1;
        earliest = Some(earliest.map_or(due, |earliest: i128| earliest.min(due)));
    }
    Ok(earliest.and_then(|due| Timestamp::from_nanosecond(due).ok()))
}
