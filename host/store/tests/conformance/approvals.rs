//! Who is waited for, what happens by the clock, delegations, and what is to be told.

use crate::common::*;
use gatehouse_core::approval::{Delegation, Delivery, Notice, NoticeKind};
use gatehouse_core::ports::{ChangeSet, Direction, RequestQuery, Sequence, Store, Versioned};
use gatehouse_core::{Actor, AppId, DelegationId, Operation, Request, RequestId, State, Subject, UserId};

conformance! {
    requests_are_listed_by_whom_they_wait_for,
    what_the_clock_brings_is_listed_in_its_order,
    delegations_are_listed_by_whom_they_are_to,
    notices_are_listed_by_when_they_are_to_be_told,
    nothing_of_a_removed_app_is_waited_for_or_told,
}

async fn awaiting(store: &dyn Store, users: &[u64]) -> Vec<u64> {
    let awaiting = users.iter().copied().map(UserId).collect();
    let query = RequestQuery { awaiting, limit: 9, ..RequestQuery::default() };
    store.requests(&query).await.unwrap().items.iter().map(|request| request.id.0).collect()
}

async fn requests_are_listed_by_whom_they_wait_for(store: &dyn Store) {
    with_apps(store).await;
    let second = waiting(2, 2, 2, &[8], None);
    add_requests(store, [waiting(1, 1, 1, &[7, 8], None), second.clone(), request(3, 1, 3, None)]).await;
    add_requests(store, [waiting(4, 1, 7, &[7, 9], None)]).await;
    assert_eq!(awaiting(store, &[7]).await, [1], "4 is about the account of 7");
    assert_eq!(awaiting(store, &[8, 9, 7]).await, [4, 2, 1], "each once, newest first");
    assert_eq!(awaiting(store, &[5]).await, [0_u64; 0]);
    replace(store, Request { state: State::Cancelled, version: 1, ..second }).await.unwrap();
    assert_eq!(awaiting(store, &[8]).await, [1]);
    let query = RequestQuery { awaiting: vec![UserId(8), UserId(9)], limit: 1, ..RequestQuery::default() };
    let first = store.requests(&query).await.unwrap();
    let rest = store.requests(&RequestQuery { after: first.next, ..query.clone() }).await.unwrap();
    assert_eq!((first.items[0].id.0, rest.items[0].id.0, rest.next), (4, 1, None));
    let of_app = RequestQuery { app: Some(AppId(2)), ..query };
    assert_eq!(store.requests(&of_app).await.unwrap().items.len(), 0);
}

async fn what_the_clock_brings_is_listed_in_its_order(store: &dyn Store) {
    with_apps(store).await;
    let both = Request { run_at: Some(at(5)), awaits_date: true, ..waiting(4, 1, 4, &[7], Some(40)) };
    add_requests(store, [waiting(1, 1, 1, &[7], Some(30)), dated(2, 1, 1, 10), dated(3, 2, 2, 30), both]).await;
    let alarm = |second, id| (at(second), RequestId(id));
    let all = [alarm(5, 4), alarm(10, 2), alarm(30, 1), alarm(30, 3)];
    assert_eq!(store.alarms(at(30), None, 9).await.unwrap(), all);
    assert_eq!(store.alarms(at(29), None, 9).await.unwrap(), all[..2]);
    assert_eq!(store.alarms(at(30), Some(all[1]), 1).await.unwrap(), all[2..3]);
    assert_eq!(store.alarms(at(30), Some(alarm(30, 9)), 1).await.unwrap(), []);
    assert_eq!(store.next_alarm().await.unwrap(), Some(at(5)));
    assert_eq!(store.next_due().await.unwrap(), None, "none of them is work");
}

fn delegation(id: u64, user: u64, delegate: u64) -> Delegation {
    Delegation {
        id: DelegationId(id),
        user: UserId(user),
        delegate: UserId(delegate),
        from: at(0),
        until: at(10),
        reason: None,
        created_by: Actor("admin".to_owned()),
        created_at: at(0),
        version: 0,
    }
}

async fn delegations_are_listed_by_whom_they_are_to(store: &dyn Store) {
    let made = [delegation(1, 1, 2), delegation(2, 3, 2), delegation(3, 2, 1)];
    let delegations = made.into_iter().map(Versioned::new).collect();
    store.commit(ChangeSet { delegations, ..ChangeSet::default() }).await.unwrap();
    let to = async |user| -> Vec<u64> {
        store.delegations_to(UserId(user)).await.unwrap().iter().map(|found| found.id.0).collect()
    };
    assert_eq!((to(2).await, to(1).await, to(3).await), (vec![1, 2], vec![3], vec![]));
    assert!(store.allocate(Sequence::Delegation, 1) > 3, "numbers that were used are not handed out");
    let other = Versioned::replacing(1, Delegation { version: 1, ..delegation(1, 1, 3) });
    let remove_delegations = vec![DelegationId(2)];
    store.commit(ChangeSet { delegations: vec![other], remove_delegations, ..ChangeSet::default() }).await.unwrap();
    assert_eq!((to(2).await, to(3).await), (vec![], vec![1]));
    let page = store.delegations(Direction::Ascending, None, 1).await.unwrap();
    let rest = store.delegations(Direction::Ascending, page.next.as_deref(), 9).await.unwrap();
    assert_eq!((page.items[0].id.0, rest.items[0].id.0, rest.next), (1, 3, None));
    assert_eq!(store.delegation(DelegationId(2)).await.unwrap(), None);
}

fn notice(id: &str, app: u64, second: i64) -> Notice {
    Notice {
        id: id.to_owned(),
        kind: NoticeKind::ApprovalAsked,
        request: RequestId(1),
        app: AppId(app),
        operation: Operation::Create,
        subject: Subject::App,
        to: [UserId(1)].into(),
        reason: None,
        deadline: None,
        at: at(0),
        webhook: Delivery::Due { at: at(second), attempts: 0 },
        mail: Delivery::Done,
        mail_to: [UserId(1)].into(),
    }
}

async fn told(store: &dyn Store, until: i64, limit: usize) -> Vec<String> {
    store.notices(at(until), limit).await.unwrap().into_iter().map(|notice| notice.id).collect()
}

async fn notices_are_listed_by_when_they_are_to_be_told(store: &dyn Store) {
    let notices = vec![notice("a", 1, 20), notice("b", 1, 10), notice("c", 1, 30)];
    store.commit(ChangeSet { notices, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(told(store, 20, 9).await, ["b", "a"]);
    assert_eq!(told(store, 20, 1).await, ["b"]);
    let notices = vec![notice("b", 1, 40), Notice { webhook: Delivery::Done, ..notice("c", 1, 0) }];
    let remove_notices = vec!["a".to_owned(), "never there".to_owned()];
    store.commit(ChangeSet { notices, remove_notices, ..ChangeSet::default() }).await.unwrap();
    assert_eq!(told(store, 99, 9).await, ["b"], "what is done is not kept");
}

async fn nothing_of_a_removed_app_is_waited_for_or_told(store: &dyn Store) {
    with_apps(store).await;
    add_requests(store, [waiting(1, 1, 1, &[7], Some(3)), dated(2, 1, 1, 4), dated(3, 2, 1, 5)]).await;
    store.commit(ChangeSet { notices: vec![notice("a", 1, 0)], ..ChangeSet::default() }).await.unwrap();
    store.commit(ChangeSet { remove_apps: vec![AppId(1)], ..ChangeSet::default() }).await.unwrap();
    assert_eq!(awaiting(store, &[7]).await, [0_u64; 0]);
    assert_eq!(store.alarms(at(9), None, 9).await.unwrap(), [(at(5), RequestId(3))]);
    assert_eq!(told(store, 9, 9).await, [""; 0]);
}
