//! Requests: opened, looked at, and decided about by people. What follows a decision is for the core to say.

use super::access::no_such_request;
use super::{Answer, Caller, Paging, ServiceError, Services};
use crate::wire::{
    ByIdNewestFirst, ByRow, ByTime, LogEntryView, NewRequestBody, Page, RequestChange, RequestView, StagingRowView,
};
use gatehouse_core::approval::standing;
use gatehouse_core::lifecycle::{Event, Moment, Raised, Transition, step};
use gatehouse_core::ports::{ChangeSet, Direction, RequestQuery, StoreError};
use gatehouse_core::{Operation, Request, RequestId, StagingRow, State, Subject};
use gatehouse_engine::requests::{Ask, NotOpened, Whose, prepare_account_request};
use gatehouse_failpoints::fail_point;
use serde::Serialize;

/// Which requests.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Of this app.
    pub app: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// With this operation.
    pub operation: Option<Operation>,
    /// About this user: username or number.
    pub user: Option<String>,
    /// Raised by this reconciliation.
    pub raised_by: Option<RequestId>,
    /// Only those in review.
    pub needs_review: bool,
    /// Only those that wait for this person's approval: `me`, a username or a number.
    pub awaiting: Option<String>,
}

/// The row that a cursor of staging rows stands at; those of either way are marked by a sign of their own.
fn row_after(paging: &Paging<ByRow>, sign: &str) -> Result<Option<u64>, ServiceError> {
    let no = |text: &str| text.strip_prefix(sign)?.parse::<u64>().ok();
    let read = |text: &String| no(text).ok_or_else(|| ServiceError::Store(StoreError::BadCursor(text.clone())));
    paging.after.as_ref().map(read).transpose()
}

impl Services {
    /// A request.
    ///
    /// # Errors
    /// There is none with that number.
    pub async fn find_request(&self, id: RequestId) -> Result<Request, ServiceError> {
        self.store.request(id).await?.ok_or_else(|| no_such_request(id))
    }

    /// Requests, the newest first if nothing else is asked for: those that the caller may see.
    ///
    /// # Errors
    /// The app or user is not there, or the cursor is none of this list.
    pub async fn list_requests(
        &self,
        caller: &Caller,
        filter: RequestFilter,
        paging: &Paging<ByIdNewestFirst>,
    ) -> Result<Page<RequestView>, ServiceError> {
        let visible = self.visible(caller).await?;
        let hidden = |error| match (error, &visible) {
            // Whether there is an app or a user of that name is not for everybody to know.
            (ServiceError::NotFound(_), Some(_)) => Ok(Page { items: Vec::new(), next: None }),
            (error, _) => Err(error),
        };
        let app = match &filter.app {
            Some(name) => match self.find_app(name).await {
                Ok(app) => Some(app.id),
                Err(error) => return hidden(error),
            },
            None => None,
        };
        let subject = match &filter.user {
            Some(named) => match self.find_user(named).await {
                Ok(user) => Some(Subject::User(user.id)),
                Err(error) => return hidden(error),
            },
            None => None,
        };
        let (voter, awaiting) = match &filter.awaiting {
            Some(named) => self.awaited_by(caller, named).await.map(|(voter, people)| (Some(voter), people))?,
            None => (None, Vec::new()),
        };
        let query = RequestQuery {
            app,
            subject,
            state: filter.state,
            operation: filter.operation,
            raised_by: filter.raised_by,
            needs_review: filter.needs_review,
            awaiting,
            visible,
            direction: paging.direction(),
            after: paging.after.clone(),
            limit: paging.size()?,
        };
        let page = self.store.requests(&query).await?;
        let mut views = self.views();
        let mut items = Vec::with_capacity(page.items.len());
        let now = self.now();
        // What somebody is asked for whom one stands in for may be one's own all the same.
        let theirs = |request: &&Request| voter.as_ref().is_none_or(|of| standing(request, of, now).is_ok());
        for request in page.items.iter().filter(theirs) {
            items.push(views.request(request).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// A request's log.
    ///
    /// # Errors
    /// There is no such request.
    pub async fn request_log(
        &self,
        caller: &Caller,
        id: RequestId,
        paging: &Paging<ByTime>,
    ) -> Result<Page<LogEntryView>, ServiceError> {
        self.see_request(caller, id).await?;
        let page = self.store.request_log(id, paging.direction(), paging.after.as_deref(), paging.size()?).await?;
        Ok(Page::of(page, LogEntryView::from))
    }

    /// What a reconciliation has staged. The cursor is the number of the row before.
    ///
    /// # Errors
    /// There is no such request, it is no reconciliation, or the cursor is no number.
    pub async fn staging(
        &self,
        caller: &Caller,
        id: RequestId,
        paging: &Paging<ByRow>,
    ) -> Result<Page<StagingRowView>, ServiceError> {
        let request = self.see_request(caller, id).await?;
        if request.run.is_none() {
            return Err(ServiceError::Conflict(format!("{id} is no reconciliation, and stages nothing")));
        }
        let size = paging.size()?;
        let (rows, next) = match paging.direction() {
            Direction::Ascending => {
                let from = row_after(paging, "")?.map_or(0, |no| no.saturating_add(1));
                let rows = self.store.staging(id, from, size).await?;
                let next = (rows.len() == size).then(|| rows.last().map(|row| row.no.to_string())).flatten();
                (rows, next)
            }
            Direction::Descending => {
                let (rows, from) = self.last_rows(id, row_after(paging, "-")?, size).await?;
                (rows, (from > 0).then(|| format!("-{from}")))
            }
        };
        let mut views = self.views();
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            items.push(views.staging(request.app, row).await?);
        }
        Ok(Page { items, next })
    }

    /// The rows of a run before this one, or the last ones, from the end; and the number of the first that was looked
    /// at.
    async fn last_rows(
        &self,
        id: RequestId,
        before: Option<u64>,
        size: usize,
    ) -> Result<(Vec<StagingRow>, u64), ServiceError> {
        let run_before = id.0.checked_sub(1).map(RequestId);
        let staged = self.store.staged_runs(run_before, 1).await?.into_iter().find(|staged| staged.run == id);
        let end = staged.map_or(0, |staged| staged.rows);
        let end = before.map_or(end, |before| before.min(end));
        let from = end.saturating_sub(size as u64);
        let mut rows = self.store.staging(id, from, (end - from) as usize).await?;
        rows.retain(|row| row.no < end);
        rows.reverse();
        Ok((rows, from))
    }

    /// Asks for an operation on a user's account.
    ///
    /// # Errors
    /// Something it names is not there, or the operation makes no sense for that account.
    pub async fn create_request(&self, caller: &Caller, body: NewRequestBody) -> Result<Answer, ServiceError> {
        let elsewhere = match body.operation {
            Operation::Reconcile => Some("a Reconcile is asked for with `gatehouse app reconcile`"),
            Operation::Linking => Some("links are changed with `gatehouse account link`, `unlink` and `ignore`"),
            _ => None,
        };
        if let Some(why) = elsewhere {
            return Err(ServiceError::invalid("operation", why));
        }
        if let Some(at) = body.run_at.filter(|at| *at <= self.now()) {
            return Err(ServiceError::invalid("run_at", format!("{at} is past; leave it out to run at once")));
        }
        let app = self.find_app(&body.app).await?;
        let whose = match (&body.user, body.account) {
            (Some(named), None) => Whose::User(self.find_user(named).await?.id),
            (None, Some(id)) => Whose::Account(self.find_account(id).await?.id),
            _ => return Err(ServiceError::invalid("user", "a request is about a user or about an account: name one")),
        };
        let ask = Ask {
            operation: body.operation,
            whose,
            by: caller.actor.clone(),
            reason: body.reason,
            raised: Raised { requested_by: caller.user, run_at: body.run_at, ..Raised::default() },
        };
        let transition =
            prepare_account_request(self.store.as_ref(), &app, ask, self.now()).await.map_err(not_opened)?;
        self.commit_new_request(caller, transition).await
    }

    /// Commits the opening of a request, and has the engine look at it.
    pub(super) async fn commit_new_request(
        &self,
        caller: &Caller,
        transition: Transition,
    ) -> Result<Answer, ServiceError> {
        self.commit_opening(caller, transition, |_| {}).await
    }

    /// As [`Self::commit_new_request`], with more in the same commit.
    pub(super) async fn commit_opening(
        &self,
        caller: &Caller,
        transition: Transition,
        more: impl FnOnce(&mut ChangeSet),
    ) -> Result<Answer, ServiceError> {
        self.commit_opening_as(caller, transition, more, |request| request).await
    }

    /// As [`Self::commit_opening`], with an answer that says more than the request.
    pub(super) async fn commit_opening_as<T: Serialize>(
        &self,
        caller: &Caller,
        transition: Transition,
        more: impl FnOnce(&mut ChangeSet),
        told: impl FnOnce(RequestView) -> T,
    ) -> Result<Answer, ServiceError> {
        let transition = transition.correlated(caller.correlation.as_ref());
        let request = Request { version: 1, ..transition.request.record.clone() };
        let view = self.views().request(&request).await?;
        let answer = Answer::accepted(format!("/api/v1/requests/{}", request.id), request.version, &told(view));
        let mut changes = transition.into_changes(None);
        more(&mut changes);
        caller.remember(&mut changes, &answer);
        fail_point!("api.before_commit");
        self.store.commit(changes).await?;
        fail_point!("api.after_commit");
        self.background.wake();
        Ok(answer)
    }

    /// Gives a request whose date has not come another one.
    ///
    /// # Errors
    /// It waits for no date, the date is past, or it has changed meanwhile.
    pub async fn change_request(
        &self,
        caller: &Caller,
        id: RequestId,
        change: RequestChange,
    ) -> Result<Answer, ServiceError> {
        let now = self.now();
        if change.run_at <= now {
            let why = format!("{} is past; name a date to come, or cancel the request", change.run_at);
            return Err(ServiceError::invalid("run_at", why));
        }
        let _turn = self.turn.lock().await;
        let request = self.find_request(id).await?;
        caller.has_seen(id.to_string(), request.version)?;
        let event = Event::Reschedule { by: caller.actor.clone(), run_at: change.run_at };
        let moment = Moment { now, jitter: 0, retry: gatehouse_core::RetryPolicy::default() };
        let transition = step(&request, event, &moment)?;
        self.commit_decision(caller, &request, transition, |_| {}).await
    }
}

pub(super) fn not_opened(error: NotOpened) -> ServiceError {
    match error {
        NotOpened::Store(error) => ServiceError::Store(error),
        NotOpened::NotThere(why) => ServiceError::NotFound(why),
        other => ServiceError::Conflict(other.to_string()),
    }
}
