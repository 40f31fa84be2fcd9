//! Work on one account: the calls that change or read it. A durable start comes before each call, and its result is
//! never lost to somebody else's change of the same records.

use crate::events::out_of_date;
use crate::job::{Job, Trouble, Worked};
use crate::known::known;
use crate::loading::Surroundings;
use crate::managers::name_managers;
use crate::noted::host_line;
use crate::requests::{account_of, creates_in_review};
use gatehouse_core::lifecycle::{AttemptReport, Event};
use gatehouse_core::planning::{not_to_be_made, not_to_be_usable};
use gatehouse_core::ports::{CallReport, ChangeSet, CommitCommand, Sequence, Store, StoreError};
use gatehouse_core::schema::{Account as RemoteAccount, Status};
use gatehouse_core::{
    AccountId, Actor, App, CallFailure, Capability, Change, CommitStep, Connector, FailureKind, Level, Request,
    SentWrite, Subject,
};
use gatehouse_failpoints::fail_point;

/// How often the result of a call is offered to the store again after others have changed the same records.
const OFFERS: u32 = 20;

/// Makes the call of the step that is next.
pub(crate) async fn call(job: &mut Job, around: &Surroundings) -> Worked {
    if let Some(why) = outdated(job, around).await? {
        return job.commit(&around.app, Event::Fail { why }).await;
    }
    let found = known(&job.shell, &job.request, None).await?.account;
    if !has_account(job, found.as_ref()) {
        return job.commit(&around.app, without_account(job).await?).await;
    }
    fail_point!("attempt.before_commit");
    job.commit_and_keep(&around.app, Event::AttemptStarted).await?;
    fail_point!("attempt.after_commit");
    let Some(command) = command(job, found.as_ref()) else { return Ok(()) };
    let given = match &command.step {
        CommitStep::Create(desired) => vec![&desired.attributes],
        CommitStep::Update(attributes) => vec![attributes],
        _ => Vec::new(),
    };
    let connectors = job.shell.connectors.clone();
    let report = job.call(around, "commit", &given, connectors.commit(&around.context, &command)).await;
    let (write_left, writes) = (report.call.write_left, report.call.writes);
    let result = report.result.and_then(|receipt| command.answered(receipt));
    let result = result.map(|receipt| (receipt.account, receipt.applied));
    let refreshed = match &result {
        Err(failure) if failure.kind == FailureKind::Stale => refreshed(job, around, &command).await,
        _ => None,
    };
    let result = result.map(|(account, applied)| (account.map(|account| around.narrowed(account)), applied));
    finish(job, around, Outcome { result, write_left, writes, refreshed }).await
}

/// What becomes of a request whose account is not there: nothing is to be done, unless it may be there after all.
async fn without_account(job: &Job) -> Result<Event, StoreError> {
    let in_review = creates_in_review(job.shell.store.as_ref(), job.request.app, job.request.subject).await?;
    Ok(match in_review.first() {
        Some(doubtful) => Event::Fail {
            why: format!(
                "{0} may have made the account that this is about, and nobody knows: settle that one first \
                 (`gatehouse request show {0}`); what takes access away is asked for anew then, anything else is for \
                 you to retry",
                doubtful.id
            ),
        },
        None => Event::Cancel { by: Actor::host(), why: "the account that it was to change was never made".to_owned() },
    })
}

/// Whether there is an account that the next step could change, where it makes none: a step asked for behind a Create
/// that failed has none.
fn has_account(job: &Job, found: Option<&gatehouse_core::Account>) -> bool {
    let makes_one = matches!(job.request.change.content.step(job.request.steps_done), Some(CommitStep::Create(_)));
    let sealed = matches!(&job.request.change.content, Change::Account { external_id: Some(_), .. });
    makes_one || sealed || found.is_some_and(|account| account.external_id.is_some())
}

/// Why the account that is to be made, or made usable, is not to be any more; none where the next step does neither.
async fn outdated(job: &Job, around: &Surroundings) -> Result<Option<String>, StoreError> {
    let store = job.shell.store.as_ref();
    if job.request.has_only_looked()
        && let Some(why) = out_of_date(store, &around.app, &job.request, false).await?
    {
        return Ok(Some(why.to_string()));
    }
    not_any_more(store, &around.app, &around.connector, &job.request).await
}

/// Why a request that makes an account, or makes one usable, is not to be carried out any more.
pub(crate) async fn not_any_more(
    store: &dyn Store,
    app: &App,
    connector: &Connector,
    request: &Request,
) -> Result<Option<String>, StoreError> {
    let step = request.change.content.step(request.steps_done);
    let Subject::User(id) = request.subject else { return Ok(None) };
    let makes = match step {
        Some(CommitStep::Create(_)) => true,
        Some(CommitStep::SetStatus(Status::Active)) => false,
        _ => return Ok(None),
    };
    let Some(mut user) = store.user(id).await? else { return Ok(Some(format!("there is no user {id} any more"))) };
    name_managers(store, &app.config, [&mut user]).await?;
    if !makes {
        return Ok(not_to_be_usable(&user));
    }
    let account = account_of(store, app, id).await?;
    Ok(not_to_be_made(&user, account.as_ref(), app, &connector.description))
}

/// The command of the attempt that has just been started.
fn command(job: &Job, known: Option<&gatehouse_core::Account>) -> Option<CommitCommand> {
    let step = job.request.change.content.step(job.request.steps_done)?.clone();
    let attempt = job.request.attempts.last()?;
    let external_id = match (&step, &job.request.change.content) {
        (CommitStep::Create(_), _) => None,
        (_, Change::Account { external_id: Some(external_id), .. }) => Some(external_id.clone()),
        // A step after a Create: the account it made.
        _ => known.and_then(|account| account.external_id.clone()),
    };
    let expected_revision = match &step {
        CommitStep::Create(_) => None,
        _ => known.and_then(|account| account.revision.clone()),
    };
    Some(CommitCommand { idempotency_key: attempt.idempotency_key.clone(), external_id, expected_revision, step })
}

/// The account as it is now, where the target said that it had moved on.
async fn refreshed(job: &mut Job, around: &Surroundings, command: &CommitCommand) -> Option<RemoteAccount> {
    let external_id = command.external_id.as_ref()?;
    if !around.can(Capability::Read) || !job.has_turn() {
        return None;
    }
    let connectors = job.shell.connectors.clone();
    let report = job.call(around, "read", &[], connectors.read(&around.context, external_id)).await;
    report.result.ok().map(|account| around.narrowed(account))
}

/// Reads the account, shows it in the log, and keeps what is kept of it.
pub(crate) async fn read(job: &mut Job, around: &Surroundings) -> Worked {
    let Change::Read { external_id } = job.request.change.content.clone() else {
        return job.commit(&around.app, Event::Fail { why: "it says no account to read".to_owned() }).await;
    };
    fail_point!("attempt.before_commit");
    job.commit_and_keep(&around.app, Event::AttemptStarted).await?;
    fail_point!("attempt.after_commit");
    let connectors = job.shell.connectors.clone();
    let report: CallReport<RemoteAccount> =
        job.call(around, "read", &[], connectors.read(&around.context, &external_id)).await;
    if let Ok(account) = &report.result {
        let line = shown(around, account);
        let now = job.shell.now();
        job.notes().log.push(host_line(now, Level::Info, format!("account `{external_id}` as it is"), line));
    }
    let result = report.result.map(|account| (Some(around.narrowed(account)), false));
    let write_left = report.call.write_left;
    finish(job, around, Outcome { result, write_left, writes: Vec::new(), refreshed: None }).await
}

/// An account's attributes as fields of a log line, the sensitive ones masked.
fn shown(around: &Surroundings, account: &RemoteAccount) -> Vec<(String, String)> {
    let mut fields =
        vec![("username".to_owned(), account.username.clone()), ("status".to_owned(), format!("{:?}", account.status))];
    fields.extend(account.attributes.iter().map(|(name, values)| {
        let sensitive = around.schema.get(name).is_none_or(|definition| definition.sensitive);
        let texts: Vec<&str> = values.iter().map(|value| value.text.as_str()).collect();
        (name.clone(), if sensitive { "(masked)".to_owned() } else { texts.join(", ") })
    }));
    fields
}

/// Notes that there is nothing to call for.
pub(crate) async fn conclude(job: &mut Job, app: &App) -> Worked {
    let known = known(&job.shell, &job.request, None).await?.account;
    fail_point!("conclude.before_commit");
    job.commit(app, Event::Concluded { known: known.map(Box::new) }).await?;
    fail_point!("conclude.after_commit");
    Ok(())
}

/// How a call ended.
#[derive(Clone)]
struct Outcome {
    result: Result<(Option<RemoteAccount>, bool), CallFailure>,
    write_left: bool,
    writes: Vec<SentWrite>,
    refreshed: Option<RemoteAccount>,
}

async fn finish(job: &mut Job, around: &Surroundings, outcome: Outcome) -> Worked {
    let shown = match &outcome.result {
        Ok((account, _)) => account.clone(),
        Err(_) => None,
    };
    fail_point!("outcome.before_commit");
    insist(job, around, shown.as_ref(), |known, new_account| {
        let outcome = outcome.clone();
        Event::AttemptFinished(Box::new(AttemptReport {
            result: outcome.result,
            write_left: outcome.write_left,
            writes: outcome.writes,
            known,
            refreshed: outcome.refreshed,
            new_account,
            names: around.names(),
        }))
    })
    .await?;
    fail_point!("outcome.after_commit");
    Ok(())
}

/// Applies what a call brought, to the records as they are now: again and again, for as long as others are faster.
pub(crate) async fn insist(
    job: &mut Job,
    around: &Surroundings,
    shown: Option<&RemoteAccount>,
    event: impl Fn(Option<gatehouse_core::Account>, AccountId) -> Event,
) -> Worked {
    let mut offers = 0;
    loop {
        let found = known(&job.shell, &job.request, shown).await?;
        let new_account = match &found.account {
            Some(account) => account.id,
            None => AccountId(job.shell.store.allocate(Sequence::Account, 1)),
        };
        fail_point!("outcome.looked_up");
        let more = ChangeSet { remove_accounts: superfluous(shown, found.superfluous), ..ChangeSet::default() };
        match job.commit_with(&around.app, event(found.account, new_account), more).await {
            Err(Trouble::Store(StoreError::VersionConflict { .. } | StoreError::Duplicate { .. }))
                if offers < OFFERS =>
            {
                offers += 1;
                fail_point!("outcome.conflict");
                job.reload().await?;
            }
            worked => return worked,
        }
    }
}

/// A place is superfluous once the target shows the account.
fn superfluous(shown: Option<&RemoteAccount>, places: Vec<AccountId>) -> Vec<AccountId> {
    if shown.is_some() { places } else { Vec::new() }
}
