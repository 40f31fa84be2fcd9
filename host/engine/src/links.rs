//! Work on links: what an administrator asked for, applied to the records as they are now. No connector is called.

use crate::events::{Cause, decide_amiss};
use crate::job::{Job, Worked};
use crate::known::accounts_of;
use gatehouse_core::lifecycle::Event;
use gatehouse_core::links::{LinkFacts, change_link};
use gatehouse_core::ports::{ChangeSet, StoreError, Versioned};
use gatehouse_core::{Account, App, LinkChange};
use gatehouse_failpoints::fail_point;

/// Changes a link. The app's record is part of the commit: it counts manual links, so that the next reconciliation
/// looks at everything again, and two links of one user cannot both succeed.
pub(crate) async fn link(job: &mut Job, app: &App, change: LinkChange) -> Worked {
    let facts = facts(job, change).await?;
    let now = job.shell.now();
    let before = facts.account.clone();
    let linked = match change_link(change, facts, now) {
        Ok(linked) => linked,
        Err(why) => return job.commit(app, Event::LinkRefused { why }).await,
    };
    let mut counted = app.clone();
    counted.link_epoch += 1;
    counted.updated_at = now;
    // It may have waited for its turn, and its user have left meanwhile.
    let raising = job.shell.raising.clone();
    let _raising = raising.lock().await;
    let mut more = ChangeSet {
        apps: vec![Versioned::replacing(app.version, counted)],
        remove_accounts: linked.remove,
        ..ChangeSet::default()
    };
    if matches!(change, LinkChange::Link { .. }) {
        more.append(taken_away(job, app, &linked.account).await?);
    }
    fail_point!("link.before_commit");
    job.commit_with(
        app,
        Event::LinkApplied { changed: before.into_iter().map(|before| (before, linked.account.clone())).collect() },
        more,
    )
    .await?;
    fail_point!("link.after_commit");
    Ok(())
}

/// What takes an account away again that is linked to somebody who has left or is frozen.
async fn taken_away(job: &Job, app: &App, account: &Account) -> Result<ChangeSet, StoreError> {
    let (store, request) = (job.shell.store.as_ref(), &job.request);
    let Some(decided) = decide_amiss(store, app, request, &[], account).await? else { return Ok(ChangeSet::default()) };
    let cause = Cause {
        by: request.created_by.clone(),
        user: request.requested_by,
        correlation: request.correlation.clone(),
        job: None,
        consented: false,
        now: job.shell.now(),
    };
    Ok(decided.open(store, &cause, None).await?.changes)
}

async fn facts(job: &Job, change: LinkChange) -> Result<LinkFacts, StoreError> {
    let (LinkChange::Link { account, .. } | LinkChange::Unlink { account } | LinkChange::Ignore { account }) = change;
    let account = job.shell.store.account(account).await?.filter(|account| account.app == job.request.app);
    let LinkChange::Link { user, .. } = change else { return Ok(LinkFacts { account, ..LinkFacts::default() }) };
    Ok(LinkFacts {
        account,
        user: job.shell.store.user(user).await?,
        accounts_of_user: accounts_of(&job.shell, job.request.app, user).await?,
    })
}
