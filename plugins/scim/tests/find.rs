//! Reading, finding and checking.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Directory, Quirks, config, list, parameter, scim, scim_error};
use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::testing::{FakeTransport, empty, reply};
use gatehouse_connector::{Account, Connector, Failure, Finding, Operation, Request, Response, Schema};
use gatehouse_scim::ScimConnector;

fn user(id: &str, name: &str) -> Json {
    json!({ "id": id, "userName": name, "emails": [{ "value": format!("{name}@x") }], "externalId": format!("E{id}") })
}

fn read(answers: impl IntoIterator<Item = Response>, id: &str) -> Result<Account, Failure> {
    ScimConnector::read(&scim(&FakeTransport::scripted(answers), &[]), id)
}

#[test]
fn a_user_is_gone_only_if_the_service_knows_users_at_all() {
    assert!(read([reply(200, &user("1", "ada"))], "1").is_ok());
    assert_eq!(read([scim_error(404, None), list(&[])], "1"), Err(Failure::NotFound));
    assert_eq!(read([empty(410), list(&[])], "1"), Err(Failure::NotFound));
    assert!(matches!(read([scim_error(404, None), scim_error(404, None)], "1"), Err(Failure::Rejected(_))));
    assert!(matches!(read([empty(404), empty(401)], "1"), Err(Failure::Unauthenticated(_))));
    assert!(matches!(read([empty(503)], "1"), Err(Failure::Unavailable(_))));
}

#[test]
fn another_user_than_the_one_asked_for_is_refused() {
    assert!(matches!(read([reply(200, &user("2", "bob"))], "1"), Err(Failure::Rejected(_))));
    assert!(matches!(read([reply(200, &json!({ "id": "1" }))], "1"), Err(Failure::Rejected(_))));
}

fn find(
    answers: impl IntoIterator<Item = Response>,
    settings: &[(&'static str, Json)],
    attribute: &str,
    value: &str,
) -> (Result<Vec<String>, Failure>, Vec<Request>) {
    let transport = FakeTransport::scripted(answers);
    let found = ScimConnector::find(&scim(&transport, settings), attribute, value);
    (found.map(|found| found.into_iter().map(|a| a.external_id).collect()), transport.requests())
}

#[test]
fn users_are_found_by_filter_whatever_the_case_the_service_keeps() {
    let (found, requests) = find([list(&[user("1", "ada")])], &[], "emails", "Ada@X");
    assert_eq!(found.unwrap(), ["1"]);
    assert_eq!(parameter(&requests[0], "filter").as_deref(), Some("emails.value eq \"Ada@X\""));
    let (found, _) = find([list(&[])], &[], "username", "nobody");
    assert_eq!(found.unwrap(), Vec::<String>::new());
    let (found, _) = find([], &[], "shoeSize", "7");
    assert!(matches!(found, Err(Failure::Invalid { .. })));
}

#[test]
fn a_value_cannot_break_out_of_the_filter() {
    let (_, requests) = find([list(&[])], &[], "username", "x\" or userName pr or \"\\");
    let query = requests[0].url.path_and_query();
    assert!(query.contains("userName%20eq%20%22x%5C%22%20or%20userName%20pr%20or%20%5C%22%5C%5C%22"), "{query}");
}

#[test]
fn a_service_without_filters_is_looked_through() {
    let all = || list(&[user("1", "ada"), user("2", "bob")]);
    let (found, requests) =
        find([scim_error(400, Some("invalidFilter")), config(true, false), all()], &[], "username", "BOB");
    assert_eq!(found.unwrap(), ["2"]);
    assert_eq!(parameter(&requests[2], "filter"), None);
    let (found, _) = find([all(), config(true, true), all()], &[], "username", "bob");
    assert_eq!(found.unwrap(), ["2"], "one that ignores the filter");
    let (found, requests) = find([config(true, true), all()], &[("filter", json!("no"))], "externalId", "E1");
    assert_eq!((found.unwrap(), requests.len()), (vec!["1".to_owned()], 2));
}

#[test]
fn a_filter_that_is_refused_by_a_service_with_filters_is_a_failure() {
    let (found, _) = find([scim_error(400, Some("tooMany")), config(true, true)], &[], "username", "bob");
    assert!(matches!(found, Err(Failure::Rejected(_))));
    let (found, requests) = find([empty(400)], &[("filter", json!("yes"))], "username", "bob");
    assert!(found.is_err());
    assert_eq!(requests.len(), 1);
    let (found, _) = find([empty(429)], &[], "username", "bob");
    assert_eq!(found, Err(Failure::Throttled(None)));
}

#[test]
fn an_incomplete_look_that_finds_nobody_is_no_answer() {
    let directory = Directory::of(1, Quirks { hidden: 8, ..Quirks::default() });
    let transport = FakeTransport::serving(|request| directory.serve(request));
    let found = ScimConnector::find(&scim(&transport, &[("filter", json!("no"))]), "username", "bob");
    assert!(matches!(found, Err(Failure::Unavailable(_))), "{found:?}");
}

fn check(answers: impl IntoIterator<Item = Response>) -> Result<Vec<Finding>, Failure> {
    ScimConnector::check(&scim(&FakeTransport::scripted(answers), &[]))
}

#[test]
fn a_check_reports_what_the_service_can_do() {
    let able = json!({
        "patch": { "supported": true }, "filter": { "supported": "True", "maxResults": 50 },
        "etag": { "supported": true }, "pagination": { "cursor": true }
    });
    let findings = check([list(&[user("1", "ada")]), reply(200, &able)]).unwrap();
    let told: Vec<String> = findings.iter().map(|f| format!("{}: {}", f.name, f.detail)).collect();
    assert_eq!(
        told,
        [
            "sign-in: accepted; it has 1 users",
            "service: it says what it can do (ServiceProviderConfig)",
            "update: PATCH",
            "search: by filter",
            "paging: by cursor, at most 50 users at a time",
            "versions: kept: a change is refused if the user has moved on",
        ]
    );
    let findings = check([list(&[]), empty(404)]).unwrap();
    assert_eq!(findings[2].detail, "PATCH will be tried, then PUT");
}

#[test]
fn a_check_fails_where_the_service_cannot_be_used() {
    assert!(matches!(check([empty(401)]), Err(Failure::Unauthenticated(_))));
    assert!(matches!(check([empty(404)]), Err(Failure::Rejected(_))));
    assert!(matches!(check([empty(302)]), Err(Failure::Rejected(_))));
}

#[test]
fn a_setting_that_makes_no_sense_is_named() {
    for (name, value) in
        [("page_size", json!(0)), ("patch", json!("maybe")), ("paging", json!("random")), ("base_url", json!("x"))]
    {
        let transport = FakeTransport::default();
        let failure = ScimConnector::check(&scim(&transport, &[(name, value)])).unwrap_err();
        assert!(matches!(&failure, Failure::Invalid { field, .. } if field == name), "{name}: {failure}");
    }
}

#[test]
fn the_description_holds_together() {
    let description = ScimConnector::describe();
    let schema = Schema::new(description.attributes.clone()).unwrap();
    assert!(description.searchable.iter().all(|name| name == "username" || schema.get(name).is_some()));
    assert!(schema.get("username").is_none(), "username is the account's own");
    assert_eq!(schema.get("emails").unwrap().suggested.as_deref(), Some("{email}"));
    assert_eq!(schema.get("externalId").unwrap().suggested.as_deref(), Some("{id}"));
    assert_eq!(description.operations.len(), Operation::ALL.len());
    assert!(description.credentials.iter().all(|slot| description.settings.iter().any(|s| s.name == slot.setting)));
}
