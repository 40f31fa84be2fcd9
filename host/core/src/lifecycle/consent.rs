//! What people agree to and refuse, and what follows when nobody decides in time. Whether somebody can vote at all is for
//! `approval` to say.

use super::open::{asked, first_state};
use super::{Draft, Refused, Transition};
use crate::approval::{Expiry, Notice, Standing, Vote, Voter, expired, standing};
use crate::{Actor, Approval, AuditRecord, Digest, Level, Operation, Request, State};

/// Approval binds to the digest of what was seen: the sealed change, or the sealed plan of a reconciliation.
pub(super) fn approve(draft: Draft, voter: &Voter, digest: Digest, why: Option<String>) -> Result<Transition, Refused> {
    let draft = awaiting_approval(draft)?;
    if sealed_digest(&draft.before) != Some(digest) {
        return draft.refuse("what is to be done is not what was approved; look at it again");
    }
    let mut draft = voted(draft, voter, true, why)?;
    let Some(chain) = &mut draft.after.approvals else { return approved(draft, &voter.by) };
    if !chain.current().is_some_and(|step| step.is_agreed()) {
        return Ok(draft.wait_for_person().finish());
    }
    chain.done += 1;
    let (done, steps) = (chain.done as usize, chain.steps.len());
    if done >= steps {
        return approved(draft, &voter.by);
    }
    draft.note(Level::Info, format!("step {done} of {steps} is approved"));
    draft.ask();
    Ok(draft.wait_for_person().finish())
}

fn approved(draft: Draft, by: &Actor) -> Result<Transition, Refused> {
    let to = match draft.before.operation {
        Operation::Reconcile => State::Committing,
        operation => first_state(operation),
    };
    let now = draft.now();
    let mut draft = draft.go(to, by, "approved")?;
    draft.after.approval = Approval::Approved;
    draft.notices.push(Notice::decided(&draft.after, true, None, now));
    draft.after.due = (!draft.after.awaits_date).then_some(now);
    Ok(draft.finish())
}

pub(super) fn deny(draft: Draft, voter: &Voter, why: &str) -> Result<Transition, Refused> {
    let draft = awaiting_approval(draft)?;
    let draft = voted(draft, voter, false, Some(why.to_owned()))?;
    denied(draft, &voter.by, &format!("denied: {why}"))
}

fn denied(draft: Draft, by: &Actor, why: &str) -> Result<Transition, Refused> {
    let now = draft.now();
    let mut draft = draft.go(State::Cancelled, by, why)?;
    draft.after.approval = Approval::Denied;
    draft.notices.push(Notice::decided(&draft.after, false, Some(why.to_owned()), now));
    Ok(draft.finish())
}

/// Others are asked, or it counts as refused.
pub(super) fn deadline_passed(mut draft: Draft) -> Result<Transition, Refused> {
    let now = draft.now();
    let deadline = crate::approval::deadline(&draft.before);
    let (Some(expiry), Some(deadline)) = (expired(&draft.before, now), deadline) else {
        return draft.refuse("no deadline has passed");
    };
    if expiry == Expiry::Deny {
        return denied(draft, &Actor::host(), &format!("denied: nobody decided until {deadline}"));
    }
    if let Some(step) = draft.after.approvals.as_mut().and_then(|chain| chain.current_mut()) {
        step.round += 1;
        step.set_deadline(now);
    }
    draft.note(Level::Warn, format!("nobody decided until {deadline}: others are asked"));
    let record = draft.record(&Actor::host(), "request.escalate").with("deadline", deadline);
    draft.audit.push(record);
    draft.tell_asked();
    Ok(draft.wait_for_person().finish())
}

fn awaiting_approval(draft: Draft) -> Result<Draft, Refused> {
    let waits = matches!(draft.before.state, State::New | State::Analyzed);
    if draft.before.held.is_some() {
        return draft.refuse("the guard against mass changes holds it; release the app's held requests first");
    }
    if !waits || draft.before.approval != Approval::Required {
        return draft.refuse("it does not wait for an approval");
    }
    Ok(draft)
}

/// What an approver approves.
fn sealed_digest(request: &Request) -> Option<Digest> {
    match request.operation {
        Operation::Reconcile => request.run.as_ref().and_then(|run| run.plan),
        _ => Some(request.change.digest),
    }
}

/// Writes a vote down, if it is one that counts.
fn voted(mut draft: Draft, voter: &Voter, agrees: bool, reason: Option<String>) -> Result<Draft, Refused> {
    let now = draft.now();
    let Standing { user, instead_of } = match standing(&draft.before, voter, now) {
        Ok(standing) => standing,
        Err(why) => return draft.refuse(why),
    };
    let mut record = draft.record(&voter.by, if agrees { "request.approve" } else { "request.deny" });
    let place = instead_of.map(|user| format!(" in the place of {user}")).unwrap_or_default();
    let whole = if user.is_none() { ", a token of the installation itself" } else { "" };
    let because = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let verb = if agrees { "agrees" } else { "refuses" };
    draft.note(Level::Info, format!("{}{whole} {verb}{place}{because}", voter.by));
    if let Some(chain) = &mut draft.after.approvals {
        record = record.with("step", chain.done + 1);
        if let Some(step) = chain.current_mut() {
            let (by, round) = (voter.by.clone(), step.round);
            step.votes.push(Vote { at: now, round, by, user, instead_of, agrees, reason: reason.clone() });
        }
    }
    let facts = [("user", user.map(|user| user.to_string())), ("why", reason)];
    let place = [("instead_of", instead_of.map(|user| user.to_string()))];
    for (name, value) in facts.into_iter().chain(place) {
        record = value.into_iter().fold(record, |record, value| record.with(name, value));
    }
    draft.audit.push(record);
    Ok(draft)
}

impl Draft {
    /// A record of the audit trail about the request.
    pub(super) fn record(&self, by: &Actor, action: &str) -> AuditRecord {
        let mut record = AuditRecord::new(self.now(), by, action, self.after.id.to_string());
        record.app = Some(self.after.app);
        record.request = Some(self.after.id);
        record
    }

    /// Begins the step of the chain that is to be decided next, if the request waits for one.
    pub(super) fn ask(&mut self) {
        let now = self.now();
        if self.after.approval == Approval::Required
            && let Some(chain) = &mut self.after.approvals
        {
            chain.open(now);
            self.tell_asked();
        }
    }

    fn tell_asked(&mut self) {
        if let Some((level, message)) = asked(&self.after) {
            self.note(level, message);
        }
        self.notices.extend(Notice::asking(&self.after, self.now()));
    }
}
