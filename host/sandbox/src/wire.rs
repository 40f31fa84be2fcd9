//! Between the types of `wit/` and those of the domain. Only shapes change here; what a guest may not answer is
//! refused in `protocol`.

use crate::bindings::{guest, host};
use crate::journal::cut;
use gatehouse_core::ports::{AnalysisItem, CommitCommand, Finding, Judgement, RowFault, RowVerdict};
use gatehouse_core::schema::{Account, Attributes, Status, Value};
use gatehouse_core::{CallFailure, CommitStep, FailureKind, PageNext};
use host::types as wit;

pub(crate) fn attributes_out(attributes: &Attributes) -> Vec<wit::Attribute> {
    let value = |v: &Value| wit::Value { text: v.text.clone(), kind: v.kind.clone(), primary: v.primary };
    let one = |(name, values): (&String, &Vec<Value>)| wit::Attribute {
        name: name.clone(),
        values: values.iter().map(value).collect(),
    };
    attributes.iter().map(one).collect()
}

pub(crate) fn values_in(values: Vec<wit::Value>) -> Vec<Value> {
    values.into_iter().map(|v| Value { text: v.text, kind: v.kind, primary: v.primary }).collect()
}

pub(crate) fn status_in(status: wit::Status) -> Status {
    match status {
        wit::Status::Active => Status::Active,
        wit::Status::Deactivated => Status::Deactivated,
        wit::Status::Deleted => Status::Deleted,
    }
}

fn status_out(status: Status) -> wit::Status {
    match status {
        Status::Active => wit::Status::Active,
        Status::Deactivated => wit::Status::Deactivated,
        Status::Deleted => wit::Status::Deleted,
    }
}

fn account_out(account: &Account) -> wit::Account {
    wit::Account {
        external_id: account.external_id.clone(),
        username: account.username.clone(),
        status: status_out(account.status),
        attributes: attributes_out(&account.attributes),
        revision: account.revision.clone(),
    }
}

pub(crate) fn item_out(item: &AnalysisItem) -> guest::analyzer::Item {
    guest::analyzer::Item {
        account: account_out(&item.account),
        user: item.user.clone(),
        desired: attributes_out(&item.desired),
    }
}

pub(crate) fn verdict_in(verdict: guest::analyzer::Verdict, longest: usize) -> RowVerdict {
    let judgement = match verdict.judgement {
        guest::analyzer::Judgement::Same => Judgement::Same,
        guest::analyzer::Judgement::Doubt(why) => Judgement::Doubt(cut(&why, longest)),
        guest::analyzer::Judgement::Ignore(why) => Judgement::Ignore(cut(&why, longest)),
    };
    RowVerdict { judgement, drift: verdict.drift }
}

pub(crate) fn command_out(command: &CommitCommand) -> guest::committer::Command {
    use guest::committer::{Action, Desired};
    let action = match &command.step {
        CommitStep::Create(desired) => Action::Create(Desired {
            username: desired.username.clone(),
            attributes: attributes_out(&desired.attributes),
            status: status_out(desired.status),
        }),
        CommitStep::Update(attributes) => Action::Update(attributes_out(attributes)),
        CommitStep::SetStatus(status) => Action::SetStatus(status_out(*status)),
        CommitStep::Remove => Action::Remove,
    };
    guest::committer::Command {
        idempotency_key: command.idempotency_key.clone(),
        external_id: command.external_id.clone(),
        expected_revision: command.expected_revision.clone(),
        action,
    }
}

pub(crate) fn finding_in(finding: guest::probe::Finding, longest: usize) -> Finding {
    Finding { name: cut(&finding.name, longest), detail: cut(&finding.detail, longest) }
}

pub(crate) fn fault_in(fault: guest::collector::Fault, longest: usize) -> RowFault {
    RowFault { external_id: fault.external_id, why: cut(&fault.why, longest) }
}

pub(crate) fn next_in(next: guest::collector::Next, longest: usize) -> PageNext {
    match next {
        guest::collector::Next::More(cursor) => PageNext::More(cursor),
        guest::collector::Next::Complete => PageNext::Complete,
        guest::collector::Next::Partial(why) => PageNext::Partial(cut(&why, longest)),
    }
}

/// The connector's own failure.
pub(crate) fn failure_in(failure: wit::Failure) -> CallFailure {
    use FailureKind as Kind;
    use wit::Failure;
    match failure {
        Failure::Unauthenticated(text) => CallFailure::new(Kind::Unauthenticated, text),
        Failure::Forbidden(text) => CallFailure::new(Kind::Forbidden, text),
        Failure::Throttled(after) => CallFailure { retry_after: after, ..CallFailure::new(Kind::Throttled, "") },
        Failure::Unavailable(text) => CallFailure::new(Kind::Unavailable, text),
        Failure::NotFound => CallFailure::new(Kind::NotFound, ""),
        Failure::Conflict(with) => CallFailure { conflicting: with, ..CallFailure::new(Kind::Conflict, "") },
        Failure::Stale => CallFailure::new(Kind::Stale, ""),
        Failure::CursorExpired => CallFailure::new(Kind::CursorExpired, ""),
        Failure::Invalid(value) if value.field.is_empty() => CallFailure::new(Kind::Invalid, value.why),
        Failure::Invalid(value) => CallFailure::new(Kind::Invalid, format!("`{}`: {}", value.field, value.why)),
        Failure::Rejected(text) => CallFailure::new(Kind::Rejected, text),
        Failure::Unsupported(text) => CallFailure::new(Kind::Unsupported, text),
    }
}
