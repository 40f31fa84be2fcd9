//! Every operation on an account, end to end: from the request to the target and back into the records.

#![allow(clippy::unwrap_used)]

mod common;

use common::World;
use common::target::Fault;
use gatehouse_core::schema::Status;
use gatehouse_core::{AuditRecord, CallFailure, FailureKind, LinkChange, LinkState, Operation, Situation, State};
use gatehouse_engine::requests::Whose;

#[tokio::test]
async fn each_operation_changes_the_target_and_the_record() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    let account = world.account_of(&app, &user).await;
    assert_eq!(
        (account.situation, account.is_known_link, account.status),
        (Situation::Confirmed, true, Status::Active)
    );
    assert_eq!(account.email.as_deref(), Some("ada@example.com"));
    let external_id = account.external_id.clone().unwrap();

    world.change_user(user.id, |user| user.first_name = Some("Ada".to_owned())).await;
    let script: [(Operation, Status, Status, bool); 8] = [
        (Operation::Update, Status::Active, Status::Active, false),
        (Operation::Deactivate, Status::Deactivated, Status::Deactivated, false),
        (Operation::Activate, Status::Active, Status::Active, false),
        (Operation::Freeze, Status::Deactivated, Status::Active, true),
        (Operation::Unfreeze, Status::Active, Status::Active, false),
        (Operation::Deactivate, Status::Deactivated, Status::Deactivated, false),
        (Operation::Reactivate, Status::Active, Status::Active, false),
        (Operation::Read, Status::Active, Status::Active, false),
    ];
    for (operation, in_target, recorded, frozen) in script {
        let id = world.request(&app, operation, &user).await;
        world.ends(&engine, id, State::Completed).await;
        let shown = world.target(&app, |target| target.accounts[&external_id].clone());
        let account = world.account_of(&app, &user).await;
        assert_eq!(shown.status, in_target, "{operation:?} in the target");
        assert_eq!((account.status, account.frozen), (recorded, frozen), "{operation:?} in the record");
        assert_eq!(account.revision, shown.revision, "{operation:?}");
        assert_eq!(shown.first("displayName"), Some("Ada"));
    }

    let id = world.request(&app, Operation::Delete, &user).await;
    world.ends(&engine, id, State::Completed).await;
    assert!(world.target(&app, |target| target.accounts.is_empty()));
    assert_eq!(world.account_of(&app, &user).await.situation, Situation::Deleted);
    let audit = world.store.audit(None, 1000).await.unwrap().items;
    let recorded = audit.iter().rev().filter(|record| record.action == "connector.call");
    let recorded: Vec<_> = recorded.map(|record| record.facts["function"].clone()).collect();
    let made = world.target(&app, |target| target.made.iter().map(|made| made.function).collect::<Vec<_>>());
    assert_eq!(recorded, made, "every call leaves a record");
}

#[tokio::test]
async fn an_unfreeze_of_an_account_that_is_deactivated_besides_calls_nobody() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    for operation in [Operation::Freeze, Operation::Deactivate] {
        let id = world.request(&app, operation, &user).await;
        world.ends(&engine, id, State::Completed).await;
    }
    let before = world.target(&app, |target| target.calls("commit"));
    let id = world.request(&app, Operation::Unfreeze, &user).await;
    world.ends(&engine, id, State::Completed).await;
    assert_eq!(world.target(&app, |target| target.calls("commit")), before);
    let account = world.account_of(&app, &user).await;
    assert_eq!((account.frozen, account.status), (false, Status::Deactivated));
}

#[tokio::test]
async fn a_create_for_a_user_with_a_deactivated_account_brings_that_one_back() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    for operation in [Operation::Deactivate, Operation::Create] {
        let id = world.request(&app, operation, &user).await;
        world.ends(&engine, id, State::Completed).await;
    }
    assert_eq!(world.target(&app, |target| target.accounts.len()), 1);
    assert_eq!(world.account_of(&app, &user).await.status, Status::Active);
}

/// A target that accepts duplicates would make a second account without a word.
#[tokio::test]
async fn a_create_whose_user_got_an_account_while_it_waited_makes_no_second_one() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let user = world.user("ada").await;
    let first = world.request(&app, Operation::Create, &user).await;
    let second = world.request(&app, Operation::Create, &user).await;
    let engine = world.run("one");
    world.ends(&engine, first, State::Completed).await;
    let failed = world.ends(&engine, second, State::Failed).await;
    let why = failed.error.unwrap();
    assert!(why.contains("active already") && failed.attempts.is_empty(), "{why}");
    assert_eq!(world.target(&app, |target| target.calls("commit")), 1);
}

#[tokio::test]
async fn a_create_whose_user_was_disabled_while_it_waited_makes_no_account() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let (gone, stays) = (world.user("ada").await, world.user("bob").await);
    let of_gone = world.request(&app, Operation::Create, &gone).await;
    let of_stays = world.request(&app, Operation::Create, &stays).await;
    world.change_user(gone.id, |user| user.active = false).await;
    let engine = world.run("one");
    let failed = world.ends(&engine, of_gone, State::Failed).await;
    assert!(failed.error.unwrap().contains("enable the user first"));
    world.ends(&engine, of_stays, State::Completed).await;
    assert_eq!(world.target(&app, |target| target.accounts.len()), 1);
}

#[tokio::test]
async fn a_read_shows_the_account_in_the_log_without_its_sensitive_values() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    world.target(&app, |target| {
        let account = target.accounts.values_mut().next().unwrap();
        account.attributes.insert("pin".to_owned(), vec!["4711".into()]);
        account.attributes.insert("title".to_owned(), vec!["Countess".into()]);
    });
    let id = world.request(&app, Operation::Read, &user).await;
    world.ends(&engine, id, State::Completed).await;
    let log = world.log(id).await.join("\n");
    assert!(log.contains("Countess") && log.contains("(masked)"), "{log}");
    assert!(!log.contains("4711"), "{log}");
    // Only what is collected is kept, or else the next run would take the account for a changed one.
    let kept = world.account_of(&app, &user).await.attributes;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["displayName", "emails", "externalId"]);
}

#[tokio::test]
async fn reading_an_account_that_is_gone_fails_with_that_text() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    world.target(&app, |target| target.accounts.clear());
    let id = world.request(&app, Operation::Read, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert_eq!(request.error.as_deref(), Some("the target knows no such account"));
}

#[tokio::test]
async fn a_conflict_on_create_names_the_account_in_the_way() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let there = world.target(&app, |target| target.seed("ada", &[]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert!(request.error.as_ref().unwrap().contains(&there), "{request:?}");
    assert!(world.accounts(&app).await.is_empty());
}

#[tokio::test]
async fn an_account_that_moved_on_is_read_anew_and_asked_again() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.provisioned(&engine, &app, "ada").await;
    world.target(&app, |target| {
        target.accounts.values_mut().next().unwrap().revision = Some("elsewhere".to_owned());
    });
    let id = world.request(&app, Operation::Update, &user).await;
    let request = world.ends(&engine, id, State::Completed).await;
    assert_eq!(request.attempts.len(), 2);
    assert_eq!(world.target(&app, |target| target.calls("read")), 1);
}

#[tokio::test]
async fn transient_failures_are_waited_out_for_as_long_as_the_target_asks() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let mut throttled = CallFailure::new(FailureKind::Throttled, "");
    throttled.retry_after = Some(77);
    let down = CallFailure::new(FailureKind::Unavailable, "down");
    world.target(&app, |target| target.fails("commit", [Fault::Refused(down), Fault::Refused(throttled)]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Completed).await;
    let starts: Vec<_> = request.attempts.iter().map(|attempt| attempt.started_at).collect();
    let waits: Vec<_> = starts.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_millis()).collect();
    assert_eq!(waits, [1500, 77_000], "exponential with jitter, then what Retry-After says");
    let keys: Vec<_> = request.attempts.iter().map(|attempt| &attempt.idempotency_key).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "every attempt has the same key: {keys:?}");
}

#[tokio::test]
async fn a_target_that_stays_down_fails_the_request_after_the_last_attempt() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let down = Fault::Refused(CallFailure::new(FailureKind::Unavailable, "down"));
    world.target(&app, |target| target.fails("commit", vec![down; 10]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    assert_eq!(request.attempts.len(), 5);
    assert_eq!(request.error.as_deref(), Some("the target is unavailable: down (5 tries)"));
}

#[tokio::test]
async fn a_credential_that_is_gone_fails_the_request_and_says_what_to_do() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| drop(app.credentials.insert("token".to_owned(), "lost".to_owned()))).await;
    let engine = world.run("one");
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    let request = world.ends(&engine, id, State::Failed).await;
    let error = request.error.unwrap();
    assert!(error.contains("gatehouse credential set lost"), "{error}");
    assert!(world.target(&app, |target| target.made.is_empty()));
}

#[tokio::test]
async fn what_the_gate_refuses_and_the_connector_says_stands_with_the_request() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("commit", [Fault::Denied]));
    let user = world.user("ada").await;
    let id = world.request(&app, Operation::Create, &user).await;
    world.ends(&engine, id, State::Completed).await;
    let log = world.log(id).await.join("\n");
    assert!(log.contains("fake: tried something") && log.contains("origin-not-granted"), "{log}");
    let audit = world.store.audit(None, 100).await.unwrap().items;
    let denial = audit.iter().find(|record| record.action == "egress.denied").unwrap();
    assert_eq!((denial.request, denial.app), (Some(id), Some(app.id)));
    assert_eq!(denial.facts["url"], "https://elsewhere.example/steal");
    let called: Vec<_> = audit.iter().filter(|record| record.action == "connector.call").collect();
    let of = |record: &AuditRecord, fact: &str| record.facts.get(fact).cloned();
    assert!(called.iter().all(|record| record.request == Some(id) && record.outcome.as_deref() == Some("ok")));
    let commit = called.iter().filter(|record| of(record, "function").as_deref() == Some("commit"));
    let commit: Vec<_> = commit.map(|record| (of(record, "attempt"), of(record, "write_left"))).collect();
    assert_eq!(commit, [(Some("1".to_owned()), Some("true".to_owned()))], "{called:?}");
}

#[tokio::test]
async fn a_probe_tells_its_findings_and_records_what_was_refused() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| target.fails("check", [Fault::Denied]));
    let report = engine.engine.probe(&app).await;
    assert_eq!(report.result.unwrap()[0].detail, "works");
    let audit = world.store.audit(None, 100).await.unwrap().items;
    assert!(audit.iter().any(|record| record.action == "egress.denied" && record.app == Some(app.id)));
    let called = audit.iter().find(|record| record.action == "connector.call").unwrap();
    assert_eq!((called.app, called.facts["function"].as_str()), (Some(app.id), "check"));
}

#[tokio::test]
async fn operations_that_make_no_sense_are_refused_before_there_is_a_request() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    let user = world.user("ada").await;
    for operation in [Operation::Update, Operation::Deactivate, Operation::Freeze, Operation::Read] {
        let refused = world.ask(&app, operation, Whose::User(user.id)).await.unwrap_err();
        assert!(refused.to_string().contains("has no account"), "{refused}");
    }
    let id = world.request(&app, Operation::Create, &user).await;
    world.ends(&engine, id, State::Completed).await;
    let refused = world.ask(&app, Operation::Create, Whose::User(user.id)).await.unwrap_err();
    assert!(refused.to_string().contains("active already"), "{refused}");
}

#[tokio::test]
async fn links_made_by_hand_are_known_and_advance_the_link_epoch() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let engine = world.run("one");
    world.target(&app, |target| drop(target.seed("somebody", &[])));
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert!(children.is_empty());
    let user = world.user("ada").await;
    let account = world.accounts(&app).await.remove(0);
    assert_eq!(account.situation, Situation::Unassigned);

    let id = world.link(&app, LinkChange::Link { account: account.id, user: user.id }).await;
    world.ends(&engine, id, State::Completed).await;
    let linked = world.account_of(&app, &user).await;
    assert_eq!((linked.link_state, linked.is_known_link), (LinkState::Linked, true));
    let audit = world.store.audit(None, 100).await.unwrap().items;
    let record = audit.into_iter().find(|record| record.action == "account.link").unwrap();
    let (of, whose) = (&record.changes["user"], &record.changes["situation"]);
    assert_eq!((of.before.is_null(), of.after.as_str()), (true, Some(user.id.to_string().as_str())), "{record:?}");
    assert_eq!((whose.before.as_str(), whose.after.as_str()), (Some("unassigned"), Some("confirmed")), "{record:?}");

    world.target(&app, |target| drop(target.seed("another", &[])));
    let other = world.reconcile(&app).await;
    world.ends(&engine, other, State::Analyzed).await;
    world.commit_plan(other).await;
    world.ends(&engine, other, State::Completed).await;
    let another = world.accounts(&app).await.into_iter().find(|account| account.username == "another").unwrap();
    let id = world.link(&app, LinkChange::Link { account: another.id, user: user.id }).await;
    let refused = world.ends(&engine, id, State::Failed).await;
    assert!(refused.error.unwrap().contains(&account.id.to_string()), "the other account is named");

    let id = world.link(&app, LinkChange::Ignore { account: account.id }).await;
    world.ends(&engine, id, State::Completed).await;
    let epoch = world.store.app(app.id).await.unwrap().unwrap().link_epoch;
    assert_eq!(epoch, 2, "a refused link does not count");
}
