//! The index of users by linking key. Built by streaming users once; it holds digests of keys and a few facts of
//! each user (about 20 bytes a key and 16 a user), and of names and addresses only those that conditions of linking
//! rules ask for.

use super::conditions::Conditions;
use super::reading::Slot;
use crate::linking::{LinkRule, user_keys};
use crate::{Access, User, UserId};
use gatehouse_schema::Account as RemoteAccount;
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// How many users of one key are looked at: enough to name them, few enough that a useless rule costs nothing.
pub const MAX_CANDIDATES: usize = 8;

/// What an analysis needs to know of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// The user.
    pub id: UserId,
    /// Whether they are still here.
    pub active: bool,
    /// Whether they may not sign in for the time being.
    pub frozen: bool,
    /// Whether a grant gives them the app, and they are in its scope.
    pub access: Access,
}

impl UserFacts {
    /// Whether they are to have an account.
    pub fn has_access(&self) -> bool {
        self.active && self.access == Access::Given
    }

    /// Whether nobody can tell if they are to have an account: then nothing is done for them or against them.
    pub fn is_undecided(&self) -> bool {
        self.active && self.access == Access::Undecided
    }
}

/// The users that the strongest rule which finds anybody finds for an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The rule, by its place in the configuration; none if no rule finds anybody.
    pub rule: Option<usize>,
    /// The users, by number, at most [`MAX_CANDIDATES`].
    pub users: Vec<UserId>,
    /// Whether there are more.
    pub more: bool,
}

type Key = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: Key,
    user: Slot,
}

/// Collects users for a [`UserIndex`].
#[derive(Debug)]
pub struct UserIndexBuilder {
    rules: Vec<LinkRule>,
    people: Vec<UserFacts>,
    entries: Vec<Entry>,
    conditions: Conditions,
}

impl UserIndexBuilder {
    /// Adds a user; `access` says whether the app is theirs (`App::entitles`). A user who comes twice counts as they
    /// came last.
    pub fn push(&mut self, user: &User, access: impl Into<Access>) {
        let slot = self.people.len() as Slot;
        let (active, frozen, access) = (user.active, user.frozen, access.into());
        self.people.push(UserFacts { id: user.id, active, frozen, access });
        self.conditions.keep(user);
        for (rule, keys) in user_keys(&self.rules, user).into_iter().enumerate() {
            self.entries.extend(keys.iter().map(|text| Entry { key: key(rule, text), user: slot }));
        }
    }

    /// Sorts what was collected.
    pub fn finish(self) -> UserIndex {
        let Self { people: pushed, mut entries, mut conditions, .. } = self;
        let mut order: Vec<Slot> = (0..pushed.len() as Slot).collect();
        order.sort_by_key(|slot| (pushed[*slot as usize].id, *slot));
        let mut people: Vec<UserFacts> = Vec::with_capacity(pushed.len());
        let mut place: Vec<Option<Slot>> = vec![None; pushed.len()];
        for (no, slot) in order.iter().enumerate() {
            let user = pushed[*slot as usize];
            let is_last = order.get(no + 1).is_none_or(|next| pushed[*next as usize].id != user.id);
            if is_last {
                place[*slot as usize] = Some(people.len() as Slot);
                people.push(user);
            }
        }
        conditions.move_to(&place);
        entries.retain_mut(|entry| match place[entry.user as usize] {
            Some(slot) => {
                entry.user = slot;
                true
            }
            None => false,
        });
        entries.sort_unstable();
        entries.dedup();
        UserIndex { people, entries, conditions }
    }
}

/// The key of a text under a rule. Half a SHA-256: no two texts will ever share one.
fn key(rule: usize, text: &str) -> Key {
    let digest = Sha256::new().chain_update((rule as u64).to_le_bytes()).chain_update(text).finalize();
    let mut key = Key::default();
    key.copy_from_slice(&digest[..16]);
    key
}

/// Users by linking key, and a few facts of each.
#[derive(Debug)]
pub struct UserIndex {
    /// By number.
    people: Vec<UserFacts>,
    /// By key, then user.
    entries: Vec<Entry>,
    conditions: Conditions,
}

/// Where the users stand that a rule finds for an account.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// The rule; none if no rule finds anybody.
    pub rule: Option<usize>,
    /// The users of each key.
    pub ranges: Vec<Range<usize>>,
    /// Those of them for whom the rule's condition holds, if it has one and they were few enough to ask.
    pub only: Option<Vec<Slot>>,
    /// Whether the condition could not be asked of all of them: then nobody is found for certain.
    pub unsure: bool,
}

impl UserIndex {
    /// Begins an index under these rules.
    pub fn builder(rules: &[LinkRule]) -> UserIndexBuilder {
        let conditions = Conditions::of(rules);
        UserIndexBuilder { rules: rules.to_vec(), people: Vec::new(), entries: Vec::new(), conditions }
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// What is known of a user; none if there is no such user.
    pub fn facts(&self, user: UserId) -> Option<UserFacts> {
        self.slot(user).map(|slot| self.people[slot as usize])
    }

    /// The users that the strongest rule finds for an account and its keys (see `linking::account_keys`).
    pub fn candidates(&self, account: &RemoteAccount, keys: &[Vec<String>]) -> Candidates {
        let (rule, users, more) = self.found(account, keys);
        Candidates { rule, users: users.into_iter().map(|slot| self.people[slot as usize].id).collect(), more }
    }

    pub(super) fn people(&self) -> &[UserFacts] {
        &self.people
    }

    pub(super) fn slot(&self, user: UserId) -> Option<Slot> {
        self.people.binary_search_by_key(&user, |facts| facts.id).ok().map(|slot| slot as Slot)
    }

    pub(super) fn slots(&self, range: Range<usize>) -> impl Iterator<Item = Slot> + '_ {
        self.entries[range].iter().map(|entry| entry.user)
    }

    /// The strongest rule that finds anybody, the users it finds, at most [`MAX_CANDIDATES`], and whether more.
    pub(super) fn found(&self, account: &RemoteAccount, keys: &[Vec<String>]) -> (Option<usize>, Vec<Slot>, bool) {
        let Matches { rule, ranges, only, unsure } = self.matches(account, keys);
        // One more of each key than is looked at tells whether there are more.
        let head = |range: Range<usize>| range.start..range.end.min(range.start + MAX_CANDIDATES + 1);
        let mut users =
            only.unwrap_or_else(|| ranges.into_iter().flat_map(|range| self.slots(head(range))).collect::<Vec<_>>());
        users.sort_unstable();
        users.dedup();
        let more = users.len() > MAX_CANDIDATES || unsure;
        users.truncate(MAX_CANDIDATES);
        (rule, users, more)
    }

    /// The strongest rule that finds anybody, and where the users of each of its keys stand.
    pub(super) fn matches(&self, account: &RemoteAccount, keys: &[Vec<String>]) -> Matches {
        for (rule, texts) in keys.iter().enumerate() {
            let ranges: Vec<_> =
                texts.iter().map(|text| self.range(key(rule, text))).filter(|range| !range.is_empty()).collect();
            if ranges.is_empty() {
                continue;
            }
            let (only, unsure) =
                self.conditions.ask(rule, account, || ranges.iter().cloned().flat_map(|r| self.slots(r)));
            if only.as_ref().is_none_or(|only| !only.is_empty()) {
                return Matches { rule: Some(rule), ranges, only, unsure };
            }
        }
        Matches::default()
    }

    /// Where the users of a key stand. Nearly every key has one user, or none: the end is looked for close by first.
    fn range(&self, key: Key) -> Range<usize> {
        let start = self.entries.partition_point(|entry| entry.key < key);
        let entries = &self.entries[start..];
        let mut within = 1;
        while entries.get(within).is_some_and(|entry| entry.key == key) {
            within *= 2;
        }
        let len = entries[..within.min(entries.len())].partition_point(|entry| entry.key == key);
        start..start + len
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::user;

    fn rules() -> Vec<LinkRule> {
        [("username", "username"), ("emails", "email")]
            .map(|(account, user)| LinkRule {
                account_attribute: account.to_owned(),
                user_attribute: user.to_owned(),
                normalise: Default::default(),
                condition: None,
            })
            .into()
    }

    fn remote(id: &str) -> RemoteAccount {
        crate::analysis::world::remote(id, id, &[])
    }

    fn index(users: &[(u64, &str, &str)]) -> UserIndex {
        index_under(&rules(), users)
    }

    fn index_under(rules: &[LinkRule], users: &[(u64, &str, &str)]) -> UserIndex {
        let mut builder = UserIndex::builder(rules);
        for (id, username, email) in users {
            builder.push(&User { email: Some((*email).to_owned()), ..user(*id, username) }, true);
        }
        builder.finish()
    }

    fn check(index: &UserIndex, username: &str, email: &str, rule: Option<usize>, users: &[u64]) {
        let found = index.candidates(&remote("e1"), &[vec![username.to_owned()], vec![email.to_owned()]]);
        let users: Vec<_> = users.iter().map(|id| UserId(*id)).collect();
        assert_eq!(found, Candidates { rule, users, more: false }, "{username} {email}");
    }

    #[test]
    fn a_later_rule_is_only_asked_where_the_earlier_find_nobody() {
        let index = index(&[(2, "bob", "b@x"), (1, "ada", "a@x"), (3, "amy", "A@X")]);
        check(&index, "bob", "a@x", Some(0), &[2]);
        check(&index, "eve", "a@x", Some(1), &[1, 3]);
        check(&index, "a@x", "bob", None, &[]);
        assert_eq!(index.facts(UserId(2)).unwrap().id, UserId(2));
        assert_eq!(index.facts(UserId(4)), None);
    }

    #[test]
    fn a_condition_leaves_out_users_and_then_the_next_rule_is_asked() {
        let with = |condition: &str| {
            let mut rules = rules();
            rules[0].condition = Some(crate::Expression::new(condition));
            index_under(&rules, &[(1, "ada", "a@x"), (2, "ada", "b@x"), (3, "eve", "c@x"), (1, "ada", "A@x")])
        };
        check(&with("user.email == 'b@x'"), "ada", "c@x", Some(0), &[2]);
        check(&with("user.email == 'A@x'"), "ada", "c@x", Some(0), &[1]);
        check(&with("account.username == 'e1' && account.id == 'e1'"), "ada", "c@x", Some(0), &[1, 2]);
        check(&with("account.username == 'other'"), "ada", "c@x", Some(1), &[3]);
        check(&with("user.last_name == 'x'"), "ada", "nobody", None, &[]);
        // For whom it cannot be told may be meant: they are named, and nobody is found for certain.
        let unsure =
            with("user.email == 'b@x' ? 1 / 0 == 1 : false").candidates(&remote("e1"), &[vec!["ada".to_owned()]]);
        assert_eq!(unsure, Candidates { rule: Some(0), users: vec![UserId(2)], more: true });
    }

    #[test]
    fn a_condition_is_not_asked_of_a_crowd() {
        let mut rules = rules();
        rules[0].condition = Some(crate::Expression::new("user.email == 'u1'"));
        let crowd = |count: u64| (1..=count).map(|id| (id, "many", "u1")).collect::<Vec<_>>();
        let found = |count| index_under(&rules, &crowd(count)).candidates(&remote("e1"), &[vec!["many".to_owned()]]);
        let limit = super::super::conditions::MAX_ASKED as u64;
        assert!(found(limit).more && found(limit + 1).more);
        let none = index_under(&rules, &(1..=limit).map(|id| (id, "many", "u2")).collect::<Vec<_>>());
        assert_eq!(none.candidates(&remote("e1"), &[vec!["many".to_owned()]]), Candidates::default());
        let none = index_under(&rules, &(1..=limit + 1).map(|id| (id, "many", "u2")).collect::<Vec<_>>());
        let unsure = none.candidates(&remote("e1"), &[vec!["many".to_owned()]]);
        assert_eq!((unsure.users.len(), unsure.more), (MAX_CANDIDATES, true));
    }

    #[test]
    fn a_key_of_very_many_users_names_eight_and_says_that_there_are_more() {
        let users: Vec<_> = (1..=9).map(|id| (id, "u", "info@x")).collect();
        let all = index(&users).candidates(&remote("e1"), &[vec![], vec!["info@x".to_owned()]]);
        assert_eq!((all.users.len(), all.more), (MAX_CANDIDATES, true));
        let eight = index(&users[..8]).candidates(&remote("e1"), &[vec![], vec!["info@x".to_owned()]]);
        assert_eq!((eight.users.len(), eight.more), (8, false));
    }

    #[test]
    fn all_users_of_a_key_stand_in_its_range_and_no_others() {
        for count in 0..=20 {
            let many = (1..=count).map(|id| (id, "many", "m@x"));
            let others = (21..=40).map(|id| (id, "other", "o@x"));
            let users: Vec<_> = many.chain(others).collect();
            let index = index(&users);
            let Matches { rule, ranges, .. } = index.matches(&remote("e1"), &[vec!["many".to_owned()]]);
            let slots: Vec<_> = ranges.into_iter().flat_map(|range| index.slots(range)).collect();
            assert_eq!(slots, (0..count as Slot).collect::<Vec<_>>());
            assert_eq!(rule.is_some(), count > 0);
        }
    }

    #[test]
    fn a_user_who_is_streamed_twice_counts_as_they_came_last() {
        let index = index(&[(1, "old", "a@x"), (2, "bob", "b@x"), (1, "new", "a@x")]);
        assert_eq!(index.len(), 2);
        check(&index, "old", "none", None, &[]);
        check(&index, "new", "none", Some(0), &[1]);
        check(&index, "none", "a@x", Some(1), &[1]);
    }
}
