//! The second pass of an analysis: every row gets its verdict, batch by batch, then the users without an account get
//! rows of their own, and the plan is sealed. The connector is asked its opinion where there is anything new.

use super::survey::{Known, shown};
use super::{ROWS, RunMemory, absent, collected_rows, row_before, rows, run_of};
use crate::job::{Job, Worked};
use crate::known::is_place;
use crate::loading::Surroundings;
use crate::managers::name_managers;
use crate::noted::host_line;
use gatehouse_core::analysis::{Analysis, PlanDigest, standard_judgement, with_username};
use gatehouse_core::lifecycle::{AnalysisReport, Event};
use gatehouse_core::mapping::{self, Purpose};
use gatehouse_core::ports::{AnalysisItem, ChangeSet, Judgement, RowVerdict, StoreError};
use gatehouse_core::schema::{Attributes, Mutability};
use gatehouse_core::{
    Account, CallFailure, FailureKind, Interface, Level, Run, Situation, StagedAction, StagingRow, StagingSource,
    USERNAME, User, UserId, Verdict,
};
use gatehouse_failpoints::fail_point;

/// Goes on with the analysis from this row.
pub(crate) async fn analyze(job: &mut Job, around: &Surroundings, from: u64) -> Worked {
    let run = run_of(job);
    if run.basis.is_none() {
        // A custom process supplied the rows; there was nothing to compare.
        let basis = around.app.analysis_basis(job.shell.store.directory_epoch().await?);
        return job.commit(&around.app, Event::AnalysisBegan { basis }).await;
    }
    let memory = job.shell.run_memory(&job.request);
    let mut memory = memory.lock().await;
    if from == 0 && absent::read_some(job, around, &mut memory, &run).await? {
        return Ok(());
    }
    if from < run.rows {
        return judge_rows(job, around, &mut memory, &run, from).await;
    }
    let missing = next_missing(job, around, &mut memory, &run).await?;
    if missing.is_empty() {
        return seal(job, around, &mut memory, &run).await;
    }
    store(job, around, &mut memory, run.rows, missing).await
}

async fn judge_rows(job: &mut Job, around: &Surroundings, memory: &mut RunMemory, run: &Run, from: u64) -> Worked {
    let mut batch = rows(job, from, run.rows, job.shell.config.batch).await?;
    if batch.is_empty() {
        return job.commit(&around.app, Event::Fail { why: format!("row {from} of the run is not there") }).await;
    }
    let known = Known::of(job, around, &batch).await?;
    let same_basis = around.app.last_reconcile.is_some_and(|mark| run.basis == Some(mark.basis));
    let analysis = memory.analysis(job, around, run).await?;
    let asked = Asked::of(job, around, analysis, &batch, &known, same_basis).await?;
    let said = match asked.said(job, around).await {
        Ok(said) => said,
        Err(failure) => return job.commit(&around.app, Event::ReadFailed(failure)).await,
    };
    for (row, said) in batch.iter_mut().zip(said) {
        row.verdict = verdict(analysis, row, known.of_row(row), &said);
    }
    store(job, around, memory, from, batch).await
}

fn verdict(analysis: &Analysis, row: &StagingRow, known: Option<&Account>, said: &RowVerdict) -> Option<Verdict> {
    match (&row.source, shown(&row.source), known) {
        (_, Some(account), known) => Some(analysis.assess(account, known, said)),
        (StagingSource::Absent { .. }, None, Some(known)) => Some(analysis.gone(known)),
        _ => None,
    }
}

/// What the connector is asked about a batch.
struct Asked {
    /// One for each row: what is asked of it, if anything.
    items: Vec<Option<AnalysisItem>>,
}

impl Asked {
    async fn of(
        job: &mut Job,
        around: &Surroundings,
        analysis: &Analysis,
        batch: &[StagingRow],
        known: &Known,
        same_basis: bool,
    ) -> Result<Self, StoreError> {
        let asked = batch.iter().map(|row| {
            let known = known.of_row(row);
            let account = shown(&row.source).filter(|_| !(same_basis && is_settled(row, known)))?;
            Some((account, analysis.proposal(account, known)))
        });
        let asked: Vec<_> = asked.collect();
        let proposed: Vec<UserId> = asked.iter().flatten().filter_map(|(_, user)| *user).collect();
        // Together: a look at the store for each row would take longer than all else that is done with it.
        let mut users = job.shell.store.users_by_id(&proposed).await?;
        name_managers(job.shell.store.as_ref(), &around.app.config, users.iter_mut().flatten()).await?;
        let mut users = users.into_iter();
        let mut items = Vec::with_capacity(batch.len());
        for asked in asked {
            let Some((account, proposed)) = asked else {
                items.push(None);
                continue;
            };
            let user = proposed.and_then(|_| users.next()).flatten();
            let desired = user.as_ref().map(|user| desired(job, around, user)).unwrap_or_default();
            let user = user.map(|user| user.username);
            items.push(Some(AnalysisItem { account: account.clone(), user, desired }));
        }
        Ok(Self { items })
    }

    /// One answer for each row: the connector's, or the standard one where it has no analyzer.
    async fn said(self, job: &mut Job, around: &Surroundings) -> Result<Vec<RowVerdict>, CallFailure> {
        let nothing = || RowVerdict { judgement: Judgement::Same, drift: Vec::new() };
        if !around.has(Interface::Analyzer) {
            let standard = |item: AnalysisItem| {
                let said = standard_judgement(&around.schema, &item.desired, &item.account);
                with_username(said, &item.desired, &item.account)
            };
            return Ok(self.items.into_iter().map(|item| item.map_or_else(nothing, standard)).collect());
        }
        let places: Vec<bool> = self.items.iter().map(Option::is_some).collect();
        let items: Vec<AnalysisItem> = self.items.into_iter().flatten().collect();
        if items.is_empty() {
            return Ok(places.iter().map(|_| nothing()).collect());
        }
        let given: Vec<&Attributes> = items.iter().flat_map(|item| [&item.account.attributes, &item.desired]).collect();
        let connectors = job.shell.connectors.clone();
        let report = job.call(around, "analyze", &given, connectors.analyze(&around.context, &items)).await;
        let said = report.result?;
        if said.len() != items.len() {
            let why = format!("{} verdicts were given on {} accounts", said.len(), items.len());
            return Err(CallFailure::new(FailureKind::Protocol, why));
        }
        let renamed = |(said, item): (RowVerdict, &AnalysisItem)| with_username(said, &item.desired, &item.account);
        let mut said = said.into_iter().zip(&items).map(renamed);
        Ok(places.iter().map(|asked| asked.then(|| said.next()).flatten().unwrap_or_else(nothing)).collect())
    }
}

/// Whether nothing is new about a row, and nothing was ever said against it: then nobody is asked again.
fn is_settled(row: &StagingRow, known: Option<&Account>) -> bool {
    let unobjected = |known: &Account| known.situation == Situation::Confirmed && known.why.is_none();
    !row.changed && known.is_some_and(unobjected)
}

/// What an account of this user should have, as far as it can be compared.
fn desired(job: &mut Job, around: &Surroundings, user: &User) -> Attributes {
    match mapping::desired(&around.app.config.mapping, user, &around.schema, Purpose::Update) {
        Ok(mut desired) => {
            desired.attributes.retain(|name, _| {
                let mutability = around.schema.get(name).map(|definition| definition.mutability);
                name == USERNAME || matches!(mutability, Some(Mutability::ReadWrite | Mutability::Immutable))
            });
            desired.attributes
        }
        Err(why) => {
            let line = host_line(job.shell.now(), Level::Warn, format!("not compared: {why}"), Vec::new());
            job.notes().log.push(line);
            Attributes::new()
        }
    }
}

/// Rows for the next users who have no account.
async fn next_missing(
    job: &Job,
    around: &Surroundings,
    memory: &mut RunMemory,
    run: &Run,
) -> Result<Vec<StagingRow>, StoreError> {
    let last: Option<UserId> = match row_before(job, run.rows).await? {
        Some(StagingRow { no, source: StagingSource::MissingUser(user), .. }) if no >= collected_rows(run) => {
            Some(user)
        }
        _ => None,
    };
    let analysis = memory.analysis(job, around, run).await?;
    let users: Vec<UserId> = analysis
        .missing_users()
        .skip_while(|user| last.is_some_and(|last| *user <= last))
        .take(job.shell.config.batch)
        .collect();
    let records = job.shell.store.accounts_of_users(around.app.id, &users).await?;
    let row = |((user, records), no): ((UserId, Vec<Account>), u64)| {
        let place = records.iter().find(|account| is_place(account)).map(|place| place.id);
        let verdict = Some(analysis.missing(user, place));
        StagingRow { no, source: StagingSource::MissingUser(user), changed: true, verdict }
    };
    Ok(users.into_iter().zip(records).zip(run.rows..).map(row).collect())
}

/// Stores rows with their verdicts, in the commit that says how far the analysis has got.
async fn store(
    job: &mut Job,
    around: &Surroundings,
    memory: &mut RunMemory,
    from: u64,
    batch: Vec<StagingRow>,
) -> Worked {
    let through = from + batch.len() as u64;
    let rows = run_of(job).rows.max(through);
    let mut report = AnalysisReport { through, rows, ..AnalysisReport::default() };
    let (mut digest, digested) = memory.digest.clone();
    for row in &batch {
        digest.push(row);
        let Some(verdict) = &row.verdict else { continue };
        *report.situations.entry(verdict.situation).or_default() += 1;
        if let StagedAction::Raise(operation) = verdict.action {
            *report.planned.entry(operation).or_default() += 1;
        }
    }
    let staging = batch.into_iter().map(|row| (job.request.id, row)).collect();
    let more = ChangeSet { staging, ..ChangeSet::default() };
    fail_point!("analyze.before_commit");
    job.commit_with(&around.app, Event::RowsAnalyzed(report), more).await?;
    fail_point!("analyze.after_commit");
    if digested == from {
        memory.digest = (digest, through);
    }
    Ok(())
}

async fn seal(job: &mut Job, around: &Surroundings, memory: &mut RunMemory, run: &Run) -> Worked {
    let plan = match &memory.digest {
        (digest, through) if *through == run.rows => digest.finish(),
        // The analysis was interrupted: the digest is that of what is stored.
        _ => stored_digest(job, run).await?,
    };
    let auto_commit = around.app.config.reconcile.auto_commit;
    fail_point!("seal.before_commit");
    job.commit(&around.app, Event::PlanSealed { plan, auto_commit }).await?;
    fail_point!("seal.after_commit");
    job.shell.forget_run(job.request.id);
    Ok(())
}

/// The digest of the rows as they are stored.
pub(super) async fn stored_digest(job: &Job, run: &Run) -> Result<gatehouse_core::Digest, StoreError> {
    let mut digest = PlanDigest::new();
    let mut from = 0;
    while from < run.rows {
        let rows = rows(job, from, run.rows, ROWS).await?;
        let Some(last) = rows.last() else { break };
        from = last.no + 1;
        rows.iter().for_each(|row| digest.push(row));
    }
    Ok(digest.finish())
}
