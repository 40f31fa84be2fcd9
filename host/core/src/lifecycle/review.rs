//! How requests in review are settled: a person says what came of a write that no reading could prove, and what is
//! known of the target must not speak against it. It never writes to a target, and never makes a link that an
//! administrator has not asked for by naming the account.

use super::attempts::account_after;
use super::outcome::claimed;
use super::people::{clone_of, retried};
use super::{Draft, Marker, NameAttributes, Refused, Resolution, Transition};
use crate::{
    Account, AccountId, Actor, AttemptOutcome, CallFailure, CommitStep, Desired, Level, Request, RequestId, State,
    Subject, UserId,
};
use gatehouse_schema::Account as RemoteAccount;

/// A write that somebody has found to be made, and what the target and the records say to that.
#[derive(Clone, Debug)]
pub struct MadeReport {
    /// Who.
    pub by: Actor,
    /// How they know.
    pub why: Option<String>,
    /// What reading the account shows (for a create: the account they named), or why it cannot be read.
    pub looked: Result<Resolution, CallFailure>,
    /// The marker that the account would carry.
    pub marker: Option<Marker>,
    /// The record of that account, or of its place.
    pub known: Option<Account>,
    /// All records of the request's user in the app.
    pub of_user: Vec<Account>,
    /// The number for an account record that is to be made.
    pub new_account: AccountId,
    /// Attributes plainly mapped from email, first and last name.
    pub names: NameAttributes,
    /// The number of the request that does the remaining steps, if there are any.
    pub rest: RequestId,
}

/// Whether a request can be settled: before anybody is asked to read a target for it.
///
/// # Errors
/// It is not in review; the text says what can be done instead.
pub fn may_settle(request: &Request) -> Result<(), Refused> {
    let why = match request.state {
        _ if request.is_in_review() => return Ok(()),
        State::Failed => "it is not in review: what came of it is known. `gatehouse request retry` takes it up again",
        State::Retried | State::ManuallyCompleted => "it has been settled already",
        _ => "only a request in review is settled; `gatehouse request list --needs-review` shows them",
    };
    Err(Refused { request: request.id, state: request.state, why: why.to_owned() })
}

/// The records become what the operation would have left. Steps that remain are taken up by a clone.
pub(super) fn made(draft: Draft, report: MadeReport) -> Result<Transition, Refused> {
    let mut draft = under_review(draft)?;
    let Some(step) = draft.before.change.content.step(draft.before.steps_done).cloned() else {
        return draft.refuse("no step of it is left to settle");
    };
    let remote = match accepted(&draft, &step, &report) {
        Ok(remote) => remote,
        Err(why) => return draft.refuse(why),
    };
    let MadeReport { by, why, known, new_account, names, rest, .. } = report;
    if let Some(attempt) = draft.after.attempts.last_mut() {
        attempt.outcome = Some(AttemptOutcome::Applied);
    }
    draft.after.steps_done += 1;
    draft.after.needs_review = false;
    draft.after.error = None;
    let which = remote.as_ref().map(|account| format!(" (account {})", account.external_id)).unwrap_or_default();
    let last = draft.after.change.content.step(draft.after.steps_done).is_none();
    if let Some(account) = account_after(&draft, &step, remote, known, new_account, &names, last) {
        draft.after.account = Some(account.record.id);
        draft.accounts.push(account);
    }
    let text = format!("settled: the change was made{which}{}", because(why.as_deref()));
    draft.note(Level::Info, format!("{text}, says {by}"));
    if last {
        return Ok(draft.go(State::ManuallyCompleted, &by, &text)?.finish());
    }
    let clone = clone_of(&draft.after, rest, &by, draft.now());
    retried(draft, &by, &format!("{text}; the rest is done by {rest}"), clone)
}

/// The clone may write at once: somebody vouches that nothing was changed. A create that reading proves to be made is
/// not made again, whoever says so.
pub(super) fn not_made(
    draft: Draft,
    by: &Actor,
    why: Option<&str>,
    looked: &Result<Resolution, CallFailure>,
    id: RequestId,
) -> Result<Transition, Refused> {
    let mut draft = under_review(draft)?;
    let step = draft.before.change.content.step(draft.before.steps_done);
    if let (Some(CommitStep::Create(_)), Ok(Resolution::Done(Some(account)))) = (step, looked) {
        let id = &account.external_id;
        return draft.refuse(format!(
            "account {id} carries our marker, so it was made: settle it with --made --external-id {id}"
        ));
    }
    if let (Some(CommitStep::Update(_) | CommitStep::SetStatus(_) | CommitStep::Remove), Ok(Resolution::Done(_))) =
        (step, looked)
    {
        return draft.refuse("reading the account shows that the change is there: settle it with --made");
    }
    let text = format!("settled: the change was not made{}", because(why));
    draft.note(Level::Info, format!("{text}, says {by}"));
    let clone = clone_of(&draft.before, id, by, draft.now());
    retried(draft, by, &format!("{text}; taken up again as {id}"), clone)
}

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

fn under_review(draft: Draft) -> Result<Draft, Refused> {
    may_settle(&draft.before).map(|()| draft)
}

/// The account to note, or why the target or the records contradict that the change was made.
fn accepted(draft: &Draft, step: &CommitStep, report: &MadeReport) -> Result<Option<RemoteAccount>, String> {
    if let CommitStep::Create(desired) = step {
        return match &report.looked {
            Ok(Resolution::Done(Some(account))) => {
                ours(draft, account, report)?;
                named_alike(draft, desired, account, report).map(|()| Some(account.clone()))
            }
            Ok(_) => Err("the target has no account with that id: look up its id in the target once more".to_owned()),
            Err(failure) => Err(format!("the account cannot be read, so nothing was settled: {failure}")),
        };
    }
    match &report.looked {
        Ok(Resolution::Done(account)) => Ok(account.clone()),
        Ok(Resolution::NotDone(_)) => {
            Err("reading the account shows that the change is not there: settle it with --not-made".to_owned())
        }
        Ok(Resolution::Gone) => Err(format!("the account is gone from the target: {}, and reconcile", leave(draft))),
        // Nobody but that person can know.
        Ok(Resolution::Unprovable(_)) | Err(_) => Ok(None),
    }
}

/// Whether the named account can be the one that was made: what carries our marker is, whatever the target calls it.
fn named_alike(draft: &Draft, desired: &Desired, account: &RemoteAccount, report: &MadeReport) -> Result<(), String> {
    let marked = report.marker.as_ref().is_some_and(|marker| marker.is_on(account));
    let alike = |a: &str, b: &str| a.trim().to_lowercase() == b.trim().to_lowercase();
    if marked || alike(&desired.username, &account.username) {
        return Ok(());
    }
    let id = &account.external_id;
    Err(format!(
        "account {id} is called `{}`, and `{}` was to be made: look up its id once more; if it is the one all the \
         same, {}, and link the account to its user",
        account.username,
        desired.username,
        leave(draft)
    ))
}

/// Whether the named account may become the user's.
fn ours(draft: &Draft, account: &RemoteAccount, report: &MadeReport) -> Result<(), String> {
    let id = &account.external_id;
    if let Some(why) = claimed(draft, Some(account), report.known.as_ref()) {
        return Err(format!("{why}; unlink it first, if it is the one"));
    }
    if let Some(marker) = report.marker.as_ref().filter(|marker| !marker.is_on(account))
        && let Some(has) = account.first(&marker.attribute).filter(|has| !has.trim().is_empty())
    {
        return Err(format!(
            "account {id} is marked as another's: its {} is `{has}`, not `{}`; correct that in the target first, if \
             it is the one",
            marker.attribute, marker.value
        ));
    }
    let other = |of_user: &&Account| of_user.is_linked() && of_user.external_id.as_deref() != Some(id.as_str());
    match report.of_user.iter().find(other) {
        Some(other) => Err(format!(
            "{} is linked to {} already; unlink that one first, or {}",
            user_of(draft).map_or_else(|| "the user".to_owned(), |user| user.to_string()),
            other.id,
            leave(draft)
        )),
        None => Ok(()),
    }
}

/// How the request is left as it is.
fn leave(draft: &Draft) -> String {
    format!("leave this request with `gatehouse request complete {} --note …`", draft.before.id)
}

fn user_of(draft: &Draft) -> Option<UserId> {
    match draft.before.subject {
        Subject::User(user) => Some(user),
        _ => None,
    }
}
