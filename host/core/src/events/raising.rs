//! What an event raises for one user in one app. The table says which operation belongs to which event; here is who
//! has access before and after, and what there is to do about the account as the open requests will leave it.

use super::lane::{Lane, is_gone};
use super::table::{DirectoryEvent, row};
use crate::{Access, Account, App, Operation, Request, RequestId, State, User, mapping};
use gatehouse_schema::Status;
use std::collections::{BTreeMap, BTreeSet};

/// What happened, as one app sees it: the app and a user before and after. One of the two pairs may be the same.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The app before.
    pub app_before: &'a App,
    /// The app now.
    pub app: &'a App,
    /// The user before; none if they were made just now.
    pub before: Option<&'a User>,
    /// The user now.
    pub user: &'a User,
    /// Whether the user was reactivated: back, and every mapped attribute is to be asserted.
    pub reactivated: bool,
}

/// A request to raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Because of this.
    pub event: DirectoryEvent,
    /// To do this.
    pub operation: Operation,
    /// It only takes the place of one that is withdrawn, and is wanted for the same reason: held, if that was.
    pub again: bool,
}

impl Raise {
    fn of(event: DirectoryEvent, operation: Operation) -> Self {
        Self { event, operation, again: false }
    }
}

/// What follows from a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raising {
    /// Requests of earlier events, not begun yet, that are no longer wanted, and why. They are withdrawn first.
    pub withdraw: Vec<(RequestId, String)>,
    /// Requests to raise, in this order.
    pub raise: Vec<Raise>,
    /// Whether they are for the account as those in review may have left it.
    pub doubted: bool,
}

/// What follows from a change for a user's account in an app.
///
/// Nothing does for an app that follows no events, for an account that is ignored, and for operations that the app's
/// configuration does not name.
pub fn raise(change: &Change<'_>, lane: &Lane) -> Raising {
    follow(&Judge::of(change), lane)
}

/// What puts right what has been found out about a request: nobody knew of the account when its user lost access, left
/// or was frozen; nor that it was taken away when they came back. Nothing where it is as it should be.
pub fn amiss(app: &App, user: &User, lane: &Lane, settled: &Request) -> Raising {
    let mut as_it_was = User { active: true, frozen: false, ..user.clone() };
    match settled.operation {
        Operation::Deactivate | Operation::Delete => as_it_was.active = false,
        Operation::Freeze => as_it_was.frozen = true,
        _ => {}
    }
    let change = Change { app_before: app, app, before: Some(&as_it_was), user, reactivated: false };
    // Where the scope cannot be evaluated, nobody loses anything over it; nor over a grant that they never had, if
    // somebody asked for the account by hand.
    let has = !settled.followed() || app.entitles(user) != Access::NotGiven;
    let judge = Judge::of(&change);
    if has && judge.usable {
        let again = settled.followed() && !lets_in(settled.operation) && judge.has;
        return if again { follow(&judge, lane) } else { Raising::default() };
    }
    follow(&Judge { had: true, has, takes: true, touched: false, ..judge }, lane)
}

/// What is wanted all the same of somebody whose Deactivate was called off: they may have been frozen meanwhile, and no
/// Freeze was raised for an account that was to go.
pub fn called_off(app: &App, user: &User, lane: &Lane, undone: &Request) -> Raising {
    if !undone.followed() || undone.operation != Operation::Deactivate || !user.frozen {
        return Raising::default();
    }
    let as_it_was = User { frozen: false, ..user.clone() };
    let change = Change { app_before: app, app, before: Some(&as_it_was), user, reactivated: false };
    follow(&Judge { touched: false, ..Judge::of(&change) }, lane)
}

fn follow(judge: &Judge<'_>, lane: &Lane) -> Raising {
    let config = &judge.change.app.config;
    if !config.follow_events || lane.account.as_ref().is_some_and(is_ignored) {
        return Raising::default();
    }
    let raising = raised(judge, lane);
    if lane.doubtful.is_empty() || raising.settles_status() {
        return raising;
    }
    // What nobody knows may have been made is taken for made: better once too often than not at all.
    let open = lane.doubtful.iter().chain(&lane.open).cloned().collect();
    let other = raised(judge, &Lane { open, doubtful: Vec::new(), ..lane.clone() });
    if other.settles_status() { Raising { doubted: true, ..other } } else { raising }
}

impl Raising {
    /// Whether it has anything to do with whether the account can be used.
    fn settles_status(&self) -> bool {
        self.raise.iter().any(|raise| raise.operation != Operation::Update)
    }
}

fn raised(judge: &Judge<'_>, lane: &Lane) -> Raising {
    let raising = judge.raising(lane);
    // Whatever the reason, nothing that waits for a person stands in front of it.
    let takes = |raise: &Raise| matches!(raise.operation, Operation::Deactivate | Operation::Freeze);
    if !judge.takes && raising.raise.iter().any(takes) {
        return Judge { takes: true, ..*judge }.raising(lane);
    }
    raising
}

/// Whether it makes an account that can be used, or makes one usable again.
fn lets_in(operation: Operation) -> bool {
    matches!(operation, Operation::Create | Operation::Activate | Operation::Reactivate)
}

/// Why the directory says the opposite of an operation: who has access, is active, is frozen. None where it does not,
/// or cannot say.
pub(super) fn opposed(operation: Operation, access: Access, user: &User) -> Option<&'static str> {
    match operation {
        _ if lets_in(operation) && access == Access::NotGiven => Some("the user has lost access to the app"),
        _ if lets_in(operation) && !user.active => Some("the user has been disabled"),
        _ if lets_in(operation) && user.frozen => Some("the user has been frozen"),
        Operation::Deactivate | Operation::Delete if access == Access::Given && user.active => {
            Some("the user is to have an account again")
        }
        Operation::Freeze if !user.frozen => Some("the user is frozen no longer"),
        Operation::Unfreeze if user.frozen => Some("the user has been frozen again"),
        _ => None,
    }
}

/// Changes to the user leave it alone.
fn is_ignored(account: &Account) -> bool {
    account.link_state == crate::LinkState::Ignored
}

/// What is withdrawn, and the events that it was for; none: somebody asked for it by hand.
type Withdrawn = BTreeMap<Operation, Option<DirectoryEvent>>;

/// What there is to know of a change.
#[derive(Clone, Copy)]
struct Judge<'a> {
    change: &'a Change<'a>,
    had: bool,
    has: bool,
    /// Whether an account of theirs is to be usable.
    usable: bool,
    /// Whether attributes changed that the app takes changes of.
    touched: bool,
    /// Whether access is taken away, for the time being or for good.
    takes: bool,
}

impl<'a> Judge<'a> {
    fn of(change: &'a Change<'a>) -> Self {
        let (had, has) = access(change);
        let user = change.user;
        let barred = |before: &User| (before.active && !user.active) || (!before.frozen && user.frozen);
        Self {
            change,
            had,
            has,
            takes: (had && !has) || change.before.is_some_and(barred),
            usable: change.user.active && !change.user.frozen,
            touched: change.before.is_some_and(|before| touches(change.app, before, change.user)),
        }
    }

    /// What is withdrawn, and what is raised then.
    fn raising(&self, lane: &Lane) -> Raising {
        let withdraw = self.unwanted(lane);
        let but: BTreeSet<RequestId> = withdraw.iter().map(|(id, _)| *id).collect();
        let withdrawn: Withdrawn =
            lane.open.iter().filter(|open| but.contains(&open.id)).map(|open| (open.operation, open.event)).collect();
        let goes = lane.leaves(&BTreeSet::new()).is_some_and(|account| account.status != Status::Active);
        let account = lane.leaves(&but).filter(|account| !is_gone(account));
        let named = |raise: &Raise| self.change.app.config.operations.contains(&raise.operation);
        let raise = self.operations(account.as_ref(), goes, &withdrawn).into_iter().filter(named).collect();
        Raising { withdraw, raise, doubted: false }
    }

    /// Requests that are not begun and contradict what is wanted now, or that are to be sealed anew.
    fn unwanted(&self, lane: &Lane) -> Vec<(RequestId, String)> {
        let why = |open: &Request| match open.event {
            Some(_) => self.why_not(open.operation),
            None => self.why_not_by_hand(open),
        };
        let why = |open: &Request| self.why_behind(open).or_else(|| why(open));
        let dated =
            lane.dated.iter().filter_map(|dated| Some((dated.id, self.why_not_on_that_date(dated)?.to_owned())));
        lane.unstarted().filter_map(|open| Some((open.id, why(open)?.to_owned()))).chain(dated).collect()
    }

    /// Whether somebody is active, or frozen, on the date is looked at then. A grant that is lost is nowhere to be seen
    /// by then: somebody may have asked for an account without any.
    fn why_not_on_that_date(&self, dated: &Request) -> Option<&'static str> {
        (self.had && !self.has && lets_in(dated.operation)).then_some("the user has lost access to the app")
    }

    /// What waits for a person must not hold up what takes access away, nor be taken for it: an approval, or consent to
    /// a mass, may never come. What is wanted all the same is asked for anew, behind that; what somebody asked for by
    /// hand is theirs to ask for again.
    fn why_behind(&self, open: &Request) -> Option<&'static str> {
        let waits = open.state == State::New;
        let gives_way = match open.operation {
            _ if open.event.is_none() => true,
            Operation::Update => true,
            Operation::Deactivate => open.held.is_some() || self.freezes() || self.is_another_matter(open),
            Operation::Freeze => self.takes_for_good(),
            _ => false,
        };
        (waits && self.takes && gives_way).then_some("what takes access away goes first")
    }

    /// Whether access is taken away, and not just for the time being.
    fn takes_for_good(&self) -> bool {
        (self.had && !self.has) || self.disables()
    }

    fn disables(&self) -> bool {
        self.change.before.is_some_and(|before| before.active) && !self.change.user.active
    }

    /// Whether a Deactivate waits for the approval of something else than that its user leaves, which they do now.
    fn is_another_matter(&self, open: &Request) -> bool {
        self.disables() && open.event != Some(DirectoryEvent::DisableUser)
    }

    /// Whether the account is to be frozen with its user, who was not frozen before.
    fn freezes(&self) -> bool {
        let newly = self.change.user.frozen && !self.change.before.is_some_and(|before| before.frozen);
        newly && self.change.app.config.operations.contains(&Operation::Freeze)
    }

    /// What somebody asked for by hand is withdrawn only where it would let somebody in who may not.
    fn why_not_by_hand(&self, open: &Request) -> Option<&'static str> {
        let may_not = !self.has || !self.usable;
        if lets_in(open.operation) && may_not && self.takes { self.why_not(open.operation) } else { None }
    }

    fn why_not(&self, operation: Operation) -> Option<&'static str> {
        let asserts = matches!(operation, Operation::Create | Operation::Update | Operation::Reactivate);
        let changed = asserts && (self.touched || self.change.reactivated);
        opposed(operation, self.has.into(), self.change.user).or(changed.then_some("the user has changed again"))
    }

    /// What is to be done, given the account as open requests leave it, and what has just been withdrawn; `goes`: that
    /// would have left it deactivated.
    fn operations(&self, account: Option<&Account>, goes: bool, withdrawn: &Withdrawn) -> Vec<Raise> {
        let (before, user) = (self.change.before, self.change.user);
        let was = |of: fn(&User) -> bool| before.is_some_and(of);
        let active = account.is_some_and(|account| account.status == Status::Active);
        let frozen = account.is_some_and(|account| account.frozen);
        let mut raise = if active { self.taking(frozen, goes, withdrawn) } else { Vec::new() };
        // Whoever is reactivated is back altogether: a freeze that followed theirs, and whose end never came, ends too.
        let left_over = self.change.reactivated && account.is_some_and(|account| account.frozen_with_user);
        let unfrozen = (was(|user| user.frozen) || left_over) && !user.frozen;
        if unfrozen && frozen {
            raise.push(Raise::of(DirectoryEvent::UnfreezeUser, Operation::Unfreeze));
        }
        // A freeze of the account alone is for a person to end.
        let held = frozen && !unfrozen;
        let returns = self.back(withdrawn).filter(|_| self.has && self.usable && !held);
        let asserted = match returns {
            Some(back) if !active => {
                // Without an account there is nothing to activate: it is made. Their own deactivated one is brought
                // back by what the event asks for.
                let operation = if account.is_none() { Operation::Create } else { back.operation };
                raise.push(Raise { operation, ..back });
                operation != Operation::Activate
            }
            _ => false,
        };
        // What was withdrawn was to assert the attributes as well: an older Update may have been left out for its sake.
        let asserts = [Operation::Update, Operation::Reactivate, Operation::Create];
        let lost = asserts.iter().any(|operation| withdrawn.contains_key(operation));
        let update = self.touched || self.change.reactivated || lost;
        if update && account.is_some() && !asserted {
            let reactivated = self.change.reactivated;
            let event = if reactivated { DirectoryEvent::ReactivateUser } else { DirectoryEvent::UpdateUser };
            raise.push(Raise::of(event, Operation::Update));
        }
        raise
    }

    /// What takes an active account away, for good or for the time being; `goes`: what has been withdrawn would have
    /// deactivated it.
    fn taking(&self, frozen: bool, goes: bool, withdrawn: &Withdrawn) -> Vec<Raise> {
        let user = self.change.user;
        let disabled = DirectoryEvent::DisableUser;
        if self.takes_for_good() {
            let lost = self.had && !self.has;
            let event = if lost { self.access_event() } else { disabled };
            return vec![Raise::of(event, Operation::Deactivate)];
        }
        let newly = !self.change.before.is_some_and(|before| before.frozen);
        // An account that was to be deactivated was not frozen with its user. And one that is to be deactivated all the
        // same, once somebody agrees, is to be frozen until then.
        let freezes = user.frozen && !frozen && (newly || goes);
        let freeze = freezes.then(|| Raise::of(DirectoryEvent::FreezeUser, Operation::Freeze));
        let still = goes && (!self.has || !user.active);
        let event = withdrawn.get(&Operation::Deactivate).copied().flatten();
        let event = event.unwrap_or(if user.active { DirectoryEvent::UpdateUser } else { disabled });
        let still = still.then_some(Raise { event, operation: Operation::Deactivate, again: true });
        freeze.into_iter().chain(still).collect()
    }

    /// Why the user is to have a usable account from now on, and what brings a deactivated one back; none if nothing
    /// has changed about that.
    fn back(&self, withdrawn: &Withdrawn) -> Option<Raise> {
        let (before, user) = (self.change.before, self.change.user);
        let gives = |event: DirectoryEvent| row(event).gives.map(|operation| Raise::of(event, operation));
        if self.change.reactivated {
            return gives(DirectoryEvent::ReactivateUser);
        }
        if !self.had && self.has {
            return Some(Raise::of(self.access_event(), Operation::Create));
        }
        if before.is_some_and(|before| !before.active) && user.active {
            return gives(DirectoryEvent::EnableUser);
        }
        if before.is_some_and(|before| before.frozen) && !user.frozen {
            return Some(Raise::of(DirectoryEvent::UnfreezeUser, Operation::Activate));
        }
        // What was to bring the account back is sealed anew.
        let lets_in = [Operation::Create, Operation::Reactivate, Operation::Activate];
        let operation = lets_in.into_iter().find(|operation| withdrawn.contains_key(operation))?;
        Some(Raise { event: DirectoryEvent::UpdateUser, operation, again: true })
    }

    /// The event that gave access or took it.
    fn access_event(&self) -> DirectoryEvent {
        let Change { app_before, app, before, user, .. } = self.change;
        let Some(before) = before else { return DirectoryEvent::CreateUser };
        let (with, by) = if self.has { (app, *user) } else { (app_before, *before) };
        if app_before.profiles != app.profiles || app_before.permission_sets != app.permission_sets {
            let by_profile = by
                .profile
                .as_ref()
                .is_some_and(|profile| app_before.profiles.contains(profile) != app.profiles.contains(profile));
            let event =
                if by_profile { DirectoryEvent::AssignProfileToApp } else { DirectoryEvent::AssignPermissionSetToApp };
            return event;
        }
        let by_profile = by.profile.as_ref().is_some_and(|profile| with.profiles.contains(profile));
        if before.profile != user.profile && by_profile {
            DirectoryEvent::ChangeUserProfile
        } else if before.permission_sets != user.permission_sets {
            DirectoryEvent::AssignPermissionSet
        } else {
            DirectoryEvent::UpdateUser
        }
    }
}

/// Whether the app is the user's before and after, their being active aside. Where its scope cannot be evaluated now,
/// nothing has changed about that: nobody gets an account or loses one over it. Where it could not be before, what
/// holds now is news: a grant that is taken away takes the account with it, whatever the scope was.
fn access(change: &Change<'_>) -> (bool, bool) {
    let before = change.before.map_or(Access::NotGiven, |before| change.app_before.entitles(before));
    match (before, change.app.entitles(change.user)) {
        (Access::Undecided, Access::Undecided) => (false, false),
        (before, Access::Undecided) => (before == Access::Given, before == Access::Given),
        (Access::Undecided, now) => (now != Access::Given, now == Access::Given),
        (before, now) => (before == Access::Given, now == Access::Given),
    }
}

/// Whether attributes changed that the app's mapping uses and its configuration selects.
fn touches(app: &App, before: &User, user: &User) -> bool {
    let selected = |name: &str| app.config.update_on.as_ref().is_none_or(|selected| selected.contains(name));
    let used = mapping::used_attributes(&app.config.mapping);
    before.differences(user).iter().any(|name| used.uses(name) && selected(name))
}

#[cfg(test)]
mod tests;
