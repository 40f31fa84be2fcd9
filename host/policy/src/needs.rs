//! What an action needs, found out by asking the policies with every set of permissions: so that what a refusal says
//! can never differ from what is decided. There are 64 sets; the answer is kept.

use crate::{Policies, Resource};
use gatehouse_core::access::{Action, Principal, words};
use gatehouse_core::{Permissions, SystemPermission, UserId};
use std::fmt;

/// Nobody: no record is theirs, and none is shared with them.
const STRANGER: UserId = UserId(0);

/// The smallest sets of permissions that are enough for an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs(Vec<Permissions>);

/// Every set of permissions, the smaller ones first.
pub(crate) fn every_set() -> Vec<Permissions> {
    let sets = 0..1_u32 << SystemPermission::ALL.len();
    let chosen = |bits: u32| {
        let all = SystemPermission::ALL.into_iter().enumerate();
        all.filter(|(no, _)| bits & (1 << no) != 0).map(|(_, permission)| permission).collect()
    };
    let mut all: Vec<Permissions> = sets.map(chosen).collect();
    all.sort_by_key(|set| (set.len(), set.clone()));
    all
}

impl Needs {
    pub(crate) const fn nobody() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn of(policies: &Policies, action: Action) -> Self {
        let to = match action {
            Action::Grant => Resource::Grant(None, Permissions::new()),
            _ => Resource::Any,
        };
        let mut smallest: Vec<Permissions> = Vec::new();
        for permissions in every_set() {
            if smallest.iter().any(|enough| enough.is_subset(&permissions)) {
                continue;
            }
            let who = Principal::User { id: STRANGER, permissions: permissions.clone() };
            if policies.allow(&who, action, &to) {
                smallest.push(permissions);
            }
        }
        Self(smallest)
    }

    /// The sets, the smaller ones first.
    pub fn sets(&self) -> &[Permissions] {
        &self.0
    }
}

impl fmt::Display for Needs {
    /// "View Setup and Manage Users"; "Customize Application, and Modify All Data or Manage Connected Apps"; "View Setup,
    /// or (Manage Users and Modify All Data)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, others @ ..] = self.0.as_slice() else { return f.write_str("what no permission gives") };
        if others.is_empty() {
            return f.write_str(&words(first));
        }
        let common: Permissions =
            first.iter().filter(|permission| others.iter().all(|set| set.contains(*permission))).copied().collect();
        let alternative = |set: &Permissions| {
            let rest: Permissions = set.difference(&common).copied().collect();
            if rest.len() > 1 { format!("({})", words(&rest)) } else { words(&rest) }
        };
        let alternatives = self.0.iter().map(alternative).collect::<Vec<_>>().join(" or ");
        if common.is_empty() { f.write_str(&alternatives) } else { write!(f, "{}, and {alternatives}", words(&common)) }
    }
}
