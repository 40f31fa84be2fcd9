//! Native tests of connectors: a transport that answers from a script or a function and records what was asked of
//! it, and contexts made with it. Not part of components.

use crate::{Context, Journal, Line, Request, Response, Settings, Sink, Transport, TransportError, json::Value};
use std::cell::RefCell;
use std::collections::VecDeque;

type Answer = Result<Response, TransportError>;
type Handler<'a> = Box<dyn Fn(&Request) -> Answer + 'a>;

/// A transport for tests. It records every request.
#[derive(Default)]
pub struct FakeTransport<'a> {
    answers: RefCell<VecDeque<Answer>>,
    handler: Option<Handler<'a>>,
    requests: RefCell<Vec<Request>>,
}

impl<'a> FakeTransport<'a> {
    /// One that gives these answers, in order, and then none.
    pub fn scripted(answers: impl IntoIterator<Item = Response>) -> Self {
        Self { answers: RefCell::new(answers.into_iter().map(Ok).collect()), ..Self::default() }
    }

    /// One that answers as the function says: a fake of the target itself.
    pub fn serving(handler: impl Fn(&Request) -> Answer + 'a) -> Self {
        Self { handler: Some(Box::new(handler)), ..Self::default() }
    }

    /// With one more answer, or failure to answer, at the end of the script.
    pub fn then(self, answer: Answer) -> Self {
        self.answers.borrow_mut().push_back(answer);
        self
    }

    /// The requests that were made, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// Method, path and query of the requests that were made, in order: `GET /Users?count=1`.
    pub fn lines(&self) -> Vec<String> {
        self.requests.borrow().iter().map(|r| format!("{} {}", r.method, r.url.path_and_query())).collect()
    }

    /// How many answers of the script have not been asked for.
    pub fn unused(&self) -> usize {
        self.answers.borrow().len()
    }
}

impl Transport for FakeTransport<'_> {
    fn send(&self, request: &Request) -> Answer {
        self.requests.borrow_mut().push(request.clone());
        if let Some(answer) = self.answers.borrow_mut().pop_front() {
            return answer;
        }
        match &self.handler {
            Some(handler) => handler(request),
            None => Err(TransportError::Refused("the script of this test has no answer left".to_owned())),
        }
    }
}

/// A journal for tests: it keeps what was told.
#[derive(Default)]
pub struct FakeJournal {
    lines: RefCell<Vec<Line>>,
}

impl FakeJournal {
    /// What was told, in order.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.borrow().clone()
    }
}

impl Sink for FakeJournal {
    fn write(&self, line: Line) {
        self.lines.borrow_mut().push(line);
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&self, _: Line) {}
}

/// A context with these settings, whose journal goes nowhere.
pub fn context<'a>(
    transport: &'a dyn Transport,
    settings: impl IntoIterator<Item = (&'static str, Value)>,
) -> Context<'a> {
    Context::new(Settings::of(settings), transport, Journal::new(&Nowhere))
}

/// A context with these settings and this journal.
pub fn context_with_journal<'a>(
    transport: &'a dyn Transport,
    settings: impl IntoIterator<Item = (&'static str, Value)>,
    journal: &'a FakeJournal,
) -> Context<'a> {
    Context::new(Settings::of(settings), transport, Journal::new(journal))
}

/// An answer with a JSON body.
pub fn reply(status: u16, body: &Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Response { status, headers, body: body.to_string().into_bytes() }
}

/// An answer without a body.
pub fn empty(status: u16) -> Response {
    Response { status, ..Response::default() }
}

/// An answer with one more header.
pub fn with_header(mut response: Response, name: &str, value: &str) -> Response {
    response.headers.push((name.to_owned(), value.to_owned()));
    response
}
