//! Filling the mapping rules in for one user: what an account of theirs is to look like.

use super::{Filter, MappingRule, Segment, Template, USERNAME};
use crate::{Desired, ExpressionError, User};
use gatehouse_schema::{
    AttributeDefinition, AttributeType, Attributes, Mutability, Schema, Status, Value, canonical_text,
};
use std::borrow::Cow;

/// What the values are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To make an account: attributes without a value are left out.
    Create,
    /// To change or compare one: attributes without a value are listed empty, which clears them, and what is set
    /// only on creation is left alone.
    Update,
}

/// Why an account cannot be described for a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// A rule names an attribute that the connector does not know.
    #[error("the mapping sets attribute `{attribute}`, which the connector does not have")]
    UnknownAttribute {
        /// The attribute.
        attribute: String,
    },
    /// A rule names an attribute that only the target sets.
    #[error("the mapping sets attribute `{attribute}`, which only the target can set")]
    ReadOnly {
        /// The attribute.
        attribute: String,
    },
    /// A value is not of the attribute's type.
    #[error("attribute `{attribute}` of user {user}: {why}")]
    BadValue {
        /// The attribute.
        attribute: String,
        /// The user.
        user: String,
        /// The value and what it should be; the value is left out where the attribute is sensitive.
        why: String,
    },
    /// An expression cannot be evaluated for the user.
    #[error("attribute `{attribute}` of user {user} cannot be made of `{expression}`: {error}")]
    Expression {
        /// The attribute.
        attribute: String,
        /// The user.
        user: String,
        /// The expression.
        expression: String,
        /// Where it fails, and why.
        error: ExpressionError,
    },
    /// An attribute that every account needs has no value.
    #[error("attribute `{attribute}` is required, and user {user} has nothing to make it of: {remedy}")]
    Required {
        /// The attribute.
        attribute: String,
        /// The user.
        user: String,
        /// What to do.
        remedy: String,
    },
    /// There is nothing to make the username of.
    #[error("user {user} has nothing to make the account's username of: the mapping makes it of `{source}`", source = .from)]
    NoUsername {
        /// The user.
        user: String,
        /// The template or expression.
        from: String,
    },
}

/// Attributes of users that no template can use yet: they refer to other users, whom a mapping does not see.
pub(crate) const NO_ATTRIBUTE_YET: [&str; 1] = ["manager"];

/// What an account of this user is to be: all rules, with their templates filled in.
///
/// Users who are active and not frozen are to have a usable account. Without a rule for it, the username is the
/// user's own when an account is made, and left alone afterwards; a rule for it makes it part of every update, as an
/// attribute named `username`.
///
/// # Errors
/// A rule does not fit the schema, a value is not of its attribute's type, or a required attribute has no value.
pub fn desired(rules: &[MappingRule], user: &User, schema: &Schema, purpose: Purpose) -> Result<Desired, MappingError> {
    let mut attributes = Attributes::new();
    let of_attributes = rules.iter().filter(|rule| rule.attribute != USERNAME);
    for rule in of_attributes.filter(|rule| purpose == Purpose::Create || !rule.only_on_create) {
        let definition = definition_of(rule, schema)?;
        add_values(attributes.entry(rule.attribute.clone()).or_default(), rule, user, definition)?;
    }
    check_required(&attributes, rules, user, schema, purpose)?;
    if purpose == Purpose::Create {
        attributes.retain(|_, values| !values.is_empty());
    }
    let status = if user.active && !user.frozen { Status::Active } else { Status::Deactivated };
    let username = username(rules, user)?;
    // An account that was found may have another name for good reasons: it is renamed only where a rule says so.
    let renames = rules.iter().any(|rule| rule.attribute == USERNAME && !rule.only_on_create);
    if purpose == Purpose::Update && renames {
        attributes.insert(USERNAME.to_owned(), vec![Value::text(username.clone())]);
    }
    Ok(Desired { username, attributes, status })
}

fn definition_of<'a>(rule: &MappingRule, schema: &'a Schema) -> Result<&'a AttributeDefinition, MappingError> {
    let attribute = || rule.attribute.clone();
    let definition =
        schema.get(&rule.attribute).ok_or_else(|| MappingError::UnknownAttribute { attribute: attribute() })?;
    match definition.mutability {
        Mutability::ReadOnly => Err(MappingError::ReadOnly { attribute: attribute() }),
        _ => Ok(definition),
    }
}

fn username(rules: &[MappingRule], user: &User) -> Result<String, MappingError> {
    let Some(rule) = rules.iter().find(|rule| rule.attribute == USERNAME) else { return Ok(user.username.clone()) };
    let text = texts(rule, user)?.into_iter().next().unwrap_or_default().trim().to_owned();
    if text.is_empty() {
        return Err(MappingError::NoUsername { user: called(user), from: rule.value.to_string() });
    }
    Ok(text)
}

/// The texts that a rule gives for a user, empty ones aside: those of its default, if there are no others.
fn texts(rule: &MappingRule, user: &User) -> Result<Vec<String>, MappingError> {
    let mut texts = rule.value.texts(user).map_err(|error| MappingError::Expression {
        attribute: rule.attribute.clone(),
        user: called(user),
        expression: rule.value.to_string(),
        error,
    })?;
    texts.retain(|text| !text.trim().is_empty());
    if texts.is_empty() {
        texts.extend(rule.default.clone());
    }
    if texts.is_empty() && rule.required {
        let remedy = format!("it is mapped from `{}`", rule.value);
        return Err(MappingError::Required { attribute: rule.attribute.clone(), user: called(user), remedy });
    }
    Ok(texts)
}

/// What one rule comes to for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedRule {
    /// Its place in the mapping.
    pub no: usize,
    /// Whether it plays a part: what is set only on creation plays none in an update.
    pub applies: bool,
    /// Whether the values are the rule's default.
    pub by_default: bool,
    /// The values, canonical; or why there are none.
    pub values: Result<Vec<Value>, MappingError>,
}

/// Each rule by itself, for somebody who wants to see what an account is made of and why.
pub fn rule_by_rule(rules: &[MappingRule], user: &User, schema: &Schema, purpose: Purpose) -> Vec<MappedRule> {
    let values = |rule: &MappingRule| {
        if rule.attribute == USERNAME {
            return username(std::slice::from_ref(rule), user).map(|name| vec![Value::text(name)]);
        }
        let mut values = Vec::new();
        add_values(&mut values, rule, user, definition_of(rule, schema)?)?;
        Ok(values)
    };
    let mapped = |(no, rule): (usize, &MappingRule)| {
        let empty = rule.value.texts(user).is_ok_and(|texts| texts.iter().all(|text| text.trim().is_empty()));
        MappedRule {
            no,
            applies: purpose == Purpose::Create || !rule.only_on_create,
            by_default: empty && rule.default.is_some(),
            values: values(rule),
        }
    };
    rules.iter().enumerate().map(mapped).collect()
}

/// Adds what a rule gives to the values of its attribute: canonical, without empty ones and repetitions, one if the
/// attribute takes one, and at most one of them primary.
fn add_values(
    into: &mut Vec<Value>,
    rule: &MappingRule,
    user: &User,
    definition: &AttributeDefinition,
) -> Result<(), MappingError> {
    for text in texts(rule, user)? {
        let text = canonical_text(definition.kind, &text).map_err(|e| MappingError::BadValue {
            attribute: rule.attribute.clone(),
            user: called(user),
            why: if definition.sensitive { format!("the value is not {}", wanted(e.kind)) } else { e.to_string() },
        })?;
        let full = !definition.multi_valued && !into.is_empty();
        if !full && !into.iter().any(|v| v.text == text && v.kind == rule.kind) {
            let primary = rule.primary && !into.iter().any(|v| v.primary);
            into.push(Value { text, kind: rule.kind.clone(), primary });
        }
    }
    Ok(())
}

/// The type in words, for values that must not be shown.
fn wanted(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::Boolean => "true or false",
        AttributeType::Integer => "a whole number",
        AttributeType::Decimal => "a decimal number",
        AttributeType::DateTime => "a date and time (RFC 3339)",
        AttributeType::Text | AttributeType::Reference | AttributeType::Binary => "text",
    }
}

/// A new account needs every required attribute; a change may not clear one, and need not mention it.
fn check_required(
    attributes: &Attributes,
    rules: &[MappingRule],
    user: &User,
    schema: &Schema,
    purpose: Purpose,
) -> Result<(), MappingError> {
    let lacks = |definition: &&AttributeDefinition| match attributes.get(&definition.name) {
        Some(values) => values.is_empty(),
        None => purpose == Purpose::Create,
    };
    let settable = |d: &&AttributeDefinition| d.required && d.mutability != Mutability::ReadOnly;
    let Some(definition) = schema.iter().filter(settable).find(lacks) else { return Ok(()) };
    let attribute = definition.name.clone();
    let remedy = match rules.iter().find(|rule| rule.attribute == attribute) {
        Some(rule) => format!("it is mapped from `{}`", rule.value),
        None => "map it".to_owned(),
    };
    Err(MappingError::Required { attribute, user: called(user), remedy })
}

fn called(user: &User) -> String {
    format!("`{}` ({})", user.username, user.id)
}

/// The values of a user's attribute by the name that templates and linking rules use, the number as `id` included.
pub(crate) fn user_values<'a>(user: &'a User, attribute: &str) -> Vec<Cow<'a, str>> {
    match attribute {
        "id" => vec![Cow::Owned(user.id.to_string())],
        _ => user.values(attribute).into_iter().map(Cow::Borrowed).collect(),
    }
}

impl Template {
    /// The attribute of the user, if the template is that and nothing else (filters aside).
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [Segment::Hole { attribute, .. }] => Some(attribute),
            _ => None,
        }
    }

    /// The attributes of the user that it uses.
    pub(crate) fn holes(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Hole { attribute, .. } => Some(attribute.as_str()),
            Segment::Text(_) => None,
        })
    }

    /// What it gives for a user: all values of a hole that stands alone, else one text made of the first value of
    /// each hole, or none if a hole has no value.
    pub(crate) fn values(&self, user: &User) -> Vec<String> {
        if let [Segment::Hole { attribute, filters }] = self.segments.as_slice() {
            return user_values(user, attribute).into_iter().map(|value| filtered(filters, &value)).collect();
        }
        let piece = |segment: &Segment| match segment {
            Segment::Text(text) => Some(text.clone()),
            Segment::Hole { attribute, filters } => {
                let value = user_values(user, attribute).into_iter().find(|value| !value.trim().is_empty())?;
                Some(filtered(filters, &value))
            }
        };
        self.segments.iter().map(piece).collect::<Option<String>>().into_iter().collect()
    }
}

fn filtered(filters: &[Filter], value: &str) -> String {
    filters.iter().fold(value.to_owned(), |value, filter| match filter {
        Filter::Lower => value.to_lowercase(),
        Filter::Upper => value.to_uppercase(),
        Filter::Trim => value.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{ada, cel, rule, schema};
    use super::*;

    /// Attributes as `name=value,value(kind*)`, for tables.
    fn shown(attributes: &Attributes) -> String {
        let value = |v: &Value| {
            let kind = v.kind.as_deref().unwrap_or_default();
            let mark = if v.primary { "*" } else { "" };
            if kind.is_empty() && mark.is_empty() { v.text.clone() } else { format!("{}({kind}{mark})", v.text) }
        };
        let line = |(name, values): (&String, &Vec<Value>)| {
            format!("{name}={}", values.iter().map(value).collect::<Vec<_>>().join(","))
        };
        attributes.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    fn check(rules: &[&str], purpose: Purpose, expected: &str) {
        let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
        let found = match desired(&rules, &ada(), &schema(), purpose) {
            Ok(desired) => format!("{} {:?} {}", desired.username, desired.status, shown(&desired.attributes)),
            Err(error) => error.to_string(),
        };
        assert_eq!(found.trim_end(), expected, "{rules:#?}");
    }

    const NAME: &str = "family={last_name}";

    #[test]
    fn templates_are_filled_in_and_values_canonical() {
        use Purpose::Create;
        check(&[NAME], Create, "Ada Active family=Lovelace");
        check(&[NAME, "username={email|lower}"], Create, "ada@example.com Active family=Lovelace");
        check(
            &[NAME, "username={email|lower}"],
            Purpose::Update,
            "ada@example.com Active family=Lovelace username=ada@example.com",
        );
        check(&[NAME, "nick={first_name}.{last_name|upper}"], Create, "Ada Active family=Lovelace nick=Ada.LOVELACE");
        check(&[NAME, "staff={{{id}}}"], Create, "Ada Active family=Lovelace staff={USR-000007}");
        check(&[NAME, "vip=TRUE"], Create, "Ada Active family=Lovelace vip=true");
        check(&[NAME, "level={grade}"], Create, "Ada Active family=Lovelace level=7");
    }

    #[test]
    fn a_hole_that_stands_alone_passes_all_values_where_several_fit() {
        use Purpose::Create;
        check(&[NAME, "roles={role}"], Create, "Ada Active family=Lovelace roles=admin,dev");
        check(&[NAME, "nick={role}"], Create, "Ada Active family=Lovelace nick=admin");
        check(&[NAME, "roles=x-{role}"], Create, "Ada Active family=Lovelace roles=x-admin");
        check(
            &[NAME, "mails:work*={email}", "mails:home*={username}@home.example"],
            Create,
            "Ada Active family=Lovelace mails=Ada@Example.com(work*),Ada@home.example(home)",
        );
        check(&[NAME, "roles*={role}"], Create, "Ada Active family=Lovelace roles=admin(*),dev");
    }

    #[test]
    fn a_missing_value_is_left_out_of_a_new_account_and_clears_an_old_one() {
        check(&[NAME, "nick={shoe_size}"], Purpose::Create, "Ada Active family=Lovelace");
        check(&[NAME, "nick={shoe_size}"], Purpose::Update, "Ada Active family=Lovelace nick=");
        check(&[NAME, "nick={first_name} {shoe_size}"], Purpose::Update, "Ada Active family=Lovelace nick=");
        check(&[NAME, "nick={blank}"], Purpose::Update, "Ada Active family=Lovelace nick=");
    }

    #[test]
    fn what_is_set_only_on_creation_is_no_part_of_an_update() {
        check(&[NAME, "nick!={first_name}"], Purpose::Create, "Ada Active family=Lovelace nick=Ada");
        check(&[NAME, "nick!={first_name}"], Purpose::Update, "Ada Active family=Lovelace");
    }

    #[test]
    fn a_required_attribute_needs_a_value_where_it_is_set() {
        let who = "user `Ada` (USR-000007)";
        let lack = format!("attribute `family` is required, and {who} has nothing to make it of");
        check(&[], Purpose::Create, &format!("{lack}: map it"));
        check(&[], Purpose::Update, "Ada Active");
        check(&["family={x}"], Purpose::Create, &format!("{lack}: it is mapped from `{{x}}`"));
        check(&["family={x}"], Purpose::Update, &format!("{lack}: it is mapped from `{{x}}`"));
    }

    #[test]
    fn expressions_defaults_and_what_a_rule_requires() {
        let check = |rules: &[MappingRule], purpose: Purpose, expected: &str| {
            let found = match desired(rules, &ada(), &schema(), purpose) {
                Ok(desired) => format!("{} {}", desired.username, shown(&desired.attributes)),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expected, "{rules:#?}");
        };
        let family = || rule(NAME);
        let nick = |expression: &str| cel("nick", expression);
        let create = Purpose::Create;
        check(
            &[family(), nick("user.first_name.lower() + '.' + user.last_name")],
            create,
            "Ada family=Lovelace nick=ada.Lovelace",
        );
        check(
            &[family(), cel("roles", "user.attributes.role + ['all', '']")],
            create,
            "Ada family=Lovelace roles=admin,dev,all",
        );
        check(&[family(), cel("vip", "user.profile == 'staff'")], create, "Ada family=Lovelace vip=true");
        check(&[family(), cel("level", "size(user.attributes.role)")], create, "Ada family=Lovelace level=2");
        check(&[family(), cel("username", "user.email.split('@').first().lower()")], create, "ada family=Lovelace");
        check(&[family(), nick("user.attributes.shoe.first()")], Purpose::Update, "Ada family=Lovelace nick=");
        let defaulted = |rule: MappingRule| MappingRule { default: Some("none".to_owned()), ..rule };
        check(&[family(), defaulted(nick("null"))], Purpose::Update, "Ada family=Lovelace nick=none");
        check(&[family(), defaulted(rule("nick={blank}"))], create, "Ada family=Lovelace nick=none");
        check(&[family(), defaulted(rule("nick={first_name}"))], create, "Ada family=Lovelace nick=Ada");
        check(&[family(), defaulted(cel("username", "null"))], create, "none family=Lovelace");
        let required = |rule: MappingRule| MappingRule { required: true, ..rule };
        let lack =
            "attribute `nick` is required, and user `Ada` (USR-000007) has nothing to make it of: it is mapped from";
        check(&[family(), required(rule("nick={shoe}"))], create, &format!("{lack} `{{shoe}}`"));
        check(&[family(), required(nick("null"))], Purpose::Update, &format!("{lack} `null`"));
        check(&[family(), required(defaulted(nick("null")))], create, "Ada family=Lovelace nick=none");
        let fails = "attribute `nick` of user `Ada` (USR-000007) cannot be made of `user.attributes.role[7]`: \
                     line 1, column 21: the list has no element 7; `first()` gives null where there is none";
        check(&[family(), nick("user.attributes.role[7]")], create, fails);
    }

    #[test]
    fn each_rule_can_be_seen_by_itself() {
        let rules = [
            rule("nick!={first_name}"),
            MappingRule { default: Some("7".to_owned()), ..rule("level={shoe}") },
            cel("roles", "[1 / 0]"),
            rule("username={email}"),
        ];
        let seen: Vec<_> = rule_by_rule(&rules, &ada(), &schema(), Purpose::Update)
            .into_iter()
            .map(|mapped| {
                let values =
                    mapped.values.map(|values| values.into_iter().map(|v| v.text).collect::<Vec<_>>().join(","));
                (mapped.no, mapped.applies, mapped.by_default, values.unwrap_or_else(|error| error.to_string()))
            })
            .collect();
        let fails = "attribute `roles` of user `Ada` (USR-000007) cannot be made of `[1 / 0]`: line 1, column 4: it divides by zero";
        let text = str::to_owned;
        assert_eq!(
            seen,
            [
                (0, false, false, text("Ada")),
                (1, true, true, text("7")),
                (2, true, false, text(fails)),
                (3, true, false, text("Ada@Example.com")),
            ]
        );
    }

    #[test]
    fn what_cannot_be_mapped_is_named() {
        let who = "user `Ada` (USR-000007)";
        let check = |rule: &str, expected: &str| check(&[NAME, rule], Purpose::Update, expected);
        check("level={last_name}", &format!("attribute `level` of {who}: `Lovelace` is not a whole number"));
        check("pin={last_name}", &format!("attribute `pin` of {who}: the value is not a whole number"));
        check("made={last_name}", "the mapping sets attribute `made`, which only the target can set");
        check("shoe={last_name}", "the mapping sets attribute `shoe`, which the connector does not have");
        let none = format!("{who} has nothing to make the account's username of: the mapping makes it of `{{x}}`");
        check("username={x}", &none);
    }

    #[test]
    fn only_a_user_who_is_active_and_not_frozen_is_to_have_a_usable_account() {
        for (active, frozen, expected) in [
            (true, false, Status::Active),
            (true, true, Status::Deactivated),
            (false, false, Status::Deactivated),
            (false, true, Status::Deactivated),
        ] {
            let user = User { active, frozen, ..ada() };
            let status = desired(&[rule(NAME)], &user, &schema(), Purpose::Create).unwrap().status;
            assert_eq!(status, expected, "active {active}, frozen {frozen}");
        }
    }
}
