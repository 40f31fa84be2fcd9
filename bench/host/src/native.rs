//! The SCIM connector linked natively: the same code, called directly, on a pooled HTTP client. What a host without a
//! sandbox would be. It does what a reconciliation needs, and nothing else.

use gatehouse_connector::{
    Connector as _, Context, Item, Journal, Judgement as Said, Line, Next, Query, Request, Response, Settings, Sink,
    Transport, TransportError, json,
};
use gatehouse_core::ports::{AccountPage, AnalysisItem, CallContext, CallReport, Judgement, RowFault, RowVerdict};
use gatehouse_core::{CallFailure, FailureKind, PageNext};
use gatehouse_scim::ScimConnector;
use std::collections::BTreeMap;

/// The connector, with the client it uses.
pub struct Native {
    client: Client,
}

struct Client {
    agent: ureq::Agent,
    token: String,
}

impl Native {
    /// Signs in with this bearer token.
    pub fn new(token: &str) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0).build();
        Self { client: Client { agent: agent.into(), token: token.to_owned() } }
    }

    /// One page.
    pub fn collect(&self, context: &CallContext, query: &Query) -> CallReport<AccountPage> {
        let page = tokio::task::block_in_place(|| {
            let context = Context::new(settings(&context.settings), &self.client, Journal::new(&Nowhere));
            ScimConnector::collect(&context, query)
        });
        let failed = |failure| CallFailure::new(FailureKind::Unavailable, format!("{failure:?}"));
        report(page.map_err(failed).map(|page| AccountPage {
            accounts: page.accounts,
            faults: page.faults.into_iter().map(|f| RowFault { external_id: f.external_id, why: f.why }).collect(),
            estimate: page.estimate,
            next: match page.next {
                Next::More(cursor) => PageNext::More(cursor),
                Next::Complete => PageNext::Complete,
                Next::Partial(why) => PageNext::Partial(why),
            },
        }))
    }

    /// Verdicts on a batch.
    pub fn analyze(&self, batch: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>> {
        let item = |item: &AnalysisItem| Item {
            account: item.account.clone(),
            user: item.user.clone(),
            desired: item.desired.clone(),
        };
        let items: Vec<Item> = batch.iter().map(item).collect();
        let verdict = |verdict: gatehouse_connector::Verdict| RowVerdict {
            judgement: match verdict.judgement {
                Said::Same => Judgement::Same,
                Said::Doubt(why) => Judgement::Doubt(why),
                Said::Ignore(why) => Judgement::Ignore(why),
            },
            drift: verdict.drift,
        };
        report(Ok(ScimConnector::analyze(&items).into_iter().map(verdict).collect()))
    }
}

impl Transport for Client {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let unreachable = |error: ureq::Error| TransportError::Unreachable(error.to_string());
        let mut head = ureq::http::Request::builder().method(request.method.name()).uri(request.url.to_string());
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        let head = head.header("authorization", format!("Bearer {}", self.token));
        let refused = |error: ureq::http::Error| TransportError::Refused(error.to_string());
        let mut answer = match &request.body {
            Some(body) => self.agent.run(head.body(body.clone()).map_err(refused)?),
            None => self.agent.run(head.body(()).map_err(refused)?),
        }
        .map_err(unreachable)?;
        let headers = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let (status, headers) = (answer.status().as_u16(), headers.collect());
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().map_err(unreachable)?;
        Ok(Response { status, headers, body })
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&self, _: Line) {}
}

fn settings(settings: &BTreeMap<String, String>) -> Settings {
    let value = |text: &String| json::from_str(text).unwrap_or_default();
    Settings::of(settings.iter().map(|(name, text)| (name.as_str(), value(text))))
}

fn report<T>(result: Result<T, CallFailure>) -> CallReport<T> {
    CallReport { result, call: Default::default() }
}
