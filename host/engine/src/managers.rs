//! Looks up the usernames of users' managers, for mappings and scopes that ask for them. A user is loaded without it:
//! few apps do, and what is stored of a user names the manager by number.

use gatehouse_core::mapping::uses_manager;
use gatehouse_core::ports::{Store, StoreError};
use gatehouse_core::{ProvisioningConfig, User};
use std::collections::{BTreeMap, BTreeSet};

/// Fills in the managers' usernames of these users, if the configuration asks for any. A manager who is not there any
/// more stays without a name, so that what asks for it fails rather than clear it. Who is named already stays so
/// ([`name_managers_among`]).
///
/// # Errors
/// The store is unavailable.
pub async fn name_managers<'a>(
    store: &dyn Store,
    config: &ProvisioningConfig,
    users: impl IntoIterator<Item = &'a mut User>,
) -> Result<(), StoreError> {
    if !uses_manager(config) {
        return Ok(());
    }
    let unnamed = |user: &&mut User| user.manager.is_some() && user.manager_username.is_none();
    let users: Vec<&mut User> = users.into_iter().filter(unnamed).collect();
    let mut wanted: Vec<_> = users.iter().filter_map(|user| user.manager).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found = store.users_by_id(&wanted).await?;
    let names: BTreeMap<_, _> = found.into_iter().flatten().map(|manager| (manager.id, manager.username)).collect();
    for user in users {
        user.manager_username = user.manager.and_then(|manager| names.get(&manager)).cloned();
    }
    Ok(())
}

/// Fills in the managers' usernames of users who are written in one commit, as far as those managers are written with
/// them: no store has them yet. What follows from the commit is planned before it is made.
pub fn name_managers_among(users: &mut [User]) {
    let managers: BTreeSet<_> = users.iter().filter_map(|user| user.manager).collect();
    let among = users.iter().filter(|user| managers.contains(&user.id));
    let names: BTreeMap<_, _> = among.map(|user| (user.id, user.username.clone())).collect();
    for user in users {
        user.manager_username = user.manager.and_then(|manager| names.get(&manager)).cloned();
    }
}
