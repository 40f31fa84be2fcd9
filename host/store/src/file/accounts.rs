//! Accounts in the file, their indexes, and how many there are in each situation. It never decides a situation.

use super::codes;
use super::counts::{self, CountTable, Deltas};
use super::fault::Outcome;
use super::merge::{Merge, rank, walk};
use super::record::{decode, encode, fetch, fetch_indexed};
use super::registry::app_ids;
use super::tables::{
    ACCOUNT_COUNTS, ACCOUNTS, ACCOUNTS_BY_EXTERNAL_ID, ACCOUNTS_BY_SITUATION, ACCOUNTS_BY_USER, APPS, Record,
};
use super::unique::unique;
use crate::change::{Replacement, replacement};
use crate::cursor::List;
use gatehouse_core::ports::{AccountFigures, AccountQuery, ListPage, Versioned};
use gatehouse_core::schema::Status;
use gatehouse_core::{Account, AccountId, AppId, LinkState, Situation, UserId};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Accounts<'t> {
    accounts: Table<'t, u64, Record>,
    by_external_id: Table<'t, (u64, &'static str), u64>,
    by_situation: Table<'t, (u64, u8, u64), ()>,
    by_user: Table<'t, (u64, u64), ()>,
    counts: CountTable<'t>,
}

/// Changes that have been checked.
pub(super) struct AccountChanges {
    written: Vec<Replacement<Account>>,
    removed: Vec<Account>,
}

impl AccountChanges {
    /// The highest number used.
    pub fn highest(&self) -> Option<u64> {
        self.written.iter().map(|account| account.new.id.0).max()
    }

    /// The apps that accounts are written to.
    pub fn apps(&self) -> impl Iterator<Item = AppId> {
        self.written.iter().map(|account| account.new.app)
    }
}

impl<'t> Accounts<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            accounts: txn.open_table(ACCOUNTS)?,
            by_external_id: txn.open_table(ACCOUNTS_BY_EXTERNAL_ID)?,
            by_situation: txn.open_table(ACCOUNTS_BY_SITUATION)?,
            by_user: txn.open_table(ACCOUNTS_BY_USER)?,
            counts: txn.open_table(ACCOUNT_COUNTS)?,
        })
    }

    pub fn check(&self, accounts: Vec<Versioned<Account>>, remove: &[AccountId]) -> Outcome<AccountChanges> {
        let written = accounts
            .into_iter()
            .map(|account| Ok(replacement(fetch(&self.accounts, account.record.id.0)?, account)?))
            .collect::<Outcome<Vec<Replacement<Account>>>>()?;
        let touched: BTreeSet<u64> = written.iter().map(|a| a.new.id.0).chain(remove.iter().map(|id| id.0)).collect();
        let wanted = written.iter().filter_map(|account| Some((external_key(&account.new)?, account.new.id.0)));
        unique(
            wanted,
            &touched,
            |key| Ok(self.by_external_id.get(*key)?.map(|id| id.value())),
            |(app, external_id)| format!("account `{external_id}` of {}", AppId(*app)),
        )?;
        let removed = remove.iter().filter_map(|id| fetch(&self.accounts, id.0).transpose()).collect::<Outcome<_>>()?;
        Ok(AccountChanges { written, removed })
    }

    pub fn apply(&mut self, changes: &AccountChanges) -> Outcome<()> {
        let mut deltas = Deltas::new();
        for account in &changes.removed {
            self.accounts.remove(account.id.0)?;
            self.forget(account, None, &mut deltas)?;
        }
        for Replacement { old, new } in &changes.written {
            if let Some(old) = old {
                self.forget(old, Some(new), &mut deltas)?;
            }
        }
        // In the order of the scattered index, so that neighbours share their pages.
        let mut by_external_id = Vec::with_capacity(changes.written.len());
        for Replacement { old, new } in &changes.written {
            let old = old.as_ref();
            self.accounts.insert(new.id.0, encode(new)?.as_slice())?;
            if old.map(situation_key) != Some(situation_key(new)) {
                self.by_situation.insert(situation_key(new), ())?;
                *deltas.entry((new.app.0, codes::situation(new.situation))).or_default() += 1;
            }
            if let Some(key) = standing_key(new).filter(|key| old.and_then(standing_key) != Some(*key)) {
                *deltas.entry(key).or_default() += 1;
            }
            if let Some(key) = user_key(new).filter(|key| old.and_then(user_key) != Some(*key)) {
                self.by_user.insert(key, ())?;
            }
            if let Some(key) = external_key(new).filter(|key| old.and_then(external_key) != Some(*key)) {
                by_external_id.push((key, new.id.0));
            }
        }
        by_external_id.sort_unstable();
        for (key, id) in by_external_id {
            self.by_external_id.insert(key, id)?;
        }
        counts::add(&mut self.counts, deltas)
    }

    /// Removes all accounts of an app.
    pub fn remove_app(&mut self, app: AppId) -> Outcome<()> {
        let index = self.by_situation.range((app.0, 0, 0)..=(app.0, u8::MAX, u64::MAX))?;
        let ids = index.map(|entry| Ok(entry?.0.value().2)).collect::<Outcome<Vec<u64>>>()?;
        let mut deltas = Deltas::new();
        for id in ids {
            let account: Account = fetch_indexed(&self.accounts, id)?;
            self.accounts.remove(id)?;
            self.forget(&account, None, &mut deltas)?;
        }
        counts::add(&mut self.counts, deltas)
    }

    /// Counts all accounts by link state and status, in a file that was made before that was done.
    pub fn recount_standings(&mut self) -> Outcome<()> {
        let mut deltas = Deltas::new();
        for entry in self.accounts.iter()? {
            let account: Account = decode(entry?.1.value())?;
            standing_key(&account).into_iter().for_each(|key| *deltas.entry(key).or_default() += 1);
        }
        counts::add(&mut self.counts, deltas)
    }

    /// Takes an account out of the indexes, but for the entries that its successor has as well.
    fn forget(&mut self, account: &Account, successor: Option<&Account>, deltas: &mut Deltas) -> Outcome<()> {
        if successor.map(situation_key) != Some(situation_key(account)) {
            self.by_situation.remove(situation_key(account))?;
            *deltas.entry((account.app.0, codes::situation(account.situation))).or_default() -= 1;
        }
        if let Some(key) = standing_key(account).filter(|key| successor.and_then(standing_key) != Some(*key)) {
            *deltas.entry(key).or_default() -= 1;
        }
        if let Some(key) = user_key(account).filter(|key| successor.and_then(user_key) != Some(*key)) {
            self.by_user.remove(key)?;
        }
        if let Some(key) = external_key(account).filter(|key| successor.and_then(external_key) != Some(*key)) {
            self.by_external_id.remove(key)?;
        }
        Ok(())
    }
}

fn situation_key(account: &Account) -> (u64, u8, u64) {
    (account.app.0, codes::situation(account.situation), account.id.0)
}

/// What it is counted by, if it is there.
fn standing_key(account: &Account) -> Option<(u64, u8)> {
    let there = account.situation != Situation::Missing;
    there.then(|| (account.app.0, codes::standing(account.link_state, account.status, account.frozen)))
}

fn user_key(account: &Account) -> Option<(u64, u64)> {
    account.user.map(|user| (user.0, account.id.0))
}

fn external_key(account: &Account) -> Option<(u64, &str)> {
    account.external_id.as_deref().map(|external_id| (account.app.0, external_id))
}

pub(super) fn account(txn: &ReadTransaction, id: AccountId) -> Outcome<Option<Account>> {
    fetch(&txn.open_table(ACCOUNTS)?, id.0)
}

pub(super) fn by_external_id(txn: &ReadTransaction, app: AppId, external_id: &str) -> Outcome<Option<Account>> {
    let id = txn.open_table(ACCOUNTS_BY_EXTERNAL_ID)?.get((app.0, external_id))?.map(|id| id.value());
    id.map(|id| fetch_indexed(&txn.open_table(ACCOUNTS)?, id)).transpose()
}

pub(super) fn by_external_ids(
    txn: &ReadTransaction,
    app: AppId,
    external_ids: &[String],
) -> Outcome<Vec<Option<Account>>> {
    let (index, table) = (txn.open_table(ACCOUNTS_BY_EXTERNAL_ID)?, txn.open_table(ACCOUNTS)?);
    let find = |external_id: &String| {
        let id = index.get((app.0, external_id.as_str()))?.map(|id| id.value());
        id.map(|id| fetch_indexed(&table, id)).transpose()
    };
    external_ids.iter().map(find).collect()
}

pub(super) fn of_users(txn: &ReadTransaction, app: AppId, users: &[UserId]) -> Outcome<Vec<Vec<Account>>> {
    let (index, table) = (txn.open_table(ACCOUNTS_BY_USER)?, txn.open_table(ACCOUNTS)?);
    let of = |user: &UserId| {
        let ids = index.range((user.0, 0)..=(user.0, u64::MAX))?;
        let accounts = ids.map(|entry| fetch_indexed(&table, entry?.0.value().1));
        accounts.filter(|account: &Outcome<Account>| account.as_ref().map_or(true, |a| a.app == app)).collect()
    };
    users.iter().map(of).collect()
}

pub(super) fn counts(txn: &ReadTransaction, app: AppId) -> Outcome<BTreeMap<Situation, u64>> {
    let table = txn.open_table(ACCOUNT_COUNTS)?;
    let mut counts = BTreeMap::new();
    for situation in Situation::ALL {
        if let Some(count) = table.get((app.0, codes::situation(situation)))? {
            counts.insert(situation, count.value());
        }
    }
    Ok(counts)
}

/// How many accounts each app has.
pub(super) fn figures(txn: &ReadTransaction) -> Outcome<BTreeMap<AppId, AccountFigures>> {
    let table = txn.open_table(ACCOUNT_COUNTS)?;
    let mut all = BTreeMap::new();
    for app in app_ids(&txn.open_table(APPS)?)? {
        let counted = |code: u8| -> Outcome<u64> { Ok(table.get((app, code))?.map_or(0, |count| count.value())) };
        let mut figures =
            AccountFigures { missing: counted(codes::situation(Situation::Missing))?, ..Default::default() };
        for link_state in LinkState::ALL {
            for status in [Status::Active, Status::Deactivated, Status::Deleted] {
                let frozen = counted(codes::standing(link_state, status, true))?;
                let count = counted(codes::standing(link_state, status, false))? + frozen;
                figures.frozen += frozen;
                if count > 0 {
                    figures.accounts.insert((link_state, status), count);
                }
            }
        }
        all.insert(AppId(app), figures);
    }
    Ok(all)
}

pub(super) fn accounts(txn: &ReadTransaction, query: &AccountQuery) -> Outcome<ListPage<Account>> {
    let way = query.direction;
    let Some(span) = List::Accounts.following(way, query.after.as_deref())? else { return Ok(ListPage::default()) };
    let table = txn.open_table(ACCOUNTS)?;
    let (low, high) = span.clone().into_inner();
    if let Some(user) = query.user {
        let index = txn.open_table(ACCOUNTS_BY_USER)?;
        let ids = walk(index.range((user.0, low)..=(user.0, high))?, way).map(|entry| Ok(entry?.0.value().1));
        return page(query, ids.map(|id: Outcome<u64>| fetch_indexed(&table, id?)));
    }
    if query.app.is_none() && query.situation.is_none() && query.link_state.is_none() {
        return page(query, walk(table.range(span)?, way).map(|entry| decode(entry?.1.value())));
    }
    let apps = query.app.map_or_else(|| app_ids(&txn.open_table(APPS)?), |app| Ok(vec![app.0]))?;
    let index = txn.open_table(ACCOUNTS_BY_SITUATION)?;
    let situations = codes::situations(query.link_state, query.situation);
    let prefixes = apps.iter().flat_map(|app| situations.iter().map(|s| (*app, codes::situation(*s))));
    let ranges = prefixes.map(|(app, situation)| {
        let range = index.range((app, situation, low)..=(app, situation, high))?;
        Ok(walk(range, way).map(move |entry| Ok(rank(way, entry?.0.value().2))))
    });
    page(query, Merge::new(ranges)?.map(|ranked| fetch_indexed(&table, rank(way, ranked?))))
}

/// The page of those that every filter lets through.
fn page(query: &AccountQuery, accounts: impl Iterator<Item = Outcome<Account>>) -> Outcome<ListPage<Account>> {
    let matching = accounts.filter(|account| {
        let Ok(account) = account else { return true };
        query.app.is_none_or(|app| app == account.app)
            && query.link_state.is_none_or(|link_state| link_state == account.link_state)
            && query.situation.is_none_or(|situation| situation == account.situation)
            && query.user.is_none_or(|user| Some(user) == account.user)
    });
    let numbered = matching.map(|account| account.map(|account| (account.id.0, account)));
    List::Accounts.page(query.direction, numbered, query.limit)
}
