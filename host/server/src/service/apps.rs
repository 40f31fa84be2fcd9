//! Connected apps: made, configured, paused, probed, deleted. Deleting never touches the target.

use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place};
use crate::wire::{
    AppChange, AppView, ByNameOrCreation, ConnectorRefView, FindingView, NewApp, Page, ProbeReport, ReconcileMarkView,
};
use gatehouse_core::access::Action;
use gatehouse_core::job::access_job;
use gatehouse_core::ports::{ChangeSet, Sequence, Versioned};
use gatehouse_core::validation::{
    effective_grants, suggested_config, validate_config, validate_credentials, validate_settings,
};
use gatehouse_core::{App, AppId, AuditRecord, Connector, Description, Origin, Problem, ProvisioningConfig, nearest};
use gatehouse_policy::Resource;
use serde_json::Value as Json;
use std::collections::BTreeSet;

impl Services {
    /// An app by name.
    ///
    /// # Errors
    /// There is none.
    pub async fn find_app(&self, name: &str) -> Result<App, ServiceError> {
        if let Some(app) = self.store.app_by_name(name).await? {
            return Ok(app);
        }
        let all = self.store.apps().await?;
        let near = nearest(name, all.iter().map(|app| app.name.as_str()));
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`gatehouse app list` shows all there are".to_owned(),
        };
        Err(ServiceError::NotFound(format!("there is no app `{name}`; {hint}")))
    }

    /// What an app's connector says of itself.
    ///
    /// # Errors
    /// It is not installed any more.
    pub async fn connector_of(&self, app: &App) -> Result<Connector, ServiceError> {
        self.store.connector(app.connector.digest).await?.ok_or_else(|| {
            ServiceError::Conflict(format!(
                "connector {}@{} ({}) of app `{}` is not installed; install it again",
                app.connector.name,
                app.connector.version,
                app.connector.digest.short(),
                app.name
            ))
        })
    }

    /// All apps.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_apps(&self, paging: &Paging<ByNameOrCreation>) -> Result<Page<AppView>, ServiceError> {
        let page = paging.cut(self.store.apps().await?, |app: &App, key| match key {
            ByNameOrCreation::Name => Place::named(&app.name),
            ByNameOrCreation::CreatedAt => Place::dated(app.created_at, &app.name),
        })?;
        let mut items = Vec::with_capacity(page.items.len());
        for app in &page.items {
            items.push(self.app_view(app).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// An app as callers see it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn app_view(&self, app: &App) -> Result<AppView, ServiceError> {
        let connector = self.store.connector(app.connector.digest).await?;
        let grants = connector.map(|c| effective_grants(app, &c.description)).unwrap_or_default();
        Ok(AppView {
            id: app.id,
            name: app.name.clone(),
            connector: ConnectorRefView::from(&app.connector),
            settings: app.settings.clone(),
            credentials: app.credentials.clone(),
            private_origins: app.private_origins.clone(),
            granted_origins: grants.into_iter().map(|grant| grant.origin).collect(),
            profiles: app.profiles.clone(),
            permission_sets: app.permission_sets.clone(),
            config: app.config.clone(),
            paused: app.paused,
            last_reconcile: app.last_reconcile.map(|mark| ReconcileMarkView { run: mark.run, at: mark.at }),
            surveyed: app.surveyed,
            version: app.version,
            created_at: app.created_at,
            updated_at: app.updated_at,
        })
    }

    /// Makes an app.
    ///
    /// # Errors
    /// The name is taken, the connector not installed, or anything of its configuration wrong: all of it is named.
    pub async fn create_app(&self, caller: &Caller, new: NewApp) -> Result<Answer, ServiceError> {
        if !new.profiles.is_empty() || !new.permission_sets.is_empty() {
            caller.must(Action::ChangeAppAccess, &Resource::Any)?;
        }
        // So that the connector is not uninstalled meanwhile, nor what it is granted to deleted.
        let _turn = self.turn.lock().await;
        let _people = self.people.read().await;
        check_name(&new.name)?;
        if self.store.app_by_name(&new.name).await?.is_some() {
            let text = format!("there is an app `{0}` already; change it with `gatehouse app configure {0}`", new.name);
            return Err(ServiceError::Conflict(text));
        }
        let connector = self.find_connector(&new.connector).await?;
        let mut config = new.config;
        self.number_approvers(config.as_mut().unwrap_or(&mut Json::Null)).await?;
        let config = config_of(config, &connector.description)?;
        let (private_origins, mut problems) = origins(&new.private_origins);
        let mut app = App {
            id: AppId(0),
            name: new.name,
            connector: connector.reference(),
            settings: new.settings,
            credentials: new.credentials,
            private_origins,
            profiles: new.profiles,
            permission_sets: new.permission_sets,
            config,
            paused: false,
            link_epoch: 0,
            last_reconcile: None,
            surveyed: false,
            version: 1,
            created_at: self.now(),
            updated_at: self.now(),
        };
        problems.extend(self.app_problems(&app, &connector.description).await?);
        problems.extend(self.tried(caller, &app, None).await?);
        ServiceError::unless_empty(problems)?;
        app.id = AppId(self.store.allocate(Sequence::App, 1));
        let answer = Answer::created(format!("/api/v1/apps/{}", app.name), 1, &self.app_view(&app).await?);
        let mut changes = ChangeSet {
            audit: vec![self.app_audit(caller, "app.create", &app).changing(None, Some(&app))],
            ..ChangeSet::default()
        };
        changes.apps.push(Versioned::new(app));
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Changes an app.
    ///
    /// # Errors
    /// As for making one; or the app has changed meanwhile.
    pub async fn change_app(&self, caller: &Caller, name: &str, change: AppChange) -> Result<Answer, ServiceError> {
        let _people = self.people.read().await;
        let before = self.find_app(name).await?;
        caller.has_seen(format!("app {name}"), before.version)?;
        let description = self.connector_of(&before).await?.description;
        let mut app = before.clone();
        let mut problems = Vec::new();
        for (name, value) in change.settings {
            if value.is_null() {
                app.settings.remove(&name)
            } else {
                app.settings.insert(name, value)
            };
        }
        for (slot, credential) in change.credentials {
            match credential {
                Some(credential) => app.credentials.insert(slot, credential),
                None => app.credentials.remove(&slot),
            };
        }
        if let Some(texts) = change.private_origins {
            let (origins, bad) = origins(&texts);
            app.private_origins = origins;
            problems.extend(bad);
        }
        app.profiles = change.profiles.unwrap_or(app.profiles);
        app.permission_sets = change.permission_sets.unwrap_or(app.permission_sets);
        if app.profiles != before.profiles || app.permission_sets != before.permission_sets {
            caller.must(Action::ChangeAppAccess, &Resource::Any)?;
        }
        if let Some(mut config) = change.config {
            self.number_approvers(config.as_mut().unwrap_or(&mut Json::Null)).await?;
            app.config = config_of(config, &description)?;
        }
        problems.extend(self.app_problems(&app, &description).await?);
        problems.extend(self.tried(caller, &app, Some(&before.config)).await?);
        ServiceError::unless_empty(problems)?;
        self.save_app(caller, "app.configure", before, app).await
    }

    /// Pauses an app, or lets it go on.
    ///
    /// # Errors
    /// There is no such app.
    pub async fn pause_app(&self, caller: &Caller, name: &str, paused: bool) -> Result<Answer, ServiceError> {
        let before = self.find_app(name).await?;
        caller.has_seen(format!("app {name}"), before.version)?;
        let app = App { paused, ..before.clone() };
        self.save_app(caller, if paused { "app.pause" } else { "app.resume" }, before, app).await
    }

    /// Saves a change of an app. What was given or taken raises requests by a job, which is part of the same commit.
    async fn save_app(&self, caller: &Caller, action: &str, before: App, mut app: App) -> Result<Answer, ServiceError> {
        if app == before {
            return Ok(Answer::done(app.version, &self.app_view(&app).await?));
        }
        app.updated_at = self.now();
        app.version = before.version + 1;
        let answer = Answer::done(app.version, &self.app_view(&app).await?);
        let record = self.app_audit(caller, action, &app).changing(Some(&before), Some(&app));
        let mut changes = ChangeSet { audit: vec![record], ..ChangeSet::default() };
        if let Some(job) = access_job(&before, &app, self.job_origin(caller)) {
            changes.audit.push(job.record(&caller.actor, "job.create", self.now()));
            changes.jobs.push(Versioned::new(job));
        }
        changes.apps.push(Versioned::replacing(before.version, app));
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        self.background.wake();
        Ok(answer)
    }

    /// Deletes an app with its accounts, requests, logs and sharing rules. The target is not asked, and not touched.
    ///
    /// # Errors
    /// There is no such app.
    pub async fn delete_app(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let app = self.find_app(name).await?;
        caller.has_seen(format!("app {name}"), app.version)?;
        let mut rules = self.store.sharing_rules().await?;
        rules.retain(|rule| rule.app == Some(app.id));
        let mut audit = vec![self.app_audit(caller, "app.delete", &app).changing(Some(&app), None)];
        let went = |rule| self.sharing_audit(caller, "sharing.delete", rule).changing(Some(rule), None);
        audit.extend(rules.iter().map(went));
        let remove_sharing_rules = rules.into_iter().map(|rule| rule.name).collect();
        let changes = ChangeSet { audit, remove_sharing_rules, remove_apps: vec![app.id], ..ChangeSet::default() };
        self.store.commit(changes).await?;
        Ok(())
    }

    /// Checks an app's configuration against its target.
    ///
    /// # Errors
    /// The app is paused. A target that cannot be reached is a report, not an error.
    pub async fn probe_app(&self, caller: &Caller, name: &str) -> Result<ProbeReport, ServiceError> {
        let app = self.find_app(name).await?;
        if app.paused {
            let text = format!("app `{name}` is paused, and nothing is called; `gatehouse app resume {name}` first");
            return Err(ServiceError::Conflict(text));
        }
        let report = self.background.probe(&app).await;
        let outcome = if report.result.is_ok() { "ok" } else { "failed" };
        // What the gate refused has been recorded by whoever called the connector.
        let audit = vec![self.app_audit(caller, "app.probe", &app).with("result", outcome).ending(outcome)];
        self.store.commit(ChangeSet { audit, ..ChangeSet::default() }).await?;
        let (findings, error) = match report.result {
            Ok(findings) => (findings, None),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        let finding = |f: gatehouse_core::ports::Finding| FindingView { name: f.name, detail: f.detail };
        Ok(ProbeReport {
            ok: error.is_none(),
            findings: findings.into_iter().map(finding).collect(),
            error,
            denials: report.call.denials,
            requests: report.call.requests,
        })
    }

    pub(super) fn app_audit(&self, caller: &Caller, action: &str, app: &App) -> AuditRecord {
        let mut record = self.audit(caller, action, format!("app {}", app.name));
        record.app = Some(app.id);
        record.with("connector", format!("{}@{}", app.connector.name, app.connector.version))
    }

    /// Everything that is wrong with an app.
    async fn app_problems(&self, app: &App, description: &Description) -> Result<Vec<Problem>, ServiceError> {
        let mut problems = validate_settings(description, &app.settings);
        problems.extend(validate_credentials(app, description, &self.store.credentials().await?));
        problems.extend(validate_config(&app.config, description).into_iter().map(in_config));
        problems.extend(self.approval_problems(&app.config).await?);
        for profile in &app.profiles {
            problems.extend(self.profile_problem(profile).await?.map(|why| Problem::new("profiles", why)));
        }
        for set in &app.permission_sets {
            problems.extend(self.permission_set_problem(set).await?.map(|why| Problem::new("permission_sets", why)));
        }
        Ok(problems)
    }
}

pub(super) fn in_config(problem: Problem) -> Problem {
    if problem.at.starts_with("config") { problem } else { Problem::new(format!("config.{}", problem.at), problem.why) }
}

/// `^[a-z][a-z0-9-]{0,62}$`: a name that needs no quoting anywhere.
fn check_name(name: &str) -> Result<(), ServiceError> {
    let fine = name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fine {
        return Ok(());
    }
    let why = format!("`{name}` is no name for an app: a small letter, then small letters, digits and `-`, 63 at most");
    Err(ServiceError::invalid("name", why))
}

fn origins(texts: &[String]) -> (BTreeSet<Origin>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut origins = BTreeSet::new();
    for text in texts {
        match text.parse::<Origin>() {
            Ok(origin) => drop(origins.insert(origin)),
            Err(error) => problems.push(Problem::new("private_origins", error.to_string())),
        }
    }
    (origins, problems)
}

/// What is a struct must be written as an object: serde would take an array for it, by position.
fn written_as_objects(config: &serde_json::Map<String, Json>) -> Result<(), ServiceError> {
    let mut problems = Vec::new();
    let mut check = |at: String, value: &Json| {
        if value.is_array() {
            problems.push(Problem::new(format!("config.{at}"), "a list stands where an object is expected"));
        }
    };
    for (name, value) in config {
        match (name.as_str(), value) {
            ("reconcile" | "retry" | "guard", value) => check(name.clone(), value),
            ("approvals", Json::Array(rules)) => {
                for (no, rule) in rules.iter().enumerate() {
                    check(format!("approvals[{no}]"), rule);
                    let steps = rule["steps"].as_array().into_iter().flatten();
                    steps.enumerate().for_each(|(step, rule)| check(format!("approvals[{no}].steps[{step}]"), rule));
                }
            }
            ("mapping" | "linking", Json::Array(items)) => {
                items.iter().enumerate().for_each(|(at, item)| check(format!("{name}[{at}]"), item));
            }
            _ => {}
        }
    }
    ServiceError::unless_empty(problems)
}

/// The configuration given, over what the connector suggests.
pub(super) fn config_of(given: Option<Json>, description: &Description) -> Result<ProvisioningConfig, ServiceError> {
    let suggested = suggested_config(description);
    let given = match given {
        None | Some(Json::Null) => return Ok(suggested),
        Some(Json::Object(given)) => given,
        Some(other) => return Err(ServiceError::invalid("config", format!("{other} is no JSON object"))),
    };
    written_as_objects(&given)?;
    let mut whole = serde_json::to_value(suggested).unwrap_or_default();
    if let Json::Object(whole) = &mut whole {
        whole.extend(given);
    }
    serde_path_to_error::deserialize(whole).map_err(|error| {
        ServiceError::invalid(format!("config.{}", error.path()), crate::api::json_reason(error.inner()))
    })
}
