//! Imports of users: rows make users or change them, by username. A user whom no row names is left alone: absence
//! never means a leaver.

use super::erase::erased;
use super::follow::UserEvent;
use super::import_rows::{Format, Read, Row, parts, read};
use super::users::apply;
use super::{Caller, ServiceError, Services};
use crate::wire::{ImportError, ImportReport, RowOutcome, RowResult, UserChange};
use gatehouse_core::ports::{ChangeSet, Sequence, Versioned};
use gatehouse_core::{User, UserAttribute, UserId};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Users written in one commit.
const BATCH: usize = 500;

/// What a bad row means for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// Nothing.
    #[default]
    Each,
    /// None of them is imported.
    AllOrNothing,
}

/// How to import.
#[derive(Clone, Copy, Debug)]
pub struct ImportOptions {
    /// How the rows are written.
    pub format: Format,
    /// What a bad row means for the others.
    pub mode: ImportMode,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Report every row, and not only those that were not imported.
    pub outcomes: bool,
}

/// A row that can be imported, but perhaps for its manager.
struct Planned {
    row: u64,
    before: Option<User>,
    after: User,
    /// By name, where the row says.
    manager: Option<Option<String>>,
}

impl Planned {
    fn outcome(&self) -> RowResult {
        match &self.before {
            None => RowResult::Created,
            Some(before) if *before == self.after => RowResult::Unchanged,
            Some(_) => RowResult::Updated,
        }
    }
}

/// What is wrong with the profiles and permission sets that rows name: each is looked up once.
#[derive(Default)]
struct Known {
    profiles: HashMap<String, Option<String>>,
    permission_sets: HashMap<String, Option<String>>,
}

impl Known {
    async fn problem(
        &mut self,
        services: &Services,
        change: &UserChange,
    ) -> Result<Option<(&'static str, String)>, ServiceError> {
        if let Some(Some(profile)) = &change.profile {
            if !self.profiles.contains_key(profile) {
                self.profiles.insert(profile.clone(), services.profile_problem(profile).await?);
            }
            if let Some(Some(why)) = self.profiles.get(profile) {
                return Ok(Some(("profile", why.clone())));
            }
        }
        for set in change.permission_sets.iter().flatten() {
            if !self.permission_sets.contains_key(set) {
                self.permission_sets.insert(set.clone(), services.permission_set_problem(set).await?);
            }
            if let Some(Some(why)) = self.permission_sets.get(set) {
                return Ok(Some(("permission_sets", why.clone())));
            }
        }
        Ok(None)
    }
}

/// Several values in a field of CSV: only where the attribute can have several, since free texts have semicolons.
fn separate(change: &mut UserChange, definitions: &[UserAttribute]) {
    for definition in definitions.iter().filter(|definition| definition.multi_valued) {
        if let Some(Some(values)) = change.attributes.get_mut(&definition.name) {
            *values = values.iter().flat_map(|value| parts(value)).collect();
        }
    }
}

fn outcomes(planned: &[Planned], errors: &[ImportError]) -> Vec<RowOutcome> {
    let good = planned.iter().map(|plan| RowOutcome {
        row: plan.row,
        username: Some(plan.after.username.clone()),
        result: plan.outcome(),
    });
    let bad = errors.iter().map(|error| RowOutcome { row: error.row, username: None, result: RowResult::Failed });
    let mut all: Vec<RowOutcome> = good.chain(bad).collect();
    all.sort_by_key(|outcome| outcome.row);
    all
}

impl Services {
    /// Imports users.
    ///
    /// # Errors
    /// The store is unavailable, or somebody changed the same users meanwhile. Bad rows are in the report.
    pub async fn import_users(
        &self,
        caller: &Caller,
        options: ImportOptions,
        bytes: &[u8],
    ) -> Result<ImportReport, ServiceError> {
        let _people = self.people.read().await;
        let mut report = ImportReport { nothing_written: true, ..ImportReport::default() };
        let rows = match read(options.format, bytes) {
            Ok(rows) => rows,
            Err(error) => {
                report.failed = 1;
                report.errors.push(error);
                return Ok(report);
            }
        };
        report.rows = rows.len() as u64;
        let planned = self.plan_import(options.format, rows, &mut report).await?;
        let planned = self.with_managers(planned, &mut report.errors).await?;
        let mut planned = self.may_import(caller, planned, &mut report.errors).await?;
        report.errors.sort_by_key(|error| error.row);
        report.failed = report.errors.len() as u64;
        if options.outcomes {
            report.outcomes = outcomes(&planned, &report.errors);
        }
        planned.retain(|plan| {
            let unchanged = plan.outcome() == RowResult::Unchanged;
            report.unchanged += u64::from(unchanged);
            !unchanged
        });
        report.created = planned.iter().filter(|plan| plan.before.is_none()).count() as u64;
        report.updated = planned.len() as u64 - report.created;
        let refused = options.mode == ImportMode::AllOrNothing && !report.errors.is_empty();
        if !options.dry_run && !refused {
            let size = if options.mode == ImportMode::AllOrNothing { usize::MAX } else { BATCH };
            self.write_import(caller, planned, size).await?;
            report.nothing_written = report.created + report.updated == 0;
        } else if refused {
            (report.created, report.updated) = (0, 0);
        }
        Ok(report)
    }

    /// Everything about the rows but their managers.
    async fn plan_import(
        &self,
        format: Format,
        rows: Vec<Read>,
        report: &mut ImportReport,
    ) -> Result<Vec<Planned>, ServiceError> {
        let definitions = self.store.user_attributes().await?;
        let mut known = Known::default();
        let mut first_of: HashMap<String, u64> = HashMap::new();
        let mut planned = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = match row {
                Ok(row) => row,
                Err(error) => {
                    report.errors.push(error);
                    continue;
                }
            };
            let error = |column: &str, why: String| ImportError { row: row.no, column: Some(column.to_owned()), why };
            if let Some(first) = first_of.insert(row.username.to_lowercase(), row.no) {
                report.errors.push(error("username", format!("`{}` is in row {first} already", row.username)));
                continue;
            }
            if let Some((column, why)) = known.problem(self, &row.change).await? {
                report.errors.push(error(column, why));
                continue;
            }
            if format == Format::Csv {
                separate(&mut row.change, &definitions);
            }
            match self.plan_row(row, &definitions).await? {
                Ok(plan) => planned.push(plan),
                Err(error) => report.errors.push(error),
            }
        }
        Ok(planned)
    }

    async fn plan_row(
        &self,
        row: Row,
        definitions: &[UserAttribute],
    ) -> Result<Result<Planned, ImportError>, ServiceError> {
        let before = self.store.user_by_username(&row.username).await?;
        if let Some(why) = before.as_ref().and_then(erased) {
            return Ok(Err(ImportError { row: row.no, column: Some("username".to_owned()), why }));
        }
        let mut change = row.change;
        let manager = change.manager.take();
        // An existing user keeps the spelling of their name.
        change.username = before.is_none().then(|| row.username.clone());
        let mut after = before.clone().unwrap_or_else(|| self.blank_user(&row.username));
        let problems = apply(&mut after, change, definitions);
        if let Some(problem) = problems.into_iter().next() {
            let column =
                problem.at.strip_prefix("attributes.").map_or(problem.at.clone(), |free| format!("attr.{free}"));
            return Ok(Err(ImportError { row: row.no, column: Some(column), why: problem.why }));
        }
        Ok(Ok(Planned { row: row.no, before, after, manager }))
    }

    /// Numbers new users, and finds the managers: in the directory, or among the rows that can be imported. A row
    /// whose manager's row cannot be imported cannot be either, and so on.
    async fn with_managers(
        &self,
        mut planned: Vec<Planned>,
        errors: &mut Vec<ImportError>,
    ) -> Result<Vec<Planned>, ServiceError> {
        let known = self.known_managers(&planned).await?;
        loop {
            let names: HashSet<String> = planned.iter().map(|plan| plan.after.username.to_lowercase()).collect();
            let before = planned.len();
            planned.retain(|plan| {
                let why = manager_problem(plan, &known, &names);
                errors.extend(why.map(|why| ImportError { row: plan.row, column: Some("manager".to_owned()), why }));
                manager_problem(plan, &known, &names).is_none()
            });
            if planned.len() == before {
                break;
            }
        }
        let new = planned.iter().filter(|plan| plan.before.is_none()).count() as u64;
        let first = if new > 0 { self.store.allocate(Sequence::User, new) } else { 0 };
        for (no, plan) in (first..).zip(planned.iter_mut().filter(|plan| plan.before.is_none())) {
            plan.after.id = UserId(no);
        }
        let ids: HashMap<String, UserId> =
            planned.iter().map(|plan| (plan.after.username.to_lowercase(), plan.after.id)).collect();
        for plan in &mut planned {
            if let Some(manager) = &plan.manager {
                let name = manager.as_ref().map(|name| name.to_lowercase());
                plan.after.manager =
                    name.and_then(|name| ids.get(&name).copied().or(known.get(&name).copied().flatten()));
            }
        }
        Ok(planned)
    }

    /// The managers that rows name, as far as they are in the directory.
    async fn known_managers(&self, planned: &[Planned]) -> Result<HashMap<String, Option<UserId>>, ServiceError> {
        let mut known = HashMap::new();
        for manager in planned.iter().filter_map(|plan| plan.manager.as_ref()?.as_ref()) {
            if let Entry::Vacant(place) = known.entry(manager.to_lowercase()) {
                let found = self.store.user_by_username(manager).await?.filter(|user| user.erased_at.is_none());
                place.insert(found.map(|user| user.id));
            }
        }
        Ok(known)
    }

    /// The rows that the caller may import: nobody gives by an import what they could not give otherwise.
    async fn may_import(
        &self,
        caller: &Caller,
        planned: Vec<Planned>,
        errors: &mut Vec<ImportError>,
    ) -> Result<Vec<Planned>, ServiceError> {
        let mut allowed = Vec::with_capacity(planned.len());
        for plan in planned {
            match self.may_give(caller, plan.before.as_ref(), &plan.after).await {
                Ok(()) => allowed.push(plan),
                Err(ServiceError::Denied(denial)) => {
                    errors.push(ImportError { row: plan.row, column: None, why: denial.text });
                }
                Err(other) => return Err(other),
            }
        }
        Ok(allowed)
    }

    async fn write_import(&self, caller: &Caller, planned: Vec<Planned>, size: usize) -> Result<(), ServiceError> {
        let definitions = self.store.user_attributes().await?;
        let mut planned = managers_first(planned).into_iter().peekable();
        while planned.peek().is_some() {
            let (mut changes, mut events) = (ChangeSet::default(), Vec::new());
            for plan in planned.by_ref().take(size) {
                let action = if plan.before.is_some() { "user.change" } else { "user.create" };
                let record = self.user_audit(caller, action, (plan.before.as_ref(), &plan.after), &definitions);
                changes.audit.push(record.with("by", "import"));
                let expected = plan.before.as_ref().map(|before| before.version);
                let updated_at = if expected.is_some() { self.now() } else { plan.after.updated_at };
                let after = User { updated_at, ..plan.after };
                changes.users.push(Versioned { record: after.clone(), expected });
                events.push(UserEvent { before: plan.before, after, reactivated: false });
            }
            self.commit_events(caller, changes, &events).await?;
        }
        Ok(())
    }
}

/// Managers before those who report to them, so that none of them is written later than whoever asks for their name.
/// Where people manage each other in a circle, somebody is the first.
fn managers_first(mut planned: Vec<Planned>) -> Vec<Planned> {
    let above: HashMap<UserId, Option<UserId>> =
        planned.iter().map(|plan| (plan.after.id, plan.after.manager)).collect();
    let mut depths: HashMap<UserId, u64> = HashMap::new();
    for plan in &planned {
        // Up the line until somebody whose depth is known.
        let (mut line, mut seen) = (Vec::new(), HashSet::new());
        let mut at = Some(plan.after.id);
        while let Some(id) = at.filter(|id| !depths.contains_key(id) && seen.insert(*id)) {
            line.push(id);
            at = above.get(&id).copied().flatten();
        }
        let top: u64 = at.and_then(|id| depths.get(&id)).map_or(0, |depth| depth + 1);
        depths.extend(line.into_iter().rev().zip(top..));
    }
    planned.sort_by_key(|plan| depths.get(&plan.after.id).copied().unwrap_or_default());
    planned
}

fn manager_problem(plan: &Planned, known: &HashMap<String, Option<UserId>>, names: &HashSet<String>) -> Option<String> {
    let manager = plan.manager.as_ref()?.as_ref()?;
    let name = manager.to_lowercase();
    if name == plan.after.username.to_lowercase() {
        return Some("nobody manages themselves".to_owned());
    }
    let there = names.contains(&name) || known.get(&name).copied().flatten().is_some();
    (!there).then(|| {
        format!("there is no user `{manager}`, neither in the directory nor among the rows that can be imported")
    })
}
