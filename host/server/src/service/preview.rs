//! What an app would receive for a user, and provisioning on demand for one user: what is needed, why, and, where that
//! is asked for, the request. What is needed is for the core to say; here it is gathered and told.

use super::apps::{config_of, in_config};
use super::requests::not_opened;
use super::views::MASK;
use super::{Answer, Caller, ServiceError, Services};
use crate::wire::{
    AccessView, MappedRuleView, MappedView, PreviewBody, PreviewReport, ProvisionBody, ProvisionReport, RequestView,
    TraceStepView, ValueView,
};
use gatehouse_core::access::Action;
use gatehouse_core::lifecycle::Raised;
use gatehouse_core::mapping::{MAX_SAMPLES, MappedRule, Purpose, desired, rule_by_rule, try_config};
use gatehouse_core::planning::plan_change;
use gatehouse_core::ports::{AccountQuery, ChangeSet};
use gatehouse_core::provision::{Known, Matched, needed};
use gatehouse_core::schema::Schema;
use gatehouse_core::validation::validate_config;
use gatehouse_core::{
    Account, App, Description, Operation, Problem, ProvisioningConfig, Request, Subject, USERNAME, User, analysis,
};
use gatehouse_engine::name_managers;
use gatehouse_engine::requests::{Ask, Whose, account_of, in_review, prepare_account_request};
use gatehouse_policy::Resource;
use std::collections::BTreeSet;

impl Services {
    /// What the expressions of a configuration fail with for some users of the directory and accounts of the app.
    pub(super) async fn tried(
        &self,
        caller: &Caller,
        app: &App,
        before: Option<&ProvisioningConfig>,
    ) -> Result<Vec<Problem>, ServiceError> {
        let mut users = self.store.users(None, MAX_SAMPLES).await?.items;
        name_managers(self.store.as_ref(), &app.config, &mut users).await?;
        let query = AccountQuery { app: Some(app.id), limit: MAX_SAMPLES, ..AccountQuery::default() };
        let accounts = self.store.accounts(&query).await?.items;
        let accounts: Vec<_> = accounts.iter().filter_map(analysis::as_remote).collect();
        let named = caller.may(Action::ReadUser, &Resource::Any);
        Ok(try_config(&app.config, before, &users, &accounts, named).into_iter().map(in_config).collect())
    }

    /// What an app would receive for a user. Nothing is called, and nothing is changed. A configuration can ask for every
    /// attribute: of whom the caller may not see, nothing is shown.
    ///
    /// # Errors
    /// The app or the user is not there, for the caller, or the configuration given is none.
    pub async fn preview_app(
        &self,
        caller: &Caller,
        name: &str,
        body: PreviewBody,
    ) -> Result<PreviewReport, ServiceError> {
        let mut app = self.find_app(name).await?;
        let description = self.connector_of(&app).await?.description;
        if let Some(config) = body.config {
            app.config = config_of(Some(config), &description)?;
        }
        let user = self.see_user(caller, &body.user).await?;
        let user = self.with_manager(&app, user).await?;
        let schema = schema_of(&description)?;
        let mut problems: Vec<Problem> =
            validate_config(&app.config, &description).into_iter().map(in_config).collect();
        if problems.is_empty() {
            problems = self.tried(caller, &app, None).await?;
        }
        let sensitive = self.views().sensitive(&app).await?;
        Ok(PreviewReport {
            access: access(&app, &user),
            create: mapped(&app, &user, &schema, Purpose::Create, &sensitive),
            update: mapped(&app, &user, &schema, Purpose::Update, &sensitive),
            problems: problems.into_iter().map(Into::into).collect(),
            user: user.username,
        })
    }

    /// Finds out what a user needs in an app, and raises the request for it unless that is only to be found out.
    ///
    /// # Errors
    /// The app or the user is not there, or what is needed cannot be requested.
    pub async fn provision(&self, caller: &Caller, name: &str, body: ProvisionBody) -> Result<Answer, ServiceError> {
        let app = self.find_app(name).await?;
        let description = self.connector_of(&app).await?.description;
        let user = self.with_manager(&app, self.find_user(&body.user).await?).await?;
        let account = account_of(self.store.as_ref(), &app, user.id).await?;
        let matched = self.matched(&app, &user, account.as_ref()).await?;
        let subject = Subject::User(user.id);
        let mut open = in_review(self.store.as_ref(), app.id, subject).await?;
        open.extend(self.store.lane(app.id, subject).await?);
        let known = Known { account: account.as_ref(), open: &open, matched: &matched };
        let needed = needed(&app, &user, known, &schema_of(&description)?);
        let mut report = ProvisionReport {
            user: user.username.clone(),
            dry_run: body.dry_run,
            operation: needed.operation,
            why: needed.why,
            trace: Vec::new(),
            mapping: None,
            change: None,
            request: None,
        };
        self.tell((&app, &user), known, &description, &mut report).await?;
        let audit = self
            .app_audit(caller, "app.provision", &app)
            .with("user", user.username.clone())
            .with("needed", named(report.operation))
            .with("dry_run", body.dry_run.to_string());
        let Some(operation) = report.operation.filter(|_| !body.dry_run) else {
            self.store.commit(ChangeSet { audit: vec![audit], ..ChangeSet::default() }).await?;
            return Ok(Answer::told(&report));
        };
        let ask = Ask {
            operation,
            whose: Whose::User(user.id),
            by: caller.actor.clone(),
            reason: body.reason,
            raised: Raised::default(),
        };
        let opened = prepare_account_request(self.store.as_ref(), &app, ask, self.now()).await.map_err(not_opened)?;
        self.commit_opening_as(
            caller,
            opened,
            |changes| changes.audit.push(audit),
            |request: RequestView| {
                report.request = Some(request);
                report
            },
        )
        .await
    }

    /// The user, with what the app's configuration asks of their manager.
    async fn with_manager(&self, app: &App, mut user: User) -> Result<User, ServiceError> {
        name_managers(self.store.as_ref(), &app.config, [&mut user]).await?;
        Ok(user)
    }

    /// The target is only searched for somebody of whom no account is known here.
    async fn matched(&self, app: &App, user: &User, account: Option<&Account>) -> Result<Matched, ServiceError> {
        match account.filter(|account| account.external_id.is_some()) {
            Some(account) => Ok(Matched::NotAsked(format!("{} is known here", account.id))),
            None => Ok(self.background.search(app, user).await?),
        }
    }

    /// Tells how it was found out, and what would be sent.
    async fn tell(
        &self,
        (app, user): (&App, &User),
        known: Known<'_>,
        description: &Description,
        report: &mut ProvisionReport,
    ) -> Result<(), ServiceError> {
        let Known { account, open, matched } = known;
        let access = access(app, user);
        report.trace = vec![
            step("access", access_in_words(&access)),
            step("scope", scope_in_words(&access)),
            step("account", account_in_words(account)),
            step("requests", open_in_words(open)),
            step("match", match_in_words(app, matched)),
            step("operation", format!("{}: {}", named(report.operation), report.why)),
        ];
        let Some(operation) = report.operation else { return Ok(()) };
        let purpose = if operation == Operation::Create { Purpose::Create } else { Purpose::Update };
        if matches!(operation, Operation::Create | Operation::Update | Operation::Reactivate) {
            let sensitive = self.views().sensitive(app).await?;
            let mapped = mapped(app, user, &schema_of(description)?, purpose, &sensitive);
            let counted = mapped.rules.iter().filter(|rule| !rule.values.is_empty() && rule.applies).count();
            let told = mapped.problem.clone().unwrap_or_else(|| format!("{counted} rules give values"));
            report.trace.insert(5, step("mapping", told));
            report.mapping = Some(mapped);
        }
        match plan_change(operation, Some(user), account, app, description) {
            Ok(change) => {
                report.change = Some(self.views().masked_change(app.id, &change).await?);
                report.trace.push(step("plan", "the change can be made; it is below".to_owned()));
            }
            Err(why) => {
                report.trace.push(step("plan", format!("the change cannot be made: {why}")));
            }
        }
        Ok(())
    }
}

fn schema_of(description: &Description) -> Result<Schema, ServiceError> {
    description.schema().map_err(|error| ServiceError::Conflict(format!("the connector's schema is no good: {error}")))
}

fn step(step: &str, found: String) -> TraceStepView {
    TraceStepView { step: step.to_owned(), found }
}

fn named(operation: Option<Operation>) -> String {
    operation.map_or("nothing".to_owned(), |operation| format!("{operation:?}"))
}

fn access(app: &App, user: &User) -> AccessView {
    let in_scope = app.in_scope(user);
    AccessView {
        granted_by: app.granted_by(user),
        scope: app.config.scope.as_ref().map(ToString::to_string),
        in_scope: in_scope.as_ref().ok().copied(),
        why: in_scope.err().map(|error| error.to_string()),
        active: user.active,
        frozen: user.frozen,
    }
}

fn access_in_words(access: &AccessView) -> String {
    let granted = match access.granted_by.as_slice() {
        [] => "no profile or permission set of the user gives access".to_owned(),
        by => format!("access is given by {}", by.join(" and ")),
    };
    let state = match (access.active, access.frozen) {
        (false, _) => "the user is disabled",
        (true, true) => "the user is frozen",
        (true, false) => "the user is active",
    };
    format!("{granted}; {state}")
}

fn scope_in_words(access: &AccessView) -> String {
    match (&access.scope, access.in_scope, &access.why) {
        (None, ..) => "the app has no scope: everybody is in it".to_owned(),
        (Some(scope), Some(true), _) => format!("the user is in scope: `{scope}`"),
        (Some(scope), Some(false), _) => format!("the user is not in scope: `{scope}`"),
        (Some(scope), None, why) => {
            format!("whether the user is in scope cannot be told: `{scope}`: {}", why.as_deref().unwrap_or_default())
        }
    }
}

fn account_in_words(account: Option<&Account>) -> String {
    match account {
        Some(account) if account.external_id.is_some() => {
            let (id, status, state) = (account.id, account.status, account.link_state);
            let frozen = if account.frozen { ", frozen" } else { "" };
            format!("{id} (`{}`): {status:?}{frozen}, {state:?} ({:?})", account.username, account.situation)
        }
        _ => "none of the user's is known here".to_owned(),
    }
}

fn open_in_words(open: &[Request]) -> String {
    let one = |request: &Request| match request.state {
        _ if request.is_in_review() => format!("{} ({:?}, in review)", request.id, request.operation),
        state => format!("{} ({:?}, {state:?})", request.id, request.operation),
    };
    match open {
        [] => "none of the user's is open".to_owned(),
        open => format!("open: {}", open.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

fn match_in_words(app: &App, matched: &Matched) -> String {
    let rule = |no: usize| {
        app.config.linking.get(no).map_or_else(String::new, |rule| {
            format!("rule {no} ({} = {})", rule.account_attribute, rule.user_attribute)
        })
    };
    match matched {
        Matched::NotAsked(why) => format!("the target was not searched: {why}"),
        Matched::Found(found) if found.is_empty() => "the target has no account that a linking rule finds".to_owned(),
        Matched::Found(found) => {
            let one = |s: &gatehouse_core::provision::Sighting| {
                format!("`{}` ({}) by {}", s.account.username, s.account.external_id, rule(s.rule))
            };
            format!("the target has {}", found.iter().map(one).collect::<Vec<_>>().join(" and "))
        }
    }
}

fn mapped(app: &App, user: &User, schema: &Schema, purpose: Purpose, sensitive: &BTreeSet<String>) -> MappedView {
    let whole = desired(&app.config.mapping, user, schema, purpose);
    let rules = rule_by_rule(&app.config.mapping, user, schema, purpose);
    // An update leaves the username alone unless a rule sets it.
    let renames = app.config.mapping.iter().any(|rule| rule.attribute == USERNAME && !rule.only_on_create);
    let username = whole.as_ref().ok().map(|desired| desired.username.clone());
    MappedView {
        problem: whole.as_ref().err().map(ToString::to_string),
        username: username.filter(|_| purpose == Purpose::Create || renames),
        rules: rules.into_iter().filter_map(|mapped| rule_view(app, sensitive, mapped)).collect(),
    }
}

fn rule_view(app: &App, sensitive: &BTreeSet<String>, mapped: MappedRule) -> Option<MappedRuleView> {
    let rule = app.config.mapping.get(mapped.no)?;
    let sensitive = sensitive.contains(&rule.attribute);
    let (values, problem) = match mapped.values {
        Ok(values) => (values, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let value = |value: gatehouse_core::schema::Value| ValueView {
        text: if sensitive { MASK.to_owned() } else { value.text },
        kind: value.kind,
        primary: value.primary,
    };
    Some(MappedRuleView {
        rule: mapped.no,
        attribute: rule.attribute.clone(),
        made_of: rule.value.to_string(),
        values: values.into_iter().map(value).collect(),
        by_default: mapped.by_default,
        applies: mapped.applies,
        problem,
    })
}
