//! How reconciliations go on: page by page, batch by batch. Each number of the run advances in the same commit as the
//! rows it speaks of (invariant 9).

use super::outcome::{in_review, outcome_unknown};
use super::{AnalysisReport, Draft, PageReport, Refused, Transition, next_try};
use crate::{Actor, Approval, CallFailure, Completeness, Digest, FailureKind, Level, Operation, PageNext, Run, State};

/// How often a collection may start again because its cursor expired.
const MAX_RESTARTS: u32 = 3;

/// How many times more often than anything else it is tried to find out what came of a write: reading harms nobody,
/// and whatever cannot be found out costs a person's time.
const MORE_READS: u32 = 3;

impl Draft {
    fn run(&mut self) -> Result<&mut Run, Refused> {
        if self.after.run.is_none() {
            return self.refuse("it is no reconciliation");
        }
        Ok(self.after.run.get_or_insert_default())
    }
}

pub(super) fn page_stored(draft: Draft, page: PageReport) -> Result<Transition, Refused> {
    let mut draft = reconciling(draft, State::Collecting)?;
    let id = draft.before.id;
    let run = draft.run()?;
    if run.cursor != page.cursor {
        return draft.refuse("this page is not the one that is due");
    }
    if run.pages == 0 {
        run.oldest_open = page.oldest_open.filter(|open| *open < id);
    }
    run.pages += 1;
    run.rows += page.accounts + page.faults;
    run.collected += page.accounts;
    run.changed += page.changed;
    run.faults += page.faults;
    run.estimate = page.estimate.or(run.estimate);
    draft.after.read_failures = 0;
    draft.after.error = None;
    let now = draft.now();
    let completeness = match page.next {
        PageNext::More(cursor) => {
            draft.run()?.cursor = Some(cursor);
            return Ok(draft.due_at(now).finish());
        }
        PageNext::Complete => Completeness::Complete,
        PageNext::Partial(why) => Completeness::Partial(why),
    };
    let run = draft.run()?;
    run.cursor = None;
    // What could not be read may be any account: nobody can be said to be absent.
    run.completeness = Some(match completeness {
        Completeness::Complete if run.faults > 0 => {
            Completeness::Partial(format!("{} of the target's records could not be read", run.faults))
        }
        other => other,
    });
    let summary = match &run.completeness {
        Some(Completeness::Partial(why)) => {
            format!("{} accounts in {} pages, not all: {why}", run.collected, run.pages)
        }
        _ => format!("{} accounts in {} pages, complete", run.collected, run.pages),
    };
    let draft = draft.go(State::Collected, &Actor::host(), &summary)?;
    match page.objection {
        Some(why) => draft.fail(why),
        None => Ok(draft.due_at(now).finish()),
    }
}

/// Transient failures are waited out, an expired cursor starts the collection again, anything else ends it. The
/// rows of a collection that starts again are dropped in the same commit (see `runs` in the engine).
pub(super) fn read_failed(draft: Draft, failure: CallFailure) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::Collecting, State::Collected, State::Analyzing, State::Committing])?;
    if draft.before.operation != Operation::Reconcile && !outcome_unknown(&draft) {
        return draft.refuse("nothing is being read for it");
    }
    if failure.kind == FailureKind::CursorExpired && draft.before.state == State::Collecting {
        return restart(draft, &failure);
    }
    draft.after.read_failures += 1;
    let failed = draft.after.read_failures;
    let unknown = outcome_unknown(&draft);
    let tries = if unknown { MORE_READS } else { 1 } * draft.moment.retry.max_attempts;
    if !failure.is_transient() || failed >= tries {
        let tries = if failed > 1 { format!(" ({failed} tries)") } else { String::new() };
        if unknown {
            let what = "a write left, no answer came, and the target cannot be read to find out";
            return in_review(draft, &format!("{what}: {failure}{tries}"));
        }
        return draft.fail(format!("{failure}{tries}"));
    }
    let due = next_try(&draft.moment, failed, failure.retry_after);
    draft.note(Level::Warn, format!("{failure}; the next try is at {due}"));
    draft.after.error = Some(failure.to_string());
    Ok(draft.due_at(due).finish())
}

fn restart(mut draft: Draft, failure: &CallFailure) -> Result<Transition, Refused> {
    let now = draft.now();
    let run = draft.run()?;
    let restarts = run.restarts + 1;
    *run = Run { restarts, collecting_since: Some(now), ..Run::default() };
    if restarts > MAX_RESTARTS {
        return draft.fail(format!("{failure}, for the {restarts}th time"));
    }
    draft.note(Level::Warn, format!("{failure}; the collection starts again"));
    Ok(draft.due_at(now).finish())
}

pub(super) fn nothing_changed(draft: Draft, rows: u64) -> Result<Transition, Refused> {
    let draft = reconciling(draft, State::Collected)?;
    let why = format!("all {rows} accounts are as known");
    Ok(draft.go(State::Completed, &Actor::host(), &why)?.finish())
}

pub(super) fn analysis_began(draft: Draft, basis: Digest) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::Collected, State::Analyzing])?;
    if draft.before.run.as_ref().is_some_and(|run| run.basis.is_some()) {
        return draft.refuse("the analysis has begun already");
    }
    let now = draft.now();
    draft.run()?.basis = Some(basis);
    if draft.before.state == State::Collected {
        draft = draft.go(State::Analyzing, &Actor::host(), "")?;
    }
    Ok(draft.due_at(now).finish())
}

pub(super) fn rows_analyzed(draft: Draft, report: AnalysisReport) -> Result<Transition, Refused> {
    let mut draft = reconciling(draft, State::Analyzing)?;
    let now = draft.now();
    let run = draft.run()?;
    if report.through < run.analyzed || report.rows < run.rows || report.through > report.rows {
        return draft.refuse("these rows are not the ones that are due");
    }
    run.analyzed = report.through;
    run.rows = report.rows;
    for (situation, count) in report.situations {
        *run.situations.entry(situation).or_default() += count;
    }
    for (operation, count) in report.planned {
        *run.planned.entry(operation).or_default() += count;
    }
    draft.after.read_failures = 0;
    draft.after.error = None;
    Ok(draft.due_at(now).finish())
}

pub(super) fn plan_sealed(draft: Draft, plan: Digest, auto_commit: bool) -> Result<Transition, Refused> {
    let mut draft = reconciling(draft, State::Analyzing)?;
    let now = draft.now();
    let run = draft.run()?;
    if run.basis.is_none() || run.analyzed < run.rows {
        return draft.refuse("there are rows that have not been analysed");
    }
    run.plan = Some(plan);
    run.analyzed_at = Some(now);
    let planned: u64 = run.planned.values().sum();
    let summary = format!("plan {} over {} rows raises {planned} requests", plan.short(), run.rows);
    let mut draft = draft.go(State::Analyzed, &Actor::host(), &summary)?;
    draft.ask();
    if auto_commit && draft.before.approval != Approval::Required {
        let draft = draft.go(State::Committing, &Actor::host(), "as the configuration says")?;
        return Ok(draft.due_at(now).finish());
    }
    Ok(draft.wait_for_person().finish())
}

pub(super) fn rows_committed(draft: Draft, through: u64, raised: u64) -> Result<Transition, Refused> {
    let mut draft = reconciling(draft, State::Committing)?;
    let now = draft.now();
    let run = draft.run()?;
    if through < run.committed || through > run.rows {
        return draft.refuse("these rows are not the ones that are due");
    }
    run.committed = through;
    run.raised += raised;
    if run.committed < run.rows {
        return Ok(draft.due_at(now).finish());
    }
    let summary = format!("{} rows committed, {} requests raised", run.rows, run.raised);
    Ok(draft.go(State::Completed, &Actor::host(), &summary)?.finish())
}

fn reconciling(draft: Draft, state: State) -> Result<Draft, Refused> {
    if draft.before.operation != Operation::Reconcile {
        return draft.refuse("it is no reconciliation");
    }
    draft.only_in(&[state])
}
