//! The audit trail: chained, listed by index, erased with people, dropped from its beginning.

use crate::common::*;
use gatehouse_core::audit::denials::{COUNT, DenialKey, OPEN_AT_MOST, OTHERS};
use gatehouse_core::audit::{AuditEntry, AuditQuery, Denials, Payload, Signed, Verdict, Verifier};
use gatehouse_core::ports::{ChangeSet, Store, StoreError, TrailChange};
use gatehouse_core::{Actor, AppId, AuditHead, AuditRecord, RequestId, UserId};

conformance! {
    records_are_chained_and_heads_signed,
    the_trail_is_filtered_by_every_combination_newest_first,
    what_is_said_of_a_person_is_erased_and_the_chain_stays,
    records_are_dropped_behind_a_checkpoint,
    equal_denials_are_counted_and_none_is_lost,
    made_up_origins_do_not_open_windows_without_end,
}

async fn record(store: &dyn Store, audit: Vec<AuditRecord>) {
    store.commit(ChangeSet { audit, ..ChangeSet::default() }).await.unwrap();
}

async fn change(store: &dyn Store, trail: TrailChange, audit: Vec<AuditRecord>) {
    store.commit(ChangeSet { trail, audit, ..ChangeSet::default() }).await.unwrap();
}

async fn verdict(store: &dyn Store, heads: Vec<AuditHead>) -> Verdict {
    let trusted = store.audit_head(None, at(0)).await.unwrap().public_key;
    let mut verifier = Verifier::new(store.audit_checkpoint().await.unwrap(), heads, Some(trusted));
    let mut next = 0;
    loop {
        let entries = store.audit_from(next, 3).await.unwrap();
        let Some(last) = entries.last() else { return verifier.finish() };
        next = last.sequence + 1;
        entries.into_iter().for_each(|entry| verifier.push(entry));
    }
}

async fn records_are_chained_and_heads_signed(store: &dyn Store) {
    let empty = store.audit_head(None, at(0)).await.unwrap();
    assert_eq!((empty.sequence, empty.check(Signed::Head, None)), (0, Ok(())));
    record(store, vec![audit("a"), audit("b")]).await;
    record(store, vec![audit("c")]).await;
    let entries = store.audit_from(0, 9).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    let (head, second) =
        (store.audit_head(None, at(5)).await.unwrap(), store.audit_head(Some(2), at(5)).await.unwrap());
    assert_eq!((head.place(), head.at, second.place()), (entries[2].place(), at(5), entries[1].place()));
    assert_eq!(head.public_key, empty.public_key);
    assert!(matches!(store.audit_head(Some(4), at(0)).await, Err(StoreError::Invalid(_))));
    record(store, vec![audit("d")]).await;
    let verdict = verdict(store, vec![empty, head, second]).await;
    assert!(verdict.valid && verdict.records == 4, "{verdict:?}");
    assert_eq!(store.audit(None, 2).await.unwrap().items, [audit("d"), audit("c")]);
}

/// Records of some actors, actions, apps, requests and people, one a second.
fn various() -> Vec<AuditRecord> {
    let of = |no: i64| {
        let action = ["user.create", "user.change", "user", "app.create", "request.state"][(no % 5) as usize];
        let mut record = AuditRecord::new(at(no), &Actor(format!("actor{}", no % 3)), action, no.to_string());
        record.app = (no % 2 == 0).then_some(AppId(no as u64 % 4));
        record.request = (no % 7 == 0).then_some(RequestId(no as u64 % 3));
        record.person = (no % 3 != 0).then_some(UserId(no as u64 % 5));
        record
    };
    (1..=60).map(of).collect()
}

async fn the_trail_is_filtered_by_every_combination_newest_first(store: &dyn Store) {
    record(store, various()).await;
    change(store, TrailChange { erase: vec![UserId(4)], ..TrailChange::default() }, Vec::new()).await;
    let everything = store.audit_from(0, 99).await.unwrap();
    let actors = [None, Some("actor1".to_owned()), Some("actor".to_owned())];
    let actions = [None, Some("user.".to_owned()), Some("user".to_owned()), Some("x".to_owned())];
    let apps = [None, Some(AppId(2))];
    let requests = [None, Some(RequestId(1))];
    let people = [None, Some(UserId(1)), Some(UserId(4))];
    let times = [(None, None), (Some(at(20)), None), (None, Some(at(31))), (Some(at(20)), Some(at(31)))];
    let mut found_any = 0;
    for actor in &actors {
        for (action, app) in actions.iter().flat_map(|action| apps.iter().map(move |app| (action, *app))) {
            for (request, person) in requests.iter().flat_map(|r| people.iter().map(move |p| (*r, *p))) {
                for (since, until) in times {
                    let (actor, action) = (actor.clone(), action.clone());
                    let query = AuditQuery {
                        actor,
                        action,
                        app,
                        request,
                        person,
                        since,
                        until,
                        limit: 4,
                        ..AuditQuery::default()
                    };
                    let wanted: Vec<u64> =
                        everything.iter().rev().filter(|entry| query.lets_through(entry)).map(|e| e.sequence).collect();
                    assert_eq!(pages(store, query.clone()).await, wanted, "{query:?}");
                    found_any += wanted.len();
                }
            }
        }
    }
    assert!(found_any > 500, "{found_any}");
}

async fn pages(store: &dyn Store, mut query: AuditQuery) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        let page = store.audit_entries(&query).await.unwrap();
        found.extend(page.items.iter().map(|entry| entry.sequence));
        query.after = page.next;
        if query.after.is_none() {
            return found;
        }
    }
}

async fn what_is_said_of_a_person_is_erased_and_the_chain_stays(store: &dyn Store) {
    let about = |subject: &str, person| audit(subject).about(UserId(person));
    record(store, vec![about("jane is born", 1), audit("a"), about("bob", 2), about("jane moves", 1)]).await;
    let head = store.audit_head(None, at(0)).await.unwrap();
    let erasing = TrailChange { erase: vec![UserId(1)], ..TrailChange::default() };
    change(store, erasing, vec![about("erased", 1)]).await;
    let entries = store.audit_from(0, 9).await.unwrap();
    let erased = |entry: &AuditEntry| entry.payload == Payload::Erased { person: UserId(1) };
    assert_eq!(entries.iter().map(erased).collect::<Vec<_>>(), [true, false, false, true, false]);
    assert_eq!(store.audit(None, 9).await.unwrap().items, [about("erased", 1), about("bob", 2), audit("a")]);
    let of_person = AuditQuery { person: Some(UserId(1)), limit: 9, ..AuditQuery::default() };
    assert_eq!(pages(store, of_person).await, [5, 4, 1], "that there was something is still known");
    let of_actor = AuditQuery { actor: Some(Actor::host().0), limit: 9, ..AuditQuery::default() };
    assert_eq!(pages(store, of_actor).await, [5, 3, 2]);
    let verdict = verdict(store, vec![head]).await;
    assert!(verdict.valid && verdict.erased == 2, "{verdict:?}");
}

async fn records_are_dropped_behind_a_checkpoint(store: &dyn Store) {
    record(store, various()).await;
    let (old, kept) =
        (store.audit_head(Some(5), at(0)).await.unwrap(), store.audit_head(Some(30), at(0)).await.unwrap());
    assert_eq!(store.audit_before(at(21), 99).await.unwrap(), Some(20));
    assert_eq!(store.audit_before(at(21), 8).await.unwrap(), Some(8), "so many at a time");
    assert_eq!(store.audit_before(at(1), 9).await.unwrap(), None);
    for upto in [8, 20] {
        let dropping = TrailChange { drop_through: Some((upto, at(99))), ..TrailChange::default() };
        change(store, dropping, vec![audit("dropped")]).await;
    }
    let checkpoint = store.audit_checkpoint().await.unwrap().unwrap();
    assert_eq!((checkpoint.dropped, checkpoint.head.sequence, checkpoint.head.at), (20, 20, at(99)));
    assert_eq!(store.audit_from(0, 1).await.unwrap()[0].sequence, 21);
    let of_app = AuditQuery { app: Some(AppId(2)), limit: 99, ..AuditQuery::default() };
    assert!(pages(store, of_app).await.into_iter().all(|no| no > 20));
    let told = verdict(store, vec![old, kept]).await;
    assert!(told.valid && told.notes.len() == 1, "{told:?}");
    // All of it: what comes next goes on from the checkpoint.
    change(store, TrailChange { drop_through: Some((99, at(99))), ..TrailChange::default() }, Vec::new()).await;
    assert_eq!(store.audit_head(None, at(0)).await.unwrap().sequence, 62);
    record(store, vec![audit("next")]).await;
    let told = verdict(store, Vec::new()).await;
    assert!(told.valid && told.records == 1 && told.dropped == 62, "{told:?}");
}

fn denied(second: i64, origin: &str, count: u64) -> Denials {
    let key = DenialKey { rule: "origin".to_owned(), connector: "scim".to_owned(), origin: origin.to_owned() };
    let record = AuditRecord::new(at(second), &Actor::host(), "egress.denied", origin);
    Denials { app: Some(AppId(1)), key, count, record }
}

async fn counts(store: &dyn Store) -> Vec<u64> {
    let records = store.audit(None, 999).await.unwrap().items;
    records.iter().rev().map(|record| record.facts[COUNT].parse().unwrap()).collect()
}

async fn equal_denials_are_counted_and_none_is_lost(store: &dyn Store) {
    let deny = |second, origin: &str, count| TrailChange {
        denials: vec![denied(second, origin, count)],
        ..TrailChange::default()
    };
    for (second, origin, count) in [(0, "a", 1), (1, "a", 40), (2, "b", 2), (3, "a", 5)] {
        change(store, deny(second, origin, count), Vec::new()).await;
    }
    assert_eq!(counts(store).await, [1, 2], "the first of each at once");
    assert_eq!(store.denial_windows().await.unwrap().iter().map(|w| w.further).sum::<u64>(), 45);
    change(store, TrailChange { close_denials: Some(at(60)), ..TrailChange::default() }, Vec::new()).await;
    assert_eq!(counts(store).await, [1, 2, 45], "that of `b` is not over, and has nothing to tell");
    change(store, deny(62, "b", 3), Vec::new()).await;
    assert_eq!(counts(store).await, [1, 2, 45, 3], "a new one");
    change(store, TrailChange { close_denials: Some(at(200)), ..TrailChange::default() }, Vec::new()).await;
    assert_eq!(store.denial_windows().await.unwrap(), []);
    assert_eq!(counts(store).await.iter().sum::<u64>(), 51);
}

async fn made_up_origins_do_not_open_windows_without_end(store: &dyn Store) {
    for no in 0..3 * OPEN_AT_MOST as u64 {
        let denials = vec![denied(0, &format!("https://made-up-{no}.example"), 1)];
        change(store, TrailChange { denials, ..TrailChange::default() }, Vec::new()).await;
    }
    let windows = store.denial_windows().await.unwrap();
    assert_eq!(windows.len(), OPEN_AT_MOST + 1);
    assert!(windows.iter().any(|window| window.key.origin == OTHERS && window.further == 2 * OPEN_AT_MOST as u64 - 1));
}
