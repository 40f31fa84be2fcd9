//! Who is asked to approve, looked up in the directory: the people of a rule when a request is opened, and a voter when
//! they vote. Whom that makes an approver, and what a vote counts, is for the core to say.

use gatehouse_core::approval::{Approvers, Chain, Found, OnDeadline, Person, StepRule, Voter, resolve};
use gatehouse_core::ports::{ListPage, Store, StoreError};
use gatehouse_core::{Actor, App, Operation, Subject, SystemPermission, User, UserId};
use std::collections::BTreeSet;

/// Users asked for at a time.
const PAGE: usize = 500;

/// The chain of approvals that an operation takes; none: nobody has to agree.
///
/// # Errors
/// The store is unavailable.
pub async fn chain_for(
    store: &dyn Store,
    app: &App,
    operation: Operation,
    subject: Subject,
    requested_by: Option<UserId>,
) -> Result<Option<Chain>, StoreError> {
    let user = match subject {
        Subject::User(id) => store.user(id).await?,
        Subject::Account(_) | Subject::App => None,
    };
    chain_of(store, &app.config.approval_steps(operation), user.as_ref(), requested_by).await
}

/// As [`chain_for`], for steps that are known already, about a user as they are or are about to be.
///
/// # Errors
/// The store is unavailable.
pub async fn chain_of(
    store: &dyn Store,
    rules: &[StepRule],
    user: Option<&User>,
    requested_by: Option<UserId>,
) -> Result<Option<Chain>, StoreError> {
    if rules.is_empty() {
        return Ok(None);
    }
    let mut found: Vec<(Approvers, Found)> = Vec::new();
    for rule in rules {
        let escalated = match &rule.on_deadline {
            OnDeadline::Escalate(to) => Some(&to.to),
            OnDeadline::Deny => None,
        };
        for approvers in [&rule.approvers].into_iter().chain(escalated) {
            if !found.iter().any(|(known, _)| known == approvers) {
                found.push((approvers.clone(), find(store, approvers, user).await?));
            }
        }
    }
    let barred = requested_by.into_iter().chain(user.map(|user| user.id)).collect();
    let fallback = holders(store, &[SystemPermission::ManageUsers]).await?;
    let of = |approvers: &Approvers| {
        found.iter().find(|(known, _)| known == approvers).map(|(_, found)| found.clone()).unwrap_or_default()
    };
    Ok(resolve(rules, of, &barred, &fallback))
}

async fn find(store: &dyn Store, approvers: &Approvers, user: Option<&User>) -> Result<Found, StoreError> {
    let (people, why): (BTreeSet<UserId>, String) = match approvers {
        Approvers::Manager => match user {
            None => (BTreeSet::new(), "it is about no user, so there is no manager".to_owned()),
            Some(User { username, manager: None, .. }) => (BTreeSet::new(), format!("`{username}` has no manager")),
            Some(User { username, manager: Some(manager), .. }) => {
                let why = format!("the manager of `{username}` is deactivated or frozen");
                (in_office(store, [*manager].into()).await?, why)
            }
        },
        Approvers::Users(users) => {
            (in_office(store, users.clone()).await?, "all of them are deactivated or frozen".to_owned())
        }
        Approvers::Group(name) => match store.group(name).await? {
            None => (BTreeSet::new(), "there is no such group any more".to_owned()),
            Some(group) if group.members.is_empty() => (BTreeSet::new(), "it is empty".to_owned()),
            Some(group) => {
                (in_office(store, group.members).await?, "all its members are deactivated or frozen".to_owned())
            }
        },
        Approvers::Permission(permission) => {
            (holders(store, &[*permission]).await?, "nobody has that permission".to_owned())
        }
        Approvers::RequestManagers => {
            let needed = [SystemPermission::ViewSetup, SystemPermission::ManageUsers];
            (holders(store, &needed).await?, "nobody has the permissions for that".to_owned())
        }
    };
    let why_nobody = people.is_empty().then_some(why);
    Ok(Found { people, why_nobody })
}

/// Those of these users who are active, and not frozen.
async fn in_office(store: &dyn Store, users: BTreeSet<UserId>) -> Result<BTreeSet<UserId>, StoreError> {
    let ids: Vec<UserId> = users.into_iter().collect();
    let found = store.users_by_id(&ids).await?;
    Ok(found.into_iter().flatten().filter(is_in_office).map(|user| user.id).collect())
}

fn is_in_office(user: &User) -> bool {
    user.active && !user.frozen
}

/// Whoever is in office and has all of these permissions, by profile or permission set.
async fn holders(store: &dyn Store, needed: &[SystemPermission]) -> Result<BTreeSet<UserId>, StoreError> {
    let mut holders: Option<BTreeSet<UserId>> = None;
    for permission in needed {
        let having = having(store, *permission).await?;
        holders = Some(match holders {
            Some(so_far) => so_far.intersection(&having).copied().collect(),
            None => having,
        });
    }
    Ok(holders.unwrap_or_default())
}

async fn having(store: &dyn Store, permission: SystemPermission) -> Result<BTreeSet<UserId>, StoreError> {
    let mut having = BTreeSet::new();
    let profiles = store.profiles().await?;
    for profile in profiles.iter().filter(|profile| profile.permissions.contains(&permission)) {
        let mut after: Option<String> = None;
        while let Some(next) = add(&mut having, store.users_of_profile(&profile.name, after.as_deref(), PAGE).await?) {
            after = Some(next);
        }
    }
    let sets = store.permission_sets().await?;
    for set in sets.iter().filter(|set| set.permissions.contains(&permission)) {
        let mut after: Option<String> = None;
        while let Some(next) = add(&mut having, store.users_of_permission_set(&set.name, after.as_deref(), PAGE).await?)
        {
            after = Some(next);
        }
    }
    Ok(having)
}

fn add(to: &mut BTreeSet<UserId>, page: ListPage<User>) -> Option<String> {
    to.extend(page.items.iter().filter(|user| is_in_office(user)).map(|user| user.id));
    page.next
}

/// Somebody who votes, as they are at present, with all delegations to them.
///
/// # Errors
/// The store is unavailable.
pub async fn voter(store: &dyn Store, by: Actor, user: Option<UserId>) -> Result<Voter, StoreError> {
    let Some(id) = user else { return Ok(Voter::installation(by)) };
    let person = person(store, id).await?;
    let mut delegations = Vec::new();
    for delegation in store.delegations_to(id).await? {
        let from = self::person(store, delegation.user).await?;
        delegations.push((delegation, from));
    }
    Ok(Voter { by, person: Some(person), delegations, shared: false })
}

async fn person(store: &dyn Store, id: UserId) -> Result<Person, StoreError> {
    let Some(user) = store.user(id).await? else {
        return Ok(Person { id, name: id.to_string(), in_office: false, permissions: BTreeSet::new() });
    };
    let mut permissions = BTreeSet::new();
    if let Some(profile) = &user.profile {
        permissions.extend(store.profile(profile).await?.into_iter().flat_map(|profile| profile.permissions));
    }
    for set in &user.permission_sets {
        permissions.extend(store.permission_set(set).await?.into_iter().flat_map(|set| set.permissions));
    }
    Ok(Person { id, in_office: is_in_office(&user), name: format!("`{}`", user.username), permissions })
}
