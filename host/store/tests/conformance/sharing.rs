//! Sharing rules, who reports to whom, and lists of requests of which somebody may see a part.

use crate::common::*;
use gatehouse_core::ports::{ChangeSet, RequestQuery, Store, StoreError, Versioned};
use gatehouse_core::sharing::{Access, Audience, Owner, Reach, SharingRule, Visible};
use gatehouse_core::{AppId, Operation, Request, RequestId, State, Subject, User, UserId};
use std::collections::BTreeSet;

conformance! {
    sharing_rules_are_kept_by_name,
    those_who_report_to_somebody_follow_every_change,
    visible_requests_are_listed_by_every_combination_newest_first,
}

fn rule(name: &str, access: Access) -> SharingRule {
    SharingRule {
        name: name.to_owned(),
        description: String::new(),
        app: Some(AppId(1)),
        operations: BTreeSet::from([Operation::Create]),
        owner: Owner::Group("board".to_owned()),
        audience: Audience::Managers,
        access,
        version: 0,
        created_at: at(0),
    }
}

async fn sharing_rules_are_kept_by_name(store: &dyn Store) {
    let rules = [rule("b", Access::Read), rule("a", Access::Approve)];
    store.commit(ChangeSet { sharing_rules: new(rules), ..ChangeSet::default() }).await.unwrap();
    let kept = store.sharing_rules().await.unwrap();
    assert_eq!(kept[0], SharingRule { version: 1, ..rule("a", Access::Approve) });
    assert_eq!(kept.len(), 2);
    let again = ChangeSet { sharing_rules: new([rule("a", Access::Read)]), ..ChangeSet::default() };
    assert!(matches!(store.commit(again).await, Err(StoreError::Duplicate { .. })));
    let changes = ChangeSet {
        sharing_rules: vec![Versioned::replacing(1, rule("a", Access::Read))],
        remove_sharing_rules: vec!["b".to_owned()],
        ..ChangeSet::default()
    };
    store.commit(changes).await.unwrap();
    assert_eq!(store.sharing_rules().await.unwrap(), [SharingRule { version: 2, ..rule("a", Access::Read) }]);
}

async fn those_who_report_to_somebody_follow_every_change(store: &dyn Store) {
    let of = |id, manager: Option<u64>| User { manager: manager.map(UserId), ..user(id, &format!("u{id}")) };
    add_users(store, [of(1, None), of(2, None), of(3, Some(1)), of(4, Some(1)), of(5, Some(2))]).await;
    let reports = async |manager| store.reports_of(UserId(manager)).await.unwrap();
    assert_eq!((reports(1).await, reports(2).await), (vec![UserId(3), UserId(4)], vec![UserId(5)]));
    let users = [of(3, Some(2)), of(4, None)].map(|user| Versioned::replacing(1, user)).into();
    store.commit(ChangeSet { users, ..ChangeSet::default() }).await.unwrap();
    assert_eq!((reports(1).await, reports(2).await), (vec![], vec![UserId(3), UserId(5)]));
}

const STATES: [State; 3] = [State::New, State::Requested, State::Failed];
const OPERATIONS: [Operation; 2] = [Operation::Create, Operation::Update];

fn requests() -> Vec<Request> {
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
    (1..=60).map(of).collect()
}

fn reaches() -> Vec<Vec<Reach>> {
    let part = |about: Option<u64>, app: Option<u64>, operations: &[Operation]| Reach {
        about: about.map(UserId),
        app: app.map(AppId),
        operations: operations.iter().copied().collect(),
    };
    let create = &[Operation::Create];
    vec![
        vec![],
        vec![part(Some(1), None, &[])],
        vec![part(Some(1), Some(2), create), part(Some(2), None, &[])],
        vec![part(None, Some(1), &[])],
        vec![part(None, Some(1), create), part(None, Some(2), &OPERATIONS), part(Some(3), None, &[])],
        vec![part(None, None, create), part(None, Some(1), create)],
        vec![part(None, None, &[])],
        vec![part(Some(99), None, &[])],
    ]
}

async fn visible_requests_are_listed_by_every_combination_newest_first(store: &dyn Store) {
    with_apps(store).await;
    let all = requests();
    add_requests(store, all.clone()).await;
    for visible in reaches() {
        for app in [None, Some(AppId(1))] {
            for (state, operation) in [(None, None), (Some(State::New), None), (None, Some(Operation::Create))] {
                for subject in [None, Some(Subject::User(UserId(2))), Some(Subject::App)] {
                    for (raised_by, needs_review) in [(None, false), (Some(RequestId(1)), false), (None, true)] {
                        let visible = Some(Visible { reaches: visible.clone(), awaiting: Vec::new() });
                        let query = RequestQuery {
                            app,
                            state,
                            operation,
                            subject,
                            raised_by,
                            needs_review,
                            visible,
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

async fn assert_listed(store: &dyn Store, all: &[Request], mut query: RequestQuery) {
    let wanted = all.iter().rev().filter(|r| {
        query.app.is_none_or(|x| x == r.app)
            && query.state.is_none_or(|x| x == r.state)
            && query.operation.is_none_or(|x| x == r.operation)
            && query.subject.is_none_or(|x| x == r.subject)
            && query.raised_by.is_none_or(|x| Some(x) == r.raised_by)
            && (!query.needs_review || r.is_in_review())
            && query.visible.iter().any(|visible| visible.covers(r))
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
