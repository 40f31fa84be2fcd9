//! What goes wrong, and when: rules that are set by tests and looked through for every request. A rule never changes
//! what the target is, only what becomes of the requests it matches.

use super::log::PageAsked;
use super::wire::Asked;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Something that goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is done, and the connection closed without an answer.
    DropBefore,
    /// All is done, and the connection closed without an answer.
    DropAfter,
    /// So many milliseconds pass before anything is done.
    Delay(u64),
    /// All is done; so many milliseconds pass before the answer.
    DelayReply(u64),
    /// Nothing is done; 429, to come back later.
    Throttle(RetryAfter),
    /// Nothing is done; this status instead.
    FailBefore(u16),
    /// All is done; this status instead.
    FailAfter(u16),
    /// All is done; the connection ends in the middle of the answer's head.
    CutHead,
    /// All is done; the connection ends in the middle of the answer's body.
    CutBody,
    /// A list says that it has so many users more (or fewer) than it has.
    Total(i64),
    /// A list says that this page has so many users.
    ItemsPerPage(u64),
    /// A list is empty and says that this is all.
    EmptyList,
    /// All is done; the status of success comes with a body that is no JSON.
    Garbage,
    /// All is done; the answer repeats all headers that came in, as `x-echo-…` headers and in the body.
    Reflect,
    /// A user is kept without the externalId that was sent.
    ForgetMarker,
    /// All is done; the body of the answer never ends.
    Endless,
}

/// When to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// It does not say.
    Unsaid,
    /// In so many seconds (RFC 9110 section 10.2.3).
    Seconds(u32),
    /// At a date, so many seconds from now.
    Date(u32),
}

/// A fault, and which requests it befalls: by default every one, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    path: Option<String>,
    contains: Option<String>,
    #[serde(default)]
    pages: bool,
    #[serde(default)]
    skip: u64,
    every: Option<u64>,
    times: Option<u64>,
    lasting_ms: Option<u64>,
}

impl Rule {
    /// This fault, for every request, for ever.
    pub fn always(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            path: None,
            contains: None,
            pages: false,
            skip: 0,
            every: None,
            times: None,
            lasting_ms: None,
        }
    }

    /// This fault, for the next request that matches.
    pub fn once(fault: Fault) -> Self {
        Self::always(fault).times(1)
    }

    /// Only for this method and for paths that begin like this (below the base URL: `/Users`); `*` stands for any
    /// method, and for any method that may write stands `write`.
    #[must_use]
    pub fn on(self, method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()), ..self }
    }

    /// Only for requests whose query or body contains this text.
    #[must_use]
    pub fn containing(self, text: &str) -> Self {
        Self { contains: Some(text.to_owned()), ..self }
    }

    /// Only for pages of the whole list: not for searches, nor for reading single users. See [`Log::pages`].
    ///
    /// [`Log::pages`]: super::Log::pages
    #[must_use]
    pub fn on_pages(self) -> Self {
        Self { pages: true, ..self }
    }

    /// Not for the first so many requests that match.
    #[must_use]
    pub fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Only for every so many-th request that matches: 3 means the 3rd, the 6th, the 9th.
    #[must_use]
    pub fn every(self, every: u64) -> Self {
        Self { every: Some(every), ..self }
    }

    /// For so many requests at most.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Only for so long from now on.
    #[must_use]
    pub fn lasting(self, time: Duration) -> Self {
        Self { lasting_ms: Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)), ..self }
    }

    fn matches(&self, asked: &Asked, path: &str) -> bool {
        let method = self.method.as_deref().is_none_or(|method| match method {
            "*" => true,
            "write" => asked.method != "GET",
            method => method == asked.method,
        });
        let begins = self.path.as_deref().is_none_or(|prefix| path.starts_with(prefix));
        let text = |text: &str| {
            let query = url::form_urlencoded::parse(asked.query.as_bytes()).any(|(_, value)| value.contains(text));
            query || asked.body.contains(text)
        };
        let page = !self.pages || PageAsked::of(&asked.method, path, &asked.query).is_some();
        method && begins && page && self.contains.as_deref().is_none_or(text)
    }
}

/// A rule at work.
#[derive(Debug)]
struct Active {
    rule: Rule,
    since: Instant,
    matched: u64,
    befell: u64,
}

/// All rules, in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Active>);

impl Faults {
    pub fn add(&mut self, rule: Rule) {
        self.0.push(Active { rule, since: Instant::now(), matched: 0, befell: 0 });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many requests have been befallen by rules that are still set.
    pub fn befell(&self) -> u64 {
        self.0.iter().map(|active| active.befell).sum()
    }

    /// What befalls this request.
    pub fn befalling(&mut self, asked: &Asked, path: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for active in &mut self.0 {
            let rule = &active.rule;
            let over = rule.lasting_ms.is_some_and(|ms| active.since.elapsed() >= Duration::from_millis(ms));
            let used_up = rule.times.is_some_and(|times| active.befell >= times);
            if over || used_up || !rule.matches(asked, path) {
                continue;
            }
            active.matched += 1;
            let turn = active.matched.saturating_sub(rule.skip);
            if turn > 0 && rule.every.is_none_or(|every| turn.is_multiple_of(every.max(1))) {
                active.befell += 1;
                faults.push(rule.fault.clone());
            }
        }
        faults
    }
}
