//! Sharing rules in the file. There are few, so they are read whole. It never says what a rule shares.

use super::directory::Named;
use super::fault::Outcome;
use super::record::fetch_all;
use super::tables::{Record, SHARING_RULES};
use gatehouse_core::ports::Versioned;
use gatehouse_core::sharing::SharingRule;
use redb::{ReadTransaction, Table, WriteTransaction};

pub(super) struct Sharing<'t>(Table<'t, &'static str, Record>);

/// Changes that have been checked.
pub(super) type SharingChanges = Named<SharingRule>;

impl<'t> Sharing<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self(txn.open_table(SHARING_RULES)?))
    }

    pub fn check(&self, changes: Vec<Versioned<SharingRule>>, removed: Vec<String>) -> Outcome<SharingChanges> {
        Named::check(&self.0, |rule: &SharingRule| &rule.name, (changes, removed))
    }

    pub fn apply(&mut self, changes: &SharingChanges) -> Outcome<()> {
        changes.apply(&mut self.0, |rule| &rule.name)
    }
}

pub(super) fn rules(txn: &ReadTransaction) -> Outcome<Vec<SharingRule>> {
    fetch_all(&txn.open_table(SHARING_RULES)?)
}
