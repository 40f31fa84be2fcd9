//! Users and profiles.

use super::follow::UserEvent;
use super::{Answer, Caller, Paging, ServiceError, Services};
use crate::wire::{NewProfile, NewUser, Page, ProfileView, UserChange, UserView};
use gatehouse_core::ports::{ChangeSet, Sequence, Versioned};
use gatehouse_core::{AuditRecord, Problem, Profile, User, UserId, nearest};

/// A flag of a user that has verbs of its own.
#[derive(Clone, Copy, Debug)]
pub enum Flag {
    /// May not sign in anywhere for the time being.
    Frozen(bool),
    /// Works here.
    Active(bool),
}

impl Flag {
    fn action(self) -> &'static str {
        match self {
            Self::Frozen(true) => "user.freeze",
            Self::Frozen(false) => "user.unfreeze",
            Self::Active(true) => "user.enable",
            Self::Active(false) => "user.disable",
        }
    }
}

impl Services {
    /// A user by username or number.
    ///
    /// # Errors
    /// There is none.
    pub async fn find_user(&self, named: &str) -> Result<User, ServiceError> {
        if let Some(user) = self.store.user_by_username(named).await? {
            return Ok(user);
        }
        let by_number = match named.parse::<UserId>() {
            Ok(id) if named.to_ascii_uppercase().starts_with("USR-") => self.store.user(id).await?,
            _ => None,
        };
        by_number.ok_or_else(|| {
            ServiceError::NotFound(format!("there is no user `{named}`; `gatehouse user list` shows all there are"))
        })
    }

    /// All users, or those of a profile.
    ///
    /// # Errors
    /// The cursor is none of this list.
    pub async fn list_users(&self, profile: Option<&str>, paging: &Paging) -> Result<Page<UserView>, ServiceError> {
        let (after, size) = (paging.after.as_deref(), paging.size()?);
        let page = match profile {
            Some(profile) => self.store.users_of_profile(profile, after, size).await?,
            None => self.store.users(after, size).await?,
        };
        let mut views = self.views();
        let mut items = Vec::with_capacity(page.items.len());
        for user in &page.items {
            items.push(views.user(user).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// Makes a user.
    ///
    /// # Errors
    /// The username is taken, the profile or manager unknown, a value malformed.
    pub async fn create_user(&self, caller: &Caller, new: NewUser) -> Result<Answer, ServiceError> {
        let change = UserChange {
            username: None,
            email: Some(new.email),
            first_name: Some(new.first_name),
            last_name: Some(new.last_name),
            manager: Some(new.manager),
            profile: Some(new.profile),
            active: new.active,
            attributes: new.attributes.into_iter().map(|(name, values)| (name, Some(values))).collect(),
        };
        if self.store.user_by_username(new.username.trim()).await?.is_some() {
            return Err(ServiceError::Conflict(format!(
                "there is a user `{}` already; change it with `gatehouse user change`",
                new.username.trim()
            )));
        }
        let mut user = self.blank_user(&new.username);
        self.change_in_place(&mut user, UserChange { username: Some(new.username), ..change }).await?;
        user.id = UserId(self.store.allocate(Sequence::User, 1));
        user.version = 1;
        let view = self.views().user(&user).await?;
        let answer = Answer::created(format!("/api/v1/users/{}", user.id), 1, &view);
        let mut changes = ChangeSet {
            audit: vec![self.user_audit(caller, "user.create", None, &user)],
            users: vec![Versioned::new(user.clone())],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        let event = UserEvent { before: None, after: user, reactivated: false };
        self.commit_events(caller, changes, &[event]).await?;
        Ok(answer)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// As for making one; or the user has changed meanwhile.
    pub async fn change_user(&self, caller: &Caller, named: &str, change: UserChange) -> Result<Answer, ServiceError> {
        let before = self.find_user(named).await?;
        caller.has_seen(format!("user {}", before.username), before.version)?;
        let mut user = before.clone();
        self.change_in_place(&mut user, change).await?;
        self.save_user(caller, "user.change", before, user).await
    }

    /// Sets a flag of a user. Accounts follow by requests.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn flag_user(&self, caller: &Caller, named: &str, flag: Flag) -> Result<Answer, ServiceError> {
        let before = self.find_user(named).await?;
        caller.has_seen(format!("user {}", before.username), before.version)?;
        let mut user = before.clone();
        match flag {
            Flag::Frozen(frozen) => user.frozen = frozen,
            Flag::Active(active) => user.active = active,
        }
        self.save_user(caller, flag.action(), before, user).await
    }

    async fn save_user(
        &self,
        caller: &Caller,
        action: &str,
        before: User,
        mut user: User,
    ) -> Result<Answer, ServiceError> {
        let reactivated = action == "user.reactivate";
        if user == before && !reactivated {
            return Ok(Answer::done(user.version, &self.views().user(&user).await?));
        }
        user.updated_at = self.now();
        user.version = before.version + 1;
        let answer = Answer::done(user.version, &self.views().user(&user).await?);
        let mut changes = ChangeSet {
            audit: vec![self.user_audit(caller, action, Some(&before), &user)],
            users: vec![Versioned::replacing(before.version, user.clone())],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        let event = UserEvent { before: Some(before), after: user, reactivated };
        self.commit_events(caller, changes, &[event]).await?;
        Ok(answer)
    }

    /// A record of a user who was made or changed.
    pub(super) fn user_audit(&self, caller: &Caller, action: &str, before: Option<&User>, after: &User) -> AuditRecord {
        let record = self.audit(caller, action, format!("user {}", after.username));
        record.about(after.id).changing(before, Some(after))
    }

    pub(super) fn blank_user(&self, username: &str) -> User {
        User {
            id: UserId(0),
            username: username.trim().to_owned(),
            email: None,
            first_name: None,
            last_name: None,
            manager: None,
            profile: None,
            permission_sets: Default::default(),
            active: true,
            frozen: false,
            attributes: Default::default(),
            version: 0,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    async fn change_in_place(&self, user: &mut User, change: UserChange) -> Result<(), ServiceError> {
        let mut problems = Vec::new();
        if let Some(Some(manager)) = &change.manager {
            match self.find_user(manager).await {
                Ok(found) if found.id == user.id && user.id.0 != 0 => {
                    problems.push(Problem::new("manager", "nobody manages themselves"));
                }
                Ok(found) => user.manager = Some(found.id),
                Err(ServiceError::NotFound(why)) => problems.push(Problem::new("manager", why)),
                Err(other) => return Err(other),
            }
        } else if change.manager.is_some() {
            user.manager = None;
        }
        if let Some(Some(profile)) = &change.profile {
            problems.extend(self.profile_problem(profile).await?.map(|why| Problem::new("profile", why)));
        }
        problems.extend(apply(user, change));
        ServiceError::unless_empty(problems)
    }

    /// What is wrong with naming this profile.
    pub(super) async fn profile_problem(&self, name: &str) -> Result<Option<String>, ServiceError> {
        if self.store.profile(name).await?.is_some() {
            return Ok(None);
        }
        let all = self.store.profiles().await?;
        let near = nearest(name, all.iter().map(|profile| profile.name.as_str()));
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("make it with `gatehouse profile create {name}`"),
        };
        Ok(Some(format!("there is no profile `{name}`; {hint}")))
    }

    /// What is wrong with naming this permission set.
    pub(super) async fn permission_set_problem(&self, name: &str) -> Result<Option<String>, ServiceError> {
        if self.store.permission_set(name).await?.is_some() {
            return Ok(None);
        }
        let all = self.store.permission_sets().await?;
        let near = nearest(name, all.iter().map(|set| set.name.as_str()));
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("make it with `gatehouse permission-set create {name}`"),
        };
        Ok(Some(format!("there is no permission set `{name}`; {hint}")))
    }

    /// All profiles.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_profiles(&self, paging: &Paging) -> Result<Page<ProfileView>, ServiceError> {
        let all = self.store.profiles().await?.iter().map(ProfileView::from).collect();
        paging.cut(all, |profile: &ProfileView| profile.name.clone())
    }

    /// One profile.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn show_profile(&self, name: &str) -> Result<ProfileView, ServiceError> {
        match self.store.profile(name).await? {
            Some(profile) => Ok(ProfileView::from(&profile)),
            None => Err(ServiceError::NotFound(self.profile_problem(name).await?.unwrap_or_default())),
        }
    }

    /// Makes a profile.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub async fn create_profile(&self, caller: &Caller, new: NewProfile) -> Result<Answer, ServiceError> {
        let name = new.name.trim().to_owned();
        if name.is_empty() || name.len() > 128 || name.chars().any(|c| c.is_control() || c == '/') {
            let why = "a profile's name has 1 to 128 characters, and no `/` among them";
            return Err(ServiceError::invalid("name", why));
        }
        if self.store.profile(&name).await?.is_some() {
            return Err(ServiceError::Conflict(format!("there is a profile `{name}` already")));
        }
        let profile = Profile { name, description: new.description, permissions: Default::default(), version: 1 };
        let answer = Answer::created(format!("/api/v1/profiles/{}", profile.name), 1, &ProfileView::from(&profile));
        let mut changes = ChangeSet {
            audit: vec![
                self.audit(caller, "profile.create", format!("profile {}", profile.name))
                    .changing(None, Some(&profile)),
            ],
            profiles: vec![Versioned::new(profile)],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }
}

/// Applies everything of a change that needs no look-up; profile and manager have been looked at.
pub(super) fn apply(user: &mut User, change: UserChange) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(username) = change.username {
        let username = username.trim().to_owned();
        problems.extend(username_problem(&username).map(|why| Problem::new("username", why)));
        user.username = username;
    }
    if let Some(email) = change.email {
        let email = filled(email);
        if let Some(text) = email.as_deref().filter(|text| !is_address(text)) {
            problems.push(Problem::new("email", format!("`{text}` is no mail address")));
        }
        user.email = email;
    }
    if let Some(name) = change.first_name {
        user.first_name = filled(name);
    }
    if let Some(name) = change.last_name {
        user.last_name = filled(name);
    }
    if let Some(profile) = change.profile {
        user.profile = filled(profile);
    }
    user.active = change.active.unwrap_or(user.active);
    for (name, values) in change.attributes {
        if let Err(why) = free_name(&name) {
            problems.push(Problem::new(format!("attributes.{name}"), why));
        }
        match values.map(|values| values.into_iter().filter(|v| !v.trim().is_empty()).collect::<Vec<_>>()) {
            Some(values) if !values.is_empty() => drop(user.attributes.insert(name, values)),
            _ => drop(user.attributes.remove(&name)),
        }
    }
    problems
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn username_problem(name: &str) -> Option<String> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.len() > 256 || name.chars().any(bad) {
        return Some(format!("`{name}` is no username: at most 256 characters, no white space and no `/`"));
    }
    let numbered = name.to_ascii_uppercase().starts_with("USR-") && name.parse::<UserId>().is_ok();
    numbered.then(|| format!("`{name}` looks like a user's number"))
}

/// Only what would certainly be wrong is refused: the target knows what it takes.
fn is_address(text: &str) -> bool {
    let parts: Vec<_> = text.split('@').collect();
    parts.len() == 2 && parts.iter().all(|part| !part.is_empty()) && !text.chars().any(char::is_whitespace)
}

/// The user's own fields, which no free attribute may be named like.
const OWN: [&str; 11] = [
    "id",
    "username",
    "email",
    "first_name",
    "last_name",
    "manager",
    "profile",
    "permission_sets",
    "active",
    "frozen",
    "version",
];

fn free_name(name: &str) -> Result<(), String> {
    if OWN.contains(&name) {
        return Err(format!("`{name}` is a field of every user, not a free attribute"));
    }
    if gatehouse_core::schema::is_attribute_name(name) {
        Ok(())
    } else {
        Err("an attribute's name is a letter, then letters, digits, `.`, `_`, `-` or `:`".to_owned())
    }
}
