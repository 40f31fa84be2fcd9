//! One line of the log: what is in it, and how it is written for people and for programs. Whatever a connector or a
//! target puts into a text, a line stays one line, and no part of it can pass for another.

use super::fields::Fields;
use crate::text::{is_unseen, visible};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tracing::Level;

/// What is written of an event.
pub(super) struct Line {
    pub at: String,
    pub level: Level,
    pub target: &'static str,
    pub fields: Fields,
    /// Name and fields of the spans it is in, outermost first.
    pub spans: Vec<(&'static str, Fields)>,
}

/// Fields that stand for themselves in JSON, so that a line is found by them wherever they were noted.
const NAMED: [&str; 3] = ["request_id", "request", "trace_id"];

impl Line {
    /// The value of a field: the event's own, or that of the innermost span that has it.
    fn named(&self, name: &str) -> Option<&Value> {
        let spans = self.spans.iter().rev().filter_map(|(_, fields)| fields.get(name));
        self.fields.get(name).into_iter().chain(spans).next()
    }

    /// One JSON object: timestamp, level, target, message, request_id, request and trace_id where known, fields, spans.
    pub(super) fn json(mut self) -> String {
        let message = self.fields.take("message").unwrap_or_else(|| Value::from(""));
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), Value::from(self.at.as_str()));
        object.insert("level".to_owned(), Value::from(self.level.as_str()));
        object.insert("target".to_owned(), Value::from(self.target));
        object.insert("message".to_owned(), message);
        for name in NAMED {
            if let Some(value) = self.named(name) {
                object.insert(name.to_owned(), value.clone());
            }
        }
        object.insert("fields".to_owned(), Value::Object(members(&self.fields)));
        let spans = self.spans.iter().map(|(name, fields)| {
            let mut span = members(fields);
            span.insert("name".to_owned(), json!(name));
            Value::Object(span)
        });
        object.insert("spans".to_owned(), spans.collect());
        escaped(&Value::Object(object).to_string())
    }

    /// For people: time, level, spans, target, message, fields.
    pub(super) fn text(mut self, colours: bool) -> String {
        let message = self.fields.take("message").map(|message| plain(&message)).unwrap_or_default();
        let mut line = format!("{} {} ", self.at, level(self.level, colours));
        for (name, fields) in &self.spans {
            let _ = write!(line, "{name}");
            if !fields.is_empty() {
                let pairs: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
                let _ = write!(line, "{{{}}}", pairs.join(" "));
            }
            line.push(':');
        }
        let _ = write!(line, "{}{}: {message}", if self.spans.is_empty() { "" } else { " " }, self.target);
        for (name, value) in self.fields.iter() {
            let _ = write!(line, " {name}={}", quoted(value));
        }
        line
    }
}

fn members(fields: &Fields) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn level(level: Level, colours: bool) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    };
    if colours { format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m") } else { format!("{level:>5}") }
}

/// A message: on one line, and with nothing in it that moves a cursor.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text).replace('\n', "\\n"),
        other => other.to_string(),
    }
}

/// A value that ends where it ends: in quotes, unless it is a plain word.
fn quoted(value: &Value) -> String {
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/,@+()#*".contains(c));
    match value {
        Value::String(text) if word(text) => text.clone(),
        Value::String(text) => escaped(&Value::from(text.as_str()).to_string()),
        other => other.to_string(),
    }
}

/// JSON in which also those characters are escaped that JSON allows and terminals obey: all such stand within strings.
fn escaped(json: &str) -> String {
    if !json.contains(is_unseen) {
        return json.to_owned();
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Texts as a connector might choose them.
    const NASTY: [&str; 8] = [
        "one\ntwo\r\n2026-01-01T00:00:00Z ERROR forged: line",
        "\u{1b}[2J\u{9b}31m\u{7}",
        "\u{202e}reversed\u{2028}line\u{2029}paragraph",
        "quote \" backslash \\ brace } equals = bell",
        "\u{0}\u{1f}\u{7f}\u{85}",
        "{\"level\":\"ERROR\"}",
        "\u{e0041}\u{1f600}\u{feff}",
        "",
    ];

    /// The line of an event in a span, both with a nasty text in them.
    fn line_of(text: &str) -> Line {
        let fields = Fields::of([("message", text.into()), ("detail", text.into()), ("number", 3.into())]);
        let spans = vec![("http", Fields::of([("request_id", text.into())]))];
        Line { at: "2026-01-01T00:00:00.000000Z".to_owned(), level: Level::INFO, target: "gatehouse", fields, spans }
    }

    #[test]
    fn every_json_line_is_one_line_of_valid_json_with_the_very_text() {
        for text in NASTY {
            let line = line_of(text).json();
            assert!(!line.contains(is_unseen) && !line.contains('\n'), "{line:?}");
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["message"], text);
            assert_eq!(read["fields"], json!({"detail": text, "number": 3}));
            assert_eq!(read["request_id"], text, "found in the span");
            assert_eq!(read["spans"][0], json!({"name": "http", "request_id": text}));
            assert_eq!(read["level"], "INFO");
        }
    }

    #[test]
    fn no_text_breaks_out_of_its_line_or_moves_the_cursor() {
        for text in NASTY {
            let line = line_of(text).text(false);
            assert!(!line.contains(is_unseen) && !line.contains('\n'), "{line:?}");
            assert!(line.starts_with("2026-01-01T00:00:00.000000Z  INFO http{request_id="), "{line}");
        }
    }

    #[test]
    fn a_value_that_looks_like_fields_is_quoted() {
        let line = line_of("a rule=denied").text(false);
        assert!(line.ends_with("gatehouse: a rule=denied detail=\"a rule=denied\" number=3"), "{line}");
    }
}
