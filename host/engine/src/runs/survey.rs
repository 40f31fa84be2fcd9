//! The first pass of an analysis: streams users and rows into the core's survey, which notes who claims whom. Kept in
//! memory while the run is analysed (about 60 bytes an account and 36 a user), and built anew after a restart.

use super::seen::{AllAccounts, known_of};
use super::{ROWS, RunMemory, absent, collected_rows, rows};
use crate::job::Job;
use crate::loading::Surroundings;
use crate::managers::name_managers;
use gatehouse_core::analysis::{Analysis, Survey, Terms, UserIndex};
use gatehouse_core::ports::StoreError;
use gatehouse_core::schema::Account as RemoteAccount;
use gatehouse_core::{Account, Completeness, Run, StagingRow, StagingSource};
use std::collections::HashMap;

impl RunMemory {
    /// The outcome of the first pass.
    pub(super) async fn analysis(
        &mut self,
        job: &Job,
        around: &Surroundings,
        run: &Run,
    ) -> Result<&Analysis, StoreError> {
        let analysis = match self.analysis.take() {
            Some(analysis) => analysis,
            None => self.survey(job, around, run).await?,
        };
        Ok(self.analysis.insert(analysis))
    }

    async fn survey(&mut self, job: &Job, around: &Surroundings, run: &Run) -> Result<Analysis, StoreError> {
        let terms = Terms::new(&around.app, &around.connector.operations(), around.schema.clone());
        let mut survey = Survey::new(terms, people(job, around).await?);
        let mut from = 0;
        while from < run.rows {
            let rows = rows(job, from, run.rows, ROWS).await?;
            let Some(last) = rows.last() else { break };
            from = last.no + 1;
            let known = Known::of(job, around, &rows).await?;
            for row in &rows {
                if let Some(account) = shown(&row.source) {
                    survey.row(account, known.of_row(row));
                }
            }
        }
        if !absent::can_tell(around, run) {
            let seen = self.seen(job, collected_rows(run)).await?;
            let mut accounts = AllAccounts::of(around.app.id);
            while let Some(page) = accounts.next(job).await? {
                page.iter().filter(|account| seen.misses(account)).for_each(|account| survey.unseen(account));
            }
        }
        Ok(survey.finish(run.completeness == Some(Completeness::Complete)))
    }
}

async fn people(job: &Job, around: &Surroundings) -> Result<UserIndex, StoreError> {
    let mut builder = UserIndex::builder(&around.app.config.linking);
    let mut after: Option<String> = None;
    loop {
        let mut page = job.shell.store.users(after.as_deref(), ROWS).await?;
        name_managers(job.shell.store.as_ref(), &around.app.config, &mut page.items).await?;
        page.items.iter().for_each(|user| builder.push(user, around.app.entitles(user)));
        after = page.next;
        if after.is_none() {
            return Ok(builder.finish());
        }
    }
}

/// The account a row shows, if it shows one.
pub(super) fn shown(source: &StagingSource) -> Option<&RemoteAccount> {
    match source {
        StagingSource::Account(account) | StagingSource::Absent { read: Some(account), .. } => Some(account),
        _ => None,
    }
}

/// The account records of some rows.
pub(super) struct Known(HashMap<u64, Account>);

impl Known {
    pub async fn of(job: &Job, around: &Surroundings, rows: &[StagingRow]) -> Result<Self, StoreError> {
        let mut known = HashMap::with_capacity(rows.len());
        let (mut ids, mut numbers) = (Vec::new(), Vec::new());
        for row in rows {
            match &row.source {
                StagingSource::Account(account) => {
                    ids.push(account.external_id.clone());
                    numbers.push(row.no);
                }
                StagingSource::Absent { account, .. } => {
                    known.extend(job.shell.store.account(*account).await?.map(|account| (row.no, account)));
                }
                StagingSource::MissingUser(_) | StagingSource::Fault { .. } => {}
            }
        }
        let found = known_of(job, around.app.id, &ids).await?;
        known.extend(numbers.into_iter().zip(found).filter_map(|(no, account)| Some((no, account?))));
        Ok(Self(known))
    }

    pub fn of_row(&self, row: &StagingRow) -> Option<&Account> {
        self.0.get(&row.no)
    }
}
