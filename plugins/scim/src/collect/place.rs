//! Where a collection is: what the host keeps between two pages, as JSON text. A text that is none of ours means
//! that the collection starts again.

use gatehouse_connector::Failure;
use gatehouse_connector::json::{self, Value as Json, json};

/// Where a collection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Paging by index.
    Index(Index),
    /// Paging by cursor.
    Cursor(Cursor),
}

/// A place by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// The index to ask for, from 1. With an anchor, the index at which the anchor was seen.
    pub start: u64,
    /// The id of the last user taken: asked for again, so that a list that has moved is noticed.
    pub anchor: Option<String>,
    /// How many users were taken.
    pub seen: u64,
    /// Whether the list has moved and the place was found again.
    pub moved: bool,
    /// Whether the place was lost: users may have been passed over.
    pub lost: bool,
    /// The most users the service returns at once.
    pub max: Option<u32>,
}

/// A place by cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The service's cursor; empty at first.
    pub cursor: String,
    /// How many users of its page were taken already.
    pub skip: u64,
    /// How many users were taken.
    pub seen: u64,
    /// The most users the service returns at once.
    pub max: Option<u32>,
}

impl Index {
    pub(super) fn first(max: Option<u32>) -> Self {
        Self { start: 1, anchor: None, seen: 0, moved: false, lost: false, max }
    }
}

impl Cursor {
    pub(super) fn first(max: Option<u32>) -> Self {
        Self { cursor: String::new(), skip: 0, seen: 0, max }
    }
}

impl Place {
    /// As the host keeps it.
    pub(super) fn text(&self) -> String {
        let text = match self {
            Self::Index(i) => json!({
                "start": i.start, "anchor": i.anchor, "seen": i.seen, "moved": i.moved, "lost": i.lost, "max": i.max,
            }),
            Self::Cursor(c) => json!({ "cursor": c.cursor, "skip": c.skip, "seen": c.seen, "max": c.max }),
        };
        text.to_string()
    }

    /// As it was kept.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let value: Json = json::from_str(text).map_err(|_| Failure::CursorExpired)?;
        let number = |name: &str| value.get(name).and_then(Json::as_u64);
        let truth = |name: &str| value.get(name).and_then(Json::as_bool).unwrap_or_default();
        let max = number("max").and_then(|max| u32::try_from(max).ok()).filter(|max| *max > 0);
        let seen = number("seen").ok_or(Failure::CursorExpired)?;
        if let Some(cursor) = value.get("cursor").and_then(Json::as_str) {
            let skip = number("skip").unwrap_or_default();
            return Ok(Self::Cursor(Cursor { cursor: cursor.to_owned(), skip, seen, max }));
        }
        Ok(Self::Index(Index {
            start: number("start").filter(|start| *start > 0).ok_or(Failure::CursorExpired)?,
            anchor: value.get("anchor").and_then(Json::as_str).map(str::to_owned),
            seen,
            moved: truth("moved"),
            lost: truth("lost"),
            max,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_kept_as_text() {
        let index = Index { start: 7, anchor: Some("é\"".to_owned()), seen: 6, moved: true, ..Index::first(Some(9)) };
        let cursor = Cursor { cursor: "a{b".to_owned(), skip: 3, seen: 12, max: None };
        for place in [Place::Index(index), Place::Cursor(cursor), Place::Index(Index::first(None))] {
            assert_eq!(Place::parse(&place.text()), Ok(place));
        }
    }

    #[test]
    fn a_text_that_is_no_place_starts_the_collection_again() {
        for text in ["", "17", "{}", r#"{"start":0,"seen":0}"#, r#"{"start":1}"#] {
            assert_eq!(Place::parse(text), Err(Failure::CursorExpired), "{text}");
        }
    }
}
