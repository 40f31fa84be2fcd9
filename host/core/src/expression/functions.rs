//! The functions that expressions can call. Those of CEL's standard and of its common extension for texts are named
//! and defined as there; a text function of null gives null, so that what is made of a missing part is missing.

use super::value::Value;
use crate::letters::without_diacritics;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Ascii,
    Contains,
    EndsWith,
    First,
    IndexOf,
    Int,
    Join,
    Lower,
    Replace,
    Size,
    Split,
    StartsWith,
    String,
    Substring,
    Trim,
    Upper,
}

/// What a function gives, or why it gives nothing.
type Given<'a> = Result<Value<'a>, String>;

impl Function {
    pub const ALL: [Self; 16] = [
        Self::Ascii,
        Self::Contains,
        Self::EndsWith,
        Self::First,
        Self::IndexOf,
        Self::Int,
        Self::Join,
        Self::Lower,
        Self::Replace,
        Self::Size,
        Self::Split,
        Self::StartsWith,
        Self::String,
        Self::Substring,
        Self::Trim,
        Self::Upper,
    ];

    pub fn named(name: &str) -> Option<Self> {
        // As the extensions of CEL call them.
        let name = match name {
            "lowerAscii" => "lower",
            "upperAscii" => "upper",
            name => name,
        };
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Contains => "contains",
            Self::EndsWith => "endsWith",
            Self::First => "first",
            Self::IndexOf => "indexOf",
            Self::Int => "int",
            Self::Join => "join",
            Self::Lower => "lower",
            Self::Replace => "replace",
            Self::Size => "size",
            Self::Split => "split",
            Self::StartsWith => "startsWith",
            Self::String => "string",
            Self::Substring => "substring",
            Self::Trim => "trim",
            Self::Upper => "upper",
        }
    }

    pub fn usage(self) -> &'static str {
        match self {
            Self::Ascii => "`text.ascii()`",
            Self::Contains => "`text.contains('part')`",
            Self::EndsWith => "`text.endsWith('part')`",
            Self::First => "`list.first()`",
            Self::IndexOf => "`text.indexOf('part')`",
            Self::Int => "`int('7')`",
            Self::Join => "`list.join()` or `list.join(', ')`",
            Self::Lower => "`text.lower()`",
            Self::Replace => "`text.replace('from', 'to')`",
            Self::Size => "`size(list)` or `text.size()`",
            Self::Split => "`text.split(',')`",
            Self::StartsWith => "`text.startsWith('part')`",
            Self::String => "`string(7)`",
            Self::Substring => "`text.substring(from)` or `text.substring(from, to)`",
            Self::Trim => "`text.trim()`",
            Self::Upper => "`text.upper()`",
        }
    }

    /// Whether it takes so many arguments, what it is called on included.
    pub fn takes(self, arguments: usize) -> bool {
        match self {
            Self::Ascii
            | Self::First
            | Self::Int
            | Self::Lower
            | Self::Size
            | Self::String
            | Self::Trim
            | Self::Upper => arguments == 1,
            Self::Contains | Self::EndsWith | Self::IndexOf | Self::Split | Self::StartsWith => arguments == 2,
            Self::Join => arguments == 1 || arguments == 2,
            Self::Replace => arguments == 3,
            Self::Substring => arguments == 2 || arguments == 3,
        }
    }

    /// What a call may give at most, as a weight (see [`Value::weight`]): asked before it is made.
    pub fn weight(self, arguments: &[Value<'_>]) -> usize {
        let of = |no: usize| arguments.get(no).map_or(0, Value::weight);
        match self {
            // Each character may be one that is replaced, and so may each place between two.
            Self::Replace => of(0).saturating_mul(16).saturating_mul(of(2)),
            Self::Join => of(0).saturating_mul(of(1).max(1)),
            Self::Split => of(0).saturating_mul(16),
            Self::Ascii | Self::Lower | Self::Upper => of(0).saturating_mul(4),
            _ => of(0).saturating_add(of(1)),
        }
    }

    pub fn call<'a>(self, arguments: Vec<Value<'a>>) -> Given<'a> {
        use Value::{Bool, Int, List, Null, Text};
        let given = match (self, arguments.as_slice()) {
            (Self::Size, [Text(text)]) => Int(text.chars().count() as i64),
            (Self::Size, [List(items)]) => Int(items.len() as i64),
            (Self::Size, [Null]) => Int(0),
            (Self::First, [List(items)]) => items.first().cloned().unwrap_or(Null),
            (Self::Join, [List(items)]) => joined(items, "")?,
            (Self::Join, [List(items), Text(between)]) => joined(items, between)?,
            (Self::String, [Text(_) | Null]) => return Ok(arguments.into_iter().next().unwrap_or(Null)),
            (Self::String, [Int(number)]) => Value::text(number.to_string()),
            (Self::String, [Bool(truth)]) => Value::text(truth.to_string()),
            (Self::Int, [Int(number)]) => Int(*number),
            (Self::Int, [Text(text)]) => Int(text.trim().parse().map_err(|_| "the text is not a whole number")?),
            (Self::Contains, [Text(text), Text(part)]) => Bool(text.contains(part.as_ref())),
            (Self::StartsWith, [Text(text), Text(part)]) => Bool(text.starts_with(part.as_ref())),
            (Self::EndsWith, [Text(text), Text(part)]) => Bool(text.ends_with(part.as_ref())),
            (Self::Contains | Self::StartsWith | Self::EndsWith, [Null, Text(_)]) => Bool(false),
            (Self::IndexOf, [Text(text), Text(part)]) => {
                Int(text.find(part.as_ref()).map_or(-1, |at| text[..at].chars().count() as i64))
            }
            (Self::Lower, [Text(text)]) => Value::text(text.to_lowercase()),
            (Self::Upper, [Text(text)]) => Value::text(text.to_uppercase()),
            (Self::Trim, [Text(text)]) => Value::text(text.trim().to_owned()),
            (Self::Ascii, [Text(text)]) => {
                Value::text(without_diacritics(text).chars().filter(char::is_ascii).collect::<String>())
            }
            (Self::Replace, [Text(text), Text(from), Text(to)]) => Value::text(text.replace(from.as_ref(), to)),
            (Self::Split, [Text(text), Text(between)]) => split(text, between),
            (Self::Substring, [Text(text), Int(from)]) => substring(text, *from, None)?,
            (Self::Substring, [Text(text), Int(from), Int(to)]) => substring(text, *from, Some(*to))?,
            (Self::Split, [Null, _]) => List(Vec::new()),
            (_, [Null, ..]) => Null,
            (_, values) => {
                let kinds: Vec<_> = values.iter().map(Value::kind).collect();
                return Err(format!("it is used as {}, and given {}", self.usage(), kinds.join(" and ")));
            }
        };
        Ok(given)
    }
}

fn joined<'a>(items: &[Value<'a>], between: &str) -> Given<'a> {
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item {
            Value::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    texts.map(|texts| Value::text(texts.join(between))).ok_or_else(|| "only a list of texts can be joined".to_owned())
}

fn split<'a>(text: &str, between: &str) -> Value<'a> {
    let texts: Vec<String> = match between {
        "" => text.chars().map(String::from).collect(),
        _ => text.split(between).map(str::to_owned).collect(),
    };
    Value::List(texts.into_iter().map(Value::text).collect())
}

fn substring<'a>(text: &str, from: i64, to: Option<i64>) -> Given<'a> {
    let length = text.chars().count() as i64;
    let to = to.unwrap_or(length);
    if from < 0 || from > to || to > length {
        return Err("the text is too short for that".to_owned());
    }
    Ok(Value::text(text.chars().skip(from as usize).take((to - from) as usize).collect::<String>()))
}
