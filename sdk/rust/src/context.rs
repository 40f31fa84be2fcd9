//! What a call is given to work with: the app's settings, a way out to the target, the journal. It never holds
//! anything from an earlier call.

use crate::{Journal, Method, RequestBuilder, Settings, Transport, Url};

/// What a call is given to work with.
pub struct Context<'a> {
    settings: Settings,
    transport: &'a dyn Transport,
    journal: Journal<'a>,
}

impl<'a> Context<'a> {
    /// A context of these parts. Connectors get theirs from the host, tests from [`crate::testing`].
    pub fn new(settings: Settings, transport: &'a dyn Transport, journal: Journal<'a>) -> Self {
        Self { settings, transport, journal }
    }

    /// The app's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The journal: what administrators read of this call.
    pub fn journal(&self) -> &Journal<'a> {
        &self.journal
    }

    /// A request that reads.
    pub fn get(&self, url: Url) -> RequestBuilder<'a> {
        self.request(Method::Get, url)
    }

    /// A request that makes something. Outside a commit it leaves only to a path declared as a search.
    pub fn post(&self, url: Url) -> RequestBuilder<'a> {
        self.request(Method::Post, url)
    }

    /// A request that replaces something. Leaves only during a commit.
    pub fn put(&self, url: Url) -> RequestBuilder<'a> {
        self.request(Method::Put, url)
    }

    /// A request that changes something. Leaves only during a commit.
    pub fn patch(&self, url: Url) -> RequestBuilder<'a> {
        self.request(Method::Patch, url)
    }

    /// A request that removes something. Leaves only during a commit.
    pub fn delete(&self, url: Url) -> RequestBuilder<'a> {
        self.request(Method::Delete, url)
    }

    /// A request with any method.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder<'a> {
        RequestBuilder::new(self.transport, method, url)
    }
}

/// Something that a check found out about the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at (`sign-in`, `paging`).
    pub name: String,
    /// What was found, for an administrator to read.
    pub detail: String,
}

impl Finding {
    /// A finding.
    pub fn new(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), detail: detail.into() }
    }
}
