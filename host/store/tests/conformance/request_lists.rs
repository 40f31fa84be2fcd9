//! Lists of requests and what belongs to them: their figures, lanes, logs and rows.

use crate::common::*;
use gatehouse_core::ports::{ChangeSet, Direction, RequestQuery, StagedRun, Store};
use gatehouse_core::{AppId, Operation, Request, RequestId, State, Subject, UserId};

conformance! {
    request_figures_follow_every_change,
    what_waits_for_an_approval_is_counted_with_its_age,
    requests_are_filtered_by_every_combination_newest_first,
    the_review_queue_follows_every_change,
    the_oldest_unsettled_request_of_an_app_is_found,
    logs_come_in_order_and_audit_newest_first,
    staging_rows_are_replaced_and_truncated,
    runs_with_rows_are_found_by_their_numbers,
    a_lane_holds_its_unsettled_requests_in_order,
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
