//! Profiles: made, changed, deleted once nobody has them. What they give access to is said by apps.

use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place, named};
use crate::wire::{ByName, NewProfile, Page, ProfileChange, ProfileView};
use gatehouse_core::ports::{ChangeSet, Versioned};
use gatehouse_core::{AuditRecord, Permissions, Profile};

impl Services {
    /// What is wrong with naming this profile.
    pub(super) async fn profile_problem(&self, name: &str) -> Result<Option<String>, ServiceError> {
        if self.store.profile(name).await?.is_some() {
            return Ok(None);
        }
        let all = self.store.profiles().await?;
        Ok(Some(named::unknown("profile", "profile", name, all.iter().map(|profile| profile.name.as_str()))))
    }

    /// All profiles, by name.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_profiles(&self, paging: &Paging<ByName>) -> Result<Page<ProfileView>, ServiceError> {
        let all = self.store.profiles().await?.iter().map(ProfileView::from).collect();
        paging.cut(all, |profile: &ProfileView, _| Place::named(&profile.name))
    }

    /// One profile.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn find_profile(&self, name: &str) -> Result<Profile, ServiceError> {
        match self.store.profile(name).await? {
            Some(profile) => Ok(profile),
            None => Err(ServiceError::NotFound(self.profile_problem(name).await?.unwrap_or_default())),
        }
    }

    /// Makes a profile.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub async fn create_profile(&self, caller: &Caller, new: NewProfile) -> Result<Answer, ServiceError> {
        let name = named::checked(&new.name, "profile")?;
        if self.store.profile(&name).await?.is_some() {
            return Err(ServiceError::Conflict(format!("there is a profile `{name}` already")));
        }
        self.may_put_into(caller, &Permissions::new(), &new.permissions)?;
        let profile = Profile { name, description: new.description, permissions: new.permissions, version: 1 };
        let answer = Answer::created(
            format!("/api/v1/profiles/{}", named::segment(&profile.name)),
            1,
            &ProfileView::from(&profile),
        );
        let mut changes = ChangeSet {
            audit: vec![self.profile_audit(caller, "profile.create", (None, Some(&profile)))],
            profiles: vec![Versioned::new(profile)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Changes a profile.
    ///
    /// # Errors
    /// There is none of that name, or it has changed meanwhile.
    pub async fn change_profile(
        &self,
        caller: &Caller,
        name: &str,
        change: ProfileChange,
    ) -> Result<Answer, ServiceError> {
        let before = self.find_profile(name).await?;
        caller.has_seen(format!("profile `{name}`"), before.version)?;
        let mut profile = before.clone();
        profile.description = change.description.unwrap_or(profile.description);
        profile.permissions = change.permissions.unwrap_or(profile.permissions);
        self.may_put_into(caller, &before.permissions, &profile.permissions)?;
        if profile == before {
            return Ok(Answer::done(profile.version, &ProfileView::from(&profile)));
        }
        profile.version += 1;
        let answer = Answer::done(profile.version, &ProfileView::from(&profile));
        let mut changes = ChangeSet {
            audit: vec![self.profile_audit(caller, "profile.change", (Some(&before), Some(&profile)))],
            profiles: vec![Versioned::replacing(before.version, profile)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// Deletes a profile that no user has and no app is granted to.
    ///
    /// # Errors
    /// There is none of that name, or it is in use.
    pub async fn delete_profile(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        // So that nobody is given it meanwhile.
        let _alone = self.people.write().await;
        let profile = self.find_profile(name).await?;
        caller.has_seen(format!("profile `{name}`"), profile.version)?;
        if let Some(user) = self.store.users_of_profile(name, None, 1).await?.items.first() {
            let text = format!("profile `{name}` is in use: user `{}` has it, perhaps others", user.username);
            return Err(ServiceError::Conflict(text));
        }
        if let Some(app) = self.store.apps().await?.iter().find(|app| app.profiles.contains(name)) {
            let text = format!("profile `{name}` is in use: app `{}` is granted to it", app.name);
            return Err(ServiceError::Conflict(text));
        }
        let changes = ChangeSet {
            audit: vec![self.profile_audit(caller, "profile.delete", (Some(&profile), None))],
            remove_profiles: vec![profile.name],
            ..ChangeSet::default()
        };
        Ok(self.store.commit(changes).await?)
    }

    fn profile_audit(
        &self,
        caller: &Caller,
        action: &str,
        (before, after): (Option<&Profile>, Option<&Profile>),
    ) -> AuditRecord {
        let name = after.or(before).map_or("", |profile| &profile.name);
        self.audit(caller, action, format!("profile {name}")).changing(before, after)
    }
}
