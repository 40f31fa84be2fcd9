//! A small world to analyse: users, accounts of the target, what is known of them, what the connector says. Runs both
//! passes as the engine does, and commits what they come to.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::mapping::Purpose;
use crate::ports::{Judgement, RowVerdict};
use crate::testing;
use crate::{AccountId, RequestId, Situation, StagingRow, StagingSource, User, mapping};
use gatehouse_schema::{Attributes, Status, Value};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Everything a run depends on.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) app: App,
    pub(super) users: Vec<User>,
    /// What the target shows; what it does not show is not found when it is read either.
    pub(super) rows: Vec<RemoteAccount>,
    pub(super) known: Vec<Account>,
    /// What the connector says, by external id; the standard judgement otherwise.
    pub(super) said: BTreeMap<String, Judgement>,
    pub(super) complete: bool,
}

impl World {
    pub(super) fn new(users: Vec<User>, rows: Vec<RemoteAccount>, known: Vec<Account>) -> Self {
        Self { app: testing::app(), users, rows, known, said: BTreeMap::new(), complete: true }
    }

    fn known(&self, external_id: &str) -> Option<&Account> {
        self.known.iter().find(|known| known.external_id.as_deref() == Some(external_id))
    }

    fn absent(&self) -> impl Iterator<Item = &Account> {
        let shown = |known: &&Account| self.rows.iter().any(|r| known.external_id.as_ref() == Some(&r.external_id));
        self.known.iter().filter(move |known| is_expected(known) && !shown(known))
    }

    pub(super) fn survey(&self) -> Analysis {
        let description = testing::description();
        let possible = Operation::ALL.into();
        let mut index = UserIndex::builder(&self.app.config.linking);
        for user in &self.users {
            index.push(user, self.app.entitles(user));
        }
        let terms = Terms::new(&self.app, &possible, description.schema().unwrap());
        let mut survey = Survey::new(terms, index.finish());
        for row in &self.rows {
            survey.row(row, self.known(&row.external_id));
        }
        if !self.complete {
            self.absent().for_each(|known| survey.unseen(known));
        }
        survey.finish(self.complete)
    }

    /// The whole run: a row and a verdict for each account shown, each one absent, and each user without any.
    pub(super) fn run(&self) -> Vec<StagingRow> {
        let analysis = self.survey();
        let shown = self.rows.iter().map(|row| {
            let known = self.known(&row.external_id);
            (StagingSource::Account(row.clone()), analysis.assess(row, known, &self.says(&analysis, row, known)))
        });
        let gone = self.absent().filter(|_| self.complete);
        let gone = gone.map(|k| (StagingSource::Absent { account: k.id, read: None }, analysis.gone(k)));
        let place = |user| self.known.iter().find(|k| k.situation == Situation::Missing && k.user == Some(user));
        let missing = analysis.missing_users();
        let missing =
            missing.map(|u| (StagingSource::MissingUser(u), analysis.missing(u, place(u).map(|place| place.id))));
        let rows = shown.chain(gone).chain(missing).enumerate();
        let row = |(no, (source, verdict))| StagingRow { no: no as u64, source, changed: true, verdict: Some(verdict) };
        rows.map(row).collect()
    }

    fn says(&self, analysis: &Analysis, row: &RemoteAccount, known: Option<&Account>) -> RowVerdict {
        let schema = testing::description().schema().unwrap();
        let proposed = analysis.proposal(row, known);
        let user = self.users.iter().find(|user| Some(user.id) == proposed);
        let desired = user.map(|u| mapping::desired(&self.app.config.mapping, u, &schema, Purpose::Update).unwrap());
        let mut said = standard_judgement(&schema, &desired.map(|d| d.attributes).unwrap_or_default(), row);
        if let Some(judgement) = self.said.get(&row.external_id) {
            said.judgement = judgement.clone();
        }
        said
    }

    /// The world after the plan has been committed, the requests it raises not yet carried out.
    pub(super) fn committed(&self, rows: &[StagingRow]) -> Self {
        let context = CommitContext::new(&self.app, RequestId(9), Timestamp::UNIX_EPOCH);
        let mut known: BTreeMap<AccountId, Account> = self.known.iter().map(|k| (k.id, k.clone())).collect();
        for row in rows {
            let before = row.verdict.as_ref().and_then(|verdict| known.get(&verdict.account?)).cloned();
            let new = AccountId(1000 + row.no + known.len() as u64);
            let after = apply_verdict(row, before.as_ref(), &context, new).unwrap();
            known.insert(after.id, after);
        }
        Self { known: known.into_values().collect(), ..self.clone() }
    }
}

pub(super) fn user(id: u64, username: &str) -> User {
    User { email: Some(format!("{username}@x")), ..testing::user(id, username) }
}

pub(super) fn remote(external_id: &str, username: &str, emails: &[&str]) -> RemoteAccount {
    let value = |(no, text): (usize, &&str)| Value { primary: no == 0, ..Value::text(*text) };
    let emails = emails.iter().enumerate().map(value).collect();
    RemoteAccount {
        external_id: external_id.to_owned(),
        username: username.to_owned(),
        status: Status::Active,
        attributes: Attributes::from([("emails".to_owned(), emails)]),
        revision: None,
    }
}
