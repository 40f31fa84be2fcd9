//! What a rule makes its value of, and how a rule is written: with `value` for a template, or with `expression`.

use super::{MappingRule, Template};
use crate::{Expression, ExpressionError, Facts, UsedAttributes, User};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the value of a rule is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A text with holes; without any, a constant.
    Template(Template),
    /// An expression in CEL over `user`.
    Expression(Expression),
}

impl Source {
    /// The attribute of the user, if it is that and nothing else (filters aside).
    pub(crate) fn plain(&self) -> Option<&str> {
        match self {
            Self::Template(template) => template.plain(),
            Self::Expression(_) => None,
        }
    }

    /// The attributes of the user that it uses.
    pub fn used_attributes(&self) -> UsedAttributes {
        match self {
            Self::Template(template) => UsedAttributes::Only(template.holes().map(str::to_owned).collect()),
            Self::Expression(expression) => expression.used_attributes(),
        }
    }

    /// The texts it gives for a user.
    pub(super) fn texts(&self, user: &User) -> Result<Vec<String>, ExpressionError> {
        match self {
            Self::Template(template) => Ok(template.values(user)),
            Self::Expression(expression) => expression.texts(&Facts::of(user)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(template) => template.fmt(f),
            Self::Expression(expression) => expression.fmt(f),
        }
    }
}

impl MappingRule {
    /// A rule that makes an attribute of something, and says nothing else about it.
    pub fn new(attribute: &str, value: Source) -> Self {
        Self {
            attribute: attribute.to_owned(),
            value,
            default: None,
            kind: None,
            primary: false,
            only_on_create: false,
            required: false,
        }
    }
}

/// A rule as it is written and stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRule {
    attribute: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Template>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expression: Option<Expression>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    primary: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    only_on_create: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    required: bool,
}

impl TryFrom<WrittenRule> for MappingRule {
    type Error = String;
    fn try_from(written: WrittenRule) -> Result<Self, String> {
        let WrittenRule { attribute, value, expression, default, kind, primary, only_on_create, required } = written;
        let value = match (value, expression) {
            (Some(template), None) => Source::Template(template),
            (None, Some(expression)) => Source::Expression(expression),
            (None, None) => return Err(format!("the rule for `{attribute}` needs a `value` or an `expression`")),
            (Some(_), Some(_)) => {
                return Err(format!("the rule for `{attribute}` takes a `value` or an `expression`, not both"));
            }
        };
        Ok(Self { attribute, value, default, kind, primary, only_on_create, required })
    }
}

impl From<MappingRule> for WrittenRule {
    fn from(rule: MappingRule) -> Self {
        let MappingRule { attribute, value, default, kind, primary, only_on_create, required } = rule;
        let (value, expression) = match value {
            Source::Template(template) => (Some(template), None),
            Source::Expression(expression) => (None, Some(expression)),
        };
        Self { attribute, value, expression, default, kind, primary, only_on_create, required }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(written: &str, expected: &str) {
        let read = serde_json::from_str::<MappingRule>(written);
        let found = read.map_or_else(|error| error.to_string(), |rule| serde_json::to_string(&rule).unwrap());
        assert!(found.starts_with(expected), "{written}: {found}");
    }

    #[test]
    fn a_rule_is_written_with_a_value_or_an_expression() {
        for written in [
            r#"{"attribute":"a","value":"{email}"}"#,
            r#"{"attribute":"a","expression":"user.email","default":"x","kind":"work","primary":true,"only_on_create":true,"required":true}"#,
            // One that is wrong is kept as it is, so that what is stored can always be read.
            r#"{"attribute":"a","expression":"user.("}"#,
        ] {
            check(written, written);
        }
        check(r#"{"attribute":"a"}"#, "the rule for `a` needs a `value` or an `expression`");
        check(
            r#"{"attribute":"a","value":"x","expression":"null"}"#,
            "the rule for `a` takes a `value` or an `expression`, not both",
        );
        check(r#"{"attribute":"a","value":"x","wert":"y"}"#, "unknown field `wert`");
    }
}
