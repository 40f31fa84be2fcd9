//! The connector against a SCIM server that no one here wrote (`scim2-server` from PyPI), natively: every change is
//! checked by asking the server directly.
#![allow(clippy::unwrap_used)]

use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::testing::context;
use gatehouse_connector::{
    Account, Action, Attributes, Command, Connector, Context, Desired, Effect, Failure, Next, Query, Receipt, Request,
    Response, Status, Transport, TransportError, Value,
};
use gatehouse_scim::ScimConnector;
use gatehouse_tests::{Scim2Server, Target, artifacts, skip};
use ureq::http;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Does the host's part: carries requests out and adds the credential.
struct Host {
    agent: ureq::Agent,
    token: String,
}

impl Transport for Host {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let unreachable = |error: ureq::Error| TransportError::Unreachable(error.to_string());
        let mut outgoing = http::Request::builder()
            .method(request.method.name())
            .uri(request.url.to_string())
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        let answer = match &request.body {
            Some(body) => self.agent.run(outgoing.body(body.clone()).unwrap()),
            None => self.agent.run(outgoing.body(()).unwrap()),
        };
        let mut answer = answer.map_err(unreachable)?;
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let body = answer.body_mut().read_to_vec().map_err(unreachable)?;
        Ok(Response { status: answer.status().as_u16(), headers, body })
    }
}

/// Runs a test against a server of its own. Without the server, the test is skipped by name.
fn with_server(name: &str, token: Option<&str>, test: impl Fn(&Scim2Server, &Host)) {
    if artifacts::scim2_server().is_none() {
        return skip(name, "no scim2-server");
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Scim2Server::start(directory.path(), "the token").unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0).build();
    let host = Host { agent: config.into(), token: token.unwrap_or(server.token()).to_owned() };
    test(&server, &host);
}

fn settings<'a>(server: &Scim2Server, host: &'a Host, more: &[(&'static str, Json)]) -> Context<'a> {
    context(host, [("base_url", json!(server.base_url()))].into_iter().chain(more.iter().cloned()))
}

fn attributes(pairs: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Attributes {
    pairs.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()
}

fn text(text: &str) -> Vec<Value> {
    vec![Value::text(text)]
}

fn ada() -> Desired {
    Desired {
        username: "Ada@Example.org".to_owned(),
        status: Status::Active,
        attributes: attributes([
            ("externalId", text("USR-1")),
            ("name.givenName", text("Ada")),
            ("name.familyName", text("Lovelace")),
            ("title", text("Clerk")),
            ("emails", vec![Value::of_kind("ada@example.org", "work", true)]),
            ("phoneNumbers", vec![Value::of_kind("tel:+1-201-555-0123", "work", false)]),
            ("department", text("Ops")),
            ("addresses.locality", vec![Value::of_kind("Turin", "work", false)]),
        ]),
    }
}

fn commit(context: &Context<'_>, account: Option<&Account>, action: Action) -> Result<Receipt, Failure> {
    let command = Command {
        idempotency_key: "key".to_owned(),
        external_id: account.map(|account| account.external_id.clone()),
        expected_revision: account.and_then(|account| account.revision.clone()),
        action,
    };
    ScimConnector::commit(context, &command)
}

/// Makes a change that must be made, and gives the account after it.
fn applied(context: &Context<'_>, account: Option<&Account>, action: Action) -> Account {
    let receipt = commit(context, account, action).unwrap();
    assert_eq!(receipt.effect, Effect::Applied);
    receipt.account.unwrap()
}

/// The whole life of a user, by PATCH or by PUT.
fn life(server: &Scim2Server, context: &Context<'_>) {
    let there = |account: &Account| server.user(&account.external_id).unwrap().unwrap();
    let account = applied(context, None, Action::Create(ada()));
    let user = there(&account);
    assert_eq!((&user["name"]["givenName"], &user["active"]), (&json!("Ada"), &json!(true)));
    assert_eq!(user[ENTERPRISE]["department"], json!("Ops"));
    assert_eq!(user["emails"][0]["primary"], json!(true));
    assert_eq!(user["addresses"][0]["locality"], json!("Turin"));

    let again = commit(context, None, Action::Create(ada())).unwrap();
    assert_eq!((again.effect, &again.account.unwrap().external_id), (Effect::AlreadyApplied, &account.external_id));
    let other = Desired { attributes: attributes([("externalId", text("USR-2"))]), ..ada() };
    let conflict = commit(context, None, Action::Create(other));
    assert_eq!(conflict, Err(Failure::Conflict(Some(account.external_id.clone()))));

    let changes = attributes([
        ("title", text("Boss")),
        ("nickName", text("A")),
        ("name.familyName", Vec::new()),
        ("emails", vec![Value::of_kind("boss@example.org", "work", true), Value::of_kind("a@home.org", "home", false)]),
        ("phoneNumbers", Vec::new()),
        ("department", text("Board")),
        ("employeeNumber", text("7")),
        ("manager", text(&account.external_id)),
        ("addresses.country", vec![Value::of_kind("IT", "work", false)]),
    ]);
    let updated = applied(context, Some(&account), Action::Update(changes.clone()));
    let user = there(&updated);
    assert_eq!((&user["title"], &user["nickName"]), (&json!("Boss"), &json!("A")));
    assert_eq!((user["name"].get("familyName"), user.get("phoneNumbers")), (None, None));
    assert_eq!(user["name"]["givenName"], json!("Ada"), "what was not listed stays");
    assert_eq!(user[ENTERPRISE]["department"], json!("Board"));
    assert_eq!(user[ENTERPRISE]["manager"]["value"], json!(account.external_id));
    assert_eq!(user["addresses"], json!([{ "type": "work", "locality": "Turin", "country": "IT" }]));
    let emails = user["emails"].as_array().unwrap();
    assert_eq!(emails.len(), 2, "{emails:?}");
    assert!(emails.contains(&json!({ "value": "boss@example.org", "type": "work", "primary": true })), "{emails:?}");
    assert_eq!(commit(context, Some(&account), Action::Update(changes.clone())), Err(Failure::Stale));
    let repeated = commit(context, Some(&updated), Action::Update(changes)).unwrap();
    assert_eq!(repeated.effect, Effect::AlreadyApplied);

    let fewer = attributes([("emails", vec![Value::of_kind("new@example.org", "work", true)])]);
    let updated = applied(context, Some(&updated), Action::Update(fewer));
    let emails = there(&updated)["emails"].clone();
    assert_eq!(emails, json!([{ "value": "new@example.org", "type": "work", "primary": true }]));

    let off = applied(context, Some(&updated), Action::SetStatus(Status::Deactivated));
    assert_eq!((off.status, &there(&off)["active"]), (Status::Deactivated, &json!(false)));
    assert_eq!(there(&off)["title"], json!("Boss"), "nothing else changes");
    let on = applied(context, Some(&off), Action::SetStatus(Status::Active));
    assert_eq!(there(&on)["active"], json!(true));

    assert_eq!(commit(context, Some(&on), Action::Remove).unwrap(), Receipt::removed(Effect::Applied));
    assert_eq!(server.user(&on.external_id).unwrap(), None);
    assert_eq!(ScimConnector::read(context, &on.external_id), Err(Failure::NotFound));
    assert_eq!(commit(context, Some(&on), Action::Remove).unwrap(), Receipt::removed(Effect::AlreadyApplied));
}

#[test]
fn a_user_lives_a_whole_life_by_patch() {
    with_server("a_user_lives_a_whole_life_by_patch", None, |server, host| life(server, &settings(server, host, &[])));
}

#[test]
fn a_user_lives_a_whole_life_by_put_and_without_filters() {
    with_server("a_user_lives_a_whole_life_by_put_and_without_filters", None, |server, host| {
        life(server, &settings(server, host, &[("patch", json!("no")), ("filter", json!("no"))]));
    });
}

#[test]
fn users_are_collected_in_pages_and_found_by_each_searchable_attribute() {
    with_server("users_are_collected_in_pages_and_found_by_each_searchable_attribute", None, |server, host| {
        for number in 0..250 {
            let user = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
                "userName": format!("user{number}"), "externalId": format!("USR-{number}"), "active": number % 2 == 0,
                "emails": [{ "value": format!("user{number}@example.org"), "type": "work" }],
                ENTERPRISE: { "employeeNumber": number.to_string() }
            });
            server.create(&user).unwrap();
        }
        let context = settings(server, host, &[]);
        let names = ["emails".to_owned(), "employeeNumber".to_owned(), "title".to_owned()];
        let mut query = Query { attributes: names.to_vec(), limit: 100, ..Query::default() };
        let (mut accounts, mut pages) = (Vec::new(), 0);
        loop {
            let page = ScimConnector::collect(&context, &query).unwrap();
            assert_eq!((page.faults.len(), page.estimate), (0, Some(250)));
            accounts.extend(page.accounts);
            pages += 1;
            match page.next {
                Next::More(cursor) => query.cursor = Some(cursor),
                end => break assert_eq!(end, Next::Complete),
            }
        }
        assert_eq!((pages, accounts.len()), (3, 250));
        let mut collected: Vec<&str> = accounts.iter().map(|account| account.external_id.as_str()).collect();
        let users = server.users().unwrap();
        let mut there: Vec<&str> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
        collected.sort_unstable();
        there.sort_unstable();
        assert_eq!(collected, there);
        let seventh = accounts.iter().find(|account| account.username == "user7").unwrap();
        assert_eq!((seventh.status, seventh.first("employeeNumber")), (Status::Deactivated, Some("7")));
        assert_eq!(seventh.attributes["title"], []);
        for (attribute, value) in [("username", "USER7"), ("externalId", "USR-7"), ("emails", "user7@example.org")] {
            let found = ScimConnector::find(&context, attribute, value).unwrap();
            let found: Vec<&str> = found.iter().map(|account| account.external_id.as_str()).collect();
            assert_eq!(found, [seventh.external_id.as_str()], "{attribute}");
        }
        let filter = Some("userName eq \"user9\"".to_owned());
        let page = ScimConnector::collect(&context, &Query { filter, limit: 100, ..Query::default() }).unwrap();
        assert_eq!((page.accounts.len(), page.next), (1, Next::Complete));
    });
}

#[test]
fn the_check_accepts_the_token_and_a_wrong_one_is_unauthenticated() {
    let name = "the_check_accepts_the_token_and_a_wrong_one_is_unauthenticated";
    with_server(name, None, |server, host| {
        let findings = ScimConnector::check(&settings(server, host, &[])).unwrap();
        assert_eq!(findings[0].detail, "accepted; it has 0 users");
        let stray = context(host, [("base_url", json!(format!("{}/nowhere", server.base_url())))]);
        assert!(matches!(ScimConnector::check(&stray), Err(Failure::Rejected(_))));
        assert!(matches!(ScimConnector::read(&stray, "1"), Err(Failure::Rejected(_))), "and not: no such account");
    });
    with_server(name, Some("another"), |server, host| {
        assert!(matches!(ScimConnector::check(&settings(server, host, &[])), Err(Failure::Unauthenticated(_))));
    });
}
