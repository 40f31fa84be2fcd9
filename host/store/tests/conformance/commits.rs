//! Commits: versions, uniqueness, all or nothing.

use crate::common::*;
use gatehouse_core::ports::{ChangeSet, Direction, Sequence, Store, StoreError, Versioned};
use gatehouse_core::{Account, AccountId, AppId, Digest, RequestId, Situation, UserId};
use secrecy::ExposeSecret;

conformance! {
    a_new_record_has_version_1_and_each_change_counts,
    a_record_that_was_changed_meanwhile_is_not_replaced,
    a_record_that_is_there_is_not_made_again,
    usernames_are_unique_ignoring_case,
    names_of_apps_and_tokens_are_unique,
    external_ids_are_unique_within_an_app_only,
    one_change_may_swap_names_and_hand_on_an_external_id,
    one_refused_part_refuses_the_whole_change,
    a_change_that_contradicts_itself_is_refused,
    a_change_that_speaks_of_what_is_not_there_is_refused,
    any_change_to_the_directory_advances_its_epoch,
    an_idempotency_key_remembers_one_answer,
    answers_are_forgotten_by_their_age_and_their_keys_are_free_again,
    numbers_are_handed_out_once_in_order,
    a_credential_comes_back_with_its_secret_and_lists_without,
    a_connector_keeps_its_component_and_is_added_once,
}

async fn a_new_record_has_version_1_and_each_change_counts(store: &dyn Store) {
    add_users(store, [user(1, "jane")]).await;
    assert_eq!(store.user(UserId(1)).await.unwrap().unwrap(), gatehouse_core::User { version: 1, ..user(1, "jane") });
    let users = vec![Versioned::replacing(1, user(1, "jane.doe"))];
    store.commit(ChangeSet { users, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(store.user_by_username("JANE.DOE").await.unwrap().unwrap().version, 2);
    assert_eq!(store.user_by_username("jane").await.unwrap(), None, "the old name is free");
}

async fn a_record_that_was_changed_meanwhile_is_not_replaced(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, None)]).await;
    replace(store, request(1, 1, 1, Some(5))).await.unwrap();
    let stale = vec![Versioned::replacing(1, request(1, 1, 1, Some(9)))];
    let refused = store.commit(ChangeSet { requests: stale, ..ChangeSet::default() }).await;
    let Err(StoreError::VersionConflict { what, expected, found }) = refused else { panic!("{refused:?}") };
    assert_eq!((what.as_str(), expected, found), ("request UPR-000001", Some(1), Some(2)));
    let of_nothing = vec![Versioned::replacing(1, request(2, 1, 1, None))];
    let refused = store.commit(ChangeSet { requests: of_nothing, ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::VersionConflict { found: None, .. })), "{refused:?}");
    assert_eq!(store.request(RequestId(1)).await.unwrap().unwrap().due, Some(at(5)));
}

async fn a_record_that_is_there_is_not_made_again(store: &dyn Store) {
    let profiles = || new([profile("staff")]);
    store.commit(ChangeSet { profiles: profiles(), ..ChangeSet::default() }).await.unwrap();
    let refused = store.commit(ChangeSet { profiles: profiles(), ..ChangeSet::default() }).await;
    let Err(StoreError::Duplicate { what }) = refused else { panic!("{refused:?}") };
    assert_eq!(what, "profile `staff`");
    assert_eq!(store.profile("staff").await.unwrap().unwrap().version, 1);
}

async fn usernames_are_unique_ignoring_case(store: &dyn Store) {
    add_users(store, [user(1, "Jane")]).await;
    let refused = store.commit(ChangeSet { users: new([user(2, "jANE")]), ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    let same_set = ChangeSet { users: new([user(2, "joe"), user(3, "JOE")]), ..ChangeSet::default() };
    let refused = store.commit(same_set).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "within one change: {refused:?}");
    assert_eq!(store.user_by_username("joe").await.unwrap(), None);
    let recased = vec![Versioned::replacing(1, user(1, "JANE"))];
    store.commit(ChangeSet { users: recased, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(store.user_by_username("jane").await.unwrap().unwrap().username, "JANE");
}

async fn names_of_apps_and_tokens_are_unique(store: &dyn Store) {
    with_apps(store).await;
    let refused = store.commit(ChangeSet { apps: new([app(9, "hr")]), ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    store.commit(ChangeSet { tokens: new([token(1, "admin")]), ..ChangeSet::default() }).await.unwrap();
    let refused = store.commit(ChangeSet { tokens: new([token(2, "admin")]), ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    assert_eq!(store.token(Digest([2; 32])).await.unwrap(), None);
    assert_eq!(store.token(Digest([1; 32])).await.unwrap().unwrap().name, "admin");
    assert_eq!(store.app_by_name("hr").await.unwrap().unwrap().id, AppId(1));
}

async fn external_ids_are_unique_within_an_app_only(store: &dyn Store) {
    with_apps(store).await;
    let named = |id, app| Account { external_id: Some("e".to_owned()), ..account(id, app, Situation::Unassigned) };
    add_accounts(store, [named(1, 1), named(2, 2)]).await;
    let refused = store.commit(ChangeSet { accounts: new([named(3, 1)]), ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    assert_eq!(store.account_by_external_id(AppId(2), "e").await.unwrap().unwrap().id, AccountId(2));
    assert_eq!(store.account_by_external_id(AppId(3), "e").await.unwrap(), None);
    let asked = ["?".to_owned(), "e".to_owned()];
    let found = store.accounts_by_external_id(AppId(1), &asked).await.unwrap();
    assert_eq!(found.into_iter().map(|a| a.map(|a| a.id.0)).collect::<Vec<_>>(), [None, Some(1)], "in the order asked");
}

async fn one_change_may_swap_names_and_hand_on_an_external_id(store: &dyn Store) {
    with_apps(store).await;
    add_users(store, [user(1, "jane"), user(2, "joe")]).await;
    let users = vec![Versioned::replacing(1, user(1, "joe")), Versioned::replacing(1, user(2, "jane"))];
    store.commit(ChangeSet { users, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(store.user_by_username("jane").await.unwrap().unwrap().id, UserId(2));
    assert_eq!(store.user_by_username("joe").await.unwrap().unwrap().id, UserId(1));

    add_accounts(store, [account(1, 1, Situation::Missing)]).await;
    let heir = Account { external_id: Some("x1".to_owned()), ..account(2, 1, Situation::Found) };
    let accounts = new([heir]);
    let handed_on = ChangeSet { accounts, remove_accounts: vec![AccountId(1)], ..ChangeSet::default() };
    store.commit(handed_on).await.unwrap();
    assert_eq!(store.account_by_external_id(AppId(1), "x1").await.unwrap().unwrap().id, AccountId(2));
    assert_eq!(store.account(AccountId(1)).await.unwrap(), None);
}

async fn one_refused_part_refuses_the_whole_change(store: &dyn Store) {
    with_apps(store).await;
    add_users(store, [user(1, "jane")]).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let epoch = store.directory_epoch().await.unwrap();
    let changes = ChangeSet {
        users: new([user(2, "joe")]),
        profiles: new([profile("staff")]),
        apps: vec![Versioned::replacing(1, app(1, "renamed"))],
        credentials: vec![(credential("hr"), "secret".into())],
        tokens: new([token(1, "t")]),
        accounts: new([account(1, 1, Situation::Found)]),
        requests: new([request(2, 1, 2, Some(0)), request(1, 1, 1, None)]),
        staging: vec![(RequestId(1), row(0))],
        log: vec![(RequestId(1), line("a"))],
        audit: vec![audit("a")],
        idempotency: vec![remembered("k", 0, serde_json::json!(1))],
        ..ChangeSet::default()
    };
    let refused = store.commit(changes).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "UPR-000001 is there: {refused:?}");
    assert_eq!(store.user(UserId(2)).await.unwrap(), None);
    assert_eq!(store.user_by_username("joe").await.unwrap(), None);
    assert_eq!(store.directory_epoch().await.unwrap(), epoch);
    assert_eq!(store.profiles().await.unwrap(), []);
    assert_eq!(store.app_by_name("renamed").await.unwrap(), None);
    assert_eq!(store.credentials().await.unwrap(), []);
    assert_eq!(store.tokens().await.unwrap(), []);
    assert!(store.account_counts(AppId(1)).await.unwrap().is_empty());
    assert_eq!(store.staging(RequestId(1), 0, 9).await.unwrap(), []);
    assert_eq!(store.request_log(RequestId(1), Direction::Ascending, None, 9).await.unwrap().items, []);
    assert_eq!(store.audit(None, 9).await.unwrap().items, []);
    assert_eq!(store.idempotent("k").await.unwrap(), None);
    assert_eq!(claimed(store, 0, 9).await, [1]);
}

async fn a_change_that_contradicts_itself_is_refused(store: &dyn Store) {
    with_apps(store).await;
    let found = account(1, 1, Situation::Found);
    let lonely = Account { external_id: None, ..found.clone() };
    let mut two_minded = found.clone();
    two_minded.link_state = gatehouse_core::LinkState::Ignored;
    let refused = [
        ChangeSet { users: new([user(1, "a"), user(1, "b")]), ..ChangeSet::default() },
        ChangeSet { accounts: new([found.clone()]), remove_accounts: vec![found.id], ..ChangeSet::default() },
        ChangeSet { accounts: new([found]), remove_apps: vec![AppId(1)], ..ChangeSet::default() },
        ChangeSet { accounts: new([lonely]), ..ChangeSet::default() },
        ChangeSet { accounts: new([two_minded]), ..ChangeSet::default() },
    ];
    for (no, changes) in refused.into_iter().enumerate() {
        let refused = store.commit(changes).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "change {no}: {refused:?}");
    }
}

async fn a_change_that_speaks_of_what_is_not_there_is_refused(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let refused = [
        ChangeSet { accounts: new([account(1, 8, Situation::Found)]), ..ChangeSet::default() },
        ChangeSet { requests: new([request(2, 8, 1, None)]), ..ChangeSet::default() },
        ChangeSet { staging: vec![(RequestId(7), row(0))], ..ChangeSet::default() },
        ChangeSet { log: vec![(RequestId(7), line("a"))], ..ChangeSet::default() },
        ChangeSet { log: vec![(RequestId(1), line("a"))], remove_apps: vec![AppId(1)], ..ChangeSet::default() },
        ChangeSet { requests: vec![Versioned::replacing(1, request(1, 1, 2, None))], ..ChangeSet::default() },
    ];
    for (no, changes) in refused.into_iter().enumerate() {
        let refused = store.commit(changes).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "change {no}: {refused:?}");
    }
    let with_its_app = ChangeSet {
        apps: new([app(8, "new")]),
        accounts: new([account(1, 8, Situation::Found)]),
        requests: new([request(2, 8, 1, None)]),
        log: vec![(RequestId(2), line("a"))],
        ..ChangeSet::default()
    };
    store.commit(with_its_app).await.unwrap();
}

async fn any_change_to_the_directory_advances_its_epoch(store: &dyn Store) {
    let epochs = [
        ChangeSet { users: new([user(1, "jane")]), ..ChangeSet::default() },
        ChangeSet { profiles: new([profile("staff")]), ..ChangeSet::default() },
        ChangeSet { users: vec![Versioned::replacing(1, user(1, "jane"))], ..ChangeSet::default() },
    ];
    let mut last = store.directory_epoch().await.unwrap();
    for changes in epochs {
        store.commit(changes).await.unwrap();
        let epoch = store.directory_epoch().await.unwrap();
        assert!(epoch > last, "{epoch} after {last}");
        last = epoch;
    }
    with_apps(store).await;
    assert_eq!(store.directory_epoch().await.unwrap(), last, "apps are not the directory");
}

async fn an_idempotency_key_remembers_one_answer(store: &dyn Store) {
    let answer = |n: u64, name: &str| ChangeSet {
        users: new([user(n, name)]),
        idempotency: vec![remembered("key", 0, serde_json::json!({"id": n, "nested": [null, 1.5]}))],
        ..ChangeSet::default()
    };
    store.commit(answer(1, "jane")).await.unwrap();
    let refused = store.commit(answer(2, "joe")).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    assert_eq!(store.user(UserId(2)).await.unwrap(), None, "the second one did nothing");
    assert_eq!(store.idempotent("key").await.unwrap(), Some(serde_json::json!({"id": 1, "nested": [null, 1.5]})));
    assert_eq!(store.idempotent("other").await.unwrap(), None);
}

async fn answers_are_forgotten_by_their_age_and_their_keys_are_free_again(store: &dyn Store) {
    let kept = |key: &str, second: i64| remembered(key, second, serde_json::json!(second));
    let idempotency = vec![kept("b", 10), kept("a", 20), kept("c", 5)];
    store.commit(ChangeSet { idempotency, ..ChangeSet::default() }).await.unwrap();
    let old = store.answers_before(at(20), 9).await.unwrap();
    assert_eq!(
        old,
        [(at(5), "c".to_owned()), (at(10), "b".to_owned())],
        "oldest first, and not the one of that moment"
    );
    assert_eq!(store.answers_before(at(20), 1).await.unwrap(), old[..1]);
    let not_there = [(at(1), "a".to_owned()), (at(1), "none".to_owned())];
    let forget_answers = old.into_iter().chain(not_there).collect();
    store.commit(ChangeSet { forget_answers, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(store.idempotent("b").await.unwrap(), None);
    assert_eq!(store.idempotent("a").await.unwrap(), Some(serde_json::json!(20)), "another one had that time");
    assert_eq!(store.answers_before(at(99), 9).await.unwrap(), [(at(20), "a".to_owned())]);
    store.commit(ChangeSet { idempotency: vec![kept("b", 30)], ..ChangeSet::default() }).await.unwrap();
    assert_eq!(store.idempotent("b").await.unwrap(), Some(serde_json::json!(30)));
}

async fn numbers_are_handed_out_once_in_order(store: &dyn Store) {
    assert_eq!(store.allocate(Sequence::User, 1), 1);
    assert_eq!(store.allocate(Sequence::User, 10), 2);
    assert_eq!(store.allocate(Sequence::User, 1), 12);
    assert_eq!(store.allocate(Sequence::Request, 1), 1, "each sequence counts for itself");
    add_users(store, [user(100, "imported")]).await;
    assert_eq!(store.allocate(Sequence::User, 1), 101, "a number that is used is not handed out");
}

async fn a_credential_comes_back_with_its_secret_and_lists_without(store: &dyn Store) {
    let set = |secret: &str| ChangeSet { credentials: vec![(credential("hr"), secret.into())], ..ChangeSet::default() };
    store.commit(set("first")).await.unwrap();
    store.commit(set("second")).await.unwrap();
    let kept = store.credential("hr").await.unwrap().unwrap();
    assert_eq!((kept.record, kept.secret.expose_secret()), (credential("hr"), "second"));
    assert_eq!(store.credentials().await.unwrap(), [credential("hr")]);
    let removal = ChangeSet { remove_credentials: vec!["hr".to_owned(), "none".to_owned()], ..ChangeSet::default() };
    store.commit(removal).await.unwrap();
    assert!(store.credential("hr").await.unwrap().is_none());
}

async fn a_connector_keeps_its_component_and_is_added_once(store: &dyn Store) {
    let install = |digest, version: &str| ChangeSet {
        connectors: vec![(connector(digest, "scim", version), vec![digest; 3])],
        ..ChangeSet::default()
    };
    store.commit(install(1, "10.0.0")).await.unwrap();
    store.commit(install(2, "9.1.0")).await.unwrap();
    let refused = store.commit(install(1, "10.0.0")).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "{refused:?}");
    let versions: Vec<_> = store.connectors().await.unwrap().into_iter().map(|c| c.description.version).collect();
    assert_eq!(versions, ["9.1.0", "10.0.0"]);
    assert_eq!(store.component(Digest([1; 32])).await.unwrap().unwrap(), [1; 3]);
    let removal = ChangeSet { remove_connectors: vec![Digest([1; 32])], ..ChangeSet::default() };
    store.commit(removal).await.unwrap();
    assert_eq!(store.connector(Digest([1; 32])).await.unwrap(), None);
    assert_eq!(store.component(Digest([1; 32])).await.unwrap(), None);
}
