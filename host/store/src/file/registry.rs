//! What administrators set up: connectors, apps, tokens. There are few of each, so their lists are read whole. It
//! never removes what an app has gathered; accounts and requests do that themselves.

use super::fault::Outcome;
use super::record::{encode, fetch, fetch_all, fetch_indexed};
use super::tables::{APPS, APPS_BY_NAME, COMPONENTS, CONNECTORS, Record, TOKENS, TOKENS_BY_NAME};
use super::unique::unique;
use crate::change::{Replacement, replacement};
use gatehouse_core::ports::{StoreError, Token, Versioned};
use gatehouse_core::{App, AppId, Connector, Digest};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use std::collections::BTreeSet;

pub(super) struct Registry<'t> {
    connectors: Table<'t, &'static [u8; 32], Record>,
    components: Table<'t, &'static [u8; 32], Record>,
    apps: Table<'t, u64, Record>,
    apps_by_name: Table<'t, &'static str, u64>,
    tokens: Table<'t, &'static [u8; 32], Record>,
    tokens_by_name: Table<'t, &'static str, &'static [u8; 32]>,
}

/// Changes that have been checked.
pub(super) struct RegistryChanges {
    connectors: Vec<(Connector, Vec<u8>)>,
    remove_connectors: Vec<Digest>,
    apps: Vec<Replacement<App>>,
    remove_apps: Vec<App>,
    tokens: Vec<Replacement<Token>>,
}

impl RegistryChanges {
    /// The highest number used.
    pub fn highest_app(&self) -> Option<u64> {
        self.apps.iter().map(|app| app.new.id.0).max()
    }

    /// Whether an app is made by them.
    pub fn writes_app(&self, id: AppId) -> bool {
        self.apps.iter().any(|app| app.new.id == id)
    }
}

impl<'t> Registry<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self {
            connectors: txn.open_table(CONNECTORS)?,
            components: txn.open_table(COMPONENTS)?,
            apps: txn.open_table(APPS)?,
            apps_by_name: txn.open_table(APPS_BY_NAME)?,
            tokens: txn.open_table(TOKENS)?,
            tokens_by_name: txn.open_table(TOKENS_BY_NAME)?,
        })
    }

    /// The numbers of all apps.
    pub fn app_ids(&self) -> Outcome<Vec<u64>> {
        app_ids(&self.apps)
    }

    pub fn has_app(&self, id: AppId) -> Outcome<bool> {
        Ok(self.apps.get(id.0)?.is_some())
    }

    /// What to add and write stands before what to remove.
    pub fn check(
        &self,
        (connectors, remove_connectors): (Vec<(Connector, Vec<u8>)>, Vec<Digest>),
        (apps, remove_apps): (Vec<Versioned<App>>, &[AppId]),
        tokens: Vec<Versioned<Token>>,
    ) -> Outcome<RegistryChanges> {
        for (connector, _) in &connectors {
            if !remove_connectors.contains(&connector.digest) && self.connectors.get(&connector.digest.0)?.is_some() {
                return Err(StoreError::Duplicate { what: format!("connector {}", connector.digest) }.into());
            }
        }
        let (apps, remove_apps) = self.check_apps(apps, remove_apps)?;
        let tokens = self.check_tokens(tokens)?;
        Ok(RegistryChanges { connectors, remove_connectors, apps, remove_apps, tokens })
    }

    fn check_apps(&self, apps: Vec<Versioned<App>>, remove: &[AppId]) -> Outcome<(Vec<Replacement<App>>, Vec<App>)> {
        let apps = apps
            .into_iter()
            .map(|app| Ok(replacement(fetch(&self.apps, app.record.id.0)?, app)?))
            .collect::<Outcome<Vec<_>>>()?;
        let touched: BTreeSet<u64> = apps.iter().map(|app| app.new.id.0).chain(remove.iter().map(|id| id.0)).collect();
        unique(
            apps.iter().map(|app| (app.new.name.clone(), app.new.id.0)),
            &touched,
            |name| Ok(self.apps_by_name.get(name.as_str())?.map(|id| id.value())),
            |name| format!("app `{name}`"),
        )?;
        let removed = remove.iter().filter_map(|id| fetch(&self.apps, id.0).transpose()).collect::<Outcome<_>>()?;
        Ok((apps, removed))
    }

    fn check_tokens(&self, tokens: Vec<Versioned<Token>>) -> Outcome<Vec<Replacement<Token>>> {
        let tokens = tokens
            .into_iter()
            .map(|token| Ok(replacement(fetch(&self.tokens, &token.record.hash.0)?, token)?))
            .collect::<Outcome<Vec<_>>>()?;
        unique(
            tokens.iter().map(|token| (token.new.name.clone(), token.new.hash.0)),
            &tokens.iter().map(|token| token.new.hash.0).collect(),
            |name| Ok(self.tokens_by_name.get(name.as_str())?.map(|hash| *hash.value())),
            |name| format!("token `{name}`"),
        )?;
        Ok(tokens)
    }

    pub fn apply(&mut self, changes: RegistryChanges) -> Outcome<()> {
        for digest in &changes.remove_connectors {
            self.connectors.remove(&digest.0)?;
            self.components.remove(&digest.0)?;
        }
        for (connector, component) in &changes.connectors {
            self.connectors.insert(&connector.digest.0, encode(connector)?.as_slice())?;
            self.components.insert(&connector.digest.0, component.as_slice())?;
        }
        for app in &changes.remove_apps {
            self.apps.remove(app.id.0)?;
        }
        for app in changes.remove_apps.iter().chain(changes.apps.iter().filter_map(|app| app.old.as_ref())) {
            self.apps_by_name.remove(app.name.as_str())?;
        }
        for Replacement { new, .. } in &changes.apps {
            self.apps.insert(new.id.0, encode(new)?.as_slice())?;
            self.apps_by_name.insert(new.name.as_str(), new.id.0)?;
        }
        for token in changes.tokens.iter().filter_map(|token| token.old.as_ref()) {
            self.tokens_by_name.remove(token.name.as_str())?;
        }
        for Replacement { new, .. } in &changes.tokens {
            self.tokens.insert(&new.hash.0, encode(new)?.as_slice())?;
            self.tokens_by_name.insert(new.name.as_str(), &new.hash.0)?;
        }
        Ok(())
    }
}

/// The numbers of all apps: what a filter that leaves the app open goes through.
pub(super) fn app_ids(apps: &impl ReadableTable<u64, Record>) -> Outcome<Vec<u64>> {
    apps.iter()?.map(|entry| Ok(entry?.0.value())).collect()
}

pub(super) fn connector(txn: &ReadTransaction, digest: Digest) -> Outcome<Option<Connector>> {
    fetch(&txn.open_table(CONNECTORS)?, &digest.0)
}

pub(super) fn connectors(txn: &ReadTransaction) -> Outcome<Vec<Connector>> {
    let mut connectors = fetch_all(&txn.open_table(CONNECTORS)?)?;
    crate::change::sort_connectors(&mut connectors);
    Ok(connectors)
}

pub(super) fn component(txn: &ReadTransaction, digest: Digest) -> Outcome<Option<Vec<u8>>> {
    Ok(txn.open_table(COMPONENTS)?.get(&digest.0)?.map(|bytes| bytes.value().to_vec()))
}

pub(super) fn app(txn: &ReadTransaction, id: AppId) -> Outcome<Option<App>> {
    fetch(&txn.open_table(APPS)?, id.0)
}

pub(super) fn app_by_name(txn: &ReadTransaction, name: &str) -> Outcome<Option<App>> {
    let id = txn.open_table(APPS_BY_NAME)?.get(name)?.map(|id| id.value());
    id.map(|id| fetch_indexed(&txn.open_table(APPS)?, id)).transpose()
}

pub(super) fn apps(txn: &ReadTransaction) -> Outcome<Vec<App>> {
    let table = txn.open_table(APPS)?;
    txn.open_table(APPS_BY_NAME)?.iter()?.map(|entry| fetch_indexed(&table, entry?.1.value())).collect()
}

pub(super) fn token(txn: &ReadTransaction, hash: Digest) -> Outcome<Option<Token>> {
    fetch(&txn.open_table(TOKENS)?, &hash.0)
}

pub(super) fn tokens(txn: &ReadTransaction) -> Outcome<Vec<Token>> {
    let mut tokens: Vec<Token> = fetch_all(&txn.open_table(TOKENS)?)?;
    tokens.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tokens)
}
