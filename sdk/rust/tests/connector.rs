//! What the SDK does for a connector: statuses become failures, commands reach their functions, secrets stay out.
#![allow(clippy::unwrap_used)]

use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::testing::{FakeTransport, context, empty, reply, with_header};
use gatehouse_connector::{
    Account, Action, AttributeDefinition, Attributes, Command, Connector, Context, Description, Desired, Effect,
    Failure, Item, Judgement, Page, Query, Receipt, Response, Status, Target, TransportError, Url,
};

fn target() -> Url {
    Url::parse("https://api.example/v1").unwrap()
}

fn failure_of(response: Response) -> Failure {
    let transport = FakeTransport::scripted([response]);
    let context = context(&transport, []);
    context.get(target().segment("users")).send().unwrap().ok().unwrap_err()
}

#[test]
fn every_status_means_one_failure() {
    let detail = json!({ "detail": "no" });
    let of = |status| failure_of(reply(status, &detail));
    assert_eq!(of(401), Failure::Unauthenticated("HTTP 401: no".to_owned()));
    assert_eq!(of(403), Failure::Forbidden("HTTP 403: no".to_owned()));
    assert_eq!(of(409), Failure::Conflict(None));
    assert_eq!(of(412), Failure::Stale);
    assert_eq!(of(400), Failure::invalid("", "HTTP 400: no"));
    assert_eq!(of(422), Failure::invalid("", "HTTP 422: no"));
    assert_eq!(of(500), Failure::Unavailable("HTTP 500: no".to_owned()));
    assert_eq!(of(503), Failure::Unavailable("HTTP 503: no".to_owned()));
    assert_eq!(of(501), Failure::Unsupported("HTTP 501: no".to_owned()));
    assert_eq!(of(418), Failure::Rejected("HTTP 418: no".to_owned()));
    assert!(matches!(of(302), Failure::Rejected(why) if why.contains("redirects are not followed")));
}

#[test]
fn an_address_that_is_not_there_is_not_an_account_that_is_not_there() {
    assert!(matches!(failure_of(empty(404)), Failure::Rejected(why) if why.contains("check the settings")));
    assert_eq!(empty(404).of_account(), Err(Failure::NotFound));
    assert_eq!(empty(410).of_account(), Err(Failure::NotFound));
    assert!(empty(204).of_account().is_ok());
}

#[test]
fn a_target_that_throttles_says_for_how_long() {
    assert_eq!(failure_of(empty(429)), Failure::Throttled(None));
    assert_eq!(failure_of(with_header(empty(429), "Retry-After", "30")), Failure::Throttled(Some(30)));
    assert_eq!(failure_of(with_header(empty(503), "Retry-After", "9")), Failure::Throttled(Some(9)));
    let dated = with_header(empty(429), "Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let dated = with_header(dated, "Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT");
    assert_eq!(failure_of(dated), Failure::Throttled(Some(60)));
}

#[test]
fn the_text_of_the_target_is_kept_short_and_html_is_left_out() {
    let long = failure_of(reply(400, &json!({ "message": "x".repeat(5000) })));
    assert!(matches!(long, Failure::Invalid { why, .. } if why.len() < 400));
    let page = Response { status: 502, body: b"<html>nginx</html>".to_vec(), ..Response::default() };
    assert_eq!(failure_of(page), Failure::Unavailable("HTTP 502".to_owned()));
    let nested = failure_of(reply(403, &json!({ "error": { "message": "quota" } })));
    assert_eq!(nested, Failure::Forbidden("HTTP 403: quota".to_owned()));
}

fn sent_with(error: TransportError) -> Failure {
    let transport = FakeTransport::default().then(Err(error));
    let context = context(&transport, []);
    context.get(target().segment("users")).query("filter", "mail eq \"ada@example\"").send().unwrap_err()
}

#[test]
fn no_answer_is_retried_and_a_refusal_of_the_gate_is_not() {
    let unreachable = sent_with(TransportError::Unreachable("timeout".to_owned()));
    assert_eq!(unreachable, Failure::Unavailable("GET https://api.example/v1/users: timeout".to_owned()));
    assert!(unreachable.is_transient());
    let denied = sent_with(TransportError::Denied("origin".to_owned()));
    assert!(!denied.is_transient());
    assert!(
        denied
            .to_string()
            .contains("the host did not let this request or its answer pass: GET https://api.example/v1/users"),
        "{denied}"
    );
    assert!(!denied.to_string().contains("ada@example"), "what was searched for is not told");
    assert!(!sent_with(TransportError::Refused("too large".to_owned())).is_transient());
}

#[test]
fn a_connector_can_set_headers_but_none_that_belongs_to_the_host() {
    let transport = FakeTransport::scripted([empty(200)]);
    let context = context(&transport, []);
    context.get(target()).header("If-Match", "\"1\"").header("Accept", "text/csv").send().unwrap();
    assert_eq!(transport.requests()[0].header("if-match"), Some("\"1\""));
    assert_eq!(transport.requests()[0].header("accept"), Some("text/csv"));
    for name in ["Authorization", "cookie", "Proxy-Authorization", "Host", "X-HTTP-Method-Override"] {
        let refused = context.get(target()).header(name, "x").send();
        assert!(matches!(refused, Err(Failure::Rejected(_))), "{name}");
    }
    assert!(context.get(target()).header("x-a", "b\r\nx-c: d").send().is_err());
    assert_eq!(transport.requests().len(), 1, "nothing else left");
}

/// Remembers in its receipts which function was called.
struct Recorder;

fn called(what: String) -> Result<Receipt, Failure> {
    Ok(Receipt::applied(Account { external_id: what, ..Account::default() }))
}

impl Connector for Recorder {
    fn describe() -> Description {
        Description::new("recorder", "1.0.0", "").attribute(AttributeDefinition::text("title", ""))
    }
    fn collect(context: &Context<'_>, _: &Query) -> Result<Page, Failure> {
        context.get(target()).send()?.ok()?;
        Ok(Page { estimate: Some(7), ..Page::complete(Vec::new()) })
    }
    fn create(_: &Context<'_>, desired: &Desired, key: &str) -> Result<Receipt, Failure> {
        called(format!("create {} {key}", desired.username))
    }
    fn update(_: &Context<'_>, target: Target<'_>, changes: &Attributes) -> Result<Receipt, Failure> {
        called(format!("update {} {:?} {}", target.external_id, target.expected_revision, changes.len()))
    }
    fn set_status(_: &Context<'_>, target: Target<'_>, status: Status) -> Result<Receipt, Failure> {
        called(format!("status {} {status:?}", target.external_id))
    }
    fn remove(_: &Context<'_>, _: Target<'_>) -> Result<Receipt, Failure> {
        Ok(Receipt::removed(Effect::Applied))
    }
}

gatehouse_connector::register!(Recorder);

fn commit(external_id: Option<&str>, action: Action) -> Result<Receipt, Failure> {
    let command = Command {
        idempotency_key: "k".to_owned(),
        external_id: external_id.map(str::to_owned),
        expected_revision: Some("r".to_owned()),
        action,
    };
    let transport = FakeTransport::default();
    Recorder::commit(&context(&transport, []), &command)
}

#[test]
fn each_action_reaches_its_function() {
    let desired = Desired { username: "ada".to_owned(), ..Desired::default() };
    let id = |receipt: Receipt| receipt.account.unwrap().external_id;
    assert_eq!(id(commit(None, Action::Create(desired)).unwrap()), "create ada k");
    assert_eq!(id(commit(Some("1"), Action::Update(Attributes::new())).unwrap()), "update 1 Some(\"r\") 0");
    assert_eq!(id(commit(Some("1"), Action::SetStatus(Status::Deactivated)).unwrap()), "status 1 Deactivated");
    assert_eq!(commit(Some("1"), Action::Remove).unwrap(), Receipt::removed(Effect::Applied));
    assert!(matches!(commit(None, Action::Remove), Err(Failure::Rejected(_))), "no account is named");
}

struct Bare;

impl Connector for Bare {
    fn describe() -> Description {
        Description::new("bare", "1.0.0", "")
    }
}

#[test]
fn what_a_connector_does_not_implement_is_unsupported() {
    let transport = FakeTransport::default();
    let context = context(&transport, []);
    assert!(matches!(Bare::collect(&context, &Query::default()), Err(Failure::Unsupported(_))));
    assert!(matches!(Bare::read(&context, "1"), Err(Failure::Unsupported(_))));
    assert!(matches!(Bare::find(&context, "a", "b"), Err(Failure::Unsupported(_))));
    assert!(matches!(Bare::check(&context), Err(Failure::Unsupported(_))));
    assert!(matches!(Bare::create(&context, &Desired::default(), "k"), Err(Failure::Unsupported(_))));
}

#[test]
fn the_standard_check_signs_in_by_collecting_and_fails_as_collecting_does() {
    let transport = FakeTransport::scripted([reply(200, &json!([])), empty(401)]);
    let context = context(&transport, []);
    assert_eq!(Recorder::check(&context).unwrap()[0].detail, "accepted; the target has 7 accounts");
    assert!(matches!(Recorder::check(&context), Err(Failure::Unauthenticated(_))));
}

#[test]
fn the_standard_analysis_objects_to_nothing_and_reports_drift() {
    let attributes = |title: &str| Attributes::from([("title".to_owned(), vec![title.into()])]);
    let account = Account { attributes: attributes("Boss"), ..Account::default() };
    let item = |title| Item { account: account.clone(), user: Some("ada".to_owned()), desired: attributes(title) };
    let verdicts = Recorder::analyze(&[item("boss"), item("Clerk")]);
    assert!(verdicts.iter().all(|verdict| verdict.judgement == Judgement::Same));
    assert!(verdicts[0].drift.is_empty());
    assert_eq!(verdicts[1].drift, ["title"]);
}

#[test]
fn a_json_body_is_sent_as_json_unless_a_header_says_otherwise() {
    let transport = FakeTransport::scripted([empty(200), empty(200)]);
    let context = context(&transport, []);
    let body: Json = json!({ "a": 1 });
    context.post(target()).json(&body).send().unwrap();
    context.post(target()).header("content-type", "application/scim+json").json(&body).send().unwrap();
    assert_eq!(transport.requests()[0].header("content-type"), Some("application/json"));
    assert_eq!(transport.requests()[1].header("content-type"), Some("application/scim+json"));
    assert_eq!(transport.requests()[1].json(), body);
}
