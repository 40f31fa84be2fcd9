//! Lists the other way: whatever is asked for, the pages of one direction are those of the other from the end, and a
//! cursor goes on where it was, the way it was, whatever has been added or taken away meanwhile.

use crate::common::*;
use gatehouse_core::approval::Delegation;
use gatehouse_core::audit::AuditQuery;
use gatehouse_core::ports::{
    AccountQuery, ChangeSet, Direction, JobQuery, ListPage, RequestQuery, Store, StoreError, UserOrder, UserQuery,
    Versioned,
};
use gatehouse_core::sharing::{Reach, Visible};
use gatehouse_core::{
    Account, AccountId, Actor, AppId, AuditRecord, DelegationId, JobState, LinkState, Operation, Request, RequestId,
    Situation, State, Subject, User, UserId,
};

conformance! {
    users_come_the_other_way_by_every_filter_and_order,
    users_of_a_prefix_come_the_other_way_though_there_are_names_behind_it,
    requests_come_the_other_way_by_every_filter_and_to_whom_may_see_a_part,
    accounts_come_the_other_way_by_every_filter,
    jobs_come_the_other_way_by_every_filter,
    the_trail_comes_the_other_way_by_every_filter,
    delegations_and_logs_come_the_other_way,
    what_comes_and_goes_between_pages_moves_no_other_item,
    a_cursor_of_the_other_direction_is_refused,
}

const BOTH: [Direction; 2] = [Direction::Ascending, Direction::Descending];

/// Everything of a list, by pages.
macro_rules! all_pages {
    ($query:expr, |$page:ident| $read:expr, |$item:ident| $number:expr) => {{
        let (mut query, mut numbers) = ($query.clone(), Vec::new());
        loop {
            let $page = &query;
            let page = $read.await.unwrap();
            assert!(page.items.len() <= query.limit && (page.next.is_none() || !page.items.is_empty()), "{query:?}");
            numbers.extend(page.items.iter().map(|$item| $number));
            query.after = page.next;
            if query.after.is_none() {
                break numbers;
            }
        }
    }};
}

/// That the pages of both directions are one list. How many items it has.
fn assert_mirrored(told: &dyn std::fmt::Debug, mut up: Vec<u64>, down: Vec<u64>) -> usize {
    up.reverse();
    assert_eq!(up, down, "{told:?}");
    up.len()
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

async fn users_come_the_other_way_by_every_filter_and_order(store: &dyn Store) {
    add_users(store, many_users()).await;
    let some = |text: &str| Some(text.to_owned());
    let mut seen = 0;
    for (profile, permission_set) in
        [(None, None), (some("staff"), None), (None, some("vpn")), (some("x"), some("vpn"))]
    {
        for (manager, active, frozen) in [
            (None, None, None),
            (Some(UserId(2)), None, None),
            (None, Some(true), Some(false)),
            (Some(UserId(3)), Some(true), None),
            (None, None, Some(true)),
        ] {
            for username_prefix in [None, some("aNn"), some("zoË4"), some("c")] {
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
                        limit: 3,
                        ..UserQuery::default()
                    };
                    let [up, down] = BOTH.map(|direction| UserQuery { direction, ..query.clone() });
                    let up = all_pages!(up, |query| store.find_users(query), |user| user.id.0);
                    let down = all_pages!(down, |query| store.find_users(query), |user| user.id.0);
                    seen += assert_mirrored(&query, up, down);
                }
            }
        }
    }
    assert!(seen > 500, "{seen}");
}

async fn users_of_a_prefix_come_the_other_way_though_there_are_names_behind_it(store: &dyn Store) {
    let names = ["a", "ab", "ab\u{10ffff}", "ab\u{10ffff}z", "abc", "ac", "b"];
    add_users(store, (1..).zip(names).map(|(id, name)| user(id, name))).await;
    let query = UserQuery { direction: Direction::Descending, limit: 2, ..UserQuery::default() };
    let of = |prefix: &str| UserQuery { username_prefix: Some(prefix.to_owned()), ..query.clone() };
    for (prefix, wanted) in [("ab", vec![4, 3, 5, 2]), ("ab\u{10ffff}", vec![4, 3]), ("b", vec![7]), ("c", vec![])] {
        let found = all_pages!(of(prefix), |query| store.find_users(query), |user| user.id.0);
        assert_eq!(found, wanted, "{prefix}");
    }
    // A cursor from before the prefix was asked for.
    let by_name = UserQuery { order: UserOrder::Username, limit: 1, ..query.clone() };
    let after = store.find_users(&by_name).await.unwrap().next;
    let found = all_pages!(UserQuery { after, ..of("ab") }, |query| store.find_users(query), |user| user.id.0);
    assert_eq!(found, [4, 3, 5, 2]);
}

const STATES: [State; 3] = [State::New, State::Requested, State::Failed];
const OPERATIONS: [Operation; 2] = [Operation::Create, Operation::Update];

fn many_requests() -> Vec<Request> {
    let of = |id: u64| {
        let state = STATES[(id % 3) as usize];
        let subject = match id % 7 {
            0 => Subject::App,
            n => Subject::User(UserId(n % 4 + 1)),
        };
        let operation = OPERATIONS[(id / 2 % 2) as usize];
        let raised_by = id.is_multiple_of(5).then_some(RequestId(1));
        let needs_review = state == State::Failed && id.is_multiple_of(2);
        Request { operation, state, subject, raised_by, needs_review, ..request(id, 1 + id % 3, 1, None) }
    };
    let asked = |id: u64| waiting(id, 1 + id % 3, 1 + id % 4, &[7 + id % 2, 9], None);
    (1..=60).map(of).chain((61..=70).map(asked)).collect()
}

fn sights() -> Vec<Option<Visible>> {
    let part = |about: Option<u64>, app: Option<u64>, operations: &[Operation]| Reach {
        about: about.map(UserId),
        app: app.map(AppId),
        operations: operations.iter().copied().collect(),
    };
    let of = |reaches: Vec<Reach>, awaiting: &[u64]| {
        Some(Visible { reaches, awaiting: awaiting.iter().copied().map(UserId).collect() })
    };
    vec![
        None,
        of(vec![], &[7, 9]),
        of(vec![part(Some(1), Some(2), &[Operation::Create]), part(Some(2), None, &[])], &[8]),
        of(
            vec![part(None, Some(1), &[Operation::Create]), part(None, Some(2), &OPERATIONS), part(Some(3), None, &[])],
            &[],
        ),
        of(vec![part(None, None, &[])], &[7]),
    ]
}

async fn requests_come_the_other_way_by_every_filter_and_to_whom_may_see_a_part(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, many_requests()).await;
    let mut seen = 0;
    for (app, state) in
        [(None, None), (Some(AppId(1)), None), (None, Some(State::New)), (Some(AppId(2)), Some(State::Failed))]
    {
        for (operation, subject) in [
            (None, None),
            (Some(Operation::Create), None),
            (None, Some(Subject::User(UserId(2)))),
            (None, Some(Subject::App)),
        ] {
            for (raised_by, needs_review, awaiting) in [
                (None, false, vec![]),
                (Some(RequestId(1)), false, vec![]),
                (None, true, vec![]),
                (None, false, vec![UserId(7), UserId(9)]),
            ] {
                for visible in sights() {
                    let awaiting = awaiting.clone();
                    let query = RequestQuery {
                        app,
                        state,
                        operation,
                        subject,
                        raised_by,
                        needs_review,
                        awaiting,
                        visible,
                        limit: 4,
                        ..RequestQuery::default()
                    };
                    let [up, down] = BOTH.map(|direction| RequestQuery { direction, ..query.clone() });
                    let up = all_pages!(up, |query| store.requests(query), |request| request.id.0);
                    let down = all_pages!(down, |query| store.requests(query), |request| request.id.0);
                    assert!(up.is_sorted_by(|one, other| one < other), "each once: {up:?} of {query:?}");
                    seen += assert_mirrored(&query, up, down);
                }
            }
        }
    }
    assert!(seen > 500, "{seen}");
}

async fn accounts_come_the_other_way_by_every_filter(store: &dyn Store) {
    with_apps(store).await;
    let situations = [Situation::Found, Situation::Unassigned, Situation::Missing, Situation::Excluded];
    let of = |id: u64| Account {
        user: (!id.is_multiple_of(3)).then_some(UserId(1 + id % 3)),
        ..account(id, 1 + id % 3, situations[(id % 4) as usize])
    };
    add_accounts(store, (1..=40).map(of)).await;
    let mut seen = 0;
    for (app, user) in
        [(None, None), (Some(AppId(1)), None), (None, Some(UserId(2))), (Some(AppId(2)), Some(UserId(2)))]
    {
        for (link_state, situation) in [
            (None, None),
            (Some(LinkState::Orphaned), None),
            (None, Some(Situation::Found)),
            (None, Some(Situation::Missing)),
        ] {
            let query = AccountQuery { app, user, link_state, situation, limit: 3, ..AccountQuery::default() };
            let [up, down] = BOTH.map(|direction| AccountQuery { direction, ..query.clone() });
            let up = all_pages!(up, |query| store.accounts(query), |account| account.id.0);
            let down = all_pages!(down, |query| store.accounts(query), |account| account.id.0);
            seen += assert_mirrored(&query, up, down);
        }
    }
    assert!(seen > 80, "{seen}");
}

async fn jobs_come_the_other_way_by_every_filter(store: &dyn Store) {
    with_apps(store).await;
    let states = [JobState::Running, JobState::Held, JobState::Completed];
    let jobs = (1..=20).map(|id| job(id, 1 + id % 3, states[(id % 3) as usize]));
    store.commit(ChangeSet { jobs: new(jobs), ..ChangeSet::default() }).await.unwrap();
    let mut seen = 0;
    for (app, state) in [(None, None), (Some(AppId(2)), None), (None, Some(JobState::Held))] {
        let query = JobQuery { app, state, limit: 3, ..JobQuery::default() };
        let [up, down] = BOTH.map(|direction| JobQuery { direction, ..query.clone() });
        let up = all_pages!(up, |query| store.jobs(query), |job| job.id.0);
        let down = all_pages!(down, |query| store.jobs(query), |job| job.id.0);
        seen += assert_mirrored(&query, up, down);
    }
    assert!(seen > 30, "{seen}");
}

async fn the_trail_comes_the_other_way_by_every_filter(store: &dyn Store) {
    let record = |no: i64| {
        let action = ["user.create", "user.change", "app.create"][(no % 3) as usize];
        let mut record = AuditRecord::new(at(no), &Actor(format!("actor{}", no % 2)), action, no.to_string());
        record.app = (no % 2 == 0).then_some(AppId(no as u64 % 4));
        record.person = (no % 3 != 0).then_some(UserId(no as u64 % 5));
        record
    };
    store.commit(ChangeSet { audit: (1..=40).map(record).collect(), ..ChangeSet::default() }).await.unwrap();
    let mut seen = 0;
    for (actor, action) in
        [(None, None), (Some("actor1"), None), (None, Some("user.")), (Some("actor0"), Some("user.c"))]
    {
        for (app, person) in [(None, None), (Some(AppId(2)), None), (None, Some(UserId(1)))] {
            for (since, until) in [
                (None, None),
                (Some(at(10)), None),
                (None, Some(at(31))),
                (Some(at(10)), Some(at(31))),
                (Some(at(99)), None),
                (None, Some(at(0))),
            ] {
                let (actor, action) = (actor.map(str::to_owned), action.map(str::to_owned));
                let query = AuditQuery { actor, action, app, person, since, until, limit: 3, ..AuditQuery::default() };
                let [up, down] = BOTH.map(|direction| AuditQuery { direction, ..query.clone() });
                let up = all_pages!(up, |query| store.audit_entries(query), |entry| entry.sequence);
                let down = all_pages!(down, |query| store.audit_entries(query), |entry| entry.sequence);
                seen += assert_mirrored(&query, up, down);
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

fn delegation(id: u64) -> Delegation {
    Delegation {
        id: DelegationId(id),
        user: UserId(1),
        delegate: UserId(2),
        from: at(0),
        until: at(10),
        reason: None,
        created_by: Actor("admin".to_owned()),
        created_at: at(0),
        version: 0,
    }
}

async fn delegations_and_logs_come_the_other_way(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, None), request(2, 1, 2, None)]).await;
    let delegations = (1..=3).map(delegation).map(Versioned::new).collect();
    let log = [(1, "a"), (2, "x"), (1, "b"), (1, "c")].map(|(id, text)| (RequestId(id), line(text))).into();
    store.commit(ChangeSet { delegations, log, ..ChangeSet::default() }).await.unwrap();

    let first = store.delegations(Direction::Descending, None, 2).await.unwrap();
    let rest = store.delegations(Direction::Descending, first.next.as_deref(), 2).await.unwrap();
    let ids = |page: &ListPage<Delegation>| page.items.iter().map(|of| of.id.0).collect::<Vec<_>>();
    assert_eq!((ids(&first), ids(&rest), rest.next), (vec![3, 2], vec![1], None));

    let first = store.request_log(RequestId(1), Direction::Descending, None, 2).await.unwrap();
    let rest = store.request_log(RequestId(1), Direction::Descending, first.next.as_deref(), 2).await.unwrap();
    assert_eq!((first.items, rest.items, rest.next), (vec![line("c"), line("b")], vec![line("a")], None));
    assert_eq!(store.request_log(RequestId(9), Direction::Descending, None, 2).await.unwrap(), ListPage::default());
}

async fn what_comes_and_goes_between_pages_moves_no_other_item(store: &dyn Store) {
    with_apps(store).await;
    add_users(store, [(2, "b"), (4, "d"), (6, "f"), (8, "h")].map(|(id, name)| user(id, name))).await;
    add_accounts(store, [2, 4, 6, 8].map(|id| account(id, 1, Situation::Unassigned))).await;
    let users = |after| UserQuery {
        order: UserOrder::Username,
        direction: Direction::Descending,
        after,
        limit: 2,
        ..UserQuery::default()
    };
    let accounts = |after| AccountQuery {
        app: Some(AppId(1)),
        direction: Direction::Descending,
        after,
        limit: 2,
        ..AccountQuery::default()
    };
    let (some, more) = (store.find_users(&users(None)).await.unwrap(), store.accounts(&accounts(None)).await.unwrap());
    assert_eq!(some.items.iter().map(|user| user.id.0).collect::<Vec<_>>(), [8, 6]);
    assert_eq!(more.items.iter().map(|account| account.id.0).collect::<Vec<_>>(), [8, 6]);
    // The last one seen is called otherwise, or gone; one comes in before, one behind.
    let renamed = vec![Versioned::replacing(1, user(6, "z"))];
    store.commit(ChangeSet { users: renamed, ..ChangeSet::default() }).await.unwrap();
    add_users(store, [user(9, "g"), user(10, "c")]).await;
    let remove_accounts = vec![AccountId(6)];
    store.commit(ChangeSet { remove_accounts, ..ChangeSet::default() }).await.unwrap();
    add_accounts(store, [3, 7].map(|id| account(id, 1, Situation::Unassigned))).await;
    let rest = all_pages!(users(some.next.clone()), |query| store.find_users(query), |user| user.id.0);
    assert_eq!(rest, [4, 10, 2]);
    let rest = all_pages!(accounts(more.next.clone()), |query| store.accounts(query), |account| account.id.0);
    assert_eq!(rest, [4, 3, 2]);
}

async fn a_cursor_of_the_other_direction_is_refused(store: &dyn Store) {
    with_apps(store).await;
    add_users(store, [user(1, "a"), user(2, "b")]).await;
    add_requests(store, [request(1, 1, 1, None), request(2, 1, 2, None)]).await;
    let refused =
        |answer: Result<(), StoreError>| assert!(matches!(answer, Err(StoreError::BadCursor(_))), "{answer:?}");
    for (way, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        for order in [UserOrder::Number, UserOrder::Username] {
            let query = UserQuery { order, direction: way, limit: 1, ..UserQuery::default() };
            let after = store.find_users(&query).await.unwrap().next;
            assert!(after.is_some());
            refused(store.find_users(&UserQuery { direction: other, after, ..query }).await.map(drop));
        }
        let query = RequestQuery { direction: way, limit: 1, ..RequestQuery::default() };
        let after = store.requests(&query).await.unwrap().next;
        assert!(after.is_some());
        refused(store.requests(&RequestQuery { direction: other, after, ..query }).await.map(drop));
    }
}
