//! Delegations in the file, and who they are to. It never says whether one holds.

use super::fault::Outcome;
use super::merge::walk;
use super::record::{decode, encode, fetch, fetch_indexed};
use super::tables::{DELEGATIONS, DELEGATIONS_TO, Record};
use crate::change::{Replacement, replacement};
use crate::cursor::List;
use gatehouse_core::approval::Delegation;
use gatehouse_core::ports::{Direction, ListPage, Versioned};
use gatehouse_core::{DelegationId, UserId};
use redb::{ReadTransaction, Table, WriteTransaction};

pub(super) struct Delegations<'t> {
    delegations: Table<'t, u64, Record>,
    to: Table<'t, (u64, u64), ()>,
}

/// Changes that have been checked: those to write, and those to remove.
pub(super) struct DelegationChanges {
    written: Vec<Replacement<Delegation>>,
    removed: Vec<Delegation>,
}

impl DelegationChanges {
    /// The highest number used.
    pub fn highest(&self) -> Option<u64> {
        self.written.iter().map(|change| change.new.id.0).max()
    }
}

impl<'t> Delegations<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self { delegations: txn.open_table(DELEGATIONS)?, to: txn.open_table(DELEGATIONS_TO)? })
    }

    pub fn check(&self, changes: Vec<Versioned<Delegation>>, removed: Vec<DelegationId>) -> Outcome<DelegationChanges> {
        let written = changes
            .into_iter()
            .map(|change| Ok(replacement(fetch(&self.delegations, change.record.id.0)?, change)?))
            .collect::<Outcome<_>>()?;
        let removed = removed.iter().map(|id| fetch(&self.delegations, id.0)).collect::<Outcome<Vec<_>>>()?;
        Ok(DelegationChanges { written, removed: removed.into_iter().flatten().collect() })
    }

    pub fn apply(&mut self, changes: &DelegationChanges) -> Outcome<()> {
        for gone in &changes.removed {
            self.delegations.remove(gone.id.0)?;
            self.to.remove((gone.delegate.0, gone.id.0))?;
        }
        for Replacement { old, new } in &changes.written {
            if let Some(old) = old {
                self.to.remove((old.delegate.0, old.id.0))?;
            }
            self.delegations.insert(new.id.0, encode(new)?.as_slice())?;
            self.to.insert((new.delegate.0, new.id.0), ())?;
        }
        Ok(())
    }
}

pub(super) fn delegation(txn: &ReadTransaction, id: DelegationId) -> Outcome<Option<Delegation>> {
    fetch(&txn.open_table(DELEGATIONS)?, id.0)
}

pub(super) fn delegations(
    txn: &ReadTransaction,
    way: Direction,
    after: Option<&str>,
    limit: usize,
) -> Outcome<ListPage<Delegation>> {
    let Some(span) = List::Delegations.following(way, after)? else { return Ok(ListPage::default()) };
    let table = txn.open_table(DELEGATIONS)?;
    let delegations = walk(table.range(span)?, way).map(|entry| {
        let (id, bytes) = entry?;
        Ok((id.value(), decode(bytes.value())?))
    });
    List::Delegations.page(way, delegations, limit)
}

pub(super) fn delegations_to(txn: &ReadTransaction, delegate: UserId) -> Outcome<Vec<Delegation>> {
    let (index, table) = (txn.open_table(DELEGATIONS_TO)?, txn.open_table(DELEGATIONS)?);
    let of_user = index.range((delegate.0, 0)..=(delegate.0, u64::MAX))?;
    of_user.map(|entry| fetch_indexed(&table, entry?.0.value().1)).collect()
}
