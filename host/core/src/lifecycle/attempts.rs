//! How calls that may write go on: started and finished; and what a finished change makes of the account record.

use super::outcome::{claimed, in_review, is_ambiguous, outcome_unknown, settle_later};
use super::{AttemptReport, Draft, NameAttributes, Refused, Transition, next_try};
use crate::ports::Versioned;
use crate::{
    Account, AccountId, Actor, Approval, Attempt, AttemptOutcome, CallFailure, CommitStep, FailureKind, Level,
    LinkState, Operation, Situation, State, Subject, USERNAME, UserId, fingerprint,
};
use gatehouse_schema::{Account as RemoteAccount, Status};
use serde::Serialize;

/// Notes that a call is about to be made. The key stays the same for every attempt at a step, clones included.
pub(super) fn started(draft: Draft) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::Requested, State::Committing, State::Collecting])?;
    let reads = draft.before.operation == Operation::Read;
    let under_way = draft.before.attempts.last().is_some_and(|attempt| attempt.finished_at.is_none());
    if under_way || outcome_unknown(&draft) {
        return draft.refuse("the last attempt has not been accounted for");
    }
    if !reads && draft.before.change.content.step(draft.before.steps_done).is_none() {
        return draft.refuse("no step is left to do");
    }
    if !draft.before.change.is_intact() {
        return draft.refuse("what is to be done is not what was sealed");
    }
    if draft.before.approval == Approval::Required {
        return draft.refuse("it waits for an approval");
    }
    if draft.before.state == State::Requested {
        let to = if reads { State::Collecting } else { State::Committing };
        draft = draft.go(to, &Actor::host(), "")?;
    }
    let step = draft.after.steps_done;
    let now = draft.now();
    // A retried clone asks the target for the same thing again, not for another one.
    let root = draft.after.root.unwrap_or(draft.after.id);
    let idempotency_key = format!("{root}-{}-{step}", draft.after.change.digest.short());
    draft.after.attempts.push(Attempt {
        step,
        idempotency_key,
        started_at: now,
        finished_at: None,
        write_left: None,
        outcome: None,
        writes: Vec::new(),
        readings: Vec::new(),
    });
    let attempt = draft.after.attempts.len();
    draft.note(Level::Info, format!("attempt {attempt} at {} starts", describe(&draft)));
    // Due now: should the host be killed, the next one finds the attempt without an end at once.
    Ok(draft.due_at(now).finish())
}

fn describe(draft: &Draft) -> String {
    match draft.after.change.content.step(draft.after.steps_done) {
        Some(CommitStep::Create(desired)) => format!("creating `{}`", desired.username),
        Some(CommitStep::Update(attributes)) => {
            format!("updating {}", attributes.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Some(CommitStep::SetStatus(Status::Active)) => "making the account usable".to_owned(),
        Some(CommitStep::SetStatus(_)) => "making the account unusable".to_owned(),
        Some(CommitStep::Remove) => "removing the account".to_owned(),
        None => "reading the account".to_owned(),
    }
}

pub(super) fn finished(draft: Draft, report: AttemptReport) -> Result<Transition, Refused> {
    let mut draft = with_open_attempt(draft)?;
    if let Some(attempt) = draft.after.attempts.last_mut() {
        attempt.writes.clone_from(&report.writes);
    }
    match report.result {
        Ok((account, applied)) => {
            if let Some(why) = claimed(&draft, account.as_ref(), report.known.as_ref()) {
                close(&mut draft, Some(report.write_left), AttemptOutcome::Unknown(why.clone()));
                return in_review(draft, &format!("the target answered with an account that is not to be ours: {why}"));
            }
            let outcome = if applied { AttemptOutcome::Applied } else { AttemptOutcome::AlreadyApplied };
            close(&mut draft, Some(report.write_left), outcome);
            step_done(draft, account, report.known, report.new_account, &report.names)
        }
        Err(failure)
            if report.write_left && draft.before.operation.writes() && is_ambiguous(&failure, &report.writes) =>
        {
            close(&mut draft, Some(true), AttemptOutcome::Unknown(failure.to_string()));
            settle_later(draft, &failure.to_string())
        }
        Err(failure) => {
            close(&mut draft, Some(report.write_left), AttemptOutcome::Failed(failure.clone()));
            if let (Some(known), Some(fresh)) = (report.known, report.refreshed) {
                let account = seen(&draft, known, &fresh, &report.names);
                draft.accounts.push(account);
            }
            failed(draft, failure)
        }
    }
}

pub(super) fn failed(mut draft: Draft, failure: CallFailure) -> Result<Transition, Refused> {
    let in_row = failures_in_row(&draft);
    // An account that has moved on is read anew and asked again: the intended change is the same.
    let again = failure.is_transient() || failure.kind == FailureKind::Stale;
    if again && in_row < draft.moment.retry.max_attempts {
        let due = next_try(&draft.moment, in_row, failure.retry_after);
        draft.note(Level::Warn, format!("{failure}; the next try is at {due}"));
        draft.after.error = Some(failure.to_string());
        return Ok(draft.due_at(due).finish());
    }
    let text = match &failure.conflicting {
        Some(id) => format!(
            "{failure} (its id is {id}); reconcile the app and link that account by hand, or remove it from the target"
        ),
        None => failure.to_string(),
    };
    let tries = if in_row > 1 { format!(" ({in_row} tries)") } else { String::new() };
    draft.fail(format!("{text}{tries}"))
}

/// Attempts at the present step, all of them without success.
fn failures_in_row(draft: &Draft) -> u32 {
    let step = draft.after.steps_done;
    u32::try_from(draft.after.attempts.iter().filter(|attempt| attempt.step == step).count()).unwrap_or(u32::MAX)
}

/// Fails what cannot go on. A change whose last write may have left is not failed: it is settled first.
pub(super) fn fail(draft: Draft, why: String) -> Result<Transition, Refused> {
    if draft.before.state.is_settled() {
        return draft.refuse("it is settled");
    }
    if outcome_unknown(&draft) || draft.before.attempts.last().is_some_and(|attempt| attempt.finished_at.is_none()) {
        return draft.refuse("the last attempt has not been accounted for");
    }
    draft.fail(why)
}

/// A change without steps left to do (an Unfreeze of an account that is deactivated besides) only changes flags.
pub(super) fn concluded(draft: Draft, known: Option<Account>) -> Result<Transition, Refused> {
    let mut draft = draft.only_in(&[State::Requested, State::Committing])?;
    if !draft.before.operation.writes() || draft.before.change.content.step(draft.before.steps_done).is_some() {
        return draft.refuse("there are steps left to do");
    }
    if draft.before.state == State::Requested {
        draft = draft.go(State::Committing, &Actor::host(), "")?;
    }
    if let Some(mut account) = known
        && draft.after.change.content.freeze(&mut account)
    {
        account.updated_at = draft.now();
        draft.accounts.push(Versioned::replacing(account.version, account));
    }
    Ok(draft.go(State::Completed, &Actor::host(), "nothing had to be changed in the target")?.finish())
}

/// What the audit trail says of a link before and after.
#[derive(Serialize)]
struct Linked {
    user: Option<UserId>,
    link_state: LinkState,
    situation: Situation,
}

impl Linked {
    fn of(account: &Account) -> Self {
        Self { user: account.user, link_state: account.link_state, situation: account.situation }
    }
}

pub(super) fn link_applied(draft: Draft, changed: Vec<(Account, Account)>) -> Result<Transition, Refused> {
    let mut draft = linking(draft)?;
    let by = draft.before.created_by.clone();
    for (before, account) in changed {
        draft.note(Level::Info, format!("{} is now {:?} ({:?})", account.id, account.link_state, account.situation));
        let mut record = draft.record(&by, "account.link");
        record.subject = format!("account {}", account.id);
        record.person = draft.before.subject.person();
        draft.audit.push(record.changing(Some(&Linked::of(&before)), Some(&Linked::of(&account))));
        draft.accounts.push(Versioned::replacing(account.version, account));
    }
    Ok(draft.go(State::Completed, &by, "")?.finish())
}

pub(super) fn link_refused(draft: Draft, why: String) -> Result<Transition, Refused> {
    linking(draft)?.fail(why)
}

fn linking(draft: Draft) -> Result<Draft, Refused> {
    if draft.before.operation != Operation::Linking {
        return draft.refuse("it changes no links");
    }
    draft.only_in(&[State::Committing])
}

pub(super) fn with_open_attempt(draft: Draft) -> Result<Draft, Refused> {
    let draft = draft.only_in(&[State::Committing, State::Collecting])?;
    match draft.before.attempts.last() {
        Some(attempt) if attempt.finished_at.is_none() => Ok(draft),
        _ => draft.refuse("no attempt is under way"),
    }
}

pub(super) fn close(draft: &mut Draft, write_left: Option<bool>, outcome: AttemptOutcome) {
    let now = draft.now();
    if let Some(attempt) = draft.after.attempts.last_mut() {
        attempt.finished_at = Some(now);
        attempt.write_left = write_left.or(attempt.write_left);
        attempt.outcome = Some(outcome);
    }
}

/// One step is done: note what is known of the account now, and go on or conclude.
pub(super) fn step_done(
    mut draft: Draft,
    remote: Option<RemoteAccount>,
    known: Option<Account>,
    new_account: AccountId,
    names: &NameAttributes,
) -> Result<Transition, Refused> {
    draft.after.error = None;
    let step = draft.after.change.content.step(draft.after.steps_done).cloned();
    let now = draft.now();
    let Some(step) = step else {
        // A Read: the account is as the target shows it.
        if let (Some(known), Some(remote)) = (known, remote) {
            let account = seen(&draft, known, &remote, names);
            draft.accounts.push(account);
        }
        return Ok(draft.go(State::Completed, &Actor::host(), "read")?.finish());
    };
    draft.after.steps_done += 1;
    let last = draft.after.change.content.step(draft.after.steps_done).is_none();
    if let CommitStep::Create(desired) = &step
        && let Some(has) = remote.as_ref().map(|remote| remote.status).filter(|has| *has != desired.status)
    {
        let text =
            format!("the account is {has:?}, and was to be {:?}; the next reconciliation corrects it", desired.status);
        draft.note(Level::Warn, text);
    }
    if let Some(account) = account_after(&draft, &step, remote, known, new_account, names, last) {
        draft.after.account = Some(account.record.id);
        draft.accounts.push(account);
    }
    if last {
        return Ok(draft.go(State::Completed, &Actor::host(), "")?.finish());
    }
    Ok(draft.due_at(now).finish())
}

/// The record of an account that the target has just shown. What it should be is for the next reconciliation to say.
pub(super) fn seen(
    draft: &Draft,
    mut known: Account,
    remote: &RemoteAccount,
    names: &NameAttributes,
) -> Versioned<Account> {
    let version = known.version;
    show(&mut known, remote, names);
    // A frozen account is unusable in the target, and what it is otherwise is known to us alone.
    if !(known.frozen && remote.status == Status::Deactivated) && known.status != remote.status {
        known.status = remote.status;
        known.fingerprint = None;
    }
    known.last_seen = Some(draft.now());
    known.updated_at = draft.now();
    Versioned::replacing(version, known)
}

fn show(account: &mut Account, remote: &RemoteAccount, names: &NameAttributes) {
    account.external_id = Some(remote.external_id.clone());
    account.username.clone_from(&remote.username);
    account.attributes.clone_from(&remote.attributes);
    account.revision.clone_from(&remote.revision);
    account.fingerprint = Some(fingerprint(remote));
    names.fill(account, remote);
}

/// The account record after a step, or none where there is nothing to record.
pub(super) fn account_after(
    draft: &Draft,
    step: &CommitStep,
    remote: Option<RemoteAccount>,
    known: Option<Account>,
    new_account: AccountId,
    names: &NameAttributes,
    last: bool,
) -> Option<Versioned<Account>> {
    let request = &draft.after;
    let created = matches!(step, CommitStep::Create(_));
    let (expected, mut account) = match known {
        Some(known) => (Some(known.version), known),
        None if created => (None, blank(draft, new_account)),
        None => return None,
    };
    match (&remote, step) {
        (Some(remote), _) => show(&mut account, remote, names),
        // The target did not say how the account is now: take what was asked for, and look again next time.
        (None, CommitStep::Update(wanted)) => {
            for (name, values) in wanted {
                match values.first() {
                    Some(value) if name == USERNAME => account.username.clone_from(&value.text),
                    _ => drop(account.attributes.insert(name.clone(), values.clone())),
                }
            }
            account.fingerprint = None;
        }
        (None, _) => account.fingerprint = None,
    }
    match (step, request.operation) {
        (CommitStep::Create(desired), _) => {
            // A reconciliation may have seen the account first, and made it nobody's.
            if let Subject::User(user) = request.subject {
                account.user = Some(user);
            }
            account.status = remote.as_ref().map_or(desired.status, |remote| remote.status);
            account.is_known_link = account.user.is_some();
            account.set_situation(if account.user.is_some() { Situation::Confirmed } else { Situation::Unassigned });
            account.why = None;
        }
        (CommitStep::Remove, _) => {
            account.status = Status::Deleted;
            account.set_situation(Situation::Deleted);
        }
        // Whether a frozen account is active otherwise is kept apart from what the target shows.
        (CommitStep::SetStatus(_), Operation::Freeze | Operation::Unfreeze) => {}
        (CommitStep::SetStatus(status), _) => account.status = *status,
        (CommitStep::Update(_), _) => {}
    }
    if last {
        request.change.content.freeze(&mut account);
    }
    // What was asked for by itself was sealed before, and may be what no reconciliation since has wanted: the next one
    // looks at the account whatever else it knows.
    if request.raised_by.is_none() {
        account.fingerprint = None;
    }
    account.last_seen = Some(draft.now());
    account.updated_at = draft.now();
    Some(Versioned { record: account, expected })
}

fn blank(draft: &Draft, id: AccountId) -> Account {
    let user = match draft.after.subject {
        Subject::User(user) => Some(user),
        _ => None,
    };
    Account { user, ..Account::blank(id, draft.after.app, draft.now()) }
}
