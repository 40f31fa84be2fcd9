//! Collecting: every user once, complete only where that is certain, whatever a service does to its pages.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Directory, Quirks, list, parameter, scim, scim_error};
use gatehouse_connector::json::{Value as Json, json};
use gatehouse_connector::testing::{FakeTransport, empty, reply};
use gatehouse_connector::{Connector, Failure, Next, Page, Query, Response, Status};
use gatehouse_scim::ScimConnector;
use std::collections::BTreeSet;

struct Collected {
    ids: Vec<String>,
    end: Next,
    pages: usize,
}

impl Collected {
    fn is_all_of(&self, directory: &Directory) -> bool {
        let distinct: BTreeSet<&String> = self.ids.iter().collect();
        distinct.len() == self.ids.len() && distinct == directory.ids.borrow().iter().collect()
    }
}

/// Collects to the end, calling `between` after each page.
fn collect_with(
    directory: &Directory,
    settings: &[(&'static str, Json)],
    limit: u32,
    between: impl Fn(usize),
) -> Collected {
    let transport = FakeTransport::serving(|request| directory.serve(request));
    let context = scim(&transport, settings);
    let mut query = Query { limit, ..Query::default() };
    let mut ids = Vec::new();
    for pages in 1..1000 {
        let Page { accounts, next, .. } = ScimConnector::collect(&context, &query).unwrap();
        assert!(accounts.len() <= limit as usize, "{} accounts in a page of {limit}", accounts.len());
        ids.extend(accounts.into_iter().map(|account| account.external_id));
        match next {
            Next::More(cursor) => query.cursor = Some(cursor),
            end => return Collected { ids, end, pages },
        }
        between(pages);
    }
    panic!("the collection never ends");
}

fn collect(directory: &Directory, limit: u32) -> Collected {
    collect_with(directory, &[], limit, |_| ())
}

fn complete(count: usize, quirks: Quirks) -> Collected {
    let directory = Directory::of(count, quirks);
    let collected = collect(&directory, 100);
    assert_eq!(collected.end, Next::Complete, "{count} users");
    assert!(collected.is_all_of(&directory), "{count} users, got {}", collected.ids.len());
    collected
}

const PLAIN: Quirks = Quirks {
    no_total: false,
    total_is_of_the_page: false,
    cap: None,
    ignores_start: false,
    ignores_count: false,
    no_start_in_answer: false,
    hidden: 0,
};

#[test]
fn a_well_behaved_service_is_collected_page_by_page() {
    assert_eq!(complete(250, PLAIN).pages, 3);
    assert_eq!(complete(0, PLAIN).pages, 1);
    assert_eq!(complete(1, PLAIN).pages, 1);
    assert_eq!(complete(99, PLAIN).pages, 1);
    assert_eq!(complete(200, PLAIN).pages, 2);
}

#[test]
fn every_quirk_of_paging_still_gives_every_user_once() {
    for count in [0, 1, 49, 50, 51, 99, 100, 101, 199, 200, 201, 250] {
        complete(count, Quirks { no_total: true, ..PLAIN });
        complete(count, Quirks { total_is_of_the_page: true, ..PLAIN });
        complete(count, Quirks { cap: Some(50), ..PLAIN });
        complete(count, Quirks { cap: Some(50), no_total: true, ..PLAIN });
        complete(count, Quirks { no_start_in_answer: true, ..PLAIN });
        complete(count, Quirks { ignores_count: true, ..PLAIN });
        complete(count, Quirks { ignores_count: true, ignores_start: true, ..PLAIN });
        complete(count, Quirks { ignores_count: true, ignores_start: true, no_start_in_answer: true, ..PLAIN });
        complete(count, Quirks { ignores_count: true, ignores_start: true, no_total: true, ..PLAIN });
    }
    complete(7, Quirks { cap: Some(1), ..PLAIN });
    complete(7, Quirks { cap: Some(1), no_total: true, ..PLAIN });
}

#[test]
fn the_announced_cap_is_honoured() {
    let mut directory = Directory::of(25, Quirks { cap: Some(10), ..PLAIN });
    directory.config = json!({ "filter": { "supported": true, "maxResults": 10 } });
    let collected = collect(&directory, 100);
    assert_eq!(collected.end, Next::Complete);
    assert!(collected.is_all_of(&directory));
    let collected = collect_with(&directory, &[("page_size", json!(5))], 100, |_| ());
    assert!(collected.is_all_of(&directory) && collected.pages == 5, "{} pages", collected.pages);
}

#[test]
fn a_service_that_returns_fewer_than_it_says_is_partial() {
    for quirks in [Quirks { hidden: 1, ..PLAIN }, Quirks { ignores_start: true, ..PLAIN }] {
        let collected = collect(&Directory::of(250, quirks), 100);
        assert!(
            matches!(&collected.end, Next::Partial(why) if why.contains("the service says it has 25")),
            "{:?}",
            collected.end
        );
    }
}

#[test]
fn a_user_removed_from_an_earlier_page_makes_nobody_be_passed_over() {
    let directory = Directory::of(250, PLAIN);
    let collected = collect_with(&directory, &[], 100, |page| {
        if page == 1 {
            directory.ids.borrow_mut().drain(3..6);
        }
    });
    assert_eq!(collected.end, Next::Complete);
    let left: BTreeSet<String> = directory.ids.borrow().iter().cloned().collect();
    assert!(left.is_subset(&collected.ids.iter().cloned().collect()), "everybody who is still there was seen");
}

#[test]
fn a_user_added_to_an_earlier_page_makes_nobody_be_seen_twice() {
    let directory = Directory::of(250, PLAIN);
    let collected = collect_with(&directory, &[], 100, |page| {
        if page == 1 {
            directory.ids.borrow_mut().insert(0, "new".to_owned());
        }
    });
    assert_eq!(collected.end, Next::Complete);
    assert_eq!(collected.ids.len(), 250);
    assert_eq!(collected.ids.iter().collect::<BTreeSet<_>>().len(), 250);
}

#[test]
fn a_user_added_at_the_end_is_collected_too() {
    let directory = Directory::of(150, PLAIN);
    let collected = collect_with(&directory, &[], 100, |_| directory.ids.borrow_mut().push("new".to_owned()));
    assert_eq!(collected.end, Next::Complete);
    assert!(collected.is_all_of(&directory));
}

#[test]
fn a_place_that_is_lost_makes_the_collection_partial() {
    let directory = Directory::of(250, PLAIN);
    let collected = collect_with(&directory, &[], 100, |page| {
        if page == 1 {
            // The very user that marks the place goes.
            directory.ids.borrow_mut().remove(99);
        }
    });
    assert!(matches!(collected.end, Next::Partial(why) if why.contains("moved from page to page")));
}

#[test]
fn a_list_in_random_order_is_partial() {
    let directory = Directory::of(250, PLAIN);
    let collected = collect_with(&directory, &[], 100, |page| directory.ids.borrow_mut().rotate_left(120 + page));
    assert!(matches!(collected.end, Next::Partial(_)), "{:?}", collected.end);
}

fn one_page(resources: &[Json], query: &Query) -> Page {
    let transport = FakeTransport::scripted([empty(404), list(resources)]);
    ScimConnector::collect(&scim(&transport, &[]), query).unwrap()
}

#[test]
fn the_spellings_of_real_services_are_understood() {
    let users = [
        json!({ "id": "1", "USERNAME": "Ada", "active": "False", "Emails": [{ "Value": "ada@x", "TYPE": "work", "primary": "True" }] }),
        json!({ "id": 2, "userName": "bob", "active": null, "emails": "bob@x", "title": "" }),
        json!({ "id": "3", "userName": "cy", "emails": ["cy@x", "cy@y"], "active": 1 }),
        json!({ "id": "4", "userName": "di", "emails": { "value": "di@x" }, common::ENTERPRISE.to_lowercase(): { "manager": "9" } }),
    ];
    let page = one_page(&users, &Query { limit: 10, ..Query::default() });
    let [ada, bob, cy, di] = &page.accounts[..] else { panic!("{page:?}") };
    assert_eq!((ada.username.as_str(), ada.status), ("Ada", Status::Deactivated));
    assert_eq!(ada.attributes["emails"][0].kind.as_deref(), Some("work"));
    assert!(ada.attributes["emails"][0].primary);
    assert_eq!((bob.external_id.as_str(), bob.status, bob.first("emails")), ("2", Status::Active, Some("bob@x")));
    assert_eq!(bob.attributes["title"], [], "an empty text is no value");
    assert_eq!(cy.attributes["emails"].len(), 2);
    assert_eq!((di.first("emails"), di.first("manager")), (Some("di@x"), Some("9")));
}

#[test]
fn a_record_that_makes_no_sense_is_a_fault_and_the_rest_counts() {
    let users = [
        json!({ "id": "1", "userName": "ada", "active": "perhaps" }),
        json!({ "id": "2" }),
        json!({ "userName": "cy" }),
        json!("nonsense"),
        json!({ "id": "4", "userName": "di" }),
    ];
    let page = one_page(&users, &Query { limit: 10, ..Query::default() });
    assert_eq!(page.accounts.len(), 1);
    assert_eq!(page.faults.len(), 4);
    assert_eq!(page.faults[0].external_id.as_deref(), Some("1"));
    assert_eq!(page.next, Next::Complete, "nobody is passed over: the faults are told");
}

#[test]
fn a_user_twice_in_a_page_counts_once_and_leaves_the_collection_partial() {
    let user = json!({ "id": "1", "userName": "ada" });
    let page = one_page(&[user.clone(), user], &Query { limit: 10, ..Query::default() });
    assert_eq!(page.accounts.len(), 1);
    assert!(matches!(page.next, Next::Partial(_)));
}

#[test]
fn only_the_attributes_asked_for_are_asked_for_and_returned() {
    let answer = || list(&[json!({ "id": "1", "userName": "ada", "title": "Boss", "nickName": "A" })]);
    let query = Query { attributes: vec!["title".to_owned(), "department".to_owned()], limit: 10, ..Query::default() };
    let transport = FakeTransport::scripted([empty(404), answer()]);
    let page = ScimConnector::collect(&scim(&transport, &[]), &query).unwrap();
    let asked = parameter(&transport.requests()[1], "attributes").unwrap();
    assert_eq!(asked, format!("id,userName,active,meta,title,{}:department", common::ENTERPRISE));
    let names: Vec<&str> = page.accounts[0].attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["department", "title"], "what is not there is known to be empty");

    let transport = FakeTransport::scripted([empty(404), answer()]);
    ScimConnector::collect(&scim(&transport, &[("select_attributes", json!(false))]), &query).unwrap();
    assert_eq!(parameter(&transport.requests()[1], "attributes"), None);
}

#[test]
fn the_filter_of_the_app_is_handed_on() {
    let transport = FakeTransport::scripted([empty(404), list(&[])]);
    let query = Query { filter: Some("userType eq \"Employee\"".to_owned()), limit: 10, ..Query::default() };
    ScimConnector::collect(&scim(&transport, &[]), &query).unwrap();
    assert_eq!(parameter(&transport.requests()[1], "filter").as_deref(), Some("userType eq \"Employee\""));
}

#[test]
fn what_the_service_can_do_is_asked_once_in_a_collection() {
    let directory = Directory::of(250, PLAIN);
    let transport = FakeTransport::serving(|request| directory.serve(request));
    let context = scim(&transport, &[]);
    let mut query = Query { limit: 100, ..Query::default() };
    while let Next::More(cursor) = ScimConnector::collect(&context, &query).unwrap().next {
        query.cursor = Some(cursor);
    }
    let asked = transport.lines().iter().filter(|line| line.contains("ServiceProviderConfig")).count();
    assert_eq!((asked, directory.lists.get()), (1, 3));
}

fn by_cursor(answers: impl IntoIterator<Item = Response>, limit: u32) -> (Vec<Result<Page, Failure>>, Vec<String>) {
    let config = reply(200, &json!({ "pagination": { "cursor": true, "index": true } }));
    let transport = FakeTransport::scripted([config].into_iter().chain(answers));
    let context = scim(&transport, &[]);
    let mut query = Query { limit, ..Query::default() };
    let mut pages = Vec::new();
    loop {
        let page = ScimConnector::collect(&context, &query);
        let next = page.as_ref().ok().map(|page| page.next.clone());
        pages.push(page);
        match next {
            Some(Next::More(cursor)) => query.cursor = Some(cursor),
            _ => return (pages, transport.lines()),
        }
    }
}

fn users(ids: std::ops::Range<u32>, next: Option<&str>) -> Response {
    let users: Vec<Json> = ids.map(|id| json!({ "id": id.to_string(), "userName": format!("u{id}") })).collect();
    reply(200, &json!({ "Resources": users, "totalResults": 5, "nextCursor": next }))
}

#[test]
fn cursors_are_followed_where_they_are_announced() {
    let (pages, lines) = by_cursor([users(0..2, Some("a b")), users(2..4, Some("c")), users(4..5, None)], 2);
    assert_eq!(pages.last().unwrap().as_ref().unwrap().next, Next::Complete);
    assert_eq!(
        lines[1..],
        ["GET /v2/Users?cursor=&count=2", "GET /v2/Users?cursor=a%20b&count=2", "GET /v2/Users?cursor=c&count=2"]
    );
}

#[test]
fn an_expired_cursor_starts_the_collection_again() {
    for kind in ["expiredCursor", "invalidCursor"] {
        let (pages, _) = by_cursor([users(0..2, Some("a")), scim_error(400, Some(kind))], 2);
        assert_eq!(pages[1], Err(Failure::CursorExpired));
    }
    let (pages, _) = by_cursor([users(0..2, Some("a")), scim_error(400, None)], 2);
    assert!(matches!(pages[1], Err(Failure::Invalid { .. })), "another refusal does not");
}

#[test]
fn a_service_with_cursors_that_loops_or_stops_early_is_partial() {
    let (pages, _) = by_cursor([users(0..2, Some("a")), users(2..4, Some("a"))], 2);
    assert!(matches!(&pages[1].as_ref().unwrap().next, Next::Partial(why) if why.contains("same cursor")));
    let (pages, _) = by_cursor([users(0..2, Some("a")), users(2..4, None)], 2);
    assert!(matches!(&pages[1].as_ref().unwrap().next, Next::Partial(why) if why.contains("says it has 5")));
}

#[test]
fn a_page_by_cursor_that_is_too_large_is_taken_in_parts() {
    let (pages, lines) = by_cursor([users(0..5, None), users(0..5, None), users(0..5, None)], 2);
    let sizes: Vec<usize> = pages.iter().map(|page| page.as_ref().unwrap().accounts.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(pages[2].as_ref().unwrap().next, Next::Complete);
    assert!(lines[1..].iter().all(|line| line == "GET /v2/Users?cursor=&count=2"));
}

#[test]
fn a_service_that_is_down_or_refuses_the_credential_is_no_empty_service() {
    let fails = |answers: Vec<Response>| {
        let transport = FakeTransport::scripted(answers);
        ScimConnector::collect(&scim(&transport, &[]), &Query { limit: 10, ..Query::default() }).unwrap_err()
    };
    assert!(matches!(fails(vec![empty(401)]), Failure::Unauthenticated(_)));
    assert!(matches!(fails(vec![empty(503)]), Failure::Unavailable(_)));
    assert!(matches!(fails(vec![empty(404), empty(404)]), Failure::Rejected(_)), "a wrong base_url");
    assert!(matches!(fails(vec![empty(403), empty(403)]), Failure::Forbidden(_)));
    assert!(matches!(fails(vec![empty(404), reply(200, &json!({ "hello": 1 }))]), Failure::Rejected(_)));
    let page = Response { status: 200, body: b"<html>".to_vec(), ..Response::default() };
    assert!(matches!(fails(vec![empty(404), page]), Failure::Rejected(_)));
}
