//! Lists: filters, order, pages, cursors.

use crate::common::*;
use gatehouse_core::ports::{
    AccountQuery, ChangeSet, Direction, JobQuery, RequestQuery, StagedRun, Store, StoreError, UserOrder, UserQuery,
    Versioned,
};
use gatehouse_core::{
    Account, AppId, JobId, JobState, LinkState, Operation, Request, RequestId, Situation, State, Subject, User, UserId,
};

conformance! {
    users_come_by_number_in_pages,
    users_of_a_profile_follow_it,
    users_of_a_permission_set_follow_it,
    users_are_found_by_every_combination_in_both_orders,
    found_users_follow_every_change,
    definitions_of_attributes_come_by_name,
    groups_are_found_by_who_belongs_to_them,
    accounts_are_filtered_by_every_combination,
    account_counts_follow_every_change,
    request_figures_follow_every_change,
    what_waits_for_an_approval_is_counted_with_its_age,
    account_figures_follow_every_change,
    requests_are_filtered_by_every_combination_newest_first,
    the_review_queue_follows_every_change,
    the_oldest_unsettled_request_of_an_app_is_found,
    logs_come_in_order_and_audit_newest_first,
    staging_rows_are_replaced_and_truncated,
    runs_with_rows_are_found_by_their_numbers,
    jobs_are_filtered_by_app_and_state_newest_first,
    a_lane_holds_its_unsettled_requests_in_order,
    a_cursor_of_another_list_is_refused,
    lists_by_name_are_sorted,
}

async fn runs_with_rows_are_found_by_their_numbers(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [1, 2, 5, 9].map(|id| request(id, 1, id, None))).await;
    let staging = [(1, 0), (1, 1), (5, 7), (9, 0)].map(|(run, no)| (RequestId(run), row(no)));
    store.commit(ChangeSet { staging: staging.into(), ..ChangeSet::default() }).await.unwrap();
    let runs = |found: Vec<StagedRun>| found.into_iter().map(|staged| (staged.run.0, staged.rows)).collect::<Vec<_>>();
    assert_eq!(runs(store.staged_runs(None, 9).await.unwrap()), [(1, 2), (5, 8), (9, 1)]);
    assert_eq!(runs(store.staged_runs(Some(RequestId(1)), 1).await.unwrap()), [(5, 8)]);
    let truncate_staging = vec![(RequestId(1), 1), (RequestId(5), 0)];
    store.commit(ChangeSet { truncate_staging, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(runs(store.staged_runs(None, 9).await.unwrap()), [(1, 1), (9, 1)]);
    assert_eq!(runs(store.staged_runs(Some(RequestId(9)), 9).await.unwrap()), []);
}

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

async fn a_lane_holds_its_unsettled_requests_in_order(store: &dyn Store) {
    with_apps(store).await;
    let waiting = Request { state: State::New, ..request(3, 1, 1, None) };
    let settled = Request { state: State::Completed, ..request(4, 1, 1, None) };
    let requests = [request(5, 1, 1, Some(0)), waiting, settled, request(6, 1, 2, Some(0)), request(7, 2, 1, Some(0))];
    add_requests(store, requests).await;
    let lane = store.lane(AppId(1), Subject::User(UserId(1))).await.unwrap();
    assert_eq!(lane.iter().map(|request| request.id.0).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(store.lane(AppId(3), Subject::User(UserId(1))).await.unwrap(), []);
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

const SITUATIONS: [Situation; 4] = [Situation::Confirmed, Situation::Found, Situation::Ambiguous, Situation::Missing];

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

async fn request_figures_follow_every_change(store: &dyn Store) {
    with_apps(store).await;
    let review = |request: Request| Request { state: State::Failed, needs_review: true, due: None, ..request };
    add_requests(store, [request(1, 1, 1, Some(5)), request(2, 1, 2, Some(3)), request(3, 1, 3, None)]).await;
    add_requests(store, [review(request(4, 1, 4, None)), request(5, 2, 1, Some(9))]).await;
    let of = async |app| store.request_figures().await.unwrap().remove(&AppId(app)).unwrap();
    let counted = |figures: &gatehouse_core::ports::RequestFigures, state| figures.states[&state];
    let hr = of(1).await;
    assert_eq!((counted(&hr, State::Requested), counted(&hr, State::Failed), hr.in_review), (3, 1, 1));
    assert_eq!((hr.first_due, hr.states.len()), (Some(at(3)), State::ALL.len()));

    replace(store, settled(&request(2, 1, 2, Some(3)))).await.unwrap();
    let seen = Request { state: State::ManuallyCompleted, ..review(request(4, 1, 4, None)) };
    replace(store, seen).await.unwrap();
    claim(store, 9, 1).await;
    let hr = of(1).await;
    assert_eq!((counted(&hr, State::Requested), counted(&hr, State::Completed), hr.in_review), (2, 1, 0));
    assert_eq!(counted(&hr, State::ManuallyCompleted), 1);
    assert_eq!(hr.first_due, None, "what is being worked on waits for nobody");
    assert_eq!((counted(&of(2).await, State::Requested), of(2).await.first_due), (1, Some(at(9))));
    assert_eq!(of(3).await.states.values().sum::<u64>(), 0);

    store.commit(ChangeSet { remove_apps: vec![AppId(1)], ..ChangeSet::default() }).await.unwrap();
    assert!(!store.request_figures().await.unwrap().contains_key(&AppId(1)));
    store.commit(ChangeSet { apps: new([app(1, "hr")]), ..ChangeSet::default() }).await.unwrap();
    assert_eq!(of(1).await.states.values().sum::<u64>(), 0, "nothing is left of the app that was there before");
}

async fn what_waits_for_an_approval_is_counted_with_its_age(store: &dyn Store) {
    use gatehouse_core::{Approval, Run};
    with_apps(store).await;
    let of = |id, app, second| Request {
        state: State::New,
        approval: Approval::Required,
        created_at: at(second),
        ..request(id, app, id, None)
    };
    let run = Some(Run { analyzed_at: Some(at(9)), ..Run::default() });
    let plan = Request { state: State::Analyzed, run, ..of(3, 1, 1) };
    let held = Request { held: Some("many".to_owned()), ..of(4, 1, 2) };
    add_requests(store, [of(1, 1, 7), of(2, 1, 8), plan.clone(), held.clone(), of(5, 2, 6)]).await;
    let waiting = async |app| {
        let figures = store.request_figures().await.unwrap().remove(&AppId(app)).unwrap();
        (figures.awaiting, figures.awaiting_since)
    };
    assert_eq!(waiting(1).await, (3, Some(at(7))), "what is held does not wait for an approver");
    assert_eq!((waiting(2).await, waiting(3).await), ((1, Some(at(6))), (0, None)));
    replace(store, Request { approval: Approval::Approved, state: State::Requested, ..of(1, 1, 7) }).await.unwrap();
    replace(store, Request { approval: Approval::Denied, state: State::Cancelled, ..of(2, 1, 8) }).await.unwrap();
    assert_eq!(waiting(1).await, (1, Some(at(9))), "a plan waits from when it was made");
    replace(store, Request { held: None, ..held }).await.unwrap();
    assert_eq!(waiting(1).await, (2, Some(at(2))));
    store.commit(ChangeSet { remove_apps: vec![AppId(2)], ..ChangeSet::default() }).await.unwrap();
    store.commit(ChangeSet { apps: new([app(2, "crm")]), ..ChangeSet::default() }).await.unwrap();
    assert_eq!(waiting(2).await, (0, None));
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

async fn requests_are_filtered_by_every_combination_newest_first(store: &dyn Store) {
    with_apps(store).await;
    let (states, operations) = ([State::New, State::Failed, State::Completed], [Operation::Create, Operation::Update]);
    let all: Vec<Request> = (1..=60)
        .map(|id| Request {
            state: states[(id % 3) as usize],
            operation: operations[(id / 2 % 2) as usize],
            subject: if id % 7 == 0 { Subject::App } else { Subject::User(UserId(id % 4)) },
            raised_by: (id % 5 == 0).then_some(RequestId(1)),
            needs_review: id % 4 == 0,
            ..request(id, 1 + id / 3 % 3, 0, None)
        })
        .collect();
    add_requests(store, all.clone()).await;
    let subjects = [None, Some(Subject::User(UserId(1))), Some(Subject::App)];
    for app in [None, Some(AppId(2)), Some(AppId(9))] {
        for state in [None, Some(State::Failed)] {
            for operation in [None, Some(Operation::Create)] {
                for subject in subjects {
                    for raised_by in [None, Some(RequestId(1))] {
                        for needs_review in [false, true] {
                            let after = None;
                            let query = RequestQuery {
                                app,
                                state,
                                operation,
                                subject,
                                raised_by,
                                needs_review,
                                after,
                                limit: 4,
                                ..RequestQuery::default()
                            };
                            assert_listed(store, &all, query).await;
                        }
                    }
                }
            }
        }
    }
}

async fn the_review_queue_follows_every_change(store: &dyn Store) {
    with_apps(store).await;
    let failed = |id, app, needs_review| Request { state: State::Failed, needs_review, ..request(id, app, id, None) };
    add_requests(store, [failed(1, 1, true), failed(2, 1, false), failed(3, 2, true), request(4, 1, 4, Some(0))]).await;
    let queue = async |app: Option<u64>| {
        let query = RequestQuery { app: app.map(AppId), needs_review: true, limit: 9, ..RequestQuery::default() };
        store.requests(&query).await.unwrap().items.iter().map(|request| request.id.0).collect::<Vec<_>>()
    };
    assert_eq!((queue(None).await, queue(Some(1)).await), (vec![3, 1], vec![1]));
    assert_eq!(store.review_count().await.unwrap(), 2);
    let of = |request, version| gatehouse_core::ports::Versioned::replacing(version, request);
    let settled = Request { state: State::ManuallyCompleted, ..failed(1, 1, true) };
    let requests = vec![of(settled, 1), of(failed(4, 1, true), 1)];
    store.commit(ChangeSet { requests, ..ChangeSet::default() }).await.unwrap();
    assert_eq!((queue(None).await, store.review_count().await.unwrap()), (vec![4, 3], 2));
    store.commit(ChangeSet { remove_apps: vec![AppId(2)], ..ChangeSet::default() }).await.unwrap();
    assert_eq!((queue(None).await, store.review_count().await.unwrap()), (vec![4], 1));
}

async fn the_oldest_unsettled_request_of_an_app_is_found(store: &dyn Store) {
    with_apps(store).await;
    let of = |id, app, state| Request { state, ..request(id, app, id, None) };
    let requests =
        [of(1, 1, State::Completed), of(2, 2, State::New), of(3, 1, State::Committing), of(4, 1, State::New)];
    add_requests(store, requests).await;
    let oldest = async |app| store.oldest_unsettled(AppId(app)).await.unwrap().map(|id| id.0);
    assert_eq!((oldest(1).await, oldest(2).await, oldest(3).await), (Some(3), Some(2), None));
}

async fn assert_listed(store: &dyn Store, all: &[Request], mut query: RequestQuery) {
    let wanted = all.iter().rev().filter(|r| {
        query.app.is_none_or(|x| x == r.app)
            && query.state.is_none_or(|x| x == r.state)
            && query.operation.is_none_or(|x| x == r.operation)
            && query.subject.is_none_or(|x| x == r.subject)
            && query.raised_by.is_none_or(|x| Some(x) == r.raised_by)
            && (!query.needs_review || (r.needs_review && r.state == State::Failed))
    });
    let wanted: Vec<u64> = wanted.map(|request| request.id.0).collect();
    let mut found = Vec::new();
    loop {
        let page = store.requests(&query).await.unwrap();
        found.extend(page.items.iter().map(|request| request.id.0));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(found, wanted, "{query:?}");
}

async fn logs_come_in_order_and_audit_newest_first(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, None), request(2, 1, 2, None)]).await;
    for batch in [["a", "b"], ["c", "d"]] {
        let log = batch.iter().flat_map(|text| [(RequestId(1), line(text)), (RequestId(2), line("other"))]).collect();
        let audit = batch.iter().map(|text| audit(text)).collect();
        store.commit(ChangeSet { log, audit, ..ChangeSet::default() }).await.unwrap();
    }
    let first = store.request_log(RequestId(1), Direction::Ascending, None, 3).await.unwrap();
    let second = store.request_log(RequestId(1), Direction::Ascending, first.next.as_deref(), 3).await.unwrap();
    assert_eq!(first.items, [line("a"), line("b"), line("c")]);
    assert_eq!((second.items, second.next), (vec![line("d")], None));
    let first = store.audit(None, 3).await.unwrap();
    let second = store.audit(first.next.as_deref(), 3).await.unwrap();
    assert_eq!(first.items, [audit("d"), audit("c"), audit("b")]);
    assert_eq!((second.items, second.next), (vec![audit("a")], None));
}

async fn staging_rows_are_replaced_and_truncated(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, None), request(2, 1, 2, None)]).await;
    let rows = |run, numbers: &[u64]| numbers.iter().map(|no| (RequestId(run), row(*no))).collect::<Vec<_>>();
    let staging = [rows(1, &[0, 1, 2, 300]), rows(2, &[0])].concat();
    store.commit(ChangeSet { staging, ..ChangeSet::default() }).await.unwrap();
    let numbers = async |run, from, limit| {
        let rows = store.staging(RequestId(run), from, limit).await.unwrap();
        rows.iter().map(|row| row.no).collect::<Vec<_>>()
    };
    assert_eq!(numbers(1, 0, 3).await, [0, 1, 2]);
    assert_eq!(numbers(1, 2, 9).await, [2, 300]);
    let changed = gatehouse_core::StagingRow { changed: true, ..row(1) };
    let restart = ChangeSet {
        truncate_staging: vec![(RequestId(1), 1)],
        staging: vec![(RequestId(1), changed.clone())],
        ..ChangeSet::default()
    };
    store.commit(restart).await.unwrap();
    assert_eq!(store.staging(RequestId(1), 0, 9).await.unwrap(), [row(0), changed], "cut first, then written");
    assert_eq!(numbers(2, 0, 9).await, [0], "another run is left alone");
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
