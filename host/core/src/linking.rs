//! Linking rules: how the user of an account is found, by pairs of attributes that are compared after normalisation.
//! Gives the texts that are compared; never compares accounts with users itself (`analysis` does, over a whole run).

use crate::letters::without_diacritics;
use crate::mapping::{NO_ATTRIBUTE_YET, USERNAME, user_values};
use crate::problem::{Problem, unknown};
use crate::{Description, Expression, UsedAttributes, User};
use gatehouse_schema::{Attributes, Mutability, Schema, is_attribute_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization as _;

/// One pair of attributes. A later rule is only asked where the earlier ones find nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRule {
    /// An attribute of the connector's schema, or `username`.
    pub account_attribute: String,
    /// An attribute of the user: `id`, `username`, `email`, `first_name`, `last_name`, `profile` or a free one.
    pub user_attribute: String,
    /// What is done to both sides before they are compared.
    #[serde(default)]
    pub normalise: Normalisation,
    /// In CEL, over `user` and `account`: only where it holds does the rule find the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
}

/// What is done to both sides before they are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Normalisation {
    /// Ignore case.
    pub case: bool,
    /// Ignore surrounding white space, and take inner runs of it as one space.
    pub whitespace: bool,
    /// Ignore diacritics: `Zoë` is `Zoe`, `Łukasz` is `Lukasz`, `Weiß` is `Weiss`. Off unless asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub diacritics: bool,
    /// Mail domains that are one: each key is replaced by its value.
    pub mail_aliases: BTreeMap<String, String>,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { case: true, whitespace: true, diacritics: false, mail_aliases: BTreeMap::new() }
    }
}

/// The most rules an app can have: each is a rank of evidence, and more than a few help nobody.
pub const MAX_RULES: usize = 16;

/// A text as it is compared under a rule; none if nothing is left of it.
///
/// Case is ignored by full lower-casing after compatibility composition (Unicode NFKC, UAX #15), with the two small
/// sigmas as one. A mail domain is what follows the last `@`, and is compared to aliases without regard to case
/// (RFC 5321 section 2.4). Diacritics are ignored as `letters` has it, the same on both sides: `Müller` is `Muller`,
/// and `Mueller` is neither.
pub fn normalise(rule: &Normalisation, text: &str) -> Option<String> {
    let text = fold(rule, text);
    let text = match text.rsplit_once('@') {
        Some((mailbox, domain)) if !rule.mail_aliases.is_empty() => {
            let alias = rule.mail_aliases.iter().find(|(from, _)| fold(rule, from).eq_ignore_ascii_case(domain));
            alias.map(|(_, to)| format!("{mailbox}@{}", fold(rule, to))).unwrap_or(text)
        }
        _ => text,
    };
    (!text.is_empty()).then_some(text)
}

fn fold(rule: &Normalisation, text: &str) -> String {
    let plain = |text: &str| if rule.diacritics { without_diacritics(text).into_owned() } else { text.to_owned() };
    let text = match (rule.case, text.is_ascii()) {
        (true, true) => text.to_ascii_lowercase(),
        (true, false) => {
            let small: String =
                plain(text).nfkc().collect::<String>().to_lowercase().replace('ς', "σ").nfkc().collect();
            // In small letters there may be a mark again: the small form of `İ` has one.
            plain(&small)
        }
        (false, _) => plain(text),
    };
    if rule.whitespace { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text }
}

/// What each rule compares on the side of a user: a list of texts per rule, without repetitions.
pub fn user_keys(rules: &[LinkRule], user: &User) -> Vec<Vec<String>> {
    let texts = |rule: &LinkRule| keys(rule, user_values(user, &rule.user_attribute).iter().map(AsRef::as_ref));
    rules.iter().map(texts).collect()
}

/// What each rule compares on the side of an account: a list of texts per rule, without repetitions.
pub fn account_keys(rules: &[LinkRule], username: &str, attributes: &Attributes) -> Vec<Vec<String>> {
    let texts = |rule: &LinkRule| match rule.account_attribute.as_str() {
        USERNAME => keys(rule, [username]),
        name => keys(rule, attributes.get(name).into_iter().flatten().map(|value| value.text.as_str())),
    };
    rules.iter().map(texts).collect()
}

fn keys<'a>(rule: &LinkRule, texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut keys: Vec<String> = texts.into_iter().filter_map(|text| normalise(&rule.normalise, text)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Everything that is wrong with linking rules, as far as the schema alone can tell.
pub fn validate(rules: &[LinkRule], schema: &Schema) -> Vec<Problem> {
    let mut problems = Vec::new();
    if rules.len() > MAX_RULES {
        problems.push(Problem::new("linking", format!("{} rules are too many; at most {MAX_RULES}", rules.len())));
    }
    for (no, rule) in rules.iter().enumerate() {
        let mut add = |field: &str, why: String| problems.push(Problem::new(format!("linking[{no}].{field}"), why));
        let attribute = &rule.account_attribute;
        match schema.get(attribute) {
            _ if attribute == USERNAME => {}
            None => add("account_attribute", unknown("attribute", attribute, schema.names().chain([USERNAME]))),
            Some(d) if d.mutability == Mutability::WriteOnly => {
                add("account_attribute", format!("`{attribute}` is never returned, so nothing can be found by it"));
            }
            Some(_) => {}
        }
        let of_user = &rule.user_attribute;
        if NO_ATTRIBUTE_YET.contains(&of_user.as_str()) {
            add("user_attribute", format!("nobody can be found by `{of_user}`: it refers to another user"));
        } else if !is_attribute_name(of_user) {
            add("user_attribute", format!("`{of_user}` is no attribute of a user"));
        }
        if let Some(why) = rule.condition.as_ref().and_then(|condition| condition_problem(condition, schema)) {
            add("condition", why);
        }
        for (from, to) in &rule.normalise.mail_aliases {
            if let Some(bad) = [from, to].into_iter().find(|domain| !looks_like_domain(domain)) {
                add("normalise.mail_aliases", format!("`{bad}` is no mail domain; it looks like `example.com`"));
            }
        }
        if let Some(earlier) = rules[..no].iter().position(|other| other == rule) {
            add("account_attribute", format!("this rule is the same as linking[{earlier}]"));
        }
    }
    problems
}

fn condition_problem(condition: &Expression, schema: &Schema) -> Option<String> {
    if let Some(error) = condition.problem() {
        return Some(error.to_string());
    }
    let UsedAttributes::Only(names) = condition.account_attributes() else { return None };
    let stranger = names.iter().find(|name| schema.get(name).is_none())?;
    Some(unknown("attribute", stranger, schema.names()))
}

fn looks_like_domain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c == '@' || c.is_whitespace())
}

/// The linking rules a new app starts with, the strongest evidence first: our own marker (what is made of `{id}`),
/// the username, then what else can be searched for and is plainly made of one attribute of the user.
pub fn suggested(description: &Description) -> Vec<LinkRule> {
    let mapping = crate::mapping::suggested(description);
    let plain = |name: &str| mapping.iter().find(|rule| rule.attribute == name).and_then(|rule| rule.value.plain());
    let rule = |account: &str, user: &str| LinkRule {
        account_attribute: account.to_owned(),
        user_attribute: user.to_owned(),
        normalise: Normalisation::default(),
        condition: None,
    };
    let searchable = || description.searchable.iter().map(String::as_str).filter(|name| *name != USERNAME);
    let marker = searchable().find(|name| plain(name) == Some("id")).map(|name| rule(name, "id"));
    let others = searchable().filter_map(|name| plain(name).filter(|from| *from != "id").map(|from| rule(name, from)));
    marker.into_iter().chain([rule(USERNAME, "username")]).chain(others).take(MAX_RULES).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{description, user};
    use gatehouse_schema::{AttributeDefinition, Value};
    use proptest::prelude::*;

    fn with(case: bool, whitespace: bool, aliases: &[(&str, &str)]) -> Normalisation {
        let mail_aliases = aliases.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Normalisation { case, whitespace, diacritics: false, mail_aliases }
    }

    fn check(rule: &Normalisation, text: &str, expected: Option<&str>) {
        assert_eq!(normalise(rule, text).as_deref(), expected, "{text:?} under {rule:?}");
    }

    #[test]
    fn case_is_ignored_beyond_ascii() {
        let rule = with(true, false, &[]);
        check(&rule, "ADA", Some("ada"));
        check(&rule, "ÅSA", Some("åsa"));
        check(&rule, "A\u{30a}sa", Some("åsa"));
        check(&rule, "ＡＤＡ", Some("ada"));
        check(&rule, "ΟΔΥΣΣΕΥΣ", Some("οδυσσευσ"));
        check(&rule, "οδυσσευς", Some("οδυσσευσ"));
        check(&with(false, false, &[]), "ADA", Some("ADA"));
    }

    #[test]
    fn white_space_is_ignored_round_the_text_and_runs_are_one_inside() {
        let rule = with(true, true, &[]);
        check(&rule, "  Ada \u{a0}\t Lovelace\n", Some("ada lovelace"));
        check(&with(true, false, &[]), " Ada ", Some(" ada "));
        check(&rule, " \t ", None);
        check(&rule, "", None);
    }

    #[test]
    fn aliases_of_a_mail_domain_are_one_domain() {
        let rule = with(true, true, &[("Old.example", "Example.com")]);
        check(&rule, "Ada@OLD.EXAMPLE", Some("ada@example.com"));
        check(&rule, "ada@example.com", Some("ada@example.com"));
        check(&rule, "\"a@b\"@old.example", Some("\"a@b\"@example.com"));
        check(&rule, "ada@sub.old.example", Some("ada@sub.old.example"));
        check(&rule, "old.example", Some("old.example"));
        check(&with(false, true, &[("old.example", "example.com")]), "Ada@Old.Example", Some("Ada@example.com"));
    }

    #[test]
    fn diacritics_are_ignored_where_that_is_asked_for() {
        let plain = Normalisation { diacritics: true, ..with(true, true, &[]) };
        check(&plain, "Zoë MÜLLER", Some("zoe muller"));
        check(&plain, "Weiß Øster", Some("weiss oster"));
        check(&plain, "İpek", Some("ipek"));
        check(&Normalisation { case: false, ..plain.clone() }, "Łukasz", Some("Lukasz"));
        check(&with(true, true, &[]), "Zoë", Some("zoë"));
    }

    #[test]
    fn a_condition_that_cannot_hold_is_named() {
        let schema = Schema::new([AttributeDefinition::text("emails", "").multi_valued()]).unwrap();
        let check = |condition: &str, expected: &[&str]| {
            let rule = LinkRule {
                account_attribute: "emails".to_owned(),
                user_attribute: "email".to_owned(),
                normalise: Normalisation::default(),
                condition: Some(Expression::new(condition)),
            };
            let found: Vec<_> = validate(&[rule], &schema).iter().map(Problem::to_string).collect();
            assert_eq!(found, expected, "{condition}");
        };
        check("account.username != 'x' && size(account.attributes.emails) == 1", &[]);
        check(
            "account.attributes.email != ['x']",
            &["linking[0].condition: there is no attribute `email`; did you mean `emails`?"],
        );
        check("user.", &["linking[0].condition: line 1, column 6: the expression ends here, and something is missing"]);
    }

    #[test]
    fn keys_are_taken_from_every_value_once() {
        let rule = |account: &str, user: &str| LinkRule {
            account_attribute: account.to_owned(),
            user_attribute: user.to_owned(),
            normalise: Normalisation::default(),
            condition: None,
        };
        let rules = [rule("externalId", "id"), rule("username", "username"), rule("emails", "email")];
        let ada = User { email: Some("Ada@x".to_owned()), ..user(7, "Ada") };
        assert_eq!(user_keys(&rules, &ada), [vec!["usr-000007"], vec!["ada"], vec!["ada@x"]]);
        let emails = vec![Value::text("B@x"), Value::text("a@x "), Value::text("A@X"), Value::text("")];
        let attributes = Attributes::from([("emails".to_owned(), emails)]);
        let none = Vec::<&str>::new();
        assert_eq!(account_keys(&rules, " ADA", &attributes), [none, vec!["ada"], vec!["a@x", "b@x"]]);
    }

    #[test]
    fn rules_that_can_find_nobody_are_named() {
        let schema = Schema::new([
            AttributeDefinition::text("emails", "").multi_valued(),
            AttributeDefinition::text("password", "").mutability(Mutability::WriteOnly),
        ])
        .unwrap();
        let check = |account: &str, user: &str, aliases: &[(&str, &str)], expected: &[&str]| {
            let rule = LinkRule {
                account_attribute: account.to_owned(),
                user_attribute: user.to_owned(),
                normalise: with(true, true, aliases),
                condition: None,
            };
            let found: Vec<_> = validate(&[rule], &schema).iter().map(Problem::to_string).collect();
            assert_eq!(found, expected);
        };
        check("emails", "email", &[("a.example", "b.example")], &[]);
        check("username", "shoe_size", &[], &[]);
        check(
            "email",
            "email",
            &[],
            &["linking[0].account_attribute: there is no attribute `email`; did you mean `emails`?"],
        );
        check(
            "password",
            "email",
            &[],
            &["linking[0].account_attribute: `password` is never returned, so nothing can be found by it"],
        );
        check(
            "emails",
            "manager",
            &[],
            &["linking[0].user_attribute: nobody can be found by `manager`: it refers to another user"],
        );
        check("emails", "e mail", &[], &["linking[0].user_attribute: `e mail` is no attribute of a user"]);
        check(
            "emails",
            "email",
            &[("@a.example", "b.example")],
            &["linking[0].normalise.mail_aliases: `@a.example` is no mail domain; it looks like `example.com`"],
        );
    }

    #[test]
    fn the_suggested_rules_begin_with_our_marker_and_the_username() {
        let pairs = |description: &Description| {
            let rules = suggested(description);
            assert_eq!(validate(&rules, &description.schema().unwrap()), []);
            rules.into_iter().map(|r| format!("{}={}", r.account_attribute, r.user_attribute)).collect::<Vec<_>>()
        };
        let whole = description();
        assert_eq!(pairs(&whole), ["externalId=id", "username=username", "emails=email"]);
        let unmarked = Description { searchable: vec!["emails".to_owned()], ..whole.clone() };
        assert_eq!(pairs(&unmarked), ["username=username", "emails=email"]);
        assert_eq!(pairs(&Description { attributes: vec![], searchable: vec![], ..whole }), ["username=username"]);
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_as_it_is(text in "\\PC{0,20}(@old\\.example)?", case: bool, whitespace: bool, diacritics: bool) {
            let rule = Normalisation { diacritics, ..with(case, whitespace, &[("old.example", "new.example")]) };
            if let Some(once) = normalise(&rule, &text) {
                prop_assert_eq!(normalise(&rule, &once), Some(once));
            }
        }
    }
}
