//! Finding users in the model: a look at everybody.

use super::Kept;
use crate::change::username_key;
use crate::cursor::{List, name_after, name_cursor, page_by};
use gatehouse_core::User;
use gatehouse_core::ports::{ListPage, StoreError, UserOrder, UserQuery};
use std::collections::BTreeMap;

impl Kept {
    pub fn find_users(&self, query: &UserQuery) -> Result<ListPage<User>, StoreError> {
        let wanted = self.users.values().filter(|user| is_wanted(query, user));
        if query.order == UserOrder::Username || query.username_prefix.is_some() {
            let after = name_after(query.after.as_deref())?;
            let named: BTreeMap<_, _> = wanted.map(|user| (username_key(&user.username), user.clone())).collect();
            let following = named.into_iter().filter(|(name, _)| after.as_ref().is_none_or(|after| name > after));
            return page_by(following.map(Ok), query.limit, |name: &String| name_cursor(name));
        }
        let after = List::FoundUsers.position(query.after.as_deref())?;
        let following = wanted.filter(|user| after.is_none_or(|after| user.id.0 > after));
        List::FoundUsers.page(following.map(|user| Ok((user.id.0, user.clone()))), query.limit)
    }
}

fn is_wanted(query: &UserQuery, user: &User) -> bool {
    let prefix = query.username_prefix.as_deref().map(username_key);
    query.profile.as_ref().is_none_or(|profile| user.profile.as_ref() == Some(profile))
        && query.permission_set.as_ref().is_none_or(|set| user.permission_sets.contains(set))
        && query.manager.is_none_or(|manager| user.manager == Some(manager))
        && query.active.is_none_or(|active| user.active == active)
        && query.frozen.is_none_or(|frozen| user.frozen == frozen)
        && prefix.is_none_or(|prefix| username_key(&user.username).starts_with(&prefix))
}
