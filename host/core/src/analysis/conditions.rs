//! The conditions of linking rules, asked of the users whom a rule finds by index. Keeps of each user what conditions
//! ask for, and nothing where no rule has one. A condition only ever makes a rule find fewer.

use super::reading::Slot;
use crate::linking::LinkRule;
use crate::{Expression, Facts, UsedAttributes, User};
use gatehouse_schema::Account as RemoteAccount;

/// Of how many users of an account's keys a condition is asked. A rule that finds more is no evidence anyway.
pub(super) const MAX_ASKED: usize = 64;

/// The conditions of an app's rules, and what they ask for of each user.
#[derive(Debug)]
pub(super) struct Conditions {
    by_rule: Vec<Option<Expression>>,
    used: UsedAttributes,
    users: Vec<User>,
}

impl Conditions {
    pub fn of(rules: &[LinkRule]) -> Self {
        let by_rule: Vec<_> = rules.iter().map(|rule| rule.condition.clone()).collect();
        let mut used = UsedAttributes::none();
        by_rule.iter().flatten().for_each(|condition| used.extend(condition.used_attributes()));
        Self { by_rule, used, users: Vec::new() }
    }

    /// Keeps the next user.
    pub fn keep(&mut self, user: &User) {
        if self.by_rule.iter().any(Option::is_some) {
            self.users.push(pruned(user, &self.used));
        }
    }

    /// Moves what is kept to the places of the users in the index; those without one go.
    pub fn move_to(&mut self, places: &[Option<Slot>]) {
        let mut placed: Vec<(Slot, User)> =
            self.users.drain(..).zip(places).filter_map(|(user, place)| Some(((*place)?, user))).collect();
        placed.sort_by_key(|(place, _)| *place);
        self.users = placed.into_iter().map(|(_, user)| user).collect();
    }

    /// The users for whom the condition of a rule holds, and whether it could not be asked of all of them. None if the
    /// rule has no condition, or too many users.
    pub fn ask<I: Iterator<Item = Slot>>(
        &self,
        rule: usize,
        account: &RemoteAccount,
        users: impl Fn() -> I,
    ) -> (Option<Vec<Slot>>, bool) {
        let Some(condition) = self.by_rule.get(rule).and_then(Option::as_ref) else { return (None, false) };
        if users().nth(MAX_ASKED).is_some() {
            return (None, true);
        }
        let mut unsure = false;
        let meant = users().filter(|slot| {
            let Some(user) = self.users.get(*slot as usize) else { return false };
            condition.holds(&Facts::of_pair(user, account)).unwrap_or_else(|_| {
                unsure = true;
                true
            })
        });
        let meant: Vec<Slot> = meant.collect();
        (Some(meant), unsure)
    }
}

/// A user with nothing but what is used.
fn pruned(user: &User, used: &UsedAttributes) -> User {
    let text = |name: &str, text: &Option<String>| text.clone().filter(|_| used.uses(name));
    User {
        username: if used.uses("username") { user.username.clone() } else { String::new() },
        email: text("email", &user.email),
        first_name: text("first_name", &user.first_name),
        last_name: text("last_name", &user.last_name),
        manager_username: text("manager", &user.manager_username),
        profile: text("profile", &user.profile),
        permission_sets: if used.uses("permission_sets") { user.permission_sets.clone() } else { Default::default() },
        attributes: user
            .attributes
            .iter()
            .filter(|(name, _)| used.uses(name))
            .map(|(name, values)| (name.clone(), values.clone()))
            .collect(),
        ..*user
    }
}
