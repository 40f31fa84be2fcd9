//! What is wrong with a configuration, and where: collected rather than failed at, so that an administrator sees all
//! of it at once. Never about the state of anything, only about what somebody wrote.

use serde::Serialize;
use std::fmt;

/// One thing that is wrong with what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where: `mapping[2].attribute`, `settings.base_url`.
    pub at: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), why: why.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered instead of the other.
const ALIKE: f64 = 0.82;

/// The known names that an unknown one may have been meant for, the likeliest first, at most three.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let part = wanted.len() >= 3 && (candidate.contains(&wanted) || wanted.contains(&candidate));
        strsim::jaro_winkler(&wanted, &candidate).max(if part { 0.9 } else { 0.0 })
    };
    let mut scored: Vec<(f64, &str)> =
        known.into_iter().map(|k| (likeness(k), k)).filter(|(likeness, _)| *likeness >= ALIKE).collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// "there is no `what` `name`", with what may have been meant, or else with what there is.
pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = nearest(name, known.iter().copied());
    if !near.is_empty() {
        return format!("there is no {what} `{name}`; did you mean {}?", one_of(&near));
    }
    match known.len() {
        0 => format!("there is no {what} `{name}`, nor any other"),
        1..=12 => format!("there is no {what} `{name}`; there is {}", listed(&known, "and")),
        more => format!("there is no {what} `{name}`; none of the {more} there are is like it"),
    }
}

/// `a`, `b` or `c`.
pub(crate) fn one_of(names: &[&str]) -> String {
    listed(names, "or")
}

fn listed(names: &[&str], joiner: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, firsts)) => format!("{} {joiner} {last}", firsts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["displayName", "emails", "name.familyName", "name.givenName", "title"];

    fn check(name: &str, expected: &[&str]) {
        assert_eq!(nearest(name, KNOWN), expected, "nearest to {name}");
    }

    #[test]
    fn misspelt_and_shortened_names_find_the_one_that_was_meant() {
        check("email", &["emails"]);
        check("displayname", &["displayName"]);
        check("givenName", &["name.givenName"]);
        check("tilte", &["title"]);
    }

    #[test]
    fn a_name_like_no_other_finds_none() {
        check("shoe_size", &[]);
        assert!(unknown("attribute", "shoe_size", KNOWN).contains("there is `displayName`, `emails`"));
    }
}
