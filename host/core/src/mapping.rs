//! Attribute mapping: what the attributes of an account are made of, from the attributes of its user. The rules and
//! their templates stand here; `resolve` fills them in for a user, `rules` judges and proposes them, `trial` tries them
//! on users. Never looks at an account: what it has is compared elsewhere.

mod resolve;
mod rules;
mod source;
mod trial;

pub use resolve::{MappedRule, MappingError, Purpose, desired, rule_by_rule};
pub(crate) use resolve::{NO_ATTRIBUTE_YET, user_values};
pub(crate) use rules::of_user_alone;
pub use rules::{marker, name_attributes, plain_attribute, suggested, used_attributes, uses_manager, validate};
pub use source::Source;
pub use trial::{MAX_SAMPLES, blank_user, try_config};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The name under which a mapping rule sets an account's username, which is no attribute of the schema.
pub const USERNAME: &str = "username";

/// One value of one attribute. Rules with the same attribute add values to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "source::WrittenRule", into = "source::WrittenRule")]
pub struct MappingRule {
    /// An attribute of the connector's schema, or `username`.
    pub attribute: String,
    /// What the value is made of: written as `value`, a template, or as `expression`, in CEL.
    pub value: Source,
    /// The value where that gives none.
    pub default: Option<String>,
    /// The value's label (`work`).
    pub kind: Option<String>,
    /// Whether it is the preferred value.
    pub primary: bool,
    /// Set when the account is made, then left alone.
    pub only_on_create: bool,
    /// A user for whom there is no value is refused, rather than sent without.
    pub required: bool,
}

/// A text with holes for a user's attributes: `{first_name}.{last_name}@example.com`. A hole can pass its value
/// through filters: `{email|lower}`, also `upper`, `trim`. `{{` and `}}` stand for braces. Without holes it is a
/// constant; with one hole and nothing else it takes all values of the attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(crate) segments: Vec<Segment>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// As it stands.
    Text(String),
    /// The value of an attribute of the user, through filters.
    Hole { attribute: String, filters: Vec<Filter> },
}

/// What a hole does to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Small letters.
    Lower,
    /// Capital letters.
    Upper,
    /// Without surrounding white space.
    Trim,
}

/// A text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`, column {column}: {why}")]
pub struct BadTemplate {
    /// The text.
    pub text: String,
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

impl FromStr for Template {
    type Err = BadTemplate;
    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().enumerate().peekable();
        let bad = |column: usize, why: String| BadTemplate { text: text.to_owned(), column: column + 1, why };
        while let Some((at, c)) = chars.next() {
            match c {
                '{' | '}' if chars.next_if(|(_, next)| *next == c).is_some() => literal.push(c),
                '}' => return Err(bad(at, "a `}` without `{`; write `}}` for the character".to_owned())),
                '{' => {
                    let hole: String = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').collect();
                    if text.chars().nth(at + hole.chars().count() + 1) != Some('}') {
                        return Err(bad(at, "this `{` is not closed".to_owned()));
                    }
                    if !literal.is_empty() {
                        segments.push(Segment::Text(std::mem::take(&mut literal)));
                    }
                    segments.push(hole_of(&hole).map_err(|why| bad(at, why))?);
                }
                _ => literal.push(c),
            }
        }
        if !literal.is_empty() {
            segments.push(Segment::Text(literal));
        }
        Ok(Self { segments })
    }
}

fn hole_of(text: &str) -> Result<Segment, String> {
    let mut parts = text.split('|').map(str::trim);
    let attribute = parts.next().unwrap_or_default().to_owned();
    if !gatehouse_schema::is_attribute_name(&attribute) {
        return Err(format!("`{attribute}` is no attribute of a user"));
    }
    let filters = parts
        .map(|name| match name {
            "lower" => Ok(Filter::Lower),
            "upper" => Ok(Filter::Upper),
            "trim" => Ok(Filter::Trim),
            _ => Err(format!("`{name}` is no filter; there are lower, upper and trim")),
        })
        .collect::<Result<_, _>>()?;
    Ok(Segment::Hole { attribute, filters })
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Segment::Hole { attribute, filters } => {
                    write!(f, "{{{attribute}")?;
                    for filter in filters {
                        f.write_str(match filter {
                            Filter::Lower => "|lower",
                            Filter::Upper => "|upper",
                            Filter::Trim => "|trim",
                        })?;
                    }
                    f.write_str("}")?;
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::user;
    use crate::{Expression, User};
    use gatehouse_schema::{AttributeDefinition, AttributeType, Mutability, Schema};

    /// A rule from `attribute[:kind][*][!]=template`: `*` is primary, `!` only on creation.
    pub(super) fn rule(text: &str) -> MappingRule {
        let (name, value) = text.split_once('=').unwrap();
        let (name, only_on_create) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let (name, primary) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        let (name, kind) = name.split_once(':').map_or((name, None), |(name, kind)| (name, Some(kind.to_owned())));
        MappingRule {
            kind,
            primary,
            only_on_create,
            ..MappingRule::new(name, Source::Template(value.parse().unwrap()))
        }
    }

    /// A rule from an expression.
    pub(super) fn cel(attribute: &str, expression: &str) -> MappingRule {
        MappingRule::new(attribute, Source::Expression(Expression::new(expression)))
    }

    pub(super) fn ada() -> User {
        let free = [("role", vec!["admin", "dev"]), ("grade", vec!["+07"]), ("blank", vec![" "])];
        User {
            email: Some("Ada@Example.com".to_owned()),
            first_name: Some("Ada".to_owned()),
            last_name: Some("Lovelace".to_owned()),
            attributes: free
                .map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()))
                .into(),
            ..user(7, "Ada")
        }
    }

    pub(super) fn schema() -> Schema {
        let text = |name: &str| AttributeDefinition::text(name, "");
        Schema::new([
            text("family").required(),
            text("nick"),
            text("staff"),
            text("vip").of_type(AttributeType::Boolean),
            text("level").of_type(AttributeType::Integer),
            text("pin").of_type(AttributeType::Integer).sensitive(),
            text("made").mutability(Mutability::ReadOnly),
            text("roles").multi_valued(),
            text("mails").multi_valued(),
        ])
        .unwrap()
    }

    fn check(text: &str, expected: Result<&str, &str>) {
        let found = text.parse::<Template>().map(|t| t.to_string()).map_err(|e| e.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn templates_are_written_back_as_they_were_read() {
        for text in ["", "constant", "{email}", "{first_name|lower}.{last_name|trim|upper}@x", "{{a}}{id}}}"] {
            check(text, Ok(text));
        }
        check("{ email | lower }", Ok("{email|lower}"));
    }

    #[test]
    fn a_broken_template_says_where_and_why() {
        check("a{email", Err("`a{email`, column 2: this `{` is not closed"));
        check("a}", Err("`a}`, column 2: a `}` without `{`; write `}}` for the character"));
        check("{}", Err("`{}`, column 1: `` is no attribute of a user"));
        check("{email|up}", Err("`{email|up}`, column 1: `up` is no filter; there are lower, upper and trim"));
    }
}
