//! Linking rules: how the user of an account is found, by pairs of attributes that are compared after normalisation.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
}

/// What is done to both sides before they are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Normalisation {
    /// Ignore case.
    pub case: bool,
    /// Ignore surrounding white space, and take inner runs of it as one space.
    pub whitespace: bool,
    /// Mail domains that are one: each key is replaced by its value.
    pub mail_aliases: BTreeMap<String, String>,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { case: true, whitespace: true, mail_aliases: BTreeMap::new() }
    }
}
