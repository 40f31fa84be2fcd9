//! Reading the audit trail: lists by index, entries in order, heads. A list with several filters goes from one index to
//! the next, each saying which entry it has next, so that it looks at few entries more than it returns.

use super::fault::Outcome;
use super::merge::{rank, walk};
use super::tables::{AUDIT, AUDIT_INDEX, DENIALS, META, Record};
use super::trail::{
    BY_ACTION, BY_ACTOR, BY_APP, BY_PERSON, BY_REQUEST, as_found, audit_key, beginning, checkpoint, entry, number_key,
};
use crate::change::invalid;
use crate::cursor::List;
use crate::vault::DataKey;
use gatehouse_core::audit::denials::Window;
use gatehouse_core::audit::{AuditEntry, AuditHead, AuditQuery, Checkpoint, PublicKey, Signed};
use gatehouse_core::ports::{Direction, ListPage};
use jiff::Timestamp;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

type Entries = ReadOnlyTable<u64, Record>;
type Index = ReadOnlyTable<(u8, &'static str, u64), ()>;

/// A filter: the values of an index that it lets through.
struct Filter {
    of: u8,
    values: Vec<String>,
}

impl Filter {
    /// The first number from this one on, the way the list goes, that it lets through.
    fn seek(&self, index: &Index, at: u64, way: Direction) -> Outcome<Option<u64>> {
        let (low, high) = match way {
            Direction::Ascending => (at, u64::MAX),
            Direction::Descending => (0, at),
        };
        let mut first: Option<u64> = None;
        for value in &self.values {
            let range = index.range((self.of, value.as_str(), low)..=(self.of, value.as_str(), high))?;
            let next = walk(range, way).next().transpose()?.map(|(key, _)| key.value().2);
            first = [first, next].into_iter().flatten().min_by_key(|no| rank(way, *no));
        }
        Ok(first)
    }
}

fn filters(query: &AuditQuery, index: &Index) -> Outcome<Vec<Filter>> {
    let one = |of, value: String| Filter { of, values: vec![value] };
    let mut filters = Vec::new();
    filters.extend(query.request.map(|request| one(BY_REQUEST, number_key(request.0))));
    filters.extend(query.person.map(|person| one(BY_PERSON, number_key(person.0))));
    filters.extend(query.app.map(|app| one(BY_APP, number_key(app.0))));
    if let Some(prefix) = &query.action {
        filters.push(Filter { of: BY_ACTION, values: actions(index, prefix)? });
    }
    filters.extend(query.actor.clone().map(|actor| one(BY_ACTOR, actor)));
    Ok(filters)
}

/// The actions that begin like this, without looking at the entries in between.
fn actions(index: &Index, prefix: &str) -> Outcome<Vec<String>> {
    let mut actions: Vec<String> = Vec::new();
    loop {
        let from = actions.last().map_or((BY_ACTION, prefix, 0), |last| (BY_ACTION, last.as_str(), u64::MAX));
        let next = index.range(from..)?.next().transpose()?;
        let next = next.map(|(key, _)| (key.value().0, key.value().1.to_owned()));
        match next {
            Some((BY_ACTION, action)) if action.starts_with(prefix) => actions.push(action),
            _ => return Ok(actions),
        }
    }
}

/// The number behind this one, the way the list goes.
fn beyond(no: u64, way: Direction) -> Option<u64> {
    match way {
        Direction::Ascending => no.checked_add(1),
        Direction::Descending => no.checked_sub(1),
    }
}

/// The first number from this one on, the way the list goes, that all filters let through.
fn next(entries: &Entries, index: &Index, filters: &[Filter], mut at: u64, way: Direction) -> Outcome<Option<u64>> {
    if filters.is_empty() {
        let first = match way {
            Direction::Ascending => entries.range(at..)?.next(),
            Direction::Descending => entries.range(..=at)?.next_back(),
        };
        return Ok(first.transpose()?.map(|(no, _)| no.value()));
    }
    loop {
        let begun = at;
        for filter in filters {
            match filter.seek(index, at, way)? {
                Some(no) => at = no,
                None => return Ok(None),
            }
        }
        if at == begun && entries.get(at)?.is_some() {
            return Ok(Some(at));
        }
        if at == begun {
            match beyond(at, way) {
                Some(following) => at = following,
                None => return Ok(None),
            }
        }
    }
}

/// The first number whose entry is not from before a moment; one more than the last if there is none. Times never go
/// back in a trail.
fn first_since(entries: &Entries, since: Timestamp) -> Outcome<u64> {
    let Some(mut low) = entries.first()?.map(|(no, _)| no.value()) else { return Ok(0) };
    let mut high = entries.last()?.map_or(low, |(no, _)| no.value()) + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = entries.range(middle..)?.next().transpose()?;
        let (no, at) = match found {
            Some((no, bytes)) => (no.value(), entry(no.value(), bytes.value())?.at),
            None => (high, Timestamp::MAX),
        };
        if at >= since { high = middle } else { low = no + 1 }
    }
    Ok(low)
}

pub(super) fn entries(txn: &ReadTransaction, query: &AuditQuery) -> Outcome<ListPage<AuditEntry>> {
    let (entries, index) = (txn.open_table(AUDIT)?, txn.open_table(AUDIT_INDEX)?);
    let way = query.direction;
    let Some(span) = List::Audit.following(way, query.after.as_deref())? else { return Ok(ListPage::default()) };
    let (mut low, mut high) = span.into_inner();
    if let Some(until) = query.until {
        // The first one that is too late can be the first of all.
        match first_since(&entries, until)?.checked_sub(1) {
            Some(last) => high = high.min(last),
            None => return Ok(ListPage::default()),
        }
    }
    if let Some(since) = query.since {
        low = low.max(first_since(&entries, since)?);
    }
    let filters = filters(query, &index)?;
    let mut at = Some(match way {
        Direction::Ascending => low,
        Direction::Descending => high,
    });
    let mut following = || -> Outcome<Option<(u64, AuditEntry)>> {
        let Some(from) = at.filter(|at| (low..=high).contains(at)) else { return Ok(None) };
        let found = next(&entries, &index, &filters, from, way)?.filter(|no| (low..=high).contains(no));
        at = found.and_then(|no| beyond(no, way));
        let read =
            |no| Ok(entries.get(no)?.map(|bytes| entry(no, bytes.value())).transpose()?.map(|entry| (no, entry)));
        found.map_or(Ok(None), read)
    };
    List::Audit.page(way, std::iter::from_fn(|| following().transpose()), query.limit)
}

pub(super) fn from(txn: &ReadTransaction, sequence: u64, limit: usize) -> Outcome<Vec<AuditEntry>> {
    let entries = txn.open_table(AUDIT)?;
    let found = entries.range(sequence..)?.take(limit);
    found
        .map(|found| {
            let (no, bytes) = found?;
            Ok(as_found(no.value(), bytes.value()))
        })
        .collect()
}

pub(super) fn trail_checkpoint(txn: &ReadTransaction) -> Outcome<Option<Checkpoint>> {
    checkpoint(&txn.open_table(META)?)
}

pub(super) fn head(txn: &ReadTransaction, key: &DataKey, of: Option<u64>, at: Timestamp) -> Outcome<AuditHead> {
    let (meta, entries) = (txn.open_table(META)?, txn.open_table(AUDIT)?);
    let found = match of {
        Some(no) => entries.get(no)?.map(|bytes| entry(no, bytes.value())).transpose()?,
        None => entries.last()?.map(|(no, bytes)| entry(no.value(), bytes.value())).transpose()?,
    };
    let place = match (found, of) {
        (Some(entry), _) => entry.place(),
        (None, Some(no)) => return Err(invalid(format!("the audit trail has no record {no}")).into()),
        (None, None) => match checkpoint(&meta)? {
            Some(checkpoint) => checkpoint.head.place(),
            None => beginning(&meta)?,
        },
    };
    Ok(audit_key(&meta, key)?.sign(Signed::Head, place, at))
}

/// What heads of this store are signed with.
pub(super) fn public_key(txn: &ReadTransaction, key: &DataKey) -> Outcome<PublicKey> {
    Ok(audit_key(&txn.open_table(META)?, key)?.public())
}

pub(super) fn before(txn: &ReadTransaction, before: Timestamp, limit: usize) -> Outcome<Option<u64>> {
    let entries = txn.open_table(AUDIT)?;
    let Some(first) = entries.first()?.map(|(no, _)| no.value()) else { return Ok(None) };
    let end = first_since(&entries, before)?.min(first.saturating_add(limit as u64));
    Ok((end > first).then(|| end - 1))
}

pub(super) fn denial_windows(txn: &ReadTransaction) -> Outcome<Vec<Window>> {
    super::record::fetch_all(&txn.open_table(DENIALS)?)
}
