//! Each fault with its faultless twin, over a real socket.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Answer, Http};
use ureq::http::Method;

fn client(target: &CountingTarget) -> Http {
    Http::new(target.base_url(), Some(target.token()), "application/scim+json")
}

fn started() -> (CountingTarget, Http) {
    let target = CountingTarget::start().unwrap();
    let http = client(&target);
    (target, http)
}

fn ada() -> Value {
    json!({"userName": "ada", "externalId": "usr-1", "emails": [{"value": "ada@example.com", "type": "work"}]})
}

fn create(http: &Http) -> anyhow::Result<Answer> {
    http.post("/Users", &ada())
}

/// A fault on the creation of a user, beside one without it: what came of both, and the log of the first.
fn on_create(fault: Fault) -> (anyhow::Result<Answer>, Seen, CountingTarget) {
    let (target, http) = started();
    assert_eq!(create(&http).unwrap().status, 201, "the faultless twin");
    assert_eq!((target.users().len(), target.log().all()[0].reply), (1, Reply::Sent(201)));
    target.clear_log();
    target.fault(Rule::once(fault).on("POST", "/Users"));
    let answer = create(&client(&target));
    let seen = target.log().all()[0].clone();
    (answer, seen, target)
}

#[test]
fn a_user_is_made_read_searched_changed_and_removed() {
    let (target, http) = started();
    let made = create(&http).unwrap();
    let id = made.expect_status(201).unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/Users/{id}");
    let read = http.get(&path).unwrap();
    assert_eq!((read.status, &read.etag, &read.text), (200, &made.etag, &made.text));
    for filter in ["userName eq \"ADA\"", "externalId eq \"usr-1\"", &format!("id eq \"{id}\"")] {
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let list = http.get(&format!("/Users?filter={query}")).unwrap().json().unwrap();
        assert_eq!((&list["totalResults"], &list["Resources"][0]["id"]), (&json!(1), &json!(id)), "{filter}");
    }
    assert_eq!(http.get("/Users?filter=title%20pr").unwrap().status, 400);

    let patch = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let if_match = [("if-match", made.etag.as_deref().unwrap())];
    let changed = http.send(Method::PATCH, &path, Some(&patch), &if_match).unwrap();
    assert_eq!(changed.json().unwrap()["active"], false);
    assert_eq!(http.send(Method::PATCH, &path, Some(&patch), &if_match).unwrap().status, 412, "it has moved on");
    let put = http.send(Method::PUT, &path, Some(&json!({"userName": "bob"})), &[]).unwrap();
    assert_eq!(put.json().unwrap()["userName"], "bob");
    assert!(target.users_named("ada").is_empty() && target.users_named("bob").len() == 1);

    assert_eq!(http.delete(&path).unwrap().status, 204);
    assert_eq!(http.get(&path).unwrap().status, 404);
    assert_eq!((target.users().len(), target.requests()), (0, 11));
    let done: Vec<Done> = target.log().taken().map(|seen| seen.done.clone()).collect();
    let changed = || Done::Changed(id.clone());
    assert_eq!(done, [Done::Created(id.clone()), changed(), changed(), Done::Removed(id.clone())]);
}

#[test]
fn it_says_what_it_can_do_and_to_nobody_else() {
    let (target, http) = started();
    assert_eq!(http.get("/ServiceProviderConfig").unwrap().json().unwrap()["patch"]["supported"], true);
    assert_eq!(http.get("/Schemas").unwrap().status, 200);
    assert_eq!(http.get("/ResourceTypes").unwrap().json().unwrap()["Resources"][0]["endpoint"], "/Users");
    let stranger = Http::new(target.base_url(), Some("another"), "application/json");
    assert_eq!(stranger.get("/Users").unwrap().status, 401);
    assert_eq!(http.get("/Groups").unwrap().status, 404);
}

#[test]
fn duplicates_are_accepted_unless_it_is_told_otherwise() {
    let (target, http) = started();
    assert_eq!(create(&http).unwrap().status, 201);
    assert_eq!(create(&http).unwrap().status, 201);
    assert_eq!((target.users().len(), target.log().creates_of("usr-1").len()), (2, 2));
    assert_eq!(target.log().taken_twice().len(), 1);
    target.set(|options| options.unique = true);
    let refused = create(&http).unwrap().expect_status(409).unwrap();
    assert_eq!((&refused["scimType"], target.users().len()), (&json!("uniqueness"), 2));
}

#[test]
fn a_change_counts_as_taken_twice_only_if_nothing_came_in_between() {
    let (target, http) = started();
    let id = create(&http).unwrap().json().unwrap()["id"].as_str().unwrap().to_owned();
    let set = |active: bool| {
        let patch = json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
        http.send(Method::PATCH, &format!("/Users/{id}"), Some(&patch), &[]).unwrap()
    };
    for active in [false, true, false] {
        assert_eq!(set(active).status, 200);
    }
    assert!(target.log().taken_twice().is_empty(), "{}", target.log().story());
    set(false);
    assert_eq!(target.log().taken_twice().len(), 1);
    http.delete(&format!("/Users/{id}")).unwrap();
    create(&http).unwrap();
    assert_eq!(target.log().taken_twice().len(), 1, "made anew after it was removed");
}

#[test]
fn pages_of_a_hundred_thousand_users_are_put_together_and_counted() {
    let (target, http) = started();
    target.seed(100_000);
    let page = |start: usize| http.get(&format!("/Users?startIndex={start}&count=500")).unwrap().json().unwrap();
    let last = page(99_901);
    assert_eq!((&last["totalResults"], last["Resources"].as_array().unwrap().len()), (&json!(100_000), 100));
    assert_eq!(last["Resources"][99]["userName"], seeded(100_000)["userName"]);
    assert_eq!(page(1)["Resources"].as_array().unwrap().len(), 500);
    page(1);
    http.get("/Users?startIndex=1&count=1").unwrap();
    let counts: Vec<_> = target.log().page_counts().into_iter().collect();
    let asked = |start| PageAsked { start, count: 500 };
    assert_eq!(counts, [(asked(1), 2), (asked(99_901), 1)]);
    assert_eq!(http.get("/Users?startIndex=100001&count=5").unwrap().json().unwrap()["Resources"], json!([]));
}

#[test]
fn a_log_that_is_off_counts_and_keeps_nothing() {
    let target = CountingTarget::start_with(Options { log: false, ..Options::default() }).unwrap();
    create(&client(&target)).unwrap();
    assert_eq!((target.requests(), target.log().all().len()), (1, 0));
}

#[test]
fn a_reply_dropped_before_or_after_the_write_tells_them_apart_in_the_log_alone() {
    let (answer, seen, target) = on_create(Fault::DropBefore);
    assert!(answer.is_err());
    assert_eq!((seen.done, seen.reply, target.users().len()), (Done::Nothing, Reply::Withheld, 1));
    let (answer, seen, target) = on_create(Fault::DropAfter);
    assert!(answer.is_err());
    assert_eq!((seen.done.account(), seen.reply, target.users().len()), (Some("00000002"), Reply::Withheld, 2));
    assert_eq!((seen.marker.as_deref(), seen.user_name.as_deref()), (Some("usr-1"), Some("ada")));
}

#[test]
fn a_cut_connection_leaves_half_an_answer_to_a_write_that_was_done() {
    for fault in [Fault::CutHead, Fault::CutBody] {
        let (answer, seen, target) = on_create(fault);
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!((seen.reply, target.users().len()), (Reply::Cut(201), 2));
    }
}

#[test]
fn an_error_before_the_write_and_one_after_look_the_same_from_outside() {
    let (answer, seen, target) = on_create(Fault::FailBefore(503));
    assert_eq!((answer.unwrap().status, seen.done, target.users().len()), (503, Done::Nothing, 1));
    let (answer, seen, target) = on_create(Fault::FailAfter(500));
    assert_eq!((answer.unwrap().status, seen.is_taken(), target.users().len()), (500, true, 2));
}

#[test]
fn a_throttled_request_does_nothing_and_says_when_to_come_back() {
    let said = |when: RetryAfter| {
        let (target, _) = started();
        target.fault(Rule::once(Fault::Throttle(when)));
        let url = format!("{}/Users", target.base_url());
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let answer = agent.get(url).header("authorization", format!("Bearer {}", target.token())).call().unwrap();
        let after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), after)
    };
    assert_eq!(said(RetryAfter::Seconds(7)), (429, Some("7".to_owned())));
    assert_eq!(said(RetryAfter::Unsaid), (429, None));
    let (status, date) = said(RetryAfter::Date(3600));
    assert_eq!(status, 429);
    assert!(httpdate::parse_http_date(&date.unwrap()).is_ok());
    let (answer, seen, _) = on_create(Fault::Throttle(RetryAfter::Seconds(1)));
    assert_eq!((answer.unwrap().status, seen.done), (429, Done::Nothing));
}

#[test]
fn a_delay_comes_before_the_write_or_before_the_answer() {
    for (fault, there_meanwhile) in [(Fault::Delay(600_000), 1), (Fault::DelayReply(600_000), 2)] {
        let (target, http) = started();
        create(&http).unwrap();
        target.fault(Rule::once(fault).on("POST", "/Users"));
        let slow = client(&target);
        std::thread::spawn(move || create(&slow));
        // Others are answered meanwhile. What is to happen has happened when the fault is at work.
        crate::until(|| (target.befell() == 1).then_some(())).unwrap();
        crate::until(|| (target.users().len() == there_meanwhile).then_some(())).unwrap();
        assert_eq!(target.log().all()[1].reply, Reply::Pending);
        assert_eq!(http.get("/Users").unwrap().json().unwrap()["totalResults"], there_meanwhile);
    }
}

#[test]
fn lists_lie_about_totals_as_told() {
    let (target, http) = started();
    target.seed(10);
    let list = || http.get("/Users?startIndex=1&count=4").unwrap().json().unwrap();
    let said = |list: &Value| {
        let number = |name: &str| list[name].as_u64().unwrap();
        (number("totalResults"), number("itemsPerPage"), list["Resources"].as_array().unwrap().len())
    };
    assert_eq!(said(&list()), (10, 4, 4));
    for (fault, lie) in [
        (Fault::Total(5), (15, 4, 4)),
        (Fault::Total(-6), (4, 4, 4)),
        (Fault::ItemsPerPage(9), (10, 9, 4)),
        (Fault::EmptyList, (0, 0, 0)),
    ] {
        target.fault(Rule::once(fault).on("GET", "/Users"));
        assert_eq!(said(&list()), lie);
        assert_eq!(said(&list()), (10, 4, 4), "once");
    }
}

#[test]
fn garbage_and_reflections_come_with_the_status_of_success() {
    let (answer, seen, _) = on_create(Fault::Garbage);
    let answer = answer.unwrap();
    assert!(answer.status == 201 && answer.json().is_err() && seen.is_taken());
    let (answer, _, target) = on_create(Fault::Reflect);
    assert!(answer.unwrap().text.contains(target.token()));
    let clean = create(&client(&target)).unwrap();
    assert!(!clean.text.contains(target.token()), "the faultless twin");
}

#[test]
fn a_marker_can_be_forgotten() {
    let (answer, seen, target) = on_create(Fault::ForgetMarker);
    assert_eq!(answer.unwrap().json().unwrap().get("externalId"), None);
    let markers: Vec<bool> = target.users().iter().map(|user| user["externalId"].is_string()).collect();
    assert_eq!((markers, seen.marker.as_deref()), (vec![true, false], Some("usr-1")), "what was sent is in the log");
}

#[test]
fn an_endless_body_goes_on_until_nobody_reads_it() {
    let (target, http) = started();
    target.fault(Rule::once(Fault::Endless));
    assert!(http.get("/Users").is_err(), "the client has a limit of its own");
    assert_eq!(http.get("/Users").unwrap().status, 200);
}

#[test]
fn rules_befall_what_they_match_and_no_other() {
    let (target, http) = started();
    let befallen = |count: usize| -> Vec<u16> { (0..count).map(|_| create(&http).unwrap().status).collect() };
    target.fault(Rule::always(Fault::FailBefore(503)).on("write", "/Users").after(1).every(2).times(2));
    assert_eq!(befallen(7), [201, 201, 503, 201, 503, 201, 201]);
    target.clear_faults();
    target.fault(Rule::always(Fault::FailBefore(503)).on("*", "/Users").containing("bob"));
    assert_eq!((befallen(1)[0], http.post("/Users", &json!({"userName": "bob"})).unwrap().status), (201, 503));
    target.clear_faults();
    target.fault(Rule::always(Fault::FailBefore(503)).lasting(std::time::Duration::ZERO));
    assert_eq!(befallen(1), [201], "its time is over");
    target.fault(Rule::always(Fault::FailBefore(503)).on("GET", "/Users"));
    assert_eq!((befallen(1)[0], http.get("/Users").unwrap().status), (201, 503));
    target.clear_faults();
    target.fault(Rule::always(Fault::FailBefore(503)).on_pages());
    let search = "/Users?startIndex=1&count=9&filter=id%20eq%20%221%22";
    let of = |path: &str| http.get(path).unwrap().status;
    assert_eq!((of("/Users?startIndex=1&count=9"), of(search), of("/Users/00000001")), (503, 200, 200));
}

#[test]
fn a_process_has_the_same_controls() {
    let bin = crate::artifacts::counting_target_bin();
    if bin.is_err() {
        return crate::skip("a_process_has_the_same_controls", "the counting-target binary is not built");
    }
    let dir = tempfile::tempdir().unwrap();
    let target = CountingProcess::start(dir.path(), &Options::default()).unwrap();
    let http = Http::new(target.base_url(), Some(target.token()), "application/scim+json");
    target.seed(2).unwrap();
    target.add(&ada()).unwrap();
    target.fault(&Rule::once(Fault::DropAfter).on("POST", "/Users")).unwrap();
    assert!(create(&http).is_err());
    assert_eq!((target.users().unwrap().len(), target.befell().unwrap(), target.requests().unwrap()), (4, 1, 1));
    let log = target.log_since(0).unwrap();
    assert_eq!(log.creates_of("usr-1")[0].reply, Reply::Withheld);
    assert!(target.log_since(1).unwrap().all().is_empty());
    assert_eq!(target.take_log().unwrap().all().len(), 1);
    assert!(target.take_log().unwrap().all().is_empty(), "what is taken is not there any more");
    target.clear_log().unwrap();
    target.clear_faults().unwrap();
    assert!(target.log_since(0).unwrap().all().is_empty());
    assert_eq!(create(&http).unwrap().status, 201);
    let control = Http::new(target.origin(), Some("another"), "application/json");
    assert_eq!(control.get("/_control/log").unwrap().status, 401);
}
