//! What happens to requests by the clock alone: deadlines of approvals pass, dates come. What was to happen while the
//! host was down happens at its start. It decides nothing: what follows is for the core to say.

use crate::managers::name_managers;
use crate::requests::{Ask, NotOpened, Whose, not_in_doubt, open_for, parties};
use crate::shell::Shell;
use gatehouse_core::approval::{alarm, expired};
use gatehouse_core::lifecycle::{Event, Raised, Refused, step};
use gatehouse_core::planning::plan_change;
use gatehouse_core::ports::{ChangeSet, StoreError};
use gatehouse_core::{Actor, App, Connector, Request, Sealed, Subject};

/// Requests looked at in one reading.
const AT_A_TIME: usize = 200;

/// Does all that is to be done by now.
pub(crate) async fn turn(shell: &Shell) -> Result<(), StoreError> {
    let now = shell.now();
    let mut after = None;
    loop {
        let alarms = shell.store.alarms(now, after, AT_A_TIME).await?;
        for (_, id) in &alarms {
            let Some(request) = shell.store.request(*id).await? else { continue };
            match ring(shell, &request).await {
                // Somebody else was faster, or the lane is busy: it is looked at again in the next turn.
                Ok(()) | Err(StoreError::VersionConflict { .. } | StoreError::LaneBusy { .. }) => {}
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => tracing::error!(request = %id, %error, "what the clock brings cannot be written down"),
            }
        }
        match alarms.last() {
            Some(last) if alarms.len() == AT_A_TIME => after = Some(*last),
            _ => return Ok(()),
        }
    }
}

async fn ring(shell: &Shell, request: &Request) -> Result<(), StoreError> {
    let now = shell.now();
    if alarm(request).is_none_or(|at| at > now) {
        return Ok(());
    }
    let Some(app) = shell.store.app(request.app).await? else { return Ok(()) };
    let changes = if expired(request, now).is_some() {
        happened(shell, &app, request, Event::DeadlinePassed)
    } else {
        date_came(shell, &app, request).await?
    };
    match changes {
        Ok(changes) => {
            shell.store.commit(changes).await?;
        }
        Err(refused) => tracing::error!(%refused, "what the clock brings does not fit"),
    }
    Ok(())
}

fn happened(shell: &Shell, app: &App, request: &Request, event: Event) -> Result<ChangeSet, Refused> {
    Ok(step(request, event, &shell.moment(&app.config.retry))?.into_changes(None))
}

/// Plans it anew, on the account as it is now. It goes on if that is what was sealed; or else another request takes its
/// place, with approvals of its own; or it is cancelled, if there is nothing left to do.
async fn date_came(shell: &Shell, app: &App, request: &Request) -> Result<Result<ChangeSet, Refused>, StoreError> {
    let cancelled = |why: String| {
        let why = format!("its date has come, and it cannot be carried out: {why}");
        happened(shell, app, request, Event::Cancel { by: Actor::host(), why })
    };
    let Some(connector) = shell.store.connector(app.connector.digest).await? else {
        return Ok(cancelled(format!("connector {} is not installed any more", app.connector.name)));
    };
    match planned_anew(shell, app, &connector, request).await {
        Ok(None) => Ok(happened(shell, app, request, Event::DateCame)),
        Ok(Some(opened)) => {
            let with = opened.request.record.id;
            let ended = happened(shell, app, request, Event::Supersede { by: Actor::host(), with, why: None });
            Ok(ended.map(|mut changes| {
                changes.append(opened.into_changes(None));
                changes
            }))
        }
        Err(NotOpened::Store(error)) => Err(error),
        Err(why) => Ok(cancelled(why.to_string())),
    }
}

/// The request to take its place; none: it is still right.
async fn planned_anew(
    shell: &Shell,
    app: &App,
    connector: &Connector,
    request: &Request,
) -> Result<Option<gatehouse_core::lifecycle::Transition>, NotOpened> {
    let store = shell.store.as_ref();
    let whose = whose(shell, request).await?;
    let (mut user, account) = parties(store, app, whose).await?;
    name_managers(store, &app.config, user.iter_mut()).await?;
    let change = plan_change(request.operation, user.as_ref(), account.as_ref(), app, &connector.description)?;
    let subject = user.as_ref().map(|user| Subject::User(user.id));
    let same_subject = subject.is_none_or(|subject| subject == request.subject);
    if same_subject && Sealed::new(change).digest == request.change.digest {
        return Ok(None);
    }
    let ask = Ask {
        operation: request.operation,
        whose,
        by: request.created_by.clone(),
        reason: request.reason.clone(),
        raised: Raised {
            by_run: request.raised_by,
            by_event: request.event,
            by_job: request.job,
            requested_by: request.requested_by,
            supersedes: Some(request.id),
            ..Raised::default()
        },
    };
    let opened = open_for(store, app, connector, ask, user.as_ref(), account.as_ref(), shell.now()).await?;
    not_in_doubt(store, &opened).await?;
    Ok(Some(opened.correlated(request.correlation.as_ref())))
}

/// Whose account it is about now: the one it was made for, if that is still the user's.
async fn whose(shell: &Shell, request: &Request) -> Result<Whose, StoreError> {
    let user = match request.subject {
        Subject::User(user) => user,
        Subject::Account(account) => return Ok(Whose::Account(account)),
        // None is about a whole app: those are not made for a date.
        Subject::App => return Ok(Whose::Account(request.account.unwrap_or_default())),
    };
    let account = match request.account {
        Some(id) => shell.store.account(id).await?,
        None => None,
    };
    let still = account.filter(|account| account.user == Some(user) && account.is_linked());
    Ok(still.map_or(Whose::User(user), |account| Whose::Account(account.id)))
}
