//! Sharing rules: who sees requests, or decides about them, without managing them all. Lists and single looks are
//! answered by two functions, which a property test holds against each other. It never looks anything up.
//!
//! The *owner* of a request is the user it is about. A request about an account without a user, or about a whole app,
//! has none: only rules whose owner is anybody reach it. Who asked for a request is of no importance here.

use crate::approval::waited_for;
use crate::{AppId, Operation, Request, Subject, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A rule that shares requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingRule {
    /// Unique name.
    pub name: String,
    /// One line for administrators.
    #[serde(default)]
    pub description: String,
    /// Requests of this app; none: of every app.
    #[serde(default)]
    pub app: Option<AppId>,
    /// Requests with these operations; empty: with every one.
    #[serde(default)]
    pub operations: BTreeSet<Operation>,
    /// Whose requests.
    pub owner: Owner,
    /// With whom they are shared.
    pub audience: Audience,
    /// What for.
    pub access: Access,
    /// Counts changes.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whose requests a rule shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Everybody's, and those that are nobody's.
    Anybody,
    /// Those about this user.
    User(UserId),
    /// Those about members of this group.
    Group(String),
}

/// With whom a rule shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// This user.
    User(UserId),
    /// The members of this group.
    Group(String),
    /// The manager of whoever the request is about.
    Managers,
}

/// What requests are shared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// To be seen.
    Read,
    /// To be seen, and to be approved or denied.
    Approve,
}

/// Somebody who looks, and the groups they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// Their groups.
    pub groups: BTreeSet<String>,
}

/// Whom a request is about: what rules ask of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Who.
    pub user: UserId,
    /// Whom they report to.
    pub manager: Option<UserId>,
    /// Their groups.
    pub groups: BTreeSet<String>,
}

/// A part of all requests that somebody may see: what a store lists by its indexes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// About this user; none: about whomever.
    pub about: Option<UserId>,
    /// Of this app; none: of every app.
    pub app: Option<AppId>,
    /// With these operations; empty: with every one.
    pub operations: BTreeSet<Operation>,
}

impl Reach {
    /// Everything about a user.
    pub fn about(user: UserId) -> Self {
        Self { about: Some(user), app: None, operations: BTreeSet::new() }
    }

    /// Whether a request is part of it.
    pub fn covers(&self, request: &Request) -> bool {
        self.about.is_none_or(|user| request.subject == Subject::User(user))
            && self.app.is_none_or(|app| app == request.app)
            && (self.operations.is_empty() || self.operations.contains(&request.operation))
    }
}

/// All that somebody may see: parts of all requests, and what waits for the approval of any of these persons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// Parts, by what is about them and what is shared.
    pub reaches: Vec<Reach>,
    /// They, and those whom they stand in for.
    pub awaiting: Vec<UserId>,
}

impl Visible {
    /// Whether a request is among it.
    pub fn covers(&self, request: &Request) -> bool {
        let waits = || waited_for(request).iter().any(|user| self.awaiting.contains(user));
        self.reaches.iter().any(|reach| reach.covers(request)) || (!self.awaiting.is_empty() && waits())
    }
}

/// What somebody may do with one request, for any reason but the permissions they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// See it.
    pub reads: bool,
    /// Approve or deny it.
    pub decides: bool,
    /// Whether a rule lets them decide, and not only that it waits for them.
    pub by_rule: bool,
}

/// What somebody may do with a request by the rules, and because it waits for them (`assigned`: an approver that it
/// names). That a request is about oneself is for the policies to say.
pub fn standing(
    rules: &[SharingRule],
    viewer: &Viewer,
    request: &Request,
    about: Option<&About>,
    assigned: bool,
) -> Standing {
    let shared = rules.iter().filter(|rule| applies(rule, viewer, request, about)).map(|rule| rule.access).max();
    let by_rule = shared == Some(Access::Approve);
    Standing { reads: assigned || shared.is_some(), decides: assigned || by_rule, by_rule }
}

fn applies(rule: &SharingRule, viewer: &Viewer, request: &Request, about: Option<&About>) -> bool {
    let part = Reach { about: None, app: rule.app, operations: rule.operations.clone() };
    let owned = match &rule.owner {
        Owner::Anybody => true,
        Owner::User(user) => about.is_some_and(|about| about.user == *user),
        Owner::Group(group) => about.is_some_and(|about| about.groups.contains(group)),
    };
    let meant = match &rule.audience {
        Audience::User(user) => viewer.user == *user,
        Audience::Group(group) => viewer.groups.contains(group),
        Audience::Managers => about.is_some_and(|about| about.manager == Some(viewer.user)),
    };
    part.covers(request) && owned && meant
}

/// Everything that somebody sees without permissions: what is about them, and what rules share with them. `reports`
/// are those whose manager they are; `members` says who belongs to a group.
pub fn visible<'a>(
    rules: &'a [SharingRule],
    viewer: &Viewer,
    reports: &[UserId],
    members: impl Fn(&'a str) -> BTreeSet<UserId>,
) -> BTreeSet<Reach> {
    let mut all = BTreeSet::from([Reach::about(viewer.user)]);
    for rule in rules {
        let owners: Option<BTreeSet<UserId>> = match &rule.owner {
            Owner::Anybody => None,
            Owner::User(user) => Some(BTreeSet::from([*user])),
            Owner::Group(group) => Some(members(group)),
        };
        let owners = match &rule.audience {
            Audience::User(user) if viewer.user == *user => owners,
            Audience::Group(group) if viewer.groups.contains(group) => owners,
            Audience::Managers => {
                let reports = reports.iter().copied();
                Some(reports.filter(|user| owners.as_ref().is_none_or(|owners| owners.contains(user))).collect())
            }
            _ => continue,
        };
        let reach = |about| Reach { about, app: rule.app, operations: rule.operations.clone() };
        match owners {
            None => drop(all.insert(reach(None))),
            Some(owners) => all.extend(owners.into_iter().map(|user| reach(Some(user)))),
        }
    }
    all
}
