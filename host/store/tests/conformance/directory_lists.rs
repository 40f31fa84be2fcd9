//! Lists of the directory: users, what they may be, groups.

use crate::common::*;
use gatehouse_core::ports::{ChangeSet, Store, StoreError, UserOrder, UserQuery, Versioned};
use gatehouse_core::{User, UserId};

conformance! {
    users_come_by_number_in_pages,
    users_of_a_profile_follow_it,
    users_of_a_permission_set_follow_it,
    users_are_found_by_every_combination_in_both_orders,
    found_users_follow_every_change,
    definitions_of_attributes_come_by_name,
    groups_are_found_by_who_belongs_to_them,
}

async fn users_come_by_number_in_pages(store: &dyn Store) {
    add_users(store, [5, 1, 3, 2, 4].map(|id| user(id, &format!("u{id}")))).await;
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = store.users(after.as_deref(), 2).await.unwrap();
        pages.push(page.items.iter().map(|user| user.id.0).collect::<Vec<_>>());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![1, 2], vec![3, 4], vec![5]]);
    assert_eq!(store.users(None, 5).await.unwrap().next, None, "a full last page has no next");
    assert_eq!(store.users(None, 0).await.unwrap().items.len(), 1, "a page is never empty while there is more");
}

async fn users_of_a_profile_follow_it(store: &dyn Store) {
    let of = |id, profile: Option<&str>| User { profile: profile.map(str::to_owned), ..user(id, &format!("u{id}")) };
    add_users(store, [of(1, Some("staff")), of(2, Some("staff")), of(3, None), of(4, Some("staff2"))]).await;
    let moved = vec![gatehouse_core::ports::Versioned::replacing(1, of(1, Some("staff2")))];
    store.commit(ChangeSet { users: moved, ..ChangeSet::default() }).await.unwrap();
    let ids = |page: gatehouse_core::ports::ListPage<User>| page.items.iter().map(|u| u.id.0).collect::<Vec<_>>();
    assert_eq!(ids(store.users_of_profile("staff", None, 9).await.unwrap()), [2]);
    let first = store.users_of_profile("staff2", None, 1).await.unwrap();
    let second = store.users_of_profile("staff2", first.next.as_deref(), 1).await.unwrap();
    assert_eq!((ids(first), second.next.clone(), ids(second)), (vec![1], None, vec![4]));
    assert_eq!(ids(store.users_of_profile("nobody", None, 9).await.unwrap()), [0_u64; 0]);
}

async fn users_of_a_permission_set_follow_it(store: &dyn Store) {
    let of = |id, sets: &[&str]| User {
        permission_sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ..user(id, &format!("u{id}"))
    };
    add_users(store, [of(1, &["a", "b"]), of(2, &["a"]), of(3, &[]), of(4, &["ab"])]).await;
    let moved = vec![gatehouse_core::ports::Versioned::replacing(1, of(1, &["b", "c"]))];
    store.commit(ChangeSet { users: moved, ..ChangeSet::default() }).await.unwrap();
    let ids = |page: gatehouse_core::ports::ListPage<User>| page.items.iter().map(|u| u.id.0).collect::<Vec<_>>();
    for (set, expected) in [("a", vec![2]), ("b", vec![1]), ("c", vec![1]), ("ab", vec![4]), ("d", vec![])] {
        assert_eq!(ids(store.users_of_permission_set(set, None, 9).await.unwrap()), expected, "{set}");
    }
    let also = vec![gatehouse_core::ports::Versioned::replacing(1, of(3, &["a"]))];
    store.commit(ChangeSet { users: also, ..ChangeSet::default() }).await.unwrap();
    let first = store.users_of_permission_set("a", None, 1).await.unwrap();
    let second = store.users_of_permission_set("a", first.next.as_deref(), 1).await.unwrap();
    assert_eq!((ids(first), second.next.clone(), ids(second)), (vec![2], None, vec![3]));
}

/// Everything that a query finds, page by page.
async fn found(store: &dyn Store, query: &UserQuery) -> Vec<u64> {
    let (mut query, mut ids) = (query.clone(), Vec::new());
    loop {
        let page = store.find_users(&query).await.unwrap();
        assert!(page.items.len() <= query.limit && (page.next.is_none() || !page.items.is_empty()), "{query:?}");
        ids.extend(page.items.iter().map(|user| user.id.0));
        query.after = page.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

fn many_users() -> Vec<User> {
    let named = |id: u64| format!("{}{:02}", ["Ann", "bob", "anna", "Zoë", "ANNE"][(id % 5) as usize], 60 - id);
    let of = |id: u64| User {
        profile: (!id.is_multiple_of(3)).then(|| ["staff", "guests"][(id % 2) as usize].to_owned()),
        permission_sets: (id.is_multiple_of(2)).then(|| "vpn".to_owned()).into_iter().collect(),
        manager: (id > 4).then_some(UserId(1 + id % 4)),
        active: !id.is_multiple_of(7),
        frozen: id.is_multiple_of(5),
        ..user(id, &named(id))
    };
    (1..=60).map(of).collect()
}

async fn users_are_found_by_every_combination_in_both_orders(store: &dyn Store) {
    let all = many_users();
    add_users(store, all.clone()).await;
    let truths = [None, Some(true), Some(false)];
    let texts = |texts: [Option<&str>; 3]| texts.map(|text| text.map(str::to_owned));
    for (profile, permission_set) in texts([None, Some("staff"), Some("nobody")])
        .iter()
        .flat_map(|profile| texts([None, Some("vpn"), None]).map(|set| (profile.clone(), set)))
    {
        for (manager, active) in
            [None, Some(UserId(2))].into_iter().flat_map(|m| truths.into_iter().map(move |a| (m, a)))
        {
            for (frozen, username_prefix) in
                truths.into_iter().flat_map(|f| texts([None, Some("aNn"), Some("zoË4")]).map(|p| (f, p)))
            {
                for order in [UserOrder::Number, UserOrder::Username] {
                    let (profile, permission_set, username_prefix) =
                        (profile.clone(), permission_set.clone(), username_prefix.clone());
                    let query = UserQuery {
                        profile,
                        permission_set,
                        manager,
                        active,
                        frozen,
                        username_prefix,
                        order,
                        limit: 4,
                        ..UserQuery::default()
                    };
                    assert_eq!(found(store, &query).await, wanted(&all, &query), "{query:?}");
                }
            }
        }
    }
}

fn wanted(all: &[User], query: &UserQuery) -> Vec<u64> {
    let prefix = query.username_prefix.as_ref().map(|prefix| prefix.to_lowercase());
    let matching = all.iter().filter(|user| {
        query.profile.as_ref().is_none_or(|x| user.profile.as_ref() == Some(x))
            && query.permission_set.as_ref().is_none_or(|x| user.permission_sets.contains(x))
            && query.manager.is_none_or(|x| user.manager == Some(x))
            && query.active.is_none_or(|x| user.active == x)
            && query.frozen.is_none_or(|x| user.frozen == x)
            && prefix.as_ref().is_none_or(|x| user.username.to_lowercase().starts_with(x))
    });
    let mut matching: Vec<&User> = matching.collect();
    if prefix.is_some() || query.order == UserOrder::Username {
        matching.sort_by_key(|user| user.username.to_lowercase());
    }
    matching.iter().map(|user| user.id.0).collect()
}

async fn found_users_follow_every_change(store: &dyn Store) {
    let of = |name: &str, manager, active, frozen| User { manager, active, frozen, ..user(9, name) };
    let change = async |expected, user| {
        let users = vec![Versioned { record: user, expected }];
        store.commit(ChangeSet { users, ..ChangeSet::default() }).await.unwrap();
    };
    let finds = async |name: &str, manager, active, frozen| {
        let all = UserQuery { limit: 9, ..UserQuery::default() };
        let queries = [
            UserQuery { username_prefix: Some(name.to_owned()), ..all.clone() },
            UserQuery { manager, ..all.clone() },
            UserQuery { active: Some(active), ..all.clone() },
            UserQuery { frozen: Some(frozen), ..all.clone() },
        ];
        let mut finds = Vec::new();
        for query in &queries {
            finds.push(!found(store, query).await.is_empty());
        }
        finds
    };
    change(None, of("ada", Some(UserId(1)), true, false)).await;
    assert_eq!(finds("ada", Some(UserId(1)), true, false).await, [true; 4]);
    change(Some(1), of("bob", Some(UserId(2)), false, true)).await;
    assert_eq!(finds("ada", Some(UserId(1)), true, false).await, [false; 4], "nothing is left of what they were");
    assert_eq!(finds("bob", Some(UserId(2)), false, true).await, [true; 4]);
    change(Some(2), of("bob", None, false, true)).await;
    assert_eq!(finds("bob", Some(UserId(2)), false, true).await, [true, false, true, true]);
}

async fn definitions_of_attributes_come_by_name(store: &dyn Store) {
    use gatehouse_core::UserAttributeType::{Date, Integer, Text};
    let epoch = store.directory_epoch().await.unwrap();
    let user_attributes = new([attribute("start", Date), attribute("desk", Text)]);
    store.commit(ChangeSet { user_attributes, ..ChangeSet::default() }).await.unwrap();
    let defined = async || {
        let all = store.user_attributes().await.unwrap();
        all.into_iter().map(|of| (of.name, of.kind, of.version)).collect::<Vec<_>>()
    };
    assert_eq!(defined().await, [("desk".to_owned(), Text, 1), ("start".to_owned(), Date, 1)]);
    let again = new([attribute("desk", Text)]);
    let refused = store.commit(ChangeSet { user_attributes: again, ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    let user_attributes = vec![Versioned::replacing(1, attribute("desk", Integer))];
    let remove_user_attributes = vec!["start".to_owned()];
    store.commit(ChangeSet { user_attributes, remove_user_attributes, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(defined().await, [("desk".to_owned(), Integer, 2)]);
    assert_eq!(store.directory_epoch().await.unwrap(), epoch, "nobody has another value for it");
}

async fn groups_are_found_by_who_belongs_to_them(store: &dyn Store) {
    let groups = [group("admins", [1, 2]), group("board", [2]), group("empty", [])];
    store.commit(ChangeSet { groups: new(groups), ..ChangeSet::default() }).await.unwrap();
    let names = |groups: Vec<gatehouse_core::Group>| groups.into_iter().map(|g| g.name).collect::<Vec<_>>();
    assert_eq!(names(store.groups().await.unwrap()), ["admins", "board", "empty"]);
    assert_eq!(names(store.groups_of_user(UserId(2)).await.unwrap()), ["admins", "board"]);
    let replaced = vec![gatehouse_core::ports::Versioned::replacing(1, group("admins", [1, 3]))];
    let remove_groups = vec!["board".to_owned()];
    store.commit(ChangeSet { groups: replaced, remove_groups, ..ChangeSet::default() }).await.unwrap();
    for (user, expected) in [(1, vec!["admins"]), (2, vec![]), (3, vec!["admins"])] {
        assert_eq!(names(store.groups_of_user(UserId(user)).await.unwrap()), expected, "user {user}");
    }
    assert_eq!(store.group("board").await.unwrap(), None);
    assert_eq!(store.group("admins").await.unwrap().unwrap().version, 2);
}
