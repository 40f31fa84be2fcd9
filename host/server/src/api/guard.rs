//! The one table of who may call what: a route is added with the action that it is, or not at all. The check of the
//! endpoint happens here, right after the call is known to be somebody's; what is decided about single records is
//! decided where they are read. Every refusal passes here, and is written down.

use super::{Api, Problem};
use crate::service::{Caller, Denial, ServiceError};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use gatehouse_core::access::{Action, Level};
use gatehouse_policy::Resource;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// Every route that needs a token: its method, its path, and the action that it is.
#[derive(Clone, Debug, Default)]
pub struct Rules(BTreeMap<(&'static str, String), Action>);

impl Rules {
    /// The action of a route.
    pub fn get(&self, method: &Method, path: &str) -> Option<Action> {
        // Whoever answers GET answers HEAD (RFC 9110 section 9.3.2).
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        let found = self.0.iter().find(|((of, route), _)| *of == method.as_str() && route == path);
        found.map(|(_, action)| *action)
    }

    /// All of them: method, path, action.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, Action)> {
        self.0.iter().map(|((method, path), action)| (*method, path.as_str(), *action))
    }
}

/// Routes that need a token, each with its action.
#[derive(Default)]
pub(super) struct Guarded {
    pub(super) router: OpenApiRouter<Api>,
    pub(super) rules: Rules,
}

impl Guarded {
    /// Adds what answers one method of one path.
    pub(super) fn route(mut self, action: Action, routes: UtoipaMethodRouter<Api>) -> Self {
        for (path, item) in &routes.1.paths {
            for (method, _) in operations(item) {
                self.rules.0.insert((method, path.clone()), action);
            }
        }
        self.router = self.router.routes(routes);
        self
    }

    /// Bounds the bodies of what was added so far, in bytes.
    pub(super) fn with_bodies_up_to(self, bytes: usize) -> Self {
        Self { router: self.router.layer(DefaultBodyLimit::max(bytes)), ..self }
    }

    /// Has a body of what was added so far refused by its length, before any of it is read.
    pub(super) fn refusing_too_large(self) -> Self {
        Self { router: self.router.layer(middleware::from_fn(super::body::refuse_too_large)), ..self }
    }

    /// Adds those of another.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.rules.0.extend(other.rules.0);
        Self { router: self.router.merge(other.router), ..self }
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// What the check works with.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) api: Api,
    pub(super) rules: Arc<Rules>,
}

/// Lets through whom the rules let; of a route without one, the installation alone.
pub(super) async fn authorise(State(guard): State<Guard>, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Err(ServiceError::Internal("a call got past authentication without a caller".to_owned()).into());
    };
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let method = request.method().clone();
    let checked = match guard.rules.get(&method, &path) {
        Some(action) => caller.may_call(action),
        None => caller.must_be_installation(),
    };
    let response = match checked {
        Ok(()) => next.run(request).await,
        Err(error) => axum::response::IntoResponse::into_response(Problem::from(error)),
    };
    if let Some(denied) = response.extensions().get::<Denial>() {
        guard.api.services.note_denial(&caller, &format!("{method} {path}"), denied).await;
    }
    Ok(response)
}

impl Caller {
    /// Whether this token, and who has it, may make calls of this kind at all.
    fn may_call(&self, action: Action) -> Result<(), ServiceError> {
        self.in_scope(action)?;
        match action.level() {
            Level::Endpoint => self.must(action, &Resource::Any),
            Level::Record => Ok(()),
        }
    }
}
