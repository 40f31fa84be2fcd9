//! Lists of accounts and jobs, and what all lists have in common: order, pages, cursors.

use crate::common::*;
use gatehouse_core::ports::{
    AccountQuery, ChangeSet, Direction, JobQuery, RequestQuery, Store, StoreError, UserOrder, UserQuery, Versioned,
};
use gatehouse_core::{Account, AppId, JobId, JobState, LinkState, RequestId, Situation, UserId};

conformance! {
    accounts_are_filtered_by_every_combination,
    account_counts_follow_every_change,
    account_figures_follow_every_change,
    jobs_are_filtered_by_app_and_state_newest_first,
    a_cursor_of_another_list_is_refused,
    lists_by_name_are_sorted,
}

const SITUATIONS: [Situation; 4] = [Situation::Confirmed, Situation::Found, Situation::Ambiguous, Situation::Missing];

async fn jobs_are_filtered_by_app_and_state_newest_first(store: &dyn Store) {
    with_apps(store).await;
    let states = [JobState::Running, JobState::Held, JobState::Running, JobState::Completed, JobState::Running];
    let jobs = (1..).zip(states).map(|(id, state)| job(id, 1 + id % 2, state));
    store.commit(ChangeSet { jobs: new(jobs), ..ChangeSet::default() }).await.unwrap();
    let ids = async |app: Option<u64>, state: Option<JobState>, after: Option<String>, limit| {
        let query = JobQuery { app: app.map(AppId), state, after, limit, ..JobQuery::default() };
        let page = store.jobs(&query).await.unwrap();
        (page.items.iter().map(|job| job.id.0).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(ids(None, None, None, 9).await.0, [5, 4, 3, 2, 1]);
    assert_eq!(ids(Some(2), None, None, 9).await.0, [5, 3, 1]);
    assert_eq!(ids(None, Some(JobState::Running), None, 9).await.0, [5, 3, 1]);
    let (first, next) = ids(Some(2), Some(JobState::Running), None, 2).await;
    assert_eq!((first, ids(Some(2), Some(JobState::Running), next, 2).await), (vec![5, 3], (vec![1], None)));
    let done = vec![Versioned::replacing(1, job(5, 2, JobState::Completed))];
    store.commit(ChangeSet { jobs: done, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(ids(None, Some(JobState::Running), None, 9).await.0, [3, 1]);
    store.commit(ChangeSet { remove_apps: vec![AppId(2)], ..ChangeSet::default() }).await.unwrap();
    assert_eq!(ids(None, None, None, 9).await.0, [4, 2]);
    assert_eq!(store.job(JobId(1)).await.unwrap(), None);
}

async fn accounts_are_filtered_by_every_combination(store: &dyn Store) {
    with_apps(store).await;
    let all: Vec<Account> = (1..=48)
        .map(|id| {
            let user = (id % 5 != 0).then_some(UserId(id % 4));
            Account { user, ..account(id, 1 + id % 3, SITUATIONS[(id / 3 % 4) as usize]) }
        })
        .collect();
    add_accounts(store, all.clone()).await;
    let apps = [None, Some(AppId(1)), Some(AppId(9))];
    let link_states = [None, Some(LinkState::Linked), Some(LinkState::Ignored)];
    let situations = [None, Some(Situation::Found), Some(Situation::Missing)];
    let users = [None, Some(UserId(2))];
    for (app, link_state) in apps.iter().flat_map(|a| link_states.iter().map(move |l| (*a, *l))) {
        for (situation, user) in situations.iter().flat_map(|s| users.iter().map(move |u| (*s, *u))) {
            let mut query = AccountQuery { app, link_state, situation, user, limit: 3, ..AccountQuery::default() };
            let wanted = all.iter().filter(|a| {
                app.is_none_or(|x| x == a.app)
                    && link_state.is_none_or(|x| x == a.link_state)
                    && situation.is_none_or(|x| x == a.situation)
                    && user.is_none_or(|x| Some(x) == a.user)
            });
            let wanted: Vec<u64> = wanted.map(|account| account.id.0).collect();
            let mut found = Vec::new();
            loop {
                let page = store.accounts(&query).await.unwrap();
                found.extend(page.items.iter().map(|account| account.id.0));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            assert_eq!(found, wanted, "{query:?}");
        }
    }
}

async fn account_counts_follow_every_change(store: &dyn Store) {
    use Situation::{Confirmed, Found, Missing};
    with_apps(store).await;
    add_accounts(store, [account(1, 1, Found), account(2, 1, Found), account(3, 1, Missing), account(4, 2, Found)])
        .await;
    let counts = async |app| store.account_counts(AppId(app)).await.unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(counts(1).await, [(Found, 2), (Missing, 1)]);
    let accounts = vec![gatehouse_core::ports::Versioned::replacing(1, account(1, 1, Confirmed))];
    let remove_accounts = vec![gatehouse_core::AccountId(3), gatehouse_core::AccountId(99)];
    store.commit(ChangeSet { accounts, remove_accounts, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(counts(1).await, [(Confirmed, 1), (Found, 1)]);
    assert_eq!(counts(2).await, [(Found, 1)]);
    assert_eq!(counts(3).await, []);
}

async fn account_figures_follow_every_change(store: &dyn Store) {
    use Situation::{Confirmed, Excluded, Missing, Unassigned};
    use gatehouse_core::schema::Status::{Active, Deactivated};
    with_apps(store).await;
    let frozen = |account| Account { frozen: true, ..account };
    let off = |account| Account { status: Deactivated, ..account };
    let all = [
        account(1, 1, Confirmed),
        frozen(account(2, 1, Confirmed)),
        off(account(3, 1, Unassigned)),
        frozen(account(4, 1, Missing)),
        account(5, 2, Excluded),
    ];
    add_accounts(store, all).await;
    let figures = async |app| store.account_figures().await.unwrap().remove(&AppId(app)).unwrap();
    let counted =
        |figures: &gatehouse_core::ports::AccountFigures| figures.accounts.clone().into_iter().collect::<Vec<_>>();
    let hr = figures(1).await;
    assert_eq!(counted(&hr), [((LinkState::Linked, Active), 2), ((LinkState::Orphaned, Deactivated), 1)]);
    assert_eq!((hr.frozen, hr.missing), (1, 1), "who is missing is not frozen");
    let accounts =
        vec![Versioned::replacing(1, off(account(2, 1, Confirmed))), Versioned::replacing(1, account(4, 1, Confirmed))];
    let remove_accounts = vec![gatehouse_core::AccountId(3)];
    store.commit(ChangeSet { accounts, remove_accounts, ..ChangeSet::default() }).await.unwrap();
    let hr = figures(1).await;
    assert_eq!(counted(&hr), [((LinkState::Linked, Active), 2), ((LinkState::Linked, Deactivated), 1)]);
    assert_eq!((hr.frozen, hr.missing), (0, 0));
    assert_eq!(counted(&figures(2).await), [((LinkState::Ignored, Active), 1)]);
    assert_eq!(figures(3).await, gatehouse_core::ports::AccountFigures::default());
}

async fn a_cursor_of_another_list_is_refused(store: &dyn Store) {
    with_apps(store).await;
    add_users(store, [user(1, "a"), user(2, "b")]).await;
    let cursor = store.users(None, 1).await.unwrap().next;
    assert!(store.users(cursor.as_deref(), 1).await.is_ok());
    let refused = [
        store.users(Some("nonsense"), 1).await.map(drop),
        store.users_of_profile("staff", cursor.as_deref(), 1).await.map(drop),
        store.find_users(&UserQuery { after: cursor.clone(), limit: 1, ..UserQuery::default() }).await.map(drop),
        store
            .find_users(&UserQuery {
                after: cursor.clone(),
                limit: 1,
                order: UserOrder::Username,
                ..UserQuery::default()
            })
            .await
            .map(drop),
        store.users_of_permission_set("staff", cursor.as_deref(), 1).await.map(drop),
        store.accounts(&AccountQuery { after: cursor.clone(), limit: 1, ..AccountQuery::default() }).await.map(drop),
        store.requests(&RequestQuery { after: cursor.clone(), limit: 1, ..RequestQuery::default() }).await.map(drop),
        store.request_log(RequestId(1), Direction::Ascending, cursor.as_deref(), 1).await.map(drop),
        store.audit(cursor.as_deref(), 1).await.map(drop),
    ];
    for (no, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(StoreError::BadCursor(_))), "list {no}: {refused:?}");
    }
}

async fn lists_by_name_are_sorted(store: &dyn Store) {
    with_apps(store).await;
    let changes = ChangeSet {
        profiles: new([profile("b"), profile("a")]),
        permission_sets: new([permission_set("d"), permission_set("c")]),
        tokens: new([token(1, "z"), token(2, "y")]),
        credentials: vec![(credential("q"), "1".into()), (credential("p"), "2".into())],
        ..ChangeSet::default()
    };
    store.commit(changes).await.unwrap();
    let names = store.apps().await.unwrap().into_iter().map(|app| app.name).collect::<Vec<_>>();
    assert_eq!(names, ["crm", "hr", "wiki"]);
    assert_eq!(store.profiles().await.unwrap().iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let sets = store.permission_sets().await.unwrap();
    assert_eq!(sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(store.tokens().await.unwrap().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["y", "z"]);
    assert_eq!(store.credentials().await.unwrap().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["p", "q"]);
}
