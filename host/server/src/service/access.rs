//! Who may do what: asks the policies, and says what is missing. What a person may see of requests, accounts and
//! users is found here, for lists by the indexes of the store and for single ones by looking at them.

use super::{Caller, ServiceError, Services};
use gatehouse_core::access::{Action, Principal, Scope, in_scope, words};
use gatehouse_core::approval::waited_for;
use gatehouse_core::ports::StoreError;
use gatehouse_core::sharing::{self, About, Standing, Viewer, Visible};
use gatehouse_core::{Actor, Permissions, Request, RequestId, Subject, SystemPermission, User, UserId};
use gatehouse_engine::approvals::voter;
use gatehouse_policy::{Resource, policies};
use std::collections::{BTreeMap, BTreeSet};

/// Why somebody may not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Denial {
    /// What they wanted.
    pub action: Option<Action>,
    /// What they need, and what they have.
    pub text: String,
}

impl Caller {
    /// Whether the caller may do this.
    pub(crate) fn may(&self, action: Action, to: &Resource) -> bool {
        in_scope(&self.scopes, action) && policies().allow(&self.principal, action, to)
    }

    /// As [`Self::may`], and says what is missing if not.
    pub(crate) fn must(&self, action: Action, to: &Resource) -> Result<(), ServiceError> {
        self.in_scope(action)?;
        if policies().allow(&self.principal, action, to) {
            return Ok(());
        }
        let text = match (own(&self.principal, to), action) {
            (true, Action::DecideRequest) => "nobody decides about their own account; somebody else has to".to_owned(),
            (true, Action::Grant) => {
                "nobody gives themselves a profile, a permission set, a group or people to manage; somebody else has to"
                    .to_owned()
            }
            (true, Action::Delegate) => {
                "nobody makes themselves somebody's delegate, or changes that they are; somebody else has to".to_owned()
            }
            _ => self.missing(action, to),
        };
        Err(Denial { action: Some(action), text }.into())
    }

    fn missing(&self, action: Action, to: &Resource) -> String {
        let (what, needs) = (action.words(), policies().needs(action));
        let besides = match (action, to) {
            (Action::Grant, Resource::Grant(_, carries)) => format!(", and what it carries: {}", words(carries)),
            (Action::MakeToken, Resource::Token(_, carries)) => {
                format!(", and all that its owner may do: {}", words(carries))
            }
            (Action::RevokeToken, Resource::Token(None, carries)) => {
                format!(", and all that it is good for: {}", words(carries))
            }
            (Action::DecideRequest, _) => ", or a sharing rule by which you approve it".to_owned(),
            _ => String::new(),
        };
        let whose = match (action, to) {
            (Action::MakeToken | Action::RevokeToken, Resource::Token(None, _)) => " of the installation",
            (Action::MakeToken, _) => " for somebody else",
            (Action::RevokeToken, _) => " of somebody else",
            _ => "",
        };
        format!("{what}{whose} needs {needs}{besides}; you have {}", words(&self.principal.permissions()))
    }

    /// Whether the token is good for this.
    pub(crate) fn in_scope(&self, action: Action) -> Result<(), ServiceError> {
        if in_scope(&self.scopes, action) {
            return Ok(());
        }
        let needed = action.scope().map_or("", Scope::name);
        let held = self.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
        let or_read = if action.reads() { " or `read`" } else { "" };
        let text = format!("{} needs a token with the scope `{needed}`{or_read}; this one has {held}", action.words());
        Err(Denial { action: Some(action), text }.into())
    }

    /// Whether this is a token that is nobody's.
    pub(crate) fn must_be_installation(&self) -> Result<(), ServiceError> {
        match self.principal {
            Principal::Installation => Ok(()),
            Principal::User { .. } => {
                let text = "this is for the installation's own tokens alone".to_owned();
                Err(Denial { action: None, text }.into())
            }
        }
    }
}

/// Whether something is one's own.
fn own(who: &Principal, to: &Resource) -> bool {
    let of = match to {
        Resource::Grant(of, _) | Resource::Request { about: of, .. } => *of,
        Resource::Delegation(_, delegate) => Some(*delegate),
        _ => None,
    };
    of.is_some() && of == who.user()
}

impl Services {
    /// What a user's profile and permission sets let them do.
    pub(super) async fn permissions_of(&self, user: &User) -> Result<Permissions, StoreError> {
        let mut all = self.carried_by(user.profile.as_deref(), &user.permission_sets).await?;
        all.retain(|_| user.active && !user.frozen);
        Ok(all)
    }

    /// The system permissions that a profile and permission sets carry.
    async fn carried_by(&self, profile: Option<&str>, sets: &BTreeSet<String>) -> Result<Permissions, StoreError> {
        let mut all = Permissions::new();
        if let Some(profile) = profile {
            all.extend(self.store.profile(profile).await?.into_iter().flat_map(|profile| profile.permissions));
        }
        for set in sets {
            all.extend(self.store.permission_set(set).await?.into_iter().flat_map(|set| set.permissions));
        }
        Ok(all)
    }

    /// What the owner of a token may do; the installation everything.
    pub(super) async fn carried_by_owner(&self, owner: Option<&User>) -> Result<Permissions, StoreError> {
        match owner {
            None => Ok(SystemPermission::ALL.into()),
            Some(user) => self.permissions_of(user).await,
        }
    }

    /// Whether a caller may make a user be what they are to be. Only what somebody would gain is looked at: a profile,
    /// permission sets, and people to manage.
    ///
    /// # Errors
    /// They may not; the text says why.
    pub async fn may_give(&self, caller: &Caller, before: Option<&User>, after: &User) -> Result<(), ServiceError> {
        let Some(me) = caller.principal.user() else { return Ok(()) };
        let profile = after.profile.as_deref().filter(|new| before.and_then(|b| b.profile.as_deref()) != Some(*new));
        let had = before.map(|before| &before.permission_sets);
        let sets: BTreeSet<String> =
            after.permission_sets.iter().filter(|set| had.is_none_or(|had| !had.contains(*set))).cloned().collect();
        if profile.is_some() || !sets.is_empty() {
            let carries = self.carried_by(profile, &sets).await?;
            caller.must(Action::Grant, &Resource::Grant(Some(after.id), carries))?;
        }
        if after.manager == Some(me) && before.and_then(|before| before.manager) != Some(me) {
            caller.must(Action::Grant, &Resource::Grant(Some(me), Permissions::new()))?;
        }
        Ok(())
    }

    /// Whether a caller may put these permissions into a profile or permission set that has `before`.
    ///
    /// # Errors
    /// They may not; the text says why.
    pub fn may_put_into(&self, caller: &Caller, before: &Permissions, after: &Permissions) -> Result<(), ServiceError> {
        let gained: Permissions = after.difference(before).copied().collect();
        if gained.is_empty() { Ok(()) } else { caller.must(Action::Grant, &Resource::Grant(None, gained)) }
    }

    /// Whether a caller may make these people members of a group that has `before`.
    ///
    /// # Errors
    /// They may not: nobody joins a group by themselves.
    pub fn may_join(
        &self,
        caller: &Caller,
        before: &BTreeSet<UserId>,
        after: &BTreeSet<UserId>,
    ) -> Result<(), ServiceError> {
        match caller.principal.user() {
            Some(me) if after.contains(&me) && !before.contains(&me) => {
                caller.must(Action::Grant, &Resource::Grant(Some(me), Permissions::new()))
            }
            _ => Ok(()),
        }
    }

    /// A request, if the caller may see it. One that they may not see is not there.
    ///
    /// # Errors
    /// There is none with that number, for them.
    pub async fn see_request(&self, caller: &Caller, id: RequestId) -> Result<Request, ServiceError> {
        caller.in_scope(Action::ReadRequest)?;
        let request = self.find_request(id).await?;
        let (seen, _) = self.standing(caller, &request).await?;
        if caller.may(Action::ReadRequest, &seen) { Ok(request) } else { Err(no_such_request(id)) }
    }

    /// A request that the caller may approve or deny; and whether a sharing rule lets them.
    ///
    /// # Errors
    /// They may not see it, or may see it and no more.
    pub(super) async fn decidable_request(
        &self,
        caller: &Caller,
        id: RequestId,
    ) -> Result<(Request, bool), ServiceError> {
        let request = self.find_request(id).await?;
        let (standing, by_rule) = self.standing(caller, &request).await?;
        // A token that is good for deciding alone still says what there is to decide about.
        if !policies().allow(&caller.principal, Action::ReadRequest, &standing) {
            return Err(no_such_request(id));
        }
        caller.must(Action::DecideRequest, &standing)?;
        Ok((request, by_rule))
    }

    /// A request as the policies see it with this caller; and whether a sharing rule lets them decide about it.
    async fn standing(&self, caller: &Caller, request: &Request) -> Result<(Resource, bool), ServiceError> {
        let about = match request.subject {
            Subject::User(user) => Some(user),
            Subject::Account(_) | Subject::App => None,
        };
        let Standing { reads, decides, by_rule } = match caller.principal.user() {
            None => Standing::default(),
            Some(viewer) => self.shared(viewer, request, about).await?,
        };
        Ok((Resource::Request { about, reads, decides }, by_rule))
    }

    async fn shared(&self, viewer: UserId, request: &Request, about: Option<UserId>) -> Result<Standing, ServiceError> {
        let rules = self.store.sharing_rules().await?;
        let waits_for = waited_for(request);
        let assigned =
            !waits_for.is_empty() && self.stands_for(viewer).await?.iter().any(|user| waits_for.contains(user));
        if rules.is_empty() {
            return Ok(Standing { reads: assigned, decides: assigned, by_rule: false });
        }
        let viewer = self.viewer(viewer).await?;
        let about = match about {
            None => None,
            Some(user) => Some(About {
                user,
                manager: self.store.user(user).await?.and_then(|user| user.manager),
                groups: self.groups_of(user).await?,
            }),
        };
        Ok(sharing::standing(&rules, &viewer, request, about.as_ref(), assigned))
    }

    /// Somebody, and those whom they stand in for now.
    async fn stands_for(&self, user: UserId) -> Result<Vec<UserId>, ServiceError> {
        let voter = voter(self.store.as_ref(), Actor::host(), Some(user)).await?;
        let now = self.now();
        let holding = voter.delegations.iter().filter(|(delegation, _)| delegation.holds(now));
        Ok(holding.map(|(delegation, _)| delegation.user).chain([user]).collect())
    }

    async fn viewer(&self, user: UserId) -> Result<Viewer, StoreError> {
        Ok(Viewer { user, groups: self.groups_of(user).await? })
    }

    async fn groups_of(&self, user: UserId) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.store.groups_of_user(user).await?.into_iter().map(|group| group.name).collect())
    }

    /// The part of all requests that a caller may see; none: all of them.
    pub(super) async fn visible(&self, caller: &Caller) -> Result<Option<Visible>, ServiceError> {
        let Some(user) = caller.principal.user() else { return Ok(None) };
        if caller.may(Action::ReadRequest, &Resource::Any) {
            return Ok(None);
        }
        let rules = self.store.sharing_rules().await?;
        let viewer = self.viewer(user).await?;
        let to_managers = rules.iter().any(|rule| rule.audience == sharing::Audience::Managers);
        let reports = if to_managers { self.store.reports_of(user).await? } else { Vec::new() };
        let mut members: BTreeMap<&str, BTreeSet<UserId>> = BTreeMap::new();
        for rule in &rules {
            if let sharing::Owner::Group(name) = &rule.owner {
                let group = self.store.group(name).await?;
                members.insert(name, group.map(|group| group.members).unwrap_or_default());
            }
        }
        let reaches =
            sharing::visible(&rules, &viewer, &reports, |group| members.get(group).cloned().unwrap_or_default());
        Ok(Some(Visible { reaches: reaches.into_iter().collect(), awaiting: self.stands_for(user).await? }))
    }
}

/// What one may not see is not there: the same words.
pub(super) fn no_such_request(id: RequestId) -> ServiceError {
    ServiceError::NotFound(format!("there is no request {id}; `gatehouse request list` shows all there are"))
}
