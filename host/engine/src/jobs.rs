//! Works on jobs: counts what each would do, then does it piece by piece, each piece in one commit with the place where
//! to go on. What a piece raises is for `gatehouse_core::events` to say, and when a job waits for `gatehouse_core::job`.

use crate::account::not_any_more;
use crate::events::{Cause, Followed, decide};
use crate::lately::{of_events, of_jobs, window};
use crate::shell::Shell;
use gatehouse_core::events::{Change, Tally};
use gatehouse_core::job::{Count, Piece, Source, Task};
use gatehouse_core::lifecycle::{Event, step};
use gatehouse_core::ports::{ChangeSet, JobQuery, ListPage, RequestQuery, Store, StoreError, Versioned};
use gatehouse_core::{Actor, App, Connector, Job, JobState, LinkState, Request, State, User};
use gatehouse_failpoints::fail_point;
use std::sync::Arc;

/// Users, or requests, in one piece.
const PIECE: usize = 200;

/// Works on all open jobs in turns; never ends.
pub(crate) async fn work(shell: Arc<Shell>) {
    loop {
        match round(&shell).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "jobs wait: the store does not take their changes"),
        }
        tokio::select! {
            () = shell.jobs.notified() => {}
            () = tokio::time::sleep(shell.config.poll) => {}
        }
    }
}

/// Does a piece of every open job, the oldest first: whether any got on.
pub(crate) async fn round(shell: &Shell) -> Result<bool, StoreError> {
    let mut open = Vec::new();
    for state in JobState::ALL.into_iter().filter(|state| state.is_open()) {
        let query = JobQuery { state: Some(state), limit: 100, ..JobQuery::default() };
        open.extend(shell.store.jobs(&query).await?.items);
    }
    open.sort_by_key(|job| job.id);
    let mut got_on = false;
    for job in &open {
        match piece(shell, job).await {
            // Somebody was faster: with the job, with a user's requests, with the app. It is looked at anew.
            Err(
                error @ (StoreError::VersionConflict { .. } | StoreError::Duplicate { .. } | StoreError::Invalid(_)),
            ) => tracing::info!(job = %job.id, %error, "a piece of the job is done again"),
            done => got_on |= done?,
        }
    }
    Ok(got_on)
}

/// Does a piece of a job; false where there is nothing to do it with: the app was deleted, and the job with it.
async fn piece(shell: &Shell, job: &Job) -> Result<bool, StoreError> {
    let Some(app) = shell.store.app(job.app).await? else { return Ok(false) };
    let Some(connector) = shell.store.connector(app.connector.digest).await? else { return Ok(false) };
    match (&job.task, job.state) {
        (Task::Access { before, .. }, JobState::Counting) => {
            let before = before.on(&app);
            count(&Walk { shell, job, connector, before, app }).await
        }
        (Task::Access { before, .. }, _) => {
            let before = before.on(&app);
            raise(&Walk { shell, job, connector, before, app }).await
        }
        (Task::Release | Task::Withdraw, _) => settle_held(shell, job, &app, &connector).await,
    }?;
    Ok(true)
}

/// A job about who has access, and the app as it was and as it is.
struct Walk<'a> {
    shell: &'a Shell,
    job: &'a Job,
    connector: Connector,
    before: App,
    app: App,
}

impl Walk<'_> {
    /// The users of a source after a cursor that no earlier source covers, how many there were, and where to go on.
    async fn members(
        &self,
        source: usize,
        after: Option<&str>,
    ) -> Result<(Vec<User>, u64, Option<String>), StoreError> {
        let store = self.shell.store.as_ref();
        let page: ListPage<User> = match self.job.sources().get(source) {
            Some(Source::Profile(name)) => store.users_of_profile(name, after, PIECE).await?,
            Some(Source::PermissionSet(name)) => store.users_of_permission_set(name, after, PIECE).await?,
            None => ListPage { items: Vec::new(), next: None },
        };
        let looked_at = page.items.len() as u64;
        let users = page.items.into_iter().filter(|user| !self.job.is_covered(source, user)).collect();
        Ok((users, looked_at, page.next))
    }

    fn change<'b>(&'b self, user: &'b User) -> Change<'b> {
        Change { app_before: &self.before, app: &self.app, before: Some(user), user, reactivated: false }
    }
}

/// Counts what the job would do: it begins, or waits for consent.
async fn count(walk: &Walk<'_>) -> Result<(), StoreError> {
    let store = walk.shell.store.as_ref();
    let (mut tally, mut total) = (Tally::default(), 0);
    for source in 0..walk.job.sources().len() {
        let mut after = None;
        loop {
            let (members, looked_at, next) = walk.members(source, after.as_deref()).await?;
            total += looked_at;
            for user in members {
                if let Some(decided) = decide(store, &walk.connector, &walk.change(&user)).await? {
                    decided.count(&mut tally);
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    let (now, app) = (walk.shell.now(), &walk.app);
    let since = window(&app.config.guard, now);
    let mut before = of_jobs(store, app.id, since).await?;
    of_events(store, app.id, since).await?.into_iter().for_each(|(_, operation)| before.add(operation));
    let count = Count { total, tally, before, linked: linked(store, app).await? };
    let counted = walk.job.clone().counted(count, app, &walk.connector.description, now);
    tracing::info!(job = %counted.id, state = ?counted.state, total, "counted");
    let audit = vec![counted.record(&Actor::host(), "job.counted", now)];
    let jobs = vec![Versioned::replacing(walk.job.version, counted)];
    store.commit(ChangeSet { jobs, audit, ..ChangeSet::default() }).await
}

/// How many accounts of an app are linked.
///
/// # Errors
/// The store is unavailable.
pub async fn linked(store: &dyn Store, app: &App) -> Result<u64, StoreError> {
    let counts = store.account_counts(app.id).await?;
    Ok(counts.iter().filter(|(situation, _)| situation.link_state() == LinkState::Linked).map(|(_, count)| count).sum())
}

/// Raises the requests for the next users.
async fn raise(walk: &Walk<'_>) -> Result<(), StoreError> {
    let (shell, job) = (walk.shell, walk.job);
    let _raising = shell.raising.lock().await;
    let store = shell.store.as_ref();
    let (members, looked_at, next) = walk.members(job.source, job.cursor.as_deref()).await?;
    let cause = Cause {
        by: job.created_by.clone(),
        user: job.requested_by,
        correlation: job.correlation.clone(),
        job: Some(job.id),
        consented: job.has_consent(),
        now: shell.now(),
    };
    let mut followed = Followed::default();
    for user in members {
        if let Some(decided) = decide(store, &walk.connector, &walk.change(&user)).await? {
            followed.append(decided.open(store, &cause, None).await?);
        }
    }
    let piece = Piece { looked_at, requests: followed.raised, failed: followed.failed, next };
    advance(shell, job, piece, followed.changes).await
}

/// Lets the next held requests go on, or withdraws them.
async fn settle_held(shell: &Shell, job: &Job, app: &App, connector: &Connector) -> Result<(), StoreError> {
    let query = RequestQuery {
        app: Some(app.id),
        state: Some(State::New),
        after: job.cursor.clone(),
        limit: PIECE,
        ..RequestQuery::default()
    };
    let page = shell.store.requests(&query).await?;
    let (by, why) = job.decided.clone().unwrap_or((Actor::host(), String::new()));
    let mut changes = ChangeSet::default();
    let mut piece = Piece { looked_at: page.items.len() as u64, next: page.next, ..Piece::default() };
    // Consent is to what was held when it was given.
    let meant = |request: &&Request| request.held.is_some() && request.created_at <= job.created_at;
    for request in page.items.iter().filter(meant) {
        let not_any_more = match job.task {
            Task::Withdraw => Some(why.clone()),
            // What it was to do may have been done while it was held: the account been found, above all.
            _ => not_any_more(shell.store.as_ref(), app, connector, request).await?,
        };
        let event = match not_any_more {
            Some(why) => Event::Cancel { by: by.clone(), why },
            None => Event::Release { by: by.clone() },
        };
        if let Ok(transition) = step(request, event, &shell.moment(&app.config.retry)) {
            piece.requests += 1;
            changes.append(transition.into_changes(None));
        }
    }
    advance(shell, job, piece, changes).await
}

/// Makes a piece durable with the place where to go on.
async fn advance(shell: &Shell, job: &Job, piece: Piece, mut changes: ChangeSet) -> Result<(), StoreError> {
    let now = shell.now();
    let advanced = job.clone().advanced(piece, now);
    if !advanced.state.is_open() {
        tracing::info!(job = %advanced.id, requests = advanced.requests, "the job is done");
        changes.audit.push(advanced.record(&Actor::host(), "job.completed", now).with("requests", advanced.requests));
    }
    changes.jobs.push(Versioned::replacing(job.version, advanced));
    fail_point!("job.before_commit");
    shell.store.commit(changes).await?;
    fail_point!("job.after_commit");
    shell.wake.notify_one();
    Ok(())
}
