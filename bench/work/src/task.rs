//! What is done in a call, and what it must come to. It never does it.

use crate::Account;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is done in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The least that a call can be.
    Trivial,
    /// A page of 250 made-up accounts.
    Collect,
    /// A page of 100 accounts, parsed from SCIM JSON.
    Parse,
    /// Verdicts on 10 accounts.
    AnalyzeFew,
    /// Verdicts on 250 accounts.
    Analyze,
}

impl Task {
    /// Accounts in a call.
    pub fn accounts(self) -> u32 {
        match self {
            Self::Trivial => 1,
            Self::Collect | Self::Analyze => 250,
            Self::Parse => 100,
            Self::AnalyzeFew => 10,
        }
    }

    /// Looks at what a call has given: how many results, and one text of them. For pages the username of the last
    /// account, for verdicts what has drifted of the first one.
    ///
    /// # Errors
    /// The call has not done its work.
    pub fn check(self, results: usize, text: Option<&str>) -> Result<(), WorkUndone> {
        let expected = match self {
            Self::Trivial => None,
            Self::Collect => Some("user00000249"),
            Self::Parse => Some("user00000099"),
            Self::AnalyzeFew | Self::Analyze => Some("name.familyName"),
        };
        if results == self.accounts() as usize && text == expected {
            return Ok(());
        }
        Err(WorkUndone { results, text: text.map(str::to_owned) })
    }

    /// Looks at a page.
    ///
    /// # Errors
    /// See [`Task::check`].
    pub fn check_page(self, accounts: &[Account]) -> Result<(), WorkUndone> {
        self.check(accounts.len(), accounts.last().map(|account| account.username.as_str()))
    }

    /// Looks at what each verdict says to have drifted.
    ///
    /// # Errors
    /// See [`Task::check`].
    pub fn check_drift<'a>(self, mut verdicts: impl ExactSizeIterator<Item = &'a [String]>) -> Result<(), WorkUndone> {
        let results = verdicts.len();
        self.check(results, verdicts.next().and_then(<[String]>::first).map(String::as_str))
    }
}

/// A call whose answer is not what the work gives.
#[derive(Debug)]
pub struct WorkUndone {
    results: usize,
    text: Option<String>,
}

impl fmt::Display for WorkUndone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call gave {} results, with {:?}: that is not what was asked for", self.results, self.text)
    }
}

impl std::error::Error for WorkUndone {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{analyze, collect, items};

    #[test]
    fn the_work_passes_the_look_at_it_and_less_than_it_does_not() {
        for (task, filter) in [(Task::Collect, None), (Task::Parse, Some(crate::PARSE))] {
            let page = collect(filter, None, task.accounts()).unwrap();
            task.check_page(&page.accounts).unwrap();
            task.check_page(&page.accounts[1..]).unwrap_err();
            task.check_page(&vec![Account::default(); task.accounts() as usize]).unwrap_err();
        }
        for task in [Task::AnalyzeFew, Task::Analyze] {
            let verdicts = analyze(&items(task.accounts()));
            let drift = || verdicts.iter().map(|verdict| verdict.drift.as_slice());
            task.check_drift(drift()).unwrap();
            task.check_drift(drift().rev()).unwrap_err();
        }
    }
}
