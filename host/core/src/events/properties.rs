//! Whatever happens to somebody, in whatever order, and however far the requests before have got: once all requests
//! are done, the account is as it should be.

#![allow(clippy::unwrap_used)]

use super::{Change as Happened, Lane, Tally, is_unstarted, raise};
use crate::lifecycle::{NewRequest, Raised, open};
use crate::planning::{not_to_be_made, plan_change};
use crate::testing::{app, description, user};
use crate::{
    Account, AccountId, Actor, App, Change, CommitStep, Operation, Request, RequestId, RequestObject, Situation, State,
    Subject, User, UserId,
};
use gatehouse_schema::Status;
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug)]
enum Act {
    Profile(bool),
    Set(bool),
    Grant(bool),
    Active(bool),
    Frozen(bool),
    Rename(u8),
    Reactivate,
    /// Several at once.
    ActiveAndProfile(bool, bool),
    /// The first open request is carried out.
    Run,
    /// It is begun, and cannot be withdrawn any more.
    Begin,
    /// What comes next is a mass, or no longer, and is held by the guard.
    Mass(bool),
    /// Somebody agrees to the first open request, or consents to it.
    Agree,
}

/// Histories of a few kinds of acts each, drawn anew for each: what takes several of the same in a row is met like that.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let kinds = [
        any::<bool>().prop_map(Act::Profile).boxed(),
        any::<bool>().prop_map(Act::Set).boxed(),
        any::<bool>().prop_map(Act::Grant).boxed(),
        any::<bool>().prop_map(Act::Active).boxed(),
        any::<bool>().prop_map(Act::Frozen).boxed(),
        (0..3_u8).prop_map(Act::Rename).boxed(),
        Just(Act::Reactivate).boxed(),
        (any::<bool>(), any::<bool>()).prop_map(|(active, profile)| Act::ActiveAndProfile(active, profile)).boxed(),
        Just(Act::Run).boxed(),
        Just(Act::Begin).boxed(),
        any::<bool>().prop_map(Act::Mass).boxed(),
        Just(Act::Agree).boxed(),
    ];
    let some = prop::sample::subsequence(kinds.to_vec(), 2..=kinds.len());
    some.prop_flat_map(|some| prop::collection::vec(prop::strategy::Union::new(some), 1..24))
}

/// Operations that need an approval, in some histories.
fn approvals() -> impl Strategy<Value = BTreeSet<Operation>> {
    let some = [
        Operation::Create,
        Operation::Update,
        Operation::Deactivate,
        Operation::Activate,
        Operation::Reactivate,
        Operation::Freeze,
        Operation::Unfreeze,
    ];
    prop_oneof![Just(BTreeSet::new()), prop::collection::btree_set(prop::sample::select(some.to_vec()), 1..4)]
}

struct World {
    app: App,
    user: User,
    lane: Lane,
    /// The name the target has for the account.
    shown: Option<String>,
    /// Whether the account can be used in the target.
    works: bool,
    next: u64,
    accounts_made: u64,
    /// What needs an approval.
    approvals: BTreeSet<Operation>,
    /// Whether what happens is part of a mass.
    mass: bool,
}

impl World {
    /// Somebody who has an account already, or nobody yet.
    fn new(provisioned: bool, approvals: BTreeSet<Operation>) -> Self {
        let mut world = Self::of_nobody();
        if provisioned {
            world.act(Act::Profile(true));
            world.settle();
            assert!(world.usable());
        }
        Self { approvals, ..world }
    }

    fn of_nobody() -> Self {
        let app = App { permission_sets: ["vpn".to_owned()].into(), ..app() };
        let user =
            User { profile: None, first_name: Some("0".to_owned()), last_name: Some("L".to_owned()), ..user(1, "ada") };
        Self {
            app,
            user,
            lane: Lane::default(),
            shown: None,
            works: false,
            next: 1,
            accounts_made: 0,
            approvals: BTreeSet::new(),
            mass: false,
        }
    }

    fn act(&mut self, act: Act) {
        let (app_before, before) = (self.app.clone(), self.user.clone());
        let profile = |has: bool| has.then(|| "staff".to_owned());
        match act {
            Act::Profile(has) => self.user.profile = profile(has),
            Act::Set(has) => self.user.permission_sets = has.then(|| "vpn".to_owned()).into_iter().collect(),
            Act::Grant(has) => self.app.profiles = profile(has).into_iter().collect(),
            Act::Active(active) => self.user.active = active,
            Act::Frozen(frozen) => self.user.frozen = frozen,
            Act::Rename(name) => self.user.first_name = Some(name.to_string()),
            Act::Reactivate => self.user.active = true,
            Act::ActiveAndProfile(active, has) => {
                self.user.active = active;
                self.user.profile = profile(has);
            }
            Act::Run => return self.run(),
            Act::Begin => {
                if let Some(first) = self.lane.open.first_mut().filter(|first| first.state != State::New) {
                    first.state = State::Committing;
                }
                return;
            }
            Act::Mass(mass) => {
                self.mass = mass;
                return;
            }
            Act::Agree => return self.agree(),
        }
        let change = Happened {
            app_before: &app_before,
            app: &self.app.clone(),
            before: Some(&before),
            user: &self.user.clone(),
            reactivated: matches!(act, Act::Reactivate),
        };
        let raising = raise(&change, &self.lane);
        let mut withdrawn = Vec::new();
        for (id, _) in &raising.withdraw {
            let at = self.lane.open.iter().position(|open| open.id == *id).unwrap();
            withdrawn.push(self.lane.open.remove(at));
        }
        assert!(withdrawn.iter().all(is_unstarted), "only what is not begun is withdrawn");
        for raised in raising.raise {
            let account = self.lane.leaves(&BTreeSet::new());
            let planned =
                plan_change(raised.operation, Some(change.user), account.as_ref(), change.app, &description());
            let planned = planned.unwrap_or_else(|why| panic!("{raised:?} for {account:?}: {why}"));
            let before = withdrawn.iter().rfind(|before| raised.again && before.operation == raised.operation);
            let mut watched = Tally::default();
            watched.add(raised.operation);
            let mass = self.mass && watched != Tally::default();
            let held = before.is_some_and(|before| before.held.is_some()) || mass;
            self.open(raised.operation, planned, raised.event, held);
        }
    }

    fn open(&mut self, operation: Operation, change: Change, event: super::DirectoryEvent, held: bool) {
        let new = NewRequest {
            id: RequestId(self.next),
            app: self.app.id,
            operation,
            object: RequestObject::User,
            subject: Subject::User(UserId(1)),
            account: None,
            change,
            approvals: None,
            by: Actor::host(),
            reason: None,
            raised: Raised { by_event: Some(event), ..Raised::default() },
        };
        self.next += 1;
        let mut request = open(new, Timestamp::UNIX_EPOCH).request.record;
        if held || self.approvals.contains(&operation) {
            request.state = State::New;
            request.held = held.then(|| "a mass".to_owned());
        }
        self.lane.open.push(request);
    }

    fn agree(&mut self) {
        if let Some(first) = self.lane.open.first_mut().filter(|first| first.state == State::New) {
            (first.state, first.held) = (State::Requested, None);
        }
    }

    /// Carries out the first open request, as the engine and a well-behaved target do.
    fn run(&mut self) {
        if self.lane.open.first().is_none_or(|first| first.state == State::New) {
            return;
        }
        let request: Request = self.lane.open.remove(0);
        if request.makes_account()
            && let Some(why) = not_to_be_made(&self.user, self.lane.account.as_ref(), &self.app, &description())
        {
            // Begun before the user was frozen or disabled: it fails, and makes nothing.
            assert!(!self.user.active || self.user.frozen || self.lane.account.is_some(), "{why}");
            return;
        }
        let Change::Account { steps, .. } = &request.change.content else { panic!("{request:?}") };
        for step in steps {
            match step {
                CommitStep::Create(desired) => {
                    self.accounts_made += 1;
                    self.works = desired.status == Status::Active;
                    self.shown = shown(&desired.attributes);
                }
                // An account that is not there is not changed.
                _ if self.lane.account.is_none() => return,
                CommitStep::Update(attributes) => self.shown = shown(attributes).or(self.shown.take()),
                CommitStep::SetStatus(status) => self.works = *status == Status::Active,
                _ => {}
            }
        }
        let left =
            Lane { account: self.lane.account.take(), open: vec![request], ..Lane::default() }.leaves(&BTreeSet::new());
        self.lane.account =
            left.map(|account| Account { id: AccountId(1), external_id: Some("x1".to_owned()), ..account });
    }

    /// Carries out all that waits for nobody.
    fn drain(&mut self) {
        while self.lane.open.first().is_some_and(|first| first.state != State::New) {
            self.run();
        }
    }

    fn settle(&mut self) {
        while !self.lane.open.is_empty() {
            self.agree();
            self.run();
        }
    }

    fn usable(&self) -> bool {
        let account = self.lane.account.as_ref();
        account.is_some_and(|account| account.status == Status::Active && !account.frozen)
    }

    /// Whether an open request of this operation waits for somebody itself.
    fn waits(&self, operation: Operation) -> bool {
        self.lane.open.iter().any(|open| open.operation == operation && open.state == State::New)
    }
}

fn shown(attributes: &gatehouse_schema::Attributes) -> Option<String> {
    attributes.get("displayName").and_then(|values| values.first()).map(|value| value.text.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8192, ..ProptestConfig::default() })]
    #[test]
    fn in_the_end_the_account_is_as_it_should_be(
        acts in acts(),
        provisioned: bool,
        approvals in approvals(),
    ) {
        let mut world = World::new(provisioned, approvals);
        for act in &acts {
            world.act(*act);
        }
        world.drain();
        // Nothing but its own approval, or consent to a mass, holds up what takes access away.
        if world.usable() && (!world.app.grants(&world.user) || !world.user.active) {
            prop_assert!(world.waits(Operation::Deactivate), "a leaver can sign in: {:?}", world.lane);
        }
        if world.usable() && world.user.frozen {
            let waits = world.waits(Operation::Freeze) || world.waits(Operation::Deactivate);
            prop_assert!(waits, "somebody who is frozen can sign in: {:?}", world.lane);
            prop_assert!(
                world.approvals.contains(&Operation::Freeze),
                "a freeze waits for a mass or an approval of something else: {:?}", world.lane
            );
        }
        world.settle();
        let (has, user) = (world.app.grants(&world.user), &world.user);
        let account = world.lane.account.as_ref();
        let usable = world.usable();
        prop_assert_eq!(world.works, usable, "the record does not say what is so: {:?}", account);
        // A Create that was begun before its user was frozen or disabled fails at its turn.
        let begun = acts.iter().any(|act| matches!(act, Act::Begin));
        prop_assert!(!usable || (has && user.active && !user.frozen), "somebody can sign in who may not: {account:?}");
        if has && user.active && !user.frozen && !begun {
            prop_assert!(usable, "somebody cannot sign in who may: {account:?}");
            let name = user.first_name.as_deref().map(|name| format!("{name} L"));
            prop_assert_eq!(&world.shown, &name, "the account has an older name");
        }
        if let Some(account) = account {
            prop_assert_eq!(account.situation, Situation::Confirmed);
            prop_assert!(!account.frozen || user.frozen, "an Unfreeze was forgotten");
        }
        prop_assert!(world.accounts_made <= 1, "a second account was made");
    }
}
