//! Records as callers see them: names instead of numbers, sensitive values masked. Keeps what it has looked up, so
//! that a page of a list asks for each name once.

use super::{ServiceError, Services};
use crate::wire::{AccountView, RequestView, RunView, StagingRowView, UserView, ValueView, VerdictView};
use gatehouse_core::schema::Attributes;
use gatehouse_core::{
    Account, App, AppId, Change, Operation, Request, RequestId, StagedAction, StagingRow, StagingSource, State,
    Subject, User, UserId, Verdict,
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a request waits for that is no other request. `holds`: its plan is what would be planned now.
fn waits_for(request: &Request, holds: bool) -> Option<&'static str> {
    match request.state {
        State::New if request.held.is_some() => Some("guard"),
        State::Analyzed if request.due.is_none() && !holds => Some("reconcile"),
        _ if request.awaits_approval_since().is_some() => Some("approval"),
        _ if request.awaits_date => Some("date"),
        State::Analyzed if request.due.is_none() => Some("commit"),
        _ => None,
    }
}

/// What stands in the place of a sensitive value.
pub(super) const MASK: &str = "***";

/// Makes views, and keeps the names it needs.
pub struct Views<'a> {
    pub(super) services: &'a Services,
    apps: HashMap<AppId, Known>,
    users: HashMap<UserId, Option<String>>,
    /// The first request of each lane that was looked at.
    lanes: HashMap<(AppId, Subject), Option<RequestId>>,
    /// Sensitive attributes of users, once they are looked up.
    hidden: Option<BTreeSet<String>>,
}

#[derive(Clone, Default)]
struct Known {
    name: String,
    sensitive: BTreeSet<String>,
    paused: bool,
}

impl Services {
    /// For one answer.
    pub fn views(&self) -> Views<'_> {
        Views { services: self, apps: HashMap::new(), users: HashMap::new(), lanes: HashMap::new(), hidden: None }
    }
}

impl Views<'_> {
    /// A user.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn user(&mut self, user: &User) -> Result<UserView, ServiceError> {
        let manager = self.username(user.manager).await?;
        let hidden = self.hidden().await?;
        let shown = |(name, values): (&String, &Vec<String>)| {
            let mask = |value: &String| if hidden.contains(name) { MASK.to_owned() } else { value.clone() };
            (name.clone(), values.iter().map(mask).collect())
        };
        Ok(UserView {
            id: user.id,
            username: user.username.clone(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            manager,
            profile: user.profile.clone(),
            permission_sets: user.permission_sets.clone(),
            active: user.active,
            frozen: user.frozen,
            attributes: user.attributes.iter().map(shown).collect(),
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
            erased_at: user.erased_at,
        })
    }

    /// An account.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn account(&mut self, account: &Account) -> Result<AccountView, ServiceError> {
        let app = self.app(account.app).await?;
        let user_name = self.username(account.user).await?;
        Ok(AccountView {
            id: account.id,
            app: app.name,
            external_id: account.external_id.clone(),
            user: account.user,
            user_name,
            username: account.username.clone(),
            email: account.email.clone(),
            first_name: account.first_name.clone(),
            last_name: account.last_name.clone(),
            attributes: masked(&account.attributes, &app.sensitive),
            status: account.status,
            frozen: account.frozen,
            link_state: account.link_state,
            situation: account.situation,
            why: account.why.clone(),
            is_known_link: account.is_known_link,
            revision: account.revision.clone(),
            last_seen: account.last_seen,
            last_run: account.last_run,
            version: account.version,
            updated_at: account.updated_at,
        })
    }

    /// A change of an app's account, with the values of sensitive attributes masked.
    pub async fn masked_change(&mut self, app: AppId, change: &Change) -> Result<Json, ServiceError> {
        let app = self.app(app).await?;
        let mut change = serde_json::to_value(change).unwrap_or_default();
        mask_json(&mut change, &app.sensitive);
        Ok(change)
    }

    /// A request.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn request(&mut self, request: &Request) -> Result<RequestView, ServiceError> {
        let app = self.app(request.app).await?;
        let user = match request.subject {
            Subject::User(id) => Some(id),
            Subject::Account(_) | Subject::App => None,
        };
        let user_name = self.username(user).await?;
        let digest = match request.operation {
            Operation::Reconcile => request.run.as_ref().and_then(|run| run.plan),
            _ => Some(request.change.digest),
        };
        let behind = self.first_of_lane(request).await?.filter(|first| *first != request.id);
        let holds = self.services.plan_holds(request).await?;
        let stands = app.paused && !request.state.is_settled();
        let waits_for = waits_for(request, holds).or(behind.map(|_| "request")).or(stands.then_some("app"));
        let behind = behind.filter(|_| waits_for == Some("request"));
        let change = self.masked_change(request.app, &request.change.content).await?;
        Ok(RequestView {
            id: request.id,
            app: app.name,
            operation: request.operation,
            object: request.object,
            user,
            user_name,
            account: request.account,
            state: request.state,
            approval: request.approval,
            approvals: self.approvals(request).await?,
            digest,
            change,
            attempts: request.attempts.iter().map(Into::into).collect(),
            steps_done: request.steps_done,
            due: request.due,
            error: request.error.clone(),
            needs_review: request.is_in_review(),
            run: request.run.as_ref().map(RunView::from),
            parent: request.parent,
            raised_by: request.raised_by,
            event: request.event,
            job: request.job,
            held: request.held.clone().filter(|_| request.state == State::New),
            waits_for,
            behind,
            retry_count: request.retry_count,
            supersedes: request.supersedes,
            superseded_by: request.superseded_by,
            run_at: request.run_at,
            awaits_date: request.awaits_date,
            created_by: request.created_by.clone(),
            reason: request.reason.clone(),
            request_id: request.correlation.as_ref().map(|correlation| correlation.request_id.clone()),
            created_at: request.created_at,
            updated_at: request.updated_at,
            version: request.version,
        })
    }

    /// The request that is done first of all in this one's lane, while this one has not begun.
    async fn first_of_lane(&mut self, request: &Request) -> Result<Option<RequestId>, ServiceError> {
        // A link begins in the state in which it is carried out.
        let begun = request.has_begun() && request.operation != Operation::Linking;
        if !request.is_in_lane() || begun {
            return Ok(None);
        }
        let lane = (request.app, request.subject);
        if let Some(first) = self.lanes.get(&lane) {
            return Ok(*first);
        }
        let first = self.services.store.lane(lane.0, lane.1).await?.first().map(|first| first.id);
        self.lanes.insert(lane, first);
        Ok(first)
    }

    /// A staging row of an app's reconciliation.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn staging(&mut self, app: AppId, row: &StagingRow) -> Result<StagingRowView, ServiceError> {
        let sensitive = self.app(app).await?.sensitive;
        let (source, shown) = match &row.source {
            StagingSource::Account(account) => ("account", Some(account)),
            StagingSource::Absent { read, .. } => ("absent", read.as_ref()),
            StagingSource::MissingUser(_) => ("missing_user", None),
            StagingSource::Fault { .. } => ("fault", None),
        };
        let (external_id, why) = match &row.source {
            StagingSource::Fault { external_id, why } => (external_id.clone(), Some(why.clone())),
            _ => (shown.map(|account| account.external_id.clone()), None),
        };
        let (account, user) = match &row.source {
            StagingSource::Absent { account, .. } => (Some(*account), None),
            StagingSource::MissingUser(user) => (None, Some(*user)),
            _ => (None, None),
        };
        let verdict = row.verdict.as_ref().map(verdict);
        let user_name = self.username(user.or(verdict.as_ref().and_then(|verdict| verdict.user))).await?;
        Ok(StagingRowView {
            no: row.no,
            source,
            external_id,
            username: shown.map(|account| account.username.clone()),
            status: shown.map(|account| account.status),
            attributes: shown.map(|account| masked(&account.attributes, &sensitive)).unwrap_or_default(),
            changed: row.changed,
            account,
            user,
            user_name,
            why,
            verdict,
        })
    }

    async fn app(&mut self, id: AppId) -> Result<Known, ServiceError> {
        if let Some(known) = self.apps.get(&id) {
            return Ok(known.clone());
        }
        let known = match self.services.store.app(id).await? {
            Some(app) => Known { sensitive: self.sensitive(&app).await?, name: app.name, paused: app.paused },
            None => Known { name: id.to_string(), ..Known::default() },
        };
        self.apps.insert(id, known.clone());
        Ok(known)
    }

    /// Attributes of an app's accounts whose values are not shown: those that its connector calls sensitive, and those
    /// made of what is sensitive about users.
    pub(super) async fn sensitive(&mut self, app: &App) -> Result<BTreeSet<String>, ServiceError> {
        let connector = self.services.store.connector(app.connector.digest).await?;
        let attributes = connector.into_iter().flat_map(|c| c.description.attributes);
        let mut sensitive: BTreeSet<String> = attributes.filter(|a| a.sensitive).map(|a| a.name).collect();
        let hidden = self.hidden().await?;
        for rule in &app.config.mapping {
            let used = rule.value.used_attributes();
            if hidden.iter().any(|name| used.uses(name)) {
                sensitive.insert(rule.attribute.clone());
            }
        }
        Ok(sensitive)
    }

    /// The sensitive ones of users' attributes.
    async fn hidden(&mut self) -> Result<BTreeSet<String>, ServiceError> {
        if let Some(hidden) = &self.hidden {
            return Ok(hidden.clone());
        }
        let defined = self.services.store.user_attributes().await?;
        let hidden: BTreeSet<String> = defined.into_iter().filter(|of| of.sensitive).map(|of| of.name).collect();
        self.hidden = Some(hidden.clone());
        Ok(hidden)
    }

    pub(super) async fn username(&mut self, id: Option<UserId>) -> Result<Option<String>, ServiceError> {
        let Some(id) = id else { return Ok(None) };
        if let Some(known) = self.users.get(&id) {
            return Ok(known.clone());
        }
        let name = self.services.store.user(id).await?.map(|user| user.username);
        self.users.insert(id, name.clone());
        Ok(name)
    }
}

fn verdict(of: &Verdict) -> VerdictView {
    VerdictView {
        link_state: of.situation.link_state(),
        situation: of.situation,
        why: of.why.clone(),
        user: of.user,
        account: of.account,
        drift: of.drift.clone(),
        raises: match of.action {
            StagedAction::Raise(operation) => Some(operation),
            StagedAction::None => None,
        },
    }
}

fn masked(attributes: &Attributes, sensitive: &BTreeSet<String>) -> BTreeMap<String, Vec<ValueView>> {
    let views = attributes.iter().map(|(name, values)| {
        let hide = sensitive.contains(name);
        let view = |value: &gatehouse_core::schema::Value| ValueView {
            text: if hide { MASK.to_owned() } else { value.text.clone() },
            kind: value.kind.clone(),
            primary: value.primary,
        };
        (name.clone(), values.iter().map(view).collect())
    });
    views.collect()
}

/// Masks the texts below every object member that is named like a sensitive attribute.
fn mask_json(json: &mut Json, sensitive: &BTreeSet<String>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members.iter_mut() {
                if sensitive.contains(name) { mask_texts(value) } else { mask_json(value, sensitive) }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| mask_json(item, sensitive)),
        _ => {}
    }
}

fn mask_texts(json: &mut Json) {
    match json {
        Json::Object(members) => {
            members.iter_mut().filter(|(name, _)| *name == "text").for_each(|(_, v)| mask_texts(v))
        }
        Json::Array(items) => items.iter_mut().for_each(mask_texts),
        other => *other = Json::String(MASK.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sensitive_values_of_a_change_are_masked_and_others_are_not() {
        let mut change = json!({"account": {"steps": [{"update": {
            "ssn": [{"text": "078-05-1120", "kind": "us"}],
            "title": [{"text": "Boss"}],
        }}]}});
        mask_json(&mut change, &BTreeSet::from(["ssn".to_owned()]));
        let update = &change["account"]["steps"][0]["update"];
        assert_eq!(update["ssn"], json!([{"text": "***", "kind": "us"}]));
        assert_eq!(update["title"], json!([{"text": "Boss"}]));
    }
}
