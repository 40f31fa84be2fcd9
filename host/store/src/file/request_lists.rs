//! Reading requests: lists by every combination of filters, logs, staging rows. It never writes.

use super::codes;
use super::fault::{Outcome, damaged};
use super::merge::{Merge, rank, walk};
use super::record::{decode, fetch, fetch_indexed};
use super::registry::app_ids;
use super::tables::{
    ALARMS, APPS, LANES, READY, REQUEST_COUNTS, REQUEST_LOG, REQUESTS, REQUESTS_AWAITING, REQUESTS_BY_APPROVER,
    REQUESTS_BY_RUN, REQUESTS_BY_STATE, REQUESTS_BY_SUBJECT, REQUESTS_IN_REVIEW, Record, STAGING,
};
use crate::change::waits_for;
use crate::cursor::List;
use gatehouse_core::ports::{Direction, ListPage, RequestFigures, RequestQuery, StagedRun};
use gatehouse_core::sharing::{Reach, Visible};
use gatehouse_core::{AppId, LogEntry, Operation, Request, RequestId, StagingRow, State, Subject};
use jiff::Timestamp;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

pub(super) fn request(txn: &ReadTransaction, id: RequestId) -> Outcome<Option<Request>> {
    fetch(&txn.open_table(REQUESTS)?, id.0)
}

pub(super) fn requests(txn: &ReadTransaction, query: &RequestQuery) -> Outcome<ListPage<Request>> {
    let following = List::Requests.following(query.direction, query.after.as_deref())?;
    let Some(span) = following.map(RangeInclusive::into_inner) else { return Ok(ListPage::default()) };
    let table = txn.open_table(REQUESTS)?;
    match &query.visible {
        None => page(query, &table, ranks(txn, query, span)?),
        Some(visible) => page(query, &table, visible_ranks(txn, query, visible, span)?),
    }
}

/// The lowest and the highest number that a page can have.
type Span = (u64, u64);

/// The ranks of requests' numbers (see [`rank`]), ascending: the numbers in the direction of the list.
type Ranks = Box<dyn Iterator<Item = Outcome<u64>>>;

/// What the narrowest index that serves a query names, in order: everything it is about, and maybe more.
fn ranks(txn: &ReadTransaction, query: &RequestQuery, (low, high): Span) -> Outcome<Ranks> {
    let way = query.direction;
    if !query.awaiting.is_empty() {
        let index = txn.open_table(REQUESTS_BY_APPROVER)?;
        let people: BTreeSet<u64> = query.awaiting.iter().map(|user| user.0).collect();
        let ranges = people.into_iter().map(|user| {
            let range = index.range((user, low)..=(user, high))?;
            Ok(walk(range, way).map(move |entry| Ok(rank(way, entry?.0.value().1))))
        });
        // Two of them may be asked for the same request.
        return Ok(Box::new(once(Merge::new(ranges)?)));
    }
    if let Some(subject) = query.subject {
        let keys = subjects(txn, query, subject)?;
        let index = txn.open_table(REQUESTS_BY_SUBJECT)?;
        let ranges = keys.into_iter().map(|(kind, number)| {
            let range = index.range((kind, number, low)..=(kind, number, high))?;
            Ok(walk(range, way).map(move |entry| Ok(rank(way, entry?.0.value().2))))
        });
        return Ok(Box::new(Merge::new(ranges)?));
    }
    if let Some(run) = query.raised_by {
        let index = txn.open_table(REQUESTS_BY_RUN)?;
        return Ok(Box::new(by_state(&index, &[run.0], query, (low, high))?));
    }
    if query.needs_review {
        let apps = query.app.map_or_else(|| app_ids(&txn.open_table(APPS)?), |app| Ok(vec![app.0]))?;
        let index = txn.open_table(REQUESTS_IN_REVIEW)?;
        let ranges = apps.into_iter().map(|app| {
            let range = index.range((app, low)..=(app, high))?;
            Ok(walk(range, way).map(move |entry| Ok(rank(way, entry?.0.value().1))))
        });
        return Ok(Box::new(Merge::new(ranges)?));
    }
    if query.app.is_some() || query.state.is_some() || query.operation.is_some() {
        let apps = query.app.map_or_else(|| app_ids(&txn.open_table(APPS)?), |app| Ok(vec![app.0]))?;
        let index = txn.open_table(REQUESTS_BY_STATE)?;
        return Ok(Box::new(by_state(&index, &apps, query, (low, high))?));
    }
    let all = walk(txn.open_table(REQUESTS)?.range(low..=high)?, way);
    Ok(Box::new(all.map(move |entry| Ok(rank(way, entry?.0.value())))))
}

/// What somebody may see of a query, in order: each part by its own index, each request once.
fn visible_ranks(txn: &ReadTransaction, query: &RequestQuery, visible: &Visible, span: Span) -> Outcome<Ranks> {
    let narrowed: BTreeSet<RequestSlice> = visible.reaches.iter().flat_map(|reach| slices(query, reach)).collect();
    let parts = narrowed.into_iter().map(|(subject, app, operation)| {
        ranks(txn, &RequestQuery { subject, app, operation, visible: None, ..query.clone() }, span)
    });
    let waiting = (!visible.awaiting.is_empty()).then(|| {
        ranks(txn, &RequestQuery { awaiting: visible.awaiting.clone(), visible: None, ..query.clone() }, span)
    });
    Ok(Box::new(once(Merge::new(parts.chain(waiting))?)))
}

/// What comes several times in a row, once.
fn once(ranks: impl Iterator<Item = Outcome<u64>>) -> impl Iterator<Item = Outcome<u64>> {
    let mut last = None;
    ranks.filter(move |rank| match rank {
        Ok(rank) => last.replace(*rank) != Some(*rank),
        Err(_) => true,
    })
}

/// What of a query differs from reach to reach.
type RequestSlice = (Option<Subject>, Option<AppId>, Option<Operation>);

/// A query narrowed to a reach: a query for each operation, none where they have nothing in common. A person has few
/// requests, so that those about one are looked at one by one.
fn slices(query: &RequestQuery, reach: &Reach) -> Vec<RequestSlice> {
    let about = reach.about.map(Subject::User);
    let apart = |one: Option<AppId>, other: Option<AppId>| one.is_some() && other.is_some() && one != other;
    let elsewhere = about.is_some() && query.subject.is_some() && about != query.subject;
    if elsewhere || apart(query.app, reach.app) {
        return Vec::new();
    }
    let subject = query.subject.or(about);
    if subject.is_some() {
        return vec![(subject, query.app, query.operation)];
    }
    let app = query.app.or(reach.app);
    match query.operation {
        _ if reach.operations.is_empty() => vec![(None, app, query.operation)],
        Some(only) if reach.operations.contains(&only) => vec![(None, app, Some(only))],
        Some(_) => Vec::new(),
        None => reach.operations.iter().map(|operation| (None, app, Some(*operation))).collect(),
    }
}

/// The subjects that a filter means: a whole app, without saying which, is every app.
fn subjects(txn: &ReadTransaction, query: &RequestQuery, subject: Subject) -> Outcome<Vec<(u8, u64)>> {
    let of = |app| codes::subject(app, subject);
    match (subject, query.app) {
        (Subject::App, None) => {
            let apps = app_ids(&txn.open_table(APPS)?)?;
            Ok(apps.into_iter().map(|app| of(AppId(app))).collect())
        }
        (_, app) => Ok(vec![of(app.unwrap_or_default())]),
    }
}

/// The requests under these first parts of the index key (apps or a run), in order.
fn by_state(
    index: &ReadOnlyTable<(u64, u8, u8, u64), ()>,
    firsts: &[u64],
    query: &RequestQuery,
    (low, high): Span,
) -> Outcome<impl Iterator<Item = Outcome<u64>> + use<>> {
    let way = query.direction;
    let states: Vec<State> = State::ALL.into_iter().filter(|s| query.state.is_none_or(|only| only == *s)).collect();
    let wanted = |o: &Operation| query.operation.is_none_or(|only| only == *o);
    let operations: Vec<Operation> = Operation::ALL.into_iter().filter(wanted).collect();
    let mut ranges = Vec::with_capacity(firsts.len() * states.len() * operations.len());
    for first in firsts {
        for state in &states {
            for operation in &operations {
                let (state, operation) = (codes::state(*state), codes::operation(*operation));
                let range = index.range((*first, state, operation, low)..=(*first, state, operation, high));
                ranges.push(range.map_err(Into::into).map(|range| {
                    walk(range, way).map(move |entry| -> Outcome<u64> { Ok(rank(way, entry?.0.value().3)) })
                }));
            }
        }
    }
    Merge::new(ranges)
}

/// The page of those that every filter lets through.
fn page(
    query: &RequestQuery,
    table: &ReadOnlyTable<u64, Record>,
    ranks: impl Iterator<Item = Outcome<u64>>,
) -> Outcome<ListPage<Request>> {
    let way = query.direction;
    let matching = ranks.map(|ranked| fetch_indexed::<Request>(table, rank(way, ranked?))).filter(|request| {
        let Ok(request) = request else { return true };
        query.app.is_none_or(|app| app == request.app)
            && query.state.is_none_or(|state| state == request.state)
            && query.operation.is_none_or(|operation| operation == request.operation)
            && query.subject.is_none_or(|subject| subject == request.subject)
            && query.raised_by.is_none_or(|run| Some(run) == request.raised_by)
            && (!query.needs_review || request.is_in_review())
            && (query.awaiting.is_empty() || waits_for(request, &query.awaiting))
            && query.visible.as_ref().is_none_or(|visible| visible.covers(request))
    });
    let numbered = matching.map(|request| request.map(|request| (request.id.0, request)));
    List::Requests.page(way, numbered, query.limit)
}

/// The unsettled requests of a lane, in order.
pub(super) fn lane(txn: &ReadTransaction, app: AppId, subject: Subject) -> Outcome<Vec<Request>> {
    let (app, kind, number) = codes::lane(app, subject);
    let (lanes, requests) = (txn.open_table(LANES)?, txn.open_table(REQUESTS)?);
    let open = lanes.range((app, kind, number, 0)..=(app, kind, number, u64::MAX))?;
    open.map(|entry| fetch_indexed(&requests, entry?.0.value().3)).collect()
}

/// The lowest number of an unsettled request: the first of each state and operation is looked at.
pub(super) fn oldest_unsettled(txn: &ReadTransaction, app: AppId) -> Outcome<Option<RequestId>> {
    let index = txn.open_table(REQUESTS_BY_STATE)?;
    let mut oldest: Option<u64> = None;
    for state in State::ALL.into_iter().filter(|state| !state.is_settled()).map(codes::state) {
        for operation in Operation::ALL.map(codes::operation) {
            let first = index.range((app.0, state, operation, 0)..=(app.0, state, operation, u64::MAX))?.next();
            if let Some(id) = first.transpose()?.map(|(key, _)| key.value().3) {
                oldest = Some(oldest.map_or(id, |oldest| oldest.min(id)));
            }
        }
    }
    Ok(oldest.map(RequestId))
}

pub(super) fn review_count(txn: &ReadTransaction) -> Outcome<u64> {
    Ok(txn.open_table(REQUESTS_IN_REVIEW)?.len()?)
}

/// How many requests each app has in each state, and when its first one falls due.
pub(super) fn figures(txn: &ReadTransaction) -> Outcome<BTreeMap<AppId, RequestFigures>> {
    let (counts, ready) = (txn.open_table(REQUEST_COUNTS)?, txn.open_table(READY)?);
    let waiting = txn.open_table(REQUESTS_AWAITING)?;
    let mut all = BTreeMap::new();
    for app in app_ids(&txn.open_table(APPS)?)? {
        let counted = |code: u8| -> Outcome<u64> { Ok(counts.get((app, code))?.map_or(0, |count| count.value())) };
        let (in_review, awaiting) = (counted(codes::IN_REVIEW)?, counted(codes::AWAITING)?);
        let mut figures = RequestFigures { in_review, awaiting, ..RequestFigures::default() };
        for state in State::ALL {
            figures.states.insert(state, counted(codes::state(state))?);
        }
        let first = ready.range((app, i128::MIN, 0)..=(app, i128::MAX, u64::MAX))?.next().transpose()?;
        figures.first_due = first.and_then(|(key, _)| Timestamp::from_nanosecond(key.value().1).ok());
        let first = waiting.range((app, i128::MIN, 0)..=(app, i128::MAX, u64::MAX))?.next().transpose()?;
        figures.awaiting_since = first.and_then(|(key, _)| Timestamp::from_nanosecond(key.value().1).ok());
        all.insert(AppId(app), figures);
    }
    Ok(all)
}

pub(super) fn log(
    txn: &ReadTransaction,
    id: RequestId,
    way: Direction,
    after: Option<&str>,
    limit: usize,
) -> Outcome<ListPage<LogEntry>> {
    let list = List::Log(id.0);
    let following = list.following(way, after)?;
    let Some((low, high)) = following.map(RangeInclusive::into_inner) else { return Ok(ListPage::default()) };
    let table = txn.open_table(REQUEST_LOG)?;
    let entries = walk(table.range((id.0, low)..=(id.0, high))?, way).map(|entry| {
        let (key, bytes) = entry?;
        Ok((key.value().1, decode(bytes.value())?))
    });
    list.page(way, entries, limit)
}

pub(super) fn staging(txn: &ReadTransaction, run: RequestId, from: u64, limit: usize) -> Outcome<Vec<StagingRow>> {
    let table = txn.open_table(STAGING)?;
    let rows = table.range((run.0, from)..=(run.0, u64::MAX))?;
    rows.take(limit).map(|entry| decode(entry?.1.value())).collect()
}

/// From the first row of a run to its last, and on to the next run: two steps for each.
pub(super) fn staged_runs(txn: &ReadTransaction, after: Option<RequestId>, limit: usize) -> Outcome<Vec<StagedRun>> {
    let table = txn.open_table(STAGING)?;
    let (mut from, mut runs) = (after.map_or(0, |after| after.0.saturating_add(1)), Vec::new());
    while runs.len() < limit {
        let Some(first) = table.range((from, 0)..)?.next().transpose()? else { break };
        let run = first.0.value().0;
        let last = table.range((run, 0)..=(run, u64::MAX))?.next_back().transpose()?;
        let rows = last.map_or(0, |(key, _)| key.value().1.saturating_add(1));
        runs.push(StagedRun { run: RequestId(run), rows });
        from = run.saturating_add(1);
    }
    Ok(runs)
}

/// What happens to requests by the clock, in this order.
pub(super) fn alarms(
    txn: &ReadTransaction,
    until: Timestamp,
    after: Option<(Timestamp, RequestId)>,
    limit: usize,
) -> Outcome<Vec<(Timestamp, RequestId)>> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let from = after.map_or(Unbounded, |(at, id)| Excluded((at.as_nanosecond(), id.0)));
    let until = (until.as_nanosecond(), u64::MAX);
    if after.is_some_and(|(at, id)| (at.as_nanosecond(), id.0) >= until) {
        return Ok(Vec::new());
    }
    let table = txn.open_table(ALARMS)?;
    let alarms = table.range::<(i128, u64)>((from, Included(until)))?.take(limit).map(|entry| alarm(entry?.0.value()));
    alarms.collect()
}

pub(super) fn next_alarm(txn: &ReadTransaction) -> Outcome<Option<Timestamp>> {
    let first = txn.open_table(ALARMS)?.first()?.map(|(key, _)| key.value());
    first.map(|key| Ok(alarm(key)?.0)).transpose()
}

fn alarm((at, id): (i128, u64)) -> Outcome<(Timestamp, RequestId)> {
    let at = Timestamp::from_nanosecond(at).map_err(|_| damaged("an alarm of no time"))?;
    Ok((at, RequestId(id)))
}
