//! Reconciliations, end to end: pages, verdicts, plans, child requests, and what a second run makes of it.

#![allow(clippy::unwrap_used)]

mod common;

use common::target::Fault;
use common::{LEASE, World, approve, by, until};
use gatehouse_core::ports::Judgement;
use gatehouse_core::schema::Account as RemoteAccount;
use gatehouse_core::{
    CallFailure, Completeness, FailureKind, Interface, LinkChange, Operation, Situation, StagingSource, State, User,
};
use std::sync::Arc;

/// Ten accounts: five of users (one by another spelling), one claimed by two, one doubtful, three of nobody; and
/// three users without an account.
async fn people_and_accounts(world: &World, app: &gatehouse_core::App) -> Vec<User> {
    let mut users = Vec::new();
    for name in ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida"] {
        users.push(world.user(name).await);
    }
    world.target(app, |target| {
        for name in ["ada", "bob", "cyd", " DAN "] {
            target.seed(name, &[("displayName", &name.trim().to_uppercase()), ("emails", "x")]);
        }
        target.seed("eve1", &[("externalId", "USR-000005")]);
        target.seed("fay", &[]);
        target.opinions.insert("fay".to_owned(), Judgement::Doubt("a shared mailbox".to_owned()));
        for name in ["orphan1", "orphan2", "root"] {
            target.seed(name, &[]);
        }
        target.opinions.insert("root".to_owned(), Judgement::Ignore("a built-in administrator".to_owned()));
    });
    users
}

#[tokio::test]
async fn a_run_finds_links_and_raises_what_is_missing_and_the_next_one_finds_nothing_new() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let users = people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let (run, children) = world.reconcile_and_commit(&engine, &app).await;
    let progress = run.run.clone().unwrap();
    assert_eq!((progress.pages, progress.collected), (3, 9));
    assert_eq!(progress.completeness, Some(Completeness::Complete));
    let expected = [
        (Situation::Found, 5),
        (Situation::Ambiguous, 1),
        (Situation::Unassigned, 2),
        (Situation::Missing, 3),
        (Situation::Excluded, 1),
    ];
    assert_eq!(progress.situations, expected.into());
    // Five updates (e-mail addresses and markers differ), three creates.
    assert_eq!(progress.planned, [(Operation::Create, 3), (Operation::Update, 5)].into());
    assert_eq!(progress.raised, 8);
    assert!(children.iter().all(|child| child.state == State::Completed), "{children:#?}");
    assert!(children.iter().all(|child| child.raised_by == Some(run.id) && child.created_by == by()));
    for user in &users[6..] {
        assert_eq!(world.account_of(&app, user).await.situation, Situation::Confirmed, "{}", user.username);
        assert_eq!(world.target(&app, |target| target.named(&user.username).len()), 1);
    }

    let before = world.target(&app, |target| target.calls("analyze"));
    let second = world.reconcile(&app).await;
    let second = world.ends(&engine, second, State::Completed).await;
    assert_eq!(second.run.unwrap().changed, 0);
    assert_eq!(world.target(&app, |target| target.calls("analyze")), before, "nothing is analysed");
    let log = world.log(second.id).await.join("\n");
    assert!(log.contains("Collected → Completed"), "{log}");
}

#[tokio::test]
async fn only_what_changed_is_analysed_again() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    // Found links are confirmed by the next run that looks at them.
    world.user("zoe").await;
    world.reconcile_and_commit(&engine, &app).await;
    world.target(&app, |target| {
        target.accounts.get_mut("x001").unwrap().attributes.insert("displayName".to_owned(), vec!["Other".into()]);
        target.made.clear();
    });
    let (run, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(run.run.unwrap().changed, 1);
    assert_eq!(children.len(), 1, "the drift is corrected");
    let asked = world.target(&app, |target| {
        let asked = target.made.iter().filter(|made| made.function == "analyze");
        asked.map(|made| made.about.parse::<usize>().unwrap()).sum::<usize>()
    });
    assert_eq!(asked, 5, "the changed one, and those that are not settled: doubtful, ignored, nobody's");
}

/// What the request was to do was sealed before the run looked, and is done after it.
#[tokio::test]
async fn what_was_under_way_while_a_run_looked_is_looked_at_by_the_next() {
    for (operation, user_before, user_meanwhile) in
        [(Operation::Create, "Old", "New"), (Operation::Update, "Other", "Old")]
    {
        let world = World::new().await;
        let app = world.app("hr").await;
        let engine = world.run("one");
        let called = async |user: &User, name: &str| {
            world.change_user(user.id, |user| user.first_name = Some(name.to_owned())).await;
        };
        let user = world.user("ada").await;
        called(&user, "Old").await;
        if operation == Operation::Update {
            let made = world.request(&app, Operation::Create, &user).await;
            world.ends(&engine, made, State::Completed).await;
        }
        called(&user, user_before).await;
        let go_on = Arc::new(tokio::sync::Notify::new());
        world.target(&app, |target| target.fails("commit", [Fault::Waits(go_on.clone())]));
        let calls = world.target(&app, |target| target.calls("commit"));
        let waits = world.request(&app, operation, &user).await;
        engine.engine.wake();
        until("the call is made", async || (world.target(&app, |target| target.calls("commit")) > calls).then_some(()))
            .await;
        called(&user, user_meanwhile).await;
        let (_, children) = world.reconcile_and_commit(&engine, &app).await;
        assert!(children.is_empty(), "{operation:?}: it is under way, or nothing is to be done");
        go_on.notify_one();
        world.ends(&engine, waits, State::Completed).await;
        let shown = || world.target(&app, |target| target.named("ada")[0].first("displayName").map(str::to_owned));
        assert_ne!(shown().as_deref(), Some(user_meanwhile), "{operation:?}: as it was sealed");
        let (_, children) = world.reconcile_and_commit(&engine, &app).await;
        assert_eq!(children.len(), 1, "{operation:?}");
        assert_eq!(shown().as_deref(), Some(user_meanwhile), "{operation:?}");
    }
}

#[tokio::test]
async fn a_manual_link_survives_the_next_run_and_so_does_an_unlink() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let users = people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    let named = async |name: &str| world.accounts(&app).await.into_iter().find(|a| a.username == name).unwrap();
    let zoe = world.user("zoe").await;
    let (orphan, ada) = (named("orphan1").await.id, named("ada").await.id);
    for change in [LinkChange::Link { account: orphan, user: zoe.id }, LinkChange::Unlink { account: ada }] {
        let id = world.link(&app, change).await;
        world.ends(&engine, id, State::Completed).await;
    }
    world.change_user(users[1].id, |user| user.last_name = Some("Builder".to_owned())).await;
    world.reconcile_and_commit(&engine, &app).await;
    let linked = named("orphan1").await;
    assert_eq!((linked.user, linked.situation), (Some(zoe.id), Situation::Confirmed));
    assert_eq!(named("ada").await.situation, Situation::Unassigned, "an unlinked account stays unlinked");
}

#[tokio::test]
async fn a_manual_link_made_after_the_plan_outlives_its_commit() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    let zoe = world.user("zoe").await;
    let run = world.reconcile(&app).await;
    world.ends(&engine, run, State::Analyzed).await;
    let orphan = world.accounts(&app).await.into_iter().find(|a| a.username == "orphan1").unwrap();
    world.clock.advance(std::time::Duration::from_secs(1));
    let link = world.link(&app, LinkChange::Link { account: orphan.id, user: zoe.id }).await;
    world.ends(&engine, link, State::Completed).await;
    world.commit_plan(run).await;
    world.ends(&engine, run, State::Completed).await;
    let linked = world.account_of(&app, &zoe).await;
    assert_eq!((linked.id, linked.situation), (orphan.id, Situation::Confirmed));
    let log = world.log(run).await.join("\n");
    assert!(log.contains("decided by hand since"), "{log}");
    assert!(world.target(&app, |target| target.named("zoe").is_empty()), "no second account is made");
}

#[tokio::test]
async fn an_account_that_is_gone_is_read_before_it_is_believed() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    world.target(&app, |target| {
        target.accounts.remove("x007");
        target.made.clear();
    });
    let (run, _) = world.reconcile_and_commit(&engine, &app).await;
    let read = world.target(&app, |target| {
        target.made.iter().filter(|m| m.function == "read").map(|m| m.about.clone()).collect::<Vec<_>>()
    });
    assert_eq!(read, ["x007"]);
    let gone = world.accounts(&app).await.into_iter().find(|a| a.external_id.as_deref() == Some("x007")).unwrap();
    assert_eq!((gone.situation, gone.last_run), (Situation::Deleted, Some(run.id)));
    let again = world.reconcile(&app).await;
    world.ends(&engine, again, State::Completed).await;
}

#[tokio::test]
async fn an_account_that_the_collection_missed_but_reading_finds_is_there() {
    let world = World::new().await;
    let app = world.app("hr").await;
    let users = people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    // Supplied accounts that claim to be all, and lack one.
    let mut accounts: Vec<RemoteAccount> = world.target(&app, |t| t.accounts.values().cloned().collect());
    accounts.retain(|account| account.username != "ada");
    let run = world.reconcile_supplied(&app, accounts, true).await;
    world.ends(&engine, run, State::Analyzed).await;
    let rows = world.store.staging(run, 0, 100).await.unwrap();
    let absent: Vec<_> = rows.iter().filter(|r| matches!(r.source, StagingSource::Absent { .. })).collect();
    assert_eq!(absent.len(), 1);
    assert_eq!(absent[0].verdict.as_ref().unwrap().situation, Situation::Confirmed);
    world.commit_plan(run).await;
    world.ends(&engine, run, State::Completed).await;
    assert_eq!(world.account_of(&app, &users[0]).await.situation, Situation::Confirmed);
}

#[tokio::test]
async fn nothing_is_concluded_from_an_answer_that_is_empty_or_not_complete() {
    for empty in [true, false] {
        let world = World::new().await;
        let app = world.app("hr").await;
        people_and_accounts(&world, &app).await;
        let engine = world.run("one");
        world.reconcile_and_commit(&engine, &app).await;
        let before = world.situations(&app).await;
        world.user("zoe").await;
        world.target(&app, |target| match empty {
            true => target.accounts.clear(),
            false => {
                target.accounts.remove("x001");
                target.incomplete = true;
            }
        });
        if empty {
            let run = world.reconcile(&app).await;
            let failed = world.ends(&engine, run, State::Failed).await;
            assert!(failed.error.unwrap().contains("returned no account at all"));
        } else {
            let (run, children) = world.reconcile_and_commit(&engine, &app).await;
            assert!(children.is_empty(), "{children:#?}");
            assert!(matches!(run.run.unwrap().completeness, Some(Completeness::Partial(_))));
        }
        let after = world.situations(&app).await;
        let of = |all: &std::collections::BTreeMap<Situation, u64>| all.values().sum::<u64>();
        assert_eq!(of(&after), of(&before));
        assert!(!after.contains_key(&Situation::Deleted) && !after.contains_key(&Situation::Missing), "{after:?}");
        assert_eq!(world.target(&app, |target| target.calls("read")), 0);
    }
}

#[tokio::test]
async fn a_supplied_run_starts_at_analyzing_and_is_believed_no_more_than_a_target() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let accounts: Vec<RemoteAccount> = world.target(&app, |t| t.accounts.values().cloned().collect());
    let run = world.reconcile_supplied(&app, accounts.clone(), false).await;
    let analyzed = world.ends(&engine, run, State::Analyzed).await;
    assert_eq!(analyzed.run.unwrap().situations[&Situation::Found], 5);
    world.commit_plan(run).await;
    world.ends(&engine, run, State::Completed).await;
    assert_eq!(world.target(&app, |target| target.calls("collect")), 0);

    let run = world.reconcile_supplied(&app, accounts[..2].to_vec(), true).await;
    let failed = world.ends(&engine, run, State::Failed).await;
    assert!(failed.error.unwrap().contains("absent"));
}

#[tokio::test]
async fn a_cursor_that_expired_starts_the_collection_again_without_its_old_rows() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    let refused = |kind| Fault::Refused(CallFailure::new(kind, ""));
    world.target(&app, |target| {
        let (down, expired) = (refused(FailureKind::Unavailable), refused(FailureKind::CursorExpired));
        target.fails("collect", [down, Fault::Denied, expired, Fault::Hangs]);
    });
    let engine = world.run("one");
    let id = world.reconcile(&app).await;
    until("the collection starts again", async || {
        world.move_on(&engine).await;
        (world.target(&app, |target| target.calls("collect")) == 4).then_some(())
    })
    .await;
    assert_eq!(world.store.staging(id, 0, 100).await.unwrap(), [], "the rows went with the cursor");
    engine.kill().await;
    world.clock.advance(LEASE);
    let engine = world.run("two");
    let run = world.ends(&engine, id, State::Analyzed).await.run.unwrap();
    assert_eq!((run.restarts, run.collected, run.pages), (1, 9, 3));
}

#[tokio::test]
async fn an_account_listed_twice_counts_once_and_makes_the_collection_partial() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    world.target(&app, |target| target.repeated = vec![target.accounts["x001"].clone()]);
    let engine = world.run("one");
    let id = world.reconcile(&app).await;
    let run = world.ends(&engine, id, State::Analyzed).await.run.unwrap();
    assert_eq!((run.collected, run.faults), (9, 1));
    assert!(matches!(run.completeness, Some(Completeness::Partial(_))));
    assert!(!run.situations.contains_key(&Situation::Missing), "nobody is missing in a partial collection");
}

#[tokio::test]
async fn what_is_committed_is_what_was_sealed() {
    let world = World::new().await;
    let app = world.app("hr").await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let id = world.reconcile(&app).await;
    world.ends(&engine, id, State::Analyzed).await;
    let mut row = world.store.staging(id, 0, 1).await.unwrap().remove(0);
    row.verdict.as_mut().unwrap().user = Some(gatehouse_core::UserId(9));
    world.commit(gatehouse_core::ports::ChangeSet { staging: vec![(id, row)], ..Default::default() }).await;
    world.commit_plan(id).await;
    let failed = world.ends(&engine, id, State::Failed).await;
    assert!(failed.error.unwrap().contains("not those that were sealed"));
    assert!(world.accounts(&app).await.is_empty());
}

#[tokio::test]
async fn a_plan_that_may_be_committed_at_once_waits_for_nobody() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.reconcile.auto_commit = true).await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let id = world.reconcile(&app).await;
    let run = world.ends(&engine, id, State::Completed).await.run.unwrap();
    assert_eq!(run.committed, run.rows);
}

#[tokio::test]
async fn a_plan_that_needs_an_approval_waits_for_one_of_its_digest() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.reconcile.auto_commit = true).await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let id = world.reconcile_with_approval(&app).await;
    let request = world.ends(&engine, id, State::Analyzed).await;
    assert!(world.accounts(&app).await.is_empty());
    let digest = request.run.unwrap().plan.unwrap();
    world.decide(id, approve(digest)).await;
    world.ends(&engine, id, State::Completed).await;
    assert!(!world.accounts(&app).await.is_empty());
}

#[tokio::test]
async fn a_connector_without_an_analyzer_gets_the_standard_analysis() {
    let world = World::new().await;
    let interfaces = [Interface::Descriptor, Interface::Collector, Interface::Committer];
    let app = world.app_with("plain", &interfaces, |_| {}).await;
    people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let (run, _) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(world.target(&app, |target| target.calls("analyze")), 0);
    let run = run.run.unwrap();
    assert_eq!(run.situations[&Situation::Found], 6, "nobody doubts");
    assert!(run.planned.contains_key(&Operation::Update));
}

#[tokio::test]
async fn places_of_missing_accounts_are_kept_filled_and_removed() {
    let world = World::new().await;
    let app = world.app("hr").await;
    world.change_app(app.id, |app| app.config.reconcile.create_missing = false).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let cyd = world.user("cyd").await;
    let engine = world.run("one");
    world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(world.situations(&app).await, [(Situation::Missing, 3)].into());

    // One gets an account by request, one by somebody in the target, one loses access.
    let place = world.account_of(&app, &ada).await.id;
    let id = world.request(&app, Operation::Create, &ada).await;
    world.ends(&engine, id, State::Completed).await;
    assert_eq!(world.account_of(&app, &ada).await.id, place, "the place is filled");
    world.target(&app, |target| drop(target.seed("bob", &[])));
    world.change_user(cyd.id, |user| user.profile = None).await;
    world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(world.account_of(&app, &bob).await.situation, Situation::Found);
    assert_eq!(world.situations(&app).await, [(Situation::Confirmed, 1), (Situation::Found, 1)].into());
}

#[tokio::test]
async fn the_embedded_store_makes_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::embedded(folder.path()).await;
    let app = world.app("hr").await;
    let users = people_and_accounts(&world, &app).await;
    let engine = world.run("one");
    let (_, children) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(children.len(), 8);
    assert!(children.iter().all(|child| child.state == State::Completed), "{children:#?}");
    let ada = world.account_of(&app, &users[0]).await;
    for change in [LinkChange::Unlink { account: ada.id }, LinkChange::Link { account: ada.id, user: users[0].id }] {
        let id = world.link(&app, change).await;
        world.ends(&engine, id, State::Completed).await;
    }
    for operation in [Operation::Freeze, Operation::Unfreeze, Operation::Deactivate, Operation::Delete] {
        let id = world.request(&app, operation, &users[0]).await;
        world.ends(&engine, id, State::Completed).await;
    }
    let (again, _) = world.reconcile_and_commit(&engine, &app).await;
    assert_eq!(again.run.unwrap().situations[&Situation::Missing], 1, "the one whose account was deleted");
    let last = world.reconcile(&app).await;
    let last = world.ends(&engine, last, State::Completed).await;
    assert_eq!(last.run.unwrap().analyzed, 0, "nothing has changed since");
    engine.stop().await;
}
