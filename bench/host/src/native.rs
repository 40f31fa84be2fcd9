//! The SCIM connector linked natively, behind the same port as the sandbox: the same code, called directly, on a
//! pooled HTTP client. What a host without a sandbox would be.

use async_trait::async_trait;
use gatehouse_connector::{
    Connector as _, Context, Item, Journal, Judgement as Said, Line, Next, Query, Request, Response, Settings, Sink,
    Transport, TransportError, json,
};
use gatehouse_core::ports::{
    AccountPage, Admission, AdmissionError, AnalysisItem, CallContext, CallReport, CommitCommand, Connectors, Finding,
    Judgement, Receipt, RowFault, RowVerdict,
};
use gatehouse_core::schema::Account;
use gatehouse_core::{CallFailure, Digest, FailureKind, PageNext};
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

fn not_here<T>() -> CallReport<T> {
    report(Err(CallFailure::new(FailureKind::Unsupported, "the bench does not need it")))
}

#[async_trait]
impl Connectors for Native {
    async fn admit(&self, _: &[u8]) -> Result<Admission, AdmissionError> {
        let message = "there is nothing to admit natively".to_owned();
        Err(AdmissionError { case: "compile".to_owned(), message })
    }

    async fn load(&self, _: Digest, _: &[u8]) -> Result<(), AdmissionError> {
        Ok(())
    }

    fn is_loaded(&self, _: Digest) -> bool {
        true
    }

    fn unload(&self, _: Digest) {}

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    async fn check(&self, _: &CallContext) -> CallReport<Vec<Finding>> {
        not_here()
    }

    async fn collect(
        &self,
        context: &CallContext,
        filter: Option<&str>,
        cursor: Option<&str>,
        attributes: &[String],
        limit: u32,
    ) -> CallReport<AccountPage> {
        let (filter, cursor) = (filter.map(str::to_owned), cursor.map(str::to_owned));
        let query = Query { filter, cursor, attributes: attributes.to_vec(), limit };
        let page = tokio::task::block_in_place(|| {
            let context = Context::new(settings(&context.settings), &self.client, Journal::new(&Nowhere));
            ScimConnector::collect(&context, &query)
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

    async fn read(&self, _: &CallContext, _: &str) -> CallReport<Account> {
        not_here()
    }

    async fn find(&self, _: &CallContext, _: &str, _: &str) -> CallReport<Vec<Account>> {
        not_here()
    }

    async fn analyze(&self, _: &CallContext, batch: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>> {
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

    async fn commit(&self, _: &CallContext, _: &CommitCommand) -> CallReport<Receipt> {
        not_here()
    }
}
