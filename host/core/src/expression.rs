//! Expressions in CEL, the Common Expression Language: what a mapping makes of a user, who is in scope of an app, when
//! a linking rule holds. Read by the `cel` crate's parser and evaluated here, since an evaluation must end: it spends
//! from a fixed budget, says where it failed, and never puts a value into an error. No clock, no regular expressions,
//! no way to anything but the user (and account) it is given.

mod check;
mod evaluate;
mod functions;
mod parse;
mod program;
#[cfg(test)]
mod tests;
mod value;

pub use evaluate::Facts;

use program::Program;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// An expression. One that is wrong can be held as well: it is stored as it was written, says what is wrong with it
/// when a configuration is checked, and fails when it is evaluated.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    read: Arc<Result<Program, ExpressionError>>,
}

/// What is wrong with an expression, or went wrong with it for somebody. Never names a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct ExpressionError {
    /// Where, in lines from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

/// Which attributes of a user something depends on, by the names that templates use: `username`, `email`, a free
/// attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsedAttributes {
    /// Any of them may be used.
    All,
    /// Only these are.
    Only(BTreeSet<String>),
}

impl UsedAttributes {
    /// None of them.
    pub fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether a change of this attribute can make a difference.
    pub fn uses(&self, attribute: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(attribute),
        }
    }

    /// Takes in what something else depends on.
    pub fn extend(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Only(names), Self::Only(more)) => names.extend(more),
            _ => *self = Self::All,
        }
    }
}

/// Expressions that were read lately, by their text: the same ones come with every record of an app, and reading one
/// takes a hundred times as long as evaluating it.
type Known = HashMap<Arc<str>, Arc<Result<Program, ExpressionError>>>;
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
const MAX_KNOWN: usize = 1024;

impl Expression {
    /// Reads an expression. What is wrong with it is told by [`Expression::problem`].
    pub fn new(text: &str) -> Self {
        if let Some((text, read)) = known().get_key_value(text) {
            return Self { text: text.clone(), read: read.clone() };
        }
        let text: Arc<str> = text.into();
        let read = Arc::new(parse::parse(&text));
        let mut known = known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(text.clone(), read.clone());
        Self { text, read }
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with it, whoever it is evaluated for.
    pub fn problem(&self) -> Option<&ExpressionError> {
        self.read.as_ref().as_ref().err()
    }

    /// Where it speaks of an account, if it does.
    pub fn names_account(&self) -> Option<ExpressionError> {
        self.read.as_ref().as_ref().ok()?.names_account.clone()
    }

    /// The attributes of the user that it depends on.
    pub fn used_attributes(&self) -> UsedAttributes {
        self.read.as_ref().as_ref().map_or_else(|_| UsedAttributes::none(), |program| program.of_user.clone())
    }

    /// The attributes of the account that it depends on. All are not told apart: then it is all that are mapped.
    pub fn account_attributes(&self) -> UsedAttributes {
        self.read.as_ref().as_ref().map_or_else(|_| UsedAttributes::none(), |program| program.of_account.clone())
    }

    /// The texts it gives: none for null and empty lists, one for a text, a number or a truth, several for a list.
    ///
    /// # Errors
    /// It cannot be evaluated for this user, or gives something that is no value of an attribute.
    pub fn texts(&self, facts: &Facts<'_>) -> Result<Vec<String>, ExpressionError> {
        self.evaluate(facts, |value| value.into_texts())
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It cannot be evaluated for this user, or gives something else than true or false.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, ExpressionError> {
        self.evaluate(facts, |value| value.into_truth())
    }

    fn evaluate<T>(
        &self,
        facts: &Facts<'_>,
        read: impl FnOnce(value::Value<'_>) -> Result<T, String>,
    ) -> Result<T, ExpressionError> {
        let program = self.read.as_ref().as_ref().map_err(Clone::clone)?;
        let value = evaluate::evaluate(program, facts)?;
        read(value).map_err(|why| program.root.at.error(why))
    }
}

fn known() -> std::sync::MutexGuard<'static, Known> {
    // Nothing can be half done in it.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}
