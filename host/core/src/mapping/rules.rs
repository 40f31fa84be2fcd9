//! Judging mapping rules against a connector's schema, and proposing them for a new app.

use super::{MappingRule, NO_ATTRIBUTE_YET, Source, Template, USERNAME};
use crate::lifecycle::NameAttributes;
use crate::problem::{Problem, unknown};
use crate::{Description, Expression, ProvisioningConfig, UsedAttributes};
use gatehouse_schema::{AttributeDefinition, Mutability, Schema, canonical_text};

/// Everything that is wrong with a mapping, as far as the schema alone can tell.
pub fn validate(rules: &[MappingRule], schema: &Schema) -> Vec<Problem> {
    rules.iter().enumerate().flat_map(|(no, rule)| problems_of(no, rule, &rules[..no], schema)).collect()
}

fn problems_of(no: usize, rule: &MappingRule, before: &[MappingRule], schema: &Schema) -> Vec<Problem> {
    let attribute = &rule.attribute;
    let mut problems = Vec::new();
    let mut add = |field: &str, why: String| problems.push(Problem::new(format!("mapping[{no}].{field}"), why));
    match &rule.value {
        Source::Template(template) => {
            for hole in template.holes().filter(|hole| NO_ATTRIBUTE_YET.contains(hole)) {
                let why = "it refers to another user; the expression `user.manager` gives the manager's username";
                add("value", format!("`{hole}` of a user cannot be mapped: {why}"));
            }
        }
        Source::Expression(expression) => {
            if let Some(why) = of_user_alone(expression) {
                add("expression", why);
            }
        }
    }
    let definition = schema.get(attribute);
    let single = definition.is_none_or(|d| !d.multi_valued);
    if attribute != USERNAME {
        match definition {
            None => {
                add("attribute", unknown("attribute", attribute, schema.names().chain([USERNAME])));
                return problems;
            }
            Some(d) if d.mutability == Mutability::ReadOnly => {
                add("attribute", format!("only the target can set `{attribute}`"));
            }
            Some(d) => {
                let unfit = rule.default.as_deref().and_then(|default| canonical_text(d.kind, default).err());
                if let Some(unfit) = unfit {
                    add("default", unfit.to_string());
                }
            }
        }
    }
    if rule.default.as_ref().is_some_and(|default| default.trim().is_empty()) {
        add("default", "is empty, which is what a rule without a default gives".to_owned());
    }
    if single && rule.kind.is_some() {
        add("kind", format!("`{attribute}` has a single value, which takes no label"));
    }
    if single && rule.primary {
        add("primary", format!("`{attribute}` has a single value, which is not preferred to any other"));
    }
    if let Some(earlier) = before.iter().position(|other| other.attribute == *attribute) {
        if single {
            add("attribute", format!("`{attribute}` has a single value, and mapping[{earlier}] sets it already"));
        } else if before[earlier].only_on_create != rule.only_on_create {
            // An update gives all values of an attribute: it would drop those set on creation.
            add("only_on_create", format!("must be as in mapping[{earlier}], which sets `{attribute}` too"));
        }
    }
    if rule.primary && before.iter().any(|other| other.attribute == *attribute && other.primary) {
        add("primary", format!("another value of `{attribute}` is the preferred one already"));
    }
    problems
}

/// What is wrong with an expression that is about a user and nobody else.
pub(crate) fn of_user_alone(expression: &Expression) -> Option<String> {
    let wrong = expression.problem().cloned().or_else(|| expression.names_account());
    wrong.map(|error| error.to_string())
}

/// Which attributes of a user an account is made of: only a change of these can change an account. What is set only on
/// creation plays no part in a change, and so is left out. Where an expression works out the name of an attribute, it
/// is all of them.
pub fn used_attributes(rules: &[MappingRule]) -> UsedAttributes {
    let mut used = UsedAttributes::none();
    rules.iter().filter(|rule| !rule.only_on_create).for_each(|rule| used.extend(rule.value.used_attributes()));
    used
}

/// Whether a configuration looks at the username of a user's manager, which whoever loads the user has to look up
/// (`User::manager_username`).
pub fn uses_manager(config: &ProvisioningConfig) -> bool {
    let mapping = config.mapping.iter().filter_map(|rule| match &rule.value {
        Source::Expression(expression) => Some(expression),
        Source::Template(_) => None,
    });
    let conditions = config.linking.iter().filter_map(|rule| rule.condition.as_ref());
    mapping.chain(conditions).chain(&config.scope).any(|expression| expression.used_attributes().uses("manager"))
}

/// The mapping a new app starts with: what the connector suggests, as far as it can be done.
pub fn suggested(description: &Description) -> Vec<MappingRule> {
    description.attributes.iter().filter_map(suggestion).collect()
}

fn suggestion(definition: &AttributeDefinition) -> Option<MappingRule> {
    let value: Template = definition.suggested.as_deref()?.parse().ok()?;
    let impossible =
        definition.mutability == Mutability::ReadOnly || value.holes().any(|hole| NO_ATTRIBUTE_YET.contains(&hole));
    // Addresses carry labels by custom (RFC 7643 section 4.1.2); other lists (roles, entitlements) need not.
    let name = definition.name.to_lowercase();
    let labelled = definition.multi_valued && ["mail", "phone", "address"].iter().any(|part| name.contains(part));
    (!impossible).then(|| MappingRule {
        kind: labelled.then(|| "work".to_owned()),
        primary: labelled,
        ..MappingRule::new(&definition.name, Source::Template(value))
    })
}

/// The attribute of the account (or `username`) that is mapped plainly from an attribute of the user: the preferred
/// value where there are several, an attribute of the schema rather than the username.
pub fn plain_attribute<'a>(rules: &'a [MappingRule], user_attribute: &str) -> Option<&'a str> {
    let plain = rules.iter().filter(|rule| rule.value.plain() == Some(user_attribute));
    plain.min_by_key(|rule| (rule.attribute == USERNAME, !rule.primary)).map(|rule| rule.attribute.as_str())
}

/// The attribute that marks an account as ours: mapped from the user's `id` alone, and one that can be searched for.
/// Where a create got no answer, it proves which account is the one that was made.
pub fn marker<'a>(rules: &'a [MappingRule], description: &Description) -> Option<&'a str> {
    let marks = |rule: &&MappingRule| {
        rule.attribute != USERNAME
            && rule.value.plain() == Some("id")
            && description.searchable.contains(&rule.attribute)
    };
    rules.iter().find(marks).map(|rule| rule.attribute.as_str())
}

/// The attributes from which an account's own email and names are filled in.
pub fn name_attributes(rules: &[MappingRule]) -> NameAttributes {
    let plain = |user_attribute| plain_attribute(rules, user_attribute).map(str::to_owned);
    NameAttributes { email: plain("email"), first_name: plain("first_name"), last_name: plain("last_name") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{cel, rule, schema};
    use super::*;
    use crate::testing::description;

    fn check(rules: &[&str], expected: &[&str]) {
        let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
        let found: Vec<String> = validate(&rules, &schema()).iter().map(Problem::to_string).collect();
        assert_eq!(found, expected, "{rules:#?}");
    }

    #[test]
    fn a_mapping_that_fits_the_schema_has_no_problems() {
        check(&["family={last_name}", "username={email}", "mails:work*={email}", "mails:home={private}"], &[]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        check(
            &["family=x", "mail={email}"],
            &["mapping[1].attribute: there is no attribute `mail`; did you mean `mails`?"],
        );
        check(&["made=x"], &["mapping[0].attribute: only the target can set `made`"]);
        check(&["nick:work=x"], &["mapping[0].kind: `nick` has a single value, which takes no label"]);
        check(
            &["username*=x"],
            &["mapping[0].primary: `username` has a single value, which is not preferred to any other"],
        );
        check(
            &["nick=x", "nick=y"],
            &["mapping[1].attribute: `nick` has a single value, and mapping[0] sets it already"],
        );
        check(
            &["mails=x", "mails!=y"],
            &["mapping[1].only_on_create: must be as in mapping[0], which sets `mails` too"],
        );
        check(
            &["mails*=x", "mails*=y"],
            &["mapping[1].primary: another value of `mails` is the preferred one already"],
        );
        check(
            &["nick={manager}"],
            &["mapping[0].value: `manager` of a user cannot be mapped: it refers to another user; the expression \
               `user.manager` gives the manager's username"],
        );
    }

    #[test]
    fn expressions_and_defaults_that_do_not_fit_are_named_with_their_place() {
        let check = |rule: MappingRule, expected: &[&str]| {
            let found: Vec<String> =
                validate(std::slice::from_ref(&rule), &schema()).iter().map(Problem::to_string).collect();
            assert_eq!(found, expected, "{rule:#?}");
        };
        let with_default = |text: &str, default: &str| MappingRule { default: Some(default.to_owned()), ..rule(text) };
        check(cel("nick", "user.manager"), &[]);
        check(with_default("level={grade}", "7"), &[]);
        check(
            cel("nick", "user.nick"),
            &[
                "mapping[0].expression: line 1, column 5: `user` has no `nick`; a free attribute is `user.attributes.nick`",
            ],
        );
        let account = "mapping[0].expression: line 1, column 8: there is no account here; only conditions of linking rules have one";
        check(cel("nick", "account.username"), &[account]);
        check(with_default("level={grade}", "low"), &["mapping[0].default: `low` is not a whole number"]);
        check(
            with_default("nick={grade}", " "),
            &["mapping[0].default: is empty, which is what a rule without a default gives"],
        );
    }

    #[test]
    fn what_a_mapping_uses_is_known() {
        let used = |rules: &[MappingRule]| match used_attributes(rules) {
            UsedAttributes::All => "all".to_owned(),
            UsedAttributes::Only(names) => names.into_iter().collect::<Vec<_>>().join(" "),
        };
        assert_eq!(used(&[]), "");
        let rules = [
            rule("nick={first_name}.{grade|lower}"),
            cel("family", "user.last_name + user.attributes.x.first()"),
            rule("staff!={id}"),
            cel("roles", "user.permission_sets"),
        ];
        assert_eq!(used(&rules), "first_name grade last_name permission_sets x");
        assert_eq!(used(&[rule("nick={email}"), cel("roles", "user.attributes[user.profile]")]), "all");
        assert!(used_attributes(&rules).uses("grade") && !used_attributes(&rules).uses("id"));
        assert!(UsedAttributes::All.uses("anything"));
    }

    #[test]
    fn suggestions_become_rules_that_are_valid() {
        let description = description();
        let rules = suggested(&description);
        let shown: Vec<_> = rules.iter().map(|r| (r.attribute.as_str(), r.kind.as_deref(), r.primary)).collect();
        assert_eq!(shown, [("externalId", None, false), ("displayName", None, false), ("emails", Some("work"), true)]);
        assert_eq!(validate(&rules, &description.schema().unwrap()), []);
    }

    #[test]
    fn the_plainly_mapped_attribute_is_the_preferred_one_and_rather_no_username() {
        let rules: Vec<_> =
            ["username={email}", "mails:home={email|lower}", "mails:work*={email}", "nick={first_name}!"]
                .map(rule)
                .into_iter()
                .collect();
        assert_eq!(plain_attribute(&rules, "email"), Some("mails"));
        assert_eq!(plain_attribute(&rules[..1], "email"), Some("username"));
        assert_eq!(plain_attribute(&rules, "first_name"), None);
    }

    #[test]
    fn only_a_searchable_attribute_made_of_the_id_alone_marks_an_account() {
        let description = description();
        let marked_by = |text: &str| marker(&[rule(text)], &description).map(str::to_owned);
        assert_eq!(marked_by("externalId={id}").as_deref(), Some("externalId"));
        assert_eq!(marked_by("externalId=gatehouse-{id}"), None, "made of more than the id");
        assert_eq!(marked_by("displayName={id}"), None, "cannot be searched for");
        assert_eq!(marked_by("username={id}"), None, "is the username");
    }
}
