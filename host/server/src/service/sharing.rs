//! Sharing rules: made, looked at, deleted. What they mean is for the core to say.

use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place};
use crate::wire::{ByNameOrCreation, NewSharingRule, Page, SharingRuleView};
use gatehouse_core::ports::{ChangeSet, Versioned};
use gatehouse_core::sharing::{Audience, Owner, SharingRule};
use gatehouse_core::{AppId, AuditRecord, Problem, UserId, nearest};

impl Services {
    /// All sharing rules, by name.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_sharing_rules(
        &self,
        paging: &Paging<ByNameOrCreation>,
    ) -> Result<Page<SharingRuleView>, ServiceError> {
        let page = paging.cut(self.store.sharing_rules().await?, |rule: &SharingRule, key| match key {
            ByNameOrCreation::Name => Place::named(&rule.name),
            ByNameOrCreation::CreatedAt => Place::dated(rule.created_at, &rule.name),
        })?;
        let mut items = Vec::with_capacity(page.items.len());
        for rule in &page.items {
            items.push(self.sharing_rule_view(rule).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// A sharing rule.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn find_sharing_rule(&self, name: &str) -> Result<SharingRule, ServiceError> {
        let all = self.store.sharing_rules().await?;
        let near = nearest(name, all.iter().map(|rule| rule.name.as_str()));
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`gatehouse sharing list` shows all there are".to_owned(),
        };
        let missing = ServiceError::NotFound(format!("there is no sharing rule `{name}`; {hint}"));
        all.into_iter().find(|rule| rule.name == name).ok_or(missing)
    }

    /// A rule as callers see it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn sharing_rule_view(&self, rule: &SharingRule) -> Result<SharingRuleView, ServiceError> {
        let app = match rule.app {
            Some(id) => Some(self.store.app(id).await?.map_or_else(|| id.to_string(), |app| app.name)),
            None => None,
        };
        let (owner_user, owner_group) = match &rule.owner {
            Owner::Anybody => (None, None),
            Owner::User(id) => (Some(self.username_of(*id).await?), None),
            Owner::Group(group) => (None, Some(group.clone())),
        };
        let (to_user, to_group) = match &rule.audience {
            Audience::User(id) => (Some(self.username_of(*id).await?), None),
            Audience::Group(group) => (None, Some(group.clone())),
            Audience::Managers => (None, None),
        };
        Ok(SharingRuleView {
            name: rule.name.clone(),
            description: rule.description.clone(),
            app,
            operations: rule.operations.clone(),
            owner_user,
            owner_group,
            to_user,
            to_group,
            to_managers: rule.audience == Audience::Managers,
            access: rule.access,
            version: rule.version,
            created_at: rule.created_at,
        })
    }

    async fn username_of(&self, id: UserId) -> Result<String, ServiceError> {
        Ok(self.store.user(id).await?.map_or_else(|| id.to_string(), |user| user.username))
    }

    /// Makes a sharing rule.
    ///
    /// # Errors
    /// The name is taken, or something it names is not there; all of it is named.
    pub async fn create_sharing_rule(&self, caller: &Caller, new: NewSharingRule) -> Result<Answer, ServiceError> {
        let name = new.name.trim().to_owned();
        let mut problems = Vec::new();
        if name.is_empty() || name.len() > 128 || name.chars().any(|c| c.is_control() || c == '/') {
            problems.push(Problem::new("name", "a rule's name has 1 to 128 characters, and no `/` among them"));
        }
        let app = self.app_of_rule(&new, &mut problems).await?;
        let owner = self.owner_of_rule(&new, &mut problems).await?;
        let audience = self.audience_of_rule(&new, &mut problems).await?;
        ServiceError::unless_empty(problems)?;
        if self.store.sharing_rules().await?.iter().any(|rule| rule.name == name) {
            return Err(ServiceError::Conflict(format!("there is a sharing rule `{name}` already")));
        }
        let rule = SharingRule {
            name,
            description: new.description,
            app,
            operations: new.operations,
            owner,
            audience,
            access: new.access,
            version: 1,
            created_at: self.now(),
        };
        let view = self.sharing_rule_view(&rule).await?;
        let answer = Answer::created(format!("/api/v1/sharing-rules/{}", rule.name), 1, &view);
        let mut changes = ChangeSet {
            audit: vec![self.sharing_audit(caller, "sharing.create", &rule).changing(None, Some(&rule))],
            sharing_rules: vec![Versioned::new(rule)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    async fn app_of_rule(
        &self,
        new: &NewSharingRule,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<AppId>, ServiceError> {
        let Some(name) = &new.app else { return Ok(None) };
        Ok(noted(self.find_app(name).await, "app", problems)?.map(|app| app.id))
    }

    async fn owner_of_rule(&self, new: &NewSharingRule, problems: &mut Vec<Problem>) -> Result<Owner, ServiceError> {
        let owner = match (&new.owner_user, &new.owner_group) {
            (None, None) => Some(Owner::Anybody),
            (Some(user), None) => {
                self.person_there(user, "owner_user", problems).await?.map(|user| Owner::User(user.id))
            }
            (None, Some(group)) => self.group_there(group, "owner_group", problems).await?.map(Owner::Group),
            (Some(_), Some(_)) => {
                problems.push(Problem::new("owner_group", "give one of owner_user and owner_group, or neither"));
                None
            }
        };
        Ok(owner.unwrap_or(Owner::Anybody))
    }

    async fn audience_of_rule(
        &self,
        new: &NewSharingRule,
        problems: &mut Vec<Problem>,
    ) -> Result<Audience, ServiceError> {
        let audience = match (&new.to_user, &new.to_group, new.to_managers) {
            (Some(user), None, false) => {
                self.person_there(user, "to_user", problems).await?.map(|user| Audience::User(user.id))
            }
            (None, Some(group), false) => self.group_there(group, "to_group", problems).await?.map(Audience::Group),
            (None, None, true) => Some(Audience::Managers),
            _ => {
                let why = "say with whom to share: exactly one of to_user, to_group and to_managers";
                problems.push(Problem::new("to_user", why));
                None
            }
        };
        Ok(audience.unwrap_or(Audience::Managers))
    }

    async fn group_there(
        &self,
        name: &str,
        at: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<String>, ServiceError> {
        if self.store.group(name).await?.is_some() {
            return Ok(Some(name.to_owned()));
        }
        let all = self.store.groups().await?;
        let near = nearest(name, all.iter().map(|group| group.name.as_str()));
        let hint = near.first().map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        problems.push(Problem::new(at, format!("there is no group `{name}`{hint}")));
        Ok(None)
    }

    /// Deletes a sharing rule. What it shared is not seen any more, at once.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn delete_sharing_rule(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let rule = self.find_sharing_rule(name).await?;
        caller.has_seen(format!("sharing rule {name}"), rule.version)?;
        let audit = vec![self.sharing_audit(caller, "sharing.delete", &rule).changing(Some(&rule), None)];
        let remove_sharing_rules = vec![rule.name];
        self.store.commit(ChangeSet { audit, remove_sharing_rules, ..ChangeSet::default() }).await?;
        Ok(())
    }

    pub(super) fn sharing_audit(&self, caller: &Caller, action: &str, rule: &SharingRule) -> AuditRecord {
        let record = self.audit(caller, action, format!("sharing rule {}", rule.name));
        AuditRecord { app: rule.app, ..record }
    }
}

/// What is not there is a problem of what was sent.
fn noted<T>(found: Result<T, ServiceError>, at: &str, problems: &mut Vec<Problem>) -> Result<Option<T>, ServiceError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(ServiceError::NotFound(why)) => {
            problems.push(Problem::new(at, why));
            Ok(None)
        }
        Err(other) => Err(other),
    }
}
