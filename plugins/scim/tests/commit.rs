//! Changes: what is sent for which change, and what the answers of the service mean.
#![allow(clippy::unwrap_used)]

mod common;

use common::{ENTERPRISE, config, list, scim, scim_error, text};
use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::testing::{FakeTransport, empty, reply, with_header};
use gatehouse_connector::{
    Action, Attributes, Command, Connector, Desired, Effect, Failure, Method, Receipt, Request, Response, Status, Value,
};
use gatehouse_scim::ScimConnector;

fn run(
    answers: impl IntoIterator<Item = Response>,
    settings: &[(&'static str, Json)],
    external_id: Option<&str>,
    revision: Option<&str>,
    action: Action,
) -> (Result<Receipt, Failure>, Vec<Request>) {
    let transport = FakeTransport::scripted(answers);
    let command = Command {
        idempotency_key: "key".to_owned(),
        external_id: external_id.map(str::to_owned),
        expected_revision: revision.map(str::to_owned),
        action,
    };
    let result = ScimConnector::commit(&scim(&transport, settings), &command);
    assert_eq!(transport.unused(), 0, "every answer of the script was asked for");
    (result, transport.requests())
}

fn create(answers: impl IntoIterator<Item = Response>, desired: Desired) -> (Result<Receipt, Failure>, Vec<Request>) {
    run(answers, &[], None, None, Action::Create(desired))
}

fn desired(attributes: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Desired {
    let attributes = attributes.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    Desired { username: "ada".to_owned(), attributes, status: Status::Active }
}

fn changes(pairs: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Action {
    Action::Update(pairs.into_iter().map(|(name, values)| (name.to_owned(), values)).collect::<Attributes>())
}

fn ada() -> Json {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "1", "userName": "ada", "active": true, "externalId": "USR-1", "title": "Clerk",
        "name": { "givenName": "Ada", "familyName": "L" },
        "emails": [
            { "value": "ada@x", "type": "work", "primary": true, "display": "ada@x" },
            { "value": "ada@home", "type": "home" }
        ],
        "photos": [{ "value": "https://x/p" }],
        "meta": { "version": "W/\"1\"" }
    })
}

fn edited(edit: impl Fn(&mut Json)) -> Response {
    let mut user = ada();
    edit(&mut user);
    reply(200, &user)
}

#[test]
fn a_new_user_is_sent_whole_with_the_schemas_it_uses() {
    let attributes = [
        ("name.givenName", text("Ada")),
        ("emails", vec![Value::of_kind("ada@x", "work", true), Value::text("a@y")]),
        ("department", text("Ops")),
        ("manager", text("9")),
        ("addresses.locality", vec![Value::of_kind("Turin", "work", false)]),
        ("addresses.country", vec![Value::of_kind("IT", "work", false)]),
        ("title", Vec::new()),
    ];
    let (receipt, requests) = create([reply(201, &ada())], desired(attributes));
    assert_eq!(receipt.unwrap().effect, Effect::Applied);
    assert_eq!(requests[0].header("content-type"), Some("application/scim+json"));
    assert_eq!(
        requests[0].json(),
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
            "userName": "ada", "active": true, "name": { "givenName": "Ada" },
            "emails": [{ "value": "ada@x", "type": "work", "primary": true }, { "value": "a@y" }],
            "addresses": [{ "type": "work", "locality": "Turin", "country": "IT" }],
            ENTERPRISE: { "department": "Ops", "manager": { "value": "9" } }
        })
    );
}

#[test]
fn a_service_that_takes_plain_json_only_gets_plain_json() {
    let (receipt, requests) = create([empty(415), reply(201, &ada())], desired([]));
    assert!(receipt.is_ok());
    assert_eq!(requests[1].header("content-type"), Some("application/json"));
}

#[test]
fn an_answer_without_the_user_is_followed_to_where_the_user_is() {
    let mut user = ada();
    user["id"] = json!("a/b c");
    let made = with_header(empty(201), "Location", "https://scim.example/v2/Users/a%2Fb%20c");
    let (receipt, requests) = create([made, reply(200, &user)], desired([]));
    assert_eq!(receipt.unwrap().account.unwrap().external_id, "a/b c");
    assert_eq!(requests[1].url.path(), "/v2/Users/a%2Fb%20c");
    let (nowhere, _) = create([empty(201)], desired([]));
    assert!(matches!(nowhere, Err(Failure::Unavailable(_))), "it cannot be told what was made");
}

#[test]
fn a_user_to_be_made_unusable_is_so_even_if_the_service_ignores_it_at_first() {
    let off = |user: &mut Json| user["active"] = json!(false);
    let answers = [reply(201, &ada()), reply(200, &ada()), edited(off)];
    let (receipt, requests) = create(answers, Desired { status: Status::Deactivated, ..desired([]) });
    assert_eq!(receipt.unwrap().account.unwrap().status, Status::Deactivated);
    assert_eq!(requests[0].json()["active"], json!(false));
    assert_eq!(requests[2].method, Method::Patch);
}

#[test]
fn a_user_in_the_way_is_looked_for_by_name() {
    for refusal in [scim_error(409, Some("uniqueness")), scim_error(400, Some("uniqueness")), empty(409)] {
        let (result, requests) = create([refusal, list(&[ada()])], desired([("externalId", text("USR-2"))]));
        assert_eq!(result, Err(Failure::Conflict(Some("1".to_owned()))));
        assert_eq!(common::parameter(&requests[1], "filter").as_deref(), Some("userName eq \"ada\""));
    }
}

#[test]
fn a_user_in_the_way_that_is_ours_was_made_by_an_earlier_attempt() {
    let ours = || desired([("externalId", text("USR-1"))]);
    let (result, _) = create([empty(409), list(&[ada()])], ours());
    assert_eq!(result.unwrap().effect, Effect::AlreadyApplied);
    let (result, requests) = create([empty(409), list(&[]), list(&[ada()])], ours());
    assert_eq!(result.unwrap().effect, Effect::AlreadyApplied);
    assert_eq!(common::parameter(&requests[2], "filter").as_deref(), Some("externalId eq \"USR-1\""));
    let (result, _) = create([empty(409), list(&[]), list(&[])], ours());
    assert_eq!(result, Err(Failure::Conflict(None)), "what is in the way cannot be told");
    let (result, _) = create([empty(409), list(&[])], desired([]));
    assert_eq!(result, Err(Failure::Conflict(None)));
}

#[test]
fn a_conflict_stays_one_where_the_user_in_the_way_cannot_be_looked_for() {
    let ours = || desired([("externalId", text("USR-1"))]);
    let (result, _) = create([empty(409), empty(403), config(true, true), empty(403)], ours());
    assert_eq!(result, Err(Failure::Conflict(None)));
    let (result, _) = create([empty(409), empty(503)], ours());
    assert!(matches!(result, Err(Failure::Unavailable(_))), "looked for again later");
}

#[test]
fn an_update_patches_what_differs_and_nothing_else() {
    let action = changes([
        ("title", text("Boss")),
        ("name.givenName", text("ADA")),
        ("nickName", text("A")),
        ("name.familyName", Vec::new()),
        ("department", text("Ops")),
        ("emails", vec![Value::of_kind("new@x", "work", true), Value::of_kind("a@other", "other", false)]),
    ]);
    let (receipt, requests) =
        run([reply(200, &ada()), edited(|u| u["title"] = json!("Boss"))], &[], Some("1"), Some("W/\"1\""), action);
    assert_eq!(receipt.unwrap().account.unwrap().first("title"), Some("Boss"));
    assert_eq!(requests[1].method, Method::Patch);
    assert_eq!(requests[1].header("if-match"), Some("W/\"1\""));
    assert_eq!(
        requests[1].json()["Operations"],
        json!([
            { "op": "add", "path": format!("{ENTERPRISE}:department"), "value": "Ops" },
            { "op": "remove", "path": "emails[type eq \"home\"]" },
            { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@x" },
            { "op": "add", "path": "emails", "value": [{ "value": "a@other", "type": "other" }] },
            { "op": "remove", "path": "name.familyName" },
            { "op": "add", "path": "nickName", "value": "A" },
            { "op": "replace", "path": "title", "value": "Boss" },
        ])
    );
}

#[test]
fn a_list_whose_values_cannot_be_told_apart_by_label_is_replaced_as_a_whole() {
    let operations = |action| {
        let (_, requests) = run([reply(200, &ada()), reply(200, &ada())], &[], Some("1"), None, action);
        requests[1].json()["Operations"].clone()
    };
    let preferred = vec![Value::of_kind("ada@x", "work", false), Value::of_kind("ada@home", "home", true)];
    assert_eq!(
        operations(changes([("emails", preferred)])),
        json!([{ "op": "replace", "path": "emails", "value": [
            { "value": "ada@x", "type": "work", "primary": false, "display": "ada@x" },
            { "value": "ada@home", "type": "home", "primary": true }
        ] }])
    );
    assert_eq!(
        operations(changes([("photos", text("https://x/q"))])),
        json!([{ "op": "replace", "path": "photos", "value": [{ "value": "https://x/q" }] }])
    );
    assert_eq!(operations(changes([("photos", Vec::new())])), json!([{ "op": "remove", "path": "photos" }]));
}

#[test]
fn an_unlabelled_value_takes_over_the_label_of_the_one_it_replaces() {
    let mut user = ada();
    user["emails"].as_array_mut().unwrap().pop();
    let action = changes([("emails", text("new@x"))]);
    let (_, requests) = run([reply(200, &user), reply(200, &user)], &[], Some("1"), None, action);
    let path = "emails[type eq \"work\"].value";
    assert_eq!(requests[1].json()["Operations"], json!([{ "op": "replace", "path": path, "value": "new@x" }]));
}

#[test]
fn nothing_is_sent_if_nothing_differs() {
    let same = [
        ("title", text("CLERK")),
        ("username", text("ADA")),
        ("emails", vec![Value::text("ADA@home"), Value::of_kind("ada@x", "work", true)]),
        ("nickName", Vec::new()),
    ];
    let (receipt, requests) = run([reply(200, &ada())], &[], Some("1"), None, changes(same));
    assert_eq!(receipt.unwrap().effect, Effect::AlreadyApplied);
    assert_eq!(requests.len(), 1);
    let (receipt, _) = run([reply(200, &ada())], &[], Some("1"), None, Action::SetStatus(Status::Active));
    assert_eq!(receipt.unwrap().effect, Effect::AlreadyApplied);
}

#[test]
fn a_service_without_patch_gets_the_whole_user_by_put() {
    let action = || changes([("title", text("Boss"))]);
    let check = |requests: &[Request]| {
        let put = requests.last().unwrap();
        assert_eq!((put.method, put.header("if-match")), (Method::Put, Some("W/\"1\"")));
        let sent = put.json();
        assert_eq!((&sent["title"], &sent["photos"]), (&json!("Boss"), &ada()["photos"]), "the rest stays");
        assert_eq!(sent.get("meta"), None);
    };
    for refusal in [empty(501), empty(405)] {
        let answers = [reply(200, &ada()), refusal, reply(200, &ada())];
        check(&run(answers, &[], Some("1"), None, action()).1);
    }
    let answers = [reply(200, &ada()), empty(400), config(false, true), reply(200, &ada())];
    check(&run(answers, &[], Some("1"), None, action()).1);
    check(&run([reply(200, &ada()), reply(200, &ada())], &[("patch", json!("no"))], Some("1"), None, action()).1);
}

#[test]
fn a_patch_that_is_refused_for_another_reason_is_not_sent_in_another_way() {
    let action = || changes([("title", text("Boss"))]);
    let (result, _) = run([reply(200, &ada()), empty(400), config(true, true)], &[], Some("1"), None, action());
    assert!(matches!(result, Err(Failure::Invalid { .. })));
    let refusal = scim_error(400, Some("invalidValue"));
    let (result, _) = run([reply(200, &ada()), refusal], &[], Some("1"), None, action());
    assert!(matches!(result, Err(Failure::Invalid { why, .. }) if why == "so it is (invalidvalue)"));
    let (result, _) = run([reply(200, &ada()), empty(501)], &[("patch", json!("yes"))], Some("1"), None, action());
    assert!(matches!(result, Err(Failure::Unsupported(_))));
}

#[test]
fn a_user_that_has_moved_on_is_left_alone() {
    let action = || changes([("title", text("Boss"))]);
    let (result, requests) = run([reply(200, &ada())], &[], Some("1"), Some("W/\"0\""), action());
    assert_eq!((result, requests.len()), (Err(Failure::Stale), 1));
    let (result, _) = run([reply(200, &ada()), empty(412)], &[], Some("1"), Some("\"1\""), action());
    assert_eq!(result, Err(Failure::Stale));
    let (result, requests) = run([empty(412)], &[], Some("1"), Some("\"1\""), Action::Remove);
    assert_eq!((result, requests[0].header("if-match")), (Err(Failure::Stale), Some("\"1\"")));
}

#[test]
fn a_version_that_is_no_entity_tag_is_compared_and_not_sent() {
    let numbered = || edited(|user| user["meta"]["version"] = json!("7"));
    let action = || changes([("title", text("Boss"))]);
    let (result, requests) = run([numbered(), numbered()], &[], Some("1"), Some("7"), action());
    assert!(result.is_ok());
    assert_eq!(requests[1].header("if-match"), None);
    let (result, _) = run([numbered()], &[], Some("1"), Some("6"), action());
    assert_eq!(result, Err(Failure::Stale));
}

#[test]
fn the_etag_stands_in_for_a_missing_version() {
    let mut user = ada();
    user["meta"] = json!({});
    let tagged = || with_header(reply(200, &user), "ETag", "\"9\"");
    let (result, requests) =
        run([tagged(), tagged()], &[], Some("1"), Some("\"9\""), changes([("title", text("Boss"))]));
    assert_eq!(result.unwrap().account.unwrap().revision.as_deref(), Some("\"9\""));
    assert_eq!(requests[1].header("if-match"), Some("\"9\""));
}

#[test]
fn deactivating_sets_active_and_reads_back_what_came_of_it() {
    let action = || Action::SetStatus(Status::Deactivated);
    let off = || edited(|user| user["active"] = json!("False"));
    let (receipt, requests) = run([reply(200, &ada()), empty(204), off()], &[], Some("1"), None, action());
    assert_eq!(receipt.unwrap().account.unwrap().status, Status::Deactivated);
    let operations = json!([{ "op": "replace", "path": "active", "value": false }]);
    assert_eq!(requests[1].json()["Operations"], operations);
    let (result, _) = run([reply(200, &ada()), reply(200, &ada())], &[], Some("1"), None, action());
    assert!(matches!(result, Err(Failure::Rejected(_))), "a service that only says yes");
    let (result, _) = run([], &[], Some("1"), None, Action::SetStatus(Status::Deleted));
    assert!(matches!(result, Err(Failure::Unsupported(_))));
}

#[test]
fn a_removed_user_is_gone_and_one_that_was_gone_is_already_so() {
    let (receipt, requests) = run([empty(204)], &[], Some("a/../b"), None, Action::Remove);
    assert_eq!(receipt.unwrap(), Receipt::removed(Effect::Applied));
    assert_eq!(requests[0].url.path(), "/v2/Users/a%2F..%2Fb");
    let (receipt, _) = run([empty(404), list(&[])], &[], Some("1"), None, Action::Remove);
    assert_eq!(receipt.unwrap(), Receipt::removed(Effect::AlreadyApplied));
    let (result, _) = run([empty(404), empty(404)], &[], Some("1"), None, Action::Remove);
    assert!(matches!(result, Err(Failure::Rejected(_))), "a wrong base_url removes nobody");
}

#[test]
fn what_cannot_be_set_is_named() {
    let (result, _) = run([reply(200, &ada())], &[], Some("1"), None, changes([("groups", text("g"))]));
    assert!(matches!(result, Err(Failure::Invalid { field, .. }) if field == "groups"));
    let (result, _) = run([reply(200, &ada())], &[], Some("1"), None, changes([("shoeSize", text("7"))]));
    assert!(matches!(result, Err(Failure::Invalid { field, .. }) if field == "shoeSize"));
    let two = vec![Value::text("a"), Value::text("b")];
    let (result, _) = run([reply(200, &ada())], &[], Some("1"), None, changes([("nickName", two)]));
    assert!(matches!(result, Err(Failure::Invalid { field, .. }) if field == "nickName"));
    let (result, _) = run([reply(200, &ada())], &[], Some("1"), None, changes([("username", Vec::new())]));
    assert!(matches!(result, Err(Failure::Invalid { field, .. }) if field == "username"));
}

#[test]
fn a_new_user_name_is_patched() {
    let after = edited(|user| user["userName"] = json!("countess"));
    let (receipt, requests) =
        run([reply(200, &ada()), after], &[], Some("1"), None, changes([("username", text("countess"))]));
    assert_eq!(receipt.unwrap().account.unwrap().username, "countess");
    assert_eq!(requests[1].json()["Operations"][0]["path"], json!("userName"));
}
