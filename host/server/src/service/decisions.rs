//! What people decide about requests. What follows from a decision is for the core to say.

use super::{Answer, Caller, ServiceError, Services};
use gatehouse_core::approval::{Voter, standing};
use gatehouse_core::lifecycle::{Event, Moment, Transition, step};
use gatehouse_core::ports::{ChangeSet, Sequence};
use gatehouse_core::{App, Digest, Operation, Request, RequestId, State};
use gatehouse_engine::events::{Decided, Followed, decide_called_off, out_of_date};
use gatehouse_failpoints::fail_point;

/// What a person decides about a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Agrees to what has this digest.
    Approve(Digest, Option<String>),
    /// Refuses, for this reason.
    Deny(String),
    /// Withdraws it.
    Cancel(Option<String>),
    /// Has the plan committed.
    Commit,
    /// Has it taken up again.
    Retry,
    /// Did it by hand, in this way.
    Complete(String),
}

impl Services {
    /// What a person decides about a request.
    ///
    /// # Errors
    /// The request is in no state for that, or has changed meanwhile.
    pub async fn decide(&self, caller: &Caller, id: RequestId, decision: Decision) -> Result<Answer, ServiceError> {
        if matches!(&decision, Decision::Complete(text) if text.trim().is_empty()) {
            return Err(ServiceError::invalid("note", "it is empty: say what was done by hand"));
        }
        let _turn = self.turn.lock().await;
        let (request, shared) = match &decision {
            Decision::Approve(..) | Decision::Deny(_) => self.decidable_request(caller, id).await?,
            _ => (self.find_request(id).await?, false),
        };
        // Whoever may not decide is not told what a decision has to look like.
        if matches!(&decision, Decision::Deny(text) if text.trim().is_empty()) {
            return Err(ServiceError::invalid("reason", "it is empty: say why"));
        }
        caller.has_seen(id.to_string(), request.version)?;
        let app = self.store.app(request.app).await?;
        let app = app.ok_or_else(|| ServiceError::Internal(format!("{id} is of an app that is not there")))?;
        let calls_off = matches!(decision, Decision::Cancel(_));
        // What is looked at here is not to be overtaken by a change of its user.
        let raises = calls_off || matches!(decision, Decision::Retry);
        let _raising = if raises { Some(self.raising.lock().await) } else { None };
        self.still_stands(&app, &request, &decision).await?;
        let voter = Voter { shared, ..self.voter(caller).await? };
        let event = self.event(&voter, decision);
        let moment = Moment { now: self.now(), jitter: self.clock.jitter(), retry: app.config.retry.clone() };
        let transition =
            step(&request, event, &moment).map_err(|refused| match standing(&request, &voter, moment.now) {
                Err(why) if why == refused.why => ServiceError::NotApprover(refused.to_string()),
                _ => ServiceError::Refused(refused),
            })?;
        let store = self.store.as_ref();
        let decided = if calls_off { decide_called_off(store, &app, &request).await? } else { None };
        let followed = self.opened(caller, decided).await?;
        self.commit_decision(caller, &request, transition, |changes| changes.append(followed.changes)).await
    }

    /// What was decided to follow, opened.
    pub(super) async fn opened(&self, caller: &Caller, decided: Option<Decided>) -> Result<Followed, ServiceError> {
        match decided {
            Some(decided) => Ok(decided.open(self.store.as_ref(), &self.cause(caller), None).await?),
            None => Ok(Followed::default()),
        }
    }

    /// Whether what a decision brings about is still what it was made for.
    async fn still_stands(&self, app: &App, request: &Request, decision: &Decision) -> Result<(), ServiceError> {
        let reconciles = request.operation == Operation::Reconcile;
        match decision {
            Decision::Commit | Decision::Approve(..) if reconciles => self.plan_must_hold(app, request).await,
            Decision::Retry if reconciles => self.no_active_run(app).await.map(drop),
            Decision::Retry => self.must_be_wanted(app, request).await,
            _ => Ok(()),
        }
    }

    /// The answer about a request that the host carries out.
    async fn accepted(&self, request: &Request) -> Result<Answer, ServiceError> {
        let view = self.views().request(request).await?;
        Ok(Answer::accepted(format!("/api/v1/requests/{}", request.id), request.version, &view))
    }

    /// Commits what follows from a decision, with more in the same commit. A clone is answered in its original's place.
    pub(super) async fn commit_decision(
        &self,
        caller: &Caller,
        request: &Request,
        transition: Transition,
        more: impl FnOnce(&mut ChangeSet),
    ) -> Result<Answer, ServiceError> {
        let transition = transition.correlated(caller.correlation.as_ref());
        let shown = transition.raise.first().cloned().map(|clone| Request { version: 1, ..clone });
        let after = Request { version: request.version + 1, ..transition.request.record.clone() };
        let mut answer = self.accepted(shown.as_ref().unwrap_or(&after)).await?;
        if shown.is_none() && after.due.is_none() {
            answer.status = 200;
        }
        let mut changes = transition.into_changes(None);
        more(&mut changes);
        caller.remember(&mut changes, &answer);
        fail_point!("person.before_commit");
        self.store.commit(changes).await?;
        fail_point!("person.after_commit");
        self.background.wake();
        Ok(answer)
    }

    fn event(&self, voter: &Voter, decision: Decision) -> Event {
        let by = voter.by.clone();
        let voter = Box::new(voter.clone());
        match decision {
            Decision::Approve(digest, why) => Event::Approve { voter, digest, why },
            Decision::Deny(why) => Event::Deny { voter, why },
            Decision::Cancel(why) => {
                let why = why.unwrap_or_else(|| "withdrawn".to_owned());
                Event::Cancel { by, why }
            }
            Decision::Commit => Event::CommitPlan { by },
            Decision::Retry => Event::Retry {
                by,
                user: voter.person.as_ref().map(|person| person.id),
                id: RequestId(self.store.allocate(Sequence::Request, 1)),
            },
            Decision::Complete(note) => Event::CompleteManually { by, note },
        }
    }

    /// What followed from the directory is not done again where the directory says otherwise by now.
    async fn must_be_wanted(&self, app: &App, request: &Request) -> Result<(), ServiceError> {
        if request.state != State::Failed {
            return Ok(());
        }
        let why = out_of_date(self.store.as_ref(), app, request, request.is_in_review()).await?;
        why.map_or(Ok(()), |why| Err(ServiceError::Conflict(format!("{}: {why}", request.id))))
    }

    /// Whether a plan that waits is what would be planned now; a request that has none holds.
    pub(super) async fn plan_holds(&self, request: &Request) -> Result<bool, ServiceError> {
        if request.state != State::Analyzed {
            return Ok(true);
        }
        let Some(app) = self.store.app(request.app).await? else { return Ok(false) };
        match self.plan_must_hold(&app, request).await {
            Ok(()) => Ok(true),
            Err(ServiceError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is committed is what was analysed (invariant 7): people, links or configuration may have changed since.
    async fn plan_must_hold(&self, app: &App, request: &Request) -> Result<(), ServiceError> {
        let Some(run) = request.run.as_ref().filter(|_| request.state == State::Analyzed) else { return Ok(()) };
        let epoch = self.store.directory_epoch().await?;
        app.plan_holds(run, epoch).map_err(|why| ServiceError::Conflict(format!("{}: {why}", request.id)))
    }
}
