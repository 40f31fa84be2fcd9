//! Requests in the file, their indexes, logs and staging rows. It never changes a state: what is written was decided
//! by the domain.

use super::codes;
use super::counts::{self, CountTable, Deltas};
use super::fault::Outcome;
use super::queue::Queue;
use super::record::{encode, fetch, fetch_indexed};
use super::tables::{
    ALARMS, Lane, REQUEST_COUNTS, REQUEST_LOG, REQUESTS, REQUESTS_AWAITING, REQUESTS_BY_APPROVER, REQUESTS_BY_RUN,
    REQUESTS_BY_STATE, REQUESTS_BY_SUBJECT, REQUESTS_IN_REVIEW, Record, STAGING,
};
use crate::change::{Replacement, invalid, replacement};
use gatehouse_core::approval::{alarm, waited_for};
use gatehouse_core::ports::{Fence, StoreError, Versioned};
use gatehouse_core::{AppId, LogEntry, Request, RequestId, StagingRow, State};
use jiff::Timestamp;
use redb::{ReadableTable, Table, WriteTransaction};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Requests<'t> {
    requests: Table<'t, u64, Record>,
    by_state: Table<'t, (u64, u8, u8, u64), ()>,
    by_run: Table<'t, (u64, u8, u8, u64), ()>,
    by_subject: Table<'t, (u8, u64, u64), ()>,
    in_review: Table<'t, (u64, u64), ()>,
    by_approver: Table<'t, (u64, u64), ()>,
    alarms: Table<'t, (i128, u64), ()>,
    awaiting: Table<'t, (u64, i128, u64), ()>,
    counts: CountTable<'t>,
    log: Table<'t, (u64, u64), Record>,
    staging: Table<'t, (u64, u64), Record>,
    queue: Queue<'t>,
}

/// What a change set does to requests and their rows.
#[derive(Default)]
pub(super) struct Rows {
    pub staging: Vec<(RequestId, StagingRow)>,
    pub truncate_staging: Vec<(RequestId, u64)>,
    pub log: Vec<(RequestId, LogEntry)>,
}

/// Changes that have been checked.
pub(super) struct RequestChanges {
    requests: Vec<Replacement<Request>>,
    rows: Rows,
    /// The lane to give free.
    release: Option<Lane>,
    /// The lane whose claim goes on, and until when.
    extend: Option<(Lane, Timestamp)>,
}

impl RequestChanges {
    /// With a claim that goes on.
    pub fn extending(self, extend: Option<(Lane, Timestamp)>) -> Self {
        Self { extend, ..self }
    }

    /// The highest number used.
    pub fn highest(&self) -> Option<u64> {
        self.requests.iter().map(|request| request.new.id.0).max()
    }

    /// The apps that requests are written to.
    pub fn apps(&self) -> impl Iterator<Item = AppId> {
        self.requests.iter().map(|request| request.new.app)
    }
}

impl<'t> Requests<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            requests: txn.open_table(REQUESTS)?,
            by_state: txn.open_table(REQUESTS_BY_STATE)?,
            by_run: txn.open_table(REQUESTS_BY_RUN)?,
            by_subject: txn.open_table(REQUESTS_BY_SUBJECT)?,
            in_review: txn.open_table(REQUESTS_IN_REVIEW)?,
            by_approver: txn.open_table(REQUESTS_BY_APPROVER)?,
            alarms: txn.open_table(ALARMS)?,
            awaiting: txn.open_table(REQUESTS_AWAITING)?,
            counts: txn.open_table(REQUEST_COUNTS)?,
            log: txn.open_table(REQUEST_LOG)?,
            staging: txn.open_table(STAGING)?,
            queue: Queue::open(txn)?,
        })
    }

    pub fn queue(&mut self) -> &mut Queue<'t> {
        &mut self.queue
    }

    fn request(&self, id: RequestId) -> Outcome<Option<Request>> {
        fetch(&self.requests, id.0)
    }

    /// A request that the queue named.
    pub fn claimed(&self, id: RequestId) -> Outcome<Request> {
        fetch_indexed(&self.requests, id.0)
    }

    /// The lane that the fence holds.
    pub fn check_fence(&self, fence: Fence) -> Outcome<Lane> {
        let lane = self.request(fence.request)?.map(|request| lane(&request));
        match lane {
            Some(lane) if self.queue.is_claimed(lane, fence.request, fence.token)? => Ok(lane),
            _ => Err(StoreError::Fenced { request: fence.request }.into()),
        }
    }

    pub fn check(
        &self,
        requests: Vec<Versioned<Request>>,
        rows: Rows,
        release: Option<Lane>,
        removed_apps: &[AppId],
    ) -> Outcome<RequestChanges> {
        let requests = requests
            .into_iter()
            .map(|request| Ok(replacement(fetch(&self.requests, request.record.id.0)?, request)?))
            .collect::<Outcome<Vec<Replacement<Request>>>>()?;
        for Replacement { old, new } in &requests {
            // Else it could be worked on in two lanes at once.
            if old.as_ref().is_some_and(|old| lane(old) != lane(new)) {
                return Err(invalid(format!("request {} cannot change its app or its subject", new.id)).into());
            }
            if old.as_ref().is_some_and(|old| old.awaits_date) && new.is_in_lane() {
                self.may_join(new)?;
            }
        }
        let written: BTreeSet<RequestId> = requests.iter().map(|request| request.new.id).collect();
        let named = rows.staging.iter().map(|(id, _)| id).chain(rows.truncate_staging.iter().map(|(id, _)| id));
        let named: BTreeSet<RequestId> = named.chain(rows.log.iter().map(|(id, _)| id)).copied().collect();
        for id in named.difference(&written) {
            if self.request(*id)?.is_none_or(|request| removed_apps.contains(&request.app)) {
                return Err(invalid(format!("request {id} is not there")).into());
            }
        }
        Ok(RequestChanges { requests, rows, release, extend: None })
    }

    /// Nothing goes in front of what may have been begun.
    fn may_join(&self, request: &Request) -> Outcome<()> {
        let lane = lane(request);
        let begun = match self.queue.first(lane)? {
            Some(first) if first > request.id.0 => self.claimed(RequestId(first))?.has_begun(),
            _ => false,
        };
        if begun || self.queue.has_claim(lane)? {
            return Err(StoreError::LaneBusy { request: request.id }.into());
        }
        Ok(())
    }

    pub fn apply(&mut self, changes: RequestChanges) -> Outcome<()> {
        if let Some((lane, until)) = changes.extend {
            self.queue.extend(lane, until)?;
        }
        let mut deltas = Deltas::new();
        for Replacement { old, new } in &changes.requests {
            self.requests.insert(new.id.0, encode(new)?.as_slice())?;
            self.index(old.as_ref(), new)?;
            old.iter().for_each(|old| count(old, -1, &mut deltas));
            count(new, 1, &mut deltas);
        }
        counts::add(&mut self.counts, deltas)?;
        let mut lanes: BTreeSet<Lane> = changes.requests.iter().map(|request| lane(&request.new)).collect();
        lanes.extend(changes.release);
        self.queue.change(&lanes, |queue| {
            for Replacement { new, .. } in &changes.requests {
                queue.set(lane(new), new.id, !new.is_in_lane(), new.due)?;
            }
            changes.release.map_or(Ok(()), |lane| queue.unclaim(lane))
        })?;
        self.write_rows(changes.rows)
    }

    fn index(&mut self, old: Option<&Request>, new: &Request) -> Outcome<()> {
        let by_run = |request: &Request| {
            let (_, state, operation, id) = state_key(request);
            Some((request.raised_by?.0, state, operation, id))
        };
        if old.map(state_key) != Some(state_key(new)) {
            if let Some(old) = old {
                self.by_state.remove(state_key(old))?;
            }
            self.by_state.insert(state_key(new), ())?;
        }
        if old.and_then(by_run) != by_run(new) {
            if let Some(key) = old.and_then(by_run) {
                self.by_run.remove(key)?;
            }
            if let Some(key) = by_run(new) {
                self.by_run.insert(key, ())?;
            }
        }
        if old.is_none() {
            self.by_subject.insert(subject_key(new), ())?;
        }
        if old.and_then(awaiting_key) != awaiting_key(new) {
            if let Some(key) = old.and_then(awaiting_key) {
                self.awaiting.remove(key)?;
            }
            if let Some(key) = awaiting_key(new) {
                self.awaiting.insert(key, ())?;
            }
        }
        match (old.is_some_and(Request::is_in_review), new.is_in_review()) {
            (false, true) => drop(self.in_review.insert(review_key(new), ())?),
            (true, false) => drop(self.in_review.remove(review_key(new))?),
            _ => {}
        }
        self.follow_clock(old, Some(new))
    }

    /// Has the alarms, and the lists of what waits for whom, follow a change.
    fn follow_clock(&mut self, old: Option<&Request>, new: Option<&Request>) -> Outcome<()> {
        let alarm = |of: &Request| alarm(of).map(|at| (at.as_nanosecond(), of.id.0));
        let (before, after) = (old.and_then(alarm), new.and_then(alarm));
        if before != after {
            if let Some(key) = before {
                self.alarms.remove(key)?;
            }
            if let Some(key) = after {
                self.alarms.insert(key, ())?;
            }
        }
        let waits = |of: &Request| waited_for(of).into_iter().map(|user| (user.0, of.id.0)).collect();
        let before: BTreeSet<(u64, u64)> = old.map(waits).unwrap_or_default();
        let after: BTreeSet<(u64, u64)> = new.map(waits).unwrap_or_default();
        for key in before.difference(&after) {
            self.by_approver.remove(*key)?;
        }
        for key in after.difference(&before) {
            self.by_approver.insert(*key, ())?;
        }
        Ok(())
    }

    /// Builds the review queue of a file that was written before there was one.
    pub fn rebuild_review(&mut self) -> Outcome<()> {
        let failed = codes::state(State::Failed);
        let apps: BTreeSet<u64> = self.by_state.iter()?.map(|entry| Ok(entry?.0.value().0)).collect::<Outcome<_>>()?;
        for app in apps {
            let index = self.by_state.range((app, failed, 0, 0)..=(app, failed, u8::MAX, u64::MAX))?;
            let ids = index.map(|entry| Ok(entry?.0.value().3)).collect::<Outcome<Vec<u64>>>()?;
            for id in ids {
                let request: Request = fetch_indexed(&self.requests, id)?;
                if request.is_in_review() {
                    self.in_review.insert(review_key(&request), ())?;
                }
            }
        }
        Ok(())
    }

    fn write_rows(&mut self, rows: Rows) -> Outcome<()> {
        for (run, from) in rows.truncate_staging {
            self.staging.retain_in((run.0, from)..=(run.0, u64::MAX), |_, _| false)?;
        }
        for (run, row) in rows.staging {
            self.staging.insert((run.0, row.no), encode(&row)?.as_slice())?;
        }
        let mut next = BTreeMap::<u64, u64>::new();
        for (request, entry) in rows.log {
            let no = match next.get(&request.0) {
                Some(no) => *no,
                None => self.log_length(request)?,
            };
            self.log.insert((request.0, no), encode(&entry)?.as_slice())?;
            next.insert(request.0, no + 1);
        }
        Ok(())
    }

    fn log_length(&self, request: RequestId) -> Outcome<u64> {
        let last = self.log.range((request.0, 0)..=(request.0, u64::MAX))?.next_back().transpose()?;
        Ok(last.map_or(0, |(key, _)| key.value().1 + 1))
    }

    /// Removes all requests of an app, with their logs, rows and lanes.
    pub fn remove_app(&mut self, app: AppId) -> Outcome<()> {
        let index = self.by_state.range((app.0, 0, 0, 0)..=(app.0, u8::MAX, u8::MAX, u64::MAX))?;
        let ids = index.map(|entry| Ok(entry?.0.value().3)).collect::<Outcome<Vec<u64>>>()?;
        let mut deltas = Deltas::new();
        for id in ids {
            let request: Request = fetch_indexed(&self.requests, id)?;
            count(&request, -1, &mut deltas);
            self.requests.remove(id)?;
            self.by_state.remove(state_key(&request))?;
            self.by_subject.remove(subject_key(&request))?;
            self.in_review.remove(review_key(&request))?;
            self.follow_clock(Some(&request), None)?;
            awaiting_key(&request).map(|key| self.awaiting.remove(key)).transpose()?;
            if let Some(run) = request.raised_by {
                let (_, state, operation, id) = state_key(&request);
                self.by_run.remove((run.0, state, operation, id))?;
            }
            self.log.retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
            self.staging.retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
        }
        counts::add(&mut self.counts, deltas)?;
        self.queue.remove_app(app)
    }

    /// Counts all requests, in a file that was made before they were counted, and finds those that wait for approval.
    pub fn recount(&mut self) -> Outcome<()> {
        let mut deltas = Deltas::new();
        for entry in self.requests.iter()? {
            let request: Request = super::record::decode(entry?.1.value())?;
            count(&request, 1, &mut deltas);
            awaiting_key(&request).map(|key| self.awaiting.insert(key, ())).transpose()?;
        }
        self.counts.retain(|_, _| false)?;
        counts::add(&mut self.counts, deltas)
    }
}

/// Adds a request to the counts it is part of, or takes it off.
fn count(request: &Request, by: i64, deltas: &mut Deltas) {
    *deltas.entry((request.app.0, codes::state(request.state))).or_default() += by;
    if request.is_in_review() {
        *deltas.entry((request.app.0, codes::IN_REVIEW)).or_default() += by;
    }
    if request.awaits_approval_since().is_some() {
        *deltas.entry((request.app.0, codes::AWAITING)).or_default() += by;
    }
}

fn lane(request: &Request) -> Lane {
    codes::lane(request.app, request.subject)
}

fn state_key(request: &Request) -> (u64, u8, u8, u64) {
    (request.app.0, codes::state(request.state), codes::operation(request.operation), request.id.0)
}

fn review_key(request: &Request) -> (u64, u64) {
    (request.app.0, request.id.0)
}

fn awaiting_key(request: &Request) -> Option<(u64, i128, u64)> {
    Some((request.app.0, request.awaits_approval_since()?.as_nanosecond(), request.id.0))
}

fn subject_key(request: &Request) -> (u8, u64, u64) {
    let (kind, number) = codes::subject(request.app, request.subject);
    (kind, number, request.id.0)
}
