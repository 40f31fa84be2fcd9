//! The JSON that crosses where there is no component model: to the Extism plugin and to the child process. Written
//! as tersely as an author would; host and guest use the same types.

use crate::{Account, Item, Next, PARSE, Page, Task, Verdict, WorkUndone};
use gatehouse_connector::{Attributes, Judgement};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question<'a> {
    /// The least that a call can be.
    Check,
    /// A page.
    Collect {
        /// See [`crate::collect`].
        filter: Option<Cow<'a, str>>,
        /// Where to begin.
        cursor: Option<Cow<'a, str>>,
        /// At most so many accounts.
        limit: u32,
    },
    /// Verdicts on these.
    Analyze(Vec<WireItem<'a>>),
}

impl<'a> Question<'a> {
    /// What a task asks.
    pub fn of(task: Task, batch: &'a [Item]) -> Self {
        let collect = |filter: Option<&'a str>| Self::Collect {
            filter: filter.map(Cow::Borrowed),
            cursor: None,
            limit: task.accounts(),
        };
        match task {
            Task::Trivial => Self::Check,
            Task::Collect => collect(None),
            Task::Parse => collect(Some(PARSE)),
            Task::AnalyzeFew | Task::Analyze => Self::Analyze(batch.iter().map(WireItem::of).collect()),
        }
    }
}

/// One item of a batch.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireItem<'a> {
    account: Cow<'a, Account>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    desired: Cow<'a, Attributes>,
}

impl<'a> WireItem<'a> {
    /// To be sent.
    pub fn of(item: &'a Item) -> Self {
        let user = item.user.as_deref().map(Cow::Borrowed);
        Self { account: Cow::Borrowed(&item.account), user, desired: Cow::Borrowed(&item.desired) }
    }
}

impl From<WireItem<'_>> for Item {
    fn from(item: WireItem<'_>) -> Self {
        let user = item.user.map(Cow::into_owned);
        Self { account: item.account.into_owned(), user, desired: item.desired.into_owned() }
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All is well.
    Checked,
    /// A page.
    Page {
        /// The accounts.
        accounts: Vec<Account>,
        /// Where the next page begins; none at the end.
        next: Option<String>,
    },
    /// One for each item.
    Verdicts(Vec<WireVerdict>),
    /// It did not work.
    Failed(String),
}

/// One verdict.
#[derive(Debug, Serialize, Deserialize)]
pub struct WireVerdict {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doubt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignore: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    drift: Vec<String>,
}

impl From<Verdict> for WireVerdict {
    fn from(verdict: Verdict) -> Self {
        let (doubt, ignore) = match verdict.judgement {
            Judgement::Same => (None, None),
            Judgement::Doubt(why) => (Some(why), None),
            Judgement::Ignore(why) => (None, Some(why)),
        };
        Self { doubt, ignore, drift: verdict.drift }
    }
}

impl From<WireVerdict> for Verdict {
    fn from(verdict: WireVerdict) -> Self {
        let judgement = match (verdict.doubt, verdict.ignore) {
            (Some(why), _) => Judgement::Doubt(why),
            (None, Some(why)) => Judgement::Ignore(why),
            (None, None) => Judgement::Same,
        };
        Self { judgement, drift: verdict.drift }
    }
}

/// Answers a question: what the guest's side does.
pub fn answer(question: Question<'_>) -> Answer {
    match question {
        Question::Check => Answer::Checked,
        Question::Collect { filter, cursor, limit } => {
            match crate::collect(filter.as_deref(), cursor.as_deref(), limit) {
                Ok(page) => Answer::Page { accounts: page.accounts, next: cursor_of(page.next) },
                Err(failure) => Answer::Failed(format!("{failure:?}")),
            }
        }
        Question::Analyze(items) => {
            let items: Vec<Item> = items.into_iter().map(Item::from).collect();
            Answer::Verdicts(crate::analyze(&items).into_iter().map(WireVerdict::from).collect())
        }
    }
}

fn cursor_of(next: Next) -> Option<String> {
    match next {
        Next::More(cursor) => Some(cursor),
        Next::Complete | Next::Partial(_) => None,
    }
}

impl Answer {
    /// Makes it what a host is handed, and looks at it.
    ///
    /// # Errors
    /// It is not what the task asked for.
    pub fn check(self, task: Task) -> Result<(), WorkUndone> {
        match task {
            Task::Trivial => task.check(usize::from(matches!(self, Self::Checked)), None),
            Task::Collect | Task::Parse => {
                task.check_page(&self.into_page().map(|page| page.accounts).unwrap_or_default())
            }
            Task::AnalyzeFew | Task::Analyze => {
                let verdicts = self.into_verdicts().unwrap_or_default();
                task.check_drift(verdicts.iter().map(|verdict| verdict.drift.as_slice()))
            }
        }
    }

    /// The page it is; none if it is something else.
    pub fn into_page(self) -> Option<Page> {
        match self {
            Self::Page { accounts, next: Some(next) } => Some(Page::more(accounts, next)),
            Self::Page { accounts, next: None } => Some(Page::complete(accounts)),
            _ => None,
        }
    }

    /// The verdicts it is; none if it is something else.
    pub fn into_verdicts(self) -> Option<Vec<Verdict>> {
        match self {
            Self::Verdicts(verdicts) => Some(verdicts.into_iter().map(Verdict::from).collect()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_comes_back_is_what_the_work_gave() {
        let items = crate::items(20);
        let question = serde_json::to_string(&Question::Analyze(items.iter().map(WireItem::of).collect())).unwrap();
        let answer = serde_json::to_string(&answer(serde_json::from_str(&question).unwrap())).unwrap();
        let answer: Answer = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer.into_verdicts().unwrap(), crate::analyze(&items));
        let collect = Question::Collect { filter: None, cursor: Some("7".into()), limit: 3 };
        let answer = super::answer(serde_json::from_str(&serde_json::to_string(&collect).unwrap()).unwrap());
        assert_eq!(answer.into_page().unwrap(), crate::collect(None, Some("7"), 3).unwrap());
    }
}
