//! Hides the values of sensitive attributes in texts that people get to read. A connector has to see these values, and
//! may write them wherever it writes: what it was given and what it gave is looked for in its words. It never changes
//! anything but texts.

use gatehouse_schema::{Attributes, Schema};
use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands in place of a hidden value.
pub const MASK: &str = "(masked)";

/// Values shorter than this are not looked for: they would be found in anything. In bytes.
const SHORTEST: usize = 4;

/// The texts to hide.
#[derive(Clone, Default)]
pub struct Masks(Vec<String>);

// By hand: these are the very texts that belong in no log.
impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masks({})", self.0.len())
    }
}

impl Masks {
    /// The values that sensitive attributes have among these.
    pub fn of<'a>(schema: &Schema, all: impl IntoIterator<Item = &'a Attributes>) -> Self {
        let sensitive = |name: &str| schema.get(name).is_some_and(|definition| definition.sensitive);
        let values = all.into_iter().flatten().filter(|(name, _)| sensitive(name)).flat_map(|(_, values)| values);
        let texts = values.map(|value| value.text.as_str()).filter(|text| text.len() >= SHORTEST);
        let mut spellings: Vec<String> = texts.flat_map(spellings).collect();
        // Longest first: one may be part of another.
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self(spellings)
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without them.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for hidden in &self.0 {
            if text.contains(hidden.as_str()) {
                text = Cow::Owned(text.replace(hidden.as_str(), MASK));
            }
        }
        text
    }

    /// Takes them out of a text.
    pub fn hide_in(&self, text: &mut String) {
        if let Cow::Owned(hidden) = self.hide(text) {
            *text = hidden;
        }
    }
}

/// As it is, as JSON, URLs and Rust's `Debug` write it, and in hexadecimal: what a connector that means no harm may do
/// to a text before it is logged. One that means harm can hide anything from any search.
fn spellings(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let debug = format!("{text:?}");
    let url: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let spaces = url.replace('+', "%20");
    let mut hex = String::new();
    for byte in text.bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    vec![text.to_owned(), unquoted(&json), unquoted(&debug), url, spaces, hex.to_ascii_uppercase(), hex]
}

fn unquoted(text: &str) -> String {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_schema::{AttributeDefinition, Value};

    fn masks(values: &[(&str, &str)]) -> Masks {
        let schema =
            Schema::new([AttributeDefinition::text("pin", "").sensitive(), AttributeDefinition::text("title", "")]);
        let mut attributes = Attributes::new();
        for (name, value) in values {
            attributes.entry((*name).to_owned()).or_default().push(Value::text(*value));
        }
        Masks::of(&schema.unwrap(), [&attributes])
    }

    #[test]
    fn a_sensitive_value_is_hidden_in_every_usual_spelling() {
        let masks = masks(&[("pin", "19 \"84\"/x"), ("title", "engineer")]);
        for (text, shown) in [
            ("pin 19 \"84\"/x.", "pin (masked)."),
            (r#"{"pin":"19 \"84\"/x"}"#, r#"{"pin":"(masked)"}"#),
            ("pin=19+%2284%22%2Fx&", "pin=(masked)&"),
            ("pin=19%20%2284%22%2Fx", "pin=(masked)"),
            ("3139202238342f", "3139202238342f"),
            ("0x313920223834222f78", "0x(masked)"),
            ("an engineer", "an engineer"),
        ] {
            assert_eq!(masks.hide(text), shown);
        }
        assert!(!format!("{masks:?}").contains("84"));
    }

    #[test]
    fn a_value_within_another_leaves_nothing_of_the_longer_one() {
        assert_eq!(masks(&[("pin", "abcd"), ("pin", "xxabcdxx")]).hide("xxabcdxx abcd"), "(masked) (masked)");
    }

    #[test]
    fn short_values_and_those_of_other_attributes_are_left() {
        assert!(masks(&[("pin", "123"), ("title", "president")]).is_empty());
    }
}
