//! Finding users in the model: a look at everybody.

use super::Kept;
use super::port::page;
use crate::change::username_key;
use crate::cursor::{List, name_after, name_cursor, page_by};
use gatehouse_core::User;
use gatehouse_core::ports::{Direction, ListPage, StoreError, UserOrder, UserQuery};
use std::collections::BTreeMap;

impl Kept {
    pub fn find_users(&self, query: &UserQuery) -> Result<ListPage<User>, StoreError> {
        let wanted = self.users.values().filter(|user| is_wanted(query, user));
        let (way, after) = (query.direction, query.after.as_deref());
        if query.order == UserOrder::Username || query.username_prefix.is_some() {
            let after = name_after(way, after)?;
            let named: BTreeMap<_, _> = wanted.map(|user| (username_key(&user.username), user.clone())).collect();
            let follows = |name: &String| match (&after, way) {
                (None, _) => true,
                (Some(after), Direction::Ascending) => name > after,
                (Some(after), Direction::Descending) => name < after,
            };
            let following = named.into_iter().filter(|(name, _)| follows(name)).map(Ok);
            let cursor = |name: &String| name_cursor(way, name);
            return match way {
                Direction::Ascending => page_by(following, query.limit, cursor),
                Direction::Descending => page_by(following.rev(), query.limit, cursor),
            };
        }
        page(List::FoundUsers, way, after, query.limit, wanted.map(|user| (user.id.0, user.clone())))
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
