//! What goes with an app, and what stays.

use crate::common::*;
use gatehouse_core::ports::{AccountQuery, ChangeSet, Direction, RequestQuery, Store, StoreError, Versioned};
use gatehouse_core::{AccountId, AppId, RequestId, Situation, User, UserId};

conformance! {
    an_app_takes_everything_of_its_own_with_it,
    the_name_of_a_removed_app_is_free,
    a_claim_on_a_removed_app_is_fenced,
    what_users_have_is_not_removed,
}

async fn what_users_have_is_not_removed(store: &dyn Store) {
    let has = |set: Option<&str>, profile: Option<&str>| User {
        permission_sets: set.into_iter().map(str::to_owned).collect(),
        profile: profile.map(str::to_owned),
        ..user(1, "jane")
    };
    let changes = ChangeSet {
        profiles: new([profile("staff")]),
        permission_sets: new([permission_set("vpn")]),
        users: new([has(Some("vpn"), Some("staff"))]),
        ..ChangeSet::default()
    };
    store.commit(changes).await.unwrap();
    let profile = || ChangeSet { remove_profiles: vec!["staff".to_owned()], ..ChangeSet::default() };
    let set = || ChangeSet { remove_permission_sets: vec!["vpn".to_owned()], ..ChangeSet::default() };
    for removal in [profile(), set()] {
        let refused = store.commit(removal).await;
        assert!(
            matches!(&refused, Err(StoreError::Invalid(why)) if why.contains("while users have it")),
            "{refused:?}"
        );
    }
    assert_eq!((store.profiles().await.unwrap().len(), store.permission_sets().await.unwrap().len()), (1, 1));
    // In one change with the last user's giving it up, it may go.
    let users = vec![Versioned::replacing(1, has(None, Some("staff")))];
    store.commit(ChangeSet { users, ..set() }).await.unwrap();
    let users = vec![Versioned::replacing(2, has(None, None))];
    store.commit(ChangeSet { users, ..profile() }).await.unwrap();
    assert_eq!((store.profiles().await.unwrap(), store.permission_sets().await.unwrap()), (vec![], vec![]));
    store.commit(profile()).await.unwrap();
}

async fn fill(store: &dyn Store) {
    with_apps(store).await;
    for app in [1, 2] {
        let id = app * 10;
        let raised = gatehouse_core::Request { raised_by: Some(RequestId(id)), ..request(id + 1, app, 2, Some(0)) };
        let changes = ChangeSet {
            accounts: new([account_of(id, app, 1), account(id + 1, app, Situation::Unassigned)]),
            requests: new([request(id, app, 1, Some(0)), raised]),
            staging: vec![(RequestId(id), row(0))],
            log: vec![(RequestId(id), line("a"))],
            audit: vec![audit("kept")],
            ..ChangeSet::default()
        };
        store.commit(changes).await.unwrap();
    }
}

async fn an_app_takes_everything_of_its_own_with_it(store: &dyn Store) {
    fill(store).await;
    let removal = ChangeSet { remove_apps: vec![AppId(1), AppId(77)], ..ChangeSet::default() };
    store.commit(removal).await.unwrap();
    assert_eq!(store.app(AppId(1)).await.unwrap(), None);
    assert_eq!(store.app_by_name("hr").await.unwrap(), None);
    assert_eq!(store.account(AccountId(10)).await.unwrap(), None);
    assert_eq!(store.account_by_external_id(AppId(1), "x10").await.unwrap(), None);
    assert!(store.account_counts(AppId(1)).await.unwrap().is_empty());
    let accounts = AccountQuery { user: Some(UserId(1)), limit: 9, ..AccountQuery::default() };
    let left = store.accounts(&accounts).await.unwrap().items;
    assert_eq!(left.iter().map(|account| account.id.0).collect::<Vec<_>>(), [20], "the other app's stay");
    assert_eq!(store.request(RequestId(10)).await.unwrap(), None);
    let raised = RequestQuery { raised_by: Some(RequestId(10)), limit: 9, ..RequestQuery::default() };
    assert_eq!(store.requests(&raised).await.unwrap().items, []);
    let left = store.requests(&RequestQuery { limit: 9, ..RequestQuery::default() }).await.unwrap().items;
    assert_eq!(left.iter().map(|request| request.id.0).collect::<Vec<_>>(), [21, 20]);
    assert_eq!(store.staging(RequestId(10), 0, 9).await.unwrap(), []);
    assert_eq!(store.request_log(RequestId(10), Direction::Ascending, None, 9).await.unwrap().items, []);
    assert_eq!(store.staging(RequestId(20), 0, 9).await.unwrap(), [row(0)]);
    assert_eq!(store.request_log(RequestId(20), Direction::Ascending, None, 9).await.unwrap().items, [line("a")]);
    assert_eq!(store.audit(None, 9).await.unwrap().items.len(), 2, "what happened stays on record");
    assert_eq!(claimed(store, 0, 9).await, [20, 21]);
}

async fn the_name_of_a_removed_app_is_free(store: &dyn Store) {
    fill(store).await;
    let swap = ChangeSet { remove_apps: vec![AppId(1)], apps: new([app(4, "hr")]), ..ChangeSet::default() };
    store.commit(swap).await.unwrap();
    assert_eq!(store.app_by_name("hr").await.unwrap().unwrap().id, AppId(4));
    add_accounts(store, [account(10, 4, Situation::Found)]).await;
    assert_eq!(store.account(AccountId(10)).await.unwrap().unwrap().version, 1);
}

async fn a_claim_on_a_removed_app_is_fenced(store: &dyn Store) {
    fill(store).await;
    let held = claim(store, 0, 1).await.remove(0);
    assert_eq!(held.request.app, AppId(1));
    store.commit(ChangeSet { remove_apps: vec![AppId(1)], ..ChangeSet::default() }).await.unwrap();
    let late = ChangeSet { fence: Some(held.fence), audit: vec![audit("late")], ..ChangeSet::default() };
    let refused = store.commit(late).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    store.release(held.fence).await.unwrap();
    assert_eq!(claimed(store, 0, 9).await, [20, 21]);
}
