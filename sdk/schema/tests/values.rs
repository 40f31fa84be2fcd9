//! Canonical texts and comparison, by example and by property.
#![allow(clippy::unwrap_used)]

use gatehouse_schema::{
    AttributeDefinition, AttributeType, Attributes, Mutability, Schema, SchemaError, Value, canonical_text, drift,
    same_values,
};
use proptest::prelude::*;

const TYPES: [AttributeType; 7] = [
    AttributeType::Text,
    AttributeType::Boolean,
    AttributeType::Integer,
    AttributeType::Decimal,
    AttributeType::DateTime,
    AttributeType::Reference,
    AttributeType::Binary,
];

fn check(kind: AttributeType, text: &str, expected: Option<&str>) {
    assert_eq!(canonical_text(kind, text).ok().as_deref(), expected, "{kind:?} `{text}`");
}

#[test]
fn booleans_are_taken_in_any_case_and_nothing_else_is_one() {
    check(AttributeType::Boolean, "True", Some("true"));
    check(AttributeType::Boolean, " FALSE ", Some("false"));
    check(AttributeType::Boolean, "1", None);
    check(AttributeType::Boolean, "", None);
}

#[test]
fn numbers_lose_superfluous_signs_and_zeros() {
    check(AttributeType::Integer, "+007", Some("7"));
    check(AttributeType::Integer, "-0", Some("0"));
    check(AttributeType::Integer, "7.0", None);
    check(AttributeType::Decimal, "007.500", Some("7.5"));
    check(AttributeType::Decimal, "-0.0", Some("0"));
    check(AttributeType::Decimal, ".5", Some("0.5"));
    check(AttributeType::Decimal, "1e3", None);
    check(AttributeType::Decimal, ".", None);
    check(AttributeType::Decimal, "--1", None);
}

#[test]
fn dates_and_times_become_utc_and_impossible_ones_are_refused() {
    check(AttributeType::DateTime, "2024-02-29T23:30:00-01:30", Some("2024-03-01T01:00:00Z"));
    check(AttributeType::DateTime, "2023-01-01t00:00:00.2500z", Some("2023-01-01T00:00:00.25Z"));
    check(AttributeType::DateTime, "2023-01-01 00:15:00.000+01:00", Some("2022-12-31T23:15:00Z"));
    check(AttributeType::DateTime, "2016-12-31T23:59:60Z", Some("2016-12-31T23:59:60Z"));
    for text in [
        "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:00:00",
        "2023-01-01",
        "2023-01-01T00:00:00.Z",
        "2023-01-01T00:00:00+1:00",
        "0000-01-01T00:00:00+00:01",
        "2023-01-01T00:00:0éZ",
        "",
    ] {
        check(AttributeType::DateTime, text, None);
    }
}

#[test]
fn a_refused_value_says_what_was_wanted() {
    let error = canonical_text(AttributeType::Integer, "seven").unwrap_err();
    assert_eq!(error.to_string(), "`seven` is not a whole number");
}

fn emails() -> AttributeDefinition {
    AttributeDefinition::text("emails", "").multi_valued()
}

#[test]
fn order_case_repetition_and_empty_values_do_not_make_a_difference() {
    let wanted = [Value::of_kind("A@x", "work", false), Value::text("b@x")];
    let has =
        [Value::text("B@X"), Value::of_kind("a@x", "WORK", true), Value::of_kind("a@x", "work", false), "".into()];
    assert!(same_values(&emails(), &wanted, &has));
    assert!(!same_values(&emails().case_exact(), &wanted, &has));
}

#[test]
fn labels_count_only_where_both_sides_give_one() {
    assert!(same_values(&emails(), &["a".into()], &[Value::of_kind("a", "work", false)]));
    assert!(!same_values(&emails(), &[Value::of_kind("a", "home", false)], &[Value::of_kind("a", "work", false)]));
}

#[test]
fn a_wanted_preference_must_be_there_and_an_unwanted_one_may_be() {
    let preferred = [Value::of_kind("a", "work", true)];
    let plain = [Value::of_kind("a", "work", false)];
    assert!(!same_values(&emails(), &preferred, &plain));
    assert!(same_values(&emails(), &plain, &preferred));
    let twice = [plain[0].clone(), preferred[0].clone()];
    assert!(same_values(&emails(), &preferred, &twice), "a preference is not lost among repetitions");
}

#[test]
fn drift_compares_what_can_be_written_and_was_returned() {
    let schema = Schema::new([
        AttributeDefinition::text("title", ""),
        AttributeDefinition::text("nick", ""),
        AttributeDefinition::text("id", "").mutability(Mutability::ReadOnly),
        AttributeDefinition::text("password", "").mutability(Mutability::WriteOnly),
        AttributeDefinition::text("born", "").mutability(Mutability::Immutable),
    ])
    .unwrap();
    let all = |text: &str| -> Attributes {
        ["title", "nick", "id", "password", "born", "unheard-of"]
            .into_iter()
            .map(|name| (name.to_owned(), vec![text.into()]))
            .collect()
    };
    let mut has = all("old");
    has.remove("nick");
    assert_eq!(drift(&schema, &all("new"), &has), ["born", "title"]);
    has.insert("nick".to_owned(), Vec::new());
    assert_eq!(drift(&schema, &all("new"), &has), ["born", "nick", "title"], "a known empty one differs");
}

#[test]
fn a_schema_refuses_bad_names_and_repetitions() {
    let named = |name: &str| AttributeDefinition::text(name, "");
    assert!(Schema::new([named("name.givenName"), named("urn:x:y")]).is_ok());
    assert_eq!(Schema::new([named("1st")]), Err(SchemaError::BadName("1st".to_owned())));
    assert_eq!(Schema::new([named("")]), Err(SchemaError::BadName(String::new())));
    assert_eq!(Schema::new([named("a"), named("a")]), Err(SchemaError::Duplicate("a".to_owned())));
}

fn any_type() -> impl Strategy<Value = AttributeType> {
    prop::sample::select(TYPES.to_vec())
}

fn any_definition() -> impl Strategy<Value = AttributeDefinition> {
    (any_type(), any::<bool>(), any::<bool>()).prop_map(|(kind, multi_valued, case_exact)| AttributeDefinition {
        multi_valued,
        case_exact,
        ..AttributeDefinition::text("a", "").of_type(kind)
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ aAbBéß]{0,3}",
        "[+-]?[0-9]{1,4}(\\.[0-9]{1,3})?",
        "(true|False|TRUE)",
        "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,3})?(Z|z|[+-][0-2][0-9]:[0-5][0-9])",
    ]
}

fn any_values(primaries: bool) -> impl Strategy<Value = Vec<Value>> {
    let value = (any_text(), prop::option::of("(work|home|WORK)"), any::<bool>());
    prop::collection::vec(
        value.prop_map(move |(text, kind, primary)| Value { text, kind, primary: primary && primaries }),
        0..4,
    )
}

proptest! {
    #[test]
    fn canonical_text_is_idempotent(kind in any_type(), text in any_text()) {
        if let Ok(once) = canonical_text(kind, &text) {
            prop_assert_eq!(canonical_text(kind, &once), Ok(once.clone()));
        }
    }

    #[test]
    fn values_are_the_same_as_themselves(definition in any_definition(), values in any_values(true)) {
        prop_assert!(same_values(&definition, &values, &values));
    }

    #[test]
    fn comparison_is_symmetric_as_long_as_nobody_states_a_preference(
        definition in any_definition(), one in any_values(false), other in any_values(false),
    ) {
        prop_assert_eq!(same_values(&definition, &one, &other), same_values(&definition, &other, &one));
    }

    #[test]
    fn canonical_spelling_never_makes_a_difference(definition in any_definition(), values in any_values(true)) {
        let spelt: Vec<Value> = values
            .iter()
            .map(|v| Value { text: canonical_text(definition.kind, &v.text).unwrap_or(v.text.clone()), ..v.clone() })
            .collect();
        prop_assert!(same_values(&definition, &values, &spelt));
    }

    #[test]
    fn what_was_not_returned_never_drifts(definition in any_definition(), wanted in any_values(true)) {
        let schema = Schema::new([definition]).unwrap();
        let wanted: Attributes = [("a".to_owned(), wanted)].into();
        prop_assert_eq!(drift(&schema, &wanted, &Attributes::new()), Vec::<String>::new());
        prop_assert_eq!(drift(&schema, &wanted, &wanted), Vec::<String>::new());
    }
}
