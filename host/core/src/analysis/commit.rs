//! What committing a row comes to: the account record after it. Never writes anything, and never touches the target.

use crate::lifecycle::NameAttributes;
use crate::{
    Account, AccountId, App, AppId, LinkState, RequestId, Situation, StagingRow, StagingSource, Verdict, fingerprint,
};
use gatehouse_schema::{Account as RemoteAccount, Status};
use jiff::Timestamp;

/// What is the same for all rows of a run that are committed together.
#[derive(Clone, Debug)]
pub struct CommitContext {
    app: AppId,
    run: RequestId,
    now: Timestamp,
    names: NameAttributes,
}

impl CommitContext {
    /// For rows of this run of the app, committed now.
    pub fn new(app: &App, run: RequestId, now: Timestamp) -> Self {
        Self { app: app.id, run, now, names: crate::mapping::name_attributes(&app.config.mapping) }
    }
}

/// The account record after a row of a plan is committed, whatever was known of it before; a new one gets the number
/// `new_id`. None for rows that leave no account: faults, rows without verdict, and absences of accounts that we no
/// longer know. The caller says which version it replaces.
pub fn apply_verdict(
    row: &StagingRow,
    known: Option<&Account>,
    context: &CommitContext,
    new_id: AccountId,
) -> Option<Account> {
    let verdict = row.verdict.as_ref()?;
    let mut account = match &row.source {
        StagingSource::Account(remote) | StagingSource::Absent { read: Some(remote), .. } => {
            let mut account = known.cloned().unwrap_or_else(|| Account::blank(new_id, context.app, context.now));
            show(&mut account, remote, context);
            account
        }
        StagingSource::Absent { read: None, .. } => Account { status: Status::Deleted, ..known?.clone() },
        StagingSource::MissingUser(_) => {
            known.cloned().unwrap_or_else(|| Account::blank(new_id, context.app, context.now))
        }
        StagingSource::Fault { .. } => return None,
    };
    account.is_known_link = known.is_some_and(|known| stays_decided(known, verdict));
    account.user = verdict.user;
    account.why.clone_from(&verdict.why);
    account.set_situation(verdict.situation);
    account.last_run = Some(context.run);
    account.updated_at = context.now;
    Some(account)
}

/// Whether what an administrator (or our own Create) decided is what still holds.
fn stays_decided(known: &Account, verdict: &Verdict) -> bool {
    let same = known.user == verdict.user && known.link_state == verdict.situation.link_state();
    let decidable = matches!(verdict.situation.link_state(), LinkState::Linked | LinkState::Ignored)
        || verdict.situation == Situation::Unassigned;
    known.is_known_link && same && decidable
}

fn show(account: &mut Account, remote: &RemoteAccount, context: &CommitContext) {
    account.external_id = Some(remote.external_id.clone());
    account.username.clone_from(&remote.username);
    account.attributes.clone_from(&remote.attributes);
    account.revision.clone_from(&remote.revision);
    account.fingerprint = Some(fingerprint(remote));
    account.last_seen = Some(context.now);
    // A frozen account is unusable in the target, and what it is otherwise is known to us alone.
    if !(account.frozen && remote.status == Status::Deactivated) {
        account.status = remote.status;
    }
    context.names.fill(account, remote);
}
