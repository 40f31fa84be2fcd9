//! Values while an expression is evaluated: texts borrow from the user where they can.

use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A text that may be missing.
    pub fn optional(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    pub fn texts(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// What kind it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
        }
    }

    /// How much of it there is to be copied.
    pub fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) => 1,
            Self::Text(text) => 1 + text.len() / 16,
            Self::List(items) => items.iter().map(Self::weight).sum::<usize>() + 1,
        }
    }

    pub fn into_texts(self) -> Result<Vec<String>, String> {
        Ok(match self {
            Self::Null => Vec::new(),
            Self::List(items) => {
                let texts = items.into_iter().map(|item| match item {
                    Self::List(_) => Err("it gives a list of lists, which is no value of an attribute".to_owned()),
                    item => item.into_texts(),
                });
                texts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
            }
            Self::Bool(truth) => vec![truth.to_string()],
            Self::Int(number) => vec![number.to_string()],
            Self::Text(text) => vec![text.into_owned()],
        })
    }

    pub fn into_truth(self) -> Result<bool, String> {
        match self {
            Self::Bool(truth) => Ok(truth),
            other => Err(format!("it gives {}, and must give true or false", other.kind())),
        }
    }
}
