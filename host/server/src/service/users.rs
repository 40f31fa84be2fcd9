//! Users: made, changed, listed by what they are. What follows for accounts is decided by the core.

use super::erase::not_erased;
use super::follow::UserEvent;
use super::{Answer, Caller, Paging, ServiceError, Services};
use crate::wire::{ByIdOrUsername, NewUser, Page, Sort, SortKey, UserChange, UserView};
use gatehouse_core::access::Action;
use gatehouse_core::ports::{ChangeSet, Direction, Sequence, UserOrder, UserQuery, Versioned};
use gatehouse_core::{AuditRecord, Problem, User, UserAttribute, UserId, canonicalise};
use gatehouse_policy::Resource;

/// A flag of a user that has verbs of its own.
#[derive(Clone, Copy, Debug)]
pub enum Flag {
    /// May not sign in anywhere for the time being.
    Frozen(bool),
    /// Works here.
    Active(bool),
    /// Works here again, and has everything that a user of the directory gives an account.
    Reactivated,
}

/// Which users. Filters that are none let everything through.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Of this profile.
    pub profile: Option<String>,
    /// Who have this permission set.
    pub permission_set: Option<String>,
    /// Who report to this user: username or number.
    pub manager: Option<String>,
    /// Who work here, or do not.
    pub active: Option<bool>,
    /// Who are frozen, or are not.
    pub frozen: Option<bool>,
    /// Whose username begins so.
    pub username_prefix: Option<String>,
}

impl UserFilter {
    /// The order asked for: by number, and by username where a prefix is.
    fn order(&self, asked: Option<Sort<ByIdOrUsername>>) -> Result<(UserOrder, Direction), ServiceError> {
        let others = [&self.profile, &self.permission_set, &self.manager].iter().any(|filter| filter.is_some());
        let filtered = others || self.active.is_some() || self.frozen.is_some();
        let direction = asked.unwrap_or(ByIdOrUsername::USUAL).direction;
        let order = match (asked.map(|sort| sort.key), &self.username_prefix) {
            (None | Some(ByIdOrUsername::Username), Some(_)) => UserOrder::Username,
            (None | Some(ByIdOrUsername::Id), None) => UserOrder::Number,
            (Some(ByIdOrUsername::Username), None) if !filtered => UserOrder::Username,
            (Some(ByIdOrUsername::Username), None) => {
                let why = "a list with these filters comes by `id` or `-id`; with the beginning of a username besides \
                           (`username_prefix`, `--prefix`) it comes by `username` or `-username`";
                return Err(ServiceError::invalid("sort", why));
            }
            (Some(ByIdOrUsername::Id), Some(_)) => {
                let why = "the users of a prefix come by `username` or `-username`";
                return Err(ServiceError::invalid("sort", why));
            }
        };
        Ok((order, direction))
    }
}

impl Flag {
    fn action(self) -> &'static str {
        match self {
            Self::Frozen(true) => "user.freeze",
            Self::Frozen(false) => "user.unfreeze",
            Self::Active(true) => "user.enable",
            Self::Active(false) => "user.disable",
            Self::Reactivated => "user.reactivate",
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
        by_number.ok_or_else(|| no_such_user(named))
    }

    /// A user, if the caller may see them. Whom they may not see is not there.
    ///
    /// # Errors
    /// There is none, for them.
    pub async fn see_user(&self, caller: &Caller, named: &str) -> Result<User, ServiceError> {
        let user = self.find_user(named).await?;
        if caller.may(Action::ReadUser, &Resource::User(user.id)) { Ok(user) } else { Err(no_such_user(named)) }
    }

    /// Users by what they are; of whoever may see nobody else, themselves, whatever was asked for.
    ///
    /// # Errors
    /// The cursor is none of this list, the manager nobody, the order none that the filters have.
    pub async fn list_users(
        &self,
        caller: &Caller,
        filter: &UserFilter,
        paging: &Paging<ByIdOrUsername>,
    ) -> Result<Page<UserView>, ServiceError> {
        if let Some(me) = caller.principal.user().filter(|_| !caller.may(Action::ReadUser, &Resource::Any)) {
            paging.size()?;
            let me = self.store.user(me).await?.filter(|_| paging.after.is_none());
            let mut items = Vec::new();
            if let Some(me) = &me {
                items.push(self.views().user(me).await?);
            }
            return Ok(Page { items, next: None });
        }
        let manager = match &filter.manager {
            Some(named) => Some(self.find_user(named).await?.id),
            None => None,
        };
        let (order, direction) = filter.order(paging.sort)?;
        let query = UserQuery {
            profile: filter.profile.clone(),
            permission_set: filter.permission_set.clone(),
            manager,
            active: filter.active,
            frozen: filter.frozen,
            username_prefix: filter.username_prefix.clone(),
            order,
            direction,
            after: paging.after.clone(),
            limit: paging.size()?,
        };
        let page = self.store.find_users(&query).await?;
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
        let _people = self.people.read().await;
        let change = UserChange {
            username: None,
            email: Some(new.email),
            first_name: Some(new.first_name),
            last_name: Some(new.last_name),
            manager: Some(new.manager),
            profile: Some(new.profile),
            permission_sets: Some(new.permission_sets),
            active: new.active,
            frozen: new.frozen,
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
        self.may_give(caller, None, &user).await?;
        user.id = UserId(self.store.allocate(Sequence::User, 1));
        user.version = 1;
        let view = self.views().user(&user).await?;
        let answer = Answer::created(format!("/api/v1/users/{}", user.id), 1, &view);
        let definitions = self.store.user_attributes().await?;
        let mut changes = ChangeSet {
            audit: vec![self.user_audit(caller, "user.create", (None, &user), &definitions)],
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
        let _people = self.people.read().await;
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
            Flag::Reactivated => user.active = true,
        }
        self.save_user(caller, flag.action(), before, user).await
    }

    pub(super) async fn save_user(
        &self,
        caller: &Caller,
        action: &str,
        before: User,
        mut user: User,
    ) -> Result<Answer, ServiceError> {
        not_erased(&before)?;
        self.may_give(caller, Some(&before), &user).await?;
        let reactivated = action == "user.reactivate";
        if user == before && !reactivated {
            return Ok(Answer::done(user.version, &self.views().user(&user).await?));
        }
        user.updated_at = self.now();
        user.version = before.version + 1;
        let answer = Answer::done(user.version, &self.views().user(&user).await?);
        let definitions = self.store.user_attributes().await?;
        let mut changes = ChangeSet {
            audit: vec![self.user_audit(caller, action, (Some(&before), &user), &definitions)],
            users: vec![Versioned::replacing(before.version, user.clone())],
            ..ChangeSet::default()
        };
        caller.remember(&mut changes, &answer);
        let event = UserEvent { before: Some(before), after: user, reactivated };
        self.commit_events(caller, changes, &[event]).await?;
        Ok(answer)
    }

    /// A record of a user who was made or changed.
    pub(super) fn user_audit(
        &self,
        caller: &Caller,
        action: &str,
        (before, after): (Option<&User>, &User),
        definitions: &[UserAttribute],
    ) -> AuditRecord {
        let record = self.audit(caller, action, format!("user {}", after.username));
        // What nobody has said anything about may be anything.
        let harmless = |name: &str| definitions.iter().any(|of| !of.sensitive && of.name == name);
        let sensitive = |field: &str| field.strip_prefix("attributes.").is_some_and(|name| !harmless(name));
        record.about(after.id).changing(before, Some(after)).masking(sensitive)
    }

    pub(super) fn blank_user(&self, username: &str) -> User {
        User {
            id: UserId(0),
            username: username.trim().to_owned(),
            email: None,
            first_name: None,
            last_name: None,
            manager: None,
            manager_username: None,
            erased_at: None,
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
            match self.person_there(manager, "manager", &mut problems).await? {
                Some(found) if found.id == user.id && user.id.0 != 0 => {
                    problems.push(Problem::new("manager", "nobody manages themselves"));
                }
                Some(found) => user.manager = Some(found.id),
                None => {}
            }
        } else if change.manager.is_some() {
            user.manager = None;
        }
        if let Some(Some(profile)) = &change.profile {
            problems.extend(self.profile_problem(profile).await?.map(|why| Problem::new("profile", why)));
        }
        for set in change.permission_sets.iter().flatten() {
            problems.extend(self.permission_set_problem(set).await?.map(|why| Problem::new("permission_sets", why)));
        }
        problems.extend(apply(user, change, &self.store.user_attributes().await?));
        ServiceError::unless_empty(problems)
    }
}

fn no_such_user(named: &str) -> ServiceError {
    ServiceError::NotFound(format!("there is no user `{named}`; `gatehouse user list` shows all there are"))
}

/// Applies everything of a change that needs no look-up; profile, permission sets and manager have been looked at.
pub(super) fn apply(user: &mut User, change: UserChange, definitions: &[UserAttribute]) -> Vec<Problem> {
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
    if let Some(sets) = change.permission_sets {
        user.permission_sets = sets;
    }
    user.active = change.active.unwrap_or(user.active);
    user.frozen = change.frozen.unwrap_or(user.frozen);
    for (name, values) in change.attributes {
        if let Err(why) = free_name(&name) {
            problems.push(Problem::new(format!("attributes.{name}"), why));
        }
        match values.map(|values| values.into_iter().filter(|v| !v.trim().is_empty()).collect::<Vec<_>>()) {
            Some(values) if !values.is_empty() => drop(user.attributes.insert(name, values)),
            _ => drop(user.attributes.remove(&name)),
        }
    }
    problems.extend(canonicalise(definitions, &mut user.attributes));
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
    if name.to_ascii_lowercase().strip_prefix("erased-").is_some_and(|no| no.parse::<u64>().is_ok()) {
        return Some(format!("`{name}` is what an erased user is called"));
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

pub(super) fn free_name(name: &str) -> Result<(), String> {
    if OWN.contains(&name) {
        return Err(format!("`{name}` is a field of every user, not a free attribute"));
    }
    if gatehouse_core::schema::is_attribute_name(name) {
        Ok(())
    } else {
        Err("an attribute's name is a letter, then letters, digits, `.`, `_`, `-` or `:`".to_owned())
    }
}
