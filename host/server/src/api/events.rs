//! Server-sent events of a running request: `request` whenever it changes, `log` for each line, `end` once nothing
//! more happens of itself (it is settled, or waits for a person). It reads the store, so that it shows what is
//! durable and nothing else.

use super::body::Path;
use super::problem::Failures;
use super::requests::number;
use super::{Api, Problem};
use crate::service::{Caller, Paging, ServiceError};
use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use gatehouse_core::{Request, RequestId};
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// How often the request is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Log lines read at a time.
const LINES: usize = 200;

struct Follow {
    api: Api,
    caller: Caller,
    id: RequestId,
    version: u64,
    lines_seen: usize,
    ready: VecDeque<Event>,
    ended: bool,
}

/// Follows a request: events `request` (a Request) and `log` (a LogEntry), and `end` when it is settled or waits for
/// a person.
#[utoipa::path(get, path = "/api/v1/requests/{id}/events", tag = "requests",
    params(("id" = String, Path, description = "The request's number.", example = "UPR-000001")),
    responses((status = 200, body = String, content_type = "text/event-stream"), Failures))]
pub(super) async fn events(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let id = number(&id)?;
    api.services.see_request(&caller, id).await?;
    let follow = Follow { api, caller, id, version: 0, lines_seen: 0, ready: VecDeque::new(), ended: false };
    Ok(Sse::new(unfold(follow, next)).keep_alive(KeepAlive::default()))
}

async fn next(mut follow: Follow) -> Option<(Result<Event, Infallible>, Follow)> {
    loop {
        if let Some(event) = follow.ready.pop_front() {
            return Some((Ok(event), follow));
        }
        // A closed store or a host that shuts down ends the stream; the caller comes back if it cares.
        if follow.ended || *follow.api.closing.borrow() || follow.look().await.is_err() {
            return None;
        }
        if follow.ready.is_empty() {
            let mut closing = follow.api.closing.clone();
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = closing.changed() => {}
            }
        }
    }
}

impl Follow {
    async fn look(&mut self) -> Result<(), ServiceError> {
        let services = self.api.services.clone();
        let request = services.see_request(&self.caller, self.id).await?;
        if request.version == self.version {
            return Ok(());
        }
        self.version = request.version;
        self.lines().await?;
        let view = services.views().request(&request).await?;
        self.ready.push_back(event("request", &view));
        if rests(&request) {
            self.ready.push_back(event("end", &view));
            self.ended = true;
        }
        Ok(())
    }

    /// Log lines since the last look. A cursor past the end of a list is none, so the log is read from its beginning;
    /// logs are short, and read only when the request has changed.
    async fn lines(&mut self) -> Result<(), ServiceError> {
        let mut paging = Paging { after: None, limit: Some(LINES), sort: None };
        let mut seen = 0;
        loop {
            let page = self.api.services.request_log(&self.caller, self.id, &paging).await?;
            for line in page.items {
                seen += 1;
                if seen > self.lines_seen {
                    self.ready.push_back(event("log", &line));
                }
            }
            let Some(next) = page.next else { break };
            paging.after = Some(next);
        }
        self.lines_seen = seen;
        Ok(())
    }
}

/// Whether nothing more happens of itself.
fn rests(request: &Request) -> bool {
    request.state.is_settled() || request.due.is_none()
}

fn event(name: &str, content: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    match event.clone().json_data(content) {
        Ok(event) => event,
        Err(_) => event,
    }
}
