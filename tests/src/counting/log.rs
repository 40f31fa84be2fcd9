//! What the target saw: every request with what was done and what was answered, in the order of arrival. Questions
//! that tests ask of it are answered here; what the answers should be is the tests' to say.

use super::wire::Asked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// From 1, in the order of arrival.
    pub number: u64,
    /// Milliseconds since the target was started.
    pub at_ms: u64,
    /// The method in capitals.
    pub method: String,
    /// The path below the base URL: `/Users/00000001`.
    pub path: String,
    /// The query as it was sent, without the `?`.
    pub query: String,
    /// All headers, names in small letters; `authorization` among them.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// The externalId of the account concerned: of the body, or else of the account that the path names.
    pub marker: Option<String>,
    /// The userName of the account concerned, likewise.
    pub user_name: Option<String>,
    /// What was done.
    pub done: Done,
    /// What was answered.
    pub reply: Reply,
}

/// What a request did to the accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Nothing: it read, was refused, or a fault came before.
    Nothing,
    /// It made the account with this id.
    Created(String),
    /// It changed the account with this id.
    Changed(String),
    /// It removed the account with this id.
    Removed(String),
}

impl Done {
    /// The id of the account; none if nothing was done.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Created(id) | Self::Changed(id) | Self::Removed(id) => Some(id),
        }
    }
}

/// What became of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// None yet: the request is being worked on.
    Pending,
    /// Sent whole, with this status. Whether anybody read it is not known here.
    Sent(u16),
    /// Sent in part: a fault cut it.
    Cut(u16),
    /// Never sent: a fault withheld it.
    Withheld,
}

impl Seen {
    /// The first header of this name (in small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether it did anything to an account.
    pub fn is_taken(&self) -> bool {
        self.done != Done::Nothing
    }

    /// Whether its method is one that may write.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
    }

    /// A line for people: `12 POST /Users (ada) created 00000003, reply withheld`.
    pub fn line(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let whose = self.user_name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        format!("{} {} {}{query}{whose}: {:?}, {:?}", self.number, self.method, self.path, self.done, self.reply)
    }
}

/// A page of a list as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PageAsked {
    /// From 1.
    pub start: u64,
    /// How many at most.
    pub count: u64,
}

impl PageAsked {
    /// The page that a request asks for; none if it asks for something else.
    pub(super) fn of(method: &str, path: &str, query: &str) -> Option<Self> {
        let parameters: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let number = |name: &str| parameters.get(name).and_then(|text| text.parse::<u64>().ok());
        let whole = method == "GET" && path == "/Users" && !parameters.contains_key("filter");
        let page = Self { start: number("startIndex").unwrap_or(1), count: number("count").unwrap_or(0) };
        (whole && page.count > 1).then_some(page)
    }
}

/// A copy of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Log(pub Vec<Seen>);

impl Log {
    /// All requests.
    pub fn all(&self) -> &[Seen] {
        &self.0
    }

    /// The requests that might have written, taken or not.
    pub fn writes(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter().filter(|seen| seen.is_write())
    }

    /// The writes that did something.
    pub fn taken(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter().filter(|seen| seen.is_taken())
    }

    /// The requests that made an account with this externalId.
    pub fn creates_of(&self, external_id: &str) -> Vec<&Seen> {
        let of = |seen: &&Seen| matches!(seen.done, Done::Created(_)) && seen.marker.as_deref() == Some(external_id);
        self.0.iter().filter(of).collect()
    }

    /// The pages of the whole list (no filter) that were asked for, in order. Searches are none of them, nor is the
    /// look at a single user by which connectors find out whether a service works.
    pub fn pages(&self) -> Vec<PageAsked> {
        self.0.iter().filter_map(|seen| PageAsked::of(&seen.method, &seen.path, &seen.query)).collect()
    }

    /// Which page was asked for how often.
    pub fn page_counts(&self) -> BTreeMap<PageAsked, usize> {
        let mut counts = BTreeMap::new();
        self.pages().into_iter().for_each(|page| *counts.entry(page).or_default() += 1);
        counts
    }

    /// Writes that the target took twice, each with the earlier one: a create for an externalId whose account
    /// exists already, or the same change of the same account again with nothing taken in between. (A change that
    /// is made, undone and made again is not among them.)
    pub fn taken_twice(&self) -> Vec<(&Seen, &Seen)> {
        let mut made: BTreeMap<&str, &Seen> = BTreeMap::new();
        let mut last: BTreeMap<&str, &Seen> = BTreeMap::new();
        let mut twice = Vec::new();
        for seen in self.taken() {
            let account = seen.done.account().unwrap_or_default();
            match &seen.done {
                Done::Created(_) => {
                    if let Some(marker) = &seen.marker
                        && let Some(earlier) = made.insert(marker, seen)
                    {
                        twice.push((earlier, seen));
                    }
                }
                Done::Removed(id) => made.retain(|_, create| create.done.account() != Some(id)),
                Done::Changed(_) => {
                    let same = |earlier: &&&Seen| earlier.method == seen.method && earlier.body == seen.body;
                    twice.extend(last.get(account).filter(same).map(|earlier| (*earlier, seen)));
                }
                Done::Nothing => {}
            }
            last.insert(account, seen);
        }
        twice
    }

    /// All of it for people, a line a request.
    pub fn story(&self) -> String {
        self.0.iter().map(|seen| seen.line() + "\n").collect()
    }
}

/// The log as it is being written.
#[derive(Debug)]
pub(super) struct Writer {
    /// Whether requests are kept; they are counted in any case.
    pub keeps: bool,
    count: u64,
    kept: Vec<Seen>,
}

impl Writer {
    pub fn new(keeps: bool) -> Self {
        Self { keeps, count: 0, kept: Vec::new() }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// A request has come: its number.
    pub fn arrived(&mut self, asked: &Asked, path: &str, at_ms: u64) -> u64 {
        self.count += 1;
        if self.keeps {
            self.kept.push(Seen {
                number: self.count,
                at_ms,
                method: asked.method.clone(),
                path: path.to_owned(),
                query: asked.query.clone(),
                headers: asked.headers.clone(),
                body: asked.body.clone(),
                marker: None,
                user_name: None,
                done: Done::Nothing,
                reply: Reply::Pending,
            });
        }
        self.count
    }

    /// Changes what is kept of a request.
    pub fn note(&mut self, number: u64, note: impl FnOnce(&mut Seen)) {
        if let Ok(at) = self.kept.binary_search_by_key(&number, |seen| seen.number) {
            note(&mut self.kept[at]);
        }
    }

    /// What is kept of requests after this number.
    pub fn since(&self, number: u64) -> Log {
        let from = self.kept.partition_point(|seen| seen.number <= number);
        Log(self.kept[from..].to_vec())
    }

    /// Forgets what is kept of requests up to this number; the numbers go on.
    pub fn forget(&mut self, through: u64) {
        self.kept.retain(|seen| seen.number > through);
    }
}
