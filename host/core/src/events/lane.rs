//! The open requests of one user in one app, and what they will leave of the account once they are done: an event is
//! answered for the account as it will be then, since requests of a lane run in order.

use crate::{Account, AccountId, Change, CommitStep, Operation, Request, RequestId, Situation, State, Subject};
use gatehouse_schema::Status;
use std::collections::BTreeSet;

/// The account of a user in an app, and the requests that are still to change it.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// As it is known now; none if there is none.
    pub account: Option<Account>,
    /// The user's open requests in the app, in their order.
    pub open: Vec<Request>,
    /// Those in review that may have changed its status, and nobody knows: they are looked at both ways.
    pub doubtful: Vec<Request>,
    /// Those whose date has not come. What they leave is not known before: they are planned anew then.
    pub dated: Vec<Request>,
}

/// Whether nothing of a request has been begun: then a later event may withdraw it.
pub fn is_unstarted(request: &Request) -> bool {
    request.attempts.is_empty() && request.steps_done == 0 && matches!(request.state, State::New | State::Requested)
}

impl Lane {
    /// The account as it will be when all open requests but these are done.
    pub fn leaves(&self, but: &BTreeSet<RequestId>) -> Option<Account> {
        let open = self.open.iter().filter(|request| !but.contains(&request.id));
        let known = self.account.clone().filter(|account| account.external_id.is_some());
        open.fold(known, after)
    }

    /// Notes those of a user's requests of which nobody knows whether they have changed the account's status: in review,
    /// or left as they were by somebody who says to have done it by hand, and not seen since.
    pub fn doubt(&mut self, requests: impl IntoIterator<Item = Request>) {
        let seen = self.account.as_ref().and_then(|account| account.last_seen);
        let unseen = |request: &Request| seen.is_none_or(|seen| request.updated_at > seen);
        let by_hand = |request: &Request| request.state == State::ManuallyCompleted && unseen(request);
        let doubtful =
            |request: &Request| sets_status(request.operation) && (request.is_in_review() || by_hand(request));
        self.doubtful.extend(requests.into_iter().filter(doubtful));
    }

    /// Open requests that a later event may withdraw.
    pub fn unstarted(&self) -> impl Iterator<Item = &Request> {
        self.open.iter().filter(|request| is_unstarted(request))
    }
}

/// Whether it makes an account usable or unusable that is there before and after.
fn sets_status(operation: Operation) -> bool {
    !matches!(operation, Operation::Create | Operation::Delete | Operation::Update) && operation.writes()
}

/// The account after a request.
fn after(account: Option<Account>, request: &Request) -> Option<Account> {
    let Change::Account { steps, .. } = &request.change.content else { return account };
    let steps = steps.iter().skip(request.steps_done as usize);
    let mut account = steps.fold(account, |account, step| after_step(account, step, request));
    if let Some(account) = &mut account {
        request.change.content.freeze(account);
    }
    account
}

fn after_step(account: Option<Account>, step: &CommitStep, request: &Request) -> Option<Account> {
    let freezes = matches!(request.operation, Operation::Freeze | Operation::Unfreeze);
    match (step, account) {
        (CommitStep::Create(desired), gone) if gone.as_ref().is_none_or(is_gone) => {
            let Subject::User(user) = request.subject else { return gone };
            let mut made = Account::blank(AccountId(0), request.app, request.created_at);
            made.user = Some(user);
            made.username.clone_from(&desired.username);
            made.status = desired.status;
            made.set_situation(Situation::Confirmed);
            Some(made)
        }
        (CommitStep::SetStatus(status), Some(account)) if !freezes => Some(Account { status: *status, ..account }),
        (CommitStep::Remove, Some(mut account)) => {
            account.status = Status::Deleted;
            account.set_situation(Situation::Deleted);
            Some(account)
        }
        (_, account) => account,
    }
}

/// Whether there is a record, and no account any more.
pub(super) fn is_gone(account: &Account) -> bool {
    account.status == Status::Deleted || account.situation == Situation::Deleted
}
