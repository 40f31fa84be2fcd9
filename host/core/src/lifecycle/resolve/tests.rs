#![allow(clippy::unwrap_used)]

use super::*;
use crate::Desired;
use gatehouse_schema::{AttributeDefinition, Value};

fn account(external_id: &str, username: &str, marker: Option<&str>) -> RemoteAccount {
    let attributes = marker.map(|marker| ("externalId".to_owned(), vec![Value::text(marker)])).into_iter().collect();
    RemoteAccount {
        external_id: external_id.to_owned(),
        username: username.to_owned(),
        status: Status::Active,
        attributes,
        revision: Some("r1".to_owned()),
    }
}

fn marker() -> Option<Marker> {
    Some(Marker { attribute: "externalId".to_owned(), value: "USR-000001".to_owned() })
}

fn looked(step: &CommitStep, evidence: Evidence) -> Looked {
    let definitions = [
        AttributeDefinition::text("displayName", ""),
        AttributeDefinition { mutability: Mutability::WriteOnly, ..AttributeDefinition::text("password", "") },
    ];
    let schema = Schema::new(definitions).unwrap();
    resolve(step, &schema, evidence, Timestamp::UNIX_EPOCH)
}

/// What is concluded of a create: `made ID`, `not made`, or the reason why it cannot be told.
fn of_create(marker: Option<Marker>, marked: &[RemoteAccount], named: Option<&[RemoteAccount]>) -> String {
    let step = CommitStep::Create(Desired { username: "ada".to_owned(), ..Desired::default() });
    let evidence = Evidence::Search { marker, marked: marked.to_vec(), named: named.map(<[_]>::to_vec) };
    match looked(&step, evidence).resolution {
        Resolution::Done(account) => format!("made {}", account.unwrap().external_id),
        Resolution::NotDone(_) => "not made".to_owned(),
        Resolution::Gone => "gone".to_owned(),
        Resolution::Unprovable(why) => why,
    }
}

#[test]
fn what_a_search_shows_of_a_create() {
    let ours = account("a1", "ada", Some("USR-000001"));
    let folded = account("a1", "ADA", Some("usr-000001"));
    let others = account("a2", "Ada", Some("USR-000007"));
    let bare = account("a3", "ada", None);
    let deleted = RemoteAccount { status: Status::Deleted, ..ours.clone() };
    let second = account("a4", "ada2", Some("USR-000001"));
    let one = |account: &RemoteAccount| vec![account.clone()];

    assert_eq!(of_create(marker(), &one(&ours), Some(&one(&ours))), "made a1");
    assert_eq!(of_create(marker(), &one(&ours), None), "made a1");
    assert_eq!(of_create(marker(), &one(&folded), Some(&[])), "made a1");
    assert_eq!(of_create(marker(), &[], Some(&one(&ours))), "made a1", "a search for the marker may lag behind");
    assert_eq!(of_create(marker(), &one(&ours), Some(&one(&bare))), "made a1", "another one of that name is another's");
    assert_eq!(of_create(marker(), &[], Some(&[])), "not made");
    assert_eq!(of_create(None, &[], Some(&[])), "not made");
    assert_eq!(of_create(marker(), &one(&deleted), Some(&one(&deleted))), "not made");
    assert_eq!(of_create(marker(), &[ours.clone(), second], Some(&[])), "2 accounts carry our marker");
    assert_eq!(
        of_create(marker(), &[], Some(&one(&bare))),
        "the target has an account named `ada` (id a3) that does not carry our marker"
    );
    assert_eq!(
        of_create(marker(), &one(&others), Some(&one(&others))),
        "the target has an account named `Ada` (id a2) that does not carry our marker"
    );
    assert_eq!(
        of_create(None, &[], Some(&one(&ours))),
        "the target has an account named `ada` (id a1), and no attribute is mapped that would mark it as ours"
    );
    let unseen = of_create(marker(), &[], None);
    assert!(unseen.contains("which the target may not keep"), "{unseen}");
}

#[test]
fn a_reading_tells_which_accounts_were_found_and_which_of_them_are_marked() {
    let step = CommitStep::Create(Desired { username: "ada".to_owned(), ..Desired::default() });
    let named = Some(vec![account("a3", "ada", None)]);
    let looked = looked(&step, Evidence::Search { marker: marker(), marked: Vec::new(), named });
    assert_eq!(looked.reading.asked, "accounts with externalId `USR-000001`, or with username `ada`");
    let found = &looked.reading.found[0];
    assert_eq!((found.external_id.as_str(), found.marked), ("a3", Some(false)));
    assert_eq!(looked.reading.showed, Showed::Unclear);
}

fn update(attributes: &[(&str, &str)]) -> CommitStep {
    let values = |text: &str| if text.is_empty() { Vec::new() } else { vec![Value::text(text)] };
    CommitStep::Update(attributes.iter().map(|(name, text)| ((*name).to_owned(), values(text))).collect())
}

fn read(step: &CommitStep, account: Option<RemoteAccount>, before: Option<&str>) -> Resolution {
    let evidence = Evidence::ById { external_id: "a1".to_owned(), account, before: before.map(str::to_owned) };
    looked(step, evidence).resolution
}

fn named(display: Option<&str>) -> RemoteAccount {
    let values = display.map(|text| ("displayName".to_owned(), vec![Value::text(text)]));
    RemoteAccount { attributes: values.into_iter().collect(), ..account("a1", "old", None) }
}

#[test]
fn an_update_was_made_only_if_everything_reads_as_wanted() {
    let ada = update(&[("displayName", "Ada")]);
    assert_eq!(read(&ada, Some(named(Some("Ada"))), Some("r0")), Resolution::Done(Some(named(Some("Ada")))));
    for other in ["as before", "neither as before nor as wanted"] {
        assert_eq!(read(&ada, Some(named(Some(other))), Some("r0")), Resolution::NotDone(Some(named(Some(other)))));
    }
    assert_eq!(read(&update(&[("displayName", "")]), Some(named(None)), None), Resolution::Done(Some(named(None))));
    assert_eq!(read(&ada, None, Some("r0")), Resolution::Gone);
}

#[test]
fn what_is_not_returned_proves_nothing_unless_the_version_is_the_one_from_before() {
    for step in [update(&[("displayName", "Ada")]), update(&[("password", "x")])] {
        let account = named(None);
        let moved = read(&step, Some(account.clone()), Some("r0"));
        let Resolution::Unprovable(why) = moved else { panic!("{moved:?}") };
        assert!(why.contains("does not return"), "{why}");
        assert!(matches!(read(&step, Some(account.clone()), None), Resolution::Unprovable(_)));
        assert_eq!(read(&step, Some(account.clone()), Some("r1")), Resolution::NotDone(Some(account)));
    }
}

#[test]
fn a_rename_that_did_not_arrive_is_not_taken_for_done() {
    assert_eq!(read(&update(&[(USERNAME, "new")]), Some(named(None)), None), Resolution::NotDone(Some(named(None))));
    assert_eq!(read(&update(&[(USERNAME, "OLD")]), Some(named(None)), None), Resolution::Done(Some(named(None))));
}

#[test]
fn what_an_account_that_is_gone_shows_depends_on_what_was_wanted() {
    let gone = RemoteAccount { status: Status::Deleted, ..named(None) };
    for account in [None, Some(gone)] {
        assert_eq!(read(&CommitStep::Remove, account.clone(), None), Resolution::Done(None));
        assert_eq!(read(&CommitStep::SetStatus(Status::Deactivated), account, None), Resolution::Gone);
    }
    let there = Some(named(None));
    assert_eq!(read(&CommitStep::Remove, there.clone(), None), Resolution::NotDone(there.clone()));
    assert_eq!(read(&CommitStep::SetStatus(Status::Deactivated), there.clone(), None), Resolution::NotDone(there));
}
