//! What administrators say about the free attributes of users: their types, and what every user must have. It never
//! looks users up, and says nothing about attributes that nobody has defined: those stay free texts.

use crate::Problem;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the values of a user's attribute are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserAttributeType {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A day (RFC 3339 section 5.6, `full-date`).
    Date,
}

impl UserAttributeType {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Text, Self::Integer, Self::Boolean, Self::Date];

    /// The one spelling of a value: what is kept, compared and mapped.
    ///
    /// # Errors
    /// The text is no value of the type; the text says what would be one.
    pub fn canonical(self, text: &str) -> Result<String, String> {
        let trimmed = text.trim();
        let (found, wanted) = match self {
            Self::Text => (Some(text.to_owned()), "text"),
            Self::Integer => (trimmed.parse::<i64>().ok().map(|number| number.to_string()), "a whole number"),
            Self::Boolean => {
                let lower = trimmed.to_ascii_lowercase();
                (Some(lower).filter(|lower| matches!(lower.as_str(), "true" | "false")), "true or false")
            }
            Self::Date => (day(trimmed), "a day such as 2026-12-31"),
        };
        found.ok_or_else(|| format!("`{text}` is not {wanted}"))
    }
}

/// Four, two and two digits; ISO 8601 has more spellings, and a day has one here.
fn day(text: &str) -> Option<String> {
    let shaped = text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == (at == 4 || at == 7));
    shaped.then(|| text.parse::<Date>().ok()).flatten().map(|date| date.to_string())
}

/// The definition of an attribute of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAttribute {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: UserAttributeType,
    /// Whether a user can have several values.
    #[serde(default)]
    pub multi_valued: bool,
    /// Whether every user has it.
    #[serde(default)]
    pub required: bool,
    /// Whether its values are masked wherever they are shown.
    #[serde(default)]
    pub sensitive: bool,
    /// Counts changes.
    pub version: u64,
}

impl UserAttribute {
    /// The values as they are kept: canonical, each once, in the order given.
    ///
    /// # Errors
    /// One is not of the type, or there are several and only one may be.
    pub fn canonical(&self, values: &[String]) -> Result<Vec<String>, String> {
        let mut kept: Vec<String> = Vec::with_capacity(values.len());
        for value in values {
            let value = self.kind.canonical(value)?;
            if !kept.contains(&value) {
                kept.push(value);
            }
        }
        if kept.len() > 1 && !self.multi_valued {
            return Err(format!("it has one value, and these are {}", kept.len()));
        }
        Ok(kept)
    }

    /// What speaks against defining the attribute so while somebody has these values (none: has it not).
    pub fn misfit(&self, values: Option<&Vec<String>>) -> Option<String> {
        let Some(values) = values.filter(|values| !values.is_empty()) else {
            return self.required.then(|| "is without it".to_owned());
        };
        match self.canonical(values) {
            Err(why) => Some(format!("has {}: {why}", quoted(values))),
            Ok(kept) if kept != *values => Some(format!("has {}, which would be {}", quoted(values), quoted(&kept))),
            Ok(_) => None,
        }
    }
}

fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}

/// Gives a user's attributes the spelling in which they are kept: everything that is wrong with them, each at its
/// attribute.
pub fn canonicalise(definitions: &[UserAttribute], attributes: &mut BTreeMap<String, Vec<String>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for definition in definitions {
        let at = format!("attributes.{}", definition.name);
        match attributes.get_mut(&definition.name) {
            Some(values) => match definition.canonical(values) {
                Ok(kept) => *values = kept,
                Err(why) => problems.push(Problem::new(at, why)),
            },
            None if definition.required => problems.push(Problem::new(at, "every user has it, and it is missing")),
            None => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: UserAttributeType) -> UserAttribute {
        UserAttribute {
            name: "x".to_owned(),
            description: String::new(),
            kind,
            multi_valued: false,
            required: false,
            sensitive: false,
            version: 1,
        }
    }

    fn check(kind: UserAttributeType, text: &str, expected: Result<&str, &str>) {
        let found = kind.canonical(text);
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{kind:?} {text}");
    }

    #[test]
    fn every_value_has_one_spelling_and_what_is_none_is_refused() {
        use UserAttributeType::{Boolean, Date, Integer, Text};
        check(Text, " as it is ", Ok(" as it is "));
        check(Integer, " +007 ", Ok("7"));
        check(Integer, "-3", Ok("-3"));
        check(Integer, "3.5", Err("`3.5` is not a whole number"));
        check(Integer, "9223372036854775808", Err("`9223372036854775808` is not a whole number"));
        check(Boolean, "TRUE", Ok("true"));
        check(Boolean, "yes", Err("`yes` is not true or false"));
        check(Date, "2024-02-29", Ok("2024-02-29"));
        for wrong in ["2023-02-29", "20240229", "2024-2-9", "2024-02-29T10:00", "29.02.2024", "2024-W09-4"] {
            check(Date, wrong, Err(&format!("`{wrong}` is not a day such as 2026-12-31")));
        }
    }

    #[test]
    fn repetitions_go_and_several_values_need_leave() {
        let values = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let one = of(UserAttributeType::Integer);
        assert_eq!(one.canonical(&values(&["1", "01"])), Ok(values(&["1"])));
        assert_eq!(one.canonical(&values(&["1", "2"])), Err("it has one value, and these are 2".to_owned()));
        let many = UserAttribute { multi_valued: true, ..one };
        assert_eq!(many.canonical(&values(&["2", "1", "02"])), Ok(values(&["2", "1"])));
    }

    #[test]
    fn problems_stand_at_their_attributes_and_what_nobody_defined_stays_as_it_is() {
        let required = UserAttribute { name: "desk".to_owned(), required: true, ..of(UserAttributeType::Text) };
        let mut attributes = BTreeMap::from([
            ("x".to_owned(), vec!["soon".to_owned()]),
            ("free".to_owned(), vec!["Perhaps".to_owned(), "Perhaps".to_owned()]),
        ]);
        let problems = canonicalise(&[of(UserAttributeType::Date), required], &mut attributes);
        let at: Vec<&str> = problems.iter().map(|problem| problem.at.as_str()).collect();
        assert_eq!(at, ["attributes.x", "attributes.desk"]);
        assert_eq!(attributes["free"].len(), 2);
    }

    #[test]
    fn a_definition_fits_only_values_that_are_spelt_as_they_would_be_kept() {
        let whole = of(UserAttributeType::Integer);
        let values = |text: &str| Some(vec![text.to_owned()]);
        assert_eq!(whole.misfit(values("7").as_ref()), None);
        assert_eq!(whole.misfit(None), None);
        assert_eq!(whole.misfit(values("07").as_ref()).as_deref(), Some("has `07`, which would be `7`"));
        assert!(whole.misfit(values("seven").as_ref()).is_some_and(|why| why.contains("not a whole number")));
        let required = UserAttribute { required: true, ..whole };
        assert_eq!(required.misfit(None).as_deref(), Some("is without it"));
    }
}
