//! Whether what a store holds agrees with itself: requests with their audit trail, their queue, their indexes and
//! rows; accounts with their links and counts. It reads the store as anybody would, and knows nothing of the file.

use gatehouse_core::ports::{AccountQuery, Direction, RequestQuery, Store};
use gatehouse_core::retention::is_superseded;
use gatehouse_core::{Account, AuditRecord, Operation, Request, RequestId, State, Subject};
use std::collections::{BTreeMap, BTreeSet};

const ALL: usize = 1000;

/// Looks at everything; panics with the story where something does not agree.
pub async fn agrees_with_itself(store: &dyn Store, story: &str) {
    let requests = requests(store, RequestQuery::default()).await;
    let mut trail = store.audit(None, ALL).await.unwrap().items;
    trail.reverse();
    for request in &requests {
        its_trail_leads_to_its_state(request, &trail, story);
        if request.operation == Operation::Reconcile {
            its_rows_are_there(store, request, story).await;
        }
    }
    let known: BTreeSet<RequestId> = requests.iter().map(|request| request.id).collect();
    let recorded: BTreeSet<RequestId> = trail.iter().filter_map(|record| record.request).collect();
    assert!(recorded.is_subset(&known), "{story}: records of requests that are not there: {recorded:?} {known:?}");
    every_list_finds_them(store, &requests, story).await;
    the_queue_is_theirs(store, &requests, story).await;
    accounts_and_links(store, &requests, story).await;
}

async fn requests(store: &dyn Store, query: RequestQuery) -> Vec<Request> {
    store.requests(&RequestQuery { limit: ALL, ..query }).await.unwrap().items
}

/// Every change of state has its record, in the commit that made it: they lead from the first state to the present.
fn its_trail_leads_to_its_state(request: &Request, trail: &[AuditRecord], story: &str) {
    let own = trail.iter().filter(|record| record.request == Some(request.id));
    let mut state = None;
    for record in own {
        match record.action.as_str() {
            "request.create" => {
                assert_eq!(state, None, "{story}: {} was made twice", request.id);
                state = Some(record.facts["state"].clone());
            }
            "request.state" => {
                assert_eq!(state.as_ref(), record.facts.get("from"), "{story}: {} has a gap in its trail", request.id);
                state = record.facts.get("to").cloned();
            }
            _ => {}
        }
    }
    let found = Some(format!("{:?}", request.state));
    assert_eq!(state, found, "{story}: the trail of {} ends elsewhere", request.id);
    assert!(request.change.is_intact(), "{story}: {} is not what was sealed", request.id);
}

/// The rows and what the run says of them advance together.
async fn its_rows_are_there(store: &dyn Store, request: &Request, story: &str) {
    let run = request.run.as_ref().unwrap();
    let rows = store.staging(request.id, 0, ALL).await.unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.no).collect();
    // Of a run that a later one has replaced they go, from the end.
    let replaced = requests(store, RequestQuery { app: Some(request.app), ..RequestQuery::default() }).await;
    let replaced = replaced.iter().any(|later| is_superseded(request, Some(later)));
    let there = if replaced { rows.len() as u64 } else { run.rows };
    assert_eq!(numbers, (0..there).collect::<Vec<_>>(), "{story}: rows of {}", request.id);
    let analyzed = rows.iter().filter(|row| row.verdict.is_some() && row.no >= run.analyzed).count();
    assert_eq!(analyzed, 0, "{story}: rows of {} have verdicts before the run says so", request.id);
    let children = requests(store, RequestQuery { raised_by: Some(request.id), ..RequestQuery::default() }).await;
    assert_eq!(children.len() as u64, run.raised, "{story}: children of {}", request.id);
    assert!(run.committed <= run.analyzed && run.analyzed <= run.rows, "{story}: {run:?}");
    let log = store.request_log(request.id, Direction::Ascending, None, ALL).await.unwrap().items;
    assert!(!log.is_empty(), "{story}: {} has no log", request.id);
}

async fn every_list_finds_them(store: &dyn Store, all: &[Request], story: &str) {
    for request in all {
        let queries = [
            RequestQuery { state: Some(request.state), ..RequestQuery::default() },
            RequestQuery { app: Some(request.app), operation: Some(request.operation), ..RequestQuery::default() },
            RequestQuery { subject: Some(request.subject), ..RequestQuery::default() },
        ];
        for query in queries {
            let found = requests(store, query.clone()).await;
            let times = found.iter().filter(|found| found.id == request.id).count();
            assert!(times == 1 || query.subject == Some(Subject::App), "{story}: {query:?} finds {}", request.id);
        }
    }
    let mut by_state = 0;
    for state in State::ALL {
        by_state += requests(store, RequestQuery { state: Some(state), ..RequestQuery::default() }).await.len();
    }
    assert_eq!(by_state, all.len(), "{story}: the index by state has more, or fewer");
}

/// What is queued is what the requests say: the first unsettled one of each lane, at its due date.
async fn the_queue_is_theirs(store: &dyn Store, all: &[Request], story: &str) {
    let mut heads = BTreeMap::new();
    for request in all.iter().filter(|request| !request.state.is_settled()) {
        let head = heads.entry((request.app, request.subject)).or_insert(request);
        if request.id < head.id {
            *head = request;
        }
    }
    let expected = heads.values().filter_map(|head| head.due).min();
    assert_eq!(store.next_due().await.unwrap(), expected, "{story}: the queue");
}

async fn accounts_and_links(store: &dyn Store, requests: &[Request], story: &str) {
    let query = AccountQuery { limit: ALL, ..AccountQuery::default() };
    let accounts = store.accounts(&query).await.unwrap().items;
    let mut situations = BTreeMap::new();
    for account in &accounts {
        *situations.entry((account.app, account.situation)).or_insert(0) += 1;
        found_by_every_index(store, account, story).await;
    }
    for app in store.apps().await.unwrap() {
        for (situation, count) in store.account_counts(app.id).await.unwrap() {
            let found = situations.remove(&(app.id, situation)).unwrap_or(0);
            assert_eq!(count, found, "{story}: {situation:?} of {}", app.name);
        }
    }
    assert!(situations.is_empty(), "{story}: not counted: {situations:?}");
    for request in requests.iter().filter(|request| request.state == State::Completed) {
        let (Operation::Create, Subject::User(user)) = (request.operation, request.subject) else { continue };
        let theirs = accounts.iter().filter(|account| Some(account.id) == request.account);
        let owners: Vec<_> = theirs.map(|account| account.user).collect();
        assert_eq!(owners, [Some(user)], "{story}: {} is done, and its account is its user's", request.id);
    }
}

async fn found_by_every_index(store: &dyn Store, account: &Account, story: &str) {
    if let Some(external_id) = &account.external_id {
        let found = store.account_by_external_id(account.app, external_id).await.unwrap().map(|found| found.id);
        assert_eq!(found, Some(account.id), "{story}: by external id {external_id}");
    }
    let of_situation =
        AccountQuery { app: Some(account.app), situation: Some(account.situation), ..AccountQuery::default() };
    let of_user = AccountQuery { user: account.user, ..AccountQuery::default() };
    for query in [of_situation, of_user] {
        let found = store.accounts(&AccountQuery { limit: ALL, ..query.clone() }).await.unwrap().items;
        assert_eq!(found.iter().filter(|found| *found == account).count(), 1, "{story}: {query:?}");
    }
}
