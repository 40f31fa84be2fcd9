//! The non-secret settings of the connected app, by name and type. Secrets are not settings and cannot be read.

use crate::{Failure, Url, json::Value};
use std::collections::BTreeMap;

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// The settings of the connected app. What the descriptor gives a default always has a value.
pub struct Settings {
    lookup: Lookup,
}

impl Settings {
    /// Settings that are looked up by name, as JSON text.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup) }
    }

    /// These settings and no others.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let values: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        Self::new(move |name| values.get(name).cloned())
    }

    /// The value of a setting; none if it was left out.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it is not JSON.
    pub fn get(&self, name: &str) -> Result<Option<Value>, Failure> {
        let Some(text) = (self.lookup)(name) else { return Ok(None) };
        match crate::json::from_str(&text) {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Failure::invalid(name, "the host gave no JSON for this setting")),
        }
    }

    /// A text or a choice; none if it was left out.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it is not a text.
    pub fn optional_text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.typed(name, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// A truth value; none if it was left out.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it is not `true` or `false`.
    pub fn optional_boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// A whole number; none if it was left out.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it is not a whole number.
    pub fn optional_integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.typed(name, "a whole number", Value::as_i64)
    }

    /// A text or a choice.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it was left out, or is not a text.
    pub fn text(&self, name: &str) -> Result<String, Failure> {
        self.optional_text(name)?.ok_or_else(|| missing(name))
    }

    /// A truth value.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it was left out, or is not `true` or `false`.
    pub fn boolean(&self, name: &str) -> Result<bool, Failure> {
        self.optional_boolean(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it was left out, or is not a whole number.
    pub fn integer(&self, name: &str) -> Result<i64, Failure> {
        self.optional_integer(name)?.ok_or_else(|| missing(name))
    }

    /// An address, ready to have path segments added.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: it was left out, or is not an absolute http or https URL.
    pub fn url(&self, name: &str) -> Result<Url, Failure> {
        Url::parse(&self.text(name)?).map_err(|why| Failure::invalid(name, why))
    }

    fn typed<T>(&self, name: &str, wanted: &str, of: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Failure> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        of(&value).map(Some).ok_or_else(|| Failure::invalid(name, format!("{value} is not {wanted}")))
    }
}

fn missing(name: &str) -> Failure {
    Failure::invalid(name, "this setting is not set")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::json::json;

    #[test]
    fn settings_are_read_by_type() {
        let settings = Settings::of([
            ("base_url", json!("https://x.example/v2/")),
            ("size", json!(7)),
            ("verify", json!(true)),
            ("none", json!(null)),
        ]);
        assert_eq!(settings.url("base_url").unwrap().to_string(), "https://x.example/v2");
        assert_eq!(settings.integer("size"), Ok(7));
        assert_eq!(settings.boolean("verify"), Ok(true));
        assert_eq!(settings.optional_text("none"), Ok(None));
    }

    #[test]
    fn a_setting_that_is_missing_or_of_another_type_is_named() {
        let settings = Settings::of([("size", json!("big")), ("base_url", json!("ftp://x"))]);
        assert_eq!(settings.integer("size"), Err(Failure::invalid("size", "\"big\" is not a whole number")));
        assert_eq!(settings.text("absent"), Err(Failure::invalid("absent", "this setting is not set")));
        assert!(matches!(settings.url("base_url"), Err(Failure::Invalid { field, .. }) if field == "base_url"));
    }
}
