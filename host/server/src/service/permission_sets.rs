//! Permission sets: made, changed, given to users and taken from them, deleted once nobody has them. What they give
//! access to is said by apps.

use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place, named};
use crate::wire::{ByName, NewPermissionSet, Page, PermissionSetChange, PermissionSetView};
use gatehouse_core::ports::{ChangeSet, Versioned};
use gatehouse_core::{AuditRecord, PermissionSet, Permissions};
use std::collections::BTreeSet;

impl Services {
    /// What is wrong with naming this permission set.
    pub(super) async fn permission_set_problem(&self, name: &str) -> Result<Option<String>, ServiceError> {
        if self.store.permission_set(name).await?.is_some() {
            return Ok(None);
        }
        let all = self.store.permission_sets().await?;
        Ok(Some(named::unknown("permission set", "permission-set", name, all.iter().map(|set| set.name.as_str()))))
    }

    /// All permission sets, by name.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_permission_sets(&self, paging: &Paging<ByName>) -> Result<Page<PermissionSetView>, ServiceError> {
        let all = self.store.permission_sets().await?.iter().map(PermissionSetView::from).collect();
        paging.cut(all, |set: &PermissionSetView, _| Place::named(&set.name))
    }

    /// One permission set.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn find_permission_set(&self, name: &str) -> Result<PermissionSet, ServiceError> {
        match self.store.permission_set(name).await? {
            Some(set) => Ok(set),
            None => Err(ServiceError::NotFound(self.permission_set_problem(name).await?.unwrap_or_default())),
        }
    }

    /// Makes a permission set.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub async fn create_permission_set(&self, caller: &Caller, new: NewPermissionSet) -> Result<Answer, ServiceError> {
        let name = named::checked(&new.name, "permission set")?;
        if self.store.permission_set(&name).await?.is_some() {
            return Err(ServiceError::Conflict(format!("there is a permission set `{name}` already")));
        }
        self.may_put_into(caller, &Permissions::new(), &new.permissions)?;
        let set = PermissionSet { name, description: new.description, permissions: new.permissions, version: 1 };
        let answer = Answer::created(
            format!("/api/v1/permission-sets/{}", named::segment(&set.name)),
            1,
            &PermissionSetView::from(&set),
        );
        let mut changes = ChangeSet {
            audit: vec![self.set_audit(caller, "permission_set.create", (None, Some(&set)))],
            permission_sets: vec![Versioned::new(set)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Changes a permission set.
    ///
    /// # Errors
    /// There is none of that name, or it has changed meanwhile.
    pub async fn change_permission_set(
        &self,
        caller: &Caller,
        name: &str,
        change: PermissionSetChange,
    ) -> Result<Answer, ServiceError> {
        let before = self.find_permission_set(name).await?;
        caller.has_seen(format!("permission set `{name}`"), before.version)?;
        let mut set = before.clone();
        set.description = change.description.unwrap_or(set.description);
        set.permissions = change.permissions.unwrap_or(set.permissions);
        self.may_put_into(caller, &before.permissions, &set.permissions)?;
        if set == before {
            return Ok(Answer::done(set.version, &PermissionSetView::from(&set)));
        }
        set.version += 1;
        let answer = Answer::done(set.version, &PermissionSetView::from(&set));
        let mut changes = ChangeSet {
            audit: vec![self.set_audit(caller, "permission_set.change", (Some(&before), Some(&set)))],
            permission_sets: vec![Versioned::replacing(before.version, set)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Deletes a permission set that no user has and no app is granted to.
    ///
    /// # Errors
    /// There is none of that name, or it is in use.
    pub async fn delete_permission_set(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        // So that nobody is given it meanwhile.
        let _alone = self.people.write().await;
        let set = self.find_permission_set(name).await?;
        caller.has_seen(format!("permission set `{name}`"), set.version)?;
        if let Some(user) = self.store.users_of_permission_set(name, None, 1).await?.items.first() {
            let text = format!("permission set `{name}` is in use: user `{}` has it, perhaps others", user.username);
            return Err(ServiceError::Conflict(text));
        }
        if let Some(app) = self.store.apps().await?.iter().find(|app| app.permission_sets.contains(name)) {
            let text = format!("permission set `{name}` is in use: app `{}` is granted to it", app.name);
            return Err(ServiceError::Conflict(text));
        }
        let changes = ChangeSet {
            audit: vec![self.set_audit(caller, "permission_set.delete", (Some(&set), None))],
            remove_permission_sets: vec![set.name],
            ..ChangeSet::default()
        };
        Ok(self.store.commit(changes).await?)
    }

    fn set_audit(
        &self,
        caller: &Caller,
        action: &str,
        (before, after): (Option<&PermissionSet>, Option<&PermissionSet>),
    ) -> AuditRecord {
        let name = after.or(before).map_or("", |set| &set.name);
        self.audit(caller, action, format!("permission set {name}")).changing(before, after)
    }

    /// Gives a user a permission set. Accounts follow by requests.
    ///
    /// # Errors
    /// There is no such user or permission set, or the user has changed meanwhile.
    pub async fn assign_permission_set(&self, caller: &Caller, named: &str, set: &str) -> Result<Answer, ServiceError> {
        let _people = self.people.read().await;
        let set = self.find_permission_set(set).await?;
        self.change_sets(caller, named, "user.assign", |sets| {
            sets.insert(set.name);
        })
        .await
    }

    /// Takes a permission set from a user. Accounts follow by requests.
    ///
    /// # Errors
    /// There is no such user or permission set, or the user has changed meanwhile.
    pub async fn unassign_permission_set(
        &self,
        caller: &Caller,
        named: &str,
        set: &str,
    ) -> Result<Answer, ServiceError> {
        let set = self.find_permission_set(set).await?;
        self.change_sets(caller, named, "user.unassign", |sets| {
            sets.remove(&set.name);
        })
        .await
    }

    async fn change_sets(
        &self,
        caller: &Caller,
        named: &str,
        action: &str,
        change: impl FnOnce(&mut BTreeSet<String>),
    ) -> Result<Answer, ServiceError> {
        let before = self.find_user(named).await?;
        caller.has_seen(format!("user {}", before.username), before.version)?;
        let mut user = before.clone();
        change(&mut user.permission_sets);
        self.save_user(caller, action, before, user).await
    }
}
