//! Settling requests in review: what a person found out about a write that no reading could prove. The target is read
//! first; whether what it shows allows the decision is for the core to say.

use super::{Answer, Caller, ServiceError, Services};
use crate::wire::{SettleBody, SettledAs};
use gatehouse_core::lifecycle::{Event, MadeReport, Moment, may_settle, step};
use gatehouse_core::ports::{Sequence, Versioned};
use gatehouse_core::{AccountId, App, Candidate, CommitStep, Request, RequestId};
use gatehouse_engine::events::{decide_settled, out_of_date};

impl Services {
    /// Notes what came of the last write of a request in review.
    ///
    /// # Errors
    /// The request is not in review, the account is not named or cannot be the one, or something has changed meanwhile.
    pub async fn settle_request(
        &self,
        caller: &Caller,
        id: RequestId,
        body: SettleBody,
    ) -> Result<Answer, ServiceError> {
        let request = self.find_request(id).await?;
        caller.has_seen(id.to_string(), request.version)?;
        may_settle(&request)?;
        let external_id = named_account(&request, &body)?;
        let app = self.store.app(request.app).await?;
        let app = app.ok_or_else(|| ServiceError::Internal(format!("{id} is of an app that is not there")))?;
        let review = self.background.review(&app, &request, external_id).await?;
        let (by, why) = (caller.actor.clone(), body.reason.clone());
        let next = RequestId(self.store.allocate(Sequence::Request, 1));
        let (event, superfluous) = match body.outcome {
            SettledAs::NotMade => {
                (Event::SettleNotMade { by, why, looked: Box::new(review.looked), id: next }, Vec::new())
            }
            SettledAs::Made => {
                let report = MadeReport {
                    by,
                    why,
                    looked: review.looked,
                    marker: review.marker,
                    known: review.known,
                    of_user: review.of_user,
                    new_account: AccountId(self.store.allocate(Sequence::Account, 1)),
                    names: review.names,
                    rest: next,
                };
                (Event::SettleMade(Box::new(report)), review.superfluous)
            }
        };
        let moment = Moment { now: self.now(), jitter: self.clock.jitter(), retry: app.config.retry.clone() };
        // What was not known to be there may be somebody's who left meanwhile: that follows in the same commit.
        let _raising = self.raising.lock().await;
        // Whoever settled it, or wrote its account, since it was read comes first: the versions tell.
        let mut transition = step(&request, event, &moment)?;
        if body.outcome == SettledAs::NotMade
            && let Some(not) = out_of_date(self.store.as_ref(), &app, &request, false).await?
        {
            // It was not made, and is not to be: nothing takes its place.
            let because = body.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let note = format!("the change was not made{because}, and is not made now: {}", not.why);
            let event = Event::CompleteManually { by: caller.actor.clone(), note };
            transition = step(&request, event, &moment)?;
        }
        let links = external_id.is_some();
        let decided = decide_settled(self.store.as_ref(), &app, &transition).await?;
        let followed = self.opened(caller, decided).await?;
        let raised: Vec<_> = followed.requests().filter(|raised| raised.version == 0).cloned().collect();
        let answer = self.commit_decision(caller, &request, transition, |changes| {
            changes.append(followed.changes);
            changes.remove_accounts.extend(superfluous);
            if links {
                // As with a link by hand: the next reconciliation looks at everything again.
                let counted = App { link_epoch: app.link_epoch + 1, updated_at: moment.now, ..app.clone() };
                changes.apps.push(Versioned::replacing(app.version, counted));
            }
        });
        let answer = answer.await?;
        let mut lately = self.lately.lock().await;
        let unheld = raised.iter().filter(|raised| raised.held.is_none());
        unheld.for_each(|request| lately.note(request.app, request.operation, request.created_at));
        Ok(answer)
    }
}

/// The account that is named, where one has to be.
fn named_account<'a>(request: &Request, body: &'a SettleBody) -> Result<Option<&'a str>, ServiceError> {
    let creates = matches!(request.change.content.step(request.steps_done), Some(CommitStep::Create(_)));
    let named = body.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let refused = |why: String| Err(ServiceError::invalid("external_id", why));
    match (body.outcome, creates, named) {
        (SettledAs::Made, true, None) => {
            let found = request.attempts.last().and_then(|attempt| attempt.readings.last());
            let found = found.map(|reading| reading.found.as_slice()).unwrap_or_default();
            let ids: Vec<String> = found.iter().map(|Candidate { external_id, .. }| external_id.clone()).collect();
            let hint = if ids.is_empty() { String::new() } else { format!("; found so far: {}", ids.join(", ")) };
            refused(format!("say which account was made: its id in the target{hint}"))
        }
        (SettledAs::NotMade, _, Some(_)) => refused("an account that was not made has no id: leave it out".to_owned()),
        (SettledAs::Made, false, Some(_)) => {
            refused("only a create is settled with an account's id: this one changes an account we know".to_owned())
        }
        (_, _, named) => Ok(named),
    }
}
