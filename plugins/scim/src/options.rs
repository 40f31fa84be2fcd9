//! The app's settings, read once a call.

use gatehouse_connector::{Failure, Settings, Url};

/// Whether a feature is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// As the service answers.
    Auto,
    /// Yes, whatever the service says of itself.
    Yes,
    /// No, whatever the service says of itself.
    No,
}

/// How lists are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// As the service announces.
    Auto,
    /// By startIndex and count (RFC 7644 section 3.4.2.4).
    Index,
    /// By cursor (RFC 9865).
    Cursor,
}

/// What the administrator set.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where the service is.
    pub base: Url,
    /// Most users to ask for at a time.
    pub page_size: Option<u32>,
    /// Whether changes are made with PATCH.
    pub patch: Pin,
    /// Whether searches use a filter.
    pub filter: Pin,
    /// How lists are paged.
    pub paging: Paging,
    /// Whether lists ask for some attributes only.
    pub select_attributes: bool,
}

impl Options {
    pub(crate) fn read(settings: &Settings) -> Result<Self, Failure> {
        let page_size = match settings.optional_integer("page_size")? {
            None => None,
            Some(size) => match u32::try_from(size) {
                Ok(size) if size > 0 => Some(size),
                _ => return Err(Failure::invalid("page_size", format!("{size} is not a size of a page"))),
            },
        };
        let paging = match settings.optional_text("paging")?.as_deref() {
            None | Some("auto") => Paging::Auto,
            Some("index") => Paging::Index,
            Some("cursor") => Paging::Cursor,
            Some(other) => return Err(Failure::invalid("paging", format!("`{other}` is not auto, index or cursor"))),
        };
        Ok(Self {
            base: settings.url("base_url")?,
            page_size,
            patch: pin(settings, "patch")?,
            filter: pin(settings, "filter")?,
            paging,
            select_attributes: settings.optional_boolean("select_attributes")?.unwrap_or(true),
        })
    }
}

fn pin(settings: &Settings, name: &str) -> Result<Pin, Failure> {
    match settings.optional_text(name)?.as_deref() {
        None | Some("auto") => Ok(Pin::Auto),
        Some("yes") => Ok(Pin::Yes),
        Some("no") => Ok(Pin::No),
        Some(other) => Err(Failure::invalid(name, format!("`{other}` is not auto, yes or no"))),
    }
}
