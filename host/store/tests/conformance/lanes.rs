//! Lanes, claims, leases, fences.

use crate::common::*;
use gatehouse_core::ports::{ChangeSet, Claim, ClaimLimits, Fence, Store, StoreError, Versioned};
use gatehouse_core::{AppId, Request, RequestId, State, Subject};
use std::collections::{BTreeMap, BTreeSet};

conformance! {
    what_is_due_is_claimed_oldest_first,
    only_the_first_unsettled_request_of_a_lane_is_claimed,
    a_request_that_waits_for_a_person_blocks_its_lane,
    lanes_are_told_apart_by_app_and_subject,
    a_lower_number_that_arrives_late_waits_for_the_claim_in_its_lane,
    skipped_apps_and_limits_per_app_are_respected,
    a_claimed_request_is_not_claimed_again_until_its_lease_ends,
    whoever_was_taken_over_is_fenced,
    a_commit_gives_the_claim_back_unless_it_keeps_it,
    a_claim_that_is_kept_lasts_as_long_as_the_last_commit_says,
    a_released_request_can_be_claimed_again,
    the_next_due_date_is_that_of_a_free_head_of_a_lane,
    a_refused_commit_keeps_the_claim,
    due_dates_before_1970_and_within_one_second_keep_their_order,
    a_request_whose_date_has_not_come_holds_up_nobody,
    a_request_whose_date_comes_goes_before_later_ones_that_have_not_been_begun,
    a_request_whose_date_comes_waits_for_a_later_one_that_has_been_begun,
}

fn under(claim: &Claim, request: Request) -> ChangeSet {
    let requests = vec![Versioned::replacing(claim.request.version, request)];
    ChangeSet { fence: Some(claim.fence), requests, ..ChangeSet::default() }
}

async fn what_is_due_is_claimed_oldest_first(store: &dyn Store) {
    with_apps(store).await;
    let requests = [request(1, 1, 1, Some(30)), request(2, 2, 2, Some(10)), request(3, 1, 3, Some(20))];
    add_requests(store, requests).await;
    add_requests(store, [request(4, 3, 4, Some(10)), request(5, 1, 5, Some(99))]).await;
    assert_eq!(claimed(store, 30, 2).await, [2, 4], "by due date, then number");
    assert_eq!(claimed(store, 30, 9).await, [3, 1]);
    assert_eq!(claimed(store, 30, 9).await, [0_u64; 0], "the last one is not due yet");
}

async fn only_the_first_unsettled_request_of_a_lane_is_claimed(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(50)), request(2, 1, 1, Some(0)), request(3, 1, 1, Some(10))]).await;
    assert_eq!(claimed(store, 40, 9).await, [0_u64; 0], "2 and 3 are due, but 1 comes first");
    let first = claim(store, 50, 9).await;
    assert_eq!(first[0].request.id, RequestId(1));
    store.commit(under(&first[0], settled(&first[0].request))).await.unwrap();
    let second = claim(store, 50, 9).await;
    assert_eq!(second.iter().map(|c| c.request.id.0).collect::<Vec<_>>(), [2], "one at a time");
    let failed = Request { state: State::Failed, ..settled(&second[0].request) };
    store.commit(under(&second[0], failed)).await.unwrap();
    assert_eq!(claimed(store, 50, 9).await, [3]);
}

async fn a_request_that_waits_for_a_person_blocks_its_lane(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, None), request(2, 1, 1, Some(0))]).await;
    assert_eq!(claimed(store, 99, 9).await, [0_u64; 0]);
    assert_eq!(store.next_due().await.unwrap(), None);
    replace(store, Request { state: State::Cancelled, ..request(1, 1, 1, None) }).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(0)));
    assert_eq!(claimed(store, 99, 9).await, [2]);
}

async fn lanes_are_told_apart_by_app_and_subject(store: &dyn Store) {
    with_apps(store).await;
    let about = |id, app, subject| Request { subject, ..request(id, app, 1, Some(0)) };
    let account = Subject::Account(gatehouse_core::AccountId(1));
    let requests = [about(2, 2, Subject::App), about(3, 1, account), about(4, 1, Subject::App), about(5, 1, account)];
    add_requests(store, [request(1, 1, 1, Some(0)), request(6, 2, 1, Some(0))].into_iter().chain(requests)).await;
    assert_eq!(claimed(store, 0, 9).await, [1, 2, 3, 4, 6]);
}

async fn a_lower_number_that_arrives_late_waits_for_the_claim_in_its_lane(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(2, 1, 1, Some(0))]).await;
    let second = claim(store, 0, 9).await.remove(0);
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    assert_eq!(claimed(store, 0, 9).await, [0_u64; 0], "one at a time, even now");
    store.commit(under(&second, Request { due: Some(at(5)), ..second.request.clone() })).await.unwrap();
    assert_eq!(claimed(store, 9, 9).await, [1], "then the lower number comes first");
}

async fn skipped_apps_and_limits_per_app_are_respected(store: &dyn Store) {
    with_apps(store).await;
    let requests = (1..=9).map(|id| request(id, 1 + id % 3, id, Some(id as i64)));
    add_requests(store, requests).await;
    let limits = ClaimLimits {
        count: 9,
        skip_apps: BTreeSet::from([AppId(1)]),
        per_app: BTreeMap::from([(AppId(2), 2), (AppId(3), 0)]),
    };
    let claims = store.claim(at(99), LEASE, "host", &limits).await.unwrap();
    assert_eq!(claims.iter().map(|c| c.request.id.0).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(claimed(store, 99, 9).await, [2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(claimed(store, 99, 0).await, [0_u64; 0]);
}

async fn a_claimed_request_is_not_claimed_again_until_its_lease_ends(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0)), request(2, 1, 2, Some(30))]).await;
    let first = claim(store, 0, 9).await.remove(0);
    assert_eq!((first.lease_until, first.request.id.0), (at(60), 1));
    assert_eq!(claimed(store, 59, 9).await, [2]);
    let again = claim(store, 60, 9).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].request.id, RequestId(1));
    assert!(again[0].fence.token > first.fence.token, "{again:?} after {first:?}");
}

async fn whoever_was_taken_over_is_fenced(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let slow = claim(store, 0, 9).await.remove(0);
    let quick = claim(store, 60, 9).await.remove(0);
    let late = ChangeSet { audit: vec![audit("late")], ..under(&slow, settled(&slow.request)) };
    let refused = store.commit(late).await;
    assert!(matches!(refused, Err(StoreError::Fenced { request: RequestId(1) })), "{refused:?}");
    assert_eq!(store.audit(None, 9).await.unwrap().items, [], "nothing of it was written");
    store.release(slow.fence).await.unwrap();
    let refused = store.commit(under(&slow, settled(&slow.request))).await;
    assert!(
        matches!(refused, Err(StoreError::Fenced { .. })),
        "a release by the slow one changes nothing: {refused:?}"
    );
    store.commit(under(&quick, settled(&quick.request))).await.unwrap();
    let refused = store.commit(ChangeSet { fence: Some(quick.fence), ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "the claim was given back: {refused:?}");
    let unknown = Fence { request: RequestId(77), token: 1 };
    let refused = store.commit(ChangeSet { fence: Some(unknown), ..ChangeSet::default() }).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
}

async fn a_commit_gives_the_claim_back_unless_it_keeps_it(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let held = claim(store, 0, 9).await.remove(0);
    let going_on = Request { state: State::Committing, ..held.request.clone() };
    store.commit(ChangeSet { keep_claim: Some(held.lease_until), ..under(&held, going_on.clone()) }).await.unwrap();
    assert_eq!(claimed(store, 1, 9).await, [0_u64; 0], "still held");
    let requests = vec![Versioned::replacing(2, Request { due: Some(at(10)), ..going_on })];
    store.commit(ChangeSet { fence: Some(held.fence), requests, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(claimed(store, 9, 9).await, [0_u64; 0], "given back, and not due yet");
    let next = claim(store, 10, 9).await.remove(0);
    assert_eq!((next.request.state, next.request.version), (State::Committing, 3));
    assert!(next.fence.token > held.fence.token);
}

async fn a_claim_that_is_kept_lasts_as_long_as_the_last_commit_says(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let held = claim(store, 0, 9).await.remove(0);
    let longer = |until| ChangeSet { fence: Some(held.fence), keep_claim: Some(at(until)), ..ChangeSet::default() };
    store.commit(longer(100)).await.unwrap();
    assert_eq!(claimed(store, 99, 9).await, [0_u64; 0], "the first lease was over at 60");
    store.commit(longer(150)).await.unwrap();
    store.commit(longer(120)).await.unwrap();
    let taken_over = claim(store, 120, 9).await.remove(0);
    let refused = store.commit(longer(500)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert_eq!(taken_over.lease_until, at(180));
    assert_eq!(claimed(store, 180, 9).await, [1], "what the slow one said holds for nobody else");
}

async fn a_released_request_can_be_claimed_again(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let held = claim(store, 0, 9).await.remove(0);
    assert_eq!(store.next_due().await.unwrap(), None);
    store.release(held.fence).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(0)));
    let again = claim(store, 0, 9).await.remove(0);
    assert_eq!(again.request, held.request);
    assert!(again.fence.token > held.fence.token);
}

async fn the_next_due_date_is_that_of_a_free_head_of_a_lane(store: &dyn Store) {
    with_apps(store).await;
    assert_eq!(store.next_due().await.unwrap(), None);
    add_requests(store, [request(1, 1, 1, Some(40)), request(2, 1, 1, Some(10)), request(3, 2, 1, Some(50))]).await;
    assert_eq!(store.next_due().await.unwrap(), Some(at(40)), "2 waits behind 1");
    let first = claim(store, 40, 1).await.remove(0);
    assert_eq!(store.next_due().await.unwrap(), Some(at(50)));
    store.commit(under(&first, settled(&first.request))).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(10)));
    replace(store, request(2, 1, 1, Some(70))).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(50)));
}

async fn a_refused_commit_keeps_the_claim(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [request(1, 1, 1, Some(0))]).await;
    let held = claim(store, 0, 9).await.remove(0);
    let stale =
        ChangeSet { users: vec![Versioned::replacing(4, user(1, "x"))], ..under(&held, settled(&held.request)) };
    let refused = store.commit(stale).await;
    assert!(matches!(refused, Err(StoreError::VersionConflict { .. })), "{refused:?}");
    store.commit(under(&held, settled(&held.request))).await.unwrap();
}

async fn due_dates_before_1970_and_within_one_second_keep_their_order(store: &dyn Store) {
    with_apps(store).await;
    let due = |id, text: &str| Request { due: Some(text.parse().unwrap()), ..request(id, 1, id, None) };
    let requests = [
        due(1, "2026-01-01T00:00:00.000000002Z"),
        due(2, "2026-01-01T00:00:00.000000001Z"),
        due(3, "1969-12-31T23:59:59.5Z"),
        due(4, "-000100-01-01T00:00:00Z"),
    ];
    add_requests(store, requests).await;
    assert_eq!(claimed(store, 0, 9).await, [4, 3, 2, 1]);
}

/// As it is once its date has come.
fn come(request: &Request) -> Request {
    Request { awaits_date: false, due: request.run_at, version: 1, ..request.clone() }
}

async fn a_request_whose_date_has_not_come_holds_up_nobody(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [dated(1, 1, 1, 50), request(2, 1, 1, Some(0)), request(3, 1, 1, Some(1))]).await;
    assert_eq!(store.next_due().await.unwrap(), Some(at(0)));
    assert_eq!(claimed(store, 60, 9).await, [2], "not 1, though its date has come: nobody has said so yet");
    assert_eq!(store.alarms(at(60), None, 9).await.unwrap(), [(at(50), RequestId(1))]);
    replace(store, Request { state: State::Cancelled, awaits_date: false, ..dated(1, 1, 1, 50) }).await.unwrap();
    assert_eq!(store.alarms(at(60), None, 9).await.unwrap(), []);
}

async fn a_request_whose_date_comes_goes_before_later_ones_that_have_not_been_begun(store: &dyn Store) {
    with_apps(store).await;
    let first = dated(1, 1, 1, 50);
    add_requests(store, [first.clone(), waiting(2, 1, 1, &[7], None), request(3, 1, 1, Some(1))]).await;
    assert_eq!(claimed(store, 60, 9).await, [0_u64; 0], "2 waits for a person");
    replace(store, come(&first)).await.unwrap();
    assert_eq!(claimed(store, 60, 9).await, [1]);
}

async fn a_request_whose_date_comes_waits_for_a_later_one_that_has_been_begun(store: &dyn Store) {
    with_apps(store).await;
    let (first, second) = (dated(1, 1, 1, 50), request(2, 1, 1, Some(0)));
    add_requests(store, [first.clone(), second.clone()]).await;
    let claim = claim(store, 60, 9).await.remove(0);
    let busy = |error| matches!(error, StoreError::LaneBusy { request: RequestId(1) });
    assert!(busy(replace(store, come(&first)).await.unwrap_err()), "2 may be begun at any moment");
    let begun = Request { state: State::Committing, due: Some(at(90)), ..claim.request.clone() };
    store.commit(under(&claim, begun.clone())).await.unwrap();
    assert!(busy(replace(store, come(&first)).await.unwrap_err()), "2 is waited for, though nobody works on it");
    assert_eq!(store.alarms(at(60), None, 9).await.unwrap(), [(at(50), RequestId(1))], "and 1 is not forgotten");
    replace(store, Request { version: 2, ..settled(&begun) }).await.unwrap();
    replace(store, come(&first)).await.unwrap();
    assert_eq!(claimed(store, 70, 9).await, [1]);
}
